"""Keys as text for people and their queries: `7`, `7/1` for a row's second record, `A%2FB`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowferry.records import Key


def key_text(key: Key) -> str:
    """Give the values of a key with `/` between them; `/` and `%` in them are percent-encoded."""
    return "/".join([_part(value) for value in key])


def _part(value: Any) -> str:
    text = value.isoformat() if isinstance(value, dt.date | dt.time) else _plain(value)
    return text.replace("%", "%25").replace("/", "%2F")


def _plain(value: Any) -> str:
    text = getattr(value, "text", value)  # of what no driver could read
    return text.hex() if isinstance(text, bytes | bytearray | memoryview) else str(text)
