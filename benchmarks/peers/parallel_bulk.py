"""elasticsearch-py's `parallel_bulk`: threads, its default of four."""

from __future__ import annotations

from bulk import actions, cluster
from elasticsearch import Elasticsearch
from elasticsearch.helpers import parallel_bulk
from measure import Job, job, measure


def transfer(job: Job) -> int:
    """Index the rows; give how many were taken."""
    with Elasticsearch(cluster(job)) as client:
        results = parallel_bulk(
            client, actions(job), thread_count=job.in_flight, chunk_size=job.batch
        )
        return sum(ok for ok, _ in results)


if __name__ == "__main__":
    this = job()
    measure(lambda: transfer(this))
