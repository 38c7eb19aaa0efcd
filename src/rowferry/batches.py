"""What crosses from the reading thread to the API, and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rowferry.records import Key


class Origin(msgspec.Struct, frozen=True, gc=False):
    """
    Where a record comes from; kept only where a message or `on_error` may ask for it.

    Attributes:
        key: None where no key was declared.
        value: what the transform gave; None without `on_error`.
    """

    key: Key | None = None
    value: Any = None


class Attempts(msgspec.Struct, frozen=True):
    """
    What happened to a batch that was not settled at once.

    Attributes:
        since: when it first failed, in seconds of the loop's clock.
        delivered_before: records delivered when it was first sent, to tell poison from outage.
        tries: times that failed, of any kind.
        ambiguous: those of them after which the API may hold the records.
        doubtful: whether the last one was of those.
        broken: whether its connection broke: on a kept one that may be the fault of the request
            before, so that the next try is to have a new one.
    """

    since: float
    delivered_before: int
    tries: int = 0
    ambiguous: int = 0
    doubtful: bool = False
    broken: bool = False

    def after(self, *, doubtful: bool, broken: bool) -> Attempts:
        """Give what it is after one more failed try."""
        return Attempts(
            self.since,
            self.delivered_before,
            self.tries + 1,
            self.ambiguous + doubtful,
            doubtful,
            broken,
        )


class Batch(msgspec.Struct, frozen=True):
    """
    The records of one request.

    Attributes:
        body: of the request.
        count: how many records it holds.
        origins: of its records, in order; empty where nobody may ask for them.
        attempts: None until it failed for the first time.
    """

    body: bytes
    count: int = 1
    origins: tuple[Origin, ...] = ()
    attempts: Attempts | None = None


class Response(msgspec.Struct, frozen=True):
    """
    A final answer.

    Attributes:
        status: 200 to 599.
        headers: pairs as they came, names in lower case.
        body: at most 64 KiB of it.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """Give the first value of the header *name* (lower case), or None."""
        return next((value for known, value in self.headers if known == name), None)
