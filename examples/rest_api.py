"""
Keep a REST API as a table is: a path per row, PUT for what there is and DELETE for what has gone.

    python examples/rest_api.py

The API is a fake one that listens on this machine and keeps its ferries in a dict.
"""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import rowferry as etl
from rowferry.testing import FakeApi, Received

FERRIES = [
    {"id": "H-1", "name": "Heron", "cars": 40, "withdrawn": None},
    {"id": "T/2", "name": "Tern", "cars": 24, "withdrawn": None},
    {"id": "G-3", "name": "Gannet", "cars": 110, "withdrawn": "2025-10-01"},
]


class Ferries:
    """What the API has, by path."""

    def __init__(self) -> None:
        self.there: dict[str, Any] = {"/ferries/G-3": {"name": "Gannet"}}

    def __call__(self, request: Received) -> int:
        """Do as the method says, and answer with a status."""
        if request.method == "DELETE":
            return 204 if self.there.pop(request.path, None) else 404
        new = request.path not in self.there
        self.there[request.path] = request.json()
        return 201 if new else 200


QUERY = """
    SELECT id, name, cars, CASE WHEN withdrawn IS NULL THEN 'PUT' ELSE 'DELETE' END AS method
    FROM ferry
"""


def shape(row: dict[str, Any]) -> dict[str, Any]:
    """Make the record of a row; `id` and `method` stay out of it, but the request takes them."""
    return {"name": row["name"], "cars": row["cars"]}


def main() -> None:
    """Fill a table, and bring the API to the same state."""
    ferries = Ferries()
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "ferries.db")) as conn,
        FakeApi(ferries) as server,
    ):
        etl.load("ferry", conn, FERRIES, create=True, key="id")
        base = server.url.removesuffix("/records")
        api = etl.Api(
            f"{base}/ferries/{{id}}",  # an f-string: {{id}} is {id}
            method="{method}",
            headers={"X-Ferry": "{name}"},
        )
        report = etl.copy_to_api(QUERY, conn, api, transform=etl.per_row(shape), key="id")
        print(report)
        for request in sorted(server.received, key=lambda request: request.path):
            print(f"  {request.method} {request.path} {request.body.decode()}")
    print(f"The API has {sorted(ferries.there)}")


if __name__ == "__main__":
    main()
