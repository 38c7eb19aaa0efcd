"""Records to batches, by count and by bytes; and how many rows to fetch next."""

from __future__ import annotations

from array import array
from itertools import accumulate, repeat, starmap, takewhile
from typing import TYPE_CHECKING

from rowferry.batches import Batch, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

FIRST_FETCH = 100
"""Rows of the first fetch: the API has work before the first large chunk is there."""

CHUNK_BYTES = 8 * 1024 * 1024
"""Encoded size from which on chunks grow no more."""


PATIENT_FETCH = 1000
"""Rows of a fetch, at most, once the reader waits for the API: while a chunk is being made the
event loop stands still, and 5,000 rows of six columns take 10 to 20 ms."""


def next_fetch(count: int, size: int, chunk_size: int, *, waited: bool = False) -> int:
    """
    Give how many rows to fetch after a chunk of *count* rows that was *size* bytes of JSON.

    At least 1, at most *chunk_size*: twice as many while a chunk stays under 8 MiB, half as many
    once it is above; at most 1,000 where the reader *waited* for room.
    """
    wanted = count // 2 if size > CHUNK_BYTES else count * 2 if size * 2 < CHUNK_BYTES else count
    if waited:
        wanted = min(wanted, PATIENT_FETCH)
    return max(1, min(wanted, chunk_size))


class Batcher:
    """
    Gathers encoded records until there are enough for a request.

    Args:
        join: makes the body of a request from the JSON texts of its records.
        size: records of a batch, at most.
        max_bytes: of a batch's body, at most, unless a single record is larger.
        splittable: whether bodies can be taken apart again, by the sizes of their records.
    """

    def __init__(
        self,
        join: Callable[[Sequence[bytes]], bytes],
        *,
        size: int,
        max_bytes: int,
        splittable: bool = False,
    ) -> None:
        self._join = join
        self._splittable = splittable
        self._size = size
        self._max_bytes = max_bytes
        self._bodies: list[bytes] = []
        self._origins: list[Origin] = []

    def add(
        self,
        bodies: list[bytes],
        origins: list[Origin],
        *,
        headers: Sequence[bytes] = (),
        turns: Sequence[tuple[Hashable]] = (),
        lines: Sequence[bytes] = (),
    ) -> list[Batch]:
        """
        Take records and give the batches that became full.

        Args:
            origins: one a record, or empty where nobody may ask for them.
            headers: of each record's request; only where a request holds one.
            turns: of each record; the same.
            lines: the first one of each record's request; the same. An empty text is no body then.
        """
        if self._size == 1:
            return self._single(bodies, origins, headers, turns, lines)
        self._bodies += bodies
        self._origins += origins
        batches = []
        start = 0
        while count := self._full(start):
            batches.append(self._batch(start, start + count))
            start += count
        del self._bodies[:start]
        del self._origins[:start]
        return batches

    def flush(self) -> list[Batch]:
        """Give what has been gathered as one last batch, or nothing where nothing has."""
        if not self._bodies:
            return []
        batch = self._batch(0, len(self._bodies))
        self._bodies.clear()
        self._origins.clear()
        return [batch]

    def shrink(self, max_bytes: int) -> None:
        """Make no larger batches from now on."""
        self._max_bytes = min(self._max_bytes, max_bytes)

    def _single(
        self,
        records: list[bytes],
        origins: list[Origin],
        headers: Sequence[bytes],
        turns: Sequence[tuple[Hashable]],
        lines: Sequence[bytes],
    ) -> list[Batch]:
        if lines:
            bodies = [self._join((text,)) if text else b"" for text in records]
        else:
            bodies = list(map(self._join, zip(records, strict=True)))
        if not origins and not headers and not turns and not lines:
            return list(map(Batch, bodies, map(len, bodies)))
        count = len(bodies)
        fields = zip(
            bodies,
            map(len, bodies),
            repeat(1, count),
            origins or repeat((), count),
            repeat(None, count),
            repeat((), count),
            headers or repeat(b"", count),
            turns or repeat(None, count),
            repeat((), count),
            lines or repeat(b"", count),
            strict=True,
        )
        return list(starmap(Batch, fields))

    def _full(self, start: int) -> int:
        """Give how many records from *start* on make a full batch; 0 where there are too few."""
        window = self._bodies[start : start + self._size]
        room = self._max_bytes - 1  # a byte between records, and one more for an array's brackets
        if sum(map(len, window)) + len(window) > room:
            sizes = accumulate(len(body) + 1 for body in window)
            return max(1, sum(1 for _ in takewhile(lambda size: size <= room, sizes)))
        return self._size if len(window) == self._size else 0

    def _batch(self, start: int, end: int) -> Batch:
        texts, origins = self._bodies[start:end], tuple(self._origins[start:end])
        if not self._splittable:
            return Batch(b"", sum(map(len, texts)), end - start, origins, None, tuple(texts))
        sizes = array("I", map(len, texts))
        body = self._join(texts)
        return Batch(body, sum(sizes), end - start, origins, None, (), b"", None, sizes)
