"""Bodies that were encoded beforehand, by aiohttp: what the node can take, with nothing to read."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import uvloop
from bulk import actions, cluster
from measure import Job, job, measure


def bodies(job: Job) -> list[bytes]:
    """Give the bodies of all requests."""
    texts = [
        b'{"index":{"_id":"%d"}}\n%b\n'
        % (action["_id"], orjson.dumps(action["_source"], default=float))
        for action in actions(job)
    ]
    return [b"".join(texts[at : at + job.batch]) for at in range(0, len(texts), job.batch)]


async def transfer(job: Job, bodies: list[bytes]) -> int:
    """Send the bodies over as many connections as may be in flight."""
    left = iter(bodies)
    connector = aiohttp.TCPConnector(limit=job.in_flight)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send() -> None:
            for body in left:
                headers = {"Content-Type": "application/x-ndjson"}
                url = f"{cluster(job)}/items/_bulk"
                async with session.post(url, data=body, headers=headers) as response:
                    response.raise_for_status()
                    await response.read()

        await asyncio.gather(*[send() for _ in range(job.in_flight)])
    return job.rows


if __name__ == "__main__":
    this = job()
    encoded = bodies(this)
    measure(lambda: uvloop.run(transfer(this, encoded)))
