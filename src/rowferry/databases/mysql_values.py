"""Cells of MySQL and MariaDB that their drivers give as text, as bytes, or as nothing at all."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from rowferry.databases.contract import Unreadable
from rowferry.records import RawJSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rowferry.databases.contract import Reading

Loader: TypeAlias = "Callable[[Any], Any]"
"""Makes a cell of the text, or the bytes, that the server sent."""

DATE, TIMESTAMP, DATETIME, TIME, BIT, JSON, GEOMETRY = 10, 7, 12, 11, 16, 245, 255
"""The protocol's numbers of types. Source: include/mysql/client_protocol of either server."""

DATES = {TIMESTAMP, DATETIME, DATE, TIME}
TEXTS = {15, 247, 248, 249, 250, 251, 252, 253, 254}
"""Types that are text, or bytes where their character set is "binary"."""

KINDS: dict[int, type] = {
    **dict.fromkeys((1, 2, 3, 8, 9, 13, BIT), int),
    **dict.fromkeys((4, 5), float),
    **dict.fromkeys((0, 246), Decimal),
    **dict.fromkeys((TIMESTAMP, DATETIME), dt.datetime),
    DATE: dt.date,
    TIME: dt.timedelta,
}
"""What the cells of the other types are."""


def loaders(reading: Reading) -> dict[int, Loader]:
    """
    Give loaders to use where a connection has its driver's own.

    A date that is none (0000-00-00, 2020-02-00) is `Unreadable`, or, unless the reading is
    tolerant, its text, as PyMySQL has it: mysqlclient says None, as if nothing were there.
    """
    keep: Callable[[str, str], Any] = Unreadable if reading.tolerant else _as_text
    ours: dict[int, Loader] = {
        DATE: partial(_load, dt.date.fromisoformat, keep),
        TIMESTAMP: partial(_load, dt.datetime.fromisoformat, keep),
        DATETIME: partial(_load, dt.datetime.fromisoformat, keep),
        TIME: partial(_load, _timedelta, keep),
        BIT: _integer,
    }
    if reading.unread:
        ours[JSON] = RawJSON
    return ours


def patient_text(encoding: str) -> Loader:
    """Give a loader of text that makes lone surrogates of invalid bytes."""
    return partial(str, encoding=encoding, errors="surrogateescape")


def _as_text(text: str, reason: str) -> str:
    del reason
    return text


def _load(parse: Callable[[str], Any], keep: Callable[[str, str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        return keep(text, str(error))


def _timedelta(text: str) -> dt.timedelta:
    """Read a TIME: `-838:59:59.999999` to `838:59:59.999999`."""
    hours, minutes, seconds = text.lstrip("-").split(":")
    whole, _, fraction = seconds.partition(".")
    length = dt.timedelta(
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(whole),
        microseconds=int(fraction.ljust(6, "0")) if fraction else 0,
    )
    return -length if text.startswith("-") else length


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "big")


def kinds_of(
    columns: Iterable[tuple[str, int, type | None]], reading: Reading
) -> dict[str, type] | None:
    """
    Give the Python type of each column's cells; None where one of them is not fixed.

    Args:
        columns: name, number of the type, and str or bytes where it is one of either.
    """
    kinds: dict[str, type] = {}
    for name, code, text in columns:
        kind = RawJSON if code == JSON and reading.unread else text or KINDS.get(code)
        if kind is None or (code in DATES and not reading.tolerant):  # it may come as text
            return None
        kinds[name] = kind
    return kinds
