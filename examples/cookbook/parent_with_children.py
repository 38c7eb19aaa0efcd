"""
A parent with its children nested.

Orders and their lines are two tables, and the API wants one POST an order with its lines in it.

* **Let the database nest them** (`send_nested`): one row an order, its lines aggregated to JSON,
  which goes into the body as it is. This is the way to take where the database can: each order is a
  row with a key, so that a run that was killed goes on where it was, and an order that the API
  refuses is a dead letter. Such a query exists for most databases; two are below.
* **Join, and group the rows** (`send_grouped`): for queries and views that give a row a line. The
  rows of one order have to come one after another, so order by it. Group them in a generator
  **before** rowferry sees them, as here. A `transform` cannot do it: it gets a chunk of rows at a
  time, and an order whose lines lie in two chunks would be sent twice, a part each time.

What to watch out for:

* An order without lines: `coalesce(…, '[]')` in the aggregate; LEFT JOIN and a test for NULL in
  the join. Otherwise it is left out, or has a line of nulls.
* Lines come in any order unless the query says in which: ORDER BY in the aggregate, and in the
  join. SQLite has it in aggregates since 3.44; before, it takes them as its subquery gives them.
* After a kill `send_grouped` reads what was sent before over again and compares it, so the rows
  must be the same in the same order. `send_nested` begins behind it, and sooner.
"""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import rowferry as etl

POSTGRESQL = """
    SELECT id, customer, (
        SELECT coalesce(json_agg(json_build_object('sku', sku, 'amount', amount) ORDER BY number),
                        '[]')::text
        FROM line WHERE line.order_id = purchase.id
    ) AS lines
    FROM purchase
"""
SQLITE = """
    SELECT id, customer, (
        SELECT json_group_array(json_object('sku', sku, 'amount', amount))
        FROM (SELECT * FROM line WHERE line.order_id = purchase.id ORDER BY number)
    ) AS lines
    FROM purchase
"""
JOINED = """
    SELECT purchase.id, customer, sku, amount
    FROM purchase LEFT JOIN line ON line.order_id = purchase.id
    ORDER BY purchase.id, number
"""


def with_lines(row: dict[str, Any]) -> dict[str, Any]:
    """Say that the lines are JSON already."""
    return row | {"lines": etl.RawJSON(row["lines"])}


def send_nested(query: str, conn: Any, url: str, journal: Path) -> etl.Report:
    """Send the orders of POSTGRESQL or SQLITE, each with its lines."""
    return etl.copy_to_api(
        query,
        conn,
        url,
        transform=etl.per_row(with_lines),
        key="id",
        journal=etl.Journal(journal),
    )


def orders(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Make orders of rows that come order by order."""
    for (number, customer), group in groupby(rows, key=itemgetter("id", "customer")):
        lines = [
            {"sku": row["sku"], "amount": row["amount"]} for row in group if row["sku"] is not None
        ]
        yield {"id": number, "customer": customer, "lines": lines}


def send_grouped(conn: Any, url: str, journal: Path) -> etl.Report:
    """Send the orders of JOINED, each with its lines."""
    rows = etl.iter_rows(JOINED, conn)
    return etl.post_rows(orders(rows), url, key="id", journal=etl.Journal(journal))


# Below is a run of it: a database, an API, and what arrived.

import sqlite3
import tempfile
from contextlib import closing

from rowferry.testing import Answer, FakeApi, Received

TABLES = (
    "CREATE TABLE purchase (id integer PRIMARY KEY, customer text)",
    "CREATE TABLE line (order_id integer, number integer, sku text, amount integer)",
)
PURCHASES = [(1, "Ada"), (2, "Grace"), (3, "Edsger")]
LINES = [(1, 2, "rope", 3), (1, 1, "anchor", 1), (3, 1, "buoy", 0)]


def answer(request: Received) -> Answer:
    """Say 422 to an order with a line of nothing, and 201 to all others."""
    if all(line["amount"] for line in request.json()["lines"]):
        return Answer(status=201)
    return Answer(status=422, body=b"an amount must be more than 0")


def main() -> None:
    """Fill a database, and send its orders both ways."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "orders.db")) as conn,
    ):
        for table in TABLES:
            etl.execute(table, conn)
        etl.executemany("INSERT INTO purchase VALUES (?, ?)", conn, PURCHASES)
        etl.executemany("INSERT INTO line VALUES (?, ?, ?, ?)", conn, LINES)
        nested, grouped = Path(folder) / "nested.journal", Path(folder) / "grouped.journal"
        with FakeApi(answer) as api:
            print("nested:", send_nested(SQLITE, conn, api.url, nested))
            show(api, nested)
        with FakeApi(answer) as api:
            print("grouped:", send_grouped(conn, api.url, grouped))
            show(api, grouped)


def show(api: FakeApi, journal: Path) -> None:
    """Print what arrived, and what the API would not take."""
    for request in sorted(api.received, key=lambda request: request.body):
        print(f"  {request.body.decode()}")
    for letter in etl.dead_letters(journal):
        print(f"  dead: {letter['key']}, {letter['answer']}")


if __name__ == "__main__":
    main()
