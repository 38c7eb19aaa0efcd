"""Texts that name columns of a row: `"logs-{year}"`; compiled once, filled a chunk at a time."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from string import Formatter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rowferry.exceptions import ConfigError
from rowferry.transforms import key_of

if TYPE_CHECKING:
    from rowferry.records import Key, Row


MAX_ID = 512
"""Bytes of an id, at most."""


class NoTextError(ValueError):
    """A value that cannot stand in an address; the message says why."""


class Template:
    """
    A text with `{column}` in it; `{{` and `}}` are braces.

    Attributes:
        constant: the text, where no column is in it; else None.
        columns: whose values it takes, in order.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._parts = _parts(name, text)
        self.columns = tuple(column for _, column in self._parts if column is not None)
        self.constant = None if self.columns else "".join(text for text, _ in self._parts)

    def fill(self, row: Row) -> str | None:
        """
        Give the text for a row; None where a column of it is NULL.

        Raises:
            ConfigError: the row has no such column.
            NoTextError: a value has no text that would be the same each time.
        """
        texts = []
        for (before, column), value in zip(self._parts, self._values(row), strict=True):
            if column is not None and value is None:
                return None
            texts.append(before if column is None else before + text_of(value))
        return "".join(texts)

    def _values(self, row: Row) -> list[Any]:
        """Give what stands after each part; None after a last one without a column."""
        values = list(key_of(row, self.columns, f"column for {self.name},"))
        return values + [None] * (len(self._parts) - len(values))


def _parts(name: str, text: str) -> list[tuple[str, str | None]]:
    """Give the texts of a template, each with the column that follows it, if one does."""
    if not isinstance(text, str) or not text:
        raise ConfigError(f"{name} must be text that is not empty, not {text!r}")
    try:
        fields = list(Formatter().parse(text))
    except ValueError as error:
        raise ConfigError(
            f"{name}={text!r} cannot be read: {error}; write {{{{ and }}}} for braces"
        ) from error
    parts: list[tuple[str, str | None]] = []
    literal = ""
    for before, column, form, conversion in fields:
        literal += before
        if column is None:
            continue
        if not column or form or conversion:
            raise ConfigError(
                f"{name}={text!r}: between braces stands a column's name, and no more"
            )
        parts.append((literal, column))
        literal = ""
    return [*parts, (literal, None)] if literal else parts


def text_of(value: Any) -> str:
    """
    Give the text of a cell that stands in an address: the same for one value in every run.

    Raises:
        NoTextError: it has none.
    """
    text = None
    if isinstance(value, str):
        text = str.__str__(value)
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int | uuid.UUID):
        text = str(value)
    elif isinstance(value, decimal.Decimal) and value.is_finite():
        text = f"{value:f}"
    elif isinstance(value, float) and value.is_integer():
        text = f"{value:.0f}"
    elif isinstance(value, dt.date | dt.time):  # datetime is a date
        text = value.isoformat()
    elif isinstance(value, bytes | bytearray | memoryview):
        text = bytes(value).hex()
    if text is None:
        raise NoTextError(f"{value!r:.80} has no text to address a document by")
    return text


def id_of(key: Key) -> str:
    """
    Give the text of a key: its values with "/" between, "/" and "%" in them percent-encoded.

    Raises:
        NoTextError: a value is NULL or has no text, or the id would be empty or too long.
    """
    if any(value is None for value in key):
        raise NoTextError(f"the key {key!r:.80} has a NULL in it")
    return short_enough("/".join([_escaped(text_of(value)) for value in key]))


def short_enough(text: str) -> str:
    """
    Give the text of an id, if it is one.

    Raises:
        NoTextError: it is empty, or longer than Elasticsearch takes.
    """
    size = len(text.encode())
    if not size:
        raise NoTextError("the id is empty")
    if size > MAX_ID:
        raise NoTextError(f"the id {text[:40]!r}… has {size:,} bytes; {MAX_ID} are allowed")
    return text


def _escaped(text: str) -> str:
    if "/" not in text and "%" not in text:
        return text
    return text.replace("%", quote("%")).replace("/", quote("/", safe=""))
