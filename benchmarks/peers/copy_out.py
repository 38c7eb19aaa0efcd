"""The limit of reading: COPY TO STDOUT, thrown away. It sends nothing."""

from __future__ import annotations

import psycopg
from measure import Job, job, measure


def transfer(job: Job) -> int:
    """Let the rows come as text; give how many PostgreSQL says there were."""
    with psycopg.connect(job.dsn) as conn, conn.cursor() as cursor:
        with cursor.copy(f"copy ({job.query}) to stdout") as copy:
            for _ in copy:
                pass
        return cursor.rowcount


if __name__ == "__main__":
    this = job()
    measure(lambda: transfer(this))
