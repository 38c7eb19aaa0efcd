"""What refusals teach: a rate, a pause, and when to ask one at a time."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rowferry.limits import Limit

_TRIP = 16
"""Answers in a row that delivered nothing, after which requests go one at a time."""
_FIRST_GAP = 0.05
_LONGEST_GAP = 1.0
"""Seconds between such requests: doubled from the first to the longest."""
_LATELY = 10.0
"""Seconds within which a second trip is about the rate and no outage."""

_LEAST_SPAN = 0.1
_LEAST_ANSWERS = 20
"""Seconds (and two round trips) and answers before a share of refusals means anything."""
_ENOUGH_ANSWERS = 400
"""Answers after which few refusals are few, and not only not yet many."""
_NOISE = 6
"""Refusals beyond the share: looked at with each answer, 1 % at random would else reach it."""
_FEW = 0.02
"""Share of the answers that may be refused and the rate be left as it is."""

_KEEP = 0.98
"""What a rate is cut to, of what was accepted."""
_LEAST_RATE = 0.1
_FIRST_WAIT = 2.0
_LONGEST_WAIT = 600.0
"""Seconds that a rate is held after a cut: doubled from the first to the longest."""
_GROWTH = 1.05
"""What a rate is multiplied with after that: by 1.05, 1.1, 1.2 ... 2 a second."""
_VAIN_CUTS = 4
"""Cuts that did not help, after which refusals are not about the rate."""
_HELPED = 0.75
"""Share of the refusals before the first cut, to which they have come down where cuts help."""
_NEARLY_ALL = 0.9
"""Share of refusals that is no chance: a quota that is used up, or an outage."""
_BURST = 0.8
"""
Cut of the rate where the last pause was less than a second ago, or less than this pause
is long: what a burst accepted flatters the rate, and more time would go in pauses than in peace.
"""
_HOLD_A_PAUSE = 60.0
"""Seconds to hold the rate for each second of Retry-After."""
_LATE = 0.01
"""Seconds that a sender may wake late and still keep the rate: a timer of uvloop has whole ms."""


class _Rate:
    """
    Requests a second that an API was seen to accept.

    Attributes:
        value: infinite until it refuses too many.
        cuts: since it last accepted nearly all.
    """

    def __init__(self) -> None:
        self.value = inf
        self.cuts = 0
        self._few = _FEW
        self._share = 0.0  # of refusals, before the first of the cuts
        self._wait = _FIRST_WAIT / 2
        self._grows_at = inf
        self._factor = _GROWTH

    def cut(self, now: float, accepted: float, hold: float = 0.0) -> None:
        """
        Go down to nearly what was accepted.

        Args:
            accepted: requests a second.
            hold: seconds to stay there at least.
        """
        self.value = min(self.value, max(_LEAST_RATE, _KEEP * accepted))
        if not self.cuts:
            self._wait = min(_LONGEST_WAIT, max(2 * self._wait, hold))
        self.cuts += 1
        self._grows_at, self._factor = now + self._wait, _GROWTH

    def judge(self, now: float, span: float, ok: int, bad: int) -> bool:
        """Learn from *span* seconds of answers; give False where there are too few to tell."""
        answers = ok + bad
        if bad > _NOISE + self._few * answers and ok:
            share = bad / answers
            if self.cuts >= _VAIN_CUTS and (3 * bad < ok or self._is_chance(share)):
                self.value, self.cuts, self._few = inf, 0, min(2 * share, (1 + share) / 2)
            else:
                self._share = share if not self.cuts else self._share
                self.cut(now, ok / span)
        elif answers >= _ENOUGH_ANSWERS or not bad:
            self.cuts = 0
            if now > self._grows_at and 100 * bad <= answers:
                self._grow(now)
        else:
            return False
        return True

    def _is_chance(self, share: float) -> bool:
        """Tell whether as many are refused as before the cuts, which cost what they save."""
        return _HELPED * self._share <= share < _NEARLY_ALL

    def _grow(self, now: float) -> None:
        self.value *= self._factor
        self._factor = min(2.0, 2 * self._factor - 1)
        self._grows_at = now + 1


class Refusals:
    """
    How an API that refuses is asked: slower, later, or one at a time.

    A refusal never moves the limit of requests in flight: an API that takes 20 a second and
    answers in 20 ms is asked too often even by one at a time. It teaches a rate instead.
    Retry-After is a pause for the whole API. Where 16 answers in a row deliver nothing, requests
    go one at a time, soon one a second; the first that is delivered makes it two at a time, and
    each further one one more: twice as many each round trip.

    How to use it. Wait until fewer requests than `allowed` have a place, and take one. Then wait
    until `may_send_at`, and for a permit of the user's own rate; `allowed` and `may_send_at` may
    have changed meanwhile, so look again. Then call `sent`, and write the request without waiting
    for anything more. Let one task at a time wait for `may_send_at`: it is one permit. Each
    request that was `sent` ends with one call of `delivered`, `refused` or `failed`, and where it
    was not delivered keeps its place for a mean round trip (`Limit.rtt`) after that.

    Attributes:
        may_send_at: when the next request may go, in seconds on the clock of *now*.
        calm: whether nothing was refused or failed yet: as long as that is so, `allowed` is the
            limit, and `sent` need not be called.

    Args:
        limit: requests in flight that may be had while nothing is refused.
        now: when the run began, in seconds on a clock that never goes back.
    """

    def __init__(self, limit: Limit, now: float) -> None:
        self.may_send_at = now
        self.calm = True
        self._limit = limit
        self._rate = _Rate()
        self._next = now  # permit of the rate, or of the breaker
        self._paused_until = now
        # the breaker
        self._row = 0  # answers since the last that delivered
        self._gap = _FIRST_GAP
        self._opening: float = inf  # requests in flight that it allows
        # a peace: from where requests were let through again to where all are refused
        self._opened = now
        self._emptied = -inf  # where the last peace ended, or the pause after it
        self._accepted = 0  # since then, up to the window
        # the window of answers from which the rate is learnt
        self._ok = 0
        self._begin(now)

    @property
    def allowed(self) -> int:
        """Requests that may have a place now, 1 or more."""
        limit = self._limit.limit
        return limit if self._opening >= limit else int(self._opening)

    def sent(self, now: float) -> None:
        """Take the permit of a request that is written now."""
        if self._row >= _TRIP:
            self._delay(now + self._gap)
            self._gap = min(_LONGEST_GAP, 2 * self._gap)
        elif self._rate.value < inf:
            self._delay(max(self._next, now - _LATE) + 1 / self._rate.value)

    def delivered(self, now: float) -> None:
        """Note an answer that took the request: a success, or one that rejects its records."""
        if self._row or self._opening < inf:
            self._open(now)
        self._ok += 1
        if now >= self._look_at:
            self._learn(now)

    def refused(self, now: float, retry_after: float | None = None) -> None:
        """
        Note an answer that says "not now" (a 429, a 503).

        Args:
            retry_after: seconds for which the API wants no requests; less than a round trip is no
                news, but refused like any other.
        """
        self.calm = False
        self._bad += now > self._since  # those that come in a pause were sent before it
        self._row += 1
        if retry_after is not None:
            self.pause(now, retry_after)
        if retry_after is not None and retry_after >= self._limit.rtt:
            self._learn_from_pause(now, retry_after)
        elif self._row == _TRIP:
            self._learn_from_trip(now)
        elif self._row < _TRIP and now >= self._look_at:
            self._learn(now)
        if self._row == _TRIP:
            self._close(now)

    def failed(self, now: float) -> None:
        """Note a request without an answer, or with one that is not about the rate (a 500)."""
        self.calm = False
        self._row += 1
        if self._row == _TRIP:
            self._close(now)

    @property
    def probing(self) -> bool:
        """Whether nothing gets through, so that requests go one at a time."""
        return self._row >= _TRIP

    def trip(self, now: float) -> None:
        """Let requests go one at a time: whoever calls knows that nothing gets through."""
        self.calm = False
        if self._row < _TRIP:
            self._row = _TRIP
            self._close(now)

    # what may be sent, and when

    def _close(self, now: float) -> None:
        """Let requests go one at a time."""
        self._opening = 1
        self._delay(now + self._gap)
        self._make_peace(max(now, self._emptied))

    def _open(self, now: float) -> None:
        """Let one more go than before, now that one was delivered."""
        if self._row >= _TRIP:
            self._delay(now)
            self._opened = max(now, self._opened)
            self._begin(self._opened)
        self._row, self._gap = 0, _FIRST_GAP
        self._opening = self._opening + 1 if self._opening < self._limit.limit else inf

    def pause(self, now: float, seconds: float) -> None:
        """Let no request go for so many seconds."""
        self._paused_until = max(self._paused_until, now + seconds)
        self._delay(max(self._next, self._paused_until))

    def _delay(self, until: float) -> None:
        self._next = until
        self.may_send_at = max(until, self._paused_until)

    # what is learnt

    def _begin(self, since: float) -> None:
        """Begin a window of answers."""
        self._accepted += self._ok
        self._ok = self._bad = 0
        self._since = since
        self._look_at = since + max(_LEAST_SPAN, 2 * self._limit.rtt)

    def _make_peace(self, since: float) -> None:
        self._begin(since)
        self._opened = self._emptied = since
        self._accepted = 0

    def _learn(self, now: float) -> None:
        """Learn from the window, where it is long enough."""
        enough = self._ok + self._bad >= _LEAST_ANSWERS
        if enough and self._rate.judge(now, now - self._since, self._ok, self._bad):
            self._begin(now)

    def _learn_from_pause(self, now: float, seconds: float) -> None:
        """Go down to what was accepted since the last pause."""
        peace, accepted = now - self._opened, self._accepted + self._ok
        if self._row > _TRIP or peace <= 0:
            return  # one at a time, or in the same pause
        if accepted:
            burst = 1.0 if peace >= max(1.0, seconds) else _BURST
            rate = min(accepted / peace, burst * self._rate.value)
            self._rate.cut(now, rate, _HOLD_A_PAUSE * seconds)
        self._make_peace(now + seconds)

    def _learn_from_trip(self, now: float) -> None:
        """Go down to what was accepted, where the trip before was a short time ago."""
        peace, span = now - self._emptied, now - self._since
        accepted = self._accepted + self._ok
        if not accepted or not 0 < peace < _LATELY:
            return
        measured = now >= self._look_at
        self._rate.cut(now, self._ok / span if measured else accepted / peace)
