"""DuckDB: files, and databases in memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote

from rowferry import sql as sql_text
from rowferry.databases.duckdb_rows import Rows
from rowferry.databases.duckdb_state import in_transaction
from rowferry.databases.duckdb_types import column_type, declaration
from rowferry.databases.duckdb_words import RESERVED
from rowferry.databases.duckdb_writer import Writer
from rowferry.exceptions import DriverError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowferry.column_types import ColumnType
    from rowferry.databases import contract
    from rowferry.databases.contract import (
        Connection,
        OpenRows,
        Parameters,
        Reading,
        Stream,
        TableCopy,
    )

_COLUMNS = """
SELECT schema_name, column_name, data_type, NOT is_nullable, column_default IS NOT NULL
FROM duckdb_columns()
WHERE lower(table_name) = lower($table)
  AND (database_name = current_database() OR database_name = 'temp')
  AND ($schema IS NULL OR lower(schema_name) = lower($schema))
ORDER BY database_name, schema_name, column_index
"""

_KEY = """
SELECT schema_name, unnest(constraint_column_names)
FROM duckdb_constraints()
WHERE constraint_type = 'PRIMARY KEY' AND lower(table_name) = lower($table)
  AND (database_name = current_database() OR database_name = 'temp')
  AND ($schema IS NULL OR lower(schema_name) = lower($schema))
"""

_NO_TRANSACTION = "no transaction is active"


class DuckDB:
    """DuckDB, which commits each statement unless a BEGIN came before, and has no savepoints."""

    dbtype = "DUCKDB"
    schemes = ("duckdb",)
    driver = "duckdb"
    paramstyle = "qmark"
    required = ("filename",)
    savepoints = False
    session_locks = None

    def owns(self, conn: object) -> bool:
        module = sys.modules.get("duckdb")
        return module is not None and isinstance(conn, module.DuckDBPyConnection)

    def connect(
        self, params: Mapping[str, Any], password: str | None, options: Mapping[str, Any]
    ) -> Connection:
        try:
            import duckdb
        except ImportError as error:
            raise DriverError("DuckDB needs duckdb: pip install 'rowferry[duckdb]'") from error
        del password  # there is none
        return duckdb.connect(params["filename"], **options)

    def params_of_url(self, url: SplitResult) -> dict[str, Any]:
        # duckdb:///file.db is relative, duckdb:////var/file.db is not, as SQLAlchemy has it.
        return {"filename": unquote(url.path.removeprefix("/")) or ":memory:"}

    def connection_string(self, params: Mapping[str, Any], password: str | None) -> str:
        del password
        return str(params["filename"])

    def sqlalchemy_url(self, params: Mapping[str, Any], password: str | None) -> str:
        del password
        path = quote(str(params["filename"]), safe="/:\\")
        return f"duckdb:///{path}"

    def is_reachable(self, params: Mapping[str, Any], timeout: float) -> bool:
        del timeout
        return params["filename"] == ":memory:" or Path(params["filename"]).exists()

    def is_closed(self, conn: Connection) -> bool:
        import duckdb

        try:
            conn.extract_statements("")
        except duckdb.ConnectionException:
            return True
        return False

    def is_lost(self, conn: Connection, error: BaseException) -> bool:
        del conn, error
        return False  # there is no server that could be

    def is_autocommit(self, conn: Connection) -> bool:
        del conn
        return True

    def in_transaction(self, conn: Connection) -> bool:
        return in_transaction(conn)

    def in_users_transaction(self, conn: Connection) -> bool:
        return in_transaction(conn)

    def begin(self, conn: Connection) -> None:
        if not in_transaction(conn):  # within one, BEGIN is an error that ends it
            conn.execute("BEGIN")

    def commit(self, conn: Connection) -> None:
        conn.execute("SELECT 1")  # raises where COMMIT, without a word, would roll back
        self._end(conn, "COMMIT")

    def rollback(self, conn: Connection) -> None:
        self._end(conn, "ROLLBACK")

    def _end(self, conn: Connection, how: str) -> None:
        import duckdb

        try:
            conn.execute(how)
        except duckdb.TransactionException as error:
            if _NO_TRANSACTION not in str(error):
                raise

    def savepoint(self, conn: Connection) -> None:
        conn.execute("BEGIN")  # none is open, for those who know that there are no savepoints

    def release(self, conn: Connection) -> None:
        self._end(conn, "COMMIT")  # the statement before succeeded, so it is not aborted

    def undo(self, conn: Connection) -> None:
        self.rollback(conn)

    def has_written(self, conn: Connection) -> bool:
        del conn
        return True  # nobody can tell

    def quote(self, name: str) -> str:
        return sql_text.double_quoted(name)

    def identifier(self, name: str) -> str:
        return self.quote(name) if name.lower() in RESERVED else name

    def named_placeholder(self, name: str) -> str:
        return f"${name}"

    def positional_placeholder(self, name: str) -> str:
        del name
        return "?"

    def open_rows(
        self, conn: Connection, sql: str, parameters: Parameters, reading: Reading
    ) -> OpenRows:
        return Rows(conn, sql, parameters, reading)

    def interrupt(self, conn: Connection) -> None:
        conn.interrupt()

    def execute(self, conn: Connection, sql: str, parameters: Parameters) -> None:
        conn.execute(sql, parameters or None)
        conn.complete()

    def writer(self, conn: Connection, sql: str) -> contract.Writer:
        return Writer(conn, sql)

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
        del conn
        return [_comparable(f"q.{self.quote(column)}", types[column]) for column in key]

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

    def advice(self, error: BaseException) -> str:
        if "'pytz'" in str(error):
            return "a timestamp with a time zone is read without pytz where the query is a SELECT"
        return ""


def _comparable(column: str, type_: Any) -> str:
    """
    Give what to order and compare *column* by.

    A text's own collation may hold different texts equal. An enum is ordered as it was declared,
    but compared with a text as one.
    """
    if str(type_) == "VARCHAR":
        return f'{column} COLLATE "C"'
    if type_.id == "enum":
        return f'{column}::VARCHAR COLLATE "C"'
    return column
