"""
drt: a sync from PostgreSQL to its `rest_api` destination, which has one request in flight.

The settings that were fastest: no limit of requests a second (10 by default), and 5,000 rows a
batch of its engine, each of which opens a connection. Numbers and moments are cast in SQL: its
JSON has neither. Batches are a template, as its documentation shows.

Source: https://pypi.org/project/drt-core/
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from drt.config.models import SyncConfig
from drt.config.profiles import PostgresProfile
from drt.destinations.rest_api import RestApiDestination
from drt.engine.sync import run_sync
from drt.sources.postgres import PostgresSource
from measure import Job, job, measure

LINES = "{% for row in rows %}{{ row | tojson_safe }}\n{% endfor %}"
MODEL = (
    "select id, code, description, price::float8 as price, updated::text as updated, active "
    "from item limit {}"
)


def transfer(job: Job, folder: str) -> int:
    """Run the sync; give the rows that it counted as sent."""
    result = run_sync(
        SyncConfig.model_validate(sync(job)),
        PostgresSource(),
        RestApiDestination(),
        profile(job.dsn),
        Path(folder),
    )
    if result.failed:
        raise SystemExit(result.errors[0])
    return result.success


def sync(job: Job) -> dict[str, object]:
    """Describe the sync, as its file would."""
    destination = {
        "type": "rest_api",
        "url": job.url,
        "headers": {"Content-Type": job.content_type},
    }
    if job.batch > 1:
        destination |= {
            "body_mode": "batch",
            "batch_template": LINES,
            "max_records_per_request": job.batch,
        }
    return {
        "name": "items",
        "model": MODEL.format(job.rows),
        "destination": destination,
        "sync": {"batch_size": 5_000, "rate_limit": {"requests_per_second": 0}},
    }


def profile(dsn: str) -> PostgresProfile:
    """Describe the database of *dsn*, whose host is a folder with a socket."""
    parts = urlsplit(dsn)
    host = parse_qs(parts.query)["host"][0]
    return PostgresProfile("postgres", host=host, dbname=parts.path[1:], user=parts.username)


if __name__ == "__main__":
    this = job()
    with tempfile.TemporaryDirectory() as here:
        measure(lambda: transfer(this, here))
