"""Rows of a statement of DuckDB: streamed, and never those of another statement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry import sql as sql_text
from rowferry.databases.duckdb_state import Stream, look, streams
from rowferry.databases.duckdb_values import Column, converted, converters, kinds_of, readable
from rowferry.exceptions import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowferry.databases.contract import Connection, Parameters, Reading

_FROM_FIRST = re.compile(r"\s*FROM\b", re.IGNORECASE)
_COUNTS = re.compile(r"\bnextval\b", re.IGNORECASE)


class Cursor(NamedTuple):
    """What row factories ask: DB-API's description of the columns."""

    description: list[tuple[Any, ...]] | None


class Rows:
    """
    Rows that DuckDB computes as they are fetched.

    It keeps them on the connection, where the next statement's rows take their place: each fetch
    makes sure first that the number of the open query is still the same. What is no query runs to
    its end and keeps its rows in memory.
    """

    writes = True

    def __init__(
        self, conn: Connection, sql: str, parameters: Parameters, reading: Reading
    ) -> None:
        self._conn = conn
        self._rest: list[tuple[Any, ...]] | None = None
        columns = _columns_of_query(conn, sql, parameters)
        self._reads = columns is not None
        before = look(conn)
        conn.execute(sql if columns is None else readable(_bare(sql), columns), parameters or None)
        state = look(conn)
        self._query = state.query
        if columns is None:
            columns = [Column(*column[:2]) for column in conn.description or ()]
        self._convert = converters(columns, tolerant=reading.tolerant, unread=reading.unread)
        self.kinds: Mapping[str, type] | None = kinds_of(columns) if reading.tolerant else None
        self.cursor = Cursor([(*column, None, None, None, None, None) for column in columns])
        if self._query is not None:
            same = state.transaction == before.transaction
            streams[conn] = Stream(self._query, in_transaction=same)
        else:
            self._fetch_result()

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        if self._rest is not None:
            rows, self._rest = self._rest[:count], self._rest[count:]
            return rows
        if not self._is_open():
            raise SourceError(
                "another statement was executed on the connection before all rows were read; "
                "DuckDB keeps one result a connection: execute it on conn.cursor(), "
                "or read all rows before"
            )
        rows = self._conn.fetchmany(count)
        if len(rows) < count:
            self._conn.complete()
            self._rest = []
        return converted(rows, self._convert)

    def close(self) -> None:
        if self._rest is None and self._is_open():
            # Cancelling what writes, or counts a sequence up, would fail a transaction around it.
            (self._conn.abort if self._reads else self._conn.complete)()
        self._rest = []

    def _is_open(self) -> bool:
        return look(self._conn).query == self._query

    def _fetch_result(self) -> None:
        """Take what a statement that ran to its end gave: rows, or how many it changed."""
        counts = self._conn.rowcount >= 0
        rows = [] if counts else self._conn.fetchall()
        if not rows and not self._reads:
            self.cursor = Cursor(None)
        self._rest = converted(rows, self._convert)


def _columns_of_query(conn: Connection, sql: str, parameters: Parameters) -> list[Column] | None:
    """Give the columns of *sql*; None where it may do more than read, or is an error."""
    import duckdb

    query = f"SELECT {sql}" if _FROM_FIRST.match(sql) else sql
    if not sql_text.can_declare(query) or _COUNTS.search(sql):
        return None
    try:
        relation = conn.sql(_bare(sql), params=parameters or None)
    except (duckdb.Error, RuntimeError, TypeError):
        return None  # executed as it is, it fails with words about itself
    return list(map(Column, relation.columns, relation.types))


def _bare(sql: str) -> str:
    """Give *sql* without the semicolon at its end."""
    return sql.rstrip().removesuffix(";")
