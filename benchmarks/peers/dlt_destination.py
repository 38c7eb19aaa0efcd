"""
dlt: a pipeline with a destination of one's own, `@dlt.destination`, which posts what it is given.

The settings that were fastest: rows come as Arrow tables, which dlt passes on without looking at
each value; as many files as requests may be in flight, a load job and a thread for each; a session
of Requests a thread; and 100 rows a call of the destination, which it posts one after another
(after each call dlt commits how far it is, to disk). Where rows go in batches, a call is a batch.

Source: https://dlthub.com/docs/dlt-ecosystem/destinations/destination
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from typing import TYPE_CHECKING

import dlt
import orjson
import psycopg
import pyarrow as pa
import requests
from measure import Job, job, measure
from psycopg.types.numeric import FloatLoader

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 5_000
CALL = 100


def transfer(job: Job, folder: str) -> int:
    """Run the pipeline; give the rows that its files held."""
    per_file = -(-job.rows // job.in_flight)
    os.environ |= {
        "DATA_WRITER__FILE_MAX_ITEMS": str(per_file),
        "LOAD__WORKERS": str(job.in_flight),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
    pipeline = dlt.pipeline("items", destination=destination(job), pipelines_dir=folder)
    pipeline.run(tables(job, min(CHUNK, per_file)), table_name="item", loader_file_format="parquet")
    return pipeline.last_trace.last_normalize_info.row_counts["item"]


def destination(job: Job) -> object:
    """Make the destination."""
    threads = threading.local()

    @dlt.destination(
        batch_size=CALL if job.batch == 1 else job.batch,
        loader_file_format="parquet",
        name="api",
        loader_parallelism_strategy="parallel",
        max_parallel_load_jobs=job.in_flight,
    )
    def api(items: pa.RecordBatch, _: object) -> None:
        for body in bodies(items.to_pylist(), job.batch):
            session(threads, job).post(job.url, data=body, timeout=30).raise_for_status()

    return api


def bodies(rows: list[dict], batch: int) -> list[bytes]:
    """Give the bodies of *rows*: one each, or one for all."""
    if batch == 1:
        return [orjson.dumps(row) for row in rows]
    return [b"".join([orjson.dumps(row, None, orjson.OPT_APPEND_NEWLINE) for row in rows])]


def session(threads: threading.local, job: Job) -> requests.Session:
    """Give the session of this thread."""
    if not hasattr(threads, "session"):
        threads.session = requests.Session()
        threads.session.trust_env = False
        threads.session.headers["Content-Type"] = job.content_type
    return threads.session


def tables(job: Job, size: int) -> Iterator[pa.Table]:
    """Give the rows as tables of *size*."""
    with psycopg.connect(job.dsn) as conn, conn.cursor("rows") as cursor:
        cursor.adapters.register_loader("numeric", FloatLoader)
        cursor.execute(job.query)
        names = [column.name for column in cursor.description]
        while rows := cursor.fetchmany(size):
            yield pa.table(dict(zip(names, zip(*rows, strict=True), strict=True)))


if __name__ == "__main__":
    this = job()
    logging.getLogger("dlt").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as here:
        measure(lambda: transfer(this, here))
