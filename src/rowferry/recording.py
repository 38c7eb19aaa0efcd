"""The reading thread's side of a journal: a place for all that is read, and what of it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rowferry.letters import INTERRUPTED, Dead, of_failed, record_text
from rowferry.places import placed, positions_of
from rowferry.transforms import PerRow, Shaped, key_of_each, shape, turns_of
from rowferry.watermark import WINDOW

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rowferry.pass_book import PassBook
    from rowferry.records import FailedRow, Key, Row
    from rowferry.spans import Span
    from rowferry.transforms import Transform
    from rowferry.values import UnencodableError
    from rowferry.watermark import Stretch


class RowKeys(NamedTuple):
    """The positions and keys of a chunk's rows, taken before a transform may change them."""

    positions: Sequence[Key]
    keys: Sequence[Key]


class Recorded(NamedTuple):
    """
    A chunk with its places.

    Attributes:
        shaped: what of it is not settled yet; its keys are those for messages.
        places: the keys of its records' places.
        numbers: of its records' places.
        failed: of its failed rows' places.
        rows: how many of its rows were not settled before.
        skipped: how many of them gave no record.
    """

    shaped: Shaped
    stretch: Stretch
    places: Sequence[Key]
    numbers: Sequence[int]
    failed: Sequence[int]
    rows: int
    skipped: int


class Sending(NamedTuple):
    """Records that are about to be handed over, with the numbers and keys of their places."""

    numbers: Sequence[int]
    places: Sequence[Key]
    records: Sequence[Any]


class Shaping(NamedTuple):
    """
    How rows become records, as the transfer says.

    Attributes:
        columns: that requests need besides.
        looked_at: whether records have to be values, and not JSON text.
    """

    transform: Transform | None
    ordering_key: str | None = None
    columns: Collection[str] = ()
    looked_at: bool = False


class Recording(Protocol):
    """The reading thread's side of a journal: see `Recorder`."""

    book: Any

    @property
    def has_room(self) -> bool:
        """Whether the window beyond the watermark takes more rows."""
        ...

    def check(self, description: Sequence[Any], keys: RowKeys) -> None:
        """Accept the columns of the source and its first rows; raise JournalError."""
        ...

    def keys_of(self, chunk: Sequence[Row]) -> RowKeys:
        """Take the keys of rows before a transform may change them."""
        ...

    def shape(self, chunk: Sequence[Row], keys: RowKeys) -> Shaped:
        """Turn a chunk of rows into records."""
        ...

    def place(self, chunk: Sequence[Row], rows: RowKeys, shaped: Shaped, span: Span) -> Recorded:
        """Give the places of a chunk, and leave out what is settled."""
        ...

    def headers(self, header: str | None, sending: Sending) -> list[bytes]:
        """Give a line of a request's head a record; none without a *header*."""
        ...


class Opening(Protocol):
    """What can open the journal of a transfer."""

    def open(self, shaping: Shaping) -> Recording:
        """
        Give the pass to begin or to go on with, on the reading thread.

        Raises:
            JournalError: another run holds it, or it is not of this transfer, or damaged.
        """
        ...


