"""What a run with a journal reads: by which columns, and between which positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry.incremental import lagging

if TYPE_CHECKING:
    from rowferry.incremental import Incremental
    from rowferry.journal_schema import Pass
    from rowferry.records import Key


class Columns(NamedTuple):
    """
    What tells rows apart.

    Attributes:
        position: the columns that rows are ordered by; empty where there is no key.
        key: those of the key.
        goes_on: whether a new pass begins after the last complete one.
        lag: what is read again below the watermark; None: nothing.
    """

    position: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    goes_on: bool = False
    lag: Any = None

    @classmethod
    def of(cls, key: tuple[str, ...] | None, incremental: Incremental | None) -> Columns:
        """Give the columns of a transfer."""
        if not key:
            return cls()
        if incremental is None:
            return cls(key, key)
        return cls(incremental.columns(key), key, goes_on=True, lag=incremental.lag)

    def key_of(self, place: Key) -> Key:
        """Give the key of a place: without the cursor, the record's number after it."""
        if self.position == self.key:
            return place
        row = dict(zip(self.position, place, strict=False))
        return (*(row[column] for column in self.key), *place[len(self.position) :])


class Span(NamedTuple):
    """
    Rows that are read with one query.

    Attributes:
        after: a position, or the first values of one; None: from the first row.
        up_to: a position; None: to the last row.
        replayed, below: as of a `Stretch`.
    """

    after: Key | None = None
    up_to: Key | None = None
    replayed: bool = False
    below: bool = False


def spans_of(pass_: Pass, lag: Any) -> list[Span]:
    """Give what a run reads, in order; positions are compared by the database only."""
    reached, sent = pass_.watermark, pass_.dispatched_to
    spans = []
    if lag is not None and reached is not None:
        start = (lagging(reached[0], lag),)
        spans.append(Span(start, reached, replayed=sent is not None, below=True))
    if sent is not None and sent != reached:
        spans.append(Span(reached, sent, replayed=True))
    return [*spans, Span(reached if sent is None else sent)]
