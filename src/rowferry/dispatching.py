"""Giving batches to workers: as many as may have requests in flight, each when its moment comes."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from rowferry.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.batches import Batch
    from rowferry.gate import Gate
    from rowferry.ledger import Ledger
    from rowferry.waiting import Waiting

_SOONEST = 0.001
"""Seconds that an alarm is set ahead at least: a clock of milliseconds would ring too early."""


class Dispatching:
    """
    Gives batches to workers: to one that is idle, else to a new one.

    Args:
        gate: says how many requests may be in flight, and when the next one may begin.
        waiting: has the batches.
        ledger: tells what was delivered, which batches that are sent again depend on.
        workers: that there are, at most.
        begin: starts the task of a new worker with its first batch.

    Attributes:
        lanes: of the workers there are.
        over: whether no batch is given any more.
    """

    def __init__(
        self,
        gate: Gate,
        waiting: Waiting,
        ledger: Ledger,
        workers: int,
        begin: Callable[[Lane, Batch], asyncio.Task[None]],
    ) -> None:
        self.lanes: list[Lane] = []
        self.over = False
        self._gate = gate
        self._waiting = waiting
        self._ledger = ledger
        self._workers = workers
        self._begin = begin
        self._idle: list[asyncio.Future[Batch]] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._waits_since: float | None = None

    async def next(self) -> Batch | None:
        """Give the next batch once it may be sent; None where the run is over."""
        if self.over:
            return None
        idle: asyncio.Future[Batch] = asyncio.get_running_loop().create_future()
        self._idle.append(idle)
        self.dispatch()
        return await idle

    def dispatch(self) -> None:
        """Give batches to workers as long as they may be sent now; set the alarm for the next."""
        gate, waiting, ledger = self._gate, self._waiting, self._ledger
        now = monotonic()
        while self._can_begin:
            delay = waiting.delay(now, ledger.delivered)
            if delay is None:
                break
            at = now + delay if delay else gate.opens(self._waits_since or now)
            if at > now:
                self._waits_since = self._waits_since or now
                self._ring(at - now)
                return
            gate.begin(at)
            self._waits_since = at
            self._give(waiting.next(now, ledger.delivered, probing=gate.probing))
        self._waits_since = None

    @property
    def _can_begin(self) -> bool:
        """Whether there is a place and a worker for one more request."""
        if self.over or self._gate.held or self._gate.places >= self._gate.allowed:
            return False
        return bool(self._idle) or len(self.lanes) < self._workers

    def _give(self, batch: Batch) -> None:
        """Give a batch to an idle worker, or to a new one."""
        while self._idle:
            idle = self._idle.pop()
            if not idle.done():
                idle.set_result(batch)
                return
        lane = Lane()
        lane.task = self._begin(lane, batch)
        self.lanes.append(lane)

    def _ring(self, seconds: float) -> None:
        """See to it that batches are given out again in so many seconds."""
        self.cancel_alarm()
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(max(seconds, _SOONEST), self.dispatch)

    def cancel_alarm(self) -> None:
        """Let batches wait for others to tell that they may go."""
        if self._alarm:
            self._alarm.cancel()
