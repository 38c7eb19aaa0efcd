"""Oracle, by python-oracledb."""

from __future__ import annotations

import socket
import sys
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote

from rowferry import sql as sql_text
from rowferry.databases import oracle_binds, oracle_sql
from rowferry.databases.oracle_rows import Rows
from rowferry.databases.oracle_types import column_type, declaration
from rowferry.databases.oracle_values import is_text
from rowferry.databases.oracle_words import RESERVED
from rowferry.databases.oracle_writer import Writer
from rowferry.exceptions import BadIdentifierError, DriverError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowferry.column_types import ColumnType
    from rowferry.databases import contract
    from rowferry.databases.contract import Connection, OpenRows, Parameters, Reading, TableCopy

_DEFAULT_PORT = 1521
_LONGEST_NAME = 128  # bytes, since Oracle Database 12.2

_CANCELLED = "ORA-01013"

_LOST = {
    *("DPY-1001", "DPY-4011", "DPY-4024"),  # not connected; closed; call_timeout
    "ORA-00028",  # the session was killed
    "ORA-00040",  # a limit of the resource manager
    "ORA-01089",  # the server shuts down
    "ORA-01555",  # snapshot too old: the rows of the query's time are gone
    "ORA-02396",  # IDLE_TIME of the profile
    "ORA-02399",  # CONNECT_TIME of the profile
    "ORA-12805",  # a parallel query server died
    "ORA-22924",  # snapshot too old, of a LOB
    "ORA-25408",  # a failover in the middle of a call
}
"""Besides what the driver calls recoverable, which leaves out most of these."""

_ADVICE = {
    "DPY-3022": (
        "python-oracledb in thin mode reads no time zone that has a name: select the column as "
        "SYS_EXTRACT_UTC(column), or as text with its zone, by TO_CHAR(column, …)"
    ),
    "is out of range": (
        "Python has no dates before the year 1: select the column by TO_CHAR(column, 'SYYYY-MM-DD')"
    ),
    **dict.fromkeys(
        ("ORA-00911", "ORA-00933", "ORA-03048"),
        "Oracle takes one statement at a time, without a semicolon at its end",
    ),
    "ORA-01461": (
        "a text or binary of more than 32,767 bytes can go into a CLOB or BLOB by a plain INSERT, "
        "but not by on_conflict"
    ),
}
"""By what is in the driver's words."""

_paused: weakref.WeakSet[Any] = weakref.WeakSet()
"""Connections whose autocommit is off until our transaction ends."""


