"""
The life of a batch: sent, judged, settled or sent again.

Everything here runs on the event loop, and runs no users' code but that of their own body formats
and `item_results`. A fixed set of workers carries the batches, one connection each; while all goes
well they sleep, and each answer sends the next request itself.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from rowferry.committing import Committing
from rowferry.credentials import Credentials
from rowferry.dialer import Dialer
from rowferry.dispatching import Dispatching
from rowferry.dividing import Dividing
from rowferry.exceptions import TransferError
from rowferry.gate import Gate
from rowferry.http.connection import ExchangeError
from rowferry.http.long_answers import LongAnswers
from rowferry.outcomes import Outcomes
from rowferry.pacing import Pacing
from rowferry.retry import RetryBudget
from rowferry.retrying import Retrying
from rowferry.settling import Settling
from rowferry.waiting import Timers, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from rowferry.batches import Batch, Response
    from rowferry.handoff import Handoff
    from rowferry.journal_entry import Book
    from rowferry.lanes import Carrier, Lane
    from rowferry.ledger import Ledger
    from rowferry.letters import Dead
    from rowferry.transfer_spec import Transfer
    from rowferry.watermark import Stretch

_TICK = 0.05
_OFTENEST = 0.001
"""Seconds between two looks at what is late: how often, and how often at most."""


class Delivery:
    """
    Carries batches to an API until there are no more, or the run is stopped.

    Args:
        transfer: where to and how, and what it may cost.
        ledger: counts what happens.
        handoff: where room is freed and failed rows are left.
        on_stop: called with the reason where the run has to stop.
    """

    def __init__(
        self,
        transfer: Transfer,
        ledger: Ledger,
        handoff: Handoff,
        on_stop: Callable[[BaseException], None],
    ) -> None:
        self._api = transfer.api
        self._budget = transfer.budget
        self._ledger = ledger
        self._handoff = handoff
        self._on_stop = on_stop
        api = self._api
        self._gate = Gate(api.limits, monotonic())
        self._waiting = Waiting(RetryBudget(monotonic()))
        self._timers = Timers()
        self._dispatching = Dispatching(
            self._gate, self._waiting, ledger, api.limits.workers, self._begin
        )
        self._dialer = Dialer(api, ledger)
        self._credentials = self._new_credentials()
        self._settling = self._new_settling(goes_on=transfer.goes_on)
        self._pacing = self._new_pacing()
        self._dividing = Dividing(api.format, handoff, self._waiting, self._settling)
        self._outcomes = self._new_outcomes(self._new_retrying())
        self._head = self._credentials.head
        self._success: Collection[int] = frozenset()
        self._signs = hasattr(api.scheme, "sign")
        self._long_answers = LongAnswers(api.answer_share) if api.reads_items else None
        self._committing: Committing | None = None
        self._exhausted = False
        self._all_settled = False
        self._grace: asyncio.TimerHandle | None = None
        self._over_soon = asyncio.Event()
        self._take_credentials()

    # its parts

    def _new_credentials(self) -> Credentials:
        return Credentials(
            self._api,
            self._ledger,
            self._gate,
            self._dialer,
            start=self._start,
            on_change=self._take_credentials,
            on_stop=self._halt,
        )

    def _new_settling(self, *, goes_on: bool) -> Settling:
        return Settling(
            self._api,
            self._budget,
            self._ledger,
            self._handoff,
            keep_going=goes_on,
            redact=self._credentials.redact,
            on_rejected=self._settled,
            on_stop=self._halt,
        )

    def _new_pacing(self) -> Pacing:
        return Pacing(
            self._api,
            self._ledger,
            self._gate,
            self._waiting,
            self._timers,
            self._dispatching.dispatch,
        )

    def _new_retrying(self) -> Retrying:
        return Retrying(
            self._api,
            self._ledger,
            self._handoff,
            gate=self._gate,
            waiting=self._waiting,
            timers=self._timers,
            settling=self._settling,
            dividing=self._dividing,
            on_ready=self._dispatching.dispatch,
            on_stop=self._halt,
        )

    def _new_outcomes(self, retrying: Retrying) -> Outcomes:
        return Outcomes(
            self._api,
            self._ledger,
            credentials=self._credentials,
            waiting=self._waiting,
            settling=self._settling,
            pacing=self._pacing,
            dividing=self._dividing,
            retrying=retrying,
            on_ready=self._dispatching.dispatch,
            on_delivered=self._settled,
            on_stop=self._halt,
        )

    # from outside, on the event loop

    async def run(self) -> None:
        """Carry batches until the last one is settled, or until `stop`."""
        try:
            async with asyncio.TaskGroup() as around:
                ticking = around.create_task(self._tick())
                async with asyncio.TaskGroup() as self._group:
                    await self._over_soon.wait()
                ticking.cancel()
        finally:
            if self._committing:
                complete = self._exhausted and self._all_settled and not self._waiting.stopped
                await self._committing.close(complete=complete)
            await self._close()

    async def _close(self) -> None:
        """Leave no timer and no connection open."""
        self._timers.cancel()
        self._dispatching.cancel_alarm()
        if self._grace:
            self._grace.cancel()
        for lane in self._dispatching.lanes:
            if lane.connection:
                lane.connection.close()
        await self._dialer.close()
        await asyncio.sleep(0)  # lets closed transports say goodbye before the loop ends

    def receive(self, batches: list[Batch]) -> None:
        """Take batches to deliver."""
        self._credentials.begin()
        self._settling.unsettled += len(batches)
        if self._committing:
            self._committing.receive(batches)
        else:
            self._let_go(batches)

    def _let_go(self, batches: list[Batch]) -> None:
        """Let batches be sent from now on."""
        self._waiting.add(batches)
        self._dividing.divide_new()
        self._dispatching.dispatch()

    def keep(self, book: Book) -> None:
        """Send nothing, from now on, that is not in *book*; and note there what becomes of it."""
        self._committing = Committing(
            book,
            self._ledger,
            in_hand=lambda: len(self._waiting.new),
            on_covered=self._let_go,
            on_committed=self._handoff.committed,
            on_failed=self._halt,
        )
        self._settling.keep(self._committing)

    def read(self, stretch: Stretch, dead: list[Dead]) -> None:
        """Note rows that were read, and their records that cannot be sent."""
        if self._committing:
            self._committing.read(stretch, dead)

    def end(self, exhausted: bool = True) -> None:
        """Note that no more batches will come; *exhausted*: since there are no more rows."""
        self._waiting.ended = True
        self._exhausted = exhausted
        self._look_for_the_end()

    def stop(self) -> None:
        """Send nothing more; let what is in flight finish for at most the budget's grace."""
        if self._waiting.stopped:
            return
        self._waiting.stopped = True
        self._timers.cancel()
        self._finish()
        loop = asyncio.get_running_loop()
        self._grace = loop.call_later(self._budget.grace, self.abort)

    def abort(self) -> None:
        """Give up what is in flight, too."""
        self.stop()
        self._cancel(only_waiting=False)

    # the workers

    async def _work(self, lane: Lane, batch: Batch) -> None:
        """Carry batches; where that ends with an error, all ends."""
        try:
            await self._carry(lane, batch)
        except BaseException:
            self._dispatching.over = True
            raise

    async def _carry(self, lane: Lane, batch: Batch | None) -> None:
        """Deliver *batch* and the following ones over one connection, until there are no more."""
        while batch:
            connection = lane.connection
            if batch.attempts or connection is None or not connection.usable:
                connection = await self._prepare(batch, lane)
            if connection:
                await self._exchange(lane, batch, connection)
            batch = await self._dispatching.next()

    async def _exchange(self, lane: Lane, batch: Batch, connection: Carrier) -> None:
        """Send a batch and those that follow up; act on the last answer, or for want of it."""
        lane.sending = True
        self._ledger.begin_request()
        try:
            response = await connection.send(self.request(lane, batch))
        except ExchangeError as failure:
            if failure.remedy:
                self._halt(self._dialer.given_up(failure, failure.remedy))
            elif lane.batch:
                self._outcomes.act_on_failure(lane, lane.batch, failure)
            return
        except TransferError as error:
            self._halt(error)
            return
        finally:
            lane.sending = False
            self._ledger.in_flight -= 1
        if lane.batch:
            now = monotonic()
            if response.limited:
                self._pacing.heed(response, now)
            delivered = self._ledger.delivered
            self._outcomes.act(lane, lane.batch, response, now)
            if self._ledger.delivered > delivered:
                self._credentials.worked(lane.head)

    def request(self, lane: Lane, batch: Batch) -> bytes:
        """Give the request of a batch that is sent now."""
        lane.batch = batch
        lane.delivered_before = self._ledger.delivered
        lane.probe = self._gate.outage_since is not None
        lane.head = head = self._head
        body = self._api.format.join(batch.parts) if batch.parts else batch.body
        header = batch.header
        if self._signs:
            header += self._credentials.signed(batch, body)
        return b"%b%b%d%b\r\n\r\n%b" % (batch.line, head, len(body), header, body)

    def _take_credentials(self) -> None:
        """Send what follows with new credentials, and look at each answer until one was taken."""
        self._head = self._credentials.head
        looked_at = self._api.reads_items or not self._credentials.proven
        self._success = frozenset() if looked_at else self._api.rules.success_status
        if self._dispatching.lanes or self._waiting.new:
            self._dispatching.dispatch()

    def _follower(self, lane: Lane, connection: Carrier) -> Callable[[Response], bytes | None]:
        """
        Give what takes the answers of a lane that are read, and gives the requests that follow.

        It settles a batch that was delivered, and gives the request of the next one; or None where
        the worker has to look: at the answer, if `lane.batch` still is there; for another batch,
        else. Nearly all requests of a run go through here from answer to answer, without a future
        or a step of a task: that takes 1 us from each. What is done for every one stands in a row,
        and what it takes is at hand in the cells of a closure.
        """
        gate, settling, waiting, ledger = self._gate, self._settling, self._waiting, self._ledger
        dispatching = self._dispatching
        new, took = waiting.new, ledger.latencies.append

        def follow_up(response: Response) -> bytes | None:
            batch = lane.batch
            if batch is None or response.status not in self._success:
                return None
            now = monotonic()
            if response.limited:
                self._pacing.heed(response, now)
            lane.batch = None
            took(now - connection.sent_at)
            settling.deliver(batch)
            if batch.turn or not settling.unsettled:
                self._settled(batch)
            if dispatching.over or waiting.again or not new or new[0].attempts:
                gate.delivered(connection.sent_at, now)
                return None
            if not gate.passes_on(connection.sent_at, now):
                return None
            batch = new.popleft()
            if new and gate.places < gate.allowed:
                dispatching.dispatch()
            ledger.requests += 1
            return self.request(lane, batch)

        return follow_up

    async def _prepare(self, batch: Batch, lane: Lane) -> Carrier | None:
        """
        Open a connection where needed, and count a batch that is sent again.

        Returns:
            The connection to send on now; None where the batch has been taken care of.
        """
        try:
            if self._committing and batch.attempts and batch.attempts.doubtful:
                await self._committing.doubt(batch)
            if lane.connection and batch.attempts and batch.attempts.broken:
                lane.connection.close()
            if lane.connection is None or not lane.connection.usable:
                lane.delivered_before = self._ledger.delivered
                lane.connection = await self._dialer.connect()
                lane.connection.follow_up = self._follower(lane, lane.connection)
                lane.connection.long_answers = self._long_answers
        except ExchangeError as failure:
            self._outcomes.act_on_failure(lane, batch, failure)
            return None
        except TransferError as error:
            self._halt(error)
            return None
        if batch.attempts:
            self._ledger.retries += 1
            if batch.attempts.doubtful:
                self._ledger.maybe_duplicated += batch.count
        return lane.connection

    def _begin(self, lane: Lane, batch: Batch) -> asyncio.Task[None]:
        return self._start(self._work(lane, batch))

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return self._group.create_task(work)

    # the end of a batch, and of the run

    def _settled(self, batch: Batch) -> None:
        """Go on after a batch that is settled, or held back."""
        if batch.turn:
            self._waiting.settled(batch)
        self._look_for_the_end()

    def _look_for_the_end(self) -> None:
        if self._waiting.ended and not self._dispatching.over and self._settling.only_held:
            self._settling.release()
            self._all_settled = True
            self._finish()

    def _halt(self, error: BaseException) -> None:
        """Stop the run; what is not settled stays pending."""
        self.stop()
        self._on_stop(error)

    def _finish(self) -> None:
        """Let the workers end: those that wait at once, those with a request after its answer."""
        self._dispatching.over = True
        self._over_soon.set()
        self._credentials.close()
        self._cancel(only_waiting=True)

    def _cancel(self, *, only_waiting: bool) -> None:
        for lane in self._dispatching.lanes:
            if not (only_waiting and lane.sending):
                lane.task.cancel()

    async def _tick(self) -> None:
        """Give up answers that are late, and send what has lingered."""
        timeout = self._api.request_timeout
        reason = f"no complete answer within {timeout:g} s"
        while True:
            await asyncio.sleep(max(_OFTENEST, min(_TICK, timeout / 4)))
            late = monotonic() - timeout
            for lane in self._dispatching.lanes:
                if lane.connection:
                    lane.connection.expire(late, reason)
            if overdue := self._handoff.overdue():
                self.receive(overdue)
