"""What a body format is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Format(Protocol):
    """One way in which records become the body of a request."""

    @property
    def name(self) -> str:
        """What `body_format` calls it."""
        ...

    @property
    def content_type(self) -> str:
        """Of a request with such a body."""
        ...

    @property
    def batch_size(self) -> int:
        """Records of a request unless `batch_size` says otherwise."""
        ...

    @property
    def max_batch_size(self) -> int | None:
        """Records that a body can hold; None means any number."""
        ...

    def join(self, records: Sequence[bytes]) -> bytes:
        """Make a body of the JSON texts of at least one record; none holds a line break."""
        ...
