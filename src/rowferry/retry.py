"""How often a record is sent again, how long to wait before, and when to give it up."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rowferry.checks import at_least, whole
from rowferry.exceptions import ConfigError

if TYPE_CHECKING:
    from rowferry.batches import Attempts


_ROUND_TRIPS = 4
"""Mean round trips after which hardly an answer comes to what was sent before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """
    Exponential backoff with full jitter.

    Attributes:
        max_retries: times a record is sent again at most after answers that do not settle it (a
            500, a cut connection). 0 means never. An API that says that it did not take a record
            (a 429, a refused connection) is asked again until `max_retry_age`, and what is sent
            to see whether an outage is over counts against no record.
        initial_backoff: ceiling of the first wait, in seconds; it doubles with each further one.
        max_backoff: ceiling of every wait, in seconds, and at least `initial_backoff`; a server's
            Retry-After may exceed it.
        max_retry_age: how long a record is tried in all, and an outage is waited out, in seconds.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    max_retries: int = 5
    initial_backoff: float = 0.1
    max_backoff: float = 30.0
    max_retry_age: float = 3600.0

    def __post_init__(self) -> None:
        """Check the bounds; raise ConfigError."""
        whole("max_retries", self.max_retries, 0)
        at_least("initial_backoff", self.initial_backoff, 0)
        at_least("max_backoff", self.max_backoff, 0)
        at_least("max_retry_age", self.max_retry_age, 0)
        if self.initial_backoff > self.max_backoff:
            raise ConfigError(
                f"initial_backoff={self.initial_backoff} is more than "
                f"max_backoff={self.max_backoff}, the ceiling of every wait; "
                "it must be 0 to max_backoff"
            )

    def wait(self, tries: int, *, luck: float) -> float:
        """
        Give the seconds to wait after *tries* failed tries (1 or more).

        *luck* is a number from 0 to 1 drawn evenly by the caller.
        """
        ceiling = self.initial_backoff * 2.0 ** min(tries - 1, 60)
        return min(ceiling, self.max_backoff) * luck

    def patience(self, rtt: float) -> float:
        """Give the seconds that an API has to be seen down, or up; *rtt* is a mean round trip."""
        return min(max(self.max_backoff, _ROUND_TRIPS * rtt), self.max_retry_age)

    def next_step(
        self,
        attempts: Attempts,
        now: float,
        *,
        delivered: int,
        outage: float | None,
        proof: float,
        rtt: float,
    ) -> Step:
        """
        Say what is to be done with a batch that failed once more.

        Poison is told from outage by the neighbours: where others were delivered since the batch
        was first sent, it is what the API cannot take; where nothing gets through, the API is down,
        and to give up its records one by one would help nobody. Where others got through before it
        first failed, but none after that, it may be either: the API has perhaps just gone down.

        Args:
            attempts: the latest included.
            now: on the clock of `Attempts.since`.
            delivered: records delivered so far.
            outage: since when nothing gets through; None where something does.
            proof: when the latest request was sent that got through.
            rtt: a mean round trip, in seconds: as long as that, an API that has just gone down
                looks as if it were up, by its answers to what was sent before.
        """
        began = attempts.since if outage is None else min(outage, attempts.since)
        old = now - began > self.max_retry_age
        if not old and attempts.ambiguous <= self.max_retries:
            return Step.AGAIN
        others = outage is None and delivered > attempts.delivered_before
        if others and (old or self._is_sure(attempts, now, proof, rtt)):
            return Step.POISON
        if old:
            return Step.STOP
        if not self.max_retries:
            return Step.ASIDE if outage is None else Step.STOP
        return Step.ONCE_MORE if others else Step.WAIT

    def _is_sure(self, attempts: Attempts, now: float, proof: float, rtt: float) -> bool:
        """Tell whether the API was up after the batch failed, or was given time to come up."""
        given = now - attempts.since >= self.patience(rtt) and self.max_retries > 0
        return given or proof > attempts.failed_at


class Step(enum.Enum):
    """What is to be done with a batch that failed."""

    AGAIN = "again"
    """Send it again after a backoff."""
    POISON = "poison"
    """It is what the API cannot take: give it up, and go on with the others."""
    ONCE_MORE = "once more"
    """Send it again after the longest backoff: the API may have gone down just before."""
    ASIDE = "aside"
    """Do not send it again, and wait for what becomes of the others."""
    WAIT = "wait"
    """The API is down: send it again when it may be up, with its count begun anew."""
    STOP = "stop"
    """The API is down for too long: stop the run."""


class RetryBudget:
    """
    Keeps a run from sending too much again: an API in trouble is not to be given more work.

    It holds 100 to begin with, gains 10 a second and one for each four records delivered, up to
    1,000, and a batch that is sent again takes one. Where it is empty, batches wait; none is given
    up.

    Args:
        now: when the run begins, in seconds on a clock that never goes back.

    Source: the idea is that of Finagle's RetryBudget.
    """

    FIRST = 100.0
    MOST = 1000.0
    A_SECOND = 10.0
    A_RECORD = 0.25

    def __init__(self, now: float) -> None:
        self._left = self.FIRST
        self._looked_at = now
        self._delivered = 0

    def wait(self, now: float, delivered: int) -> float:
        """
        Give the seconds until a batch may be sent again; 0 where it may now.

        Args:
            delivered: records delivered since the beginning.
        """
        gained = (now - self._looked_at) * self.A_SECOND
        gained += (delivered - self._delivered) * self.A_RECORD
        self._left = min(self.MOST, self._left + gained)
        self._looked_at, self._delivered = now, delivered
        return max(0.0, (1.0 - self._left) / self.A_SECOND)

    def take(self) -> None:
        """Take what one batch that is sent again costs."""
        self._left -= 1.0
