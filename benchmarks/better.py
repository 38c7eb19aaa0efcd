"""Where a peer is better than rowferry: read from the results, so that none is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plots import CPU, RATE, Figure, bars_of

if TYPE_CHECKING:
    from collections.abc import Iterator

RSS = Figure(
    "rss",
    "MiB of peak RSS",
    lambda run: run["rss_mib"],
    "{:.1f}",
    more=False,
    scenarios=(),
)
HEADING = "**Where a peer is better**, by the median, in these very runs:"
NONE = "**Where a peer is better**, by the median: nowhere in these runs."


def section(results: dict[str, Any]) -> str:
    """Give a line for each scenario and figure in which a peer is better than rowferry."""
    lines = [line for each in results["scenarios"] for line in _lines(each)]
    return "\n".join([HEADING, "", *lines]) if lines else NONE


def _lines(scenario: dict[str, Any]) -> Iterator[str]:
    for figure in (RATE, CPU, RSS):
        measured = bars_of(scenario, figure)
        ours = next((bar for bar in measured if bar.kind == "ours"), None)
        peers = [bar for bar in measured if bar.kind == "peer"]
        sign = 1 if figure.more else -1
        better = [bar for bar in peers if ours and sign * (bar.middle - ours.middle) > 0]
        if ours and better:
            told = ", ".join(f"{bar.name} {bar.label}" for bar in better)
            yield f"* {scenario['name']}, {figure.what}: {told}, for {ours.name} {ours.label}."
