"""The hand-written pipeline, each post of it patient (see `patience.py`)."""

from __future__ import annotations

import aiohttp
import uvloop
from handwritten import session
from measure import Job, job
from patience import patiently
from workers import carry


async def transfer(job: Job) -> None:
    """Post all rows."""
    async with session(job) as client:

        async def post(body: bytes) -> None:
            async def send() -> int:
                async with client.post(job.url, data=body) as response:
                    return response.status

            await patiently(send, body, aiohttp.ClientError)

        await carry(job, post)


if __name__ == "__main__":
    uvloop.run(transfer(job()))
