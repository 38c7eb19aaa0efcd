"""A database that loses its connections as a test plans it: SQLite, with a network between."""

import sqlite3
from collections import deque

from rowferry.databases.sqlite import SQLite


class LostError(Exception):
    """The server has gone away."""


class Connection(sqlite3.Connection):
    """Lives for `left` steps: a statement, a row, a commit; None is for ever."""

    left = None
    is_open = True

    def step(self):
        if self.left == 0:
            raise LostError("the server has gone away")
        if self.left is not None:
            self.left -= 1

    def close(self):
        self.is_open = False
        super().close()


class Lossy(SQLite):
    """
    SQLite, by URLs of lossy:///file.

    Args:
        lives: how long the connections to come live; those after them as long as they like.
        results: after how many rows a result ends as if it were all; None: at its end.
    """

    dbtype = "LOSSY"
    schemes = ("lossy",)
    driver = "lossy"

    def __init__(self, lives=(), results=None):
        self.lives = deque(lives)
        self.results = results
        self.connections = []

    def owns(self, conn):
        return isinstance(conn, Connection)

    def connect(self, params, password, options):
        conn = sqlite3.connect(params["filename"], factory=Connection, check_same_thread=False)
        conn.left = self.lives.popleft() if self.lives else None
        self.connections.append(conn)
        return conn

    def is_closed(self, conn):
        return conn.left == 0 or not conn.is_open

    def is_lost(self, conn, error):
        return isinstance(error, LostError)

    def commit(self, conn):
        conn.step()
        super().commit(conn)

    def open_rows(self, conn, sql, parameters, reading):
        conn.step()
        return Rows(conn, super().open_rows(conn, sql, parameters, reading), self.results)


class Rows:
    """Rows that come one by one over the network; those of a fetch that breaks are lost."""

    writes = False
    kinds = None

    def __init__(self, conn, rows, left):
        self._conn = conn
        self._rows = rows
        self._left = left
        self.cursor = rows.cursor

    def fetch(self, count):
        if self._left is not None:
            count = min(count, self._left)
            self._left -= count
        fetched = []
        while len(fetched) < count:
            self._conn.step()
            row = self._rows.fetch(1)
            if not row:
                break
            fetched += row
        return fetched

    def close(self):
        self._rows.close()
