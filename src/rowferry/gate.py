"""Whether a request may begin now, and if not, when: a place, and then a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowferry.adaptive import AdaptiveLimit
from rowferry.limits import FixedLimit, Limits, TokenBucket
from rowferry.quota import Quota
from rowferry.refusals import Refusals

if TYPE_CHECKING:
    from rowferry.limits import Limit
    from rowferry.quota import Told

_PLENTY = 4
"""Times `max_in_flight`: with so many requests left, what an API tells of its quota is no hurry."""


class Gate:
    """
    What every request passes before it begins, and comes back through with its answer.

    It brings together how many may be in flight (`AdaptiveLimit` or a number), what refusals taught
    (`Refusals`: a rate, a pause, one at a time in an outage), the user's own rate, and what the API
    tells of its quota. All times are seconds on one clock that never goes back.

    Attributes:
        allowed: requests that may have a place now.
        places: that are taken: by requests in flight, and for one more round trip by those that
            were not delivered, since quick refusals would otherwise be asked for in a storm.
        outage_since: since when nothing gets through; None where something does.
        proof: when the latest request was sent that got through.
        held: whether no request may begin at all, since there are no credentials for it.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        number, rate = limits.concurrency, limits.requests_per_second
        self.places = 0
        self.outage_since: float | None = None
        self.proof = float("-inf")
        self.held = False
        self._limit: Limit = (
            AdaptiveLimit(limits.max_in_flight) if isinstance(number, str) else FixedLimit(number)
        )
        self._refusals = Refusals(self._limit, now)
        self._bucket = TokenBucket(rate, limits.burst) if rate else None
        self.allowed = self._refusals.allowed
        self._quota = Quota(_PLENTY * limits.max_in_flight)
        self._look()

    @property
    def probing(self) -> bool:
        """Whether nothing gets through, so that a request only asks whether it is over."""
        return self.outage_since is not None

    @property
    def rtt(self) -> float:
        """A mean round trip, in seconds."""
        return self._limit.rtt

    def is_open(self, now: float) -> bool:
        """Tell whether a request may begin now, without further ado."""
        return (
            self.places < self.allowed and now >= self._refusals.may_send_at and not self._metered
        )

    def opens(self, since: float) -> float:
        """Give when the next request may begin that has waited for its moment since *since*."""
        at = max(since, self._refusals.may_send_at)
        if self._metered:
            at = max(at, self._quota.next)
            if self._bucket:
                at = max(at, self._bucket.ready(at))
        return at

    def begin(self, at: float) -> None:
        """Take a place and the moment *at*, which `opens` gave or is now."""
        self.places += 1
        if not self._refusals.calm:
            self._refusals.sent(at)
        if self._metered:
            self._quota.sent(at)
            if self._bucket:
                self._bucket.take(at)

    # answers

    def delivered(self, sent: float, now: float) -> None:
        """Note that a request that was written at *sent* was taken; its place is free."""
        limit, refusals = self._limit, self._refusals
        limit.answered(sent, now, self.places)
        refusals.delivered(now)
        if sent > self.proof:  # noqa: PLR1730 (max() takes twice as long)
            self.proof = sent
        self.places -= 1
        self.allowed = limit.limit if refusals.calm else refusals.allowed
        self.outage_since = None

    def taken_in_part(self, sent: float, now: float, retry_after: float | None) -> float:
        """
        Note a request, written at *sent*, of which some records were taken and others refused.

        Something got through, so it is no outage; and the API was asked too much.

        Returns:
            The seconds after which its place is to be freed.
        """
        self._refusals.delivered(now)
        self.proof = max(self.proof, sent)
        self.outage_since = None
        return self.refused(now, retry_after)

    def passes_on(self, sent: float, now: float) -> bool:
        """
        Do as `delivered`, and begin the next request in its place, if one may begin now.

        While all is calm, and nothing but places counts, the place is not even given back: that
        takes 0.15 us from a request.
        """
        limit, refusals = self._limit, self._refusals
        if refusals.calm and not self._metered and now >= refusals.may_send_at:
            limit.answered(sent, now, self.places)
            refusals.delivered(now)
            self.allowed = limit.limit
            if self.places <= self.allowed:
                return True
            self.places -= 1
            return False
        self.delivered(sent, now)
        if not self.is_open(now):
            return False
        self.begin(now)
        return True

    def answered(self, now: float) -> None:
        """Note an answer that says no, but for reasons of its own; its place is free."""
        self._refusals.delivered(now)
        self.places -= 1
        self.allowed = self._refusals.allowed
        self.outage_since = None

    def refused(self, now: float, retry_after: float | None) -> float:
        """Note a refusal; give the seconds after which its place is to be freed."""
        self._refusals.refused(now, retry_after)
        return self._not_delivered(now)

    def failed(self, now: float) -> float:
        """Note a request that failed; give the seconds after which its place is to be freed."""
        self._refusals.failed(now)
        return self._not_delivered(now)

    def free_place(self) -> None:
        """Free the place of a request that was not delivered."""
        self.places -= 1

    def told(self, told: Told, now: float) -> None:
        """Note what an answer tells of the API's quota."""
        self._quota.told(told, now)
        self._look()

    def hold(self) -> None:
        """Let no request begin until `release`."""
        self.held = True
        self._look()

    def release(self) -> None:
        """Let requests begin again."""
        self.held = False
        self._look()

    def _look(self) -> None:
        """Note whether anything but places and refusals has to be looked at before a request."""
        self._metered = self.held or self._bucket is not None or self._quota.lowers

    def close(self, now: float) -> None:
        """Let only one request at a time ask whether anything gets through: nothing does."""
        self._refusals.trip(now)
        self._not_delivered(now)

    def _not_delivered(self, now: float) -> float:
        self.allowed = self._refusals.allowed
        if self._refusals.probing and self.outage_since is None:
            self.outage_since = now
        return self._limit.rtt
