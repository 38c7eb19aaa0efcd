"""
Choose what a row is: a dict, a named tuple, a tuple, a list, or something of your own.

    python examples/row_factories.py
"""

import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rowferry as etl

QUERY = "SELECT name, built FROM ferry ORDER BY built"


@dataclass
class Ferry:
    """A row with a name for its type, for those who come after."""

    name: str
    built: int


def ferry_row_factory(cursor: Any) -> Callable[[Sequence[Any]], Ferry]:
    """Make each row a Ferry: a factory takes the cursor, and gives what makes a row of a tuple."""
    names = [column[0] for column in cursor.description]
    return lambda row: Ferry(**dict(zip(names, row, strict=True)))


def main() -> None:
    """Read the same rows with each factory."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "ferries.db")) as conn,
    ):
        etl.execute("CREATE TABLE ferry (name TEXT, built INTEGER)", conn)
        etl.executemany("INSERT INTO ferry VALUES (?, ?)", conn, [("Heron", 1998), ("Tern", 2004)])

        own = etl.row_factories  # dict_row_factory is the default
        named, plain = own.namedtuple_row_factory, (own.tuple_row_factory, own.list_row_factory)
        for factory in (own.dict_row_factory, named, *plain, ferry_row_factory):
            print(f"{factory.__name__}: {etl.fetchone(QUERY, conn, row_factory=factory)}")

        # A type checker knows what comes: a Ferry, so .built is an int.
        oldest = etl.fetchone(QUERY, conn, row_factory=ferry_row_factory)
        if oldest is not None:
            print(f"The {oldest.name} is of {oldest.built}")

        # Dicts and named tuples would hide one of two columns of a name: that is an error.
        try:
            etl.fetchall("SELECT name, built AS name FROM ferry", conn)
        except etl.exceptions.SourceError as error:
            print("Refused:", error)


if __name__ == "__main__":
    main()
