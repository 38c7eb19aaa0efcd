"""elasticsearch-py's `async_bulk`: one request at a time, in an event loop."""

from __future__ import annotations

import asyncio

from bulk import actions, cluster
from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk
from measure import Job, job, measure


async def transfer(job: Job) -> int:
    """Index the rows; give how many were taken."""
    async with AsyncElasticsearch(cluster(job)) as client:
        taken, _ = await async_bulk(client, actions(job), chunk_size=job.batch)
        return taken


if __name__ == "__main__":
    this = job()
    measure(lambda: asyncio.run(transfer(this)))
