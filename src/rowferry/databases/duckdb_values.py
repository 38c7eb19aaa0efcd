"""Values of DuckDB that its driver reads as something else, or not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from rowferry import sql as sql_text
from rowferry.databases.contract import Unreadable
from rowferry.records import RawJSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Convert = Callable[[Any], Any]
"""Makes a cell of what the driver gives, which is never None."""

_INTEGERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
)
_NAIVE = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
_AWARE = "TIMESTAMP WITH TIME ZONE"

_KINDS: dict[str, type] = {
    **dict.fromkeys(_INTEGERS, int),
    **dict.fromkeys(_NAIVE, dt.datetime),
    _AWARE: dt.datetime,
    "BOOLEAN": bool,
    "FLOAT": float,
    "DOUBLE": float,
    "VARCHAR": str,
    "DATE": dt.date,
    "TIME": dt.time,
    "INTERVAL": dt.timedelta,
    "UUID": UUID,
}
"""The Python types of cells that Python can hold."""

_TEMPORAL = {*_NAIVE, _AWARE, "DATE", "TIME", "TIME WITH TIME ZONE", "TIME_NS", "INTERVAL"}
"""Types of which Python cannot hold all values; the driver then gives most of them as text."""

_NESTED = {"list", "array", "struct", "tuple", "map", "union"}
_UNREAD = {_AWARE, "INTERVAL"}
"""Types of which the driver cannot read a value without failing the others: these become text."""


class Column(NamedTuple):
    """A column of a query: its name, and its type as DuckDB has it."""

    name: str
    type: Any


def kinds_of(columns: Iterable[Column]) -> dict[str, type] | None:
    """Give the Python type of each column's cells; None where one of them is not fixed."""
    kinds = {
        column.name: Decimal if column.type.id == "decimal" else _KINDS.get(str(column.type))
        for column in columns
    }
    fixed = {name: kind for name, kind in kinds.items() if kind is not None}
    return fixed if len(fixed) == len(kinds) else None


def readable(sql: str, columns: Sequence[Column]) -> str:
    """
    Give the query of the same rows whose cells the driver reads without changing them.

    By itself it reads infinity as the last day of the year 9999, and fails at a timestamp with a
    time zone (without pytz) and at an interval that is too long. Texts stand for what Python cannot
    hold, as DuckDB writes them.
    """
    cells = [_readable_cell(f"#{number}", column) for number, column in enumerate(columns, 1)]
    if all(cell is None for cell in cells):
        return sql
    listed = ", ".join(
        f"{cell or f'#{number}'} AS {_alias(column.name)}"
        for number, (cell, column) in enumerate(zip(cells, columns, strict=True), 1)
    )
    return f"SELECT {listed} FROM (\n{sql}\n) q"  # noqa: S608 - the query is the user's own


def converters(columns: Sequence[Column], *, tolerant: bool, unread: bool) -> dict[int, Convert]:
    """Give what is left to do with the cells of *columns* that were read readably, by position."""
    found: dict[int, list[Convert]] = {}
    for number, column in enumerate(columns):
        name = str(column.type)
        steps: list[Convert] = [_in_utc] if name == _AWARE else []
        if tolerant and name in _TEMPORAL:
            steps.append(partial(_no_text, name))
        if unread and name == "JSON":
            steps.append(RawJSON)
        if steps:
            found[number] = steps
    return {number: _all_of(steps) for number, steps in found.items()}


def converted(rows: list[tuple[Any, ...]], convert: dict[int, Convert]) -> list[tuple[Any, ...]]:
    """Give *rows* with some columns converted."""
    if not convert or not rows:
        return rows
    columns: list[Any] = list(zip(*rows, strict=True))
    for number, function in convert.items():
        columns[number] = [None if cell is None else function(cell) for cell in columns[number]]
    return list(zip(*columns, strict=True))


def _readable_cell(cell: str, column: Column) -> str | None:
    name = str(column.type)
    if name == _AWARE:
        naive = f"make_timestamp(epoch_us({cell}))"
        return _value_or_text(f"isfinite({cell})", naive, "TIMESTAMP", cell)
    if name == "DATE" or name in _NAIVE:
        return _value_or_text(f"isfinite({cell})", cell, name, cell)
    if name == "INTERVAL":
        days = dt.timedelta.max.days
        fits = f"{cell} BETWEEN INTERVAL '-{days} days' AND INTERVAL '{days} days'"
        return _value_or_text(fits, cell, name, cell)
    if column.type.id in _NESTED and _holds_unread(column.type):
        return f"{cell}::{_without_unread(column.type)}"
    return None


def _value_or_text(condition: str, value: str, name: str, cell: str) -> str:
    """Give an expression for *value* where *condition* holds, else for *cell* as text."""
    either = f"UNION(v {name}, t VARCHAR)"
    return f"CASE WHEN {condition} THEN {value}::{either} ELSE {cell}::VARCHAR::{either} END"


def _alias(name: str) -> str:
    return sql_text.double_quoted(name)


def _holds_unread(type_: Any) -> bool:
    if type_.id in _NESTED:
        return any(_holds_unread(child) for _, child in _children(type_))
    return str(type_) in _UNREAD


def _without_unread(type_: Any) -> str:
    """Give the type that is as *type_*, but has text where the driver cannot read."""
    if type_.id not in _NESTED:
        return "VARCHAR" if str(type_) in _UNREAD else str(type_)
    parts = [(name, _without_unread(child)) for name, child in _children(type_)]
    if type_.id == "list":
        return f"{parts[0][1]}[]"
    if type_.id == "array":
        return f"{parts[0][1]}[{dict(type_.children)['size']}]"
    if type_.id in {"map", "tuple"}:
        return f"{type_.id.upper()}({', '.join(inner for _, inner in parts)})"
    fields = ", ".join(f"{_alias(name)} {inner}" for name, inner in parts)
    return f"{type_.id.upper()}({fields})"


def _children(type_: Any) -> list[tuple[str, Any]]:
    """Give the types within *type_*, without an array's size and a union's tag."""
    return [
        (name, child)
        for name, child in type_.children
        if not isinstance(child, int) and (name or type_.id != "union")
    ]


def _in_utc(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=dt.UTC)
    return value if value.endswith("infinity") else f"{value}+00"


def _no_text(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return Unreadable(value, f"Python has no such {name}")
    return value


def _all_of(steps: list[Convert]) -> Convert:
    if len(steps) == 1:
        return steps[0]
    first, second = steps
    return lambda value: second(first(value))
