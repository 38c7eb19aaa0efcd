"""
The event loop's side of a journal: nothing is sent, and nothing counts, before it is on the disk.

Everything here runs on the loop, but what writes has a thread of its own. While one entry is being
written the next one gathers, and what is about to be sent is covered ahead of time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from rowferry.journal_entry import Entry
from rowferry.journal_writer import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.batches import Batch, Origin
    from rowferry.journal_entry import Book
    from rowferry.ledger import Ledger
    from rowferry.letters import Dead
    from rowferry.watermark import Stretch

_EACH = 0.01
"""Seconds from the begin of one commit to the next, unless it takes longer."""

_PAUSE = 0.005
"""Seconds from the end of one commit to the begin of the next, at least."""

_LEAST = 64
_TIMES = 3
"""
Batches that are covered when a commit begins: so many times as went out since the one before, but a
number at least. Some go out meanwhile, and two commits ahead, or a slow disk would be waited for.
"""


class Commit(NamedTuple):
    """What is being written, and who waits for it: batches to be sent, and those sent again."""

    batches: list[Batch]
    waiting: list[asyncio.Future[None]]


class Committing:
    """
    Gathers what happens on the loop, has it committed, and lets batches go that are covered.

    Args:
        book: takes the entries.
        ledger: is told what is committed.
        in_hand: gives how many batches wait to be sent.
        on_covered: called with batches that may be sent now.
        on_committed: called after each commit.
        on_failed: called with the error of a commit that failed; there are no more after it.

    Attributes:
        delivered: where the records come from that were acknowledged; appended to by whoever
            settles a batch.
    """

    def __init__(
        self,
        book: Book,
        ledger: Ledger,
        *,
        in_hand: Callable[[], int],
        on_covered: Callable[[list[Batch]], None],
        on_committed: Callable[[], None],
        on_failed: Callable[[Exception], None],
    ) -> None:
        self.delivered: list[tuple[Origin, ...]] = []
        self._book = book
        self._ledger = ledger
        self._in_hand = in_hand
        self._on_covered = on_covered
        self._on_committed = on_committed
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._writer = JournalWriter(book, self._tell)
        self._stretches: list[Stretch] = []
        self._registered = 0
        self._uncovered: deque[Batch] = deque()
        self._covered = 0
        self._sent_before = 0
        self._dead: list[Dead] = []
        self._doubted: list[Origin] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._commit: Commit | None = None
        self._failed = False
        self._closing = False
        self._at_rest = asyncio.Event()
        self._begun_at = self._ended_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def read(self, stretch: Stretch, dead: list[Dead]) -> None:
        """Take rows that were read, and those of their records that cannot be sent."""
        self._stretches.append(stretch)
        self._registered = stretch.end
        self._dead += dead
        self._soon()

    def receive(self, batches: list[Batch]) -> None:
        """Take batches, to let them go once they are covered."""
        self._uncovered.extend(batches)
        self._soon()

    def bury(self, dead: list[Dead]) -> None:
        """Take records that the API will not take."""
        self._dead += dead

    async def doubt(self, batch: Batch) -> None:
        """Return once it is committed that the records of a batch may double."""
        self._doubted += batch.origins
        committed: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(committed)
        self._soon()
        await committed

    async def close(self, *, complete: bool) -> None:
        """
        Commit all that is known, the last time; then let the thread end.

        Args:
            complete: whether the source was read to its end, and everything is settled.
        """
        self._closing = True
        if self._timer:
            self._timer.cancel()
        try:
            if self._commit:
                await self._at_rest.wait()
            if not self._failed:
                self._write(self._entry(complete=complete), [])
                await self._at_rest.wait()
        finally:
            self._writer.end()

    # one commit after another

    def _soon(self) -> None:
        """See to it that there is a commit as soon as one may begin."""
        if not (self._timer or self._commit or self._closing or self._failed):
            at = max(self._begun_at + _EACH, self._ended_at + _PAUSE)
            wait = max(0.0, at - self._loop.time())
            self._timer = self._loop.call_later(wait, self._begin)

    def _begin(self) -> None:
        self._timer = None
        batches = self._next_covered()
        if batches:
            self._covered = max(self._covered, batches[-1].origins[-1].number + 1)
        if not self._uncovered:  # then rows that give nothing to send need not wait
            self._covered = max(self._covered, self._registered)
        entry = self._entry(complete=False)
        if batches or self._waiting or any(entry[:1] + entry[2:5]):
            self._begun_at = self._loop.time()
            self._write(entry, batches)
        elif self._ledger.pending:
            self._timer = self._loop.call_later(_EACH, self._begin)

    def _next_covered(self) -> list[Batch]:
        """Take the batches to cover next."""
        sent = self._ledger.requests
        ahead = max(_LEAST, _TIMES * (sent - self._sent_before))
        self._sent_before = sent
        uncovered = self._uncovered
        count = min(ahead - self._in_hand(), len(uncovered))
        batches = [uncovered.popleft() for _ in range(count)]
        while batches and batches[-1].origins[-1].number >= self._registered:
            uncovered.appendleft(batches.pop())  # its rows are announced by a call on its way
        return batches

    def _entry(self, *, complete: bool) -> Entry:
        """Give what has gathered, and begin to gather anew."""
        entry = Entry(
            self._stretches, self._covered, self.delivered[:], self._dead, self._doubted, complete
        )
        self.delivered.clear()  # the list stays: others append to it
        self._stretches, self._dead, self._doubted = [], [], []
        return entry

    def _write(self, entry: Entry, batches: list[Batch]) -> None:
        self._at_rest.clear()
        self._commit = Commit(batches, self._waiting)
        self._waiting = []
        self._writer.write(entry)

    def _tell(self, error: Exception | None) -> None:
        """Let the loop know that an entry was written; called on the writing thread."""
        with contextlib.suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(self._written, error)

    def _written(self, error: Exception | None) -> None:
        commit, self._commit = self._commit, None
        self._ended_at = self._loop.time()
        self._at_rest.set()
        if error is not None or commit is None:
            self._failed = True
            self._on_failed(error or RuntimeError("a bug in rowferry: written, but not begun"))
            return
        self._ledger.committed = self._book.counts
        for one in commit.waiting:
            if not one.done():
                one.set_result(None)
        self._on_committed()
        if commit.batches and not self._closing:
            self._on_covered(commit.batches)
        self._soon()
