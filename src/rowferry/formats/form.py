"""One record a request, as browsers send forms."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from rowferry.values import UnencodableError, named, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Form:
    """
    The body is `name=value` for each cell, with `&` between them; NULLs are left out.

    Values have the text that they have in JSON. A list or an object in a record is an error: there
    is no one way to write such.

    Source: https://url.spec.whatwg.org/#application/x-www-form-urlencoded
    """

    name = "form"
    content_type = "application/x-www-form-urlencoded"
    batch_size = 1
    max_batch_size: int | None = 1

    def encode(self, records: Sequence[Any]) -> tuple[list[bytes], dict[int, UnencodableError]]:
        """Give the text of each record, and by index the errors of those that have none."""
        texts: list[bytes] = []
        errors = {}
        for index, record in enumerate(records):
            try:
                texts.append(_text(record))
            except UnencodableError as error:
                texts.append(b"")
                errors[index] = error
        return texts, errors

    def join(self, records: Sequence[bytes]) -> bytes:
        """Give the only record as it is."""
        return records[0]


FORMAT = Form()


def _text(record: Any) -> bytes:
    cells = named(record)
    if cells is None:
        kind = type(record).__name__
        raise UnencodableError(f"a form has names and values, and a {kind} has no names")
    pairs = [
        f"{_quoted_name(name)}={_quoted(cell, name)}" for name, cell in cells if cell is not None
    ]
    return "&".join(pairs).encode()


def _quoted(cell: Any, column: Any) -> str:
    text = cell if type(cell) is str else text_of(cell, str(column))
    try:
        return quote_plus(text)
    except UnicodeEncodeError as error:
        at = error.start
    problem = f"the text is no valid Unicode (position {at})"
    raise UnencodableError(f"column {column!a}: {problem}")  # not from the other: that has the text


@lru_cache(maxsize=1024)
def _quoted_name(name: Any) -> str:
    if not isinstance(name, str):
        raise UnencodableError(f"the key {name!r} is not text, as names in forms are")
    return _quoted(name, name)
