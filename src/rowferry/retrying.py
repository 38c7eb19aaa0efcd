"""What is done with batches that failed: sent again later, laid aside, divided or given up."""

from __future__ import annotations

import random
from time import monotonic
from typing import TYPE_CHECKING

from rowferry.aside import Aside, Failure
from rowferry.batches import Attempts, Fate
from rowferry.exceptions import ExhaustedError, TransferError
from rowferry.retry import Step
from rowferry.verdict import LONGEST_PAUSE, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.api import Api
    from rowferry.batches import Batch, Response
    from rowferry.dividing import Dividing
    from rowferry.gate import Gate
    from rowferry.handoff import Handoff
    from rowferry.lanes import Lane
    from rowferry.ledger import Ledger
    from rowferry.settling import Settling
    from rowferry.waiting import Timers, Waiting

_AFTER_CONFLICT = 1.0
"""Seconds until a record is sent again that met a 409."""


class Retrying:
    """
    Does with batches that failed what `Retry` says.

    Args:
        api: how often and when to send again.
        ledger: tells how far the run got, and takes the latest problem.
        handoff: tells whether more batches can come.
        gate: tells of outages.
        waiting: takes what is to be sent again.
        timers: wait for it.
        settling: takes what is given up.
        dividing: takes what may have a bad record in it.
        on_ready: called when batches may have become ready to be sent.
        on_stop: called with the reason where the run has to stop.
    """

    def __init__(
        self,
        api: Api,
        ledger: Ledger,
        handoff: Handoff,
        *,
        gate: Gate,
        waiting: Waiting,
        timers: Timers,
        settling: Settling,
        dividing: Dividing,
        on_ready: Callable[[], None],
        on_stop: Callable[[TransferError], None],
    ) -> None:
        self._api = api
        self._ledger = ledger
        self._handoff = handoff
        self._gate = gate
        self._waiting = waiting
        self._timers = timers
        self._settling = settling
        self._dividing = dividing
        self._on_ready = on_ready
        self._on_stop = on_stop
        self._aside = Aside(
            ledger,
            timers,
            in_vain=self._nothing_to_send,
            on_poison=self._give_up_late,
            on_outage=self._stop_for_outage,
        )

    def try_again(
        self, lane: Lane, batch: Batch, verdict: Verdict, response: Response | None
    ) -> None:
        """Send a batch again after a while, unless it was sent too often or is too old."""
        if verdict.fate is Fate.AMBIGUOUS and self._api.on_ambiguous == "dead_letter":
            reason = f"{verdict.reason}, so the API may have it, and on_ambiguous='dead_letter'"
            verdict = Verdict(verdict.fate, reason, word="ambiguous")
            self._settling.reject(batch, ExhaustedError, verdict, response, sure=False)
            return
        if self._waiting.stopped:
            return  # it stays pending
        self._ledger.problem = verdict.reason
        if (verdict.retry_after or 0.0) > LONGEST_PAUSE:
            wants = f"{verdict.reason} and wants no requests for {verdict.retry_after:.0f} s"
            self._on_stop(TransferError(f"{self._api}: {wants}"))
            return
        now, retry, delivered = monotonic(), self._api.retry, self._ledger.delivered
        before = batch.attempts or Attempts(now, lane.delivered_before, failed_at=now)
        outage = self._outage(before)
        probe = lane.probe and outage is not None and retry.max_retries > 0
        attempts = before.after(verdict.fate, broken=response is None, probe=probe)
        step = retry.next_step(
            attempts,
            now,
            delivered=delivered,
            outage=outage,
            proof=self._gate.proof,
            rtt=self._gate.rtt,
        )
        self._take(step, Failure(batch, attempts, verdict, response))

    def _outage(self, attempts: Attempts) -> float | None:
        """
        Give since when nothing gets through; None where something does.

        And None where nothing is left to be sent but what mostly failed while others got through:
        that nothing of it gets through is no news, and it would be waited for in vain.
        """
        since = self._gate.outage_since
        if since is None or not self._waiting.ended or self._waiting.new:
            return since
        left = [attempts, *(batch.attempts for batch in self._waiting.failed)]
        by_itself = sum(self._gate.proof > each.failed_at for each in left if each)
        return None if 2 * by_itself >= len(left) else since

    def _take(self, step: Step, failure: Failure) -> None:
        """Do what is to be done with a batch that failed."""
        batch, verdict, retry = failure.again, failure.verdict, self._api.retry
        match step:
            case Step.AGAIN:
                self._put_off(batch, verdict.fate, verdict.retry_after or 0.0)
            case Step.ONCE_MORE:
                self._put_off(batch, verdict.fate, retry.patience(self._gate.rtt))
            case Step.WAIT:
                self._gate.close(monotonic())
                self._waiting.wake()
                self._put_off(failure.anew(self._ledger.delivered, monotonic()), verdict.fate, 0.0)
            case Step.ASIDE if self._settling.keep_going:
                self._aside.add(failure)
            case Step.ASIDE if failure.overtaken(self._ledger.delivered):
                self._give_up(failure)
            case Step.POISON if batch.count > 1 and retry.max_retries:
                again = failure.anew(self._ledger.delivered, monotonic())
                self._dividing.divide(again)  # perhaps it is one of them
            case Step.POISON:
                self._give_up(failure)
            case _:
                self._stop_for_outage(failure)

    def _give_up(self, failure: Failure) -> None:
        """Settle a batch that the API cannot take, while others get through."""
        verdict = Verdict(failure.verdict.fate, failure.reason, word="exhausted")
        self._settling.reject(failure.again, ExhaustedError, verdict, failure.response)

    def _give_up_late(self, failure: Failure) -> None:
        """Do so where no worker goes on after it; a batch may have waited for this one's turn."""
        self._give_up(failure)
        self._on_ready()

    def _stop_for_outage(self, failure: Failure) -> None:
        """Stop the run: nothing gets through, and for too long."""
        reason, response = failure.reason, failure.response
        message = self._settling.message(f"{reason}; nothing else got through meanwhile", response)
        self._on_stop(ExhaustedError(message, status=response.status if response else None))

    def _put_off(self, batch: Batch, fate: Fate, least: float) -> None:
        """Let a batch wait for its next try; in an outage for nothing but its turn."""
        if fate is Fate.CONFLICT:
            wait = _AFTER_CONFLICT
        elif self._gate.probing:
            self._waiting.again.append(batch)
            return
        else:
            tries = max(1, batch.attempts.backoffs if batch.attempts else 1)
            backoff = self._api.retry.wait(tries, luck=random.random())  # noqa: S311 (jitter)
            wait = max(backoff, least)
        self._waiting.put_off(batch)
        self._timers.after(wait, self._due, batch)

    def _nothing_to_send(self) -> bool:
        """Whether nothing is under way, or nothing gets through, so that nobody will tell more."""
        idle = not self._gate.places and self._waiting.empty
        return self._gate.probing or (idle and (self._waiting.ended or not self._handoff.has_room))

    def _due(self, batch: Batch) -> None:
        self._waiting.due(batch)
        self._on_ready()
