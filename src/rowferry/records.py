"""The values that users see: rows that failed, JSON that is text, progress, the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Row: TypeAlias = Any
"""What a cursor gives, after the row factory."""

Key: TypeAlias = tuple[Any, ...]
"""Values of a row's key columns, in order; later records of one row add their number."""


class FailedRow(NamedTuple):
    """A row that a database or an API did not take, and why."""

    row: Row
    exception: Exception


OnError: TypeAlias = "Callable[[list[FailedRow]], Any]"
"""Takes rows that failed, on the reading thread."""


class RawJSON:
    """JSON that is already text: it goes into the body as it is."""

    # no dataclass: msgspec would write it as an object, and never ask the hook of values.py
    __slots__ = ("text",)

    def __init__(self, text: str | bytes) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RawJSON) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"RawJSON({self.text!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
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
        problem: why a request was last sent again; empty where none was.
        ended: True in the last event.
        earlier: records of `delivered` that earlier runs of the pass delivered.
        latency_p50, latency_p99: seconds that half, or 99 %, of the last requests that delivered
            took at most; 0 before there is one.
        answers: answers that delivered nothing, by status; at 0 those that never came.
    """

    read: int
    records: int
    delivered: int
    dead: int
    in_flight: int
    retries: int
    seconds: float
    total: int | None
    problem: str = ""
    ended: bool = False
    earlier: int = 0
    latency_p50: float = 0.0
    latency_p99: float = 0.0
    answers: Mapping[int, int] = field(default_factory=dict)

    @property
    def rows_per_second(self) -> float:
        """Delivered records a second since the call began."""
        return (self.delivered - self.earlier) / self.seconds if self.seconds else 0.0


Observer: TypeAlias = "Callable[[Progress], Any]"
"""Takes progress events, on the reading thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
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
        earlier: records of `delivered` that earlier runs of the pass delivered, as a journal has
            it: with one, `read` to `pending` and `maybe_duplicated` are those of the pass, over
            all its runs, and all else is this call's.
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
    earlier: int = 0

    @property
    def rows_per_second(self) -> float:
        """Delivered records a second, from the call to its end."""
        return (self.delivered - self.earlier) / self.seconds if self.seconds else 0.0

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
        return asdict(self) | {"rows_per_second": self.rows_per_second, "exit_code": self.exit_code}
