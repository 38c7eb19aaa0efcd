"""What is done about answers, and for want of them: settle, divide, send again, or stop."""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING

from rowferry.batches import Attempts, Fate
from rowferry.exceptions import AuthError, RejectedError, TransferError
from rowferry.formats.contract import reader_of
from rowferry.splitting import Pieces, Unread, pieces_of, sorted_out
from rowferry.verdict import Items, Verdict, pause_asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.api import Api
    from rowferry.batches import Batch, Response
    from rowferry.credentials import Credentials
    from rowferry.dividing import Dividing
    from rowferry.http.connection import ExchangeError
    from rowferry.lanes import Lane
    from rowferry.ledger import Ledger
    from rowferry.pacing import Pacing
    from rowferry.retrying import Retrying
    from rowferry.settling import Settling
    from rowferry.waiting import Waiting

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
        api: what its answers mean.
        ledger: counts what happens.
        credentials: are asked for new ones.
        waiting: takes what is sent again at once.
        settling: takes what is done with.
        pacing: is told of every answer.
        dividing: takes what is sent in parts.
        retrying: takes what failed.
        on_ready: called when batches may have become ready to be sent.
        on_delivered: called with each batch that was.
        on_stop: called with the reason where the run has to stop.
    """

    def __init__(
        self,
        api: Api,
        ledger: Ledger,
        *,
        credentials: Credentials,
        waiting: Waiting,
        settling: Settling,
        pacing: Pacing,
        dividing: Dividing,
        retrying: Retrying,
        on_ready: Callable[[], None],
        on_delivered: Callable[[Batch], None],
        on_stop: Callable[[TransferError], None],
    ) -> None:
        self._api = api
        self._ledger = ledger
        self._credentials = credentials
        self._waiting = waiting
        self._settling = settling
        self._pacing = pacing
        self._dividing = dividing
        self._retrying = retrying
        self._on_ready = on_ready
        self._on_delivered = on_delivered
        self._on_stop = on_stop
        self._read = reader_of(api.format, api.rules)
        self._unread: int | None = 0  # answers, from the first on; None once one was read
        self._key_line = b"\r\n%b: " % (api.idempotency_header or "").encode()

    def act(self, lane: Lane, batch: Batch, response: Response, now: float) -> None:
        """Act on an answer that came at *now* and is not a success of all records as it stands."""
        verdict = self._judged(batch, response)
        if isinstance(verdict, Pieces):
            self._act_on_pieces(lane, response, verdict, now)
        elif isinstance(verdict, Unread):
            self._act_on_unread(lane, batch, response, verdict, now)
        else:
            self._pacing.passed(lane, verdict, now)
            self._act_on_verdict(lane, batch, response, verdict)

    def _judged(self, batch: Batch, response: Response) -> Verdict | Pieces | Unread:
        """Give what an answer means: for all records of a batch alike, or for each of them."""
        verdict = self._api.rules.judge(
            response,
            time(),
            count=batch.count,
            attempts=batch.attempts,
            keyed=self._key_line in batch.header,
            method=batch.method,
        )
        read = self._read(response, batch.count, batch.attempts) if self._read else None
        opened, item_results = self._dividing.opened, self._api.item_results
        if isinstance(read, Items):
            return pieces_of(batch, read, opened)
        if isinstance(read, Unread):
            return read
        verdict = read or verdict
        if item_results and verdict.fate is Fate.DELIVERED:
            return sorted_out(batch, response, item_results, self._api.rules, opened)
        return verdict

    def _act_on_verdict(
        self, lane: Lane, batch: Batch, response: Response, verdict: Verdict
    ) -> None:
        if verdict.fate is not Fate.DELIVERED:
            self._ledger.answers[response.status] += 1
        match verdict.fate:
            case Fate.DELIVERED:
                self._deliver(batch)
            case Fate.TOO_LARGE:
                self._dividing.divide_for_size(batch)
            case Fate.UNCLEAR:
                self._dividing.divide(batch)
            case Fate.REJECTED:
                self._settling.reject(batch, RejectedError, verdict, response)
            case Fate.AUTH:
                self._ask_for_credentials(lane, batch, verdict, response)
            case Fate.STOP:
                self._settling.stop_for(TransferError, verdict.reason, response)
            case _:
                self._retrying.try_again(lane, batch, verdict, response)

    def _deliver(self, batch: Batch) -> None:
        self._settling.deliver(batch)
        self._on_delivered(batch)

    def act_on_failure(self, lane: Lane, batch: Batch, failure: ExchangeError) -> None:
        """Act on a request without a complete answer, or one that could not be sent."""
        fate = Fate.AMBIGUOUS if failure.handed_over else Fate.NOT_SENT
        verdict = Verdict(fate, self._credentials.redact(str(failure)))
        self._ledger.answers[0] += 1
        self._pacing.passed(lane, verdict, monotonic())
        attempts = batch.attempts
        if attempts and fate is Fate.AMBIGUOUS and _breaks_for_its_size(batch, attempts):
            self._dividing.divide_for_size(batch.again(attempts.divided()))
            return
        self._retrying.try_again(lane, batch, verdict, None)

    def _act_on_pieces(self, lane: Lane, response: Response, pieces: Pieces, now: float) -> None:
        """Act on an answer that has a status for each record."""
        self._unread = None
        pause = pause_asked(response, time()) if pieces.refused else None
        self._pass_pieces(lane, pieces, pause, now)
        self._settling.divided(pieces.batches)
        if pieces.delivered:
            self._deliver(pieces.delivered)
        if pieces.stop:
            kind = AuthError if pieces.stop.fate is Fate.AUTH else TransferError
            self._settling.stop_for(kind, pieces.stop.reason, None)
        for (piece, status), said in zip(pieces.rejected, pieces.said, strict=True):
            rejected = Verdict(Fate.REJECTED, f"the API answered {status} for the item")
            self._settling.reject(
                piece, RejectedError, rejected, response, status=status, said=said
            )
        for piece, fate in pieces.again:
            reason = "the API did not take some items of a batch"
            if pieces.problem:
                reason = f"{reason} ({self._settling.said(pieces.problem)[:_PROBLEM_SHOWN]})"
            self._retrying.try_again(lane, piece, Verdict(fate, reason, pause), response)

    def _pass_pieces(self, lane: Lane, pieces: Pieces, pause: float | None, now: float) -> None:
        if pieces.refused and pieces.fate is Fate.DELIVERED and lane.connection:
            self._pacing.passed_in_part(lane.connection.sent_at, now, pause)
        else:
            self._pacing.passed(lane, Verdict(pieces.fate, "", pause), now)

    def _act_on_unread(
        self, lane: Lane, batch: Batch, response: Response, unread: Unread, now: float
    ) -> None:
        """Act on an answer that `item_results` cannot read, as it perhaps can read none."""
        verdict = Verdict(Fate.AMBIGUOUS, unread.reason)
        self._pacing.passed(lane, verdict, now)
        if unread.error and self._unread is not None:
            self._unread += 1
            if self._unread >= _UNREAD:
                reason = f"{unread.reason}, and on each of the {self._unread - 1} before it"
                error = TransferError(self._settling.message(reason, response), exit_code=2)
                error.__cause__ = unread.error
                self._on_stop(error)
                return
        self._retrying.try_again(lane, batch, verdict, response)

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
        elif not self._waiting.stopped:
            self._ledger.problem = verdict.reason
            self._waiting.add_first([batch.again(attempts)])
            self._on_ready()


def _breaks_for_its_size(batch: Batch, attempts: Attempts) -> bool:
    """
    Tell whether a batch whose connection broke, and broke before, may be too large for the API.

    Some close the connection while they still receive, and their 413 is lost with it.
    """
    return attempts.broken and batch.count > 1 and batch.size > _SURELY_SENT
