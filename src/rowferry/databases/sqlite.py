"""SQLite, by the standard library's sqlite3."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from operator import length_hint
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote
from uuid import UUID

from rowferry import sql as sql_text
from rowferry.databases.contract import ADDRESSES, Unreadable
from rowferry.databases.sqlite_types import column_type, declaration
from rowferry.databases.sqlite_words import RESERVED
from rowferry.json_text import json_text, raw_text
from rowferry.records import RawJSON

if TYPE_CHECKING:
    import sqlite3

    from rowferry.column_types import ColumnType
    from rowferry.databases.contract import OpenRows, Parameters, Reading, Stream, TableCopy, Writer

_ANY_BYTES = partial(str, encoding="utf-8", errors="surrogateescape")
"""Text with invalid UTF-8 becomes lone surrogates; by default it ends the whole query."""


class SQLite:
    """SQLite files, and databases in memory."""

    dbtype = "SQLITE"
    schemes = ("sqlite",)
    driver = "sqlite3"
    paramstyle = "qmark"
    required = ("filename",)
    savepoints = True
    session_locks = None

    def owns(self, conn: object) -> bool:
        module = sys.modules.get("sqlite3")
        return module is not None and isinstance(conn, module.Connection)

    def connect(
        self, params: Mapping[str, Any], password: str | None, options: Mapping[str, Any]
    ) -> sqlite3.Connection:
        import sqlite3

        del password  # there is none
        connection: sqlite3.Connection = sqlite3.connect(params["filename"], **options)
        return connection

    def params_of_url(self, url: SplitResult) -> dict[str, Any]:
        # sqlite:///file.db is relative, sqlite:////var/file.db is not, as SQLAlchemy has it.
        return {"filename": unquote(url.path.removeprefix("/")) or ":memory:"}

    def connection_string(self, params: Mapping[str, Any], password: str | None) -> str:
        del password
        return str(params["filename"])

    def sqlalchemy_url(self, params: Mapping[str, Any], password: str | None) -> str:
        del password
        path = quote(str(params["filename"]), safe="/:\\")
        return f"sqlite:///{path}"

    def is_reachable(self, params: Mapping[str, Any], timeout: float) -> bool:
        del timeout
        return params["filename"] == ":memory:" or Path(params["filename"]).exists()

    def is_closed(self, conn: sqlite3.Connection) -> bool:
        import sqlite3

        try:
            conn.in_transaction  # noqa: B018 - raises on a closed connection
        except sqlite3.ProgrammingError:
            return True
        return False

    def is_lost(self, conn: sqlite3.Connection, error: BaseException) -> bool:
        del conn, error
        return False  # there is no server that could be

    def is_autocommit(self, conn: sqlite3.Connection) -> bool:
        mode = getattr(conn, "autocommit", None)  # Python 3.12: True, False, or -1 for "as before"
        return mode is True or (mode is not False and conn.isolation_level is None)

    def in_transaction(self, conn: sqlite3.Connection) -> bool:
        return conn.in_transaction

    def in_users_transaction(self, conn: sqlite3.Connection) -> bool:
        return self.is_autocommit(conn) and conn.in_transaction

    def begin(self, conn: sqlite3.Connection) -> None:
        if not conn.in_transaction:
            conn.execute("BEGIN")

    def commit(self, conn: sqlite3.Connection) -> None:
        self._end(conn, "COMMIT")

    def rollback(self, conn: sqlite3.Connection) -> None:
        self._end(conn, "ROLLBACK")

    def _end(self, conn: sqlite3.Connection, how: str) -> None:
        if getattr(conn, "autocommit", None) is False:
            # Python's own methods open the next transaction, as this mode promises.
            getattr(conn, how.lower())()
        elif conn.in_transaction:
            conn.execute(how)

    def savepoint(self, conn: sqlite3.Connection) -> None:
        conn.execute("SAVEPOINT rowferry")

    def release(self, conn: sqlite3.Connection) -> None:
        conn.execute("RELEASE rowferry")

    def undo(self, conn: sqlite3.Connection) -> None:
        conn.execute("ROLLBACK TO rowferry")
        conn.execute("RELEASE rowferry")

    def has_written(self, conn: sqlite3.Connection) -> bool:
        return conn.in_transaction  # a SELECT opens no transaction here: somebody wrote

    def quote(self, name: str) -> str:
        return sql_text.double_quoted(name)

    def identifier(self, name: str) -> str:
        return self.quote(name) if name.lower() in RESERVED else name

    def named_placeholder(self, name: str) -> str:
        return f":{name}"

    def positional_placeholder(self, name: str) -> str:
        del name
        return "?"

    def open_rows(
        self, conn: sqlite3.Connection, sql: str, parameters: Parameters, reading: Reading
    ) -> OpenRows:
        return _Rows(conn, sql, parameters, tolerant=reading.tolerant)  # SQLite's JSON is text

    def interrupt(self, conn: sqlite3.Connection) -> None:
        conn.interrupt()

    def execute(self, conn: sqlite3.Connection, sql: str, parameters: Parameters) -> None:
        conn.execute(sql, parameters).close()

    def writer(self, conn: sqlite3.Connection, sql: str) -> Writer:
        return _Writer(conn, sql)

    def stream(self, conn: sqlite3.Connection, sql: str) -> Stream | None:
        del conn, sql
        return None

    def table_copy(
        self, source: sqlite3.Connection, table: str, dest: sqlite3.Connection, target: str
    ) -> TableCopy | None:
        del source, table, dest, target
        return None

    def upsert(
        self,
        table: str,
        columns: Sequence[str],
        placeholders: Sequence[str],
        key: Sequence[str],
        *,
        update: bool,
    ) -> str:
        insert = sql_text.insert(table, columns, placeholders, self.identifier)
        columns, key = list(map(self.identifier, columns)), list(map(self.identifier, key))
        return sql_text.on_conflict(insert, columns, key, update=update)

    def key_expressions(
        self, conn: sqlite3.Connection, types: Mapping[str, Any], key: Sequence[str]
    ) -> list[str]:
        del conn, types
        # Numbers have no collation, and an index under BINARY, the usual one, serves all the same.
        return [f"q.{self.quote(column)} COLLATE BINARY" for column in key]

    def key_value(self, expression: str, placeholder: str) -> str:
        del expression
        return placeholder

    def column_type(self, declared: str) -> ColumnType:
        return column_type(declared)

    def declaration(self, column_type: ColumnType, *, in_key: bool) -> str:
        del in_key
        return declaration(column_type)

    def create_table(self, table: str, lines: Sequence[str]) -> str:
        return sql_text.create_table_if_missing(table, lines)

    def columns_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        # Without a schema SQLite looks through them in its own order and takes the first table.
        query = (
            "SELECT coalesce(:schema, ''), name, type, \"notnull\", dflt_value IS NOT NULL "
            "FROM pragma_table_info(:table, :schema) ORDER BY cid"
        )
        return query, {"table": table, "schema": schema}

    def key_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        query = (
            "SELECT coalesce(:schema, ''), name FROM pragma_table_info(:table, :schema) "
            "WHERE pk > 0 ORDER BY pk"
        )
        return query, {"table": table, "schema": schema}

    def advice(self, error: BaseException) -> str:
        del error
        return ""

    def is_mistake(self, error: BaseException) -> bool:
        """Tell whether a statement is wrong: sqlite3 raises OperationalError for it."""
        wrong = getattr(error, "sqlite_errorname", "") == "SQLITE_ERROR"
        return wrong or type(error).__name__ == "ProgrammingError"


class _Rows:
    """The rows of a cursor of sqlite3, which reads ahead by one row only."""

    kinds: Mapping[str, type] | None = None  # a cell may be of any type, whatever its column's

    def __init__(
        self, conn: sqlite3.Connection, sql: str, parameters: Parameters, *, tolerant: bool
    ) -> None:
        self._conn = conn
        self._tolerant = tolerant
        self.cursor = conn.cursor()
        self.cursor.row_factory = None  # the connection's own would come on top of ours
        with self._reading():
            self.cursor.execute(sql, parameters)
        self.writes = conn.in_transaction

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        if self.cursor.description is None:
            return []
        with self._reading():
            return self.cursor.fetchmany(count)

    def close(self) -> None:
        self.cursor.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Set the connection's text factory, for our own fetches only: users read in between."""
        if not self._tolerant:
            yield
            return
        before = self._conn.text_factory
        self._conn.text_factory = _ANY_BYTES
        try:
            yield
        finally:
            self._conn.text_factory = before


