"""
Copy tables and queries from one database into another, which may be of another kind.

    python examples/copy_between_databases.py
    python examples/copy_between_databases.py postgresql://me@localhost/test

The destination is a SQLite file, or the database of the URL. There, tables called
rowferry_example_… are made, and dropped at the end.
"""

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import rowferry as etl

FERRIES = [("Heron", 1998, 40), ("Tern", 2004, 24), ("Gannet", 2011, 110), ("Puffin", 2019, 8)]
COPY, LARGE = "rowferry_example_ferry", "rowferry_example_large"


def copy(source: sqlite3.Connection, dest: Any) -> None:
    """Copy ferries from *source* to *dest*: all of them, again, and those that a query chooses."""
    print(etl.generate_create_table_sql("ferry", source, dest, COPY, key="name"))
    print("Copied:", etl.copy_table_rows("ferry", source, dest, COPY, create=True, key="name"))

    # Again, as a job does that runs each night: new rows are added, old ones take the new values.
    etl.execute("UPDATE ferry SET cars = 26 WHERE name = 'Tern'", source)
    etl.copy_table_rows("ferry", source, dest, COPY, key="name", on_conflict="update")
    print("Updated:", etl.fetchone(f"SELECT * FROM {COPY} WHERE name = 'Tern'", dest))

    # A query of the one database, a statement of the other, each with placeholders of its own.
    etl.execute(f"CREATE TABLE {LARGE} (name VARCHAR(40), cars INTEGER)", dest)
    insert = etl.generate_insert_sql(LARGE, {"name": "", "cars": 0}, dest)
    print(insert)
    query = "SELECT name, cars FROM ferry WHERE cars > ?"
    print("Copied:", etl.copy_rows(query, source, insert, dest, parameters=(30,)))
    for row in etl.iter_rows(f"SELECT * FROM {LARGE} ORDER BY cars", dest):
        print("  ", row)


def main() -> None:
    """Make the source, open the destination, copy, tidy up."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if sys.argv[1:] else f"sqlite:///{Path(folder) / 'copy.db'}"
        with (
            closing(sqlite3.connect(Path(folder) / "ferries.db")) as source,
            closing(etl.connect(url)) as dest,
        ):
            etl.execute("CREATE TABLE ferry (name TEXT, built INTEGER, cars INTEGER)", source)
            etl.executemany("INSERT INTO ferry VALUES (?, ?, ?)", source, FERRIES)
            try:
                copy(source, dest)
            finally:
                for table in (COPY, LARGE):
                    etl.execute(f"DROP TABLE IF EXISTS {table}", dest)


if __name__ == "__main__":
    main()
