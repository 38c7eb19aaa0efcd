"""
Send 28,000 real airports to an HTTP API, in three ways, and ask the API what it got.

    make demo

The airports are those of the package airportsdata. They are put into a SQLite file, and an API is
started on this machine (`demo_api.py`) that takes 20 ms for an answer, as APIs do. Then:

1. `one_after_another` posts a row, waits, posts the next. Nearly all its time is waiting.
2. `chunk_by_chunk` waits for many answers at once: asyncio and aiohttp, as in the documentation of
   ETLHelper. It is worth reading to see what `async` and `await` are good for.
3. `with_rowferry` leaves that to rowferry, which reads the database meanwhile, starts a request
   whenever one has ended, and sends again what failed on the way.

Each of the three is complete: copy it, and change the query and the URL. In the end the API is
asked for all it got; the exit code is 1 if a row is missing, doubled or changed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import airportsdata
import requests
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

import rowferry as etl

Row: TypeAlias = dict[str, Any]
Show: TypeAlias = Callable[[int], None]
"""Takes the number of rows sent so far, to move a bar."""


# ---- The three ways --------------------------------------------------------------------------


def one_after_another(query: str, conn: sqlite3.Connection, url: str, show: Show) -> None:
    """Post a row, wait for its answer, post the next one."""
    with requests.Session() as session:  # keeps its connection open from row to row
        for sent, row in enumerate(etl.iter_rows(query, conn), start=1):
            response = session.post(url, json=row, timeout=30)
            response.raise_for_status()
            show(sent)


def chunk_by_chunk(query: str, conn: sqlite3.Connection, url: str, show: Show) -> None:
    """Read 5,000 rows, post them all at once, and wait for the last answer; then the next 5,000."""
    sent = 0
    for chunk in etl.iter_chunks(query, conn):
        # `post_chunk(…)` alone does nothing: it makes a coroutine, a function that can pause.
        # `asyncio.run` starts an event loop, which runs it and whatever it waits for.
        asyncio.run(post_chunk(chunk, url))
        sent += len(chunk)
        show(sent)


async def post_chunk(chunk: list[Row], url: str) -> None:
    """Post all rows of *chunk*: aiohttp opens 100 connections, the others wait for a free one."""
    async with aiohttp.ClientSession() as session:
        # `gather` makes a task of each coroutine. They take turns: when one waits, another runs.
        await asyncio.gather(*[post_row(row, session, url) for row in chunk])


async def post_row(row: Row, session: aiohttp.ClientSession, url: str) -> None:
    """Post one row."""
    # Here each task waits for its answer, and the loop turns to the others until it has come.
    async with session.post(url, json=row) as response:
        response.raise_for_status()


def with_rowferry(query: str, conn: sqlite3.Connection, url: str, show: Show) -> None:
    """Read, post and wait at the same time, over the same 100 connections from begin to end."""
    etl.copy_to_api(
        query,
        conn,
        etl.Api(url, limits=etl.Limits(max_in_flight=100)),  # as many as aiohttp opens
        key="icao",  # so that an error can say which row it was
        progress=lambda event: show(event.delivered),  # or True, for a bar of rowferry's own
    )


# ---- What they are told with -----------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """A way to send rows, and the API's endpoint for it."""

    name: str
    manner: str
    endpoint: str
    send: Callable[[str, sqlite3.Connection, str, Show], None]


WAYS = (
    Way("Requests", "one after another", "sequential", one_after_another),
    Way("ETLHelper's recipe", "chunk by chunk with asyncio.gather", "recipe", chunk_by_chunk),
    Way("rowferry", "etl.copy_to_api", "rowferry", with_rowferry),
)


@dataclass(frozen=True)
class Result:
    """
    What a way took, and what arrived.

    Attributes:
        seconds: from begin to end.
        cpu_seconds: of the processor, in this process; the API has its own.
        summary: the API's counts.
        faults: what is wrong with what arrived; empty if nothing.
    """

    way: Way
    rows: int
    seconds: float
    cpu_seconds: float
    summary: dict[str, int]
    faults: list[str]

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def put_into_database(airports: list[Row], conn: sqlite3.Connection) -> None:
    """Make a table of the airports."""
    etl.execute(
        "CREATE TABLE airports (icao TEXT PRIMARY KEY, iata TEXT, name TEXT, city TEXT, subd TEXT, "
        "country TEXT, elevation REAL, lat REAL, lon REAL, tz TEXT, lid TEXT)",
        conn,
    )
    etl.load("airports", conn, airports)


@contextmanager
def running_api(fault: str | None) -> Iterator[str]:
    """Start the API in a process of its own; give its URL."""
    command = [sys.executable, str(Path(__file__).with_name("demo_api.py"))]
    if fault:
        command += ["--fault", fault]
    # A session of its own keeps Ctrl-C from the API while the demo still talks to it. It stops
    # when its standard input ends: at the end of this block, or with this process, however killed.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        if not url:
            raise SystemExit("the API of the demo did not start; its message is above")
        yield url


