"""Rows of a query in the order of its key, from the begin or after a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry import keyset
from rowferry.databases.contract import Reading
from rowferry.row_factories import column_names
from rowferry.sql import columns_of

if TYPE_CHECKING:
    from rowferry.databases.contract import Connection, Database, OpenRows, Parameters
    from rowferry.keyset import Columns
    from rowferry.records import Key


class Statement(NamedTuple):
    """A statement, and what fills its placeholders."""

    sql: str
    parameters: Parameters


class OrderedQuery:
    """
    A query that is read in the order of its key.

    Args:
        key: the columns of it; at least one.

    Raises:
        ConfigError: *sql* cannot stand in FROM (…).
    """

    def __init__(self, sql: str, parameters: Parameters, key: Columns) -> None:
        self._table = keyset.as_table(sql)
        self._parameters = parameters
        self._key = key
        self._expressions: list[str] = []
        self._check: keyset.KeyCheck | None = None

    @property
    def last(self) -> Key | None:
        """The key of the last row that was accepted; None before the first."""
        return self._check.last if self._check else None

    def accept(self, rows: list[tuple[Any, ...]]) -> None:
        """Look at the keys of the next rows, as `keyset.KeyCheck.accept`."""
        if self._check is not None:
            self._check.accept(rows)

    def statement(self, database: Database, conn: Connection) -> Statement:
        """
        Give what reads all rows, or those after the last one that was accepted.

        Raises:
            ConfigError: the query has no such column.
        """
        if not self._expressions:
            self._expressions = self._look_at_columns(database, conn)
        if self.last is None:
            return Statement(keyset.ordered(self._table, self._expressions), self._parameters)
        return self._rest(database, self.last)

    def _look_at_columns(self, database: Database, conn: Connection) -> list[str]:
        query = columns_of(self._table)
        rows = database.open_rows(conn, query, self._parameters, Reading())
        try:
            rows.fetch(1)
            names = column_names(rows.cursor)
            keyset.check_columns(self._key, names)
            types = {column[0]: column[1] for column in rows.cursor.description}
        finally:
            rows.close()
        self._check = keyset.KeyCheck(self._key, names)
        return database.key_expressions(conn, types, self._key)

    def _rest(self, database: Database, last: Key) -> Statement:
        table, parameters = self._table, self._parameters
        if isinstance(parameters, Mapping) and not _has_names(database):
            parameters = tuple(parameters.values())
        if isinstance(parameters, Mapping) and parameters:
            names = [f"rowferry_{number}" for number in range(len(self._key))]
            condition = self._after(database, list(map(database.named_placeholder, names)))
            parameters = {**parameters, **dict(zip(names, last, strict=True))}
        else:
            numbers = map(str, range(1, len(self._key) + 1))
            condition = self._after(database, list(map(database.positional_placeholder, numbers)))
            if not parameters and "format" in database.paramstyle:
                table = table.replace("%", "%%")  # which was no placeholder, and is none now
            parameters = [*parameters, *(last[column] for column in condition.columns)]
        return Statement(keyset.ordered_after(table, self._expressions, condition), parameters)

    def _after(self, database: Database, places: list[str]) -> keyset.After:
        values = list(map(database.key_value, self._expressions, places))
        return keyset.after(self._expressions, values.__getitem__)


def _has_names(database: Database) -> bool:
    """Tell whether placeholders can have names, which SQL Server's cannot."""
    return database.named_placeholder("a") != database.named_placeholder("b")


class OrderedRows:
    """
    The open reading of an ordered query on one connection, as a database's `OpenRows`.

    What looks like the end is believed once a query for the rows after it gives none: servers and
    drivers are known to end a result early, without an error.
    """

    def __init__(
        self,
        query: OrderedQuery,
        database: Database,
        conn: Connection,
        reading: Reading,
    ) -> None:
        self._query = query
        self._database = database
        self._conn = conn
        self._reading = reading
        self._rows = self._open()
        self._asked_for_rest = False
        self.writes = False

    @property
    def cursor(self) -> Any:
        """The driver's, of the latest statement."""
        return self._rows.cursor

    @property
    def kinds(self) -> Mapping[str, type] | None:
        """The Python type of each column's cells, where that is fixed."""
        return self._rows.kinds

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        """Give the next *count* rows; fewer only where nothing comes after them."""
        rows: list[tuple[Any, ...]] = []
        while len(rows) < count:
            more = self._rows.fetch(count - len(rows))
            self._query.accept(more)
            rows += more
            if more:
                self._asked_for_rest = False
            if len(rows) < count:
                if self._asked_for_rest or self._query.last is None:
                    break
                self._ask_for_rest()
        return rows

    def close(self) -> None:
        """Free what the driver and the server hold."""
        self._rows.close()

    def _ask_for_rest(self) -> None:
        self._rows.close()
        self._rows = self._open()
        self._asked_for_rest = True

    def _open(self) -> OpenRows:
        sql, parameters = self._query.statement(self._database, self._conn)
        return self._database.open_rows(self._conn, sql, parameters, self._reading)
