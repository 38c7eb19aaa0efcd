"""Tables made from rows, or from tables of another database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowferry import connections
from rowferry import sql as sql_text
from rowferry.catalogue import table_info
from rowferry.column_types import of_values
from rowferry.databases import recognise
from rowferry.exceptions import ConfigError, QueryError
from rowferry.keyset import Columns, check_columns, columns_of_key
from rowferry.row_factories import names_of_row

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rowferry.databases.contract import Column, Connection, Database
    from rowferry.records import Row


def generate_create_table_sql(
    table: str,
    source: Connection | list[Row],
    conn: Connection,
    target: str | None = None,
    *,
    key: str | Sequence[str] | None = None,
) -> str:
    """
    Give the CREATE TABLE with which `load` and `copy_table_rows` make a table where there is none.

    Between databases of one kind every column keeps its type as it is declared; between others it
    gets the type that holds the same values. NOT NULL is kept; defaults, indexes and references
    are not.

    Args:
        table: the name, with its schema or without.
        source: the connection, `DbParams` or URL of the database that has *table*; or a list of
            rows, mappings or named tuples, whose values say what their columns hold.
        conn: of the database that the table is for.
        target: its name there; None: the same.
        key: the column or columns of its primary key; None: it gets none.

    Raises:
        BadIdentifierError: the table or a column has no plain name.
        ConfigError: there is no such column as *key* says, or no row.
        QueryError: there is no such table.
    """
    columns = columns_of_key(key)
    with connections.opened(conn) as opened:
        if isinstance(source, list):
            if not source:
                raise ConfigError("a table cannot be made of no rows: their values say its types")
            return create_for_rows(target or table, source, opened, columns)
        return create_for_table(table, source, opened, target or table, columns)


def create_for_rows(table: str, rows: Sequence[Row], conn: Connection, key: Columns) -> str:
    """Give the CREATE TABLE for *rows*, of which there is one at least."""
    database, _ = recognise(conn)
    names = names_of_row(rows[0])
    types = {
        name: database.declaration(of_values(_values(rows, name)), in_key=name in key)
        for name in names
    }
    return _create(database, table, types, key)


def create_for_table(
    table: str, source_conn: Connection, conn: Connection, target: str, key: Columns
) -> str:
    """Give the CREATE TABLE of *target* for what *table* holds."""
    with connections.opened(source_conn) as source:
        origin, _ = recognise(source)
        database, _ = recognise(conn)
        found = _columns_of(table, source)
    types = {
        column.name: _declared(column, origin, database, in_key=column.name in key)
        for column in found
    }
    return _create(database, target, types, key)


def check_names(database: Database, table: str, columns: Collection[str]) -> None:
    """
    Accept plain names that the database takes as they are.

    Raises:
        BadIdentifierError: one is no plain name, or the database would cut it, to that of another
            table for all we know.
    """
    sql_text.check_table(table)
    for column in columns:
        sql_text.check_column(column)
    for name in (*table.split("."), *columns):
        database.quote(name)


def _columns_of(table: str, conn: Connection) -> list[Column]:
    """Give the columns of what *table* means in SQL, where its capital letters may not count."""
    sql_text.check_table(table)
    schema, _, name = table.rpartition(".")
    try:
        return table_info(name, conn, schema or None)
    except QueryError:
        if table == table.lower():
            raise
        return table_info(name.lower(), conn, schema.lower() or None)


def _declared(column: Column, origin: Database, database: Database, *, in_key: bool) -> str:
    kind = column.type
    if origin.dbtype != database.dbtype:
        kind = database.declaration(origin.column_type(column.type), in_key=in_key)
    return f"{kind} NOT NULL" if column.not_null else kind


def _create(database: Database, table: str, types: dict[str, str], key: Columns) -> str:
    check_columns(key, list(types))
    check_names(database, table, types)
    lines = [f"{database.identifier(name)} {kind}".rstrip() for name, kind in types.items()]
    if key:
        lines.append(f"PRIMARY KEY ({', '.join(map(database.identifier, key))})")
    return database.create_table(sql_text.table_identifier(table, database.identifier), lines)


def _values(rows: Sequence[Row], name: str) -> list[Any]:
    if hasattr(rows[0], "_fields"):
        return [getattr(row, name, None) for row in rows]
    return [row[name] if name in row.keys() else None for row in rows]  # noqa: SIM118 - of sqlite3.Row