@contextmanager
def bar(total: int) -> Iterator[Show]:
    """Show a bar where there is a terminal; give what moves it."""
    console = Console(stderr=True)
    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda sent: progress.update(task, completed=sent)


def measure(way: Way, airports: list[Row], conn: sqlite3.Connection, api: str) -> Result:
    """Send the first airports of the table, as many as *airports* has; compare what arrived."""
    query = f"SELECT * FROM airports ORDER BY icao LIMIT {len(airports)}"
    url = f"{api}/{way.endpoint}"
    with bar(len(airports)) as show:
        begin, cpu_begin = time.perf_counter(), time.process_time()
        way.send(query, conn, url, show)
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
    summary = requests.get(f"{url}/summary", timeout=30).json()
    arrived = requests.get(f"{url}/records", timeout=30).json()
    faults = differences(airports, arrived)
    return Result(way, len(airports), seconds, cpu_seconds, summary, faults)


def differences(sent: list[Row], arrived: list[Row]) -> list[str]:
    """Tell what is wrong with *arrived*, in any order; nothing if each row is there once."""
    expected = {row["icao"]: row for row in sent}
    times = Counter(row["icao"] for row in arrived)
    wrong = {
        "missing": expected.keys() - times.keys(),
        "there more than once": {icao for icao, count in times.items() if count > 1},
        "never sent": times.keys() - expected.keys(),
        "changed": {row["icao"] for row in arrived if row != expected.get(row["icao"], row)},
    }
    return [f"{len(rows):,} {what}, such as {min(rows)}" for what, rows in wrong.items() if rows]


def table_of(results: list[Result]) -> Table:
    """Give the results for people."""
    table = Table("way", box=SIMPLE)
    for heading in ("in\nflight", "rows", "seconds", "CPU\nseconds", "rows/s", "times\nfaster"):
        table.add_column(heading, justify="right", vertical="bottom")
    for result in results:
        table.add_row(
            result.way.name,
            f"{result.summary['max_in_flight']}",
            f"{result.rows:,}",
            f"{result.seconds:.1f}",
            f"{result.cpu_seconds:.1f}",
            f"{result.rate:,.0f}",
            f"{result.rate / results[0].rate:.0f}",
        )
    return table


def tell(options: argparse.Namespace, folder: str, console: Console) -> list[Result]:
    """Tell the story; give what came of each way."""
    airports = sorted(airportsdata.load("ICAO").values(), key=lambda row: row["icao"])
    airports = airports[: options.rows]
    file = Path(folder) / "airports.db"
    results = []
    with closing(sqlite3.connect(file)) as conn, running_api(options.fault) as api:
        put_into_database(airports, conn)
        console.print(f"{len(airports):,} airports in SQLite; an API at {api} that takes 20 ms")
        for number, way in enumerate(WAYS, start=1):
            console.print(f"\n{number}. {way.name}, {way.manner}")
            rows = airports[: options.sequential] if number == 1 else airports
            results.append(measure(way, rows, conn, api))
            console.print("   {0.rows:,} rows in {0.seconds:.1f} s".format(results[-1]))
    return results


def judge(results: list[Result], console: Console) -> int:
    """Say what the API got; give the exit code."""
    console.print("What the API got:")
    for result in results:
        found = "; ".join(result.faults) or "each row exactly once, unchanged"
        records = result.summary["records"]
        console.print(f"   /{result.way.endpoint}: {records:,} records: {found}")
    return 1 if any(result.faults for result in results) else 0


def count(text: str) -> int:
    """Read a number of rows."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return int(text)


def main() -> int:
    """Run what the command line asks for; give the exit code."""
    parser = argparse.ArgumentParser(description="Airports into an HTTP API, in three ways.")
    parser.add_argument("--rows", type=count, help="airports to send (default: all)")
    parser.add_argument(
        "--sequential", type=count, default=500, help="of them in the first way (500)"
    )
    parser.add_argument("--fault", choices=("lose", "double"), help="what the API shall do wrong")
    options = parser.parse_args()
    console = Console(highlight=False)
    # Whoever ends this with SIGTERM wants the same as with Ctrl-C: to leave nothing behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Requests would ask the proxy of a company network for this machine, too.
    os.environ["no_proxy"] = "127.0.0.1"
    try:
        with tempfile.TemporaryDirectory(prefix="rowferry-demo-") as folder:
            results = tell(options, folder, console)
    except KeyboardInterrupt:
        console.print("\nstopped; the API is gone, and so is the database")
        return 130
    console.print(table_of(results))
    return judge(results, console)


if __name__ == "__main__":
    sys.exit(main())
