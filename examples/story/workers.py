"""
Rows to an API by workers that share a queue, with asyncio and aiohttp.

    python workers.py DATABASE QUERY URL
"""

import asyncio
import sqlite3
import sys
from contextlib import closing
from typing import Any, TypeAlias

import aiohttp

import rowferry as etl

Queue: TypeAlias = "asyncio.Queue[dict[str, Any] | None]"

WORKERS = 64


def send(query: str, conn: sqlite3.Connection, url: str) -> int:
    """Read and post until there are no more rows; give how many were posted."""
    return asyncio.run(transfer(query, conn, url))


async def transfer(query: str, conn: sqlite3.Connection, url: str) -> int:
    """Put the rows into a queue, from which the workers take them."""
    queue: Queue = asyncio.Queue(maxsize=2 * WORKERS)
    connector = aiohttp.TCPConnector(limit=WORKERS)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        workers = [group.create_task(work(queue, session, url)) for _ in range(WORKERS)]
        for row in etl.iter_rows(query, conn):  # nothing else runs while the database is asked
            await queue.put(row)  # waits where the queue is full
        for _ in workers:
            await queue.put(None)  # no more rows: one for each worker
    return sum(worker.result() for worker in workers)


async def work(queue: Queue, session: aiohttp.ClientSession, url: str) -> int:
    """Post one row after another; give how many."""
    sent = 0
    while (row := await queue.get()) is not None:
        async with session.post(url, json=row) as response:
            response.raise_for_status()
        sent += 1
    return sent


if __name__ == "__main__":
    _, file, query, url = sys.argv
    with closing(sqlite3.connect(file)) as conn:
        print(send(query, conn, url), "rows")
