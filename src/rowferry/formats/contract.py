"""What a body format is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rowferry.values import UnencodableError


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


class Encoding(Format, Protocol):
    """
    A format that makes the texts of records itself; without it they are JSON.

    It is no duty.
    """

    def encode(self, records: Sequence[Any]) -> tuple[list[bytes], dict[int, UnencodableError]]:
        """Give a text a record, and by index the errors of those that have none (an empty text)."""
        ...


def encode_of(
    body_format: Format,
) -> Callable[[Sequence[Any]], tuple[list[bytes], dict[int, UnencodableError]]] | None:
    """Give the `encode` of a format; None where it has none."""
    return getattr(body_format, "encode", None)


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
