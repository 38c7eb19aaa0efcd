"""
The life of a batch: sent, judged, settled or sent again.

Everything here runs on the event loop, and never runs users' code. A fixed set of workers carries
the batches, one connection each; nothing is created for a record but the future of its answer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import TYPE_CHECKING

from rowferry.batches import Attempts, Batch, Fate, Origin, Response
from rowferry.dialer import Dialer
from rowferry.exceptions import AuthError, ExhaustedError, RejectedError, TransferError
from rowferry.http.connection import Connection, ExchangeError
from rowferry.limits import TokenBucket
from rowferry.records import FailedRow
from rowferry.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.api import Api
    from rowferry.budget import Budget
    from rowferry.handoff import Handoff
    from rowferry.ledger import Ledger

LONGEST_PAUSE = 600.0
"""Seconds that an API may ask for with Retry-After; where it wants more, the run stops."""

_TICK = 0.05
_ANSWER_SHOWN = 2048
_MISSING = frozenset({404, 405, 410})
_WRONG_URL = " (nothing was delivered yet: are url and method right?)"


class _Lane:
    """A worker's own: its connection, its task, and whether it awaits or reads an answer."""

    __slots__ = ("connection", "sending", "task")

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.sending = False
        self.task: asyncio.Task[None]


class Delivery:
    """
    Carries batches to an API until there are no more, or the run is stopped.

    Args:
        api: where to and how.
        budget: what the run may cost.
        ledger: counts what happens.
        handoff: where room is freed and failed rows are left.
        keep_going: whether a rejected record leaves the run going (and is handed back).
        on_stop: called with the reason where the run has to stop.
    """

    def __init__(
        self,
        api: Api,
        budget: Budget,
        ledger: Ledger,
        handoff: Handoff,
        *,
        keep_going: bool,
        on_stop: Callable[[BaseException], None],
    ) -> None:
        self._api = api
        self._budget = budget
        self._ledger = ledger
        self._handoff = handoff
        self._keep_going = keep_going
        self._on_stop = on_stop
        limits = api.limits
        rate = limits.requests_per_second
        self._bucket = TokenBucket(rate, limits.burst) if rate else None
        self._queue: deque[Batch] = deque()
        self._later: dict[int, asyncio.TimerHandle] = {}
        self._lanes: list[_Lane] = []
        self._idle: list[asyncio.Future[None]] = []
        self._unsettled = 0
        self._ended = False
        self._stopping = False
        self._grace: asyncio.TimerHandle | None = None
        self._dialer = Dialer(api, ledger)
        self._paused_until = 0.0
        self._paced = self._bucket is not None
        self._over = False
        self._over_soon = asyncio.Event()

    # from outside, on the event loop

    async def run(self) -> None:
        """Carry batches until the last one is settled, or until `stop`."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as around:
                ticking = around.create_task(self._tick())
                async with asyncio.TaskGroup() as self._group:
                    await self._over_soon.wait()
                ticking.cancel()
        finally:
            if self._grace:
                self._grace.cancel()
            for lane in self._lanes:
                if lane.connection:
                    lane.connection.close()
            await asyncio.sleep(0)  # lets closed transports say goodbye before the loop ends

    def receive(self, batches: list[Batch]) -> None:
        """Take batches to deliver."""
        self._queue.extend(batches)
        self._unsettled += len(batches)
        self._wake(len(batches))

    def end(self) -> None:
        """Note that no more batches will come."""
        self._ended = True
        self._look_for_the_end()

    def stop(self) -> None:
        """Send nothing more; let what is in flight finish for at most the budget's grace."""
        if self._stopping:
            return
        self._stopping = True
        for waiting in self._later.values():
            waiting.cancel()
        self._finish()
        loop = asyncio.get_running_loop()
        self._grace = loop.call_later(self._budget.grace, self.abort)

    def abort(self) -> None:
        """Give up what is in flight, too."""
        self.stop()
        self._cancel(only_waiting=False)

    # the workers

    async def _carry(self, lane: _Lane) -> None:
        """
        Deliver one batch after the other over one connection, until there are no more.

        This loop is the cost of a request, so what is done for every one stands here in a row and
        not in coroutines of its own.
        """
        ledger, queue, head = self._ledger, self._queue, self._api.head
        success = frozenset(self._api.success_status)
        while batch := queue.popleft() if queue and not self._over else await self._next():
            connection = lane.connection
            if batch.attempts or self._paced or not connection or not connection.usable:
                connection = await self._prepare(batch, lane)
                if connection is None:
                    continue
            delivered_before = ledger.delivered
            ledger.begin_request()
            lane.sending = True
            body = batch.body
            try:
                response = await connection.send(b"%b%d\r\n\r\n%b" % (head, len(body), body))
            except ExchangeError as failure:
                fate = Fate.AMBIGUOUS if failure.handed_over else Fate.NOT_SENT
                self._retry(batch, Verdict(fate, str(failure)), delivered_before)
                continue
            finally:
                lane.sending = False
                ledger.in_flight -= 1
            if response.status in success:
                ledger.delivered += batch.count
                self._settle(batch)
            else:
                verdict = judge(response, success, time.time(), self._api.endpoint.origin)
                self._act(batch, verdict, response, delivered_before)

    async def _next(self) -> Batch | None:
        """Give the next batch; None once there are no more, or none may be sent."""
        while not self._over:
            if self._queue:
                return self._queue.popleft()
            idle = self._loop.create_future()
            self._idle.append(idle)
            await idle
        return None

    async def _prepare(self, batch: Batch, lane: _Lane) -> Connection | None:
        """
        Wait until pace and pause allow the next request, and open a connection where needed.

        Returns:
            The connection to send on now; None where the batch has been taken care of.
        """
        try:
            await self._await_turn()
            if lane.connection and batch.attempts and batch.attempts.broken:
                lane.connection.close()
            if lane.connection is None or not lane.connection.usable:
                lane.connection = await self._dialer.connect()
        except ExchangeError as failure:
            self._retry(batch, Verdict(Fate.NOT_SENT, str(failure)), self._ledger.delivered)
            return None
        except TransferError as error:
            self._halt(error)
            return None
        if batch.attempts:
            self._ledger.retries += 1
            if batch.attempts.doubtful:
                self._ledger.maybe_duplicated += batch.count
        return lane.connection

    async def _await_turn(self) -> None:
        """Wait until the API's pause is over and the pace has a permit."""
        while True:
            while (pause := self._paused_until - self._loop.time()) > 0:  # noqa: ASYNC110 (no event)
                await asyncio.sleep(pause)
            if self._bucket and (wait := self._bucket.reserve(self._loop.time())):
                await asyncio.sleep(wait)
            if self._paused_until <= self._loop.time():  # else the permit is not for after it
                return

    # what becomes of a batch that was not taken at once

    def _act(
        self, batch: Batch, verdict: Verdict, response: Response, delivered_before: int
    ) -> None:
        match verdict.fate:
            case Fate.REJECTED:
                doubt = _WRONG_URL if response.status in _MISSING and not delivered_before else ""
                self._bury(batch, RejectedError, verdict.reason + doubt, response)
            case Fate.AUTH:
                self._halt(AuthError(self._message(verdict.reason, response)))
            case Fate.STOP:
                exit_code = 4 if self._ledger.delivered else 2
                message = self._message(verdict.reason, response)
                self._halt(TransferError(message, exit_code=exit_code))
            case _:
                self._retry(batch, verdict, delivered_before, response)

    def _retry(
        self,
        batch: Batch,
        verdict: Verdict,
        delivered_before: int,
        response: Response | None = None,
    ) -> None:
        """Send a batch again after a while, unless it was sent too often or is too old."""
        if self._stopping:
            return  # it stays pending
        now = self._loop.time()
        self._ledger.problem = verdict.reason
        old = batch.attempts or Attempts(since=now, delivered_before=delivered_before)
        attempts = old.after(verdict.fate, broken=response is None)
        retry = self._api.retry
        too_often = attempts.ambiguous > retry.max_retries
        if too_often or now - attempts.since > retry.max_retry_age:
            self._give_up(batch, attempts, verdict.reason, response)
            return
        wait = retry.wait(attempts.tries, luck=random.random())  # noqa: S311 (jitter)
        if verdict.retry_after is not None:
            if verdict.retry_after > LONGEST_PAUSE:
                message = f"{verdict.reason} and wants no requests for {verdict.retry_after:.0f} s"
                self._halt(TransferError(f"{self._api}: {message}"))
                return
            self._paused_until = max(self._paused_until, now + verdict.retry_after)
            self._paced = True
            wait = max(wait, verdict.retry_after)
        again = Batch(batch.body, batch.count, batch.origins, attempts)
        self._later[id(again)] = self._loop.call_later(wait, self._again, again)

    def _again(self, batch: Batch) -> None:
        del self._later[id(batch)]
        self._queue.appendleft(batch)
        self._wake(1)

    def _give_up(
        self, batch: Batch, attempts: Attempts, reason: str, response: Response | None
    ) -> None:
        """
        Tell poison from outage by the neighbours.

        Where others got through meanwhile, the batch is what the API cannot take; where nothing
        did, the API is down, and burying its records one by one would help nobody.
        """
        reason = f"{reason}, after {attempts.tries} tries"
        if self._ledger.delivered > attempts.delivered_before:
            self._bury(batch, ExhaustedError, reason, response)
        else:
            message = self._message(f"{reason}; nothing else got through meanwhile", response)
            self._halt(ExhaustedError(message, status=response.status if response else None))

    def _bury(
        self,
        batch: Batch,
        kind: type[RejectedError],
        reason: str,
        response: Response | None,
    ) -> None:
        """Settle records that the API will not take."""
        errors = [
            (origin, self._rejection(kind, reason, response, origin))
            for origin in batch.origins or [Origin()]
        ]
        self._ledger.rejected += batch.count
        self._settle(batch)
        if not self._keep_going:
            self._halt(errors[0][1])
            return
        self._handoff.tell([FailedRow(origin.value, error) for origin, error in errors])
        if self._budget.max_dead is not None and self._ledger.dead > self._budget.max_dead:
            self._halt(too_many_dead(self._ledger.dead, self._budget.max_dead))

    def _rejection(
        self, kind: type[RejectedError], reason: str, response: Response | None, origin: Origin
    ) -> RejectedError:
        which = f" (key {', '.join(map(repr, origin.key))})" if origin.key else ""
        return kind(
            self._message(f"{reason} to a record{which}", response),
            key=origin.key,
            status=response.status if response else None,
            answer=self._answer(response),
        )

    def _message(self, reason: str, response: Response | None) -> str:
        answer = self._answer(response).strip()
        said = f": {answer[:300]}" if answer else ""
        return f"{self._api}: {reason}{said}"

    def _answer(self, response: Response | None) -> str:
        if response is None:
            return ""
        return self._api.redact(response.body.decode("utf-8", "replace"))[:_ANSWER_SHOWN]

    def _halt(self, error: TransferError) -> None:
        """Stop the run; what is not settled stays pending."""
        self.stop()
        self._on_stop(error)

    # the end of a batch, and of the run

    def _settle(self, batch: Batch) -> None:
        self._handoff.settled(batch)
        self._unsettled -= 1
        if not self._unsettled:
            self._look_for_the_end()

    def _look_for_the_end(self) -> None:
        if self._ended and not self._unsettled:
            self._finish()

    def _finish(self) -> None:
        """Let the workers end: those that wait at once, those with a request after its answer."""
        self._over = True
        self._over_soon.set()
        self._cancel(only_waiting=True)

    def _wake(self, count: int) -> None:
        """Wake as many idle workers as there are batches; begin new ones where allowed."""
        while count > 0 and self._idle:
            idle = self._idle.pop()
            if not idle.done():
                idle.set_result(None)
                count -= 1
        for _ in range(min(count, self._api.limits.workers - len(self._lanes))):
            if self._stopping:
                return
            lane = _Lane()
            lane.task = self._group.create_task(self._carry(lane))
            self._lanes.append(lane)

    def _cancel(self, *, only_waiting: bool) -> None:
        for lane in self._lanes:
            if not (only_waiting and lane.sending):
                lane.task.cancel()

    async def _tick(self) -> None:
        """Give up answers that are late, and send what has lingered."""
        timeout = self._api.request_timeout
        reason = f"no complete answer within {timeout:g} s"
        while True:
            await asyncio.sleep(min(_TICK, timeout / 4))
            late = self._loop.time() - timeout
            for lane in self._lanes:
                if lane.connection:
                    lane.connection.expire(late, reason)
            if overdue := self._handoff.overdue():
                self.receive(overdue)


def too_many_dead(dead: int, max_dead: int) -> TransferError:
    """Make the error of a run with more dead records than its budget allows."""
    return TransferError(f"{dead:,} records were not taken, more than max_dead={max_dead}")
