"""
dlt with a destination of one's own: by its defaults, or as a careful engineer has it.

By default a call of the destination gets 10 rows, of which each is posted by Requests. With
`careful` it gets one, since what fails is called again whole; there are as many files, and so
load jobs, as requests may be in flight; rows go by dlt's own Requests, which retries; and what is
refused goes to a file.

Sources: https://dlthub.com/docs/dlt-ecosystem/destinations/destination,
https://dlthub.com/docs/general-usage/http/requests
"""

from __future__ import annotations

import os
import sys

import dlt
import orjson
import psycopg
import requests
from dlt.sources.helpers import requests as patient_requests
from measure import Job, job
from patience import keep
from psycopg.rows import dict_row
from psycopg.types.numeric import FloatLoader

CHUNK = 5_000
CLIENT = patient_requests.Client(raise_for_status=False, max_connections=64)


@dlt.destination(name="api")
def plain(items: list[dict], _: object, url: str = dlt.config.value) -> None:
    """Post each row."""
    for row in items:
        requests.post(url, data=orjson.dumps(row), timeout=30).raise_for_status()


@dlt.destination(
    name="api", batch_size=1, max_parallel_load_jobs=64, loader_parallelism_strategy="parallel"
)
def careful(items: list[dict], _: object, url: str = dlt.config.value) -> None:
    """Post the row, patiently."""
    for row in items:
        body = orjson.dumps(row)
        response = CLIENT.post(url, data=body)
        keep(body, response.status_code)
        if response.status_code >= 500:
            response.raise_for_status()


def transfer(job: Job, destination: object) -> None:
    """Run the pipeline, or what is left of the one of before."""
    os.environ |= {"DESTINATION__API__URL": job.url, "RUNTIME__DLTHUB_TELEMETRY": "false"}
    pipeline = dlt.pipeline("items", destination=destination, pipelines_dir="pipelines")
    pipeline.run(rows(job), table_name="item")


def rows(job: Job) -> object:
    """Give the rows by the chunk."""
    with psycopg.connect(job.dsn, row_factory=dict_row) as conn, conn.cursor("rows") as cursor:
        cursor.adapters.register_loader("numeric", FloatLoader)
        cursor.execute(job.query)
        while chunk := cursor.fetchmany(CHUNK):
            yield chunk


if __name__ == "__main__":
    is_careful = sys.argv.pop(1) == "careful"
    this = job()
    if is_careful:
        os.environ |= {
            "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": str(-(-this.rows // 64)),
            "LOAD__WORKERS": "64",
        }
    transfer(this, careful if is_careful else plain)
