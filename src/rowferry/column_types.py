"""Types of columns in words that every database has its own names for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

from rowferry.records import RawJSON

Kind: TypeAlias = Literal[
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "decimal",
    "real",
    "double",
    "text",
    "binary",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
    "json",
    "uuid",
]
"""What a column holds. Integers have 16, 32 and 64 bits, real and double 32 and 64."""


class ColumnType(NamedTuple):
    """
    What a column holds, whichever database it is in.

    Attributes:
        size: characters of a text, digits of a decimal, at most; None where there is no bound.
        scale: digits after the point of a decimal; None where they vary.
    """

    kind: Kind
    size: int | None = None
    scale: int | None = None


TEXT = ColumnType("text")

_LARGEST = 2**63

_OF_PYTHON: dict[type, Kind] = {
    bool: "boolean",
    int: "bigint",
    Decimal: "decimal",
    float: "double",
    str: "text",
    bytes: "binary",
    bytearray: "binary",
    memoryview: "binary",
    dt.date: "date",
    dt.time: "time",
    dt.timedelta: "interval",
    dict: "json",
    list: "json",
    RawJSON: "json",
    UUID: "uuid",
}

_BOTH: dict[frozenset[Kind], Kind] = {
    frozenset({"bigint", "decimal"}): "decimal",
    frozenset({"bigint", "double"}): "double",
    frozenset({"date", "timestamp"}): "timestamp",
    frozenset({"date", "timestamptz"}): "timestamptz",
}
"""What holds the values of either kind; any other mixture is kept as text."""


def of_values(values: Iterable[Any]) -> ColumnType:
    """Give what can hold all *values*; text where there are none but None, or all sorts."""
    found: Kind | None = None
    for kind in {_kind_of(value) for value in values if value is not None}:
        found = kind if found is None else _BOTH.get(frozenset({found, kind}), "text")
    return ColumnType(found or "text")


def _kind_of(value: Any) -> Kind:
    if isinstance(value, dt.datetime):
        return "timestamp" if value.tzinfo is None else "timestamptz"
    if type(value) is int and not -_LARGEST <= value < _LARGEST:
        return "decimal"
    for kind in type(value).__mro__:
        if kind in _OF_PYTHON:
            return _OF_PYTHON[kind]
    return "json" if isinstance(value, Mapping) else "text"
