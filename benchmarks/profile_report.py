"""
Render a profile as a section of the page on performance.

python benchmarks/profile_report.py benchmarks/published_profile.json >> docs/performance.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median
from typing import Any

METHOD = """\
`make profile` (with `linux-perf`, and Python 3.12 or later) asks what each microsecond of a row is
spent on. `perf` looks {frequency} times in a second of CPU at what the client runs: in C, in the
kernel, and in Python, whose functions Python's own perf trampoline names. Each look is counted for
the innermost Python function, whatever C code or system call that is in. What loopback does with a
request on its way to the server runs in the kernel on the writer's account, and is a part of
"write". A few layers go by the names of C functions: garbage collection, the interpreter's lock,
and uvloop's reading, writing and waiting. The transfer is warm: imports are done before. Rows are
read from PostgreSQL, as everywhere here, and not transformed; the number of requests in flight is
adaptive.

The CPU a row is the median of turns without `perf`; its samples only say the shares. With `perf`
and the trampoline the CPU a row was {distortion} of that without. The trampoline is one more call
for each call of a Python function, so that layers of many small functions may come out too large.
A share is known within {doubt} points, by the number of samples alone."""


def main() -> None:
    """Print the section of the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="JSON that profiling.py wrote")
    print(f"\n{render(json.loads(parser.parse_args().results.read_text()))}", end="")


def render(results: dict[str, Any]) -> str:
    """Give the section: where it ran, how, and a table of the layers."""
    profiles = results["profiles"]
    versions, cores = results["versions"], results["machine"]["cores"]
    method = METHOD.format(
        frequency=results["frequency"],
        distortion=", ".join(f"{_distortion(each):.0%} ({each['name']})" for each in profiles),
        doubt=f"{max(map(_doubt, profiles)) * 100:.1f}",
    )
    where = f"Measured {results['date'][:10]} on {cores} cores; Python {versions['Python']}."
    parts = ["## Where the time of a row goes", method, where, _table(profiles), _shows(profiles)]
    return "\n\n".join(parts) + "\n"


def cost(profile: dict[str, Any], *, profiled: bool = False) -> float:
    """Give the µs of the client's CPU a row."""
    runs = [run for run in profile["runs"] if run["profiled"] == profiled]
    return median(run["cpu"] / run["rows"] for run in runs) * 1e6


def _distortion(profile: dict[str, Any]) -> float:
    return cost(profile, profiled=True) / cost(profile)


def _doubt(profile: dict[str, Any]) -> float:
    """Give two standard errors of a share of one half, the most there is."""
    return sum(profile["samples"].values()) ** -0.5


def _table(profiles: list[dict[str, Any]]) -> str:
    heads = [head for each in profiles for head in (f"{each['name']}: µs a row", "share")]
    lines = [f"| | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    names = list(profiles[0]["samples"])
    lines += [_line(name, [_cells(each, name) for each in profiles]) for name in names]
    total = [(cost(each), 1.0) for each in profiles]
    return "\n".join([*lines, _line("all", total)])


def _cells(profile: dict[str, Any], layer: str) -> tuple[float, float]:
    """Give the µs a row and the share of a layer."""
    share = profile["samples"][layer] / sum(profile["samples"].values())
    return cost(profile) * share, share


def _line(name: str, cells: list[tuple[float, float]]) -> str:
    told = " | ".join(f"{micros:.2f} | {share:.1%}" for micros, share in cells)
    return f"| {name} | {told} |"


def _shows(profiles: list[dict[str, Any]]) -> str:
    told = "; ".join(f"{each['name']}: {each['shows']}" for each in profiles)
    return f"{told}. Samples: {', '.join(_samples(each) for each in profiles)}."


def _samples(profile: dict[str, Any]) -> str:
    return f"{sum(profile['samples'].values()):,}"


if __name__ == "__main__":
    main()
