"""
Rows to an API one by one, with Requests.

    python sequential.py DATABASE QUERY URL
"""

import sqlite3
import sys
from contextlib import closing

import requests

import rowferry as etl


def send(query: str, conn: sqlite3.Connection, url: str) -> int:
    """Post a row, wait for its answer, post the next; give how many were posted."""
    sent = 0
    with requests.Session() as session:  # keeps its connection from row to row
        for row in etl.iter_rows(query, conn):
            response = session.post(url, json=row, timeout=30)
            response.raise_for_status()
            sent += 1
    return sent


if __name__ == "__main__":
    _, file, query, url = sys.argv
    with closing(sqlite3.connect(file)) as conn:
        print(send(query, conn, url), "rows")
