"""What a run looked like over time: its progress events, as many as a page has room for."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rowferry.records import Progress

_MOST = 400
"""Events that are kept: more than there are dots across a page."""


class Point(NamedTuple):
    """
    A figure at a moment.

    Attributes:
        seconds: since the run began.
    """

    seconds: float
    value: float


class History:
    """
    Keeps events evenly: where there are too many, every other one is forgotten.

    Attributes:
        events: that are kept, in order; the last one is always there.
    """

    def __init__(self) -> None:
        self.events: list[Progress] = []
        self._apart = 0.0

    def __call__(self, event: Progress) -> None:
        """Take an event."""
        events = self.events
        if len(events) > 1 and event.seconds - events[-2].seconds < self._apart:
            events[-1] = event
            return
        events.append(event)
        if len(events) > _MOST:
            self._apart = 2 * (events[-1].seconds - events[0].seconds) / _MOST
            del events[1:-1:2]

    @property
    def rates(self) -> list[Point]:
        """Records delivered a second, between each two events."""
        return [
            Point((one.seconds + other.seconds) / 2, _rate(one, other))
            for one, other in pairwise(self.events)
            if other.seconds > one.seconds
        ]

    @property
    def in_flight(self) -> list[Point]:
        """Requests in flight."""
        return [Point(event.seconds, event.in_flight) for event in self.events]

    @property
    def latencies(self) -> dict[str, list[Point]]:
        """Milliseconds that requests took: half of them, and 99 % of them, at most."""
        measured = [event for event in self.events if event.latency_p50]
        return {
            "p50": [Point(event.seconds, event.latency_p50 * 1000) for event in measured],
            "p99": [Point(event.seconds, event.latency_p99 * 1000) for event in measured],
        }

    @property
    def retries(self) -> list[Point]:
        """Requests sent again, so far."""
        return [Point(event.seconds, event.retries) for event in self.events]


def _rate(one: Progress, other: Progress) -> float:
    return max(0.0, (other.delivered - one.delivered) / (other.seconds - one.seconds))
