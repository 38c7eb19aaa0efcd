"""Workers that share a queue: examples/story/workers.py."""

from telling import tell

if __name__ == "__main__":
    tell("workers")
