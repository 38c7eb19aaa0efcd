"""Rows into tables of DuckDB: its appender for plain INSERTs, executemany for all else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from operator import itemgetter, length_hint
from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry.databases.contract import ADDRESSES, Unreadable
from rowferry.databases.duckdb_upsert import Conflict, conflict, parted
from rowferry.json_text import json_text, raw_text
from rowferry.records import RawJSON
from rowferry.sql import PlainInsert, plain_insert

if TYPE_CHECKING:
    from rowferry.databases.contract import Connection

_LAST_NAME = re.compile(r'(?:"(?:[^"]|"")+"|[^."]+)$')

_BY_THE_ROW = """
SELECT table_name FROM duckdb_triggers()
UNION ALL
SELECT table_name FROM duckdb_constraints()
WHERE constraint_type = 'FOREIGN KEY' AND referenced_table = table_name
"""
"""Tables for which many rows in one statement are not the same as many statements."""

_TAKE_JSON = {"JSON", "VARCHAR"}
"""Columns that keep a dict or a list as JSON; all others as the driver binds it."""

_WANT_CARE = (RawJSON, Mapping, list, tuple, Unreadable, *ADDRESSES)

_AS_THEY_ARE = {int, str, float, bool, type(None)}

_MOST_DIGITS = 38
"""Of a number that the driver binds as a decimal; of a longer one it makes a float."""

Values = Callable[[Any], Sequence[Any]]
"""Gives the values of a row, in the order of the placeholders."""


class Target(NamedTuple):
    """
    The table of an INSERT.

    Attributes:
        takes_json: the positions of the parameters that are for text or JSON.
        by_the_row: True where many rows in one statement are not the same as many statements.
        types: of the columns that are filled.
        conflict: what becomes of rows that are there already; None: they are an error.
    """

    insert: PlainInsert
    takes_json: frozenset[int]
    by_the_row: bool
    types: Sequence[Any]
    conflict: Conflict | None

    def appender(self, conn: Connection, rows: list[Any], values: Values) -> Any:
        """Give an appender of the table for *rows*; None where a statement a row has to do."""
        import duckdb

        if self.by_the_row:
            return None
        columns = self.insert.columns
        names = None if columns is None else list(map(_unquoted, columns))
        try:
            if self.conflict is None:
                return conn.appender(self.insert.table, columns=names)
            if not self.conflict.are_distinct(rows, values):
                return None
            return conn.query_appender(
                self._upsert(self.conflict), dict(zip(names or (), self.types, strict=True))
            )
        except duckdb.Error:
            return None  # a view, a generated column: the statement says what is wrong with it

    def _upsert(self, conflict: Conflict) -> str:
        table, columns = self.insert.table, ", ".join(self.insert.columns or ())
        given = f"SELECT {columns} FROM appender_data"  # noqa: S608 - the names are the statement's own
        return f"INSERT INTO {table} ({columns}) {given} {conflict.clause}"

    def values(self, rows: list[Any]) -> Values:
        """Give what makes the values to store of each of *rows*."""
        names = self.insert.names
        values = _sequence if names is None else _getter(names)
        kinds = _types_in(rows)
        if Decimal not in kinds and not any(issubclass(kind, _WANT_CARE) for kind in kinds):
            return values
        return lambda row: [
            _storable(value, takes_json=place in self.takes_json)
            for place, value in enumerate(values(row))
        ]


class Writer:
    """
    The rows of a run, by the appender where that is the same as a statement a row.

    The appender binds each value as a parameter is bound, and puts a chunk into the table by one
    statement.
    """

    def __init__(self, conn: Connection, sql: str) -> None:
        self._conn = conn
        self._sql = sql
        insert, self._clause, self._key = parted(sql)
        self._insert = plain_insert(insert, "qmark")
        self._names: frozenset[str] | None = None
        self._target: Target | None = None
        self._rows: list[Any] = []
        self._remaining: Iterator[Any] = iter(())

    def write(self, rows: list[Any]) -> None:
        self._rows = []
        if self._names is None:
            self._look()
        if self._target is not None:
            values = self._target.values(rows)
            appender = self._target.appender(self._conn, rows, values)
            if appender is not None:
                self._append(appender, rows, values)
                return
        self._conn.executemany(self._sql, list(map(self._parameters(rows), rows)))

    def culprit(self, error: BaseException) -> int | None:
        del error
        # The appender takes a row and binds it: the one it took last is the one that failed.
        position = len(self._rows) - length_hint(self._remaining) - 1
        return position if position >= 0 else None

    def _append(self, appender: Any, rows: list[Any], values: Values) -> None:
        self._rows, self._remaining = rows, iter(rows)
        try:
            appender.append_rows(map(values, self._remaining))
            self._rows = []  # the statement to come is about all rows
            appender.flush()
        except BaseException:
            appender.clear()
            raise

    def _look(self) -> None:
        statements = self._conn.extract_statements(self._sql)
        self._names = frozenset().union(*(one.named_parameters for one in statements))
        if self._insert is not None:
            self._target = _target(self._conn, self._insert, self._clause, self._key)

    def _parameters(self, rows: list[Any]) -> Callable[[Any], Any]:
        """Give what makes of a row the parameters of a statement of its own."""
        if self._target is not None:
            names, values = self._target.insert.names, self._target.values(rows)
            if names is None:
                return values
            return lambda row: dict(zip(names, values(row), strict=True))
        return self._parameters_of_any

    def _parameters_of_any(self, row: Any) -> Any:
        if isinstance(row, Mapping):
            return {name: _storable(row[name], takes_json=False) for name in self._names or ()}
        return [_storable(value, takes_json=False) for value in _sequence(row)]


def _target(
    conn: Connection, insert: PlainInsert, clause: str, key: tuple[str, ...]
) -> Target | None:
    """Give the table of *insert*; None where it has not these columns, for the statement to say."""
    import duckdb

    columns = "*" if insert.columns is None else ", ".join(insert.columns)
    try:
        types = conn.sql(f"SELECT {columns} FROM {insert.table} LIMIT 0").types  # noqa: S608 - the names are the statement's own
    except duckdb.Error:
        return None
    if len(types) != insert.width:
        return None
    takes_json = frozenset(place for place, type_ in enumerate(types) if str(type_) in _TAKE_JSON)
    name = _last_name(insert.table).lower()
    by_the_row = {row[0].lower() for row in conn.execute(_BY_THE_ROW).fetchall()}
    if not clause:
        return Target(insert, takes_json, name in by_the_row, types, None)
    known = dict(zip(insert.columns or (), types, strict=False))
    found = conflict(conn, insert, name, known, clause, key)
    return Target(insert, takes_json, found is None or name in by_the_row, types, found)


def _getter(names: tuple[str, ...]) -> Values:
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)


def _types_in(rows: list[Any]) -> set[type]:
    """Give the types of the values in *rows*."""
    try:
        return set(map(type, chain.from_iterable(map(dict.values, rows))))
    except TypeError:  # they are not all dicts
        cells = (row.values() if isinstance(row, Mapping) else row for row in rows)
        return set(map(type, chain.from_iterable(cells)))


def _sequence(row: Any) -> Sequence[Any]:
    if isinstance(row, (tuple, list)):
        return row
    if isinstance(row, (str, bytes, Mapping)):
        raise TypeError(f"a {type(row).__name__} has no values for positional placeholders")
    return tuple(row)


def _storable(value: Any, *, takes_json: bool) -> Any:
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is Decimal:
        return value if _is_bound_exactly(value) else str(value)
    if isinstance(value, RawJSON):
        return raw_text(value)
    if isinstance(value, Unreadable):
        return value.text_for("DUCKDB")
    if takes_json and isinstance(value, (dict, list, tuple)):
        return json_text(value)
    return str(value) if isinstance(value, ADDRESSES) else value


def _is_bound_exactly(value: Decimal) -> bool:
    text = str(value)  # a fifth of the time that as_tuple() takes
    if len(text) <= _MOST_DIGITS and "E" not in text:
        return True
    _, digits, exponent = value.as_tuple()
    if isinstance(exponent, str):  # NaN, infinity: floats have them too
        return True
    return max(len(digits) + max(exponent, 0), -exponent) <= _MOST_DIGITS


def _last_name(table: str) -> str:
    found = _LAST_NAME.search(table)
    return _unquoted(found[0].strip()) if found else table


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
