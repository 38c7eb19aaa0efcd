"""
Load a CSV file into a database, with Python's csv module.

    python examples/csv_to_database.py
"""

import csv
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import rowferry as etl

CSV = """\
name,built,length,in service
Heron,1998,62.4,yes
Tern,2004,,yes
Gannet,2011,110.0,no
"""


def typed(chunk: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """Make numbers of texts, NULL of nothing, and names of columns of headings."""
    for row in chunk:
        yield {
            "name": row["name"],
            "built": int(row["built"]),
            "length": float(row["length"]) if row["length"] else None,
            "in_service": row["in service"] == "yes",
        }


def main() -> None:
    """Write a CSV file, and load it: the file is read as rows are needed, never as a whole."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "ferries.db")) as conn,
    ):
        path = Path(folder) / "ferries.csv"
        path.write_text(CSV, encoding="utf-8")

        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            processed, failed = etl.load("ferry", conn, rows, transform=typed, create=True)

        print(f"{processed} rows, {failed} failed")
        for column in etl.table_info("ferry", conn):
            print(f"  {column.name}: {column.type}")
        print(etl.fetchone("SELECT * FROM ferry WHERE length IS NULL", conn))


if __name__ == "__main__":
    main()
