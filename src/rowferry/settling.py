"""What became of batches: counted, told to the reading thread, their room freed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rowferry.batches import Batch, Origin
from rowferry.exceptions import ExhaustedError, RejectedError, TransferError
from rowferry.letters import Dead, of_batch
from rowferry.records import FailedRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.api import Api
    from rowferry.batches import Response
    from rowferry.budget import Budget
    from rowferry.committing import Committing
    from rowferry.handoff import Handoff
    from rowferry.ledger import Ledger
    from rowferry.verdict import Verdict

_ANSWER_SHOWN = 2048
_MISSING = frozenset({404, 405, 410})
_WRONG_URL = " (nothing was delivered yet: are url and method right?)"


class Rejection(NamedTuple):
    """
    A batch that the API will not take.

    Attributes:
        kind: of the error.
        reason: for people.
        status: of the answer, or of the batch's items in it; None where there was none.
        answer: what may be shown of the answer's body; see `Settling.shown`.
        word: the reason for machines; see `RejectedError`.
    """

    batch: Batch
    kind: type[RejectedError]
    reason: str
    status: int | None
    answer: str
    word: str = "rejected"


class Settling:
    """
    Settles batches, and holds back what may turn out to be no verdict on them.

    As long as nothing was delivered, rejections may say more of the request than of the records. So
    they are held back: the first delivery, or the end of the source, settles them; where the run is
    stopped before, their records are pending. Where any number is allowed, none is held back.

    Args:
        api: for messages.
        budget: what the run may cost.
        ledger: counts what happens.
        handoff: where room is freed and failed rows are left.
        redact: blots out of an answer what may be secret.
        keep_going: whether a rejected record leaves the run going (and is handed back).
        on_rejected: called with each batch that is settled so, or held back.
        on_stop: called with the reason where the run has to stop.

    Attributes:
        keep_going: whether a rejected record leaves the run going.
        unsettled: batches that were received and are not settled.
    """

    def __init__(
        self,
        api: Api,
        budget: Budget,
        ledger: Ledger,
        handoff: Handoff,
        *,
        keep_going: bool,
        redact: Callable[[str], str],
        on_rejected: Callable[[Batch], None],
        on_stop: Callable[[TransferError], None],
    ) -> None:
        self.keep_going = keep_going
        self.unsettled = 0
        self._committing: Committing | None = None
        self._acknowledged: list[tuple[Origin, ...]] | None = None
        self._api = api
        self._budget = budget
        self._ledger = ledger
        self._handoff = handoff
        self._redact = redact
        self._on_rejected = on_rejected
        self._on_stop = on_stop
        self._held: list[Rejection] = []
        self._given_up_from_start = 0

    def deliver(self, batch: Batch) -> None:
        """Settle a batch that the API acknowledged."""
        self._ledger.delivered += batch.count
        self.unsettled -= 1
        self._handoff.settled(batch)
        if self._acknowledged is not None:
            self._acknowledged.append(batch.origins)
        if self._held:
            self.release()

    def keep(self, committing: Committing) -> None:
        """Tell *committing* from now on what there is to commit."""
        self._committing = committing
        self._acknowledged = committing.delivered

    def divided(self, batches: int) -> None:
        """Note that a batch has become so many."""
        self.unsettled += batches - 1
        self._handoff.divided(batches - 1)

    def reject(
        self,
        batch: Batch,
        kind: type[RejectedError],
        verdict: Verdict,
        response: Response | None,
        *,
        status: int | None = None,
        said: str = "",
        sure: bool = True,
    ) -> None:
        """
        Settle a batch that the API will not take.

        Args:
            kind: of the error.
            status: of just these records; None where it is that of the answer.
            said: what the answer has of just these; empty where all of it is of them.
            sure: whether the API cannot have it. Where it may, the records are dead at once: a run
                that is stopped must not send them again.
        """
        if status is None and response is not None:
            status = response.status
        answer = self.said(said) if said else self.shown(response)
        rejection = Rejection(batch, kind, verdict.reason, status, answer, verdict.word)
        self._reject(rejection, sure=sure)
        self._on_rejected(batch)

    def _reject(self, rejection: Rejection, *, sure: bool) -> None:
        if not self._ledger.delivered and rejection.status in _MISSING:
            rejection = rejection._replace(reason=rejection.reason + _WRONG_URL)
        most_from_start = self._budget.max_dead_from_start
        if not self.keep_going:
            self._ledger.rejected += rejection.batch.count
            self._settle(rejection.batch)
            self._on_stop(self._errors(rejection)[0])
        elif self._ledger.proven or most_from_start is None:
            self._bury(rejection)
        else:
            self._reject_from_start(rejection, most_from_start, sure=sure)

    def release(self) -> None:
        """Settle the rejections that were held back: it was the records after all."""
        held, self._held = self._held, []
        for rejection in held:
            self._ledger.held -= rejection.batch.count
            self._ledger.rejected += rejection.batch.count
            self._ledger.settled += rejection.batch.count
            self.unsettled -= 1
            self._tell(rejection)
        self._stop_if_too_many()

    @property
    def only_held(self) -> bool:
        """Whether all that is not settled is held back."""
        return self.unsettled == len(self._held)

    def stop_for(self, kind: type[TransferError], reason: str, response: Response | None) -> None:
        """Stop the run with an error of *kind*."""
        exit_code = None if kind is not TransferError or self._ledger.delivered else 2
        message = self.message(self._redact(reason), response)  # it may name where to, by the API
        self._on_stop(kind(message, exit_code=exit_code))

    def message(self, reason: str, response: Response | None) -> str:
        """Say what the API answered, and the beginning of its answer."""
        return self._message(reason, self.shown(response))

    def shown(self, response: Response | None) -> str:
        """Give the beginning of an answer's body, without what may be secret."""
        if response is None:
            return ""
        return self.said(response.body.decode("utf-8", "replace"))

    def said(self, text: str) -> str:
        """Give the beginning of what the API said, without what may be secret."""
        return self._redact(text)[:_ANSWER_SHOWN]

    def _message(self, reason: str, answer: str) -> str:
        answer = answer.strip()
        said = f": {answer[:300]}" if answer else ""
        return f"{self._api}: {reason}{said}"

    def _reject_from_start(self, rejection: Rejection, most: int, *, sure: bool) -> None:
        batch = rejection.batch
        if sure:
            self._held.append(rejection)
            self._ledger.held += batch.count
            self._handoff.free(batch)
        else:
            self._given_up_from_start += batch.count
            self._bury(rejection)
        bad = self._ledger.held + self._given_up_from_start
        if bad >= most:
            reason = (
                f"{rejection.reason}; the first {bad:,} records were all rejected, and "
                f"max_dead_from_start={most}"
            )
            self._on_stop(TransferError(self._message(reason, rejection.answer)))
        self._stop_if_too_many()

    def _bury(self, rejection: Rejection) -> None:
        self._ledger.rejected += rejection.batch.count
        self._settle(rejection.batch)
        self._tell(rejection)
        self._stop_if_too_many()

    def _tell(self, rejection: Rejection) -> None:
        """Leave the rows that failed to the reading thread, and to the journal."""
        if self._committing:
            self._committing.bury(self._letters(rejection))
        errors = self._errors(rejection)
        origins = rejection.batch.origins or [Origin()]
        self._handoff.tell(
            [FailedRow(origin.value, error) for origin, error in zip(origins, errors, strict=True)]
        )

    def _letters(self, rejection: Rejection) -> list[Dead]:
        batch, given_up = rejection.batch, issubclass(rejection.kind, ExhaustedError)
        doubtful = batch.attempts is not None and batch.attempts.ever_doubtful
        return of_batch(
            batch,
            self._api,
            reason=rejection.word,
            message=rejection.reason,
            status=rejection.status,
            answer=rejection.answer,
            ambiguous=given_up or doubtful,
        )

    def _stop_if_too_many(self) -> None:
        dead, most = self._ledger.dead + self._ledger.held, self._budget.max_dead
        if most is not None and dead > most:
            self._on_stop(too_many_dead(dead, most))

    def _settle(self, batch: Batch) -> None:
        self.unsettled -= 1
        self._handoff.settled(batch)

    def _errors(self, rejection: Rejection) -> list[RejectedError]:
        """Give an error for each record of a batch; one where nobody knows them apart."""
        return [self._error(rejection, origin) for origin in rejection.batch.origins or [Origin()]]

    def _error(self, rejection: Rejection, origin: Origin) -> RejectedError:
        which = f" (key {', '.join(map(repr, origin.key))})" if origin.key else ""
        return rejection.kind(
            self._message(f"{rejection.reason} to a record{which}", rejection.answer),
            key=origin.key,
            status=rejection.status,
            answer=rejection.answer,
            reason=rejection.word,
        )


def too_many_dead(dead: int, max_dead: int) -> TransferError:
    """Make the error of a run with more dead records than its budget allows."""
    return TransferError(f"{dead:,} records were not taken, more than max_dead={max_dead}")
