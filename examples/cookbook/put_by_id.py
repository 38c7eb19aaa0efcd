"""
PUT to a path of each row.

Each row has a place of its own in the API, `/things/{id}`, and a PUT brings it to what the row
says. Sent twice it is the same as sent once, so that no Idempotency-Key is needed. Three answers
are worth a thought:

* **404**: the API has no such thing, and makes none by PUT. It becomes a dead letter; `settle`
  sends those to the collection by POST, each with an Idempotency-Key of its own. (Some APIs answer
  412 where a request with `If-Match` finds nothing.)
* **412**: `If-Match` carries the ETag that the API gave when the thing was last read, so that what
  somebody else has changed meanwhile is not overwritten. Leave the header out to overwrite it.
  rowferry does not write the new ETags back: read them before the next run.
* **409**: the API's own word for a conflict. Nobody should send that again unseen; `settle` gives
  it back, as it does 412 and whatever else was refused.

What to watch out for:

* After a try whose answer was lost, a 412 may be the echo of one's own PUT: then
  `letter["ambiguous"]` is True, and the thing has to be looked at first.
* A wrong URL answers 404 to everything. Nothing is dead then: after 100 such answers and no success
  the run stops. Where a table has fewer rows, look at the report before `settle`.
* `id` and `etag` are taken from the row even where the record leaves them out, as it does `etag`
  here. A row with NULL there is a dead letter and is not sent.
"""

from pathlib import Path
from typing import Any

import rowferry as etl


def thing(row: dict[str, Any]) -> dict[str, Any]:
    """Make the body of a PUT."""
    return {"id": row["id"], "name": row["name"]}


def put_things(conn: Any, url: str, journal: Path) -> etl.Report:
    """PUT each thing to its place below *url*."""
    api = etl.Api(
        f"{url}/{{id}}",  # an f-string: {{id}} is {id}
        method="PUT",
        headers={"If-Match": "{etag}"},
        idempotency_header=None,
    )
    return etl.copy_to_api(
        "SELECT id, name, etag FROM thing",
        conn,
        api,
        transform=etl.per_row(thing),
        key="id",
        journal=etl.Journal(journal),
    )


def settle(url: str, journal: Path) -> list[dict[str, Any]]:
    """POST the things that the API lacked to *url*; give the dead letters of all others."""
    letters = [letter for letter in etl.dead_letters(journal) if letter["state"] == "dead"]
    lacking = {letter["record"]["id"] for letter in letters if letter["status"] == 404}

    def only_lacking(record: dict[str, Any]) -> dict[str, Any] | None:
        return record if record["id"] in lacking else None

    etl.retry_dead_letters(journal, url, transform=etl.per_row(only_lacking))
    return [letter for letter in letters if letter["status"] != 404]


# Below is a run of it: a database, an API, and what arrived.

import sqlite3
import tempfile
from contextlib import closing

from rowferry.testing import Answer, FakeApi, Received

THINGS = [
    {"id": "a/1", "name": "anchor", "etag": '"v1"'},
    {"id": "b", "name": "buoy", "etag": '"v7"'},
    {"id": "c", "name": "cleat", "etag": '"v1"'},
    {"id": "d", "name": "davit", "etag": '"v1"'},
]


class Things:
    """An API that has an anchor, a buoy that somebody else has changed, and a locked davit."""

    def __init__(self) -> None:
        self.there = {"a%2F1": ('"v1"', None), "b": ('"v8"', "bell buoy"), "d": ('"v1"', "locked")}

    def __call__(self, request: Received) -> Answer:
        """Make a thing by POST, or change it by PUT."""
        name = request.json()["name"]
        if request.method == "POST":
            self.there[request.json()["id"]] = ('"v1"', name)
            return Answer(status=201)
        number = request.path.rpartition("/")[2]
        if number not in self.there:
            return Answer(status=404)
        etag, before = self.there[number]
        if before == "locked":
            return Answer(status=409, body=b"the thing is locked")
        if request.headers["if-match"] != etag:
            return Answer(status=412, body=f"it is {etag} now".encode())
        self.there[number] = ('"v2"', name)
        return Answer(status=200)


def main() -> None:
    """Fill a table, bring the API to the same state, and print what is left to do."""
    things = Things()
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "things.db")) as conn,
        FakeApi(things) as api,
    ):
        etl.load("thing", conn, THINGS, create=True, key="id")
        journal = Path(folder) / "things.journal"
        print(put_things(conn, api.url, journal))
        for letter in settle(api.url, journal):
            print(f"  look at {letter['key']}: {letter['status']}, {letter['answer']}")
        for number, (etag, name) in sorted(things.there.items()):
            print(f"  the API has {number}: {name}, {etag}")


if __name__ == "__main__":
    main()
