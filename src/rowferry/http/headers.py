"""What headers of an answer say to a client."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

IDLE = 4.0
"""Seconds that a connection is kept idle, unless the API says more: many close theirs after 5."""

_TIMEOUT = re.compile(rb"timeout\s*=\s*(\d{1,6})", re.IGNORECASE)
_LIMITED = (b"ratelimit", b"rate-limit")


def is_page(name: bytes, value: bytes) -> bool:
    """Tell whether a header (its name in lower case) says that the answer is a page for people."""
    return name == b"content-type" and value.strip().lower().startswith(b"text/html")


def is_limited(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether headers speak of a rate limit, or of a page for people."""
    return any(
        any(word in name for word in _LIMITED) or is_page(name, value) for name, value in headers
    )


def idle_limit(keep_alive: bytes) -> float:
    """
    Give for how many seconds a connection may be kept idle: less than the API keeps it.

    A request that meets the end of a connection is AMBIGUOUS, so the margin is a second, or half
    where the API has not much more.

    Args:
        keep_alive: the value of the header Keep-Alive; b"" where there is none.
    """
    told = _TIMEOUT.search(keep_alive)
    return max(int(told[1]) - 1.0, int(told[1]) / 2) if told else IDLE
