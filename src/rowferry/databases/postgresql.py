"""PostgreSQL, by psycopg 3."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote

from rowferry import sql as sql_text
from rowferry.databases.postgresql_copy import CopyStream
from rowferry.databases.postgresql_rows import IN_TRANSACTION, open_rows
from rowferry.databases.postgresql_table import table_to_table
from rowferry.databases.postgresql_types import column_type, declaration
from rowferry.databases.postgresql_words import RESERVED
from rowferry.databases.postgresql_writer import PsycopgWriter
from rowferry.exceptions import BadIdentifierError, DriverError

if TYPE_CHECKING:
    from rowferry.column_types import ColumnType
    from rowferry.databases.contract import (
        Connection,
        OpenRows,
        Parameters,
        Reading,
        Stream,
        TableCopy,
        Writer,
    )

_DEFAULT_PORT = 5432
_CANCEL_TIMEOUT = 5.0  # seconds
_CANCEL_AGAIN = (0.05, 0.25, 0.0)  # seconds to wait for an answer, each time
_FLOAT4 = 700  # its oid
_ACTIVE = 1  # libpq's PQTRANS_ACTIVE

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

_KEY = """
SELECT n.nspname, a.attname
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place)
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
WHERE i.indisprimary AND c.relname = %(table)s
  AND CASE WHEN %(schema)s::text IS NULL THEN n.nspname !~ '^pg_(toast|temp)'
           ELSE n.nspname = %(schema)s::text END
ORDER BY n.nspname, k.place
"""

_LOOSELY_COMPARED = """
SELECT t.oid, t.typname = 'citext' FROM pg_catalog.pg_type t
WHERE t.typname = 'citext' OR t.typcollation <> 0 AND EXISTS (
    SELECT FROM pg_catalog.pg_collation WHERE NOT collisdeterministic)
"""
"""citext; and every text where there is a collation that holds different texts equal."""

_UTC = {"Etc/UTC", "Etc/UCT", "Etc/Zulu", "Etc/Universal", "UCT", "Zulu", "Universal"}
"""
Other names of UTC, as many servers have it. By its plain name psycopg makes a timestamptz in 0.2 us
where by any other it asks a table of zones, for 0.45.
"""

_LOST = {
    "40001",  # a standby cancels what is in the way of its recovery
    "57014",  # statement_timeout
    "57P01",  # the server shuts down
    "57P02",
    "57P03",
    "57P05",  # idle_session_timeout
    "25P03",  # idle_in_transaction_session_timeout
    "34000",  # the cursor is gone
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
    "could not determine data type of parameter $": (
        "psycopg 3 binds parameters on the server, and nothing tells it the type of this one: "
        "write %s::text, or whatever type it is"
    ),
    "there is no parameter $": (
        "psycopg 3 binds parameters on the server, which has them in SELECT, INSERT, UPDATE, "
        "DELETE and VALUES only: write the value into any other statement, with psycopg.sql"
    ),
}
"""What psycopg2 took and psycopg 3 does not: the server's words and the way to write it."""