_TYPE_REFUSED = ("is not supported", "adapter is deprecated")
"""
What sqlite3 says of a type that it does not write; the latter of dates since Python 3.12, where
warnings are errors.
"""


class _Writer:
    """
    executemany that helps itself when sqlite3 refuses a type.

    Values go as they are first, so that adapters of the user's come before ours. Once a value was
    refused, all rows of the run are converted.
    """

    def __init__(self, conn: sqlite3.Connection, sql: str) -> None:
        self._conn = conn
        self._sql = sql
        self._convert = False
        self._rows: list[Any] = []
        self._remaining: Iterator[Any] = iter(())

    def write(self, rows: list[Any]) -> None:
        if self._convert or not self._stored_as_they_are(rows):
            self._execute(rows, partial(map, _storable_row))

    def culprit(self, error: BaseException) -> int | None:
        del error
        # sqlite3 takes a row, binds and executes it: the one it took last is the one that failed.
        position = len(self._rows) - length_hint(self._remaining) - 1
        return position if position >= 0 else None

    def _execute(self, rows: list[Any], convert: Callable[[Any], Any] = iter) -> None:
        self._rows, self._remaining = rows, iter(rows)
        self._conn.executemany(self._sql, convert(self._remaining))

    def _stored_as_they_are(self, rows: list[Any]) -> bool:
        self._conn.execute("SAVEPOINT rowferry_types")
        try:
            self._execute(rows)
        except Exception as error:
            if not any(sign in str(error) for sign in _TYPE_REFUSED):
                raise  # whoever began the transaction rolls back, this savepoint with it
            self._conn.execute("ROLLBACK TO rowferry_types")
            self._convert = True
        self._conn.execute("RELEASE rowferry_types")
        return not self._convert


def _storable_row(row: Any) -> Any:
    if isinstance(row, Mapping):
        return {name: _storable(row[name]) for name in row}
    return [_storable(value) for value in row]


def _storable(value: Any) -> Any:
    """Give *value* as SQLite can keep it: what has no type of its own there becomes text."""
    text = _AS_TEXT.get(type(value))
    if text is not None:
        return text(value)
    if isinstance(value, (dict, list, tuple)):
        return json_text(value)
    return value


_AS_TEXT: dict[type, Callable[[Any], str]] = {
    RawJSON: raw_text,
    datetime: partial(datetime.isoformat, sep=" "),
    date: date.isoformat,
    time: time.isoformat,
    Decimal: str,
    UUID: str,
    timedelta: str,
    **dict.fromkeys(ADDRESSES, str),
    Unreadable: lambda value: value.text_for("SQLITE"),
}
