"""Rows of SQL Server as they come over the wire, none held but a few that were read ahead."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry import sql as sql_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rowferry.databases.contract import Connection, Reading
    from rowferry.databases.mssql_driver import Driver

_AHEAD = 100
"""Rows that are fetched at the least: a small result leaves the connection free at once."""

_LONGEST_CELL = 8000  # of what is no (max) type, in bytes or characters


_CANCELLED = "the query was cancelled, as was asked for"


class Described(NamedTuple):
    """What row factories need of a cursor, which forgets it after the last row."""

    description: Sequence[Any] | None
    connection: Connection


class Rows:
    """
    The rows of one cursor.

    Until its last row has come the connection takes no other statement, and a commit or rollback
    ends the result. Ours have the rest kept in memory first (`transactions.make_way`).

    Attributes:
        in_transaction: whether the user had a transaction open before, on an autocommit connection.
    """

    def __init__(self, driver: Driver, conn: Connection, reading: Reading) -> None:
        self.in_transaction = False
        self.writes = True
        self.kinds: Mapping[str, type] | None = None
        self.cursor = Described(None, conn)
        self._driver, self._conn, self._reading = driver, conn, reading
        self._cursor = conn.cursor()
        self._using = Lock()  # to cancel a cursor while it is freed would end the process
        self._kept: list[tuple[Any, ...]] = []
        self._at_least = 0
        self._ended = self._closed = self._cancelled = False

    @property
    def is_open(self) -> bool:
        """Whether rows are still to come from the server."""
        return not self._ended

    def execute(self, sql: str, values: Sequence[Any]) -> None:
        """Run the query, and go to its first result that has rows."""
        self.writes = not sql_text.can_declare(sql)
        with self._told_of_cancel():
            self._cursor.execute(sql, values) if values else self._cursor.execute(sql)
            while self._cursor.description is None and self._cursor.nextset():
                pass
        self.cursor = Described(self._cursor.description, self._conn)
        if self._cursor.description is None:
            self._ended = True
            return
        self.kinds = self._driver.kinds(self._conn, self._cursor)
        small = all(0 < (column[3] or 0) <= _LONGEST_CELL for column in self._cursor.description)
        self._at_least = _AHEAD if small else 0

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        missing = count - len(self._kept)
        if missing > 0 and not self._ended:
            self._kept += self._fetch(max(missing, self._at_least))
        if len(self._kept) <= count:
            rows, self._kept = self._kept, []
        else:
            rows, self._kept = self._kept[:count], self._kept[count:]
        return rows

    def _fetch(self, count: int) -> list[tuple[Any, ...]]:
        with self._told_of_cancel():
            with self._driver.converters(self._conn, self._reading):
                rows = self._driver.tuples(self._cursor.fetchmany(count))
            if len(rows) < count:
                while self._cursor.nextset():
                    pass  # which raises the errors of what came after
                self._ended = True
        return rows

    def cancel(self) -> None:
        """Have the server give up; another thread waits for it."""
        with self._using:
            if not self._closed:
                self._cancelled = True
                self._driver.cancel(self._cursor)

    def close(self) -> None:
        self._ended = True
        with self._using:
            if not self._closed:
                self._closed = True
                self._cursor.close()

    @contextmanager
    def _told_of_cancel(self) -> Iterator[None]:
        """
        Raise where it was cancelled.

        The drivers may say anything then ("no results"), or that the rows have come to their end.
        """
        try:
            yield
        except Exception as error:
            self._ended = True
            if self._cancelled:
                raise InterruptedError(_CANCELLED) from error
            raise
        if self._cancelled:
            raise InterruptedError(_CANCELLED)
