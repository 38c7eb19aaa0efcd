"""Dates and times of PostgreSQL in its binary form, as the text that it writes of them."""

from __future__ import annotations

import datetime as dt
from struct import unpack

DATE, TIME, TIMESTAMP, TIMESTAMPTZ, TIMETZ = 1082, 1083, 1114, 1184, 1266

_INFINITIES = {
    b"\x7f\xff\xff\xff": "infinity",
    b"\x80\x00\x00\x00": "-infinity",
    b"\x7f" + b"\xff" * 7: "infinity",
    b"\x80" + b"\x00" * 7: "-infinity",
}

_DAY = 24 * 60 * 60 * 1_000_000  # microseconds
_FIRST = dt.date(2000, 1, 1)  # day 0
_CENTURIES = 400  # years, after which the calendar repeats itself
_DAYS = 146_097  # in these


def text_of(oid: int, data: bytes) -> str | None:
    """Give *data* of the type *oid* as PostgreSQL reads it; None where it is of no such type."""
    if oid in {DATE, TIMESTAMP, TIMESTAMPTZ} and data in _INFINITIES:
        return _INFINITIES[data]
    if oid == DATE:
        (days,) = unpack("!i", data)
        return _date(days, "")
    if oid in {TIMESTAMP, TIMESTAMPTZ}:
        days, rest = divmod(unpack("!q", data)[0], _DAY)
        return _date(days, f" {_clock(rest)}{'+00' if oid == TIMESTAMPTZ else ''}")
    if oid == TIME:
        return _clock(unpack("!q", data)[0])
    if oid == TIMETZ:
        microseconds, west = unpack("!qi", data)
        return f"{_clock(microseconds)}{'-' if west > 0 else '+'}{_clock(abs(west) * 1_000_000)}"
    return None


def _date(days: int, time: str) -> str:
    repeats, days = divmod(days, _DAYS)
    date = _FIRST + dt.timedelta(days)
    year = date.year + repeats * _CENTURIES
    era = "" if year > 0 else " BC"
    return f"{year if year > 0 else 1 - year:04}-{date:%m-%d}{time}{era}"


def _clock(microseconds: int) -> str:
    seconds, fraction = divmod(microseconds, 1_000_000)
    minutes, second = divmod(seconds, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"
    return f"{text}.{fraction:06}" if fraction else text
