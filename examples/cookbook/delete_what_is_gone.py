"""
DELETE what is gone.

A row that was deleted is in no query. So a trigger, or the application, writes a tombstone for it
into a table, with a number that grows: `tombstone (seq, id)`. The job sends a DELETE to
`/things/{id}` for each tombstone since the last complete run. `Incremental("seq")` and the journal
remember how far that was; nothing is written into the database.

* **404 and 410 mean that it is done**: the thing is gone, by this run, an earlier one, or somebody
  else. So they are in `success_status`. The price: with a wrong URL every DELETE would look done.
  So the job asks for the collection itself first, by HEAD, and stops where that is not there.
* **What came back**: a thing that was deleted and made anew has a tombstone, and must not be
  deleted. The query leaves out what is in the table again.
* The key is `seq`, since one id may have several tombstones. `ordering_key` is not needed: DELETE
  twice, in any order, comes to the same.
* A DELETE has no body where its URL has a column.
* A thing that the API will not delete (409: something refers to it) is a dead letter, and the
  others go on. `retry_dead_letters` tries it again, also if a new thing has its id meanwhile.
* Numbers of a sequence may be committed out of order: a tombstone that commits late, below what was
  already read, would never be seen. `lag` reads so many numbers again in each run, and sends only
  what is new. Choose it larger than what is written while a transaction is open.
* Old tombstones may be removed once a run ended with exit code 0 or 3. Keep those within the lag.
"""

from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import rowferry as etl

GONE = """
    SELECT seq, id FROM tombstone
    WHERE NOT EXISTS (SELECT 1 FROM thing WHERE thing.id = tombstone.id)
"""


def delete_gone(conn: Any, url: str, journal: Path) -> etl.Report:
    """DELETE the things below *url* that have a tombstone since the last run."""
    with urlopen(Request(url, method="HEAD"), timeout=30):  # raises where the answer is 404
        pass
    api = etl.Api(
        f"{url}/{{id}}",  # an f-string: {{id}} is {id}
        method="DELETE",
        success_status=(200, 202, 204, 404, 410),
    )
    return etl.copy_to_api(
        GONE,
        conn,
        api,
        key="seq",
        incremental=etl.Incremental("seq", lag=1_000),
        journal=etl.Journal(journal),
    )


# Below is a run of it: a database, an API, and what arrived.

import os
import sqlite3
import tempfile
from contextlib import closing

from rowferry.testing import Answer, FakeApi, Received

TABLES = """
    CREATE TABLE thing (id TEXT PRIMARY KEY, name TEXT);
    CREATE TABLE tombstone (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT);
    CREATE TRIGGER thing_is_gone AFTER DELETE ON thing BEGIN
        INSERT INTO tombstone (id) VALUES (old.id);
    END;
    INSERT INTO thing VALUES ('a', 'anchor'), ('b', 'buoy'), ('c', 'cleat'), ('d', 'davit');
"""


class Things:
    """An API that has things, of which one is in use."""

    def __init__(self) -> None:
        self.there = {"a", "b", "d"}  # somebody else has deleted c

    def __call__(self, request: Received) -> Answer:
        """Give 200 for the collection, and do as a DELETE says."""
        if request.method == "HEAD":
            return Answer(status=200 if request.path == "/records" else 404)
        number = request.path.rpartition("/")[2]
        if number == "d":
            return Answer(status=409, body=b"a boat hangs in it")
        if number not in self.there:
            return Answer(status=404)
        self.there.remove(number)
        return Answer(status=204)


def main() -> None:
    """Delete things in a table in two nights, and in the API after each."""
    os.environ["no_proxy"] = "127.0.0.1"  # urlopen would ask a company's proxy for this machine
    things = Things()
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "things.db")) as conn,
        FakeApi(things) as api,
    ):
        conn.executescript(TABLES)
        journal = Path(folder) / "gone.journal"
        nights = (
            "DELETE FROM thing",
            "INSERT INTO thing VALUES ('a', 'a new anchor'), ('e', 'eyelet')",
            "DELETE FROM thing WHERE id = 'e'",
        )
        for night in nights:
            with conn:
                conn.execute(night)
            before = len(api.received)
            print(f"{night}: {delete_gone(conn, api.url, journal)}")
            sent = [request.path for request in api.received[before:] if request.method != "HEAD"]
            print(f"  sent: {sorted(sent)}")
        print(f"The API has {sorted(things.there)}")
        for letter in etl.dead_letters(journal):
            print(f"  dead: {letter['record']}, {letter['status']}: {letter['answer']}")


if __name__ == "__main__":
    main()
