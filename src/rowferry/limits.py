"""How much at once and how fast: what an API may be asked to take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from rowferry.checks import at_least, whole
from rowferry.exceptions import ConfigError

_MIB = 1024 * 1024

MOST_IN_FLIGHT = 10_000
"""Each takes a connection, and so a file descriptor on both sides."""


_SLOWEST = 0.00001
_LARGEST_BURST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What the API and this process may be asked to bear.

    Attributes:
        max_in_flight: requests begun whose answer is not complete, at most.
        concurrency: requests to keep in flight: "adaptive", as many as pay, learnt from how long
            the answers take; or a number, at most `max_in_flight`.
        requests_per_second: at least 0.00001, about one a day. None means as fast as the API
            answers. Requests that are sent again count as well.
        burst: requests that may follow at once after a pause, where `requests_per_second` is set;
            at most a million.
        max_buffer_bytes: encoded records that wait or are in flight, in bytes. A single record
            that is larger is rejected.
    """

    max_in_flight: int = 64
    concurrency: int | Literal["adaptive"] = "adaptive"
    requests_per_second: float | None = None
    burst: int = 1
    max_buffer_bytes: int = 32 * _MIB

    def __post_init__(self) -> None:
        """Check the bounds; raise ConfigError."""
        whole("max_in_flight", self.max_in_flight, 1, MOST_IN_FLIGHT)
        whole("burst", self.burst, 1, _LARGEST_BURST)
        whole("max_buffer_bytes", self.max_buffer_bytes, 1)
        if self.requests_per_second is not None:
            at_least("requests_per_second", self.requests_per_second, _SLOWEST)
        elif self.burst > 1:
            raise ConfigError(f"burst={self.burst} needs requests_per_second, which it softens")
        self._check_concurrency()

    def _check_concurrency(self) -> None:
        number = self.concurrency
        if isinstance(number, str):
            if number != "adaptive":
                raise ConfigError(
                    f"concurrency must be 'adaptive' or a whole number, not {number!r}"
                )
            return
        whole("concurrency", number, 1)
        if number > self.max_in_flight:
            raise ConfigError(
                f"concurrency must be at most max_in_flight={self.max_in_flight}, not {number}"
            )

    @property
    def workers(self) -> int:
        """Requests that are in flight together, at most."""
        number = self.concurrency
        return self.max_in_flight if isinstance(number, str) else number


class Limit(Protocol):
    """
    How many requests may be in flight.

    Attributes:
        limit: that many now, 1 or more.
        rtt: a mean round trip, in seconds. A request that was refused or that failed keeps its
            place this long from its answer on: quick refusals would otherwise be asked for as
            fast as they come.
    """

    limit: int
    rtt: float

    def answered(self, sent: float, now: float, in_flight: int) -> None:
        """
        Note the answer of a request that was delivered, at *now*.

        Not for one that was refused, rejected or lost: those take other times.

        Args:
            sent: when this attempt was written, in seconds on the clock of *now*, which must tell
                microseconds (uvloop's own has whole milliseconds); the wait for a place, a permit
                or a connection is not to be part of the round trip.
            in_flight: requests that were in flight until now, this one among them.
        """


class FixedLimit:
    """A limit that stays; its mean round trip forgets, in the manner of RFC 6298."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rtt = 0.05

    def answered(self, sent: float, now: float, in_flight: int) -> None:  # noqa: ARG002 (Limit's)
        """Note the answer of a request that was delivered."""
        self.rtt += (now - sent - self.rtt) / 8


class TokenBucket:
    """
    Spaces permits evenly, but for a burst after a pause.

    Args:
        rate: permits a second.
        burst: permits that may be had at once after a pause.

    Source: the generic cell rate algorithm of ITU-T I.371.
    """

    def __init__(self, rate: float, burst: int = 1) -> None:
        self._interval = 1.0 / rate
        self._slack = (burst - 1) * self._interval
        self._next = float("-inf")

    def ready(self, now: float) -> float:
        """Give when one who wants a permit from *now* on may use the next; it may be past."""
        return max(self._next, now - self._slack)

    def take(self, at: float) -> None:
        """Take a permit that is used at *at*, or a little later by one who was woken late."""
        self._next = max(self._next, at - self._slack) + self._interval

    def reserve(self, now: float) -> float:
        """Take one permit; return the seconds to wait before using it."""
        at = self.ready(now)
        self.take(now)
        return max(0.0, at - now)
