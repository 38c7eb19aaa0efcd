"""MySQL and MariaDB: what both drivers share, and PyMySQL."""

from __future__ import annotations

import contextlib
import socket
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote

from rowferry import sql as sql_text
from rowferry.databases.mysql_insert import EachRow, ManyRows, template
from rowferry.databases.mysql_literals import Literals, fixed_zone
from rowferry.databases.mysql_rows import Rows
from rowferry.databases.mysql_types import column_type, declaration
from rowferry.databases.mysql_values import TEXTS
from rowferry.databases.mysql_words import RESERVED
from rowferry.exceptions import BadIdentifierError
from rowferry.json_text import json_text

if TYPE_CHECKING:
    import datetime as dt

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
    from rowferry.databases.mysql_driver import Driver
    from rowferry.databases.mysql_literals import Writer as Literal

_DEFAULT_PORT = 3306

_COLUMNS = """
SELECT table_schema, column_name, column_type, is_nullable = 'NO',
       coalesce(column_default, 'NULL') <> 'NULL' OR extra LIKE '%%auto_increment%%'
       OR extra LIKE '%%GENERATED%%'
FROM information_schema.columns
WHERE table_name = %(table)s AND table_schema = coalesce(%(schema)s, database())
  AND (@@lower_case_table_names > 0 OR BINARY table_name = %(table)s)
ORDER BY ordinal_position
"""

_KEY = """
SELECT table_schema, column_name
FROM information_schema.statistics
WHERE index_name = 'PRIMARY' AND table_name = %(table)s
  AND table_schema = coalesce(%(schema)s, database())
  AND (@@lower_case_table_names > 0 OR BINARY table_name = %(table)s)
ORDER BY seq_in_index
"""

_FLOAT = 4
"""FIELD_TYPE.FLOAT of both drivers, in a cursor's description."""

_LOST = {
    1053,  # the server shuts down
    1317,  # the query was interrupted
    1927,  # the connection was killed
    1969,  # max_statement_time
    2006,
    2013,
    2055,
    3024,  # max_execution_time
    4031,  # wait_timeout
}
"""Errors after which the same query may be read on over another connection."""

_LONGEST_NAME = 64  # characters
_LAST_OF_NAMES = "\uffff"  # identifiers are kept in three bytes a character

_NOTHING_SINCE = 0

_SPACES = tuple(" \t\n\v\f\r")

_ADVICE = {
    1153: "a row is larger than max_allowed_packet: SET GLOBAL max_allowed_packet to more",
    1366: "the column holds no such text: utf8mb4 holds all, or the value is no number",
}

_PATIENCE = "SET SESSION net_write_timeout = 3600"
"""Seconds that the server waits for us to read on, by default 60: an API may be slow for longer."""

_NUMBERS = {"connect_timeout", "read_timeout", "write_timeout", "local_infile", "client_flag"}
"""Options of connections that are numbers, though they come as text from a URL."""


