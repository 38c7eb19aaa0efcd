"""
The types of whole columns of values, for mssql-python's arrays.

By itself it looks at one value of each column, and binds the others as that one's type: letters
beyond ASCII become question marks, decimals lose their fractions, dates their time. So the types
are told, and only to columns whose values are all of one type; other rows go one by one.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Size: TypeAlias = tuple[int, int, int]
"""ODBC's number of a type, the length or digits of its values, the digits after the point."""

_INTEGER: Size = (-5, 19, 0)
_DATETIME: Size = (93, 27, 7)
_DATETIMEOFFSET: Size = (-155, 34, 7)
_DECIMAL, _TEXT, _BINARY = 3, -9, -3
_FIXED: dict[type, Size] = {
    bool: (-7, 1, 0),
    float: (8, 15, 0),
    dt.date: (91, 10, 0),
    UUID: (-11, 16, 0),
}
"""Source of the numbers: sql.h and sqlext.h of ODBC, msodbcsql.h."""

_LARGEST = 2**63
_MOST_DIGITS = 38
_LONGEST_TEXT = 4000  # UTF-16 units
_LONGEST_BINARY = 8000

OF_TYPES: dict[type, Size] = {
    **_FIXED,
    int: _INTEGER,
    str: (_TEXT, 1, 0),
    bytes: (_BINARY, 1, 0),
    Decimal: (_DECIMAL, 18, 0),
    dt.datetime: _DATETIME,
    dt.time: (_TEXT, 1, 0),
}
"""What NULL is sent as into a column of this type."""


def sizes(
    rows: Sequence[Sequence[Any]], of_nulls: Callable[[int], Size | None]
) -> list[Size] | None:
    """
    Give the types of the columns of *rows*; None where one column has no single type.

    Args:
        of_nulls: gives the type for a column of NULLs alone, by its position.

    Raises:
        ValueError: a row has more or fewer values than another.
    """
    found = []
    for position, column in enumerate(zip(*rows, strict=True)):
        values = [value for value in column if value is not None]
        size = _size(values) if values else of_nulls(position)
        if size is None:
            return None
        found.append(size)
    return found


def _size(values: list[Any]) -> Size | None:
    kinds = set(map(type, values))
    if len(kinds) > 1:
        return None
    (kind,) = kinds
    sized = _SIZED.get(kind)
    return sized(values) if sized else _FIXED.get(kind)


def _of_integers(values: list[int]) -> Size | None:
    return _INTEGER if min(values) >= -_LARGEST and max(values) < _LARGEST else None


def _of_texts(values: list[str]) -> Size | None:
    text = "".join(values)
    if "\0" in text:
        return None  # in an array it would end the text
    longest = max(map(len, values))
    if not text.isascii():
        longest = max(len(value.encode("utf-16-le", "surrogatepass")) for value in values) // 2
    return (_TEXT, max(longest, 1), 0) if longest <= _LONGEST_TEXT else None


def _of_bytes(values: list[bytes]) -> Size | None:
    longest = max(map(len, values))
    return (_BINARY, max(longest, 1), 0) if longest <= _LONGEST_BINARY else None


def _of_decimals(values: list[Decimal]) -> Size | None:
    if not all(map(Decimal.is_finite, values)):
        return None
    scale = max(0, *(-int(value.as_tuple().exponent) for value in values), 0)
    whole = max(value.adjusted() + 1 for value in values)
    # They are sent as text, and the driver wants room for the sign and the point as well.
    digits = max(whole + scale, *(len(format(value, "f")) for value in values), 1)
    return (_DECIMAL, digits, scale) if digits <= _MOST_DIGITS else None


def _of_datetimes(values: list[dt.datetime]) -> Size | None:
    zoned = {value.tzinfo is not None for value in values}
    if len(zoned) > 1:
        return None
    return _DATETIMEOFFSET if zoned == {True} else _DATETIME


_SIZED: dict[type, Callable[[list[Any]], Size | None]] = {
    int: _of_integers,
    str: _of_texts,
    bytes: _of_bytes,
    Decimal: _of_decimals,
    dt.datetime: _of_datetimes,
}
