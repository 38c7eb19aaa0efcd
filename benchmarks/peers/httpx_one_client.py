"""
httpx: one AsyncClient, as its documentation advises, and 64 workers (see `workers.py`).

Its pool keeps as many connections as there are workers: by default it would keep 20 of them open,
and open the others anew for each request. What it takes is the pool's search for a connection.

Sources: https://www.python-httpx.org/advanced/resource-limits/,
https://github.com/encode/httpx/issues/3215
"""

from __future__ import annotations

import httpx
import uvloop
from measure import Job, job, measure
from workers import carry


async def transfer(job: Job) -> int:
    """Post all rows; give how many there were."""
    async with client(job) as http:

        async def post(body: bytes) -> None:
            (await http.post(job.url, content=body)).raise_for_status()

        return await carry(job, post)


def client(job: Job) -> httpx.AsyncClient:
    """Make a client; the APIs here are without TLS, so that no authorities need be read."""
    limits = httpx.Limits(max_connections=job.in_flight, max_keepalive_connections=job.in_flight)
    headers = {"Content-Type": job.content_type}
    return httpx.AsyncClient(
        limits=limits, headers=headers, timeout=30, trust_env=False, verify=False
    )


if __name__ == "__main__":
    this = job()
    measure(lambda: uvloop.run(transfer(this)))
