"""
Measure the database functions of rowferry, ETLHelper and the bare drivers, in turns.

    python benchmarks/databases.py --quick
    python benchmarks/databases.py --scenarios postgresql-load,link --rounds 5
    python benchmarks/databases.py --long --publish

Every run is a process of its own, against servers of its own; what then is in the target is read
and compared with what should be. Exits 1 when it is anything else, or a peer fails.
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import database_report
import item
import machine
import report
from database_jobs import CHUNK, SCENARIOS, Peer, Place, Scenario
from database_servers import link, mariadb, round_trip
from run import turns
from stores import Store

from servers import MissingServerError, postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator

    Run = dict[str, Any]
    Stores = dict[Place, Store]

HERE = Path(__file__).parent
PUBLISHED = HERE / "published_databases.json"
TIMEOUT = 900  # seconds for one run; the slowest takes about 30
QUICK = {"rounds": 1, "rows": 20_000}
DELAY = 0.005  # seconds each way
PACKAGES = (
    *("rowferry", "etlhelper", "psycopg", "psycopg2-binary", "PyMySQL", "duckdb", "pyarrow"),
)
PROGRAMS = {"MariaDB": ["/usr/sbin/mariadbd", "--version"]}


def main() -> None:
    """Run what the command line asks for; print it, save it, render it."""
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by way of the servers' exits
    try:
        results = measure(args)
    except MissingServerError as error:
        raise SystemExit(str(error)) from error
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(results, indent=1))
    page = database_report.render(results)
    print(f"\n{page}")
    if args.markdown:
        args.markdown.write_text(page)
    if failures := report.failures(results):
        raise SystemExit("\n".join(failures))
    if args.publish:
        PUBLISHED.write_bytes(args.json.read_bytes())


def arguments() -> argparse.Namespace:
    """Read the command line."""
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenarios", default=",".join(names), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=200_000, help="default: %(default)s")
    parser.add_argument("--long", action="store_true", help="10,000,000 rows through iter_rows too")
    parser.add_argument("--quick", action="store_true", help="one round of 20,000 rows")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "databases.json")
    parser.add_argument("--markdown", type=Path, help="file for the tables")
    parser.add_argument("--publish", action="store_true", help=f"copy the JSON to {PUBLISHED.name}")
    args = parser.parse_args()
    args.scenarios = args.scenarios.split(",")
    if unknown := set(args.scenarios) - set(names):
        parser.error(f"no scenario called {', '.join(unknown)}; there are: {', '.join(names)}")
    if args.publish and (args.quick or set(args.scenarios) != set(names)):
        parser.error("--publish is for a whole run: no --quick, and all scenarios")
    if args.quick:
        vars(args).update(QUICK)
    return args


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the scenarios asked for, one after another."""
    chosen = [scenario for scenario in SCENARIOS if scenario.name in args.scenarios]
    wanted = {place for scenario in chosen for place in (scenario.source, scenario.target)}
    with started(args.rows, wanted) as (stores, absent):
        results = machine.describe(server_version(stores["postgresql"]), PACKAGES, PROGRAMS)
        results["versions"]["SQLite"] = sqlite3.sqlite_version
        return results | {
            "rounds": args.rounds,
            "rows": args.rows,
            "scenarios": [run_scenario(each, stores, absent, args) for each in chosen],
        }


@contextmanager
def started(rows: int, wanted: set[Place]) -> Iterator[tuple[Stores, dict[Place, str]]]:
    """Start and fill the databases; give those that are there, and why the others are not."""
    memory = Path("/dev/shm")  # where a file is no matter of disks, as the servers' are none
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        )
        dsn = stack.enter_context(postgresql(rows))
        makers = {
            "link": lambda: stack.enter_context(link(dsn, delay=DELAY)),
            "sqlite": lambda: f"sqlite:{folder}/one.sqlite",
            "other sqlite": lambda: f"sqlite:{folder}/other.sqlite",
            "mysql": lambda: stack.enter_context(mariadb()),
            "duckdb": lambda: f"duckdb:{folder}/one.duckdb",
        }
        stores: Stores = {"postgresql": Store(dsn)}
        stores["postgresql"].fill(rows)
        absent: dict[Place, str] = {}
        for place in makers.keys() & wanted:
            try:
                stores[place] = Store(makers[place]())
                if place != "link":
                    stores[place].fill(rows)
            except (MissingServerError, ModuleNotFoundError) as error:
                absent[place] = f"no {place} here: {error}"
        yield stores, absent


