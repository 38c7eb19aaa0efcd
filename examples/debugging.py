"""
See what is done, and what a database said: the log, errors, the SQL that is made.

    python examples/debugging.py
"""

import logging
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import rowferry as etl


def main() -> None:
    """Log a load, ask what a table has, and read the errors of mistakes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "ferries.db")) as conn,
    ):
        etl.execute("CREATE TABLE ferry (name TEXT NOT NULL, cars INTEGER DEFAULT 0)", conn)

        # By default it goes to the standard error stream; without this call there is no log at all.
        etl.log_to_console(output=sys.stdout)
        etl.load("ferry", conn, ({"name": f"No. {n}", "cars": n} for n in range(7)), chunk_size=3)
        etl.fetchall("SELECT * FROM ferry", conn)
        logging.getLogger("rowferry").setLevel(logging.WARNING)

        print("\nThe columns of the table:")
        for column in etl.table_info("ferry", conn):
            print("  ", column)
        print("The statement of load():")
        print("  ", etl.generate_insert_sql("ferry", {"name": "Heron", "cars": 40}, conn))

        # A message has the statement, its style of placeholders, and the database's own words;
        # the driver's exception is its cause.
        try:
            etl.fetchall("SELECT captain FROM ferry WHERE name = :name", conn, {"name": "No. 1"})
        except etl.exceptions.SourceError as error:
            print("\nA column that is not there:", error, "caused by", repr(error.__cause__))

        # Each mistake has an exception of its own, below RowferryError.
        for table, row in (("ferry; DROP TABLE ferry", {"name": "Heron"}), ("ferry", {"cars": 1})):
            try:
                etl.load(table, conn, [row])
            except etl.exceptions.RowferryError as error:
                print(f"\n{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
