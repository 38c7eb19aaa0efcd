"""
ETLHelper's recipe for an API: a chunk of 5,000 rows, posted by one gather in a loop of its own.

Source: https://etlhelper.readthedocs.io/ ("Database to API / NoSQL copy ETL script template")
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import psycopg
from measure import Job, job, measure
from psycopg.rows import dict_row

CHUNK = 5_000


def transfer(job: Job) -> int:
    """Post chunk after chunk."""
    count = 0
    with psycopg.connect(job.dsn, row_factory=dict_row) as conn, conn.cursor("rows") as cursor:
        cursor.execute(job.query)
        while chunk := cursor.fetchmany(CHUNK):
            count += len(asyncio.run(post_chunk(chunk, job)))
    return count


async def post_chunk(chunk: list[dict[str, Any]], job: Job) -> list[int]:
    """Post all rows of *chunk* at once, as far as the session's connections go."""
    connector = aiohttp.TCPConnector(limit=job.in_flight)
    async with aiohttp.ClientSession(connector=connector) as session:
        return await asyncio.gather(*[post_row(row, session, job) for row in chunk])


async def post_row(row: dict[str, Any], session: aiohttp.ClientSession, job: Job) -> int:
    """Post one row; give the status."""
    response = await session.post(
        job.url,
        headers={"Content-Type": job.content_type},
        data=json.dumps(row, default=str),
    )
    response.raise_for_status()
    return response.status


if __name__ == "__main__":
    this = job()
    measure(lambda: transfer(this))
