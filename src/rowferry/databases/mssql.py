"""SQL Server: what its drivers share."""

from __future__ import annotations

import contextlib
import socket
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote
from weakref import WeakValueDictionary

from rowferry import sql as sql_text
from rowferry.databases import mssql_errors as errors
from rowferry.databases.mssql_driver import Login
from rowferry.databases.mssql_rows import Rows
from rowferry.databases.mssql_types import column_type, comparable, declaration
from rowferry.databases.mssql_values import merge, quoted, values_of
from rowferry.databases.mssql_words import RESERVED
from rowferry.databases.mssql_writer import Writer
from rowferry.exceptions import BadIdentifierError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowferry.column_types import ColumnType
    from rowferry.databases.contract import (
        Connection,
        OpenRows,
        Parameters,
        Reading,
        Stream,
        TableCopy,
    )
    from rowferry.databases.mssql_driver import Driver

_DEFAULT_PORT = 1433
_DEFAULT_DATABASE = "master"

_COLUMNS = """
SELECT s.name, c.name, t.name + CASE
    WHEN t.name IN ('char', 'varchar', 'binary', 'varbinary')
        THEN '(' + coalesce(nullif(CAST(c.max_length AS varchar(10)), '-1'), 'max') + ')'
    WHEN t.name IN ('nchar', 'nvarchar') AND c.max_length = -1 THEN '(max)'
    WHEN t.name IN ('nchar', 'nvarchar') THEN '(' + CAST(c.max_length / 2 AS varchar(10)) + ')'
    WHEN t.name IN ('decimal', 'numeric')
        THEN '(' + CAST(c.precision AS varchar(10)) + ',' + CAST(c.scale AS varchar(10)) + ')'
    WHEN t.name IN ('time', 'datetime2', 'datetimeoffset')
        THEN '(' + CAST(c.scale AS varchar(10)) + ')'
    ELSE '' END,
    1 - c.is_nullable,
    CASE WHEN c.default_object_id <> 0 OR c.is_identity = 1 OR c.is_computed = 1
        OR t.name = 'timestamp' THEN 1 ELSE 0 END
FROM sys.columns c
JOIN sys.objects o ON o.object_id = c.object_id AND o.type IN ('U', 'V')
JOIN sys.schemas s ON s.schema_id = o.schema_id
JOIN sys.types t ON t.user_type_id = c.user_type_id
WHERE o.name = ?{in_schema}
ORDER BY s.name, c.column_id
"""

_KEY = """
SELECT s.name, c.name
FROM sys.key_constraints k
JOIN sys.index_columns i ON i.object_id = k.parent_object_id AND i.index_id = k.unique_index_id
JOIN sys.columns c ON c.object_id = i.object_id AND c.column_id = i.column_id
JOIN sys.objects o ON o.object_id = k.parent_object_id
JOIN sys.schemas s ON s.schema_id = o.schema_id
WHERE k.type = 'PK' AND o.name = ?{in_schema}
ORDER BY s.name, i.key_ordinal
"""

_LONGEST_NAME = 128  # UTF-16 units: sysname is nvarchar(128)