class Recorder:
    """
    Gives every row its place, and leaves out what earlier runs settled.

    Args:
        book: of the pass.
        shaping: of the transfer.
    """

    def __init__(self, book: PassBook, shaping: Shaping) -> None:
        self.book = book
        self._columns = book.columns
        self._shaping = shaping
        transform = shaping.transform
        self._by_row = transform is None or isinstance(transform, PerRow)
        self._next = 0

    def check(self, description: Sequence[Any], keys: RowKeys) -> None:
        """Accept the columns of the source, and the keys of its first rows; raise JournalError."""
        self.book.check(description, keys.positions[0] if keys.positions else ())

    def shape(self, chunk: Sequence[Row], keys: RowKeys) -> Shaped:
        """Turn a chunk of rows into records, as `transforms.shape` does."""
        transform, ordering_key, columns, _ = self._shaping
        if transform is None:
            return Shaped(chunk, keys.positions, 0, (), turns_of(chunk, ordering_key))
        key = self._columns.position if self._by_row else self._columns.key
        return shape(chunk, transform, key or None, ordering_key, columns)

    @property
    def has_room(self) -> bool:
        """Whether the window beyond the watermark takes more rows."""
        return self._next - self.book.low < WINDOW

    def keys_of(self, chunk: Sequence[Row]) -> RowKeys:
        """Take the positions and keys of rows."""
        position, key = self._columns.position, self._columns.key
        positions = key_of_each(chunk, position or None)
        same = self._by_row or position == key
        return RowKeys(positions, positions if same else key_of_each(chunk, key))

    def place(self, chunk: Sequence[Row], rows: RowKeys, shaped: Shaped, span: Span) -> Recorded:
        """Give the places of a chunk; its rows have the keys *rows*."""
        del chunk
        by_position = shaped
        if not self._by_row and rows.keys is not rows.positions:
            keys = positions_of(shaped.keys, rows.keys, rows.positions)
            by_position = shaped._replace(keys=keys)
        stretch, records, failed = placed(self._next, rows.positions, by_position)
        self._next = stretch.end
        again = span.replayed or span.below
        known = self.book.known_of(stretch.first, stretch.keys) if again else []
        if not again:
            self.book.known.clear()
        stretch = stretch._replace(replayed=span.replayed, below=span.below, known=known)
        return self._without_known(stretch, by_position, records, failed)

    def headers(self, header: str | None, sending: Sending) -> list[bytes]:
        """Give the lines of requests' heads with the idempotency keys of records."""
        return self.book.headers(header, sending.places) if header else []

    def _without_known(
        self, stretch: Stretch, shaped: Shaped, records: Sequence[int], failed: Sequence[int]
    ) -> Recorded:
        known = set(stretch.known)
        if known:
            done = [index for index, number in enumerate(records) if number in known]
            kept = [index for index, number in enumerate(failed) if number not in known]
            shaped = shaped.without(set(done))._replace(
                failed=[shaped.failed[index] for index in kept]
            )
            records = [number for number in records if number not in known]
            failed = [failed[index] for index in kept]
        places = shaped.keys
        if self._columns.position != self._columns.key:
            shaped = shaped._replace(
                keys=[self._columns.key_of(place) for place in places],
                failed=[
                    (self._columns.key_of(key) if key else key, row) for key, row in shaped.failed
                ],
            )
        rows = len(stretch.positions) - _rows_known(stretch, known)
        skipped = sum(number not in known for number in stretch.skipped)
        return Recorded(shaped, stretch, places, records, failed, rows, skipped)


def _rows_known(stretch: Stretch, known: set[int]) -> int:
    """Give how many rows have all of their places settled already."""
    if not known or stretch.ends is None:
        return len(known)
    starts = [0, *stretch.ends]
    spans = zip(starts, stretch.ends, strict=False)
    return sum(
        all(stretch.first + place in known for place in range(start, end)) for start, end in spans
    )


def dead_of(
    recorded: Recorded,
    shaped: Shaped,
    unsent: Mapping[int, FailedRow],
    errors: Mapping[int, UnencodableError],
) -> list[Dead]:
    """Give the dead letters of what a chunk has that is not to be sent."""
    dead = [
        of_failed(number, key, row, reason="transform")
        for number, (key, row) in zip(recorded.failed, shaped.failed, strict=True)
    ]
    for index, row in unsent.items():
        key = shaped.keys[index] if shaped.keys else None
        number = recorded.numbers[index]
        if index not in errors:
            text = record_text(shaped.records[index])
            dead.append(of_failed(number, key, row, reason=INTERRUPTED, body=text))
        else:
            dead.append(of_failed(number, key, row, reason=errors[index].reason))
    return sorted(dead, key=lambda one: one.number)
