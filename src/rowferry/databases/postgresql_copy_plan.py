"""
Whether COPY stores the same as INSERT would, decided for a chunk by the types of its values.

INSERT gives a value its PostgreSQL type first and casts that to the column's; COPY has the column's
type read the value's text, or its bytes. Pairs of types for which these are known to come to the
same are listed here; everything else goes by INSERT. One difference is left: a number with more
than 16383 digits after the point is refused by INSERT, but COPY rounds it for numeric(10,2).
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from math import isfinite
from operator import attrgetter, itemgetter
from struct import pack, unpack
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from rowferry.records import RawJSON

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BOOL, BYTEA, INT8, INT2, INT4, TEXT = 16, 17, 20, 21, 23, 25
JSON, FLOAT4, FLOAT8, BPCHAR, VARCHAR = 114, 700, 701, 1042, 1043
DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL, TIMETZ = 1082, 1083, 1114, 1184, 1186, 1266
NUMERIC, UUID_, JSONB = 1700, 2950, 3802


class Target(NamedTuple):
    """
    A column to copy into.

    Attributes:
        oid: of its type; of the type below it where it is a domain.
        is_domain: binary COPY is left alone then.
        is_sized: it is declared with a modifier, as numeric(10,2) is.
    """

    oid: int
    is_domain: bool
    is_sized: bool


class Plan(NamedTuple):
    """
    How to copy a chunk.

    Attributes:
        binary: else as text.
        rows: of values that mean the same either way.
    """

    binary: bool
    rows: Sequence[Sequence[Any]]


_EXACT: dict[int, type] = {
    BOOL: bool,
    BYTEA: bytes,
    INT2: int,
    INT4: int,
    INT8: int,
    TEXT: str,
    VARCHAR: str,
    FLOAT4: float,
    FLOAT8: float,
    DATE: dt.date,
    TIME: dt.time,
    TIMESTAMP: dt.datetime,
    TIMESTAMPTZ: dt.datetime,
    NUMERIC: Decimal,
    UUID_: UUID,
}
"""The Python type whose binary form is the column's own."""

_LEAST_REAL, _LARGEST_REAL = 2.0**-149, (2 - 2**-23) * 2.0**127
"""Of what lies beyond them psycopg makes 0 or infinity, where a cast is refused."""

_FARTHEST = dt.timedelta(hours=15, minutes=59, seconds=59)
"""The farthest offset that the text of a timestamptz can have, in whole seconds."""

_SAME_AS_TEXT: dict[int, frozenset[type]] = {
    BOOL: frozenset({bool}),
    BYTEA: frozenset({bytes}),
    INT2: frozenset({int}),
    INT4: frozenset({int}),
    INT8: frozenset({int}),
    TEXT: frozenset({int}),
    VARCHAR: frozenset({int}),
    FLOAT4: frozenset({int, float}),
    FLOAT8: frozenset({int, float}),  # numeric has no -0
    DATE: frozenset({dt.date}),
    TIME: frozenset({dt.time}),
    TIMESTAMP: frozenset({dt.date, dt.datetime}),
    TIMESTAMPTZ: frozenset({dt.date, dt.datetime}),
    INTERVAL: frozenset({dt.timedelta}),
    NUMERIC: frozenset({int, float, Decimal}),
    UUID_: frozenset({UUID}),
    JSON: frozenset({dict, list, RawJSON}),
    JSONB: frozenset({dict, list, RawJSON}),
}
"""Types whose text the column reads as their cast would give it; str is read so by any column."""

_SIZED = (frozenset(_SAME_AS_TEXT) | {BPCHAR, TIMETZ}) - {INTERVAL}
"""Types that refuse and round by a modifier as their casts do; bit(3) and interval hour do not."""


def plan(
    rows: Sequence[Sequence[Any]], targets: Sequence[Target], is_usual: Callable[[type], bool]
) -> Plan | None:
    """
    Say how to copy *rows*; None where COPY might store something else than INSERT.

    Args:
        rows: of as many values as there are targets.
        is_usual: whether the driver writes values of a type as it does by default.
    """
    if any(
        (target.is_sized or target.is_domain) and target.oid not in _SIZED for target in targets
    ):
        return None
    # A third of the time that zip(*rows) takes, which has as many arguments as there are rows.
    columns = [list(map(itemgetter(place), rows)) for place in range(len(targets))]
    cells = [_Cells.of(column) for column in columns]
    if not all(map(is_usual, set().union(*(cell.kinds for cell in cells)))):
        return None
    filled = list(zip(cells, targets, strict=True))
    if all(_is_exact(cell, target) for cell, target in filled):
        return Plan(binary=True, rows=rows)
    if not all(_is_same_as_text(cell, target) for cell, target in filled):
        return None
    texts = [_text_for(cell, target) for cell, target in filled]
    if not any(texts):
        return Plan(binary=False, rows=rows)
    columns = list(map(_written, cells, columns, texts))
    return Plan(binary=False, rows=list(zip(*columns, strict=True)))


