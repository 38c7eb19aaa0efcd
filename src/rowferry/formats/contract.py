"""What a body format is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rowferry.batches import Attempts, Response
    from rowferry.records import Key
    from rowferry.splitting import Unread
    from rowferry.values import UnencodableError
    from rowferry.verdict import Items, Rules, Verdict

ReadAnswer: TypeAlias = (
    "Callable[[Response, int, Attempts | None], Items | Unread | Verdict | None]"
)
"""
Takes an answer, how many records were sent, and what happened to them before; gives what became of
each, that it cannot be told, or what becomes of all; None where the status alone says that.
"""


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
        """
        Make a body of the JSON texts of at least one record; none holds a line break.

        `batch_bytes` counts a byte after each text and one more. What else a record needs around
        it belongs into its text: see `Framing` and `Encoding`.
        """
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


class Framing(Format, Protocol):
    """
    A format that writes of each record where it goes, such as an action line before it.

    It is no duty.
    """

    @property
    def needs_key(self) -> bool:
        """Whether a transfer has to declare its key."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """Those that say where a record goes."""
        ...

    def frame(
        self,
        texts: list[bytes],
        records: Sequence[Any],
        rows: Sequence[Mapping[str, Any]],
        keys: Sequence[Key],
    ) -> tuple[list[bytes], dict[int, UnencodableError]]:
        """
        Make of a chunk's JSON texts what `join` takes.

        Args:
            rows: one a record: what to take of its row where the record has no such column; or
                none at all.
            keys: one a record; none where no key is declared.

        Returns:
            One text a record, and by index the errors of those that have none (an empty text).

        Raises:
            ConfigError: no record has a column that is needed.
        """
        ...


class Answering(Format, Protocol):
    """
    A format whose answers tell what became of each record.

    It is no duty.
    """

    def reader(self, rules: Rules) -> ReadAnswer:
        """Give what reads the answers of an API that has these rules."""
        ...


class Encoding(Format, Protocol):
    """
    A format that makes the texts of records itself; without it they are JSON.

    It is no duty.
    """

    def encode(self, records: Sequence[Any]) -> tuple[list[bytes], dict[int, UnencodableError]]:
        """Give a text a record, and by index the errors of those that have none (an empty text)."""
        ...


def framing_of(body_format: Format) -> Framing | None:
    """Give a format that says where records go; None where it does not."""
    return body_format if hasattr(body_format, "frame") else None  # type: ignore[return-value]


def reader_of(body_format: Format, rules: Rules) -> ReadAnswer | None:
    """Give what reads the answers of a format; None where their status says all."""
    reader = getattr(body_format, "reader", None)
    return reader(rules) if reader else None


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
