"""Batches that may be sent only once and failed: kept until their neighbours tell why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.batches import Attempts, Batch, Response
    from rowferry.ledger import Ledger
    from rowferry.verdict import Verdict
    from rowferry.waiting import Timers

_LOOK = 0.05


class Failure(NamedTuple):
    """
    A batch that was not settled, and why.

    Attributes:
        batch: as it was sent.
        attempts: of it, the latest included.
        verdict: on that one.
        response: None where there was none.
    """

    batch: Batch
    attempts: Attempts
    verdict: Verdict
    response: Response | None

    @property
    def reason(self) -> str:
        """Say what came back, and how often it was tried."""
        return f"{self.verdict.reason}, after {self.attempts.tries} tries"

    @property
    def again(self) -> Batch:
        """Give the batch as it is sent again."""
        return self.batch.again(self.attempts)

    def anew(self, delivered: int, now: float) -> Batch:
        """Give the batch as it is sent after an outage; *delivered* are the records so far."""
        return self.batch.again(self.attempts.begun_anew(delivered, now))

    def overtaken(self, delivered: int) -> bool:
        """Whether others got through since it was first sent; *delivered* are all so far."""
        return delivered > self.attempts.delivered_before


class Aside:
    """
    Keeps batches that must not be sent again until it is known what their failure means.

    Where another batch gets through later, it was they that the API cannot take. Where nothing
    does, or nothing more is there to be sent, the API is down.

    Args:
        ledger: tells what gets through.
        timers: look again after a while.
        in_vain: tells that nothing will be sent any more that could tell.
        on_poison: called with a batch that the API cannot take.
        on_outage: called with one where the API is down.
    """

    def __init__(
        self,
        ledger: Ledger,
        timers: Timers,
        *,
        in_vain: Callable[[], bool],
        on_poison: Callable[[Failure], None],
        on_outage: Callable[[Failure], None],
    ) -> None:
        self._ledger = ledger
        self._timers = timers
        self._in_vain = in_vain
        self._on_poison = on_poison
        self._on_outage = on_outage
        self._kept: list[tuple[int, Failure]] = []

    def add(self, failure: Failure) -> None:
        """Keep a batch that has just failed."""
        if not self._kept:
            self._timers.after(_LOOK, self._look)
        self._kept.append((self._ledger.delivered, failure))

    def _look(self) -> None:
        """Give up those that others have overtaken; stop where none can any more."""
        delivered, kept = self._ledger.delivered, self._kept
        in_vain = self._in_vain()
        self._kept = [each for each in kept if each[0] == delivered and not in_vain]
        for before, failure in kept:
            if before < delivered:
                self._on_poison(failure)
            elif in_vain:
                self._on_outage(failure)
        if self._kept:
            self._timers.after(_LOOK, self._look)
