"""The columns of a table, and those of its primary key."""

from __future__ import annotations

from rowferry import connections
from rowferry.databases import recognise
from rowferry.databases.contract import Column, Connection
from rowferry.exceptions import QueryError
from rowferry.extract import fetchall
from rowferry.row_factories import tuple_row_factory
from rowferry.sql import quoted_words


def table_info(table: str, conn: Connection, schema: str | None = None) -> list[Column]:
    """
    Give the columns of *table*, in order.

    Args:
        conn: a connection, a `DbParams` or a URL.
        schema: the name of it, exactly; None looks in all.

    Raises:
        QueryError: there is no such table, or there is one in several schemas.
    """
    with connections.opened(conn) as opened:
        database, _ = recognise(opened)
        query, parameters = database.columns_query(table, schema)
        rows = fetchall(query, opened, parameters, tuple_row_factory)
    schemas = sorted({row[0] for row in rows})
    if not rows:
        where = f" in the schema {schema!r}" if schema else ""
        raise QueryError(f"there is no table {table!r}{where}")
    if len(schemas) > 1:
        raise QueryError(
            f"there is a table {table!r} in the schemas {quoted_words(schemas)}: name the one"
        )
    return [
        Column(name, kind, bool(fixed), bool(default)) for _, name, kind, fixed, default in rows
    ]


def primary_key(table: str, conn: Connection, schema: str | None = None) -> tuple[str, ...]:
    """
    Give the columns of a table's primary key, in their order; none where it has none.

    The arguments are those of `table_info`.

    Raises:
        QueryError: there is a table of that name in several schemas.
    """
    with connections.opened(conn) as opened:
        database, _ = recognise(opened)
        query, parameters = database.key_query(table, schema)
        rows = fetchall(query, opened, parameters, tuple_row_factory)
    if len({row[0] for row in rows}) > 1:
        raise QueryError(f"there is a table {table!r} in several schemas: name the one")
    return tuple(row[1] for row in rows)