class PostgreSQL:
    """What both drivers share: parameters, transactions in SQL, the catalogue."""

    driver: str
    dbtype = "PG"
    schemes = ("postgresql", "postgres")
    paramstyle = "pyformat"
    required = ("host", "port", "dbname", "user")
    savepoints = True
    session_locks = ("SELECT pg_try_advisory_lock(%s)", "SELECT pg_advisory_unlock(%s)")

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
        if state is None and isinstance(error, sys.modules[self.driver].OperationalError):
            return True  # the driver's own words, of a socket that it may not call closed yet
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
        if conn.info.transaction_status != IN_TRANSACTION:
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

    def identifier(self, name: str) -> str:
        return self.quote(name.lower()) if name.lower() in RESERVED else name

    def named_placeholder(self, name: str) -> str:
        return f"%({name})s"

    def positional_placeholder(self, name: str) -> str:
        del name
        return "%s"

    def execute(self, conn: Connection, sql: str, parameters: Parameters) -> None:
        with conn.cursor() as cursor:
            cursor.execute(sql, parameters or None)

    def stream(self, conn: Connection, sql: str) -> Stream | None:
        del conn, sql
        return None

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
        insert = sql_text.insert(table, columns, placeholders, self.identifier)
        columns, key = list(map(self.identifier, columns)), list(map(self.identifier, key))
        return sql_text.on_conflict(insert, columns, key, update=update)

    def key_expressions(
        self, conn: Connection, types: Mapping[str, Any], key: Sequence[str]
    ) -> list[str]:
        loose = self._loosely_compared_types(conn)
        return [_comparable(f"q.{self.quote(name)}", types[name], loose) for name in key]

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
        return _COLUMNS, {"table": table, "schema": schema}

    def key_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        return _KEY, {"table": table, "schema": schema}

    def _loosely_compared_types(self, conn: Connection) -> dict[int, bool]:
        """
        Give the types under which texts that differ may be equal in this database.

        With each of them, whether it has operators of its own for that.
        """
        with conn.cursor() as cursor:
            cursor.execute(_LOOSELY_COMPARED)
            rows = [tuple(row.values()) if isinstance(row, Mapping) else row for row in cursor]
        return dict(rows)


def _comparable(column: str, oid: int, loose: Mapping[int, bool]) -> str:
    """Give what to order and compare *column* by, so that what differs in Python differs there."""
    if oid == _FLOAT4:
        return f"{column}::text::float8"  # as it is read; 0.1::float4 = 0.1::float8 is false
    if oid not in loose:
        return column
    return f'{column}::text COLLATE "C"' if loose[oid] else f'{column} COLLATE "C"'


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
            import psycopg
        except ImportError as error:
            raise DriverError(
                "PostgreSQL needs psycopg: pip install 'rowferry[postgresql]'"
            ) from error
        login = {name: params[name] for name in self.required}
        conn = psycopg.connect(**{**login, "password": password, **options})
        if conn.info.parameter_status("TimeZone") in _UTC:
            conn.pgconn.exec_(b"SET TimeZone TO 'UTC'")
        return conn

    def in_users_transaction(self, conn: Connection) -> bool:
        # Within `with conn.transaction():` psycopg refuses commit() and rollback().
        return conn._num_transactions > 0 or super().in_users_transaction(conn)  # noqa: SLF001

    def commit(self, conn: Connection) -> None:
        conn.commit()

    def rollback(self, conn: Connection) -> None:
        conn.rollback()

    def open_rows(
        self, conn: Connection, sql: str, parameters: Parameters, reading: Reading
    ) -> OpenRows:
        return open_rows(self, conn, sql, parameters, reading)

    def interrupt(self, conn: Connection) -> None:
        # A server that has not begun yet ignores it, and then works for nobody: asked once more
        # unless it answers.
        for patience in _CANCEL_AGAIN:
            if conn.info.transaction_status != _ACTIVE:
                return
            if hasattr(conn, "cancel_safe"):
                conn.cancel_safe(timeout=_CANCEL_TIMEOUT)
            else:
                conn.cancel()
            if _is_readable(conn.fileno(), patience):
                return

    def stream(self, conn: Connection, sql: str) -> Stream | None:
        insert = sql_text.plain_insert(sql, self.paramstyle)
        return CopyStream(conn, insert) if insert else None

    def table_copy(
        self, source: Connection, table: str, dest: Connection, target: str
    ) -> TableCopy | None:
        return table_to_table(source, table, dest, target)

    def writer(self, conn: Connection, sql: str) -> Writer:
        return PsycopgWriter(conn, sql)

    def advice(self, error: BaseException) -> str:
        words = str(error)
        return next((advice for sign, advice in _ADVICE.items() if sign in words), "")


def _conninfo_value(value: str) -> str:
    """Quote *value* for libpq: everything but plain words, with backslashes."""
    if value and not any(char in "'\\" or char.isspace() for char in value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _is_readable(descriptor: int, seconds: float) -> bool:
    """Wait until something can be read."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
