"""elasticsearch-py's `streaming_bulk`, as its documentation shows it: one request at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk
from measure import Job, job, measure
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Iterator


def actions(job: Job) -> Iterator[dict]:
    """Give an action a row."""
    with psycopg.connect(job.dsn, row_factory=dict_row) as conn, conn.cursor("rows") as cursor:
        cursor.itersize = 5_000
        cursor.execute(job.query)
        for row in cursor:
            yield {"_index": "items", "_source": row}


def transfer(job: Job) -> int:
    """Index the rows; give how many were taken."""
    parts = urlsplit(job.url)
    with Elasticsearch(f"{parts.scheme}://{parts.netloc}") as client:
        return sum(ok for ok, _ in streaming_bulk(client, actions(job), chunk_size=job.batch))


if __name__ == "__main__":
    this = job()
    measure(lambda: transfer(this))
