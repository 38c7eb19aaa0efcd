"""
What a careful engineer writes by hand for one job: aiohttp, uvloop, orjson and psycopg.

One session, a worker a connection (see `workers.py`). It has no retries, no limits, and nobody to
tell which rows were refused. Its cookie jar is a dummy.
"""

from __future__ import annotations

import ssl

import aiohttp
import uvloop
from measure import Job, job, measure
from workers import carry


async def transfer(job: Job) -> int:
    """Post all rows; give how many there were."""
    async with session(job) as client:

        async def post(body: bytes) -> None:
            async with client.post(job.url, data=body) as response:
                response.raise_for_status()
                await response.read()

        return await carry(job, post)


def session(job: Job) -> aiohttp.ClientSession:
    """Make the one session."""
    tls = ssl.create_default_context(cafile=job.ca) if job.ca else True
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=job.in_flight, ssl=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": job.content_type},
        timeout=aiohttp.ClientTimeout(total=30),
    )


if __name__ == "__main__":
    this = job()
    measure(lambda: uvloop.run(transfer(this)))
