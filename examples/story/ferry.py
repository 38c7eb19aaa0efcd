"""
Rows to an API with rowferry; with a journal it goes on where it was killed.

    python ferry.py DATABASE QUERY URL [JOURNAL]
"""

import sqlite3
import sys
from contextlib import closing

import rowferry as etl


def send(
    query: str, conn: sqlite3.Connection, url: str, journal: etl.Journal | None = None
) -> etl.Report:
    """Read, post and wait at the same time; give the counts."""
    return etl.copy_to_api(query, conn, url, key="id", journal=journal)


if __name__ == "__main__":
    _, file, query, url, *journal = sys.argv
    with closing(sqlite3.connect(file)) as conn:
        print(send(query, conn, url, *map(etl.Journal, journal)))
