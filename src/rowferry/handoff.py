"""
What crosses between the reading thread and the event loop.

Batches go one way, into a room that is bounded in bytes and in records; failed rows and the news
that there is room again come back. Each counter is written by one thread, or under the lock.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from rowferry.batches import Batch, Origin
    from rowferry.batching import Batcher
    from rowferry.ledger import Ledger
    from rowferry.records import FailedRow


OVERHEAD = 200
"""Bytes that a batch takes in memory besides its body, about."""


class Handoff:
    """
    The room between the reading thread and the event loop.

    Args:
        batcher: gathers records into batches.
        ledger: counts the records that are taken and settled.
        max_bytes: of batches that are on their way, in memory.
        max_records: of batches that are on their way.
        linger: seconds that a record waits at most for others to fill its batch.
    """

    def __init__(
        self, batcher: Batcher, ledger: Ledger, *, max_bytes: int, max_records: int, linger: float
    ) -> None:
        self._batcher = batcher
        self._ledger = ledger
        self._max_bytes = max_bytes
        self._max_records = max_records
        self._few_bytes, self._few_records = 7 * max_bytes // 8, 7 * max_records // 8
        self._linger = linger
        self._lock = threading.Lock()
        self._notes: queue.SimpleQueue[list[FailedRow]] = queue.SimpleQueue()
        self._waits_for_room = False
        self._waits_for_window = False
        self._gathered_at: float | None = None
        self._put_bytes = 0
        self._settled_bytes = 0

    # the reading thread

    def batch(
        self,
        bodies: list[bytes],
        origins: list[Origin],
        *,
        headers: Sequence[bytes] = (),
        turns: Sequence[tuple[Hashable]] = (),
        lines: Sequence[bytes] = (),
    ) -> list[Batch]:
        """Gather records; give the batches that became full. The arguments are `Batcher.add`'s."""
        with self._lock:
            self._ledger.taken += len(bodies)  # first: an interrupt may come between two lines
            batches = self._batcher.add(bodies, origins, headers=headers, turns=turns, lines=lines)
            if batches or self._gathered_at is None:
                self._gathered_at = time.monotonic()
            return self._counted(batches)

    def flush(self) -> list[Batch]:
        """Give the last batch, full or not, or nothing where there is none."""
        with self._lock:
            return self._flush()

    def _flush(self) -> list[Batch]:
        self._gathered_at = None
        return self._counted(self._batcher.flush())

    @property
    def has_room(self) -> bool:
        """Whether more may be read."""
        return (
            self._put_bytes - self._settled_bytes < self._max_bytes
            and self._ledger.unsure < self._max_records
        )

    def wait_for_window(self) -> None:
        """Let the next commit be news."""
        self._waits_for_window = True

    def wait_for_news(self, seconds: float, *, room: bool) -> list[FailedRow]:
        """
        Wait until there is news from the event loop, and give the rows that failed since.

        Args:
            seconds: to wait at most; 0 only looks.
            room: whether room is news.
        """
        self._waits_for_room = room
        if room and self.has_room:
            seconds = 0.0
        failed = [*self._next_note(seconds)]
        self._waits_for_room = False
        while not self._notes.empty():
            failed += self._next_note(0.0)
        return failed

    def _next_note(self, seconds: float) -> list[FailedRow]:
        try:
            return self._notes.get(timeout=seconds) if seconds else self._notes.get_nowait()
        except queue.Empty:
            return []

    # the event loop

    def settled(self, batch: Batch) -> None:
        """Count the records of *batch* as settled, and free its room."""
        ledger = self._ledger
        ledger.settled += batch.count
        self._settled_bytes += batch.size + OVERHEAD
        if (
            self._waits_for_room
            and ledger.taken - ledger.settled - ledger.held <= self._few_records
        ):
            self._wake_if_there_is_room()  # looked at here: it is a call that most are spared

    def free(self, batch: Batch) -> None:
        """Free the room that *batch* took; wake the reading thread once an eighth is free."""
        self._settled_bytes += batch.size + OVERHEAD
        if self._waits_for_room:
            self._wake_if_there_is_room()

    def committed(self) -> None:
        """Wake the reading thread where it waits: the journal's window may have moved."""
        if self._waits_for_window:
            self._waits_for_window = False
            self._notes.put([])

    def _wake_if_there_is_room(self) -> None:
        """Give the reading thread something to do: little at a time, but not a row each."""
        if (
            self._ledger.unsure <= self._few_records
            and self._put_bytes - self._settled_bytes <= self._few_bytes
        ):
            self._waits_for_room = False
            self._notes.put([])

    def divided(self, more: int) -> None:
        """Note that a batch was divided, so that there are *more* batches than were put here."""
        self._settled_bytes -= OVERHEAD * more

    def shrink(self, max_bytes: int) -> None:
        """Make no larger batches from now on."""
        with self._lock:
            self._batcher.shrink(max_bytes)

    def overdue(self) -> list[Batch]:
        """Give what has been gathered for longer than a record may wait for others."""
        since = self._gathered_at
        if since is None or time.monotonic() - since < self._linger:
            return []
        if not self._lock.acquire(blocking=False):
            return []  # it is being filled, or compressed, which takes long: the next look sees
        try:
            return self._flush()
        finally:
            self._lock.release()

    # both

    def tell(self, failed: list[FailedRow]) -> None:
        """Wake the reading thread, with rows that failed or with none."""
        self._notes.put(failed)

    def _counted(self, batches: list[Batch]) -> list[Batch]:
        self._put_bytes += sum([batch.size for batch in batches]) + OVERHEAD * len(batches)
        return batches
