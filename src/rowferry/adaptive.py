"""How many requests in flight: tried, not computed, and what pays is kept."""

from __future__ import annotations

from math import ceil, exp, inf, log, nextafter, sqrt
from operator import mul
from typing import NamedTuple

_LEAST_RTT = 0.002
"""
Seconds; what is shorter counts as this. There the round trip is our own as much as the API's:
answers that wait for their turn in the event loop look like a queue, but fewer requests in flight
only make the loop turn more often (against nginx at once: 20 µs of CPU a request for 15 µs).
"""
_LEAST_LOG = log(_LEAST_RTT)

# a round

_SURE = 0.06
"""Standard error of the mean ln rtt with which a round is content."""
_LONGEST_ROUND = 512
"""Answers after which a round ends, sure or not; or 32 times the limit where that is fewer."""
_FADING = 0.8
"""What the spread of older rounds weighs beside that of the newest."""

# what pays

_PRICE = 0.2
"""
What a larger limit must bring: b in flight instead of a pays where the throughput rises by more
than (b / a) ** 0.2. At 0 the limit grows into every queue; at 0.5 it stops far below the best
where the latency grows slowly with the load.
"""
_START_DOUBT = 1.5
"""Standard errors in favour of going on at the start: it is to stop only if it is sure to."""
_DOWN_DOUBT = -0.5
"""Standard errors that a smaller limit must show more, or noise alone would lead downwards."""
_HOPELESS = -0.1
"""A trial that loses this much, even with 3 standard errors in its favour, is cut short."""

# the search

_STEP = 0.5
"""A trial goes from a limit to 1.5 times as many, or as many divided by 1.5; later less far."""
_SHRINK = 0.7
_FINEST = 0.04
_LONGEST_HOLD = 32
"""Rounds between trials that have failed again and again."""
_SETTLED = 4
"""Rounds of hold past which the search had come to rest."""
_WIDE = 0.1
"""A gap between the limit and its ceiling, as a share of the limit, that is halved at once."""
_MOVED = 0.3
"""Change of the mean ln rtt, beyond 3 standard errors, that means another server."""


class _Level(NamedTuple):
    """What a round showed: the limit, the mean ln rtt under it, and that mean's variance."""

    limit: int
    mean: float
    variance: float

    def gain(self, other: _Level, doubts: float) -> float:
        """
        Give by how much *other* pays, in ln of the throughput; it does where this is above 0.

        Args:
            doubts: standard errors of the comparison to count in favour of *other*.
        """
        raised = (1 - _PRICE) * log(other.limit / self.limit)
        return raised - (other.mean - self.mean) + doubts * sqrt(self.variance + other.variance)

    def differs(self, other: _Level) -> bool:
        """Whether two rounds under one limit cannot have met the same server."""
        doubt = 3 * sqrt(self.variance + other.variance)
        return abs(other.mean - self.mean) > _MOVED + doubt


class AdaptiveLimit:
    """
    Requests in flight, 1 to *max_in_flight*, learnt from how long the answers take.

    No latency is too long by itself, for only a trial tells load from weather: doubled at the start
    while it pays, then now and then more or fewer are tried, and what pays is kept. It pays
    where the throughput, limit / rtt, rises by more than a price; the mean of ln rtt stands for
    rtt, so one answer of a second among a hundred of 10 ms says little.

    A round is made of the answers to requests that were sent after the limit last changed; those
    sent in the same tick belong to the old limit. A round in which the limit was never reached (the
    rows came too slowly, or a rate held them back) teaches nothing and changes nothing.

    Attributes:
        limit: requests that may be in flight now.
        rtt: geometric mean of the last round, in seconds; 0.05 before the first.

    Args:
        max_in_flight: the largest limit.
        start: the first one. Below about 8 there are too few answers in a round to be sure of
            anything, and noise would keep the limit there.
    """

    def __init__(self, max_in_flight: int = 64, start: int = 8) -> None:
        self.limit = min(start, max_in_flight)
        self.rtt = 0.05
        self._search = _Search(max_in_flight)
        self._squares, self._freedom = 0.5, 2.0  # the spread of ln rtt: a guess to begin with
        # the round
        self._fresh: list[float] = []  # round trips that are not added up yet
        self._count, self._sum, self._sum_squares = 0, 0.0, 0.0  # of ln rtt
        self._look = 0  # answers after which to look at it
        self._begin(-inf, queued=False)

    def answered(self, sent: float, now: float, in_flight: int) -> None:
        """
        Note the answer of a request that was delivered, at *now*.

        Not for one that was refused, rejected or lost: those take other times.

        Args:
            sent: when this attempt was written, in seconds on the clock of *now*; the wait for a
                place, a permit or a connection is not to be part of the round trip.
            in_flight: requests that were in flight until now, this one among them.
        """
        if sent < self._since:
            return
        self._fresh.append(now - sent)
        if in_flight >= self.limit:
            self._reached = True
        if len(self._fresh) >= self._look - self._count:
            self._add_up()
            self._look_at_round(now)

    def _add_up(self) -> None:
        """Add up what came since the last look; one by one each takes 0.07 us more of 0.3."""
        logs = [log(rtt) if rtt > _LEAST_RTT else _LEAST_LOG for rtt in self._fresh]
        self._fresh.clear()
        self._count += len(logs)
        self._sum += sum(logs)
        self._sum_squares += sum(map(mul, logs, logs))

    def _begin(self, now: float, *, queued: bool) -> None:
        """Begin a round; one that is *queued* still sees the old limit's queue: to throw away."""
        # at the start a whole wave of answers may come at once: leaving it out costs a round trip
        self._since = now if self._search.starting else nextafter(now, inf)
        self._queued = queued
        self._reached = False
        self._fresh.clear()
        self._count, self._sum, self._sum_squares = 0, 0.0, 0.0
        early = queued or self._search.trying(self.limit)
        self._look = self.limit if early else self._enough()

    def _enough(self) -> int:
        """Give the answers that a round needs."""
        if self._search.starting:
            return self.limit
        sure = self._squares / self._freedom / _SURE**2
        return max(2 * self.limit, ceil(min(sure, _LONGEST_ROUND, 32 * self.limit)))

    def _look_at_round(self, now: float) -> None:
        """End the round if it has told enough."""
        mean = self._sum / self._count
        if not self._hopeless(mean):
            if self._queued:
                self._begin(now, queued=False)
                return
            if self._count < self._enough():
                return
            self._squares *= _FADING
            self._squares += max(0.0, self._sum_squares - self._sum * mean)
            self._freedom = _FADING * self._freedom + self._count - 1
        self._end(now, mean)

    def _hopeless(self, mean: float) -> bool:
        home = self._search.home
        if home is None or not self._search.trying(self.limit):
            return False
        return home.gain(self._level(mean), 3) < _HOPELESS

    def _level(self, mean: float) -> _Level:
        return _Level(self.limit, mean, self._squares / self._freedom / self._count)

    def _end(self, now: float, mean: float) -> None:
        """Learn from the round, and begin the next."""
        self.rtt, before = exp(mean), self.limit
        if self._reached:
            self.limit = self._search.next(self._level(mean))
        self._begin(now, queued=self.limit > before and not self._search.starting)


