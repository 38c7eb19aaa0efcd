"""rowferry, as `profiling.py` looks at it: warm, and it begins when it is told to."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import ours
import ours_with_journal
from measure import Job, job, measure

import rowferry as etl

WARM = 2_000


def transfer(job: Job, folder: Path) -> int:
    """Copy the rows, with a journal where there is a key."""
    if job.key:
        return ours_with_journal.transfer(job, etl.Journal(folder / f"{job.rows}.db"))
    return ours.transfer(job)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        this = job()
        transfer(replace(this, rows=WARM), Path(folder))  # imports what is imported when needed
        print("ready", flush=True)
        sys.stdin.readline()
        measure(lambda: transfer(this, Path(folder)))
