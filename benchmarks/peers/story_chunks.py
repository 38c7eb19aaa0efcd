"""Chunk by chunk, with gather: examples/story/chunks.py."""

from telling import tell

if __name__ == "__main__":
    tell("chunks")
