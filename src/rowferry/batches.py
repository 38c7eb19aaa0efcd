"""What crosses from the reading thread to the API, and what comes back."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from rowferry.records import Key


MAX_BODY = 64 * 1024
"""Bytes of an answer's body that are read; where there is more, the connection is closed."""


class Fate(enum.Enum):
    """What becomes of a request's records."""

    DELIVERED = "delivered"
    NOT_SENT = "not sent"
    """No byte of it was handed to the socket: sent again, free."""
    REFUSED = "refused"
    """The API says that it did not process it: sent again until it is too old."""
    AMBIGUOUS = "ambiguous"
    """The API may have processed it: sent again a few times, and counted."""
    CONFLICT = "conflict"
    """A 409 to what an earlier try may have left there: sent once more, a second later."""
    TOO_LARGE = "too large"
    """A 413 to several records: its halves are sent, and later batches are no larger."""
    UNCLEAR = "unclear"
    """A 400 or 422 to several records: its halves are sent, down to those that are bad."""
    REJECTED = "rejected"
    """The API will not take it, however often it is asked."""
    AUTH = "auth"
    """The API does not accept the credentials: sent again with new ones, or the run stops."""
    STOP = "stop"
    """Every record would meet the same: the run stops."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """
    Where a record comes from; kept only where a message or `on_error` may ask for it.

    Attributes:
        key: None where no key was declared.
        value: what the transform gave; None without `on_error`.
        number: of its place in the order of reading; 0 without a journal.
    """

    key: Key | None = None
    value: Any = None
    number: int = 0


# The garbage collector is spared these (gc=False), of which there is one a record: nothing that
# they hold refers back to them. It takes 1 us from the cost of a row.


class Attempts(msgspec.Struct, frozen=True, gc=False):
    """
    What happened to a batch that was not settled at once.

    Attributes:
        since: when it first failed, in seconds of `time.monotonic`.
        delivered_before: records delivered when it was first sent, to tell poison from outage.
        tries: times that failed, of any kind.
        ambiguous: those of them after which the API may hold the records, but for those that only
            asked whether an outage is over.
        doubtful: whether the API may hold the records since they were last counted as re-sent.
        ever_doubtful: whether any try was such that the API may hold the records.
        conflicts: times that the API answered 409.
        unauthorized: times that it did not accept the credentials.
        broken: whether the last one's connection broke: on a kept one that may be the fault of the
            request before, so that the next try is to have a new one.
        failed_at: when it first failed, or failed in an outage, on the clock of `since`: what was
            sent later and got through shows that the API was up then.
        backoffs: tries that failed since the last that asked whether an outage is over: the next
            wait is by them, so that an outage makes none longer that comes after it.
    """

    since: float
    delivered_before: int
    tries: int = 0
    ambiguous: int = 0
    doubtful: bool = False
    ever_doubtful: bool = False
    conflicts: int = 0
    broken: bool = False
    failed_at: float = 0.0
    backoffs: int = 0
    unauthorized: int = 0

    def after(self, fate: Fate, *, broken: bool, probe: bool = False) -> Attempts:
        """
        Give what it is after one more failed try; one that was not sent leaves all doubt.

        Args:
            broken: whether there was no complete answer.
            probe: whether the try asked whether an outage is over, which counts against nobody.
        """
        ambiguous = fate is Fate.AMBIGUOUS
        kept = fate in {Fate.NOT_SENT, Fate.CONFLICT}
        return Attempts(
            self.since,
            self.delivered_before,
            self.tries + 1,
            self.ambiguous + (ambiguous and not probe),
            self.doubtful if kept else ambiguous,
            self.ever_doubtful or ambiguous,
            self.conflicts + (fate is Fate.CONFLICT),
            broken and ambiguous,
            self.failed_at,
            0 if probe else self.backoffs + 1,
            self.unauthorized + (fate is Fate.AUTH),
        )

    def divided(self) -> Attempts:
        """Give what it is for the parts of a batch that was too large: their count begins anew."""
        return msgspec.structs.replace(self, ambiguous=0, broken=False, doubtful=True)

    def begun_anew(self, delivered: int, now: float) -> Attempts:
        """Give what it is after an outage: its age and its doubts stay, its count does not."""
        return msgspec.structs.replace(self, delivered_before=delivered, failed_at=now, ambiguous=0)


class Batch(msgspec.Struct, frozen=True, gc=False):
    """
    The records of one request.

    Attributes:
        body: of the request; empty where its *parts* are joined when it is sent.
        size: bytes that its records take.
        count: how many records it holds.
        of_records: the origins of its records, or that of the only one as it is: a tuple for each,
            which Python's garbage collector looks at, would add 0.3 us to the cost of a row.
        attempts: None until it failed for the first time.
        parts: the texts of its records, where it was divided or may have to be; else empty.
        header: lines of its own at the end of the request's head, each with its line break before.
        sizes: bytes of each record's text, where they are several in *body*; else empty.
        line: the first line of the request, where it comes from the record; else empty.
        turn: batches with equal ones go one after another, in this order; None where any order
            will do. It is a tuple of one value.
    """

    body: bytes
    size: int
    count: int = 1
    of_records: Origin | tuple[Origin, ...] = ()
    attempts: Attempts | None = None
    parts: tuple[bytes, ...] = ()
    header: bytes = b""
    turn: tuple[Hashable] | None = None
    sizes: Sequence[int] = ()
    line: bytes = b""

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Of its records, in order; empty where nobody may ask for them."""
        origins = self.of_records
        return origins if isinstance(origins, tuple) else (origins,)

    def of(self, indexes: range | list[int]) -> Batch:
        """Give the batch of some of its parts, in order; *indexes* are from 0."""
        if not self.parts:
            return self
        parts = tuple([self.parts[index] for index in indexes])
        before = self.origins
        origins = tuple([before[index] for index in indexes]) if before else ()
        size = sum(map(len, parts))
        return Batch(b"", size, len(parts), origins, self.attempts, parts, self.header, self.turn)

    @property
    def method(self) -> str:
        """Of its request, where that comes from the record; else empty."""
        return self.line.partition(b" ")[0].decode()

    def again(self, attempts: Attempts) -> Batch:
        """Give the same batch after one more failed try."""
        return Batch(
            self.body,
            self.size,
            self.count,
            self.origins,
            attempts,
            self.parts,
            self.header,
            self.turn,
            self.sizes,
            self.line,
        )

    def opened(self, split: Callable[[bytes, Sequence[int]], list[bytes]]) -> Batch:
        """Give the same batch with its parts, so that it can be divided."""
        if not self.sizes:
            return self
        parts = tuple(split(self.body, self.sizes))
        return Batch(b"", self.size, self.count, self.origins, self.attempts, parts, self.header)


class Response(msgspec.Struct, frozen=True):
    """
    A final answer.

    Attributes:
        status: 200 to 599.
        headers: pairs as they came, names in lower case.
        body: at most 64 KiB of it; at most 16 MiB where `item_results` reads it.
        limited: whether a header speaks of a rate limit, or of a page for people, so that most
            answers need no second look.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    limited: bool = False

    def header(self, name: bytes) -> bytes | None:
        """Give the first value of the header *name* (lower case), or None."""
        return next((value for known, value in self.headers if known == name), None)

    def json(self) -> Any:
        """
        Give the body, read as JSON.

        Raises:
            ValueError: it is none.
        """
        return msgspec.json.decode(self.body)
