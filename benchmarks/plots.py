"""
Draw the results of the benchmarks.

python benchmarks/plots.py benchmarks/published.json docs/pictures
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import bars
from bars import Bar, Chart, Group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Run = dict[str, Any]
Scenarios = dict[str, dict[str, Any]]

ADAPTIVE = tuple(f"adaptive {kind}" for kind in ("steady", "jittery", "slowing", "refusing"))
OUTAGE = tuple(f"outage {kind}" for kind in ("503", "closed"))
MEMORY = ("memory S2", "memory S3", "growth S2", "growth S3")


class Figure(NamedTuple):
    """
    What is compared between peers.

    Attributes:
        name: in a file's name.
        of: gives it of a run; None where that has none.
        more: whether more is better.
        scenarios: where it is shown.
    """

    name: str
    what: str
    of: Callable[[Run], float | None]
    form: str
    more: bool
    scenarios: tuple[str, ...]


RATE = Figure(
    "rate",
    "rows a second",
    lambda run: run["rows"] / run["seconds"],
    "{:,.0f}",
    more=True,
    scenarios=("S1", "S2", "S3", "S4", "_bulk"),
)
CPU = Figure(
    "cpu",
    "µs of the client's CPU a row",
    lambda run: run["cpu"] / run["rows"] * 1e6,
    "{:,.1f}",
    more=False,
    scenarios=("S1", "S2", "S3", "_bulk"),
)


def main() -> None:
    """Draw the results in one file into the folder, in place of what was drawn before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="JSON that run.py wrote")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for old in args.folder.glob("performance-*.svg"):
        old.unlink()
    for chart in charts(json.loads(args.results.read_text())):
        (args.folder / chart.file).write_text(bars.drawn(chart))


def charts(results: dict[str, Any]) -> list[Chart]:
    """Give a chart of everything that was measured and is worth one."""
    scenarios = {each["name"]: each for each in results["scenarios"] if _good(each)}
    made = [
        _compared(scenarios[name], figure)
        for name in RATE.scenarios
        for figure in (RATE, CPU)
        if name in scenarios and name in figure.scenarios
    ]
    for names, draw in ((MEMORY, _memory), (ADAPTIVE, _adaptive), (OUTAGE, _outage)):
        if there := {name: scenarios[name] for name in names if name in scenarios}:
            made.append(draw(there))
    return made


def _good(scenario: dict[str, Any]) -> list[Run]:
    return [run for run in scenario["runs"] if not run["failure"]]


def bars_of(scenario: dict[str, Any], figure: Figure) -> list[Bar]:
    """Give a bar for each peer that tells the figure, in the order of the runs."""
    peers: dict[str, list[Run]] = {}
    for run in _good(scenario):
        if figure.of(run) is not None:
            peers.setdefault(run["peer"], []).append(run)
    return [
        Bar(name, runs[0]["kind"], tuple(map(figure.of, runs)), figure.form)
        for name, runs in peers.items()
    ]


# one peer beside another


