"""opensearch-py's `async_streaming_bulk`: one request at a time, in an event loop."""

from __future__ import annotations

import asyncio

from bulk import actions, cluster
from measure import Job, job, measure
from opensearchpy import AsyncOpenSearch
from opensearchpy.helpers import async_streaming_bulk


async def transfer(job: Job) -> int:
    """Index the rows; give how many were taken."""
    async with AsyncOpenSearch(cluster(job)) as client:
        results = async_streaming_bulk(client, actions(job), chunk_size=job.batch)
        return sum([ok async for ok, _ in results])


if __name__ == "__main__":
    this = job()
    measure(lambda: asyncio.run(transfer(this)))
