"""What an API says of its rate limit with each answer, and what pace that leaves."""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rowferry.batches import Response

LONGEST_WAIT = 600.0
"""Seconds that a quota keeps a request back, at most: it is a hint, and no Retry-After."""

_EPOCH = 1e9
"""From here on a reset is a moment (seconds since 1970) and no number of seconds."""
_EPOCH_MS = 1e12
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?")
_PARAMETER = re.compile(r"(?:^|[;,\s])(r|t|remaining|reset)\s*=\s*(\d{1,15})(?![\d.])")
_NAMES = {b"x-ratelimit": "x", b"ratelimit": "", b"x-rate-limit": "x"}


class Told(NamedTuple):
    """
    What an answer tells of the rate limit.

    Attributes:
        remaining: requests that are left until the quota is full again.
        seconds: until then.
    """

    remaining: float
    seconds: float


def told_by(response: Response, now: float) -> Told | None:
    """
    Read the rate limit of an answer; None where it tells none, or nothing that makes sense.

    Known are `RateLimit` with r and t (or remaining and reset), `RateLimit-Remaining` and `-Reset`,
    and both with `X-` before; a reset is in seconds, or a moment since 1970. Of several quotas the
    one that leaves the slowest pace counts.

    Args:
        now: seconds since the epoch.

    Source: draft-ietf-httpapi-ratelimit-headers, and what APIs that came before it send.
    """
    found = []
    separate: dict[tuple[bytes, bytes], float] = {}
    for name, value in response.headers:
        text = value.decode("ascii", "replace").strip()
        if name == b"ratelimit":
            found += [_of_item(item, now) for item in text.split(",")] + [_of_item(text, now)]
            continue
        prefix, _, what = name.rpartition(b"-")
        if prefix in _NAMES and what in {b"remaining", b"reset"} and _NUMBER.fullmatch(text):
            separate[prefix, what] = float(text)
    for prefix in _NAMES:
        found.append(
            _told(separate.get((prefix, b"remaining")), separate.get((prefix, b"reset")), now)
        )
    quotas = [quota for quota in found if quota is not None]
    return min(quotas, key=lambda quota: quota.remaining / quota.seconds, default=None)


def _of_item(text: str, now: float) -> Told | None:
    parameters = {name: float(value) for name, value in _PARAMETER.findall(text)}
    remaining = parameters.get("r", parameters.get("remaining"))
    return _told(remaining, parameters.get("t", parameters.get("reset")), now)


def _told(remaining: float | None, reset: float | None, now: float) -> Told | None:
    if remaining is None or reset is None:
        return None
    if reset >= _EPOCH_MS:
        reset /= 1000.0
    seconds = reset - now if reset >= _EPOCH else reset
    return Told(remaining, seconds) if seconds > 0 else None


class Quota:
    """
    The pace that is left by what the API told last.

    While plenty is left the pace is not its business: a job of a few rows need not take an hour
    because the quota is one of 5,000 an hour. What is scarce is spread over the time until it is
    full again, and nothing is sent while there is none.

    Args:
        plenty: requests left from which on the pace is not lowered.
    """

    def __init__(self, plenty: int) -> None:
        self.next = -inf
        """When the next request may go; in the past where it may at once."""
        self._plenty = plenty
        self._gap = 0.0
        self._until = -inf

    def told(self, told: Told, now: float) -> None:
        """Take what an answer told at *now*, in seconds on a clock that never goes back."""
        if told.remaining >= self._plenty:
            self._gap, self._until, self.next = 0.0, -inf, -inf
            return
        seconds = min(told.seconds, LONGEST_WAIT)
        self._until = now + seconds
        if told.remaining < 1:
            self.next = self._until
            return
        self._gap = min(told.seconds / told.remaining, LONGEST_WAIT)
        self.next = min(self.next, now + self._gap) if self.next > -inf else now

    def sent(self, at: float) -> None:
        """Note a request that began at *at*."""
        if at < self._until:
            self.next = max(self.next, at) + self._gap

    @property
    def lowers(self) -> bool:
        """Whether there is anything to wait for, now or later."""
        return self._until > -inf
