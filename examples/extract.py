"""
Read rows of a database: all, one by one, in chunks, the first one, those that parameters choose.

    python examples/extract.py
"""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import rowferry as etl

ROWS = [("Heron", 1998, 40), ("Tern", 2004, 24), ("Gannet", 2011, 110), ("Puffin", 2019, 8)]


def main() -> None:
    """Make a table of ferries, and read it in all the ways there are."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "ferries.db")) as conn,
    ):
        etl.execute("CREATE TABLE ferry (name TEXT PRIMARY KEY, built INTEGER, cars INTEGER)", conn)
        etl.executemany("INSERT INTO ferry VALUES (?, ?, ?)", conn, ROWS)

        print("All, as a list of dicts:", *etl.fetchall("SELECT * FROM ferry", conn), sep="\n  ")

        print("The largest:", etl.fetchone("SELECT * FROM ferry ORDER BY cars DESC", conn))
        print("One of 1900:", etl.fetchone("SELECT * FROM ferry WHERE built = 1900", conn))

        # Nothing is read before the loop asks for it, and never more than a chunk is in memory.
        cars = sum(row["cars"] for row in etl.iter_rows("SELECT * FROM ferry", conn))
        print("Room for", cars, "cars")

        for chunk in etl.iter_chunks("SELECT name FROM ferry ORDER BY built", conn, chunk_size=3):
            print("A chunk of at most 3 rows:", ", ".join(row["name"] for row in chunk))

        # Placeholders are the database's own: SQLite has ? and :name, PostgreSQL %s and %(name)s.
        query = "SELECT name FROM ferry WHERE built >= :since ORDER BY name"
        print("Since 2004:", [row["name"] for row in etl.iter_rows(query, conn, {"since": 2004})])

        # With a key rows come in its order, and two of one key are an error, never lost in silence.
        ordered = etl.iter_rows("SELECT name FROM ferry", conn, key="name")
        print("By name:", [row["name"] for row in ordered])


if __name__ == "__main__":
    main()
