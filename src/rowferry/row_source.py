"""What a source of rows is, read from its beginning or, with a journal, where earlier runs were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowferry.recording import Opening
    from rowferry.records import Row
    from rowferry.spans import Span


class Rows(Protocol):
    """The open reading of a source; only the reading thread touches it, but for `interrupt`."""

    def fetch(self, count: int) -> Sequence[Row]:
        """Give the next rows, *count* at most; none once there are no more."""
        ...

    @property
    def kinds(self) -> Mapping[str, type] | None:
        """The type of each column's cells, once rows were fetched; None where it is not fixed."""
        ...

    def interrupt(self) -> None:
        """Make a `fetch` that is waiting raise soon; called from another thread."""
        ...

    def close(self) -> None:
        """Leave nothing open; may be called again."""
        ...


class RecordedRows(Rows, Protocol):
    """
    The open reading of a source with a journal.

    Attributes:
        span: that of the rows that were fetched last; all of them are of one.
    """

    span: Span

    @property
    def description(self) -> Sequence[Any]:
        """The columns, as DB-API has them, once rows were fetched; empty where there are none."""
        ...


class Source(Protocol):
    """Where rows come from."""

    def open(self) -> Rows:
        """Begin to read, on the reading thread."""
        ...


class RecordedSource(Protocol):
    """Where rows come from that a journal knows."""

    def open_recorded(self, book: Any) -> RecordedRows:
        """Begin to read where the earlier runs of *book* were, on the reading thread."""
        ...


class Resumable(Source, RecordedSource, Protocol):
    """A source that is read with a journal or without one."""


class Journaled(NamedTuple):
    """A source, and the journal with which it is read."""

    source: RecordedSource
    journal: Opening
