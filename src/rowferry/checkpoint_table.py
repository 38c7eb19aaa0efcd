"""The table of a destination in which copies note how far they got: its statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rowferry import sql as sql_text
from rowferry.catalogue import table_info
from rowferry.column_types import TEXT, ColumnType
from rowferry.databases import Reading
from rowferry.exceptions import QueryError
from rowferry.writing import refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rowferry.databases.contract import Connection, Database, Parameters

LONGEST_NAME = 200
"""Characters of a transfer's name."""

_COLUMNS = {
    "name": ColumnType("text", LONGEST_NAME),
    "run": ColumnType("text", 32),
    "complete": ColumnType("smallint"),
    "position": TEXT,
    "chunks": ColumnType("bigint"),
    "processed": ColumnType("bigint"),
    "failed": ColumnType("bigint"),
    "fingerprint": TEXT,
    "updated": ColumnType("text", 32),
}
"""`docs/databases.md` says what each is for."""


@dataclass(frozen=True, slots=True)
class CheckpointTable:
    """
    The table, on a connection.

    Attributes:
        name: plain, with its schema or without.
    """

    name: str
    database: Database
    conn: Connection

    def make(self) -> None:
        """Make the table where there is none, and commit."""
        schema, _, table = self.name.rpartition(".")
        try:
            table_info(table, self.conn, schema or None)
        except QueryError:
            statement = self._create()
            with refusals(self.database, statement):
                self.database.begin(self.conn)
                self.database.execute(self.conn, statement, ())
                self.database.commit(self.conn)

    def update(self, values: Mapping[str, Any], where: Mapping[str, Any]) -> None:
        """Set columns of the row that is as *where* says, if there is one."""
        assigned = ", ".join(self._assignments(values))
        condition = " AND ".join(self._assignments(where, len(values) + 1))
        sql = f"UPDATE {self._table} SET {assigned} WHERE {condition}"  # noqa: S608 - names are checked
        self.database.execute(self.conn, sql, [*values.values(), *where.values()])

    def insert(self, values: Mapping[str, Any]) -> None:
        """Insert a row."""
        numbers = map(str, range(1, len(values) + 1))
        places = list(map(self.database.positional_placeholder, numbers))
        sql = sql_text.insert(self.name, list(values), places, self.database.identifier)
        self.database.execute(self.conn, sql, list(values.values()))

    def find(self, columns: Sequence[str], where: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Give *columns* of the rows that are as *where* says: one, or none."""
        listed = ", ".join(map(self.database.identifier, columns))
        condition = " AND ".join(self._assignments(where))
        sql = f"SELECT {listed} FROM {self._table} WHERE {condition}"  # noqa: S608 - names are checked
        return fetched(self.database, self.conn, sql, list(where.values()))

    def _create(self) -> str:
        quoted, declaration = self.database.identifier, self.database.declaration
        lines = [
            f"{quoted(column)} {declaration(kind, in_key=column == 'name')}"
            for column, kind in _COLUMNS.items()
        ]
        key = f"PRIMARY KEY ({quoted('name')})"
        return self.database.create_table(self._table, [*lines, key])

    @property
    def _table(self) -> str:
        return sql_text.table_identifier(self.name, self.database.identifier)

    def _assignments(self, names: Iterable[str], first: int = 1) -> list[str]:
        """Give `column = placeholder` for *names*; *first* is the number of the placeholder."""
        place, quoted = self.database.positional_placeholder, self.database.identifier
        return [
            f"{quoted(name)} = {place(str(number))}" for number, name in enumerate(names, first)
        ]


def fetched(
    database: Database, conn: Connection, sql: str, parameters: Parameters
) -> list[tuple[Any, ...]]:
    """Give the rows of a query that has two at most; the transaction stays open."""
    rows = database.open_rows(conn, sql, parameters, Reading())
    try:
        return rows.fetch(2)
    finally:
        rows.close()
