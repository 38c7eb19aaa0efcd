"""What is done about answers, and for want of them: settle, divide, send again, or stop."""

from __future__ import annotations

import random
from time import monotonic, time
from typing import TYPE_CHECKING

from rowferry.aside import Aside, Failure
from rowferry.batches import Attempts, Batch, Fate, Response
from rowferry.exceptions import AuthError, ExhaustedError, RejectedError, TransferError
from rowferry.formats.contract import reader_of, split_of
from rowferry.http.headers import is_page
from rowferry.logs import logger
from rowferry.quota import told_by
from rowferry.retry import Step
from rowferry.settling import Rejection, Settling
from rowferry.splitting import Pieces, Unread, halves, no_larger_than, pieces_of, sorted_out
from rowferry.verdict import Items, Verdict, pause_asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.api import Api
    from rowferry.credentials import Credentials
    from rowferry.gate import Gate
    from rowferry.handoff import Handoff
    from rowferry.http.connection import ExchangeError
    from rowferry.lanes import Lane
    from rowferry.ledger import Ledger
    from rowferry.waiting import Timers, Waiting

LONGEST_PAUSE = 600.0
"""Seconds that an API may ask for with Retry-After; where it wants more, the run stops."""

_AFTER_CONFLICT = 1.0
_PROBLEM_SHOWN = 300
_UNREAD = 16
"""Answers in a row, from the first on, on which `item_results` raises: it will on any."""

_SURELY_SENT = 64 * 1024
"""Bytes that the sockets of both sides hold: a smaller request is there before it can break."""


