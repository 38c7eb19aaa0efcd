"""
Write the figures of README.md into it, from those that were published last.

    python benchmarks/readme_report.py
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from marked import filled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PUBLISHED = ROOT / "benchmarks" / "published.json"
PEERS = {
    "Requests, one after another": "Requests, one by one",
    "ETLHelper's recipe, 100 in flight": "asyncio and aiohttp, chunk by chunk, 100 in flight",
    "hand-written aiohttp, 64 in flight": "aiohttp, 64 workers by hand",
    "rowferry, 64 in flight": "**rowferry**, 64 in flight",
}
"""Those of the benchmark, and what README calls them; others are compared with the first."""

SPACE = "\N{NO-BREAK SPACE}"
"""Keeps a figure in one line where its column is narrow."""

Run = dict[str, Any]


def main() -> None:
    """Write the table."""
    results = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    README.write_text(written(README.read_text(encoding="utf-8"), results), encoding="utf-8")


def written(page: str, results: dict[str, Any]) -> str:
    """Give the text of README with the figures of *results*."""
    return filled(page, {"figures": "\n".join(_table(results))})


def _table(results: dict[str, Any]) -> Iterator[str]:
    runs = {scenario["name"]: scenario["runs"] for scenario in results["scenarios"]}
    yield "| one POST a row, from PostgreSQL | " + " | ".join(PEERS.values()) + " |"
    yield "| --- |" + " ---: |" * len(PEERS)
    yield _rates("rows/s, an API of 20 ms", runs["S1"])
    yield _rates("rows/s, one of 10 ms, and of 1 s for 0.5 % of the requests", runs["S4"])
    yield _costs("µs of CPU a row, one that answers at once", runs["S2"])
    yield ""
    cores = results["machine"]["cores"]
    yield (
        f"Medians of {results['rounds']} rounds taken in turns, on {cores} cores that the API, "
        f"the database and the client share, {results['date'][:10]}; "
        "from `benchmarks/published.json`."
    )


def _rates(what: str, runs: list[Run]) -> str:
    found = _medians(runs, lambda run: run["rows"] / run["seconds"])
    first = found[0]
    return _line(what, [f"{rate:,.0f}{SPACE}({rate / first:,.0f}{SPACE}x)" for rate in found])


def _costs(what: str, runs: list[Run]) -> str:
    found = _medians(runs, lambda run: run["cpu"] / run["rows"] * 1e6)
    first = found[0]
    return _line(what, [f"{cost:,.0f}{SPACE}(÷{SPACE}{first / cost:,.0f})" for cost in found])


def _medians(runs: list[Run], figure: Callable[[Run], float]) -> list[float]:
    return [median(figure(run) for run in runs if run["peer"] == peer) for peer in PEERS]


def _line(what: str, cells: list[str]) -> str:
    *others, ours = cells
    return f"| {what} | " + " | ".join([*others, f"**{ours}**"]) + " |"


if __name__ == "__main__":
    main()
