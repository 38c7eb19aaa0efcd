"""
Render what became of rows under faults as markdown.

python benchmarks/fault_report.py benchmarks/results/faults.json > section.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

SHOWN = 110  # letters of what a process said

HEADS = {
    "refusals": (
        "### 1 % of 503, and three rows that always get 400\n\n"
        "50 rows are answered 503 the first time that they come (in `_bulk`, 429), three always "
        "400: 4,997 can be delivered."
    ),
    "killed": (
        "### Killed at half way, and started again\n\n"
        "SIGKILL when the API has taken 2,500 rows; then the same command again, as its user would."
    ),
    "outage": (
        "### An API that is down for 10 s\n\n"
        "When it has taken 2,500 rows, the API cuts all connections and refuses new ones for 10 s."
    ),
}
COLUMNS = ("", "settings", "delivered", "not delivered", "doubled", "exit", "last words", "s")


def main() -> None:
    """Print the section of the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="JSON that faults.py wrote")
    print(render(json.loads(parser.parse_args().results.read_text())), end="")


def render(results: dict[str, Any]) -> str:
    """Give the whole section: a table a fault."""
    cases = results["cases"]
    parts = [_setting(results)]
    parts += [f"{head}\n\n{_table(cases, fault)}" for fault, head in HEADS.items()]
    parts += [f"Skipped: {name}." for name in results["skipped"]]
    return "\n\n".join(parts) + "\n"


def _setting(results: dict[str, Any]) -> str:
    minutes = sum(case[fault]["seconds"] for case in results["cases"] for fault in HEADS) / 60
    versions = [f"{name} {number}" for name, number in results["versions"].items() if number]
    return (
        f"Measured {results['date'][:10]} on {results['machine']['cores']} cores, in "
        f"{minutes:.0f} minutes; {', '.join(versions)}."
    )


def _table(cases: list[dict[str, Any]], fault: str) -> str:
    rows = [COLUMNS, ("---", "---", "---:", "---:", "---:", "---:", "---", "---:")]
    rows += [(case["peer"], case["settings"], *_cells(case[fault])) for case in cases]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(outcome: dict[str, Any]) -> tuple[str, ...]:
    doubled = f"{outcome['doubled']:,}"
    if known := outcome["doubled_with_key"]:
        doubled += " with its key" if known == outcome["doubled"] else f" ({known:,} with its key)"
    code = outcome["exit"]
    return (
        f"{outcome['delivered']:,}",
        f"{outcome['undelivered']:,}",
        doubled,
        "never" if code is None else str(code),
        _shortened(outcome["said"]),
        f"{outcome['seconds']:.0f}",
    )


def _shortened(words: str) -> str:
    """Give the beginning of *words* as code, in which a table's bars do no harm."""
    if not words:
        return ""
    words = words.replace("|", "/").replace("`", "'")
    return f"`{words[:SHOWN]}{'…' if len(words) > SHOWN else ''}`"


if __name__ == "__main__":
    main()
