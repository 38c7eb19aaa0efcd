"""opensearch-py's `streaming_bulk`: one request at a time."""

from __future__ import annotations

from bulk import actions, cluster
from measure import Job, job, measure
from opensearchpy import OpenSearch
from opensearchpy.helpers import streaming_bulk


def transfer(job: Job) -> int:
    """Index the rows; give how many were taken."""
    client = OpenSearch(cluster(job))
    return sum(ok for ok, _ in streaming_bulk(client, actions(job), chunk_size=job.batch))


if __name__ == "__main__":
    this = job()
    measure(lambda: transfer(this))
