"""rowferry with a journal of its own, on the disk that temporary files are on."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from measure import job, measure
from ours import api, without_rows

import rowferry as etl

if TYPE_CHECKING:
    from measure import Job


def transfer(job: Job, journal: etl.Journal) -> int:
    """Copy the rows; give how many were delivered, and committed so."""
    with psycopg.connect(job.dsn) as conn:
        report = etl.copy_to_api(job.query, conn, api(job), key=job.key, journal=journal)
    return report.delivered


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        this, beside = job(), etl.Journal(Path(folder) / "journal.db")
        transfer(without_rows(this), etl.Journal(Path(folder) / "none.db"))
        measure(lambda: transfer(this, beside))