class _Search:
    """
    From what the rounds showed, the limit to go to next.

    Attributes:
        starting: whether the limit is still being doubled.
        home: what a trial is held against: the limit that pays, as it was last seen.
    """

    def __init__(self, most: int) -> None:
        self.starting = True
        self.home: _Level | None = None
        self._most = most
        self._seen_top = False
        self._up = False
        self._step = _STEP
        self._hold = 0  # rounds before the next trial
        self._patience = 1  # the hold after the next trial that fails
        self._ceiling: int | None = None  # the lowest limit that lately did not pay

    def trying(self, limit: int) -> bool:
        """Whether *limit* is on trial."""
        return self.home is not None and limit != self.home.limit and not self.starting

    def next(self, level: _Level) -> int:
        """Give the limit after a round that showed *level*."""
        if self.starting:
            return self._start(level)
        if self.home is None or level.limit == self.home.limit:
            return self._stay(level)
        doubts = 0.0 if level.limit > self.home.limit else _DOWN_DOUBT
        if self.home.gain(level, doubts) > 0:
            return self._keep(level)
        return self._give_up(self.home, level)

    def _start(self, level: _Level) -> int:
        """Double while it pays."""
        if self.home and self.home.gain(level, _START_DOUBT) <= 0:
            self._ceiling = level.limit
            return self._settle_at(self.home.limit, hold=1)
        if level.limit < self._most:
            self.home = level
            return min(self._most, 2 * level.limit)
        if not self._seen_top:  # the first round at the top still saw the old queue
            self._seen_top = True
            return level.limit
        return self._settle_at(level.limit, hold=4)  # every step paid: no hurry to try fewer

    def _settle_at(self, limit: int, hold: int) -> int:
        self.starting, self.home = False, None
        self._hold = self._patience = hold
        return limit

    def _stay(self, level: _Level) -> int:
        """Hold for some rounds, then try; at once where the server has changed."""
        if self.home and self.home.differs(level):
            self._hold, self._patience, self._step = 2, 1, _STEP
            self._up, self._ceiling = level.mean < self.home.mean, None
        self.home = level
        self._hold -= 1
        return level.limit if self._hold >= 0 else self._turn(level.limit)

    def _keep(self, level: _Level) -> int:
        """Make a limit that pays the new home, and go on that way."""
        if self._patience > _SETTLED:  # it had come to rest: the server has changed
            self._ceiling, self._step = None, _STEP
        self.home, self._patience = level, 1
        return self._turn(level.limit)

    def _give_up(self, home: _Level, failed: _Level) -> int:
        """Return home, to try the other way after a longer hold; or half as far at once."""
        if self._up:
            self._ceiling = failed.limit
            if failed.limit - home.limit > _WIDE * home.limit + 1:
                return self._turn(home.limit)
        elif self._patience >= _LONGEST_HOLD:
            self._ceiling = None  # old news
        self._up, self._hold = not self._up, self._patience
        self._patience = min(_LONGEST_HOLD, 2 * self._patience)
        self._step = max(_SHRINK * self._step, _FINEST)
        return home.limit

    def _turn(self, limit: int) -> int:
        """Give the next limit to try, from one that pays."""
        if limit in (1, self._most):
            self._up = limit == 1
        if not self._up:
            return max(1, min(limit - 1, round(limit / (1 + self._step))))
        more = round(limit * (1 + self._step))
        if self._ceiling is not None and self._ceiling > limit + 1:
            more = min(more, (limit + self._ceiling) // 2)
        return min(self._most, max(limit + 1, more))
