"""The programs of docs/story.md, each measured as it is."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

from measure import COLUMNS, job, measure

sys.path.insert(
    0, str(Path(__file__).parents[2] / "examples" / "story")
)  # before peers of the name


def tell(name: str, *more: Any) -> None:
    """Let a program of `examples/story` send the rows of a SQLite file; print what it took."""
    this, program = job(), import_module(name)
    query = f"select {COLUMNS} from item order by id limit {this.rows}"
    with closing(sqlite3.connect(this.dsn)) as conn:
        measure(lambda: _counted(program.send(query, conn, this.url, *more)))


def _counted(done: Any) -> int:
    """Give the rows that were sent: what a program counted, or what a report says."""
    return done if isinstance(done, int) else done.delivered
