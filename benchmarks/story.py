"""
Measure the programs of docs/story.md side by side, in turns: rows of SQLite to APIs on loopback.

    python benchmarks/story.py --rounds 5

Writes `published_story.json`, of which `story_report.py` makes the figures and pictures of the
page. Exits 1 when a count is wrong or a program fails.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import item
import machine
import report
import run
from scenarios import Peer, Scenario
from story_report import PUBLISHED, QUICK, STEADY, UNEVEN, timeline

import rowferry as etl
import servers

PACKAGES = ("rowferry", "aiohttp", "requests", "uvloop", "httptools", "msgspec")

one_by_one = partial(
    Peer, name="one by one", script="story_sequential.py", in_flight=1, needs="requests"
)
chunks = partial(Peer, name="chunk by chunk", script="story_chunks.py", needs="aiohttp")
workers = partial(Peer, name="64 workers", script="story_workers.py", needs="aiohttp")
rowferry = partial(Peer, name="rowferry", kind="ours", script="story_ferry.py", needs="rowferry")
journaled = partial(rowferry, name="rowferry with a journal", script="story_journal.py")

SCENARIOS = (
    Scenario(
        name=STEADY,
        shows="an API that takes 20 ms",
        api=partial(servers.own_api, delay=0.020),
        ideal=64 / 0.020,
        peers=(
            one_by_one(rows=100),
            chunks(rows=10_000),
            workers(rows=10_000),
            rowferry(rows=10_000),
            journaled(rows=10_000),
        ),
    ),
    Scenario(
        name=QUICK,
        shows="an API that answers at once",
        api=servers.own_api,
        peers=(
            one_by_one(rows=1_000),
            chunks(rows=10_000),
            workers(rows=10_000),
            rowferry(rows=40_000),
            journaled(rows=40_000),
        ),
    ),
    Scenario(
        name=UNEVEN,
        shows="an API that takes 10 ms, and 1 s for one request of 200",
        api=partial(servers.own_api, delay=0.010, slow_share=0.005, sample=0.005),
        ideal=64 / (0.995 * 0.010 + 0.005 * 1.0),
        peers=(
            one_by_one(rows=150),
            chunks(rows=15_000),
            workers(rows=15_000),
            rowferry(rows=15_000),
            journaled(rows=15_000),
        ),
    ),
)


def main() -> None:
    """Run what the command line asks for, and save it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--json", type=Path, default=PUBLISHED, help="default: %(default)s")
    args = parser.parse_args()
    results = measure(args.rounds)
    args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if failures := report.failures(results):
        raise SystemExit("\n".join(failures))


def measure(rounds: int) -> dict[str, Any]:
    """Let each program take its turn against each API."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/items.db"
        fill(file, max(peer.rows for scenario in SCENARIOS for peer in scenario.peers))
        told = machine.describe("", PACKAGES, {}) | {"rounds": rounds}
        told["scenarios"] = [run.run_scenario(scenario, file, rounds) for scenario in SCENARIOS]
    for scenario in told["scenarios"]:
        for each in scenario["runs"]:
            draw(each)
    return told


def fill(file: str, rows: int) -> None:
    """Make a SQLite file with so many rows."""
    with closing(sqlite3.connect(file)) as conn:
        etl.load("item", conn, item.dicts(rows, "plain"), create=True, key="id")


def draw(each: dict[str, Any]) -> None:
    """Make the timeline of a run of its samples, in the first round; the others need none."""
    samples = each.get("counted", {}).pop("samples", [])
    if samples and each["round"] == 1:
        each["timeline"] = timeline(samples)


if __name__ == "__main__":
    main()
