"""The values that flow: what one part of rowferry hands to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

Row: TypeAlias = Any
"""What a cursor gives, after the row factory."""

Key: TypeAlias = tuple[Any, ...]
"""Values of a row's key columns, in order; later records of one row add their number."""


class FailedRow(NamedTuple):
    """A row that a database or an API did not take, and why."""

    row: Row
    exception: Exception


class RawJSON(msgspec.Struct, frozen=True):
    """JSON that is already text: it goes into the body as it is."""

    text: str | bytes


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
    """

    since: float
    delivered_before: int
    tries: int = 0
    ambiguous: int = 0
    doubtful: bool = False

    def after(self, *, doubtful: bool) -> Attempts:
        """Give what it is after one more failed try."""
        return Attempts(
            self.since, self.delivered_before, self.tries + 1, self.ambiguous + doubtful, doubtful
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


class Progress(msgspec.Struct, frozen=True):
    """
    How far a transfer is, at one moment.

    Attributes:
        read: rows read from the source.
        records: made of them by the transform.
        delivered: records that the API acknowledged.
        dead: records that the API will not take.
        in_flight: requests begun whose answer is not complete.
        retries: requests that were sent again.
        seconds: since the call began.
        total: rows that there are to read; None where nobody knows.
        ended: True in the last event.
    """

    read: int
    records: int
    delivered: int
    dead: int
    in_flight: int
    retries: int
    seconds: float
    total: int | None
    ended: bool = False

    @property
    def rows_per_second(self) -> float:
        """Delivered records a second since the call began."""
        return self.delivered / self.seconds if self.seconds else 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of the rows of a transfer; `records == delivered + dead + pending` always holds.

    `processed, failed = report` unpacks as what `load` returns does.

    Attributes:
        read: rows read from the source.
        records: made of them by the transform.
        delivered: records that the API acknowledged.
        dead: records that the API will not take.
        skipped: rows that the transform dropped, where a `per_row` transform or a key tells.
        pending: records neither delivered nor dead: not sent, or sent without a final answer.
        requests: begun.
        retries: those of them that sent records again.
        maybe_duplicated: re-sends after which the API may hold a record twice.
        seconds: from the call to its end.
        max_in_flight: requests that were in flight together, at most.
    """

    read: int
    records: int
    delivered: int
    dead: int
    skipped: int
    pending: int
    requests: int
    retries: int
    maybe_duplicated: int
    seconds: float
    max_in_flight: int

    @property
    def rows_per_second(self) -> float:
        """Delivered records a second, from the call to its end."""
        return self.delivered / self.seconds if self.seconds else 0.0

    @property
    def exit_code(self) -> int:
        """What a command should exit with: 0 all delivered, 3 some dead, 4 some pending."""
        if self.pending:
            return 4
        return 3 if self.dead else 0

    def __iter__(self) -> Iterator[int]:
        yield self.delivered + self.dead
        yield self.dead

    def __str__(self) -> str:
        pending = f"{self.pending:,} pending, " if self.pending else ""
        return (
            f"{self.delivered:,} delivered, {pending}{self.dead:,} dead in {self.seconds:.1f} s "
            f"({self.rows_per_second:,.0f} rows/s, {self.max_in_flight} in flight)"
        )

    def as_dict(self) -> dict[str, int | float]:
        """Give every figure by its name, for machines."""
        figures = {name: getattr(self, name) for name in self.__struct_fields__}
        return figures | {"rows_per_second": self.rows_per_second, "exit_code": self.exit_code}
