"""What an answer means for the records that were sent."""

from __future__ import annotations

import email.utils
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from rowferry.batches import Fate

if TYPE_CHECKING:
    from collections.abc import Collection

    from rowferry.batches import Response


class Verdict(msgspec.Struct, frozen=True):
    """
    What is to be done with a request's records, and why.

    Attributes:
        fate: what becomes of them.
        reason: for people: what came back and, where there is one, the remedy.
        retry_after: seconds for which the API wants no requests; None where it did not say.
    """

    fate: Fate
    reason: str
    retry_after: float | None = None


_REFUSING = frozenset({408, 421, 425, 429})
_PERMANENT = frozenset({501, 505})
_SERVICE_UNAVAILABLE = 503
_UNAUTHORIZED = 401
_PROXY_AUTH = 407


def judge(
    response: Response, success_status: Collection[int], now: float, origin: str = ""
) -> Verdict:
    """
    Say what a complete answer means.

    Args:
        response: final (no 1xx).
        success_status: the statuses that acknowledge a request.
        now: seconds since the epoch, to read a Retry-After that is a date.
        origin: scheme, host and port of the API, to tell a redirect within it from one elsewhere.

    Source: RFC 9110, sections 10.2.3 and 15.
    """
    status = response.status
    reason = f"the API answered {status}"
    if status in success_status:
        return Verdict(Fate.DELIVERED, reason)
    if status in _REFUSING or (status == _SERVICE_UNAVAILABLE and response.header(b"retry-after")):
        return Verdict(Fate.REFUSED, reason, retry_after(response.header(b"retry-after"), now))
    return _judge_final(response, reason, origin)


def _judge_final(response: Response, reason: str, origin: str) -> Verdict:
    """Judge the statuses that say nothing of when to come again."""
    match response.status // 100:
        case 2:
            return Verdict(Fate.STOP, f"{reason}, which is not in success_status")
        case 3:
            return Verdict(Fate.STOP, _redirect(response, reason, origin))
        case 4:
            return _judge_client_error(response.status, reason)
        case _ if response.status in _PERMANENT:
            return Verdict(Fate.REJECTED, reason)
        case _:
            return Verdict(Fate.AMBIGUOUS, reason)


def _judge_client_error(status: int, reason: str) -> Verdict:
    if status == _UNAUTHORIZED:
        return Verdict(Fate.AUTH, f"{reason}: it does not accept the credentials in headers=")
    if status == _PROXY_AUTH:
        return Verdict(Fate.STOP, f"{reason}: a proxy wants credentials")
    return Verdict(Fate.REJECTED, reason)


def _redirect(response: Response, reason: str, origin: str) -> str:
    """Name where a redirect leads: its path, or only the host where it may leave this one."""
    try:
        target = urlsplit((response.header(b"location") or b"").decode("ascii", "replace"))
        host = target.netloc.rpartition("@")[2]
        elsewhere = f"{target.scheme or 'http'}://{host}" if host else origin
        path = target.path if elsewhere == origin else elsewhere
    except ValueError:
        path = ""
    where = f" to {path}" if path else ""
    return (
        f"{reason}, a redirect{where}, and redirects are not followed: "
        "correct the url (a trailing slash is the usual cause)"
    )


def retry_after(value: bytes | None, now: float) -> float | None:
    """
    Read a Retry-After header: seconds to wait, 0 or more; None where it says nothing.

    Args:
        value: a number of seconds or an HTTP date; anything else says nothing.
        now: seconds since the epoch.

    Source: RFC 9110, section 10.2.3.
    """
    text = (value or b"").strip().decode("ascii", "replace")
    if text.isdecimal():
        return float(text[:12])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
