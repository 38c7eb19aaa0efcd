"""
What hand-written pipelines share: workers, each with one request in flight, and a bounded queue.

Rows are read and encoded by the chunk in a thread, with a server-side cursor. Numbers are read as
floats, which orjson can write.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import orjson
import psycopg
from psycopg.rows import dict_row
from psycopg.types.numeric import FloatLoader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from measure import Job

    Post = Callable[[bytes], Awaitable[object]]
    Queue = asyncio.Queue[tuple[int, bytes] | None]

CHUNK = 5_000


async def carry(job: Job, post: Post) -> int:
    """Let the reader and the workers run until *post* has had all bodies; give the rows posted."""
    queue: Queue = asyncio.Queue(CHUNK if job.batch == 1 else job.in_flight)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_work(post, queue)) for _ in range(job.in_flight)]
        await _fill(queue, job)
        for _ in tasks:
            await queue.put(None)
    return sum(task.result() for task in tasks)


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


async def _fill(queue: Queue, job: Job) -> None:
    """Read in a thread; put the bodies where the workers find them."""
    loop = asyncio.get_running_loop()
    chunks = read(job)
    with ThreadPoolExecutor(1) as thread:
        while chunk := await loop.run_in_executor(thread, next, chunks, None):
            for body in chunk:
                await queue.put(body)


async def _work(post: Post, queue: Queue) -> int:
    """Post bodies until there are no more; give the rows posted."""
    count = 0
    while (work := await queue.get()) is not None:
        rows, body = work
        await post(body)
        count += rows
    return count
