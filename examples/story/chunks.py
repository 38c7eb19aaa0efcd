"""
Rows to an API chunk by chunk, with asyncio and aiohttp.

    python chunks.py DATABASE QUERY URL
"""

import asyncio
import sqlite3
import sys
from contextlib import closing
from typing import Any

import aiohttp

import rowferry as etl

CHUNK = 5_000
CONNECTIONS = 64


def send(query: str, conn: sqlite3.Connection, url: str) -> int:
    """Read a chunk, post all of it at once, read the next; give how many rows were posted."""
    sent = 0
    for chunk in etl.iter_chunks(query, conn, chunk_size=CHUNK):
        asyncio.run(post_chunk(chunk, url))  # a new event loop, until all of the chunk is done
        sent += len(chunk)
    return sent


async def post_chunk(chunk: list[dict[str, Any]], url: str) -> None:
    """Make a task of each row; wait until the last one has ended."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*[post(row, session, url) for row in chunk])


async def post(row: dict[str, Any], session: aiohttp.ClientSession, url: str) -> None:
    """Post one row."""
    async with session.post(url, json=row) as response:  # others run until the answer is here
        response.raise_for_status()


if __name__ == "__main__":
    _, file, query, url = sys.argv
    with closing(sqlite3.connect(file)) as conn:
        print(send(query, conn, url), "rows")
