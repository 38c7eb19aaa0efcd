"""
Niquests: one AsyncSession, a worker a connection (see `workers.py`), uvloop, orjson.

Its pool is as large as there are workers. Many requests on one connection ("multiplexed") need
HTTP/2 or 3, which the APIs here, on plain HTTP, do not speak.

Source: https://niquests.readthedocs.io/en/latest/user/quickstart.html
"""

from __future__ import annotations

import niquests
import uvloop
from measure import Job, job, measure
from workers import carry


async def transfer(job: Job) -> int:
    """Post all rows; give how many there were."""
    async with session(job) as client:

        async def post(body: bytes) -> None:
            (await client.post(job.url, data=body)).raise_for_status()

        return await carry(job, post)


def session(job: Job, **options: object) -> niquests.AsyncSession:
    """Make the one session."""
    client = niquests.AsyncSession(
        pool_connections=1,
        pool_maxsize=job.in_flight,
        headers={"Content-Type": job.content_type},
        timeout=30,
        disable_http2=True,
        disable_http3=True,
        **options,
    )
    client.trust_env = False
    return client


if __name__ == "__main__":
    this = job()
    measure(lambda: uvloop.run(transfer(this)))