class MySQL:
    """
    What both drivers share.

    A table whose engine has no transactions (MyISAM) keeps what was written before an error. DDL
    commits what is open, and ends the savepoints.
    """

    dbtype = "MYSQL"
    schemes = ("mysql", "mariadb")
    paramstyle = "pyformat"
    required = ("host", "port", "dbname", "user")
    savepoints = True
    session_locks = (
        "SELECT GET_LOCK(CONCAT('rowferry ', %s), 0)",
        "SELECT RELEASE_LOCK(CONCAT('rowferry ', %s))",
    )

    def __init__(self, driver: Driver) -> None:
        self.driver = driver.name
        self.owns = driver.owns
        self._driver = driver
        self._counted: weakref.WeakKeyDictionary[Connection, int] = weakref.WeakKeyDictionary()

    def connect(
        self, params: Mapping[str, Any], password: str | None, options: Mapping[str, Any]
    ) -> Connection:
        login = {
            "user": params["user"],
            "database": params["dbname"],
            "charset": "utf8mb4",
            "init_command": _PATIENCE,
        }
        host = str(params["host"])
        if host.startswith("/"):
            login["unix_socket"] = host
        else:
            login |= {"host": host, "port": int(params["port"])}
        return self._driver.connect({**login, **_with_numbers(options)}, password)

    def params_of_url(self, url: SplitResult) -> dict[str, Any]:
        return {
            "host": unquote(url.hostname or "localhost"),
            "port": url.port or _DEFAULT_PORT,
            "dbname": unquote(url.path.removeprefix("/")),
            "user": unquote(url.username or ""),
        }

    def connection_string(self, params: Mapping[str, Any], password: str | None) -> str:
        return self._url("mysql", params, password)  # which rowferry.connect takes

    def sqlalchemy_url(self, params: Mapping[str, Any], password: str | None) -> str:
        return self._url(f"mysql+{self.driver.lower()}", params, password)

    def _url(self, scheme: str, params: Mapping[str, Any], password: str | None) -> str:
        in_url = partial(quote, safe="")
        login = in_url(str(params["user"]))
        if password is not None:
            login += f":{in_url(password)}"
        host, dbname = str(params["host"]), in_url(str(params["dbname"]))
        if host.startswith("/"):
            where = f"localhost/{dbname}?unix_socket={in_url(host)}&charset=utf8mb4"
        else:
            host = f"[{host}]" if ":" in host else in_url(host)
            where = f"{host}:{params['port']}/{dbname}?charset=utf8mb4"
        return f"{scheme}://{login}@{where}"

    def is_reachable(self, params: Mapping[str, Any], timeout: float) -> bool:
        host = str(params["host"])
        try:
            if host.startswith("/"):
                with socket.socket(socket.AF_UNIX) as local:
                    local.settimeout(timeout)
                    local.connect(host)
            else:
                socket.create_connection((host, int(params["port"])), timeout).close()
        except (OSError, ValueError):
            return False
        return True

    def is_closed(self, conn: Connection) -> bool:
        return not self._driver.is_open(conn)

    def is_lost(self, conn: Connection, error: BaseException) -> bool:
        code = error.args[0] if error.args else None
        return self.is_closed(conn) or (isinstance(error, conn.Error) and code in _LOST)

    def is_autocommit(self, conn: Connection) -> bool:
        return bool(conn.get_autocommit())

    def in_transaction(self, conn: Connection) -> bool:
        return not self.is_closed(conn) and self._driver.in_transaction(conn)

    def in_users_transaction(self, conn: Connection) -> bool:
        return not self.is_closed(conn) and self.is_autocommit(conn) and self.in_transaction(conn)

    def begin(self, conn: Connection) -> None:
        if self.is_autocommit(conn) and not self.in_transaction(conn):
            self._run(conn, b"BEGIN")  # else the server does it before the first statement

    def commit(self, conn: Connection) -> None:
        conn.commit()

    def rollback(self, conn: Connection) -> None:
        conn.rollback()

    def savepoint(self, conn: Connection) -> None:
        self._run(conn, b"SAVEPOINT rowferry")

    def release(self, conn: Connection) -> None:
        self._run(conn, b"RELEASE SAVEPOINT rowferry")

    def undo(self, conn: Connection) -> None:
        self._run(conn, b"ROLLBACK TO SAVEPOINT rowferry")
        self.release(conn)

    def has_written(self, conn: Connection) -> bool:
        # No server tells it to everybody. So: not if nothing was asked since our own read.
        counted = self._counted.pop(conn, None)
        if counted is None:
            return True
        return counted != _NOTHING_SINCE and self._count_questions(conn) != counted + 1

    def quote(self, name: str) -> str:
        sql_text.check_encodable(name)
        if len(name) > _LONGEST_NAME:
            raise BadIdentifierError(
                f"{name!r} is too long: MySQL has names of {_LONGEST_NAME} characters at most"
            )
        if name.endswith(_SPACES) or max(name) > _LAST_OF_NAMES:
            raise BadIdentifierError(
                f"{name!r} is no name in MySQL: none ends with a space, or has characters beyond "
                "U+FFFF"
            )
        return "`" + name.replace("`", "``") + "`"

    def identifier(self, name: str) -> str:
        return self.quote(name) if name.lower() in RESERVED else name

    def named_placeholder(self, name: str) -> str:
        return f"%({name})s"

    def positional_placeholder(self, name: str) -> str:
        del name
        return "%s"

    def open_rows(
        self, conn: Connection, sql: str, parameters: Parameters, reading: Reading
    ) -> OpenRows:
        statement = self._statement(conn, sql, parameters)
        self._counted.pop(conn, None)
        return Rows(
            self._driver.stream(conn, statement, reading),
            writes=not sql_text.can_declare(sql),
            ahead=not reading.alone,
            kill=partial(self._kill, conn),
            ended=partial(self._note_end, conn),
        )

    def interrupt(self, conn: Connection) -> None:
        if not self._kill(conn):
            self._driver.shut(conn)

    def execute(self, conn: Connection, sql: str, parameters: Parameters) -> None:
        self._run(conn, self._statement(conn, sql, parameters))

    def writer(self, conn: Connection, sql: str) -> Writer:
        run, ask = partial(self._run, conn), partial(self._ask, conn)
        parts = template(sql)
        if parts is None:
            literal = self._literals(conn).literal
            return EachRow(
                conn, partial(bound, sql.encode(conn.encoding), literal, conn.encoding), run, ask
            )
        row = self._literals(conn, lists=json_text).row
        return ManyRows(conn, parts, row=row, run=run, ask=ask)

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
        """Give the INSERT; any unique key makes a row the same to the server, not just *key*."""
        insert = sql_text.insert(table, columns, placeholders, self.identifier)
        columns, key = list(map(self.identifier, columns)), list(map(self.identifier, key))
        new = [f"{column} = VALUES({column})" for column in columns if column not in key]
        # No INSERT IGNORE: that would take every error for a duplicate.
        same = [f"{key[0]} = {key[0]}"]
        return f"{insert} ON DUPLICATE KEY UPDATE {', '.join(new if update and new else same)}"

    def key_expressions(
        self, conn: Connection, types: Mapping[str, Any], key: Sequence[str]
    ) -> list[str]:
        charset = conn.character_set_name()
        return [_comparable(f"q.{self.quote(name)}", types.get(name), charset) for name in key]

    def key_value(self, expression: str, placeholder: str) -> str:
        del expression
        return placeholder

    def column_type(self, declared: str) -> ColumnType:
        return column_type(declared)

    def declaration(self, column_type: ColumnType, *, in_key: bool) -> str:
        return declaration(column_type, in_key=in_key)

    def create_table(self, table: str, lines: Sequence[str]) -> str:
        return sql_text.create_table_if_missing(table, lines)

    def columns_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        return _COLUMNS, {"table": table, "schema": schema}

    def key_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        return _KEY, {"table": table, "schema": schema}

    def advice(self, error: BaseException) -> str:
        code = error.args[0] if error.args else None
        return _ADVICE.get(code, "") if isinstance(code, int) else ""

    def _literals(self, conn: Connection, lists: Callable[[Any], str] | None = None) -> Literals:
        return Literals(
            quote=self._driver.quoting(conn),
            binary=self._driver.binary(conn),
            known=self._driver.registered(conn),
            zone=lru_cache(maxsize=1)(partial(self._zone, conn)),
            lists=lists,
        )

    def _zone(self, conn: Connection) -> dt.timezone | None:
        ((session, system),) = self._ask(conn, b"SELECT @@session.time_zone, @@system_time_zone")
        return fixed_zone(session, system)

    def _statement(self, conn: Connection, sql: str, parameters: Parameters) -> bytes:
        statement = sql.encode(conn.encoding)
        if not parameters:
            return statement
        return bound(statement, self._literals(conn).literal, conn.encoding, parameters)

    def _run(self, conn: Connection, statement: bytes) -> int:
        """Execute *statement*, forget its rows; give the number of warnings."""
        with contextlib.closing(self._driver.cursor(conn)) as cursor:
            cursor.execute(statement)
            return int(cursor.warning_count)

    def _ask(self, conn: Connection, query: bytes) -> Sequence[Any]:
        with contextlib.closing(self._driver.cursor(conn)) as cursor:
            cursor.execute(query)
            return cursor.fetchall() if cursor.description else ()

    def _count_questions(self, conn: Connection) -> int:
        """Give the number of statements that *conn* has sent, this one included."""
        ((_, count),) = self._ask(conn, b"SHOW SESSION STATUS LIKE 'Questions'")
        return int(count)

    def _note_end(self, conn: Connection, early: bool) -> None:
        """Note where a read has ended: *early* leaves time for other statements."""
        if not early:
            self._counted[conn] = _NOTHING_SINCE
        elif not self.is_autocommit(conn):
            self._counted[conn] = self._count_questions(conn)

    def _kill(self, conn: Connection) -> bool:
        """End what runs on *conn*, by one more connection; False if none is to be had."""
        try:
            with contextlib.closing(self._driver.another(conn)) as another:
                self._run(another, b"KILL QUERY %d" % self._driver.number(conn))
        except Exception:  # noqa: BLE001 - no login, no connection left: there is another way
            return False
        return True


def bound(statement: bytes, literal: Literal, encoding: str, parameters: Parameters) -> bytes:
    """Give *statement* with *parameters* for its placeholders."""
    if isinstance(parameters, Mapping):
        named = {name.encode(encoding): literal(value) for name, value in parameters.items()}
        return statement % named
    return statement % tuple(map(literal, parameters))


def _with_numbers(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: int(value) if name in _NUMBERS and isinstance(value, str) else value
        for name, value in options.items()
    }


def _comparable(column: str, code: Any, charset: str) -> str:
    """Give what to order and compare *column* by, so that what differs in Python differs there."""
    if code == _FLOAT:
        return f"(CAST({column} AS CHAR) + 0e0)"  # as it is read: with six digits
    return _exact(column, charset) if code in TEXTS else column


def _exact(column: str, charset: str) -> str:
    """
    Give *column*, which is text or binary, as bytes: no two texts are equal then.

    As the connection's *charset* has them, which is that of the text it is compared with.
    """
    text = f"CAST(CONVERT({column} USING {charset}) AS BINARY)"
    # Both branches of one type: a UUID, which says latin1, would become NULL.
    return f"CASE CHARSET({column}) WHEN 'binary' THEN CAST({column} AS BINARY) ELSE {text} END"
