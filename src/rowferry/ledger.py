"""The counts of a run, each written by one thread only, and their sum checked."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from rowferry.records import Progress, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

_LATENCIES = 1000


class Counts(NamedTuple):
    """What a journal has of a pass, over all its runs."""

    read: int = 0
    delivered: int = 0
    dead: int = 0
    skipped: int = 0
    maybe_duplicated: int = 0

    @property
    def records(self) -> int:
        """Records that are settled."""
        return self.delivered + self.dead


class Ledger:
    """
    What has happened to the rows of a run.

    Attributes:
        read: rows read.                                    (reading thread)
        taken: records handed over for delivery.            (reading thread)
        skipped: rows that the transform dropped.           (reading thread)
        unsendable: records that have no form to be sent.   (reading thread)
        delivered: records that the API acknowledged.       (event loop)
        rejected: records that the API will not take.       (event loop)
        settled: records taken that are done with.          (event loop)
        held: records rejected, but perhaps not for good.   (event loop)
        requests: begun.                                    (event loop)
        retries: those of them that sent records again.     (event loop)
        maybe_duplicated: records sent again that the API may have had.   (event loop)
        in_flight: requests begun and not answered.         (event loop)
        most_in_flight: the largest that number was.        (event loop)
        problem: why records were last to be sent again.    (event loop)
        answers: answers that delivered nothing, by status; those that never came or were cut, at 0.
            (event loop)
        latencies: of the last requests that delivered, in seconds.   (event loop)
        before: what a journal had of this pass when the run began.   (reading thread)
        committed: what it has now; None without a journal.  (event loop)
    """

    def __init__(self, total: int | None = None) -> None:
        self.read = 0
        self.taken = 0
        self.skipped = 0
        self.unsendable = 0
        self.delivered = 0
        self.rejected = 0
        self.settled = 0
        self.held = 0
        self.requests = 0
        self.retries = 0
        self.maybe_duplicated = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.problem = ""
        self.answers: Counter[int] = Counter()
        self.latencies: deque[float] = deque(maxlen=_LATENCIES)
        self.before = Counts()
        self.committed: Counts | None = None
        self._total = total
        self._began = time.monotonic()

    def begin_request(self) -> None:
        """Count a request that is sent now."""
        self.requests += 1
        self.in_flight += 1
        if self.in_flight > self.most_in_flight:  # noqa: PLR1730 (max() takes twice as long)
            self.most_in_flight = self.in_flight

    @property
    def records(self) -> int:
        """Records made of the rows."""
        return self.taken + self.unsendable

    @property
    def pending(self) -> int:
        """Records that were taken and are not settled."""
        return self.taken - self.settled

    @property
    def unsure(self) -> int:
        """Records that were taken, and that nobody knows anything of yet."""
        return self.taken - self.settled - self.held

    @property
    def dead(self) -> int:
        """Records that the API will not take, or that have no form to be sent."""
        return self.unsendable + self.rejected

    @property
    def proven(self) -> bool:
        """Whether the API has taken a record of this pass."""
        return bool(self.delivered or self.before.delivered)

    def progress(self, *, ended: bool = False) -> Progress:
        """Give how far the pass is now; with a journal only what is committed counts as done."""
        counts = self._counts()
        latencies = sorted(self.latencies.copy())
        return Progress(
            read=counts.read,
            records=self.before.records + self.records,
            delivered=counts.delivered,
            dead=counts.dead,
            in_flight=self.in_flight,
            retries=self.retries,
            seconds=time.monotonic() - self._began,
            total=self._total,
            problem=self.problem,
            ended=ended,
            earlier=self.before.delivered,
            latency_p50=_quantile(latencies, 50),
            latency_p99=_quantile(latencies, 99),
            answers=self.answers.copy(),
        )

    def report(self) -> Report:
        """
        Give what became of the rows, once the run has ended.

        Raises:
            RuntimeError: a record is missing or counted twice, which is a bug.
        """
        if self.records != self.delivered + self.dead + self.pending:
            raise RuntimeError(
                f"a bug in rowferry: {self.records} records are not {self.delivered} delivered "
                f"+ {self.dead} dead + {self.pending} pending"
            )
        counts, records = self._counts(), self.before.records + self.records
        if counts.records > records - self.pending:
            raise RuntimeError(
                f"a bug in rowferry: the journal has {counts.records} records settled, of "
                f"{records} with {self.pending} pending"
            )
        return Report(
            read=counts.read,
            records=records,
            delivered=counts.delivered,
            dead=counts.dead,
            skipped=counts.skipped,
            pending=records - counts.records,
            requests=self.requests,
            retries=self.retries,
            maybe_duplicated=counts.maybe_duplicated,
            seconds=time.monotonic() - self._began,
            max_in_flight=self.most_in_flight,
            earlier=self.before.delivered,
        )

    def _counts(self) -> Counts:
        """Give what has become of the pass: by the journal where there is one, else by this run."""
        read, skipped = self.before.read + self.read, self.before.skipped + self.skipped
        if self.committed is not None:
            return self.committed._replace(read=read, skipped=skipped)
        return Counts(read, self.delivered, self.dead, skipped, self.maybe_duplicated)


def _quantile(ordered: Sequence[float], percent: int) -> float:
    """Give what so many percent of some numbers are not above; 0 where there is none."""
    return ordered[len(ordered) * percent // 100] if ordered else 0.0
