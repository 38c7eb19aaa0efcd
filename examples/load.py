"""
Write rows into a table: made where there is none, rows that are there already updated or skipped.

    python examples/load.py
"""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import rowferry as etl

FERRIES = [
    {"name": "Heron", "built": 1998, "cars": 40},
    {"name": "Tern", "built": 2004, "cars": 24},
]
NEWS = [
    {"name": "Tern", "built": 2004, "cars": 30},
    {"name": "Puffin", "built": 2019, "cars": 8},
]
MORE = [{"name": f"No. {number}", "built": 2026, "cars": 0} for number in range(9000)]


def main() -> None:
    """Load ferries, and then news of some of them."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "ferries.db")) as conn,
    ):
        print("The table that create=True makes:")
        print(etl.generate_create_table_sql("ferry", FERRIES, conn, key="name"))
        print("The statement for each row:")
        print(etl.generate_insert_sql("ferry", FERRIES[0], conn))

        processed, failed = etl.load("ferry", conn, FERRIES, create=True, key="name")
        print(f"{processed} rows, {failed} failed")

        # The rows may come from anywhere, and need never be in memory together: it is an iterable.
        etl.load("ferry", conn, (row for row in NEWS), on_conflict="skip", key="name")
        print(
            "Skipped where it was there:", *etl.iter_rows("SELECT * FROM ferry", conn), sep="\n  "
        )

        etl.load("ferry", conn, NEWS, on_conflict="update", key="name")
        print(
            "Updated where it was there:", *etl.iter_rows("SELECT * FROM ferry", conn), sep="\n  "
        )

        # All or nothing: one commit at the end instead of one a chunk.
        try:
            etl.load("ferry", conn, [*MORE, *FERRIES], commit_chunks=False)
        except etl.exceptions.InsertError as error:
            print("Refused:", error.__cause__)
        print("Still", len(etl.fetchall("SELECT * FROM ferry", conn)), "ferries")


if __name__ == "__main__":
    main()
