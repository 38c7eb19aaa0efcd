"""What a body format is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


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


class Splittable(Format, Protocol):
    """
    A format whose bodies can be taken apart again.

    It is no duty: batches of other formats keep the texts of their records beside them, which takes
    memory and time.
    """

    def split(self, body: bytes, sizes: Sequence[int]) -> list[bytes]:
        """Give the JSON texts of which `join` made *body*, by the size of each in bytes."""
        ...


def split_of(body_format: Format) -> Callable[[bytes, Sequence[int]], list[bytes]] | None:
    """Give the `split` of a format; None where it has none."""
    return getattr(body_format, "split", None)


def taken_apart(body: bytes, sizes: Sequence[int], *, start: int) -> list[bytes]:
    """Give texts that lie in *body* from *start* on, with a byte between each two."""
    texts = []
    for size in sizes:
        texts.append(body[start : start + size])
        start += size + 1
    return texts
