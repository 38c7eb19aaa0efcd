"""Requests, one row after another, without a session: how rows are posted before one looks."""

from __future__ import annotations

import json

import psycopg
import requests
from measure import Job, job, measure
from psycopg.rows import dict_row


def transfer(job: Job) -> int:
    """Post each row, then look at the next."""
    count = 0
    with psycopg.connect(job.dsn, row_factory=dict_row) as conn, conn.cursor("rows") as cursor:
        for row in cursor.execute(job.query):
            response = requests.post(
                job.url,
                data=json.dumps(row, default=str),
                headers={"Content-Type": job.content_type},
                timeout=30,
            )
            response.raise_for_status()
            count += 1
    return count


if __name__ == "__main__":
    this = job()
    measure(lambda: transfer(this))