class Oracle:
    """Oracle Database, by python-oracledb in its thin mode, which needs no Oracle software."""

    dbtype = "ORACLE"
    schemes = ("oracle",)
    driver = "oracledb"
    paramstyle = "named"
    required = ("host", "port", "dbname", "user")
    savepoints = True
    session_locks = None

    def __init__(self) -> None:
        self._cancelled: weakref.WeakSet[Any] = weakref.WeakSet()

    def owns(self, conn: object) -> bool:
        module = sys.modules.get("oracledb")
        return module is not None and isinstance(conn, module.Connection)

    def connect(
        self, params: Mapping[str, Any], password: str | None, options: Mapping[str, Any]
    ) -> Connection:
        try:
            import oracledb
        except ImportError as error:
            raise DriverError("Oracle needs oracledb: pip install 'rowferry[oracle]'") from error
        login = {
            "user": params["user"],
            "password": password,
            "host": params["host"],
            "port": int(params["port"]),
            "service_name": params["dbname"],
        }
        return oracledb.connect(**{**login, **options})

    def params_of_url(self, url: SplitResult) -> dict[str, Any]:
        return {
            "host": unquote(url.hostname or "localhost"),
            "port": url.port or _DEFAULT_PORT,
            "dbname": unquote(url.path.removeprefix("/")),
            "user": unquote(url.username or ""),
        }

    def connection_string(self, params: Mapping[str, Any], password: str | None) -> str:
        login = str(params["user"]) if password is None else f"{params['user']}/{password}"
        return f"{login}@{_host(params)}:{params['port']}/{params['dbname']}"

    def sqlalchemy_url(self, params: Mapping[str, Any], password: str | None) -> str:
        in_url = partial(quote, safe="")
        login = in_url(str(params["user"]))
        if password is not None:
            login += f":{in_url(password)}"
        service = in_url(str(params["dbname"]))
        return f"oracle+oracledb://{login}@{_host(params)}:{params['port']}/?service_name={service}"

    def is_reachable(self, params: Mapping[str, Any], timeout: float) -> bool:
        try:
            address = str(params["host"]), int(params["port"])
            socket.create_connection(address, timeout).close()
        except (OSError, ValueError):
            return False
        return True

    def is_closed(self, conn: Connection) -> bool:
        return not conn.is_healthy()

    def is_lost(self, conn: Connection, error: BaseException) -> bool:
        recoverable = getattr(_details(error), "isrecoverable", False)
        return recoverable or _code_of(error) in _LOST or self.is_closed(conn)

    def is_autocommit(self, conn: Connection) -> bool:
        return conn.autocommit or conn in _paused

    def in_transaction(self, conn: Connection) -> bool:
        return conn.is_healthy() and bool(conn.transaction_in_progress)

    def in_users_transaction(self, conn: Connection) -> bool:
        del conn
        return False  # Oracle has no BEGIN

    def begin(self, conn: Connection) -> None:
        if conn.autocommit:
            conn.autocommit = False
            _paused.add(conn)

    def commit(self, conn: Connection) -> None:
        if conn.transaction_in_progress:
            conn.commit()
        self._resume_autocommit(conn)

    def rollback(self, conn: Connection) -> None:
        if conn.transaction_in_progress:
            conn.rollback()
        self._resume_autocommit(conn)

    def _resume_autocommit(self, conn: Connection) -> None:
        if conn in _paused:
            _paused.discard(conn)
            conn.autocommit = True

    def savepoint(self, conn: Connection) -> None:
        self.execute(conn, "SAVEPOINT rowferry", ())

    def release(self, conn: Connection) -> None:
        pass  # Oracle knows no RELEASE: the next savepoint of this name takes its place

    def undo(self, conn: Connection) -> None:
        self.execute(conn, "ROLLBACK TO SAVEPOINT rowferry", ())

    def has_written(self, conn: Connection) -> bool:
        return self.in_transaction(conn)  # a SELECT opens no transaction here

    def quote(self, name: str) -> str:
        if '"' in name:
            raise BadIdentifierError(f"{name!r} is no name: Oracle has none with a double quote")
        if len(name.encode(errors="replace")) > _LONGEST_NAME:
            raise BadIdentifierError(
                f"{name!r} is too long: Oracle's names have {_LONGEST_NAME} bytes at most"
            )
        return sql_text.double_quoted(name)

    def identifier(self, name: str) -> str:
        return self.quote(name.upper()) if name.lower() in RESERVED else name

    def named_placeholder(self, name: str) -> str:
        return f":{name}"

    def positional_placeholder(self, name: str) -> str:
        return f":{name}"  # the driver goes by their order, whatever they are called

    def open_rows(
        self, conn: Connection, sql: str, parameters: Parameters, reading: Reading
    ) -> OpenRows:
        return Rows(conn, sql, parameters, reading, partial(self._absorb_cancel, conn))

    def interrupt(self, conn: Connection) -> None:
        self._cancelled.add(conn)
        conn.cancel()

    def _absorb_cancel(self, conn: Connection, error: BaseException | None) -> None:
        """Take a cancel that came too late for its statement: it would end the next one."""
        if conn not in self._cancelled:
            return
        self._cancelled.discard(conn)
        if error is None or _code_of(error) != _CANCELLED:
            with suppress(Exception):
                conn.ping()

    def execute(self, conn: Connection, sql: str, parameters: Parameters) -> None:
        with conn.cursor() as cursor:
            oracle_binds.execute(cursor, sql, parameters)

    def writer(self, conn: Connection, sql: str) -> contract.Writer:
        return Writer(conn, sql)

    def stream(self, conn: Connection, sql: str) -> contract.Stream | None:
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
        return oracle_sql.merge(
            table, columns, placeholders, key, update=update, identifier=self.identifier
        )

    def key_expressions(
        self, conn: Connection, types: Mapping[str, Any], key: Sequence[str]
    ) -> list[str]:
        del conn
        return [
            oracle_sql.binary(f"q.{self.quote(column)}", is_text=is_text(types[column]))
            for column in key
        ]

    def key_value(self, expression: str, placeholder: str) -> str:
        return oracle_sql.binary(placeholder, is_text=oracle_sql.is_binary(expression))

    def column_type(self, declared: str) -> ColumnType:
        return column_type(declared)

    def declaration(self, column_type: ColumnType, *, in_key: bool) -> str:
        return declaration(column_type, in_key=in_key)

    def create_table(self, table: str, lines: Sequence[str]) -> str:
        return oracle_sql.create_table(table, lines)

    def columns_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        return oracle_sql.COLUMNS, {"table_name": table, "schema_name": schema}

    def key_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        return oracle_sql.KEY, {"table_name": table, "schema_name": schema}

    def advice(self, error: BaseException) -> str:
        words = str(error)
        advice = [advice for sign, advice in _ADVICE.items() if sign in words][:1]
        if position := getattr(_details(error), "offset", 0):
            advice.insert(0, f"the error is at position {position} of the statement, from 0")
        return "\n".join(advice)

    def is_mistake(self, error: BaseException) -> bool:
        """Tell whether a statement is wrong (ORA-00900 to ORA-00999): that is a DatabaseError."""
        return (_code_of(error) or "").startswith("ORA-009")


def _host(params: Mapping[str, Any]) -> str:
    host = str(params["host"])
    return f"[{host}]" if ":" in host else host


def _details(error: BaseException) -> Any:
    """Give what the driver knows of an error: code, full_code, offset, isrecoverable."""
    return error.args[0] if error.args else None


def _code_of(error: BaseException) -> str | None:
    """Give the driver's code, such as ORA-00942 or DPY-4011."""
    return getattr(_details(error), "full_code", None)
