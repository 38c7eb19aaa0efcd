"""PostgreSQL, by psycopg 3."""

from __future__ import annotations

import itertools
import logging
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote

from rowferry import sql as sql_text
from rowferry.databases.postgresql_copy import CopyIn, table_to_table
from rowferry.databases.postgresql_types import column_type, declaration
from rowferry.databases.postgresql_values import (
    best_in_binary,
    fetchall_tolerant,
    json_dumpers,
    kinds_of,
    raw_json_loaders,
)
from rowferry.exceptions import BadIdentifierError, DriverError

if TYPE_CHECKING:
    from rowferry.column_types import ColumnType
    from rowferry.databases.contract import Connection, OpenRows, Parameters, TableCopy, Writer

_DEFAULT_PORT = 5432

cursor_numbers = itertools.count(1)

_COLUMNS = """
SELECT n.nspname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       a.atthasdef OR a.attidentity <> ''
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %(table)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND a.attnum > 0 AND NOT a.attisdropped
  AND CASE WHEN %(schema)s::text IS NULL THEN n.nspname !~ '^pg_(toast|temp)'
           ELSE n.nspname = %(schema)s::text END
ORDER BY n.nspname, a.attnum
"""

_LOOSELY_COMPARED = """
SELECT t.oid FROM pg_catalog.pg_type t
WHERE t.typname = 'citext' OR t.typcollation <> 0 AND EXISTS (
    SELECT FROM pg_catalog.pg_collation WHERE NOT collisdeterministic)
"""
"""citext; and every text where there is a collation that holds different texts equal."""

_LOST = {
    "40001",  # a standby cancels what is in the way of its recovery
    "57014",  # statement_timeout
    "57P01",  # the server shuts down
    "57P02",
    "57P03",
    "57P05",  # idle_session_timeout
    "25P03",  # idle_in_transaction_session_timeout
}

_LONGEST_NAME = 63  # bytes: NAMEDATALEN - 1 of a server that was built as usual

_ADVICE = {
    'syntax error at or near "$': (
        "psycopg 3 binds parameters on the server: write = ANY(%s) with a list for IN %s with a "
        "tuple, %s::interval for interval %s, SELECT set_config('x', %s, false) for SET x TO %s"
    ),
    "cannot insert multiple commands into a prepared statement": (
        "psycopg 3 takes one statement at a time where there are parameters: use one call for each"
    ),
}
"""What psycopg2 took and psycopg 3 does not: the server's words and the way to write it."""


