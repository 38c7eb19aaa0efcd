"""One JSON value a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Json:
    """The body is the record."""

    name = "json"
    content_type = "application/json"
    batch_size = 1
    max_batch_size: int | None = 1

    def join(self, records: Sequence[bytes]) -> bytes:
        """Give the only record as it is."""
        return records[0]


FORMAT = Json()
