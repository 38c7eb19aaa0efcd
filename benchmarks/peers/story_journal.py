"""rowferry with a journal, on the disk that temporary files are on: examples/story/ferry.py."""

import tempfile
from pathlib import Path

from telling import tell

import rowferry as etl

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        tell("ferry", etl.Journal(Path(folder) / "story.journal"))
