"""
What a careful engineer writes by hand for one job: aiohttp, uvloop, orjson and psycopg.

One session, a worker a connection, a bounded queue, rows read and encoded by the chunk in a thread.
It has no retries, no limits, and nobody to tell which rows were refused. Its numbers are read as
floats, which orjson can write; and its cookie jar is a dummy.
"""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import aiohttp
import orjson
import psycopg
import uvloop
from measure import Job, job, measure
from psycopg.rows import dict_row
from psycopg.types.numeric import FloatLoader

if TYPE_CHECKING:
    from collections.abc import Iterator

    Queue = asyncio.Queue[tuple[int, bytes] | None]

CHUNK = 5_000


def read(job: Job) -> Iterator[list[tuple[int, bytes]]]:
    """Give the bodies of each chunk of rows, with the number of rows in each."""
    with psycopg.connect(job.dsn, row_factory=dict_row) as conn, conn.cursor("rows") as cursor:
        cursor.adapters.register_loader("numeric", FloatLoader)
        cursor.execute(job.query)
        while rows := cursor.fetchmany(CHUNK):
            if job.batch == 1:
                yield [(1, orjson.dumps(row)) for row in rows]
            else:
                yield [ndjson(rows[at : at + job.batch]) for at in range(0, len(rows), job.batch)]


def ndjson(rows: list[dict]) -> tuple[int, bytes]:
    """Write *rows* as lines."""
    return len(rows), b"".join([orjson.dumps(row, None, orjson.OPT_APPEND_NEWLINE) for row in rows])


async def transfer(job: Job) -> int:
    """Let the reader and the workers run until all rows are posted."""
    workers = job.in_flight
    queue: Queue = asyncio.Queue(CHUNK if job.batch == 1 else workers)
    async with session(job) as client, asyncio.TaskGroup() as group:
        tasks = [group.create_task(post(client, job.url, queue)) for _ in range(workers)]
        await fill(queue, job)
        for _ in tasks:
            await queue.put(None)
    return sum(task.result() for task in tasks)


def session(job: Job) -> aiohttp.ClientSession:
    """Make the one session."""
    tls = ssl.create_default_context(cafile=job.ca) if job.ca else True
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=job.in_flight, ssl=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": job.content_type},
        timeout=aiohttp.ClientTimeout(total=30),
    )


async def fill(queue: Queue, job: Job) -> None:
    """Read in a thread; put the bodies where the workers find them."""
    loop = asyncio.get_running_loop()
    chunks = read(job)
    with ThreadPoolExecutor(1) as thread:
        while chunk := await loop.run_in_executor(thread, next, chunks, None):
            for body in chunk:
                await queue.put(body)


async def post(client: aiohttp.ClientSession, url: str, queue: Queue) -> int:
    """Post bodies until there are no more; give the rows posted."""
    count = 0
    while (work := await queue.get()) is not None:
        rows, body = work
        async with client.post(url, data=body) as response:
            response.raise_for_status()
            await response.read()
        count += rows
    return count


if __name__ == "__main__":
    this = job()
    measure(lambda: uvloop.run(transfer(this)))
