"""
Go on where a database refuses a row, and keep what it refused.

    python examples/on_error.py
"""

import csv
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import rowferry as etl

TABLE = "CREATE TABLE ferry (name TEXT PRIMARY KEY, cars INTEGER CHECK (cars > 0))"
ROWS = [
    {"name": "Heron", "cars": 40},
    {"name": "Tern", "cars": -1},
    {"name": "Gannet", "cars": 110},
    {"name": "Heron", "cars": 12},
]


def main() -> None:
    """Load rows of which two are bad: without on_error, then with it in two ways."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "ferries.db")) as conn,
    ):
        etl.execute(TABLE, conn)

        # Without on_error the first bad row ends the work, and its chunk is rolled back.
        try:
            etl.load("ferry", conn, ROWS)
        except etl.exceptions.InsertError as error:
            print("Refused:", error.__cause__)
        print("Stored:", etl.fetchall("SELECT * FROM ferry", conn))

        # With it the others are stored. It gets a list of FailedRow(row, exception) a chunk.
        failures: list[etl.FailedRow] = []
        print("Processed, failed:", etl.load("ferry", conn, ROWS, on_error=failures.extend))
        for row, exception in failures:
            print(f"  {row}: {exception}")
        print("Stored:", etl.fetchall("SELECT * FROM ferry", conn))

        # Any function will do, such as one that writes them into a file for somebody to mend.
        with (Path(folder) / "refused.csv").open("w+", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["name", "cars", "why"])

            def keep(failed: list[etl.FailedRow]) -> None:
                writer.writerows([*row.values(), why] for row, why in failed)

            etl.execute("DELETE FROM ferry", conn)
            etl.load("ferry", conn, ROWS, on_error=keep)
            file.seek(0)
            print(file.read().strip())


if __name__ == "__main__":
    main()