class Outcomes:
    """
    Acts on what came of a request, unless its records were simply taken.

    The verdict is `verdict.py`'s and the next step `Retry`'s; here it is done.

    Args:
        api: what its answers mean, and how often to send again.
        ledger: counts what happens.
        handoff: is told of batches that are divided.
        credentials: are asked for new ones.
        gate: is told of every answer.
        waiting: takes what is to be sent again.
        settling: takes what is done with.
        timers: wait for it.
        on_ready: called when batches may have become ready to be sent.
        on_settled: called with each batch that is settled, or held back.
        on_stop: called with the reason where the run has to stop.

    Attributes:
        stopping: whether nothing is to be sent any more.
        ended: whether no more batches will come.
    """

    def __init__(
        self,
        api: Api,
        ledger: Ledger,
        handoff: Handoff,
        *,
        credentials: Credentials,
        gate: Gate,
        waiting: Waiting,
        settling: Settling,
        timers: Timers,
        on_ready: Callable[[], None],
        on_settled: Callable[[Batch], None],
        on_stop: Callable[[TransferError], None],
    ) -> None:
        self.stopping = False
        self.ended = False
        self._api = api
        self._ledger = ledger
        self._handoff = handoff
        self._credentials = credentials
        self._gate = gate
        self._waiting = waiting
        self._settling = settling
        self._timers = timers
        self._on_ready = on_ready
        self._on_settled = on_settled
        self._on_stop = on_stop
        self._split = split_of(api.format)
        self._read = reader_of(api.format, api.rules)
        self._largest: int | None = None
        self._warned = False
        self._unread: int | None = 0  # answers, from the first on; None once one was read
        self._key_line = b"\r\n%b: " % (api.idempotency_header or "").encode()
        self._aside = Aside(
            ledger,
            timers,
            in_vain=self._nothing_to_send,
            on_poison=self._give_up_late,
            on_outage=self._stop_for_outage,
        )

    def act(self, lane: Lane, batch: Batch, response: Response, now: float) -> None:
        """Act on an answer that came at *now* and is not a success of all records as it stands."""
        verdict = self._api.rules.judge(
            response,
            time(),
            count=batch.count,
            attempts=batch.attempts,
            keyed=self._key_line in batch.header,
            method=batch.method,
        )
        read = self._read(response, batch.count, batch.attempts) if self._read else None
        if isinstance(read, Items | Unread):
            told = pieces_of(batch, read, self._opened) if isinstance(read, Items) else read
            self._act_on_pieces(lane, batch, response, told, now)
            return
        verdict = read or verdict
        if verdict.fate is Fate.DELIVERED and self._api.item_results:
            pieces = sorted_out(
                batch, response, self._api.item_results, self._api.rules, self._opened
            )
            self._act_on_pieces(lane, batch, response, pieces, now)
            return
        self._pass_gate(lane, verdict, now)
        if verdict.fate is not Fate.DELIVERED:
            self._ledger.answers[response.status] += 1
        match verdict.fate:
            case Fate.DELIVERED:
                self._settling.deliver(batch)
                self._on_settled(batch)
            case Fate.TOO_LARGE:
                self._learn_size(batch.size // 2)
                self._divide(batch)
            case Fate.UNCLEAR:
                self._divide(batch)
            case Fate.REJECTED:
                self._reject(batch, RejectedError, verdict, response)
            case Fate.AUTH:
                self._ask_for_credentials(lane, batch, verdict, response)
            case Fate.STOP:
                self._settling.stop_for(TransferError, verdict.reason, response)
            case _:
                self._try_again(lane, batch, verdict, response)

    def act_on_failure(self, lane: Lane, batch: Batch, failure: ExchangeError) -> None:
        """Act on a request without a complete answer, or one that could not be sent."""
        fate = Fate.AMBIGUOUS if failure.handed_over else Fate.NOT_SENT
        verdict = Verdict(fate, self._credentials.redact(str(failure)))
        self._ledger.answers[0] += 1
        self._pass_gate(lane, verdict, monotonic())
        attempts = batch.attempts
        if attempts and fate is Fate.AMBIGUOUS and _breaks_for_its_size(batch, attempts):
            self._learn_size(batch.size // 2)
            self._divide(batch.again(attempts.divided()))
            return
        self._try_again(lane, batch, verdict, None)

    def _act_on_pieces(
        self, lane: Lane, batch: Batch, response: Response, pieces: Pieces | Unread, now: float
    ) -> None:
        """Act on an answer that has a status for each record, or should have."""
        if isinstance(pieces, Unread):
            self._act_on_unread(lane, batch, response, pieces, now)
            return
        self._unread = None
        pause = pause_asked(response, time()) if pieces.refused else None
        if pieces.refused and pieces.fate is Fate.DELIVERED and lane.connection:
            self._keep_place(self._gate.taken_in_part(lane.connection.sent_at, now, pause))
        else:
            self._pass_gate(lane, Verdict(pieces.fate, "", pause), now)
        self._settling.divided(pieces.batches)
        if pieces.delivered:
            self._settling.deliver(pieces.delivered)
            self._on_settled(pieces.delivered)
        if pieces.stop:
            kind = AuthError if pieces.stop.fate is Fate.AUTH else TransferError
            self._settling.stop_for(kind, pieces.stop.reason, None)
        for (piece, status), said in zip(pieces.rejected, pieces.said, strict=True):
            reason = f"the API answered {status} for the item"
            rejected = Verdict(Fate.REJECTED, reason)
            self._reject(piece, RejectedError, rejected, response, status, said=said)
        for piece, fate in pieces.again:
            reason = "the API did not take some items of a batch"
            if pieces.problem:
                reason = f"{reason} ({self._settling.said(pieces.problem)[:_PROBLEM_SHOWN]})"
            self._try_again(lane, piece, Verdict(fate, reason, pause), response)

    def _act_on_unread(
        self, lane: Lane, batch: Batch, response: Response, unread: Unread, now: float
    ) -> None:
        """Act on an answer that `item_results` cannot read, as it perhaps can read none."""
        verdict = Verdict(Fate.AMBIGUOUS, unread.reason)
        self._pass_gate(lane, verdict, now)
        if unread.error and self._unread is not None:
            self._unread += 1
            if self._unread >= _UNREAD:
                reason = f"{unread.reason}, and on each of the {self._unread - 1} before it"
                error = TransferError(self._settling.message(reason, response), exit_code=2)
                error.__cause__ = unread.error
                self._on_stop(error)
                return
        self._try_again(lane, batch, verdict, response)

    def _pass_gate(self, lane: Lane, verdict: Verdict, now: float) -> None:
        """Let the gate know what came back."""
        gate, was_probing = self._gate, self._gate.probing
        if verdict.fate is Fate.DELIVERED and lane.connection:
            self._ledger.latencies.append(now - lane.connection.sent_at)
            gate.delivered(lane.connection.sent_at, now)
            return
        if verdict.fate is Fate.REFUSED:
            keep = gate.refused(now, verdict.retry_after)
        elif verdict.fate in {Fate.AMBIGUOUS, Fate.NOT_SENT}:
            keep = gate.failed(now)
        else:
            gate.answered(now)
            return
        self._keep_place(keep)
        if gate.probing and not was_probing:
            self._waiting.wake()  # they are what to ask with, and go on once it is over

    def _keep_place(self, seconds: float) -> None:
        """Free the place of a request that was not delivered after so many seconds."""
        if not self.stopping:
            self._timers.after(seconds, self._free_place)

    def _free_place(self) -> None:
        self._gate.free_place()
        self._on_ready()

    def heed(self, response: Response, now: float) -> None:
        """Lower the pace to what the API tells of its quota; warn once of a page for people."""
        told = told_by(response, time())
        if told:
            self._gate.told(told, now)
        if self._warned or self._api.reads_items:
            return
        success = response.status in self._api.rules.success_status
        if success and any(is_page(*header) for header in response.headers):
            self._warned = True
            logger.warning(
                "%s answered %s with a page of HTML, which counts as delivered: is it the API, or "
                "a proxy that wants a login? item_results= can look at the answers",
                self._api,
                response.status,
            )

    def _try_again(
        self, lane: Lane, batch: Batch, verdict: Verdict, response: Response | None
    ) -> None:
        """Send a batch again after a while, unless it was sent too often or is too old."""
        if verdict.fate is Fate.AMBIGUOUS and self._api.on_ambiguous == "dead_letter":
            reason = f"{verdict.reason}, so the API may have it, and on_ambiguous='dead_letter'"
            verdict = Verdict(verdict.fate, reason, word="ambiguous")
            self._reject(batch, ExhaustedError, verdict, response, sure=False)
            return
        if self.stopping:
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
        if since is None or not self.ended or self._waiting.new:
            return since
        left = [attempts, *(batch.attempts for batch in self._waiting.failed)]
        by_itself = sum(self._gate.proof > each.failed_at for each in left if each)
        return None if 2 * by_itself >= len(left) else since

    def _ask_for_credentials(
        self, lane: Lane, batch: Batch, verdict: Verdict, response: Response
    ) -> None:
        """Send a batch again with new credentials, before all others; where none help, stop."""
        now = monotonic()
        before = batch.attempts or Attempts(now, lane.delivered_before, failed_at=now)
        attempts = before.after(Fate.AUTH, broken=False)
        problem = self._credentials.refused(lane.head, attempts)
        if problem:
            self._settling.stop_for(AuthError, f"{verdict.reason}: {problem}", response)
        elif not self.stopping:
            self._ledger.problem = verdict.reason
            self._waiting.add_first([batch.again(attempts)])
            self._on_ready()

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
                self._divide(
                    failure.anew(self._ledger.delivered, monotonic())
                )  # perhaps it is one of them
            case Step.POISON:
                self._give_up(failure)
            case _:
                self._stop_for_outage(failure)

    def _give_up(self, failure: Failure) -> None:
        """Settle a batch that the API cannot take, while others get through."""
        verdict = Verdict(failure.verdict.fate, failure.reason, word="exhausted")
        self._reject(failure.again, ExhaustedError, verdict, failure.response)

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
        return self._gate.probing or (idle and (self.ended or not self._handoff.has_room))

    def _due(self, batch: Batch) -> None:
        self._waiting.due(batch)
        self._on_ready()

    # batches that are divided

    def divide_new(self) -> None:
        """Divide new batches that are larger than what the API was seen to take."""
        if self._largest is not None:
            self._divide_waiting(self._largest)

    def _learn_size(self, size: int) -> None:
        """Send no batches larger than *size* bytes from now on, but for single records."""
        self._largest = min(size, self._largest or size)
        self._handoff.shrink(self._largest)
        self._divide_waiting(self._largest)

    def _divide_waiting(self, largest: int) -> None:
        before = list(self._waiting.new)
        if all(batch.size <= largest for batch in before):
            return
        after = [piece for batch in before for piece in self._no_larger(largest, batch)]
        if len(after) > len(before):
            self._waiting.new.clear()
            self._waiting.new.extend(after)
            self._settling.divided(len(after) - len(before) + 1)

    def _divide(self, batch: Batch) -> None:
        """Send both halves of a batch, before all that is new."""
        self._settling.divided(2)
        self._waiting.add_first(halves(self._opened(batch)))

    def _no_larger(self, largest: int, batch: Batch) -> list[Batch]:
        return no_larger_than(largest, self._opened(batch)) if batch.size > largest else [batch]

    def _opened(self, batch: Batch) -> Batch:
        return batch.opened(self._split) if self._split else batch

    def _reject(
        self,
        batch: Batch,
        kind: type[RejectedError],
        verdict: Verdict,
        response: Response | None,
        status: int | None = None,
        *,
        said: str = "",
        sure: bool = True,
    ) -> None:
        """Settle records that the API will not take; *said* is what it answered of just these."""
        if status is None and response is not None:
            status = response.status
        answer = self._settling.said(said) if said else self._settling.shown(response)
        rejection = Rejection(batch, kind, verdict.reason, status, answer, verdict.word)
        self._settling.reject(rejection, sure=sure)
        self._on_settled(batch)


def _breaks_for_its_size(batch: Batch, attempts: Attempts) -> bool:
    """
    Tell whether a batch whose connection broke, and broke before, may be too large for the API.

    Some close the connection while they still receive, and their 413 is lost with it.
    """
    return attempts.broken and batch.count > 1 and batch.size > _SURELY_SENT
