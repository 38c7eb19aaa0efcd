"""A position as text: the values of a key, so that a later run can go on after them."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rowferry.databases.contract import ADDRESSES, Unreadable
from rowferry.exceptions import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.records import Key


def to_text(key: Key) -> str:
    """
    Give *key* as ASCII text: whole numbers and text as in JSON, the rest with its type.

    Raises:
        SourceError: it has a value of a type that no later run could ask for.
    """
    return json.dumps([_written(value) for value in key], separators=(",", ":"))


def from_text(text: str) -> Key:
    """Give the key that `to_text` gave as *text*: equal values of the same types."""
    return tuple(_read(value) for value in json.loads(text))


def _written(value: Any) -> Any:
    if isinstance(value, bool | int | str):
        return value
    for kind, (name, write, _) in _KINDS.items():
        if isinstance(value, kind):
            return {name: write(value)}
    raise SourceError(
        f"a key with a {type(value).__name__} in it ({value!r}) cannot be kept for a later run; "
        "give that column as text or as a number in the query"
    )


def _read(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((name, text),) = value.items()
    return _READERS[name](text)


def _microseconds(value: dt.timedelta) -> int:
    return value // dt.timedelta(microseconds=1)


_KINDS: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    Decimal: ("decimal", str, Decimal),
    float: ("float", repr, float),
    dt.datetime: ("datetime", dt.datetime.isoformat, dt.datetime.fromisoformat),  # before date
    dt.date: ("date", dt.date.isoformat, dt.date.fromisoformat),
    dt.time: ("time", dt.time.isoformat, dt.time.fromisoformat),
    dt.timedelta: ("us", _microseconds, lambda us: dt.timedelta(microseconds=us)),
    UUID: ("uuid", str, UUID),
    bytes: ("bytes", bytes.hex, bytes.fromhex),
    bytearray: ("bytes", bytearray.hex, bytes.fromhex),
    memoryview: ("bytes", memoryview.hex, bytes.fromhex),
    Unreadable: (
        "unreadable",
        lambda value: [value.text, value.reason, value.dbtype],
        lambda parts: Unreadable(*parts),
    ),
    **{kind: (kind.__name__.lower(), str, getattr(ipaddress, kind.__name__)) for kind in ADDRESSES},
}
"""For each type its name in the text, and what writes and reads a value."""

_READERS = {name: read for name, _, read in _KINDS.values()}
