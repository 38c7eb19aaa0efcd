"""
Acknowledgements in any order, and the position up to which everything is settled.

Every row that is read has a place, or as many as it has records; places are numbered in the order
of reading. Up to the first place that is not settled yet, a later run needs to read nothing again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rowferry.records import Key

WINDOW = 100_000
"""Places beyond the watermark; where there are so many, nothing more is read."""

_MANY = 32
"""Stretches from which on it is worth the time to forget the keys of those that are settled."""


class Stretch(NamedTuple):
    """
    Rows that were read together, and the places of their records.

    Attributes:
        first: number of its first place.
        positions: of its rows, in order.
        keys: one a place: the position of its row; the number of the record in its row after it,
            where that is not 0. A row without records has one place all the same.
        ends: for each row, how many places it and those before it have; None: one a row.
        in_order: whether places come in the order of the rows. If not, rows have one place each,
            and none is passed before all are settled.
        replayed: whether earlier runs may have sent what is not settled of it.
        below: whether it lies below the watermark, and leaves it where it is.
        known: places that earlier runs settled.
        skipped: places of rows that gave no record.
    """

    first: int
    positions: Sequence[Key]
    keys: Sequence[Key]
    ends: Sequence[int] | None = None
    in_order: bool = True
    replayed: bool = False
    below: bool = False
    known: Sequence[int] = ()
    skipped: Sequence[int] = ()

    @property
    def end(self) -> int:
        """The number after its last place."""
        return self.first + len(self.keys)

    def rows_before(self, number: int) -> int:
        """Give how many of its rows are passed where every place before *number* is settled."""
        places = number - self.first
        if not self.in_order:
            return len(self.positions) if number >= self.end else 0
        return places if self.ends is None else bisect_right(self.ends, places)

    def position_of(self, number: int) -> Key:
        """Give the position up to which the places before and with *number* may lie."""
        if not self.in_order:
            return self.positions[-1]
        place = number - self.first
        return self.positions[place if self.ends is None else self._row(place)]

    def _row(self, place: int) -> int:
        return 0 if self.ends is None else bisect_left(self.ends, place + 1)

    def places_of_row(self, number: int) -> tuple[int, int]:
        """Give the first place, and the one after the last, of the row that has *number*."""
        if self.ends is None:
            return number, number + 1
        row = self._row(number - self.first)
        return self.first + (self.ends[row - 1] if row else 0), self.first + self.ends[row]


class Watermark:
    """
    Takes stretches in order and settled places in any, and knows what lies below all that is open.

    Attributes:
        low: every place with a lower number is settled.
        end: the number after the last place that is known.
        position: of the last row that is passed; the one that it was made with before any is.
    """

    def __init__(self, position: Key | None = None) -> None:
        self.low = 0
        self.end = 0
        self.position = position
        self._flags = bytearray()
        self._base = 0
        self._stretches: deque[Stretch] = deque()
        self._firsts: deque[int] = deque()
        self._several = 0

    def add(self, stretch: Stretch) -> None:
        """Take the next stretch; what is known of it to be settled, is."""
        self._stretches.append(stretch)
        self._firsts.append(stretch.first)
        self._flags.extend(bytes(len(stretch.keys)))
        self._several += stretch.ends is not None
        self.end = stretch.end
        self._mark(stretch.known)

    def settle(self, numbers: Sequence[int], covered: int) -> tuple[list[int], int]:
        """
        Note that places are settled.

        Args:
            covered: the number after the last place that may be.

        Returns:
            The places of skipped rows that are settled with them, and how many rows have all of
            their places settled now.
        """
        self._mark(numbers)
        stretches = takewhile(lambda stretch: stretch.first < covered, self._stretches)
        skipped = [number for stretch in stretches for number in self._released(stretch)]
        self._mark(skipped)
        return skipped, self._rows_of(numbers) + len(skipped)

    @property
    def floor(self) -> int:
        """
        The first place that a later run reads again: of a row, or of a stretch, that is not passed.

        Some of those after it may be settled and lie below `low` all the same.
        """
        if self.low == self.end:
            return self.low
        stretch = self.stretch_of(self.low)
        return stretch.places_of_row(self.low)[0] if stretch.in_order else stretch.first

    def advance(self) -> None:
        """Find the watermark."""
        start = self.low - self._base
        found = self._flags.find(0, start)
        self.low = self._base + (len(self._flags) if found < 0 else found)
        for stretch in self._stretches:
            if stretch.first >= self.low:
                break
            rows = stretch.rows_before(min(self.low, stretch.end))
            if rows and not stretch.below:
                self.position = stretch.positions[rows - 1]

    def passed(self, before: int) -> list[Key]:
        """Give the positions of the rows passed since the watermark was at place *before*."""
        rows: list[Key] = []
        for stretch in self._stretches:
            if stretch.first < self.low:
                start = stretch.rows_before(max(before, stretch.first))
                rows += stretch.positions[start : stretch.rows_before(min(self.low, stretch.end))]
        return rows

    def forget(self, *, names: bool = True) -> None:
        """
        Forget what lies below the watermark.

        Args:
            names: whether to forget the keys of what is settled above it, too.
        """
        while self._stretches and self._stretches[0].end <= self.low:
            self._several -= self._stretches.popleft().ends is not None
            self._firsts.popleft()
        base = self._firsts[0] if self._firsts else self.end
        del self._flags[: base - self._base]
        self._base = base
        if names and len(self._stretches) >= _MANY:
            for index, stretch in enumerate(self._stretches):
                self._stretches[index] = self._shrunk(stretch)

    def is_settled(self, number: int) -> bool:
        """Tell whether a place is; it must not be forgotten."""
        return number < self.low or bool(self._flags[number - self._base])

    def stretch_of(self, number: int) -> Stretch:
        """Give the stretch of a place that is not forgotten."""
        return self._stretches[bisect_right(self._firsts, number) - 1]

    def key_of(self, number: int) -> Key:
        """Give the key of a place that is not forgotten."""
        stretch = self.stretch_of(number)
        return stretch.keys[number - stretch.first]

    def unsettled(self, start: int, end: int) -> list[int]:
        """Give the places from *start* to before *end* that are not settled."""
        flags, base = self._flags, self._base
        return [number for number in range(max(start, base), end) if not flags[number - base]]

    def _mark(self, numbers: Iterable[int]) -> None:
        flags, base = self._flags, self._base
        for number in numbers:
            flags[number - base] = 1

    def _released(self, stretch: Stretch) -> Sequence[int]:
        """Give the skipped rows of a stretch that count as settled once all others are."""
        if stretch.in_order or not stretch.skipped:
            return ()
        rest = [number for number in stretch.skipped if not self.is_settled(number)]
        places = self._flags[stretch.first - self._base : stretch.end - self._base]
        return rest if places.count(0) == len(rest) else ()

    def _rows_of(self, numbers: Sequence[int]) -> int:
        """Give how many rows are settled with these places, and were not before."""
        if not self._several:
            return len(numbers)
        flags, base = self._flags, self._base
        rows = {self.stretch_of(number).places_of_row(number) for number in numbers}
        return sum(not flags.count(0, start - base, end - base) for start, end in rows)

    def _shrunk(self, stretch: Stretch) -> Stretch:
        """Give *stretch*, where all of it is settled, with no key but its last position."""
        start, count = stretch.first - self._base, len(stretch.keys)
        if len(stretch.positions) == 1 or self._flags.count(0, start, start + count):
            return stretch
        self._several -= stretch.ends is not None
        nameless: tuple[Key, ...] = ((),) * count
        return stretch._replace(
            positions=stretch.positions[-1:], keys=nameless, ends=None, in_order=False, skipped=()
        )
