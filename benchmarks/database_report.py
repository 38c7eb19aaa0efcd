"""
Render the results of the benchmarks of databases as markdown, the goals first.

python benchmarks/database_report.py benchmarks/published_databases.json > page.md
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import report
from database_jobs import BAD, CLEAN, COPY_BINARY, COPY_TEXT
from goals import OURS, Goal, Medians

if TYPE_CHECKING:
    from collections.abc import Callable

ETLHELPER = "ETLHelper"
MANY, MOST = 1_000_000, 10_000_000


def main() -> None:
    """Print the page of the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="JSON that databases.py wrote")
    print(render(json.loads(parser.parse_args().results.read_text())), end="")


def render(results: dict[str, Any]) -> str:
    """Give the whole page."""
    return report.render(results, GOALS) + etlhelpers(Medians(results))


def etlhelpers(medians: Medians) -> str:
    """Say what ETLHelper reaches where the goals name no ratio to it."""
    try:
        ratio, memory = _bad_to_clean(ETLHELPER)(medians), most_memory(medians, ETLHELPER, MANY)
    except KeyError:
        return ""
    return (
        f"\nOf ETLHelper, chunks with a bad row take {ratio:.1f} times as long as clean ones, and "
        f"`iter_rows` over {MANY:,} rows peaks at {memory:.0f} MiB.\n"
    )


def most_memory(medians: Medians, library: str, rows: int) -> float:
    """Give the peak RSS in MiB of *library* that goes through so many rows."""
    return median(run["rss_mib"] for run in medians.runs("iter-rows", f"{library}, {rows:,} rows"))


def _to(peer: str, scenario: str) -> Callable[[Medians], float]:
    """Give our rows a second in *scenario*, to those of *peer*."""
    return lambda of: of.rate(scenario, OURS) / of.rate(scenario, peer)


def _bad_to_clean(library: str) -> Callable[[Medians], float]:
    """Give the time of chunks with a bad row, to that of clean ones."""
    return lambda of: of.rate("bad-rows", library + CLEAN) / of.rate("bad-rows", library + BAD)


def _memory(rows: int) -> Callable[[Medians], float]:
    return lambda of: most_memory(of, OURS, rows)


_times = partial(Goal, at_least=True, form="{:.2f} x")
_share = partial(Goal, at_least=True, form="{:.1%}")
_most = partial(Goal, at_least=False, form="{:.2f} x")
_mib = partial(Goal, at_least=False, form="{:.1f}")

GOALS = (
    _times("PostgreSQL `load` of dicts, to ETLHelper's", _to(ETLHELPER, "postgresql-load"), 8),
    _share("the same, of psycopg's COPY as text", _to(COPY_TEXT, "postgresql-load"), 0.80),
    _times("PostgreSQL to PostgreSQL, to ETLHelper's", _to(ETLHELPER, "postgresql-postgresql"), 12),
    _share("the same, of COPY to COPY as text", _to(COPY_TEXT, "postgresql-postgresql"), 0.90),
    _share("the same, of COPY to COPY in binary", _to(COPY_BINARY, "postgresql-postgresql"), 0.90),
    _times("SQLite to PostgreSQL, to ETLHelper's", _to(ETLHELPER, "sqlite-postgresql"), 8),
    _times("SQLite to SQLite, to ETLHelper's", _to(ETLHELPER, "sqlite-sqlite"), 1.5),
    _times("PostgreSQL to SQLite, to ETLHelper's", _to(ETLHELPER, "postgresql-sqlite"), 1.0),
    _times("PostgreSQL `fetchall` of dicts, to ETLHelper's", _to(ETLHELPER, "postgresql-dicts"), 2),
    _times("PostgreSQL to PostgreSQL, 10 ms away, to ETLHelper's", _to(ETLHELPER, "link"), 8),
    _most("time of chunks with a bad row, to clean ones", _bad_to_clean(OURS), 2.1),
    _mib("peak RSS of `iter_rows` over 1,000,000 rows, MiB", _memory(MANY), 60),
    _mib("the same over 10,000,000 rows, MiB", _memory(MOST), 60),
)


if __name__ == "__main__":
    main()
