"""
Send rows of a database to an HTTP API: many requests at once, and an account of every row.

    python examples/database_to_api.py

The API is a fake one that listens on this machine and does not like ferries without cars.
"""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import rowferry as etl
from rowferry.testing import Answer, FakeApi, Received


def answer(request: Received) -> Answer:
    """Say 422 to a record that is none, and 201 to all others."""
    if request.json()["vehicles"]:
        return Answer(status=201)
    return Answer(status=422, body=b"vehicles must be more than 0")


def shape(row: dict[str, Any]) -> dict[str, Any]:
    """Make the record that the API wants of a row."""
    return {"id": row["id"], "title": f"MV {row['name']}", "vehicles": row["cars"]}


def main() -> None:
    """Fill a table with 500 ferries, and send them all."""
    ferries = [{"id": n, "name": f"No. {n}", "cars": n % 250} for n in range(1, 501)]
    failures: list[etl.FailedRow] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "ferries.db")) as conn,
        FakeApi(answer) as api,
    ):
        etl.load("ferry", conn, ferries, create=True, key="id")
        report = etl.copy_to_api(
            "SELECT * FROM ferry",
            conn,
            etl.Api(api.url, limits=etl.Limits(max_in_flight=16)),
            transform=etl.per_row(shape),
            key="id",  # so that errors name the row
            on_error=failures.extend,  # else the first one would end the run
        )
        print(report)
        print(f"The API got {len(api.records)} requests, on {api.connections} connections")
        for row, exception in failures:
            print(f"  {row['title']}: {exception}")


if __name__ == "__main__":
    main()