class SQLServer:
    """
    SQL Server by one of its drivers.

    Without autocommit the drivers begin the next transaction as soon as one ends, so that one is
    always open, and nobody can tell whether it has done anything.
    """

    dbtype = "MSSQL"
    schemes = ("mssql",)
    paramstyle = "qmark"
    required = ("host", "port", "dbname", "user")
    savepoints = True
    session_locks = None

    def __init__(self, driver: Driver) -> None:
        self.driver = driver.name
        self.owns = driver.owns
        self._driver = driver
        # By id, for connections of pyodbc cannot be referenced weakly. An id stands for its
        # connection while the rows live, as they hold it.
        self._latest: WeakValueDictionary[int, Rows] = WeakValueDictionary()

    def connect(
        self, params: Mapping[str, Any], password: str | None, options: Mapping[str, Any]
    ) -> Connection:
        return self._driver.connect(params, Login(password, options))

    def params_of_url(self, url: SplitResult) -> dict[str, Any]:
        return {
            "host": unquote(url.hostname or "localhost"),
            "port": url.port or _DEFAULT_PORT,
            "dbname": unquote(url.path.removeprefix("/")) or _DEFAULT_DATABASE,
            "user": unquote(url.username or ""),
        }

    def connection_string(self, params: Mapping[str, Any], password: str | None) -> str:
        return self._driver.connection_string(params, Login(password, {}).words)

    def sqlalchemy_url(self, params: Mapping[str, Any], password: str | None) -> str:
        in_url = partial(quote, safe="")
        login = in_url(str(params["user"]))
        if password is not None:
            login += f":{in_url(password)}"
        host = str(params["host"])
        host = f"[{host}]" if ":" in host else in_url(host)
        where = f"{host}:{params['port']}/{in_url(str(params['dbname']))}"
        return f"mssql+pyodbc://{login}@{where}?driver=ODBC+Driver+18+for+SQL+Server"

    def is_reachable(self, params: Mapping[str, Any], timeout: float) -> bool:
        try:
            address = (str(params["host"]), int(params["port"]))
            socket.create_connection(address, timeout).close()
        except (OSError, ValueError):
            return False
        return True

    # Transactions.

    def is_closed(self, conn: Connection) -> bool:
        return bool(conn.closed)

    def is_lost(self, conn: Connection, error: BaseException) -> bool:
        self._close_if_gone(conn, error)
        return self.is_closed(conn) or errors.goes_on(error)

    def is_autocommit(self, conn: Connection) -> bool:
        return not self.is_closed(conn) and bool(conn.autocommit)

    def in_transaction(self, conn: Connection) -> bool:
        if self.is_closed(conn):
            return False
        if not conn.autocommit:
            return True
        rows = self._latest.get(id(conn))
        if rows is not None and rows.is_open:
            return rows.in_transaction  # nobody can have changed that, nor can the server be asked
        try:
            with closing(conn.cursor()) as cursor:
                ((count,),) = cursor.execute("SELECT @@TRANCOUNT").fetchall()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next statement will say it
            self._close_if_gone(conn, error)
            return True
        return int(count) > 0

    def in_users_transaction(self, conn: Connection) -> bool:
        return self.is_autocommit(conn) and self.in_transaction(conn)

    def begin(self, conn: Connection) -> None:
        if self.is_autocommit(conn):
            self._run(conn, "IF @@TRANCOUNT = 0 BEGIN TRANSACTION")

    def commit(self, conn: Connection) -> None:
        self._end(conn, "COMMIT")

    def rollback(self, conn: Connection) -> None:
        self._end(conn, "ROLLBACK")

    def _end(self, conn: Connection, how: str) -> None:
        if self.is_autocommit(conn):  # where the methods do nothing
            self._run(conn, f"IF @@TRANCOUNT > 0 {how} TRANSACTION")
            return
        with self._noticed(conn):
            getattr(conn, how.lower())()

    def savepoint(self, conn: Connection) -> None:
        self._run(conn, "SAVE TRANSACTION rowferry")

    def release(self, conn: Connection) -> None:
        """Do nothing: a savepoint is forgotten when its name is used again."""

    def undo(self, conn: Connection) -> None:
        self._run(conn, "ROLLBACK TRANSACTION rowferry")

    def has_written(self, conn: Connection) -> bool:
        del conn
        return True  # nobody can tell

    # Statements.

    def quote(self, name: str) -> str:
        sql_text.check_encodable(name)
        if len(name.encode("utf-16-le")) // 2 > _LONGEST_NAME:
            raise BadIdentifierError(
                f"{name!r} is too long: SQL Server has names of {_LONGEST_NAME} characters at most"
            )
        return quoted(name)

    def identifier(self, name: str) -> str:
        return self.quote(name) if name.lower() in RESERVED else name

    def named_placeholder(self, name: str) -> str:
        del name
        return "?"  # there are no others

    def positional_placeholder(self, name: str) -> str:
        del name
        return "?"

    def open_rows(
        self, conn: Connection, sql: str, parameters: Parameters, reading: Reading
    ) -> OpenRows:
        values = values_of(parameters, self._driver.written) if parameters else ()
        in_transaction = self.in_users_transaction(conn)
        rows = Rows(self._driver, conn, reading)
        rows.in_transaction = in_transaction
        self._latest[id(conn)] = rows
        rows.execute(sql, values)
        return rows

    def interrupt(self, conn: Connection) -> None:
        rows = self._latest.get(id(conn))
        if rows is not None:
            rows.cancel()

    def execute(self, conn: Connection, sql: str, parameters: Parameters) -> None:
        self._run(conn, sql, values_of(parameters, self._driver.written) if parameters else ())

    def writer(self, conn: Connection, sql: str) -> Writer:
        return Writer(self._driver, conn, sql)

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
        sql_text.insert(table, columns, placeholders)  # which refuses names that are none
        table = sql_text.table_identifier(table, self.identifier)
        columns, key = list(map(self.identifier, columns)), list(map(self.identifier, key))
        return merge(table, columns, placeholders, key, update=update)

    def key_expressions(
        self, conn: Connection, types: Mapping[str, Any], key: Sequence[str]
    ) -> list[str]:
        # What was looked at last are the columns of this query, with the digits of their seconds.
        rows = self._latest.get(id(conn))
        sizes = (
            {column[0]: column[3:6:2] for column in rows.cursor.description or ()} if rows else {}
        )
        return [
            comparable(f"q.{self.quote(column)}", types[column], *sizes.get(column, (None, None)))
            for column in key
        ]

    def key_value(self, expression: str, placeholder: str) -> str:
        del expression
        return placeholder

    # Types of columns.

    def column_type(self, declared: str) -> ColumnType:
        return column_type(declared)

    def declaration(self, column_type: ColumnType, *, in_key: bool) -> str:
        return declaration(column_type, in_key=in_key)

    def create_table(self, table: str, lines: Sequence[str]) -> str:
        body = sql_text.create_table_body(table, lines)
        return f"IF OBJECT_ID(N'{table}', N'U') IS NULL CREATE TABLE {body}"

    def columns_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        return _of_table(_COLUMNS, table, schema)

    def key_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        return _of_table(_KEY, table, schema)

    def advice(self, error: BaseException) -> str:
        return errors.advice(error)

    def _run(self, conn: Connection, sql: str, values: Sequence[Any] = ()) -> None:
        """Execute *sql*, and look at all of its results, since an error may be in any of them."""
        with self._noticed(conn), closing(conn.cursor()) as cursor:
            cursor.execute(sql, values) if values else cursor.execute(sql)
            while cursor.nextset():
                pass

    @contextlib.contextmanager
    def _noticed(self, conn: Connection) -> Any:
        try:
            yield
        except Exception as error:
            self._close_if_gone(conn, error)
            raise

    def _close_if_gone(self, conn: Connection, error: BaseException) -> None:
        """Close a connection that has broken, which no driver does: it is of no use any more."""
        if errors.is_gone(error) and not self.is_closed(conn):
            with contextlib.suppress(Exception):
                conn.close()


def _of_table(query: str, table: str, schema: str | None) -> tuple[str, Parameters]:
    """Give a query about a table, in whatever schema or in that one."""
    if schema is None:
        return query.format(in_schema=""), (table,)
    return query.format(in_schema=" AND s.name = ?"), (table, schema)
