"""
Render the results of the benchmarks as markdown.

python benchmarks/report.py benchmarks/results/latest.json > page.md
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import bars
import better
import goals
import plots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HEAD = (
    *("", "rows", "rows/s: min", "median", "max", "of the best peer", "of the limit"),
    *("client CPU, µs a row", "peak RSS, MiB"),
)
NOTHING = "-"
PICTURES = "pictures"
"""Where `plots.py` puts them, seen from the page."""
COUNTED = (
    ("refused", "{:,} requests refused"),
    ("faults", "{:,} requests met a fault"),
    ("distinct", "{:,} records arrived"),
    ("in_outage", "{:,} requests in the last 9 s of the outage"),
    ("back_after", "90 % of the pace {} s after it"),
)

Run = dict[str, Any]


def main() -> None:
    """Print the page of the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="JSON that run.py wrote")
    results = json.loads(parser.parse_args().results.read_text())
    print(render(results, pictures=bars.markdown(plots.charts(results), PICTURES)), end="")


def render(
    results: dict[str, Any],
    wanted: tuple[goals.Goal, ...] = goals.GOALS,
    pictures: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """
    Give the whole page: where it ran, what was *wanted*, a table a scenario, the rest.

    Args:
        pictures: lines that show some, by the scenario that they stand with.
    """
    note = [results["note"]] if "note" in results else []
    parts = [
        _setting(results),
        *note,
        goals.table_of(results, wanted),
        better.section(results),
        *(_scenario(each, pictures.get(each["name"], ())) for each in results["scenarios"]),
    ]
    if "start_up" in results:
        parts.append(_start_up(results["start_up"]))
    return "\n\n".join(parts) + "\n"


def failures(results: dict[str, Any]) -> list[str]:
    """Give a line for each run that failed or was miscounted."""
    return [
        f"{scenario['name']}: {line}"
        for scenario in results["scenarios"]
        for line in _failures(scenario)
    ]


def rate(run: Run) -> float:
    """Give the rows a second of a run."""
    return run["rows"] / run["seconds"]


def _setting(results: dict[str, Any]) -> str:
    machine, versions = results["machine"], results["versions"]
    rounds = results["rounds"]
    return (
        f"Measured {results['date'][:10]} on {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['memory_gib']} GiB, {machine['system']}, in {rounds} "
        f"round{'s' if rounds > 1 else ''} taken in turns; "
        + ", ".join(f"{name} {number}" for name, number in versions.items() if number)
        + ". CPU and memory are the client's alone, and medians."
    )


def _scenario(scenario: dict[str, Any], pictures: Sequence[str]) -> str:
    """Give the heading, the pictures, the table and the remarks of a scenario."""
    good = [run for run in scenario["runs"] if not run["failure"]]
    parts = [f"### {scenario['name']}: {scenario['shows']}", *pictures]
    if good:
        parts.append(_table([HEAD, *_rows(good)]))
    parts += [line for line in _counted(good) if line]
    parts += [f"Skipped: {reason}." for reason in scenario["skipped"]]
    parts += [f"Failed: {line}." for line in _failures(scenario)]
    if scenario["ideal"]:
        parts.append(f"The ideal with 64 in flight: {scenario['ideal']:,.0f} rows/s.")
    if "note" in scenario:
        parts.append(scenario["note"])
    if scenario["name"].startswith("growth") and good:
        parts.append(_growth(good))
    return "\n\n".join(parts)


def _counted(runs: list[Run]) -> Iterator[str]:
    """Tell what the API counted besides the rows, of the first run of each peer."""
    for run in runs:
        if run["round"] == 1:
            counted = run.get("counted") or {}
            told = [
                words.format(counted[name]) for name, words in COUNTED if counted.get(name, 0) > 0
            ]
            yield f"{run['peer']}: {', '.join(told)}." if told else ""


def _failures(scenario: dict[str, Any]) -> list[str]:
    return [
        f"{run['peer']}, round {run['round']}: {run['failure']}"
        for run in scenario["runs"]
        if run["failure"]
    ]


def _rows(runs: list[Run]) -> list[tuple[str, ...]]:
    """Give the cells of each peer, in the order of the first round."""
    peers: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run["round"]):
        peers.setdefault(run["peer"], []).append(run)
    best, limit = (
        max((_median_rate(each) for each in peers.values() if each[0]["kind"] == kind), default=0)
        for kind in ("peer", "limit")
    )
    return [_cells(name, each, best, limit) for name, each in peers.items()]


def _cells(name: str, runs: list[Run], best: float, limit: float) -> tuple[str, ...]:
    rates, middle = [rate(run) for run in runs], _median_rate(runs)
    memory = [run["rss_mib"] for run in runs if run["rss_mib"]]
    return (
        name,
        f"{round(median(run['rows'] for run in runs)):,}",
        *(f"{number:,.0f}" for number in (min(rates), middle, max(rates))),
        f"{middle / best:.2f} x" if best else NOTHING,
        f"{middle / limit:.1%}" if limit else NOTHING,
        f"{median(run['cpu'] / run['rows'] for run in runs) * 1e6:,.1f}",
        f"{median(memory):.1f}" if memory else NOTHING,
    )


def _median_rate(runs: list[Run]) -> float:
    return median(map(rate, runs))


def _growth(runs: list[Run]) -> str:
    """Give the time a row of each step of sizes, and compare their memory."""
    sizes = sorted({run["rows"] for run in runs})
    seconds, memory = (
        [median(run[name] for run in runs if run["rows"] == size) for size in sizes]
        for name in ("seconds", "rss_mib")
    )
    steps = [
        f"{few:,} to {many:,} rows: {(after - before) / (many - few) * 1e6:.2f} µs a further row"
        for (few, before), (many, after) in pairwise(zip(sizes, seconds, strict=True))
    ]
    at = min(1, len(sizes) - 1)  # the smallest number does not fill the room that there is
    ratio = (
        f"Peak RSS with {sizes[-1]:,} rows to that with {sizes[at]:,}: "
        f"{memory[-1] / memory[at]:.3f}"
    )
    return f"{'; '.join(steps)}. {ratio}."


def _start_up(measured: dict[str, Any]) -> str:
    """Tell what the import costs, and the first transfer."""
    if "skipped" in measured:
        return f"### import\n\nSkipped: {measured['skipped']}."
    told = (
        f"### import\n\n`import rowferry` takes {measured['milliseconds']:.0f} ms more than "
        f"`pass` (median of {len(measured['turns'])} pairs, interpreter start subtracted)."
    )
    if "transfer_milliseconds" not in measured:
        return told
    first = measured["transfer_milliseconds"]
    return f"{told} With a transfer of no rows, which imports the rest, it is {first:.0f} ms."


def _table(rows: list[tuple[str, ...]]) -> str:
    """Lay out a markdown table whose columns line up as text, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = [f"{'-' * (width - 1)}:" for width in widths]
    rule[0] = "-" * widths[0]
    lines = [rows[0], tuple(rule), *rows[1:]]
    return "\n".join(f"| {' | '.join(_padded(line, widths))} |" for line in lines)


def _padded(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    first, *rest = zip(cells, widths, strict=True)
    return [f"{first[0]:{first[1]}}", *(f"{cell:>{width}}" for cell, width in rest)]


if __name__ == "__main__":
    main()