class _Cells(NamedTuple):
    """
    The values of a column, without those that are NULL.

    Attributes:
        kinds: their types.
    """

    values: Sequence[Any]
    kinds: set[type]

    @classmethod
    def of(cls, column: Sequence[Any]) -> _Cells:
        kinds = set(map(type, column))
        if NoneType not in kinds:
            return cls(column, kinds)
        return cls([value for value in column if value is not None], kinds - {NoneType})

    @property
    def awareness(self) -> set[bool]:
        """Which of the times have a zone: some, none, or both."""
        if self.kinds <= {dt.datetime} or self.kinds <= {dt.time}:
            return {zone is not None for zone in set(map(_zone, self.values))}
        kinds = (dt.datetime, dt.time)
        return {value.tzinfo is not None for value in self.values if isinstance(value, kinds)}


_zone = attrgetter("tzinfo")


def _is_exact(cells: _Cells, target: Target) -> bool:
    oid = target.oid
    if target.is_domain or oid not in _EXACT or not cells.kinds <= {_EXACT[oid]}:
        return False
    fits = _FITS.get(oid)
    return not cells.values or fits is None or fits(cells)


def _within(end: int) -> Callable[[_Cells], bool]:
    return lambda cells: bool(-end <= min(cells.values) and max(cells.values) < end)


def _are_reals(cells: _Cells) -> bool:
    return all(map(_is_real, cells.values))


def _is_real(value: float) -> bool:
    return not value or not isfinite(value) or _LEAST_REAL <= abs(value) <= _LARGEST_REAL


def _are_decimals(cells: _Cells) -> bool:
    return not any(map(Decimal.is_nan, cells.values))  # -NaN is refused, but not in binary


def _are_naive(cells: _Cells) -> bool:
    return cells.awareness == {False}


def _are_aware(cells: _Cells) -> bool:
    return cells.awareness == {True}


_FITS: dict[int, Callable[[_Cells], bool]] = {
    # psycopg packs a number into the bytes of its column without a look at its size.
    INT2: _within(2**15),
    INT4: _within(2**31),
    INT8: _within(2**63),
    FLOAT4: _are_reals,
    NUMERIC: _are_decimals,
    TIME: _are_naive,
    TIMESTAMP: _are_naive,
    TIMESTAMPTZ: _are_aware,
}
"""What else has to hold of the values of a column whose Python type is exact."""


def _is_same_as_text(cells: _Cells, target: Target) -> bool:
    if not cells.kinds - {str} <= _SAME_AS_TEXT.get(target.oid, frozenset()):
        return False
    if target.oid == TIMESTAMPTZ:
        return all(map(_has_text_of_offset, cells.values))
    # A timestamp's text ignores an offset, where a cast would go by it.
    return target.oid not in {TIMESTAMP, TIME} or True not in cells.awareness


def _has_text_of_offset(value: Any) -> bool:
    offset = value.utcoffset() if isinstance(value, dt.datetime) else None
    return offset is None or (abs(offset) <= _FARTHEST and not offset.microseconds)


# PostgreSQL's cast of a float to numeric takes 15 digits (DBL_DIG), its text has up to 17.
_as_numeric = "%.15g".__mod__


def _as_real(value: float) -> str:
    # The cast rounds the number, where reading would round its text.
    return f"{unpack('f', pack('f', value))[0]:.9g}" if _is_real(value) else repr(value)


class _Text(NamedTuple):
    """
    How values of a type are written for a column.

    Attributes:
        of: the type.
        give: makes text of a value.
    """

    of: type
    give: Callable[[Any], str]


_TEXTS: dict[int, _Text] = {
    NUMERIC: _Text(float, _as_numeric),
    FLOAT4: _Text(float, _as_real),
    JSON: _Text(list, json.dumps),
    JSONB: _Text(list, json.dumps),
}
"""Texts that a column reads as INSERT would store the value, where psycopg's own are not so."""


def _text_for(cells: _Cells, target: Target) -> _Text | None:
    text = _TEXTS.get(target.oid)
    return text if text and text.of in cells.kinds else None


def _written(cells: _Cells, column: list[Any], text: _Text | None) -> list[Any]:
    if text is None:
        return column
    if cells.values is column and cells.kinds == {text.of}:
        return list(map(text.give, column))
    return [text.give(value) if type(value) is text.of else value for value in column]