def _compared(scenario: dict[str, Any], figure: Figure) -> Chart:
    """Give the chart of all peers in a scenario, the best first."""
    unsorted = bars_of(scenario, figure)
    better = "more" if figure.more else "less"
    name = scenario["name"]
    return Chart(
        f"performance-{name.strip('_').lower()}-{figure.name}.svg",
        name,
        f"{name}: {figure.what}",
        f"{_sentence(scenario['shows'])} Median, line from min to max; {better} is better",
        f"{name}, {figure.what}: {_said(unsorted, figure)}",
        (Group(tuple(_sorted(unsorted, figure))),),
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _sorted(unsorted: Sequence[Bar], figure: Figure) -> list[Bar]:
    return sorted(unsorted, key=lambda bar: bar.middle, reverse=figure.more)


def _said(unsorted: Sequence[Bar], figure: Figure) -> str:
    """Say how the first of ours compares to the best peer, and where the limit is."""
    best = {kind: _sorted(_of(unsorted, kind), figure)[:1] for kind in ("peer", "limit")}
    parts = [f"{bar.name} {bar.label}" for bar in _of(unsorted, "ours")[:1]]
    for ours in _of(unsorted, "ours")[:1]:
        for peer in best["peer"]:
            times = ours.middle / peer.middle
            parts.append(f"{times:.2f} times the best peer, {peer.name}, {peer.label}")
    parts += [f"{limit.name} {limit.label}" for limit in best["limit"]]
    return "; ".join(parts) + "."


def _of(unsorted: Sequence[Bar], kind: str) -> list[Bar]:
    return [bar for bar in unsorted if bar.kind == kind]


# ours beside ours


def _memory(scenarios: Scenarios) -> Chart:
    """Give the chart of the peak memory by the number of rows."""
    measured = tuple(bar for each in scenarios.values() for bar in _sizes(each))
    return Chart(
        "performance-memory.svg",
        next(reversed(scenarios)),
        "Peak memory by the number of rows, MiB",
        "rowferry; S2 is one POST a row, S3 500 records a POST. Median, line from min to max; "
        "it should not grow",
        f"rowferry's peak memory in MiB: {_listed(measured)}.",
        (Group(measured),),
    )


def _sizes(scenario: dict[str, Any]) -> Iterator[Bar]:
    """Give a bar for each number of rows."""
    runs = _good(scenario)
    for rows in sorted({run["rows"] for run in runs}):
        values = tuple(run["rss_mib"] for run in runs if run["rows"] == rows)
        yield Bar(f"{scenario['name'].split()[-1]}, {rows:,} rows", "ours", values, "{:.1f}")


def _adaptive(scenarios: Scenarios) -> Chart:
    """Give the chart of the adaptive number of requests in flight beside fixed ones."""
    groups = tuple(
        Group(
            tuple(_unlike_adaptive(_sorted(bars_of(each, RATE), RATE))),
            f"{name.split()[-1]}: {each['shows']}",
        )
        for name, each in scenarios.items()
    )
    said = " ".join(f"{group.heading}: {_listed(group.bars)}." for group in groups)
    return Chart(
        "performance-adaptive.svg",
        next(reversed(scenarios)),
        "Adaptive and fixed numbers of requests in flight: rows a second",
        "Median, line from min to max; each API has a scale of its own; more is better",
        f"rows a second: {said}",
        groups,
    )


def _unlike_adaptive(measured: Sequence[Bar]) -> Iterator[Bar]:
    """Let the fixed numbers look like peers, since they are what the adaptive one is held to."""
    for bar in measured:
        kind: bars.Kind = "ours" if "adaptive" in bar.name else "peer"
        yield Bar(bar.name, kind, bar.values, bar.form)


def _outage(scenarios: Scenarios) -> Chart:
    """Give the chart of what an outage of 10 s costs."""
    groups = (
        Group(
            tuple(_counted(scenarios, "back_after", "{:.1f}")),
            "seconds from its end until 90 % of the pace was back",
        ),
        Group(
            tuple(_counted(scenarios, "in_outage", "{:,.0f}")),
            "requests to the API in its last 9 seconds",
        ),
    )
    said = " ".join(f"{group.heading}: {_listed(group.bars)}." for group in groups)
    return Chart(
        "performance-outage.svg",
        next(reversed(scenarios)),
        "An API that is down for 10 seconds",
        "It answers 503, or resets its connections. Median, line from min to max; less is better",
        f"An outage of 10 s, {said}",
        groups,
    )


def _counted(scenarios: Scenarios, name: str, form: str) -> Iterator[Bar]:
    """Give what the API counted under a name, a bar for each kind of outage and peer."""
    of = Figure("", "", lambda run: run["counted"][name], form, more=False, scenarios=())
    for scenario, each in scenarios.items():
        kind = scenario.split()[-1]
        for bar in _unlike_adaptive(bars_of(each, of)):
            yield Bar(f"{kind}: {bar.name}", bar.kind, bar.values, form, "never")


def _listed(measured: Sequence[Bar]) -> str:
    return ", ".join(f"{bar.name} {bar.label}" for bar in measured)


if __name__ == "__main__":
    main()
