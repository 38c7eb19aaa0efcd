"""rowferry's `copy_to_api` by its defaults, or with a key and a journal."""

from __future__ import annotations

import sys

import psycopg
from measure import Job, job

import rowferry as etl


def plain(job: Job) -> None:
    """Copy the rows."""
    with psycopg.connect(job.dsn) as conn:
        print(etl.copy_to_api(job.query, conn, job.url))


def careful(job: Job) -> None:
    """Copy the rows, with a key and a journal."""
    with psycopg.connect(job.dsn) as conn:
        journal = etl.Journal("items.journal")
        print(etl.copy_to_api(job.query, conn, job.url, key="id", journal=journal))


if __name__ == "__main__":
    transfer = careful if sys.argv.pop(1) == "careful" else plain
    transfer(job())
