"""
What an array of pyodbc stores as a statement a row would.

With fast_executemany a value is made the column's type before it is sent, by rules of its own: text
for a varbinary is read as hexadecimal digits, a moment for an nvarchar loses its microseconds, a
decimal with too many digits is refused where the server rounds it.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Filled(NamedTuple):
    """
    A column that is filled, as a description has it.

    Attributes:
        kind: the type of its cells in Python.
        size: characters or digits at most.
        digits: after the point, of a second too.
    """

    kind: Any
    size: int
    digits: int


_SHORTEST_TIME = len("01:02:03")
_SHORTEST_MOMENT = len("2024-01-02 03:04:05+05:30")
_SECONDS_DIGITS = 6  # that Python has
_ANY_MOMENT = 34  # characters of a datetimeoffset(7)


def stay_the_same(rows: Sequence[Sequence[Any]], columns: Sequence[Filled]) -> bool:
    """
    Tell whether *rows* are stored in *columns* as they would be one by one.

    Raises:
        ValueError: a row has more or fewer values than another.
    """
    filled = list(zip(*rows, strict=True))
    return len(filled) == len(columns) and all(map(_column_stays, filled, columns))


def _column_stays(values: Sequence[Any], column: Filled) -> bool:
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return True
    if not kinds <= _TAKES.get(column.kind, frozenset()):
        return False
    check = _CHECKS.get(column.kind)
    return check is None or all(check(value, column) for value in values if value is not None)


_TAKES: dict[Any, frozenset[type]] = {
    int: frozenset({int}),
    bool: frozenset({bool}),
    float: frozenset({float, int}),
    Decimal: frozenset({Decimal, int}),
    str: frozenset({str}),
    bytes: frozenset({bytes}),
    dt.date: frozenset({dt.date}),
    dt.datetime: frozenset({dt.datetime}),
    dt.time: frozenset({str}),  # as text they come, and so do moments with a zone
    bytearray: frozenset({str}),
}


def _has_few_digits(value: Any, column: Filled) -> bool:
    if type(value) is int:
        return True
    return value.is_finite() and -int(value.as_tuple().exponent) <= column.digits


def _has_no_finer_seconds(value: dt.datetime, column: Filled) -> bool:
    finest = max(0, _SECONDS_DIGITS - column.digits)
    return not value.microsecond % 10**finest


def _is_whole_time(value: str, column: Filled) -> bool:
    return _SHORTEST_TIME <= len(value) <= column.size


def _is_a_moment(value: str, column: Filled) -> bool:
    return _SHORTEST_MOMENT <= len(value) <= column.size == _ANY_MOMENT


_CHECKS: dict[Any, Callable[[Any, Filled], bool]] = {
    Decimal: _has_few_digits,
    dt.datetime: _has_no_finer_seconds,
    dt.time: _is_whole_time,
    bytearray: _is_a_moment,
}
