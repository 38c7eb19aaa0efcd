"""rowferry: `copy_to_api` to `_bulk`, as a user calls it."""

from __future__ import annotations

import psycopg
from bulk import cluster
from measure import Job, job, measure
from ours import without_rows

import rowferry as etl


def transfer(job: Job) -> int:
    """Index the rows; give how many were delivered."""
    concurrency = "adaptive" if job.concurrency == "adaptive" else job.in_flight
    limits = etl.Limits(max_in_flight=job.in_flight, concurrency=concurrency)
    api = etl.Api.elasticsearch(cluster(job), index="items", batch_size=job.batch, limits=limits)
    with psycopg.connect(job.dsn) as conn:
        return etl.copy_to_api(job.query, conn, api, key=job.key).delivered


if __name__ == "__main__":
    this = job()
    transfer(without_rows(this))
    measure(lambda: transfer(this))
