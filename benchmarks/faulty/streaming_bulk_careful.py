"""
elasticsearch-py's `streaming_bulk` told to retry and to go on; what is refused goes to a file.

Its client retries what the whole request met, with waits only where it is told to; the helper
retries what documents met.

Sources: https://elasticsearch-py.readthedocs.io/en/stable/api_helpers.html, and the docstring of
`elastic_transport.Transport`
"""

from __future__ import annotations

import json

from bulk import actions, cluster
from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk
from measure import Job, job
from patience import RETRIED, keep


def transfer(job: Job) -> None:
    """Index the rows."""
    with Elasticsearch(
        cluster(job),
        max_retries=8,
        retry_on_status=RETRIED,
        retry_on_timeout=True,
        retry_backoff_base=0.5,
        retry_backoff_cap=5,
    ) as client:
        results = streaming_bulk(
            client,
            actions(job),
            max_retries=8,
            initial_backoff=0.1,
            retry_on_status=RETRIED,
            raise_on_error=False,
            raise_on_exception=False,
        )
        for taken, answer in results:
            if not taken:
                keep(json.dumps(answer, default=str).encode(), 400)


if __name__ == "__main__":
    transfer(job())