class PostgreSQL:
    """What both drivers share: parameters, transactions in SQL, the catalogue."""

    dbtype = "PG"
    schemes = ("postgresql", "postgres")
    paramstyle = "pyformat"
    required = ("host", "port", "dbname", "user")
    savepoints = True

    def params_of_url(self, url: SplitResult) -> dict[str, Any]:
        return {
            "host": unquote(url.hostname or "localhost"),
            "port": url.port or _DEFAULT_PORT,
            "dbname": unquote(url.path.removeprefix("/")) or unquote(url.username or ""),
            "user": unquote(url.username or ""),
        }

    def connection_string(self, params: Mapping[str, Any], password: str | None) -> str:
        words = {name: params[name] for name in self.required}
        if password is not None:
            words["password"] = password
        return " ".join(f"{name}={_conninfo_value(str(value))}" for name, value in words.items())

    def sqlalchemy_url(self, params: Mapping[str, Any], password: str | None) -> str:
        in_url = partial(quote, safe="")
        login = in_url(str(params["user"]))
        if password is not None:
            login += f":{in_url(password)}"
        host, dbname = str(params["host"]), in_url(str(params["dbname"]))
        if host.startswith("/"):  # the directory of a Unix socket
            return f"postgresql://{login}@/{dbname}?host={in_url(host)}&port={params['port']}"
        host = f"[{host}]" if ":" in host else in_url(host)
        return f"postgresql://{login}@{host}:{params['port']}/{dbname}"

    def is_reachable(self, params: Mapping[str, Any], timeout: float) -> bool:
        host = str(params["host"])
        try:
            port = int(params["port"])
            if host.startswith("/"):
                with socket.socket(socket.AF_UNIX) as local:
                    local.settimeout(timeout)
                    local.connect(f"{host}/.s.PGSQL.{port}")
            else:
                socket.create_connection((host, port), timeout).close()
        except (OSError, ValueError):
            return False
        return True

    def is_closed(self, conn: Connection) -> bool:
        return bool(conn.closed)

    def is_lost(self, conn: Connection, error: BaseException) -> bool:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        return self.is_closed(conn) or state in _LOST

    def is_autocommit(self, conn: Connection) -> bool:
        return bool(conn.autocommit)

    def in_transaction(self, conn: Connection) -> bool:
        return bool(conn.info.transaction_status != 0)  # libpq's PQTRANS_IDLE

    def in_users_transaction(self, conn: Connection) -> bool:
        return self.is_autocommit(conn) and self.in_transaction(conn)

    def begin(self, conn: Connection) -> None:
        if self.is_autocommit(conn) and not self.in_transaction(conn):
            self.execute(conn, "BEGIN", ())  # else the driver does it before the first statement

    def savepoint(self, conn: Connection) -> None:
        self.execute(conn, "SAVEPOINT rowferry", ())

    def release(self, conn: Connection) -> None:
        self.execute(conn, "RELEASE SAVEPOINT rowferry", ())

    def undo(self, conn: Connection) -> None:
        self.execute(conn, "ROLLBACK TO SAVEPOINT rowferry", ())
        self.release(conn)

    def has_written(self, conn: Connection) -> bool:
        if conn.info.transaction_status != _IN_TRANSACTION:
            return False  # a failed transaction has nothing to keep
        query = "SELECT txid_current_if_assigned() IS NOT NULL"
        with conn.cursor() as cursor:
            cursor.execute(query)
            (row,) = cursor.fetchall()
        return bool(next(iter(row.values())) if isinstance(row, Mapping) else row[0])

    def quote(self, name: str) -> str:
        if len(name.encode(errors="replace")) > _LONGEST_NAME:
            raise BadIdentifierError(
                f"{name!r} is too long: PostgreSQL cuts names after {_LONGEST_NAME} bytes"
            )
        return sql_text.double_quoted(name)

    def named_placeholder(self, name: str) -> str:
        return f"%({name})s"

    def positional_placeholder(self, name: str) -> str:
        del name
        return "%s"

    def execute(self, conn: Connection, sql: str, parameters: Parameters) -> None:
        with conn.cursor() as cursor:
            cursor.execute(sql, parameters or None)

    def table_copy(
        self, source: Connection, table: str, dest: Connection, target: str
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
        insert = sql_text.insert(table, columns, placeholders)
        return sql_text.on_conflict(insert, columns, key, update=update)

    def key_expressions(
        self, conn: Connection, types: Mapping[str, Any], key: Sequence[str]
    ) -> list[str]:
        loose = self._loosely_compared_types(conn)
        return [
            f'q.{self.quote(column)}::text COLLATE "C"'
            if types[column] in loose
            else f"q.{self.quote(column)}"
            for column in key
        ]

    def column_type(self, declared: str) -> ColumnType:
        return column_type(declared)

    def declaration(self, column_type: ColumnType, *, in_key: bool) -> str:
        del in_key
        return declaration(column_type)

    def columns_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        return _COLUMNS, {"table": table, "schema": schema}

    def _loosely_compared_types(self, conn: Connection) -> set[int]:
        """Give the types under which texts that differ may be equal in this database."""
        with conn.cursor() as cursor:
            cursor.execute(_LOOSELY_COMPARED)
            rows = [tuple(row.values()) if isinstance(row, Mapping) else row for row in cursor]
        return {oid for (oid,) in rows}


class Psycopg(PostgreSQL):
    """PostgreSQL by psycopg 3: server-side cursors, binary where every type allows it."""

    driver = "psycopg"

    def owns(self, conn: object) -> bool:
        module = sys.modules.get("psycopg")
        return module is not None and isinstance(conn, module.Connection)

    def connect(
        self, params: Mapping[str, Any], password: str | None, options: Mapping[str, Any]
    ) -> Connection:
        try:
            import psycopg  # noqa: PLC0415 - imported where used
        except ImportError as error:
            raise DriverError(
                "PostgreSQL needs psycopg: pip install 'rowferry[postgresql]'"
            ) from error
        login = {name: params[name] for name in self.required}
        return psycopg.connect(**{**login, "password": password, **options})

    def in_users_transaction(self, conn: Connection) -> bool:
        # Within `with conn.transaction():` psycopg refuses commit() and rollback().
        return conn._num_transactions > 0 or super().in_users_transaction(conn)  # noqa: SLF001

    def commit(self, conn: Connection) -> None:
        conn.commit()

    def rollback(self, conn: Connection) -> None:
        conn.rollback()

    def open_rows(
        self,
        conn: Connection,
        sql: str,
        parameters: Parameters,
        *,
        tolerant: bool,
        raw_json: bool,
    ) -> OpenRows:
        raw = raw_json_loaders(conn.info.encoding) if raw_json else ()
        if holding(self, conn, sql) is None:
            return _PlainRows(conn, sql, parameters, raw, tolerant=tolerant)
        return _DeclaredRows(self, conn, sql, parameters, raw, tolerant=tolerant)

    def interrupt(self, conn: Connection) -> None:
        getattr(conn, "cancel_safe", conn.cancel)()

    def table_copy(
        self, source: Connection, table: str, dest: Connection, target: str
    ) -> TableCopy | None:
        return table_to_table(source, table, dest, target)

    def writer(self, conn: Connection, sql: str) -> Writer:
        return _Writer(conn, sql)

    def advice(self, error: BaseException) -> str:
        words = str(error)
        return next((advice for sign, advice in _ADVICE.items() if sign in words), "")


_IN_TRANSACTION = 2  # libpq's PQTRANS_INTRANS
_BINARY = True


def holding(database: PostgreSQL, conn: Connection, sql: str) -> bool | None:
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


def close_declared(database: PostgreSQL, conn: Connection, name: str) -> None:
    """Close a cursor that may be gone: a CLOSE of none would fail the user's transaction."""
    if conn.closed or conn.info.transaction_status not in {0, _IN_TRANSACTION}:
        return
    with conn.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_catalog.pg_cursors WHERE name = %s", (name,))
        known = cursor.fetchone()
    if known:
        database.execute(conn, f'CLOSE "{name}"', ())


class _DeclaredRows:
    """
    Rows of a cursor on the server, declared in so many words rather than by psycopg's class.

    That class settles text or binary before the types of the columns are known, and does not tell
    a cursor that is gone from one to close.
    """

    writes = False

    def __init__(
        self,
        database: Psycopg,
        conn: Connection,
        sql: str,
        parameters: Parameters,
        raw: Sequence[tuple[str, type]],
        *,
        tolerant: bool,
    ) -> None:
        self._database = database
        self._conn = conn
        self._tolerant = tolerant
        self._name = f"rowferry_{next(cursor_numbers)}"
        self._exhausted = False
        self.cursor = _tuple_cursor(conn, raw)
        hold = "WITH HOLD " if holding(database, conn, sql) else ""
        declare = f'DECLARE "{self._name}" NO SCROLL CURSOR {hold}FOR {sql}'
        self.cursor.execute(declare, parameters or None, prepare=False)
        self.cursor.execute(f'FETCH 0 FROM "{self._name}"', prepare=False)  # tells the columns
        self._binary = best_in_binary(conn, self.cursor)
        self.kinds: Mapping[str, type] | None = kinds_of(conn, self.cursor)

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        if self._exhausted:
            return []
        query = f'FETCH {count} FROM "{self._name}"'
        self.cursor.execute(query, prepare=False, binary=self._binary)
        if self.cursor.rowcount < count:
            self._exhausted = True  # it is there still, as it has just answered
            self._database.execute(self._conn, f'CLOSE "{self._name}"', ())
        if not self._tolerant:
            rows: list[tuple[Any, ...]] = self.cursor.fetchall()
            return rows
        return fetchall_tolerant(self.cursor)

    def close(self) -> None:
        self.cursor.close()
        if not self._exhausted:
            self._exhausted = True
            close_declared(self._database, self._conn, self._name)


class _PlainRows:
    """Rows of a statement that no cursor can be declared for: all in memory at once."""

    def __init__(
        self,
        conn: Connection,
        sql: str,
        parameters: Parameters,
        raw: Sequence[tuple[str, type]],
        *,
        tolerant: bool,
    ) -> None:
        self.cursor = _tuple_cursor(conn, raw)
        self.writes = True
        self.kinds: Mapping[str, type] | None = None
        self.cursor.execute(sql, parameters or None)
        while self.cursor.nextset():
            pass  # of several statements the last one counts, as with psycopg2
        self._rest: list[tuple[Any, ...]] | None = None
        self._tolerant = tolerant

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


def _tuple_cursor(conn: Connection, raw: Sequence[tuple[str, type]]) -> Any:
    from psycopg.rows import tuple_row  # noqa: PLC0415 - imported where used

    cursor = conn.cursor(row_factory=tuple_row)
    for kind, loader in raw:
        cursor.adapters.register_loader(kind, loader)
    return cursor


class _Writer:
    """COPY where that stores the same, else executemany in libpq's pipeline mode."""

    def __init__(self, conn: Connection, sql: str) -> None:
        self._conn = conn
        self._sql = sql
        insert = sql_text.plain_insert(sql, "pyformat")
        self._copy_in = CopyIn(conn, insert) if insert else None
        self._copied = False

    def write(self, rows: list[Any]) -> None:
        self._copied = True
        if self._copy_in is None or not self._copy_in.write(rows):
            self._copied = False
            self._insert(rows)

    def culprit(self, error: BaseException) -> int | None:
        return self._copy_in.culprit(error) if self._copied and self._copy_in else None

    def _insert(self, rows: list[Any]) -> None:
        with self._conn.cursor() as cursor:
            for kind, dumper in json_dumpers(self._conn):
                cursor.adapters.register_dumper(kind, dumper)
            with _without_pipeline_warnings():
                cursor.executemany(self._sql, rows)


@contextmanager
def _without_pipeline_warnings() -> Iterator[None]:
    """Keep psycopg from logging, at each failed chunk, that the rest of it was not executed."""
    log, thread = logging.getLogger("psycopg"), threading.get_ident()

    def is_news(record: logging.LogRecord) -> bool:
        return record.thread != thread or not record.msg.startswith("error ignored terminating")

    log.addFilter(is_news)
    try:
        yield
    finally:
        log.removeFilter(is_news)


def _conninfo_value(value: str) -> str:
    """Quote *value* for libpq: everything but plain words, with backslashes."""
    if value and not any(char in "'\\" or char.isspace() for char in value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
