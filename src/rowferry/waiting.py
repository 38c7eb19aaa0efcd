"""The batches that are to be sent: those that are new, those that are sent again, and when."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING

from rowferry.ordering import Ordering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rowferry.batches import Batch
    from rowferry.retry import RetryBudget


class Timers:
    """Calls to come, all of which can be called off at once."""

    def __init__(self) -> None:
        self._handles: dict[int, asyncio.TimerHandle] = {}
        self._count = 0

    def after(self, seconds: float, function: Callable[..., None], *arguments: object) -> None:
        """Call *function* in so many seconds."""
        self._count += 1
        self._handles[self._count] = asyncio.get_running_loop().call_later(
            seconds, self._call, self._count, function, arguments
        )

    def _call(
        self, number: int, function: Callable[..., None], arguments: tuple[object, ...]
    ) -> None:
        del self._handles[number]
        function(*arguments)

    def cancel(self) -> None:
        """Call nothing any more of what was to be called."""
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()


class Waiting:
    """
    The batches that are to be sent.

    Attributes:
        new: those that were never sent, in the order of their reading, and parts of those that the
            API did not take as a whole. Others may take from its left, where `again` is empty.
        again: those that are to be sent again now.
        ended: whether no more batches will come.
        stopped: whether nothing is to be sent any more.

    Args:
        budget: how much may be sent again.
    """

    def __init__(self, budget: RetryBudget) -> None:
        self.new: deque[Batch] = deque()
        self.again: deque[Batch] = deque()
        self.ended = False
        self.stopped = False
        self._put_off: dict[int, Batch] = {}
        self._budget = budget
        self._ordering = Ordering()
        self._new_first = False

    def add(self, batches: Iterable[Batch]) -> None:
        """Take new batches."""
        may_go = self._ordering.may_go
        self.new.extend([batch for batch in batches if batch.turn is None or may_go(batch)])

    def add_first(self, batches: Sequence[Batch]) -> None:
        """Take batches that are to be sent before all new ones, in their order."""
        self.new.extendleft(reversed(batches))

    def settled(self, batch: Batch) -> None:
        """Let the batch go that had to wait for *batch*, if there is one."""
        follower = self._ordering.settled(batch)
        if follower:
            self.new.appendleft(follower)

    def put_off(self, batch: Batch) -> None:
        """Keep a batch until `due`, or until `wake`."""
        self._put_off[id(batch)] = batch

    def due(self, batch: Batch) -> None:
        """Let a batch go again that was put off, if it still is."""
        if self._put_off.pop(id(batch), None):
            self.again.append(batch)

    @property
    def failed(self) -> Iterable[Batch]:
        """All that failed, and is to be sent again now or later."""
        return chain(self.again, self._put_off.values())

    @property
    def empty(self) -> bool:
        """Whether nothing is to be sent, now or later, but what waits for its turn."""
        return not (self.new or self.again or self._put_off)

    def wake(self) -> None:
        """Let all go again that were put off."""
        self.again.extend(self._put_off.values())
        self._put_off.clear()

    def delay(self, now: float, delivered: int) -> float | None:
        """Give the seconds until a batch may be sent, 0 where it may now; None: there is none."""
        if self.new:
            return 0.0
        return self._budget.wait(now, delivered) if self.again else None

    def next(self, now: float, delivered: int, *, probing: bool) -> Batch:
        """
        Give the next batch, where `delay` is 0: one that is sent again, else a new one.

        While *probing*, one after the other: were it always the same, and that one what the API
        cannot take, nobody would learn that the others go through.
        """
        self._new_first = probing and not self._new_first
        new_first = self._new_first and bool(self.new)
        if self.again and not new_first and not self._budget.wait(now, delivered):
            self._budget.take()
            return self.again.popleft()
        return self.new.popleft() if self.new else self.again.popleft()
