"""One by one, with Requests: examples/story/sequential.py."""

from telling import tell

if __name__ == "__main__":
    tell("sequential")
