"""
Each night, only what is new.

`Incremental` reads what came after the last complete run, and a journal keeps where that was. The
table needs a column that grows with every change, such as a moment that the application or a
trigger sets. The first night sends everything; a night with nothing new sends nothing.

What goes wrong at night:

* **A transaction commits late.** A reading that was changed at 01:50 is committed at 02:20, when
  the job has read past it. `lag` is for that: so much is read again each night, and what was sent
  of it is not sent again. It has to be longer than your longest transaction.
* **The API or the machine is down.** The next night goes on where this one ended, and takes what
  has come since. Nobody has to remember which night failed.
* **One record is refused.** It is kept as a [dead letter](dead-letters.md), and the others go on.

In the crontab, which sends a mail where something is printed that goes nowhere else:

    15 2 * * *  cd /srv/readings && .venv/bin/python nightly.py >> nightly.log

A good night prints its line on the standard output; a night that needs somebody, on the standard
error. The journal belongs on a local disk.
"""

import datetime as dt
import sys
from pathlib import Path

import rowferry as etl


def send_new_readings(database: str, api: str | etl.Api, journal: Path) -> etl.Report:
    """Send the readings that are new or changed since the last complete run."""
    return etl.copy_to_api(
        "SELECT id, sensor, depth, changed FROM reading",
        database,
        api,
        key="id",
        journal=etl.Journal(journal),
        incremental=etl.Incremental("changed", lag=dt.timedelta(minutes=30)),
    )


def nightly(database: str, api: str | etl.Api, journal: Path) -> int:
    """Do what cron starts: print a line about the night, and give the exit code."""
    try:
        report = send_new_readings(database, api, journal)
    except etl.exceptions.RowferryError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(report, file=sys.stderr if report.exit_code else sys.stdout)
    return report.exit_code


# Below is a run of it: a database, an API, and what arrived.

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, redirect_stderr

from rowferry.testing import FakeApi

NIGHTS = {
    "the first": [(1, "A", 1.5, "2026-03-01 18:00:00"), (2, "B", 2.5, "2026-03-02 01:55:00")],
    "nothing new": [],
    "one was late": [(3, "A", 1.6, "2026-03-02 01:50:00"), (4, "B", 2.6, "2026-03-03 10:00:00")],
    "the API is down": [(5, "A", 1.7, "2026-03-04 10:00:00")],
    "all is well again": [(2, "B", 9.9, "2026-03-05 10:00:00")],
}
"""What is committed before each night; in the third, a row below what was read."""


@contextmanager
def down(api: FakeApi) -> Iterator[None]:
    """Let the API refuse connections meanwhile."""
    api.refuse_connections()
    yield
    api.listen()


def main() -> None:
    """Go through five nights."""
    with tempfile.TemporaryDirectory() as folder, FakeApi() as api, redirect_stderr(sys.stdout):
        database = Path(folder) / "readings.db"
        with closing(sqlite3.connect(database)) as conn:
            etl.execute(
                "CREATE TABLE reading (id INTEGER PRIMARY KEY, sensor, depth, changed)", conn
            )
            for night, rows in NIGHTS.items():
                etl.executemany("INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?)", conn, rows)
                before = len(api.records)
                with down(api) if night == "the API is down" else nullcontext():
                    code = nightly(f"sqlite:///{database}", api.url, Path(folder) / "journal")
                sent = sorted(record["id"] for record in api.records[before:])
                print(f"{night}: exit code {code}, sent {sent}")


if __name__ == "__main__":
    main()
