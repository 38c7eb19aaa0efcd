"""Values for Oracle, as they are bound: what the driver refuses or would cut is made to fit."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from rowferry.databases.contract import ADDRESSES, Unreadable
from rowferry.json_text import json_text, raw_text
from rowferry.records import RawJSON

if TYPE_CHECKING:
    from rowferry.databases.contract import Parameters


class Columns(NamedTuple):
    """
    The values of some rows, by columns.

    Attributes:
        sizes: the driver's type for each column, None where it finds it itself; empty if for all.
        changed: whether any value is another one now.
    """

    values: list[Sequence[Any]]
    sizes: list[Any]
    changed: bool


def execute(cursor: Any, sql: str, parameters: Parameters) -> None:
    """Execute *sql* once."""
    by_name = isinstance(parameters, Mapping)
    given = parameters.values() if isinstance(parameters, Mapping) else parameters
    columns = bound([(value,) for value in given])
    values = [value for (value,) in columns.values]
    if not values:
        cursor.execute(sql)
    elif by_name:
        if columns.sizes:
            sizes = dict(zip(parameters, columns.sizes, strict=True))
            cursor.setinputsizes(**{name: size for name, size in sizes.items() if size})
        cursor.execute(sql, dict(zip(parameters, values, strict=True)))
    else:
        set_sizes(cursor, columns.sizes)
        cursor.execute(sql, values)


def set_sizes(cursor: Any, sizes: list[Any]) -> None:
    """Tell the driver which types to bind, by position."""
    if sizes:
        cursor.setinputsizes(*sizes)


def bound(columns: Iterable[Sequence[Any]]) -> Columns:
    """
    Give *columns* as they are to be bound.

    A datetime goes as DATE, for which an index serves, where all of its column are of whole
    seconds, else as TIMESTAMP; one with a zone in UTC, as the driver sends its clock and not its
    zone. Floats that are no numbers go as BINARY_DOUBLE. What Oracle has no type for goes as text.
    """
    given = list(columns)
    pairs = list(map(_column, given))
    sizes = [size for _, size in pairs]
    values = [values for values, _ in pairs]
    changed = any(new is not old for new, old in zip(values, given, strict=True))
    return Columns(values, sizes if any(sizes) else [], changed)


def _column(values: Sequence[Any]) -> tuple[Sequence[Any], Any]:
    kinds = set(map(type, values)) - _AS_THEY_ARE
    if not kinds:
        return values, None
    if kinds <= {float}:
        return values, _type("BINARY_DOUBLE") if _has_no_numbers(values) else None
    if any(issubclass(kind, dt.datetime) for kind in kinds):
        return _moments(values)
    return list(map(_value, values)), None


def _has_no_numbers(values: Sequence[Any]) -> bool:
    return all(value is None or isinstance(value, float) for value in values) and not all(
        value is None or math.isfinite(value) for value in values
    )


def _moments(values: Sequence[Any]) -> tuple[Sequence[Any], Any]:
    moments = [value for value in values if isinstance(value, dt.datetime)]
    if any(moment.tzinfo is not None for moment in moments):
        return list(map(_in_utc, values)), _type("TIMESTAMP_TZ")
    if any(moment.microsecond for moment in moments):
        return values, _type("TIMESTAMP")
    return values, None


def _in_utc(value: Any) -> Any:
    aware = isinstance(value, dt.datetime) and value.tzinfo is not None
    return value.astimezone(dt.UTC) if aware else value


def _value(value: Any) -> Any:
    convert = _CONVERT.get(type(value))
    return value if convert is None else convert(value)


_AS_THEY_ARE = {int, str, bytes, type(None), Decimal, dt.date, dt.timedelta}

_CONVERT: dict[type, Callable[[Any], Any]] = {
    bool: int,  # BOOLEAN came with Oracle Database 23ai, which takes 0 and 1 as well
    bytearray: bytes,
    memoryview: bytes,
    dt.time: dt.time.isoformat,
    UUID: str,
    RawJSON: raw_text,
    **dict.fromkeys((dict, list, tuple), json_text),
    **dict.fromkeys(ADDRESSES, str),
    Unreadable: lambda value: value.text_for("ORACLE"),
}


def _type(name: str) -> Any:
    import oracledb

    return getattr(oracledb, f"DB_TYPE_{name}")