def run_scenario(
    scenario: Scenario, stores: Stores, absent: dict[Place, str], args: argparse.Namespace
) -> dict[str, Any]:
    """Run the peers of *scenario* in turns; give all their runs, and who was left out and why."""
    told = {"name": scenario.name, "shows": scenario.shows, "ideal": None}
    print(f"{scenario.name}: {scenario.shows}")
    places = {scenario.source, scenario.target}
    if reasons := [absent[place] for place in places & absent.keys()]:
        return told | {"skipped": reasons, "runs": []}
    if "link" in places:
        told["note"] = link_note(stores["link"])
    peers = tuple(peer for peer in scenario.peers if args.long or not peer.long)
    skipped = {peer.name: reason for peer in peers if (reason := peer.missing())}
    runs: list[Run] = []
    for number, peer in turns(peers, args.rounds):
        if peer.name in skipped:
            continue
        run = run_peer(peer, scenario, stores, peer.rows or args.rows)
        if "left_out" in run:
            skipped[peer.name] = run["left_out"]
        else:
            runs.append(run | {"round": number})
    for reason in skipped.values():
        print(f"  skipped: {reason}")
    return told | {"skipped": list(skipped.values()), "runs": runs}


def run_peer(peer: Peer, scenario: Scenario, stores: Stores, rows: int) -> Run:
    """Let *peer* do its job once with an empty target; give what it took, and what was wrong."""
    source, target = stores[scenario.source], stores[scenario.target]
    target.empty(scenario.target_table)
    told: Run = {"peer": peer.name, "kind": peer.kind}
    try:
        told |= transfer(peer, scenario, source, target, rows)
    except subprocess.SubprocessError as error:
        last = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        return shown(told | {"failure": last})
    if "left_out" in told:
        return told
    there = told.pop("fetched") or target.content(scenario.target_table)
    return shown(told | {"failure": mismatch(peer, rows, told["rows"], item.Content(*there))})


def transfer(peer: Peer, scenario: Scenario, source: Store, target: Store, rows: int) -> Run:
    """Start the process; give the line that it prints."""
    options = {
        "library": peer.library,
        "job": peer.job,
        "source": source.url,
        "source-table": peer.source_table or scenario.source_table,
        "target": target.url,
        "target-table": scenario.target_table,
        "rows": rows,
        "chunk-size": CHUNK,
    }
    done = subprocess.run(
        [sys.executable, HERE / "database_peer.py", *(f"--{k}={v}" for k, v in options.items())],
        check=True,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    return json.loads(done.stdout.splitlines()[-1])


def mismatch(peer: Peer, rows: int, done: int, there: item.Content) -> str | None:
    """Compare what the peer says that it did and what is there with what should be."""
    wanted = expected(peer.job, rows)
    if done != wanted.rows:
        return f"{done:,} rows done of {wanted.rows:,}"
    if peer.job != "iterate" and there != wanted:
        return f"wrong data: {there}, where there should be {wanted}"
    return None


@cache
def expected(job: str, rows: int) -> item.Content:
    """Give what a job leaves or fetches; what *iterate* goes through is checked while it does."""
    if job == "iterate":
        return item.Content(rows, 0)
    return item.content_but(rows, CHUNK) if job == "load_bad" else item.content(item.rows(rows))


def link_note(store: Store) -> str:
    """Measure the network; it has to be as slow as it should."""
    seconds = round_trip(store.url)
    if seconds < 2 * DELAY:
        raise SystemExit(f"a round trip takes {seconds * 1000:.2f} ms: the link delays too little")
    return f"A round trip (`select 1`) takes {seconds * 1000:.1f} ms."


def shown(run: Run) -> Run:
    """Print *run* as it ends."""
    if run["failure"]:
        print(f"  {run['peer']:36} FAILED: {run['failure']}", flush=True)
    else:
        print(f"  {run['peer']:36} {report.rate(run):>11,.0f} rows/s", flush=True)
    return run


def server_version(store: Store) -> str:
    """Give the version of PostgreSQL."""
    with store.connect() as conn:
        return conn.execute("show server_version").fetchone()[0].split()[0]


if __name__ == "__main__":
    main()
