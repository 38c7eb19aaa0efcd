"""The texts that say where a document goes: made of a key, or of columns of its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowferry.exceptions import ConfigError
from rowferry.templates import MISSING, pieces_of
from rowferry.values import UnencodableError, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowferry.records import Key

MAX_ID = 512
"""Bytes of an id, at most."""

_BINARY = (bytes, bytearray, memoryview)


class Template:
    """
    A text with `{column}` in it; `{{` and `}}` are braces.

    Attributes:
        name: of the option, for messages.
        text: as the user wrote it.
        columns: whose values it takes, in order.
        constant: what it comes to, where no column is in it; else None.

    Raises:
        ConfigError: it is no text, or a brace stands alone.
    """

    def __init__(self, name: str, text: Any) -> None:
        if not isinstance(text, str) or not text:
            raise ConfigError(f"{name} must be text that is not empty, not {text!r}")
        self.name = name
        self.text = text
        self._pieces = pieces_of(text, name)
        self.columns = tuple(self._pieces[1::2])
        self.constant = None if self.columns else self._pieces[0]

    def fill(self, cells: Mapping[str, Any]) -> str | None:
        """
        Give the text for a record by its cells; None where one of them is NULL.

        Raises:
            UnencodableError: a column is missing, or its value has no text.
        """
        pieces = list(self._pieces)
        for at, column in enumerate(self.columns):
            cell = cells[column]
            if cell is None:
                return None
            if cell is MISSING:
                raise UnencodableError(f"column {column!r}: is missing, and {self.name} needs it")
            pieces[2 * at + 1] = _text(cell, column)
        return "".join(pieces)


def _text(cell: Any, column: str) -> str:
    """Give the text of a cell: as it is in JSON, or in hex digits where it is binary."""
    return bytes(cell).hex() if isinstance(cell, _BINARY) else text_of(cell, column)


def id_of(key: Key) -> str:
    """
    Give the text of a key: its values with "/" between, "/" and "%" in them percent-encoded.

    Raises:
        UnencodableError: a value is NULL or has no text, or the id would be empty or too long.
    """
    if any(value is None for value in key):
        raise UnencodableError(f"the key {key!r:.80} has a NULL in it")
    return short_enough("/".join([_escaped(_text(value, "of the key")) for value in key]))


def short_enough(text: str) -> str:
    """
    Give the text of an id, if it is one.

    Raises:
        UnencodableError: it is empty, or longer than Elasticsearch takes, or no valid Unicode.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        at = error.start
    else:
        if 0 < size <= MAX_ID:
            return text
        problem = (
            f"of {text[:40]!r}… has {size:,} bytes; {MAX_ID} are allowed" if size else "is empty"
        )
        raise UnencodableError(f"the id {problem}")
    raise UnencodableError(f"the id is no valid Unicode (position {at})")


def _escaped(text: str) -> str:
    if "/" not in text and "%" not in text:
        return text
    return text.replace("%", "%25").replace("/", "%2F")
