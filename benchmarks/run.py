"""
Measure rowferry and its peers, in turns, against servers of their own on loopback.

    python benchmarks/run.py --quick
    python benchmarks/run.py --scenarios S1,S2,growth,import --rounds 5

Every transfer is a process of its own; what it delivered is counted at the API. Exits 1 when a
count is wrong or a peer fails.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import psycopg
import report
import start_up
from scenarios import SCENARIOS, Peer, Scenario

import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
TIMEOUT = 900  # seconds for one transfer; the slowest takes about one minute
QUICK = {"rounds": 3, "rows_scale": 0.2, "scenarios": ["S1", "S2", "S3", "growth", "import"]}

Run = dict[str, Any]


def main() -> None:
    """Run what the command line asks for; print it, save it, render it."""
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by way of the servers' exits
    try:
        results = measure(args)
    except servers.MissingServerError as error:
        raise SystemExit(str(error)) from error
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(results, indent=1))
    page = report.render(results)
    print(f"\n{page}")
    if args.markdown:
        args.markdown.write_text(page)
    if failures := report.failures(results):
        raise SystemExit("\n".join(failures))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    names = dict.fromkeys([*(scenario.name.split()[0] for scenario in SCENARIOS), "import"])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenarios", default=",".join(names), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--rows-scale", type=float, default=1.0, help="times the rows of each peer")
    parser.add_argument(
        "--quick", action="store_true", help="the main ratios only, with a fifth of the rows"
    )
    parser.add_argument("--json", type=Path, default=HERE / "results" / "latest.json")
    parser.add_argument("--markdown", type=Path, help="file for the tables")
    args = parser.parse_args()
    args.scenarios = args.scenarios.split(",")
    if unknown := set(args.scenarios) - set(names):
        parser.error(f"no scenario called {', '.join(unknown)}; there are: {', '.join(names)}")
    if args.quick:
        vars(args).update(QUICK)
    return args


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the scenarios asked for, one after another."""
    chosen = [
        scenario.quick() if args.quick else scenario
        for scenario in SCENARIOS
        if scenario.name.split()[0] in args.scenarios
    ]
    chosen = [scenario.scaled(args.rows_scale) for scenario in chosen]
    rows = max((peer.rows for scenario in chosen for peer in scenario.peers), default=1)
    with servers.postgresql(rows) as dsn:
        results = machine.describe(_server_version(dsn), apart=machine.APART) | {
            "rounds": args.rounds,
            "rows_scale": args.rows_scale,
            "scenarios": [run_scenario(scenario, dsn, args.rounds) for scenario in chosen],
        }
    if "import" in args.scenarios:
        results["start_up"] = start_up.measure()
    return results


def run_scenario(scenario: Scenario, dsn: str, rounds: int) -> dict[str, Any]:
    """Run the peers of *scenario* in turns; give all their runs, or why there are none."""
    told = {name: getattr(scenario, name) for name in ("name", "shows", "batch", "ideal")}
    print(f"{scenario.name}: {scenario.shows}")
    skipped = [reason for peer in scenario.peers if (reason := peer.missing())]
    with ExitStack() as stack:
        try:
            api = stack.enter_context(scenario.api())
        except servers.MissingServerError as error:
            return told | {"skipped": _printed([str(error)]), "runs": []}
        _printed(skipped)
        runs = [
            run_peer(peer, scenario, dsn, api) | {"round": number}
            for number, peer in turns(scenario.peers, rounds)
        ]
    return told | {"skipped": skipped, "runs": runs}


def turns(peers: tuple[Peer, ...], rounds: int) -> Iterator[tuple[int, Peer]]:
    """Give each peer once a round; each round begins with another one."""
    there = [peer for peer in peers if not peer.missing()]
    for number in range(rounds if there else 0):
        first = number % len(there)
        for peer in there[first:] + there[:first]:
            yield number + 1, peer


def run_peer(peer: Peer, scenario: Scenario, dsn: str, api: servers.CountingApi) -> Run:
    """Let *peer* transfer its rows; give what it took, and what the API counted."""
    told: Run = {"peer": peer.name, "kind": peer.kind}
    api.reset()
    try:
        told |= transfer(peer, scenario, dsn, api)
    except subprocess.SubprocessError as error:
        last = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        return _shown(told | {"failure": last})
    told["counted"] = api.counts()
    return _shown(told | {"failure": _mismatch(peer, told)})


def transfer(peer: Peer, scenario: Scenario, dsn: str, api: servers.CountingApi) -> Run:
    """Start the script of *peer*; give the line that it prints."""
    options = {
        "dsn": dsn,
        "url": api.url,
        "ca": api.ca,
        "rows": peer.rows,
        "seconds": peer.seconds,
        "batch": scenario.batch,
        "in-flight": peer.in_flight,
        "concurrency": peer.concurrency,
        "key": peer.key,
        "path": peer.path,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    done = subprocess.run(
        [peer.python, HERE / "peers" / peer.script, *words],
        check=True,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _mismatch(peer: Peer, told: Run) -> str | None:
    """Compare the rows asked for, the rows told and the records that the API counted."""
    if peer.rows and told["rows"] != peer.rows:
        return f"{told['rows']:,} rows done of {peer.rows:,}"
    records = told["counted"]["records"]
    if peer.surplus is not None and not 0 <= records - told["rows"] <= peer.surplus:
        return f"{told['rows']:,} rows sent, but the API counted {records:,}"
    return None


def _shown(run: Run) -> Run:
    """Print *run* as it ends."""
    if run["failure"]:
        print(f"  {run['peer']:36} FAILED: {run['failure']}", flush=True)
    else:
        print(f"  {run['peer']:36} {report.rate(run):>11,.0f} rows/s", flush=True)
    return run


def _printed(reasons: list[str]) -> list[str]:
    for reason in reasons:
        print(f"  skipped: {reason}")
    return reasons


def _server_version(dsn: str) -> str:
    with psycopg.connect(dsn) as conn:
        return conn.execute("show server_version").fetchone()[0].split()[0]


if __name__ == "__main__":
    main()
