"""
Write the figures, pictures and programs of docs/story.md into it.

    python benchmarks/story_report.py

The figures and pictures are made of what `story.py` measured last, the programs are those of
`examples/story`. Each stands between `<!-- NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import story_pictures
from marked import filled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "benchmarks" / "published_story.json"
PAGE = ROOT / "docs" / "story.md"
PICTURES = ROOT / "docs" / "pictures"
PROGRAMS = ROOT / "examples" / "story"
HEAD = (
    "| | 20 ms: rows/s | at once: rows/s | µs of CPU a row | 10 ms, some 1 s: rows/s | "
    "in flight, on average |"
)
STEADY, QUICK, UNEVEN = "steady", "quick", "uneven"  # the APIs, as story.py calls them
BIN = 0.02  # seconds of a point of a timeline
HALF = 32  # requests in flight, of 64

Results = dict[str, Any]


def main() -> None:
    """Write the page and its pictures."""
    results = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    PICTURES.mkdir(exist_ok=True)
    for name, picture in pictures(results).items():
        (PICTURES / name).write_text(picture, encoding="utf-8")


def written(page: str, results: Results) -> str:
    """Give the text of the page with all that is generated as it is now."""
    parts = {"figures": "\n".join(figures(results))}
    for program in PROGRAMS.glob("*.py"):
        parts[program.name] = f"```python\n{program.read_text(encoding='utf-8')}```"
    return filled(page, parts)


def pictures(results: Results) -> dict[str, str]:
    """Give the pictures of the page, by the names of their files."""
    ways = names(results)
    rates = {what: {way: rate(results, what, way) for way in ways} for what in (STEADY, QUICK)}
    lines = {
        f"{way}\n{run['rows']:,} rows": run["timeline"]
        for way, run in drawn(results).items()
        if way in ways[:4]
    }
    return {
        "story-rates.svg": story_pictures.bars(
            {"an API that takes 20 ms": rates[STEADY], "one that answers at once": rates[QUICK]}
        ),
        "story-timeline.svg": story_pictures.timelines(lines, BIN, ceiling=64),
    }


def figures(results: Results) -> Iterator[str]:
    """Tell where it was measured, and give the table."""
    machine, versions = results["machine"], results["versions"]
    rounds = "1 round" if results["rounds"] == 1 else f"{results['rounds']} rounds"
    yield (
        f"Measured {results['date'][:10]} on {machine['cores']} cores ({machine['cpu']}), which "
        f"the API shares (load before it: {machine['load_before']:.1f}), in "
        f"{rounds} taken in turns, medians; "
        + ", ".join(f"{name} {number}" for name, number in versions.items() if number)
        + ". Every run was counted at the API."
    )
    yield from ("", HEAD, "| --- | ---: | ---: | ---: | ---: | ---: |")
    yield from (line(results, way) for way in names(results))
    yield from ("", slack(results))


def line(results: Results, way: str) -> str:
    """Give the line of the table for a way."""
    steady, quick, uneven = (rate(results, name, way) for name in (STEADY, QUICK, UNEVEN))
    cpu = median(run["cpu"] / run["rows"] for run in runs(results, QUICK, way)) * 1e6
    flight = fmean(drawn(results)[way]["timeline"])
    return f"| {way} | {steady:,.0f} | {quick:,.0f} | {cpu:,.0f} | {uneven:,.0f} | {flight:.0f} |"


def slack(results: Results) -> str:
    """Say how long each way had fewer than half of the requests in flight."""
    told = []
    for way, run in list(drawn(results).items())[1:4]:
        points = run["timeline"]
        idle = sum(point < HALF for point in points)
        told.append(f"{way} {idle * BIN:.1f} of {len(points) * BIN:.1f} s")
    rows = drawn(results)["rowferry"]["rows"]
    return (
        f"For the {rows:,} rows of the last API, fewer than {HALF} of 64 requests were in flight "
        f"for: {'; '.join(told)}."
    )


def names(results: Results) -> list[str]:
    """Give the ways, in the order of the story."""
    return list(drawn(results))


def drawn(results: Results) -> dict[str, Any]:
    """Give the runs that have a timeline, by their ways."""
    uneven = next(each for each in results["scenarios"] if each["name"] == UNEVEN)
    return {run["peer"]: run for run in uneven["runs"] if "timeline" in run}


def rate(results: Results, scenario: str, way: str) -> float:
    """Give the rows a second."""
    return median(run["rows"] / run["seconds"] for run in runs(results, scenario, way))


def runs(results: Results, scenario: str, way: str) -> list[dict[str, Any]]:
    """Give the runs of a way against one of the APIs."""
    found = next(each for each in results["scenarios"] if each["name"] == scenario)
    return [run for run in found["runs"] if run["peer"] == way and not run["failure"]]


def timeline(samples: Sequence[tuple[float, int]]) -> list[float]:
    """Give how many requests were in flight on average in each `BIN`, up to the last answer."""
    last = max((at for at, in_flight in samples if in_flight), default=0.0)
    bins: dict[int, list[int]] = {}
    for at, in_flight in samples:
        bins.setdefault(int(at / BIN), []).append(in_flight)
    points: list[float] = []
    for number in range(int(last / BIN) + 1):  # a bin without a look is as the one before it
        points.append(round(fmean(bins[number]), 1) if number in bins else (points or [0.0])[-1])
    return points


if __name__ == "__main__":
    main()
