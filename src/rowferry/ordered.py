"""Rows of a query in the order of its key, from the begin or after a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry import keyset
from rowferry.databases.contract import Reading, Unreadable, written_of
from rowferry.exceptions import SourceError
from rowferry.row_factories import column_names
from rowferry.sql import columns_of

if TYPE_CHECKING:
    from rowferry.databases.contract import Connection, Database, OpenRows, Parameters
    from rowferry.keyset import Columns
    from rowferry.records import Key
    from rowferry.written_rows import Written


class Statement(NamedTuple):
    """A statement, and what fills its placeholders."""

    sql: str
    parameters: Parameters


class OrderedQuery:
    """
    A query that is read in the order of its key.

    Args:
        key: the columns of it; at least one.
        after: a key, or the first values of one; only the rows after it are read. None: all.
        up_to: a key; no rows after it are read. None: all.

    Raises:
        ConfigError: *sql* cannot stand in FROM (…).
    """

    def __init__(
        self,
        sql: str,
        parameters: Parameters,
        key: Columns,
        after: Key | None = None,
        up_to: Key | None = None,
    ) -> None:
        self._table = keyset.as_table(sql)
        self._parameters = parameters
        self._key = key
        self._after = after
        self._up_to = up_to
        self._expressions: list[str] = []
        self._check: keyset.KeyCheck | None = None

    @property
    def last(self) -> Key | None:
        """The key of the last row that was accepted; before one, the key that is read after."""
        return self._after if self._check is None else self._check.last or self._after

    def key_of(self, row: tuple[Any, ...]) -> Key | None:
        """Give the key of a row that was accepted."""
        return None if self._check is None else self._check.key_of(row)

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
        if self.last is not None or self._up_to is not None:
            return self._part(database)
        expressions = self._expressions
        if self._parameters:
            expressions = _unformatted(database, expressions)
        return Statement(keyset.ordered(self._table, expressions), self._parameters)

    def _look_at_columns(self, database: Database, conn: Connection) -> list[str]:
        query = columns_of(self._table)
        rows = database.open_rows(conn, query, self._parameters, Reading())
        try:
            rows.fetch(1)
            names = column_names(rows.cursor)
            keyset.check_columns(self._key, names)
            _check_not_renamed(names)
            types = {column[0]: column[1] for column in rows.cursor.description}
        finally:
            rows.close()
        self._check = keyset.KeyCheck(self._key, names)
        return database.key_expressions(conn, types, self._key)

    def _part(self, database: Database) -> Statement:
        """Give what reads the rows after the last one, and no further than is asked for."""
        after, up_to = (
            tuple(map(_sayable, self._key, bound or ())) for bound in (self.last, self._up_to)
        )
        table, parameters, values = self._table, self._parameters, (*after, *up_to)
        expressions = _unformatted(database, self._expressions)
        if isinstance(parameters, Mapping) and not _has_names(database):
            parameters = tuple(parameters.values())
        if isinstance(parameters, Mapping) and parameters:
            names = [f"rowferry_{number}" for number in range(len(values))]
            places = list(map(database.named_placeholder, names))
            condition = _within(database, expressions, len(after), places)
            parameters = {**parameters, **dict(zip(names, values, strict=True))}
        else:
            numbers = map(str, range(1, len(values) + 1))
            places = list(map(database.positional_placeholder, numbers))
            condition = _within(database, expressions, len(after), places)
            if not parameters:
                (table,) = _unformatted(database, [table])
            parameters = [*parameters, *(values[place] for place in condition.columns)]
        return Statement(keyset.ordered_after(table, expressions, condition), parameters)


def _within(
    database: Database, expressions: list[str], after: int, places: list[str]
) -> keyset.Condition:
    """Give the condition that a row is between two keys, the first of which has *after* values."""
    columns = [*range(after), *range(len(places) - after)]
    values = [
        database.key_value(expressions[column], place)
        for column, place in zip(columns, places, strict=True)
    ]
    return keyset.within(expressions, after, len(places) - after, values.__getitem__)


def _has_names(database: Database) -> bool:
    """Tell whether placeholders can have names, which SQL Server's cannot."""
    return database.named_placeholder("a") != database.named_placeholder("b")


def _unformatted(database: Database, texts: list[str]) -> list[str]:
    """Give *texts*, none of which has a placeholder, as they can stand where others have some."""
    if "format" not in database.paramstyle:
        return texts
    return [text.replace("%", "%%") for text in texts]


def _check_not_renamed(names: Sequence[str]) -> None:
    """
    Accept columns that came out of FROM (…) under their own names.

    Raises:
        SourceError: SQLite has told two of one name apart, as `id` and `id:1`.
    """
    for name in names:
        base, colon, number = name.rpartition(":")
        if colon and number.isdigit() and base in names:
            raise SourceError(
                f"the query has more than one column called {base!r}; "
                "give each a name of its own with AS"
            )


def _sayable(column: str, value: Any) -> Any:
    """
    Give a value of a key as it can be a parameter: infinity and the like as the database wrote it.

    Raises:
        SourceError: it could not be read as it is.
    """
    text = value.text if isinstance(value, Unreadable) else value
    if isinstance(text, str) and ((text is not value and text.startswith("0x")) or _is_odd(text)):
        raise SourceError(
            f"what comes after the row with {column} = {value!r} cannot be asked for, "
            "since this value of the key cannot be read as it is"
        )
    return text


def _is_odd(text: str) -> bool:
    """Tell whether *text* is no valid Unicode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


class OrderedRows:
    """
    The open reading of an ordered query on one connection, much as a database's `OpenRows`.

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

    @property
    def written(self) -> Written | None:
        """How cells come that nobody looks at."""
        return written_of(self._rows)

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        """Give the next rows, *count* at most; none only where nothing comes after them."""
        rows = self._rows.fetch(count)
        if not rows and not self._asked_for_rest and self._query.last is not None:
            self._ask_for_rest()
            rows = self._rows.fetch(count)
        self._asked_for_rest = self._asked_for_rest and not rows
        self._query.accept(rows)
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
