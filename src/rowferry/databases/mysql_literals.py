"""
Values as SQL text: MySQL's drivers put them into the statement.

Both drivers write an object that they do not know as its `str()`, drop the offset of an aware
datetime, and refuse dicts or take them for something else. So here is a closed list of types, in
front of what the driver does with text and with types that its user registered.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, TypeAlias
from uuid import UUID

from rowferry.databases.contract import ADDRESSES, Unreadable
from rowferry.json_text import json_text, raw_text
from rowferry.records import RawJSON

Writer: TypeAlias = Callable[[Any], bytes]
"""Gives a value as SQL."""

_RANGE = range(1970, 2038)
"""Years in which MySQL converts between time zones; elsewhere CONVERT_TZ gives back what it got."""


class Literals(dict[type, Writer]):
    """
    Makes literals of values: a function for each type, looked up by type.

    Args:
        quote, binary: the driver's, for text and for bytes; quotes included.
        known: writers for the types that the driver's user has registered.
        zone: gives the offset of the session, or None where it has none that is always the same.
        lists: how to write lists and tuples, where that is not `(1, 2)`, as `IN %s` needs.
    """

    def __init__(
        self,
        *,
        quote: Callable[[str], bytes],
        binary: Callable[[bytes], bytes],
        known: Mapping[type, Writer],
        zone: Callable[[], dt.timezone | None],
        lists: Callable[[Any], str] | None = None,
    ) -> None:
        self._quote, self._zone = quote, zone
        in_list = self._in_brackets if lists is None else lambda value: quote(lists(value))
        super().__init__(
            {
                type(None): lambda _: b"NULL",
                bool: lambda value: b"1" if value else b"0",
                int: lambda value: b"%d" % value,
                float: _float,
                Decimal: _decimal,
                str: quote,
                bytes: binary,
                bytearray: lambda value: binary(bytes(value)),
                memoryview: lambda value: binary(value.tobytes()),
                dt.datetime: self._datetime,
                dt.date: lambda value: b"'%s'" % value.isoformat().encode(),
                dt.time: _time,
                dt.timedelta: _timedelta,
                UUID: _as_text,
                **dict.fromkeys(ADDRESSES, _as_text),
                Unreadable: lambda value: quote(value.text_for("MYSQL")),
                dict: lambda value: quote(json_text(value)),
                RawJSON: lambda value: quote(raw_text(value)),
                set: self._set,
                frozenset: self._set,
                list: in_list,
                tuple: in_list,
                **known,
            }
        )

    def __missing__(self, kind: type) -> Writer:
        for base in kind.__mro__:
            if base in self:
                self[kind] = self[base]
                return self[base]
        if issubclass(kind, Mapping):
            return lambda value: self[dict](dict(value))
        raise TypeError(f"a value of type {kind.__name__} has no place in MySQL: make it text")

    def literal(self, value: Any) -> bytes:
        """Give *value* as SQL."""
        return self[type(value)](value)

    def row(self, cells: Sequence[Any]) -> bytes:
        """Give *cells* as SQL, `(1,'a')`."""
        return b"(%s)" % b",".join([self[type(cell)](cell) for cell in cells])

    def _datetime(self, value: dt.datetime) -> bytes:
        """Write a moment as the session's wall clock shows it, and a wall clock as it is."""
        if value.tzinfo is None:
            return b"'%s'" % value.isoformat(" ").encode()
        zone = self._zone()
        if zone is not None:
            return self._datetime(value.astimezone(zone).replace(tzinfo=None))
        utc = value.astimezone(dt.UTC).replace(tzinfo=None)
        if utc.year not in _RANGE:
            raise ValueError(
                f"MySQL converts time zones only from 1970 to 2037, not at {value}: "
                "SET time_zone = '+00:00' first, or give it without an offset"
            )
        return b"CONVERT_TZ(%s, '+00:00', @@session.time_zone)" % self._datetime(utc)

    def _set(self, value: Any) -> bytes:
        return self._quote(",".join(sorted(value)))

    def _in_brackets(self, value: Sequence[Any]) -> bytes:
        return self.row(value)


def _float(value: float) -> bytes:
    if not isfinite(value):
        raise ValueError(f"MySQL has no {value}")
    text = float.__repr__(value).encode()
    return text if b"e" in text else text + b"e0"  # else it would be a decimal


def _decimal(value: Decimal) -> bytes:
    if not value.is_finite():
        raise ValueError(f"MySQL has no {value}")
    return f"{value:f}".encode()


def _time(value: dt.time) -> bytes:
    if value.tzinfo is not None:
        raise ValueError(f"MySQL has no time of day with an offset, such as {value}")
    return b"'%s'" % value.isoformat().encode()


def fixed_zone(session: str, system: str) -> dt.timezone | None:
    """Give the offset that @@time_zone *session* names, *system* being @@system_time_zone."""
    name = system if session == "SYSTEM" else session
    if name in {"UTC", "GMT", "Etc/UTC"}:
        return dt.UTC
    if name[:1] not in {"+", "-"}:
        return None
    hours, minutes = name[1:].split(":")
    offset = dt.timedelta(hours=int(hours), minutes=int(minutes))
    return dt.timezone(-offset if name[0] == "-" else offset)


def _timedelta(value: dt.timedelta) -> bytes:
    """Write *value* as a TIME, whose hours go past 24."""
    sign = "-" if value < dt.timedelta() else ""
    value = abs(value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    hours += value.days * 24
    return f"'{sign}{hours:02}:{minutes:02}:{seconds:02}.{value.microseconds:06}'".encode()


def _as_text(value: object) -> bytes:
    """Write what is plain ASCII without a quote when it is shown."""
    return b"'%s'" % str(value).encode()
