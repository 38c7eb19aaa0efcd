"""A JSON array of records a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowferry.formats.contract import taken_apart

if TYPE_CHECKING:
    from collections.abc import Sequence


class JsonArray:
    """The body is an array with the records as its items, also where there is only one."""

    name = "json_array"
    content_type = "application/json"
    batch_size = 500
    max_batch_size: int | None = None

    def join(self, records: Sequence[bytes]) -> bytes:
        """Put the records between brackets, with commas between them."""
        return b"[" + b",".join(records) + b"]"

    def split(self, body: bytes, sizes: Sequence[int]) -> list[bytes]:
        """Take a body apart again."""
        return taken_apart(body, sizes, start=1)


FORMAT = JsonArray()
