"""What crosses from the reading thread to the API, and what comes back."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rowferry.records import Key


class Fate(enum.Enum):
    """What becomes of a request's records."""

    DELIVERED = "delivered"
    NOT_SENT = "not sent"
    """No byte of it was handed to the socket: sent again, free."""
    REFUSED = "refused"
    """The API says that it did not process it: sent again until it is too old."""
    AMBIGUOUS = "ambiguous"
    """The API may have processed it: sent again a few times, and counted."""
    REJECTED = "rejected"
    """The API will not take it, however often it is asked."""
    AUTH = "auth"
    """The API does not accept the credentials: the run stops."""
    STOP = "stop"
    """Every record would meet the same: the run stops."""


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
        doubtful: whether the API may hold the records since they were last counted as re-sent.
        broken: whether the last one's connection broke: on a kept one that may be the fault of the
            request before, so that the next try is to have a new one.
    """

    since: float
    delivered_before: int
    tries: int = 0
    ambiguous: int = 0
    doubtful: bool = False
    broken: bool = False

    def after(self, fate: Fate, *, broken: bool) -> Attempts:
        """Give what it is after one more failed try; one that was not sent leaves all doubt."""
        ambiguous = fate is Fate.AMBIGUOUS
        return Attempts(
            self.since,
            self.delivered_before,
            self.tries + 1,
            self.ambiguous + ambiguous,
            self.doubtful if fate is Fate.NOT_SENT else ambiguous,
            broken and ambiguous,
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
