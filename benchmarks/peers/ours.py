"""rowferry: `copy_to_api`, as a user calls it."""

from __future__ import annotations

from dataclasses import replace

import psycopg
from measure import Job, job, measure

import rowferry as etl


def transfer(job: Job) -> int:
    """Copy the rows; give how many were delivered."""
    with psycopg.connect(job.dsn) as conn:
        return etl.copy_to_api(job.query, conn, api(job), key=job.key or None).delivered


def api(job: Job) -> etl.Api:
    """Describe the API."""
    adaptive = job.concurrency == "adaptive"
    limits = etl.Limits(
        max_in_flight=job.in_flight, concurrency="adaptive" if adaptive else job.in_flight
    )
    tls = {"ca": job.ca} if job.ca else True
    if job.path:
        token = etl.auth.Bearer("0123456789abcdef" * 4)
        return etl.Api(job.url + job.path, limits=limits, auth=token, request_timeout=5.0)
    if job.batch == 1:  # the timeout is for the faults that hang
        return etl.Api(job.url, limits=limits, request_timeout=5.0, tls=tls)
    return etl.Api(job.url, body_format="ndjson", batch_size=job.batch, limits=limits, tls=tls)


def without_rows(job: Job) -> Job:
    """
    Give a transfer of no rows, to be done beforehand.

    What other peers import at their top, rowferry imports when it is first used; "import" has it.
    """
    return replace(job, rows=0)


if __name__ == "__main__":
    this = job()
    transfer(without_rows(this))
    measure(lambda: transfer(this))
