"""
Values of PostgreSQL that nobody looks at on their way: as the server writes them.

psycopg and psycopg2 make 30 days of an interval's month, and objects of ranges that no other
database takes; psycopg2 makes midnight of 24:00, and the calendar's last day of infinity.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rowferry.databases.postgresql_values import raw_json_loaders

if TYPE_CHECKING:
    from collections.abc import Callable

_INTERVAL, _INTERVALS = 1186, 1187
_RANGES = (
    *("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"),
    *("int4multirange", "int8multirange", "nummultirange"),
    *("tsmultirange", "tstzmultirange", "datemultirange"),
)
_PSYCOPG2_RANGES = (3904, 3906, 3908, 3910, 3912, 3926)


@lru_cache(maxsize=1)
def wanted_as_text() -> frozenset[int]:
    """Give the types that psycopg is to read as text, where nobody looks at them."""
    from psycopg.postgres import types

    found = [types[name] for name in ("interval", *_RANGES)]
    return frozenset(oid for type_ in found for oid in (type_.oid, type_.array_oid))


@lru_cache(maxsize=8)
def unread_loaders(encoding: str) -> tuple[tuple[str, type], ...]:
    """Give psycopg's loaders of what nobody looks at: JSON unparsed, all else as text or right."""
    from psycopg.types.datetime import IntervalLoader
    from psycopg.types.string import TextLoader

    class Interval(IntervalLoader):
        def load(self, data: Any) -> Any:
            text = bytes(data).decode()
            return text if _has_months(text) else super().load(data)

    ranges: tuple[tuple[str, type], ...] = tuple((name, TextLoader) for name in _RANGES)
    return (*raw_json_loaders(encoding), ("interval", Interval), *ranges)


@lru_cache(maxsize=1)
def psycopg2_unread() -> tuple[Any, ...]:
    """Give psycopg2's types of interval and ranges for values that nobody looks at."""
    from psycopg2.extensions import (
        UNICODE,
        new_array_type,
        new_type,
        string_types,
    )

    default: Callable[[str | None, Any], Any] = string_types[_INTERVAL]

    def interval(value: str | None, cursor: Any) -> Any:
        return value if value and _has_months(value) else default(value, cursor)

    one = new_type((_INTERVAL,), "ROWFERRY_INTERVAL", interval)
    return (
        one,
        new_array_type((_INTERVALS,), "ROWFERRY_INTERVALS", one),
        new_type(_PSYCOPG2_RANGES, "ROWFERRY_RANGE", UNICODE),
    )


def _has_months(interval: str) -> bool:
    return "mon" in interval or "year" in interval
