"""rowferry: examples/story/ferry.py."""

from telling import tell

if __name__ == "__main__":
    tell("ferry")
