"""
Shape rows between a database and its copy: a transform takes a chunk, and gives the rows instead.

    python examples/transform.py

It may change rows, leave some out, make several of one, or give rows of another type.
"""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import rowferry as etl

Row = dict[str, Any]

ROWS = [("Heron", "Oban, Craignure"), ("Tern", "Largs"), ("Gannet", ""), ("Puffin", "Mallaig")]


def in_capitals(chunk: list[Row]) -> list[Row]:
    """Change a column: give a list."""
    return [{**row, "name": row["name"].upper()} for row in chunk]


def one_a_port(chunk: list[Row]) -> Iterator[Row]:
    """Make as many rows of one as it has ports: a generator may give none, or several."""
    for row in chunk:
        for port in filter(None, row["ports"].split(", ")):
            yield {"ferry": row["name"], "port": port}


def main() -> None:
    """Read ferries with their ports in one text, and write one row a port."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "ferries.db")) as conn,
    ):
        etl.execute("CREATE TABLE ferry (name TEXT, ports TEXT)", conn)
        etl.execute("CREATE TABLE call (ferry TEXT, port TEXT)", conn)
        etl.executemany("INSERT INTO ferry VALUES (?, ?)", conn, ROWS)

        query = "SELECT * FROM ferry"
        print([row["name"] for row in etl.iter_rows(query, conn, transform=in_capitals)])

        # load(), executemany(), copy_rows() and copy_table_rows() take a transform as well.
        processed, failed = etl.load("call", conn, etl.iter_rows(query, conn), transform=one_a_port)
        print(f"{len(ROWS)} ferries became {processed} rows ({failed} failed):")
        for row in etl.iter_rows("SELECT * FROM call", conn):
            print(f"  {row['ferry']} calls at {row['port']}")


if __name__ == "__main__":
    main()
