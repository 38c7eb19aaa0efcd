"""Dicts and lists as JSON text, for columns that hold them so."""

from __future__ import annotations

import json
from typing import Any

from rowferry.records import RawJSON


def json_text(value: Any) -> str:
    """
    Give *value* as JSON; what JSON has no type for becomes text in it, as dates do.

    Raises:
        TypeError: there are bytes in it, which are no text.
    """
    return json.dumps(value, default=_plain, ensure_ascii=False)


def raw_text(value: RawJSON) -> str:
    """Give the JSON in *value*."""
    return value.text.decode() if isinstance(value.text, bytes) else value.text


def _plain(value: Any) -> Any:
    if isinstance(value, RawJSON):
        return json.loads(value.text)
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(
            f"a {type(value).__name__} in a list or a dict has no place in JSON: encode it in a "
            "transform (base64, hex)"
        )
    return str(value)
