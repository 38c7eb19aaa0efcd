"""
httpx with 64 workers, each post of them patient (see `patience.py`).

Its own retries are for connections that cannot be made, and nothing else.

Source: https://www.python-httpx.org/advanced/transports/
"""

from __future__ import annotations

import httpx
import uvloop
from httpx_one_client import client
from measure import Job, job
from patience import patiently
from workers import carry


async def transfer(job: Job) -> None:
    """Post all rows."""
    async with client(job) as http:

        async def post(body: bytes) -> None:
            async def send() -> int:
                return (await http.post(job.url, content=body)).status_code

            await patiently(send, body, httpx.TransportError)

        await carry(job, post)


if __name__ == "__main__":
    uvloop.run(transfer(job()))
