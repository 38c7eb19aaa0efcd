"""Values for SQL Server's drivers, and which of a mapping's fills which placeholder."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from rowferry.databases.contract import ADDRESSES, Unreadable
from rowferry.json_text import json_text, raw_text
from rowferry.records import RawJSON
from rowferry.sql import plain_insert

if TYPE_CHECKING:
    from rowferry.databases.contract import Parameters

Written = Mapping[type, Callable[[Any], Any]]
"""By exact type of a value, what makes of it what the driver can bind without loss."""


def _zoned(value: dt.datetime) -> Any:
    return value if value.tzinfo is None else value.isoformat(sep=" ")


WRITTEN: Written = {
    RawJSON: raw_text,
    **dict.fromkeys(ADDRESSES, str),
    Unreadable: lambda value: value.text_for("MSSQL"),
    **dict.fromkeys((dict, list, tuple), json_text),
    **dict.fromkeys((bytearray, memoryview), bytes),
    dt.timedelta: str,
    dt.time: dt.time.isoformat,  # which both drivers would bind without its fractions
}

WRITTEN_BY_PYODBC: Written = {
    **WRITTEN,
    dt.datetime: _zoned,  # it would drop the zone in silence
    # As text, for its columns look like text, and are compared as text (`key_expressions`).
    UUID: lambda value: str(value).upper(),
}


def writable(rows: list[Any], written: Written) -> list[Any]:
    """Give *rows* with values that the driver can bind."""
    if not written.keys() & set(map(type, chain.from_iterable(rows))):
        return rows
    same = lambda value: value  # noqa: E731 - it is nothing
    return [tuple(written.get(type(value), same)(value) for value in row) for row in rows]


class Target(NamedTuple):
    """
    The table that a statement inserts into, and what fills its placeholders.

    Attributes:
        table: as it stands in the statement.
        columns: their names, one for each placeholder; None where the statement names none.
        plain: True of a plain INSERT, False of a MERGE.
    """

    table: str
    columns: tuple[str, ...] | None
    plain: bool

    @property
    def columns_query(self) -> str:
        """The query of these columns that has no row."""
        columns = "*" if self.columns is None else ", ".join(map(quoted, self.columns))
        return f"SELECT {columns} FROM {self.table} WHERE 1 = 0"  # noqa: S608 - the statement's own names


def target(sql: str) -> Target | None:
    """Read a plain INSERT, or a `merge`; None where *sql* is anything else."""
    found = _MERGE.match(sql)
    if found is not None:
        return Target(found[1], tuple(found[2].split(", ")), plain=False)
    insert = plain_insert(sql, "qmark")
    if insert is None or insert.names is not None:
        return None
    columns = insert.columns and tuple(map(_unquoted, insert.columns))
    return Target(insert.table, columns, plain=True)


_MERGE = re.compile(
    r"MERGE INTO (\S+) WITH \(HOLDLOCK\) AS old\nUSING [^\n]* AS new \(([^()]*)\)\n"
)


def merge(
    table: str,
    columns: Sequence[str],
    placeholders: Sequence[str],
    key: Sequence[str],
    *,
    update: bool,
) -> str:
    """Give the statement that inserts a row, or skips or updates the one whose *key* is there."""
    new = [f"{column} = new.{column}" for column in columns if column not in key]
    same = " AND ".join(f"old.{column} = new.{column}" for column in key)
    updated = [f"WHEN MATCHED THEN UPDATE SET {', '.join(new)}"] if update and new else []
    names = ", ".join(columns)
    values = ", ".join(f"new.{column}" for column in columns)
    return "\n".join(
        (
            # HOLDLOCK, for else two sessions can both find no row and both insert it.
            f"MERGE INTO {table} WITH (HOLDLOCK) AS old",
            f"USING (VALUES ({', '.join(placeholders)})) AS new ({names})",
            f"ON {same}",
            *updated,
            f"WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values});",  # noqa: S608 - names that were checked
        )
    )


def quoted(name: str) -> str:
    """Give *name* in brackets."""
    return f"[{name.replace(']', ']]')}]"


def _unquoted(name: str) -> str:
    if name[0] == "[":
        return name[1:-1].replace("]]", "]")
    return name[1:-1].replace('""', '"') if name[0] == '"' else name


_NO_NAMES = (
    "the placeholders of SQL Server have no names: give a tuple or a list, in their order; a "
    "mapping goes with a plain INSERT INTO table (columns) VALUES (?, …), or has one value"
)


def in_order(rows: list[Any], columns: Sequence[str] | None) -> list[Any]:
    """
    Give *rows* as sequences: of a mapping the values of *columns*.

    Raises:
        ValueError: a mapping of several values where no names of columns are known.
        KeyError: a mapping lacks one.
    """
    if not any(isinstance(row, Mapping) for row in rows):
        return rows
    if columns is not None and len(columns) > 1:
        values: Callable[[Any], Any] = itemgetter(*columns)
    elif columns is not None:
        (column,) = columns
        values = lambda row: (row[column],)  # noqa: E731 - like the others
    else:
        values = _only_value
    return [values(row) if isinstance(row, Mapping) else row for row in rows]


def _only_value(row: Mapping[str, Any]) -> tuple[Any, ...]:
    if len(row) > 1:
        raise ValueError(_NO_NAMES)
    return tuple(row.values())


def values_of(parameters: Parameters, written: Written) -> Sequence[Any]:
    """
    Give what fills the placeholders of a statement, in order.

    Raises:
        ValueError: *parameters* is a mapping of several values.
    """
    (values,) = writable(in_order([parameters], None), written)
    return tuple(values)
