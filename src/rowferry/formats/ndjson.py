"""One record a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowferry.formats.contract import taken_apart

if TYPE_CHECKING:
    from collections.abc import Sequence


class Ndjson:
    r"""
    The body is one JSON text a line, each ended by `\n`.

    Source: https://github.com/ndjson/ndjson-spec
    """

    name = "ndjson"
    content_type = "application/x-ndjson"
    batch_size = 500
    max_batch_size: int | None = None

    def join(self, records: Sequence[bytes]) -> bytes:
        """Put the records on lines of their own."""
        return b"\n".join(records) + b"\n"

    def split(self, body: bytes, sizes: Sequence[int]) -> list[bytes]:
        """Take a body apart again."""
        return taken_apart(body, sizes, start=0)


FORMAT = Ndjson()
