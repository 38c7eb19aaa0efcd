"""
Requests with a session that retries, as its documentation shows; what is refused goes to a file.

Source: https://requests.readthedocs.io/en/latest/user/advanced/ ("Automatic Retries")
"""

from __future__ import annotations

import json

import psycopg
import requests
from measure import Job, job
from patience import RETRIED, keep
from psycopg.rows import dict_row
from requests.adapters import HTTPAdapter
from urllib3.util import Retry


def transfer(job: Job) -> None:
    """Post each row, then look at the next."""
    retry = Retry(
        8,
        backoff_factor=0.1,
        status_forcelist=RETRIED,
        allowed_methods={"POST"},
    )
    with (
        requests.Session() as session,
        psycopg.connect(job.dsn, row_factory=dict_row) as conn,
        conn.cursor("rows") as cursor,
    ):
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.headers["Content-Type"] = job.content_type
        for row in cursor.execute(job.query):
            body = json.dumps(row, default=str).encode()
            keep(body, session.post(job.url, data=body, timeout=30).status_code)


if __name__ == "__main__":
    transfer(job())
