"""
In a notebook.

A notebook has an event loop that runs, so `asyncio.run` raises there. Await the job in a cell:

    report = await send_readings(database, "https://api.example/readings", Path("readings.journal"))

`progress=True` shows a bar below the cell. It needs no package besides the notebook's own.

* **The blocking functions work as well**: `etl.copy_to_api(…)` in a cell has a loop of its own. But
  the notebook's loop stands still meanwhile, and with it tasks and widgets of other cells.
* **Work on while it runs**: `task = asyncio.create_task(send_readings(…))`, and in a later cell
  `report = await task`, or `task.cancel()`.
* **Interrupt** (the stop button) and `task.cancel()` are an orderly end: nothing more is read or
  sent, what is in flight may finish. With the journal the same cell, run again, goes on there; so
  it does where the kernel was killed.
* **A cell is soon run twice.** After a run that came to its end, the next sends all rows again. A
  PUT to a path of the record's own does no harm then; or read only [what is
  new](#each-night-only-what-is-new).
* The database is read on a thread of its own: give `acopy_to_api` a URL or a `DbParams`. A
  connection of sqlite3 must not cross threads unless it was made with `check_same_thread=False`.
* An error ends the cell as any exception does; `error.report` says how far it got.

[notebook.ipynb](../examples/cookbook/notebook.ipynb) is a notebook with such cells.
"""

from pathlib import Path

import rowferry as etl


async def send_readings(database: str, url: str, journal: Path) -> etl.Report:
    """Send the readings; await it in a cell."""
    return await etl.acopy_to_api(
        "SELECT id, depth FROM reading",
        database,
        etl.Api(url + "/{id}", method="PUT"),
        key="id",
        journal=etl.Journal(journal),
        progress=True,
    )


# Below is a run of it: a database, an API, and what arrived.

import asyncio
import sqlite3
import tempfile
from contextlib import closing

from rowferry.testing import Answer, FakeApi

READINGS = 1_000


def fill(file: Path) -> str:
    """Make a database with readings; give its URL."""
    with closing(sqlite3.connect(file)) as conn:
        rows = ({"id": number, "depth": number % 7} for number in range(READINGS))
        etl.load("reading", conn, rows, create=True, key="id")
    return f"sqlite:///{file}"


async def until_half_has_come(api: FakeApi) -> None:
    """Wait until the API has half of the readings."""
    while len(api.received) < READINGS // 2:  # noqa: ASYNC110 (it is another thread's)
        await asyncio.sleep(0.01)


async def cells(folder: Path, api: FakeApi) -> None:
    """Do what one does in cells: begin, interrupt, begin again."""
    database, journal = fill(folder / "readings.db"), folder / "readings.journal"
    task = asyncio.create_task(send_readings(database, api.url, journal))
    await until_half_has_come(api)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("Interrupted")
    report = await send_readings(database, api.url, journal)
    print(f"{report.delivered:,} delivered, {report.dead} dead")
    sent = {request.path for request in api.received}
    print(f"{len(api.received):,} requests for {len(sent):,} readings")


def main() -> None:
    """Run the cells in a loop, as a notebook would."""
    with tempfile.TemporaryDirectory() as folder, FakeApi(Answer(delay=0.02)) as api:
        asyncio.run(cells(Path(folder), api))


if __name__ == "__main__":
    main()
