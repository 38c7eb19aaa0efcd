"""
A page of records a request, answered 207.

A batch API takes a page of records and answers 207 Multi-Status: a status for each of them. A 207
by itself says nothing of any record, so rowferry stops on one, unless `item_results` tells how to
read it. That is a function from the answer to a status for each record, in the order in which they
were sent; in place of a status it may give `(status, text)`, and the text becomes the `answer` of
the dead letter.

* Each item means what it would mean for that record alone: 201 is settled, 429 and 503 go again in
  a page of their own, and 422 is dead. What the page says was taken is not sent again.
* Some APIs answer in an order of their own, and say which record an item is of. Sort by that.
* Some leave out what went well. Then the function has to fill the gaps; it sees the answer only, so
  the answer has to say how many there were.
* Fewer or more statuses than records, or a function that raises, leave open what became of that
  page: it is sent again, and `report.maybe_duplicated` counts it. A page has no idempotency key.
  If the function raises on each of the first 16 answers the run stops, and names the error.
* An item with 401 is a dead letter of its own and stops nothing: 401 to the request stops the run.
* `batch_size` is the API's largest page. A page that is too large for it (413) is halved.
"""

from pathlib import Path
from typing import Any

import rowferry as etl
from rowferry.batches import Response


def statuses(answer: Response) -> list[tuple[int, str]]:
    """Give the status of each record of a page, and what the API says of it."""
    items = sorted(answer.json()["items"], key=lambda item: item["index"])
    return [(item["status"], item.get("error", "")) for item in items]


def send_pages(conn: Any, url: str, journal: Path) -> etl.Report:
    """Send sensors, at most 100 a page: [{"code": …, "depth": …}, …]."""
    return etl.copy_to_api(
        "SELECT code, depth FROM sensor",
        conn,
        etl.Api(url, body_format="json_array", batch_size=100, item_results=statuses),
        key="code",
        journal=etl.Journal(journal),
    )


# Below is a run of it: a database, an API, and what arrived.

import json
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing

from rowferry.testing import Answer, FakeApi, Received


class Pages:
    """An API that dislikes depths below 0, and is too busy for every 7th record at first."""

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()
        self.taken: Counter[int] = Counter()

    def __call__(self, request: Received) -> Answer:
        """Answer 207, with the last record first."""
        items = [self.item(index, record) for index, record in enumerate(request.records())]
        return Answer(status=207, body=json.dumps({"items": items[::-1]}).encode())

    def item(self, index: int, record: dict[str, Any]) -> dict[str, Any]:
        """Say what becomes of a record."""
        code = record["code"]
        self.seen[code] += 1
        if record["depth"] < 0:
            return {"index": index, "status": 422, "error": f"{record['depth']} is no depth"}
        if code % 7 == 0 and self.seen[code] == 1:
            return {"index": index, "status": 503, "error": "busy"}
        self.taken[code] += 1
        return {"index": index, "status": 201}


def main() -> None:
    """Fill a table with 1,000 sensors, and send them."""
    pages = Pages()
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "sensors.db")) as conn,
        FakeApi(pages) as api,
    ):
        sensors = [{"code": n, "depth": -n if n % 400 == 0 else n} for n in range(1, 1001)]
        etl.load("sensor", conn, sensors, create=True, key="code")
        journal = Path(folder) / "sensors.journal"
        print(send_pages(conn, api.url, journal))
        print(f"Taken once: {list(pages.taken.values()).count(1)}")
        print(f"Sent again: {list(pages.seen.values()).count(2)}")
        for letter in etl.dead_letters(journal):
            print(f"  dead: {letter['key']}, {letter['status']}: {letter['answer']}")


if __name__ == "__main__":
    main()
