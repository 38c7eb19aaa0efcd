"""Rows of PostgreSQL by psycopg 3: of a cursor on the server where one can be declared."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from rowferry import sql as sql_text
from rowferry.databases.postgresql_unread import unread_loaders, wanted_as_text
from rowferry.databases.postgresql_values import (
    best_in_binary,
    fetchall_tolerant,
    kinds_of,
    load_tolerant,
    unknown_loaders,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowferry.databases.contract import Connection, Database, OpenRows, Parameters, Reading

cursor_numbers = itertools.count(1)

IN_TRANSACTION = 2  # libpq's PQTRANS_INTRANS


def open_rows(
    database: Database, conn: Connection, sql: str, parameters: Parameters, reading: Reading
) -> OpenRows:
    """Execute *sql* on a connection of psycopg 3, as the contract says."""
    loaders = unread_loaders(conn.info.encoding) if reading.unread else ()
    cursor = _tuple_cursor(conn, loaders)
    if holding(database, conn, sql) is None:
        return _PlainRows(cursor, sql, parameters, reading)
    name = _declare(database, conn, cursor, sql, parameters)
    rows = _RowsAhead if reading.alone else _DeclaredRows
    return rows(database, conn, cursor, name, reading)


def holding(database: Database, conn: Connection, sql: str) -> bool | None:
    """
    Tell how to declare a cursor for *sql*: to survive a commit, or not; None: not at all.

    A held cursor lets users commit while they iterate, and costs nothing until they do. One that
    locks rows cannot be held, and on an autocommit connection only held ones live.
    """
    if not sql_text.can_declare(sql):
        return None
    if not sql_text.locks_rows(sql):
        return True
    return False if database.in_transaction(conn) or not database.is_autocommit(conn) else None


def close_declared(database: Database, conn: Connection, name: str) -> None:
    """Close a cursor that may be gone: a CLOSE of none would fail the user's transaction."""
    if conn.closed or conn.info.transaction_status not in {0, IN_TRANSACTION}:
        return
    with conn.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_catalog.pg_cursors WHERE name = %s", (name,))
        known = cursor.fetchone()
    if known:
        database.execute(conn, f'CLOSE "{name}"', ())


def _declare(
    database: Database, conn: Connection, cursor: Any, sql: str, parameters: Parameters
) -> str:
    """
    Declare a cursor on the server, in so many words rather than by psycopg's class; give its name.

    That class settles text or binary before the types of the columns are known, and does not tell
    a cursor that is gone from one to close.
    """
    name = f"rowferry_{next(cursor_numbers)}"
    hold = "WITH HOLD " if holding(database, conn, sql) else ""
    declare = f'DECLARE "{name}" NO SCROLL CURSOR {hold}FOR {sql}'
    cursor.execute(declare, parameters or None, prepare=False)
    cursor.execute(f'FETCH 0 FROM "{name}"', prepare=False)  # tells the columns
    return name


class _DeclaredRows:
    """Rows of a cursor that was declared, a FETCH for each chunk."""

    writes = False

    def __init__(
        self, database: Database, conn: Connection, cursor: Any, name: str, reading: Reading
    ) -> None:
        self._database = database
        self._conn = conn
        self._tolerant = reading.tolerant or reading.unread
        self._name = name
        self._exhausted = False
        self.cursor = cursor
        as_text = wanted_as_text() if reading.unread else frozenset()
        self._binary = best_in_binary(conn, cursor, as_text)
        self.kinds: Mapping[str, type] | None = kinds_of(conn, cursor)

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        if self._exhausted:
            return []
        query = f'FETCH {count} FROM "{self._name}"'
        self.cursor.execute(query, prepare=False, binary=self._binary)
        if self.cursor.rowcount < count:
            self._close_on_server()
        if not self._tolerant:
            rows: list[tuple[Any, ...]] = self.cursor.fetchall()
            return rows
        return fetchall_tolerant(self.cursor)

    def close(self) -> None:
        self.cursor.close()
        if not self._exhausted:
            self._exhausted = True
            close_declared(self._database, self._conn, self._name)

    def _close_on_server(self) -> None:
        self._exhausted = True  # it is there still, as it has just answered
        self._database.execute(self._conn, f'CLOSE "{self._name}"', ())


class _RowsAhead(_DeclaredRows):
    """
    The same where nobody else uses the connection: the next FETCH is under way meanwhile.

    While Python makes rows the server works: 0.8 us a row of six columns, where taking turns is
    1.25. Should another thread use the connection all the same, it waits, as psycopg has it.
    """

    _asked = 0
    _rest: list[tuple[Any, ...]] = []  # noqa: RUF012 - replaced, never changed

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        rows = self._rest
        while len(rows) < count and not self._exhausted:
            rows = [*rows, *self._next(count)] if rows else self._next(count)
        self._rest = rows[count:]
        return rows[:count]

    def close(self) -> None:
        if self._asked and not self._conn.closed:
            self._answer()
        super().close()

    def _next(self, count: int) -> list[tuple[Any, ...]]:
        if not self._asked:
            self._ask(count)
        result, asked = self._answer()
        if result.ntuples == asked:
            self._ask(count)
        else:
            self._close_on_server()
        return load_tolerant(self.cursor, result, tolerant=self._tolerant)

    def _ask(self, count: int) -> None:
        query = f'FETCH {count} FROM "{self._name}"'.encode()
        self._conn.lock.acquire()
        try:
            self._conn.pgconn.send_query_params(query, None, result_format=int(self._binary))
            self._conn.pgconn.flush()
        except BaseException:
            self._conn.lock.release()
            raise
        self._asked = count

    def _answer(self) -> tuple[Any, int]:
        from psycopg import errors, generators, pq

        asked, self._asked = self._asked, 0
        try:
            (result,) = self._conn.wait(generators.execute(self._conn.pgconn))
        finally:
            self._conn.lock.release()
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise errors.error_from_result(result, encoding=self._conn.info.encoding)
        return result, asked


class _PlainRows:
    """Rows of a statement that no cursor can be declared for: all in memory at once."""

    def __init__(self, cursor: Any, sql: str, parameters: Parameters, reading: Reading) -> None:
        self.cursor = cursor
        self.writes = True
        self.kinds: Mapping[str, type] | None = None
        self.cursor.execute(sql, parameters or None)
        while self.cursor.nextset():
            pass  # of several statements the last one counts, as with psycopg2
        self._rest: list[tuple[Any, ...]] | None = None
        self._tolerant = reading.tolerant or reading.unread

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        if self.cursor.description is None:
            return []
        if not self._tolerant:
            rows: list[tuple[Any, ...]] = self.cursor.fetchmany(count)
            return rows
        if self._rest is None:
            self._rest = fetchall_tolerant(self.cursor)
        rows, self._rest = self._rest[:count], self._rest[count:]
        return rows

    def close(self) -> None:
        self.cursor.close()


def _tuple_cursor(conn: Connection, loaders: Sequence[tuple[str, type]]) -> Any:
    from psycopg.rows import tuple_row

    cursor = conn.cursor(row_factory=tuple_row)
    for kind, loader in (*unknown_loaders(), *loaders):
        cursor.adapters.register_loader(kind, loader)
    return cursor
