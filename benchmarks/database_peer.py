"""
One peer at one job of the benchmarks of databases: a process of its own, started by databases.py.

It does the job with ten rows first, so that nothing is imported and no connection opened while it
is timed. It prints one line of JSON: what `peers/measure.py` tells, and the checksum of the rows
fetched; or why it has to be left out.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import item
from peers.measure import peak_rss
from stores import FEW, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Result = tuple[int, Iterable[Sequence[Any]] | None]
    """How many rows were done; the rows, where they were fetched."""


@dataclass(frozen=True, slots=True)
class Work:
    """
    What is to be done.

    Attributes:
        source, target: the tables.
        rows: how many there are.
        form: of the rows that the target takes (see `item.rows`).
        chunk_size: rows in which one is bad, in the job that has bad rows.
    """

    source: str
    target: str
    source_conn: Any
    target_conn: Any
    rows: int
    form: str
    chunk_size: int

    def few(self) -> Work:
        """Give the same with ten rows."""
        return replace(self, source=self.source.replace("item", "few"), rows=FEW, chunk_size=FEW)


DRIVERS = {"etlhelper": "psycopg2", "rowferry": "rowferry", "drivers": "psycopg"}
"""By whose connect() each library is given its connections to PostgreSQL."""


def main() -> None:
    """Do the job of the command line; print what it took."""
    args = arguments()
    etl = None if args.library == "drivers" else import_module(args.library)
    work = open_work(args, DRIVERS[args.library])
    if args.library == "rowferry" and (reason := unknown(etl, work)):
        print(json.dumps({"left_out": reason}))
        return
    prepare = job(args, etl)
    warm_up(prepare, work.few(), args.target)
    timed = prepare(work)
    cpu, begun = time.process_time(), time.perf_counter()
    rows, fetched = timed()
    told = {"rows": rows, "seconds": time.perf_counter() - begun}
    told |= {"cpu": time.process_time() - cpu, "rss_mib": peak_rss()}
    print(json.dumps(told | {"fetched": fetched and item.content(fetched)}))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True, help="rowferry, etlhelper or drivers")
    parser.add_argument("--job", required=True, help="a function in peers/")
    for end in ("source", "target"):
        parser.add_argument(f"--{end}", type=Store, required=True, help="URL")
        parser.add_argument(f"--{end}-table", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--chunk-size", type=int, required=True)
    return parser.parse_args()


def open_work(args: argparse.Namespace, driver: str) -> Work:
    """Open the connections: one an end, though both may be of one database."""
    source = args.source.connect(driver)
    second = args.source == args.target and args.source.kind == "duckdb"  # its way to open a second
    target = source.cursor() if second else args.target.connect(driver)
    tables = args.source_table, args.target_table
    return Work(*tables, source, target, args.rows, args.target.form, args.chunk_size)


def unknown(etl: Any, work: Work) -> str | None:
    """Tell which of the connections rowferry does not know, if any."""
    for conn in (work.source_conn, work.target_conn):
        try:
            etl.fetchone("select 1 as one", conn)
        except etl.exceptions.DriverError as error:
            return f"rowferry does not know it yet: {error}"
    return None


def job(args: argparse.Namespace, etl: Any) -> Callable[[Work], Callable[[], Result]]:
    """Find what makes the job ready."""
    if etl is None:
        return getattr(import_module("peers.drivers"), args.job)
    function = getattr(import_module("peers.libraries"), args.job)
    return lambda work: function(etl, work)


def warm_up(prepare: Callable[[Work], Callable[[], Result]], few: Work, target: Store) -> None:
    """Do it with few rows, and leave none behind."""
    prepare(few)()
    few.target_conn.cursor().execute(f"delete from {few.target}")
    target.commit(few.target_conn)


if __name__ == "__main__":
    main()
