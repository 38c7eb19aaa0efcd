"""What the helpers of elasticsearch-py share: an action a row, as their documentation shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from measure import Job


def actions(job: Job) -> Iterator[dict]:
    """Give an action a row; with the row's key as the document's id, where there is one."""
    with psycopg.connect(job.dsn, row_factory=dict_row) as conn, conn.cursor("rows") as cursor:
        cursor.itersize = 5_000
        cursor.execute(job.query)
        for row in cursor:
            place = {"_index": "items"}
            if job.key:
                place["_id"] = row[job.key]
            yield {**place, "_source": row}


def cluster(job: Job) -> str:
    """Give the URL of the cluster."""
    parts = urlsplit(job.url)
    return f"{parts.scheme}://{parts.netloc}"
