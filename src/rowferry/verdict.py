"""What an answer means for the records that were sent."""

from __future__ import annotations

import datetime as dt
import email.utils
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from rowferry.batches import Fate

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rowferry.batches import Attempts, Response


class Verdict(msgspec.Struct, frozen=True):
    """
    What is to be done with a request's records, and why.

    Attributes:
        fate: what becomes of them.
        reason: for people: what came back and, where there is one, the remedy.
        retry_after: seconds for which the API wants no requests; None where it did not say.
        word: the reason of a rejection for machines; see `RejectedError`.
    """

    fate: Fate
    reason: str
    retry_after: float | None = None
    word: str = "rejected"


RETRYABLE = frozenset({Fate.NOT_SENT, Fate.REFUSED, Fate.AMBIGUOUS, Fate.CONFLICT})
"""After these the records are sent again."""

LONGEST_PAUSE = 600.0
"""Seconds that an API may ask for with Retry-After; where it wants more, the run stops."""

_REFUSING = frozenset({408, 421, 425, 429})
_PERMANENT = frozenset({501, 505})
_UNCLEAR = frozenset({400, 422})
_MULTI_STATUS = 207
_UNAUTHORIZED = 401
_MISSING = 404
_PROXY_AUTH = 407
_CONFLICT = 409
_TOO_LARGE = 413
_UNPROCESSABLE = 422
_SERVER_ERROR = 500
_SERVICE_UNAVAILABLE = 503
_STATUSES = range(200, 600)


class Rules(msgspec.Struct, frozen=True):
    """
    What an answer means to one API.

    Attributes:
        success_status: the statuses that acknowledge a request.
        retry_on_status: the statuses after which records are sent again; None means the table's.
            Those that it adds are ambiguous, those that it leaves out are rejections.
        method: of the requests; empty where it differs from request to request.
        expired_status: the statuses by which the API says that credentials are not accepted.
        origin: scheme, host and port, to tell a redirect within the API from one elsewhere.
        proxy: names the one on the way, for messages.

    Source: RFC 9110, sections 10.2.3 and 15.
    """

    success_status: Collection[int]
    retry_on_status: Collection[int] | None = None
    method: str = "POST"
    origin: str = ""
    expired_status: Collection[int] = (_UNAUTHORIZED,)
    proxy: str = "a proxy"

    def judge(
        self,
        response: Response,
        now: float,
        *,
        count: int = 1,
        attempts: Attempts | None = None,
        keyed: bool = False,
        method: str = "",
    ) -> Verdict:
        """
        Say what a complete answer means.

        Args:
            response: final (no 1xx).
            now: seconds since the epoch, to read a Retry-After that is a date.
            count: records in the request.
            attempts: of them before this one; None where this was the first.
            keyed: whether the request carried an idempotency key of ours.
            method: of the request, where it is not the same for all.
        """
        reason = f"the API answered {response.status}"
        when = bool(response.header(b"retry-after"))
        fate = self.fate(response.status, when=when)
        if fate is Fate.REJECTED:
            fate = self._looked_at(response.status, count, attempts, method or self.method)
        if fate is Fate.REJECTED and keyed and _may_clash(response.status, attempts):
            return Verdict(fate, f"{reason}{_CLASH}", word="key_conflict")
        if fate is Fate.REFUSED:
            return Verdict(fate, reason, pause_asked(response, now))
        if fate is Fate.AUTH:
            return Verdict(fate, reason)
        if fate is Fate.STOP:
            return Verdict(fate, self._stops(response, reason))
        return Verdict(fate, reason)

    def fate(self, status: int, *, when: bool = False) -> Fate:
        """
        Say what a status means by itself.

        Args:
            status: 200 to 599.
            when: whether the answer has a Retry-After.
        """
        if status in self.success_status:
            return Fate.DELIVERED
        fate = Fate.AUTH if status in self.expired_status else _meaning(status, when=when)
        if self.retry_on_status is not None:
            if status in self.retry_on_status:
                return fate if fate in RETRYABLE else Fate.AMBIGUOUS
            if fate in RETRYABLE:
                return Fate.REJECTED
        return fate

    def fate_of_item(self, status: int, attempts: Attempts | None) -> Fate:
        """Say what the status of one record of a batch means."""
        fate = self.fate(status)
        if fate is not Fate.REJECTED:
            return fate
        return self._looked_at(status, 1, attempts, self.method)

    def _looked_at(self, status: int, count: int, attempts: Attempts | None, method: str) -> Fate:
        """Judge a rejection by what was sent, and how often."""
        if attempts and attempts.ever_doubtful:
            if status == _CONFLICT and not attempts.conflicts:
                return Fate.CONFLICT
            if status == _MISSING and method == "DELETE":
                return Fate.DELIVERED
        if count > 1:
            if status == _TOO_LARGE:
                return Fate.TOO_LARGE
            if status in _UNCLEAR:
                return Fate.UNCLEAR
        return Fate.REJECTED

    def _stops(self, response: Response, reason: str) -> str:
        """Say why every record would meet the same."""
        if response.status == _MULTI_STATUS:
            return f"{reason}, a status for each item: item_results= tells how to read them"
        if response.status == _PROXY_AUTH:
            return f"{reason}: {self.proxy} wants credentials"
        if response.status // 100 == 3:  # noqa: PLR2004 (3xx)
            return _redirect(response, reason, self.origin)
        return f"{reason}, which is not in success_status"


_CLASH = (
    ", and may know the idempotency key from an earlier try: perhaps it has the record "
    "as it was then, and this is another body,"
)


def _may_clash(status: int, attempts: Attempts | None) -> bool:
    """
    Tell whether a rejection may mean "this key came with another body before".

    Source: draft-ietf-httpapi-idempotency-key-header-07, section 2.7.
    """
    return status == _UNPROCESSABLE and attempts is not None and attempts.ever_doubtful


def _meaning(status: int, *, when: bool) -> Fate:
    """Give what the table has for a status that is no success."""
    if status in _REFUSING or (status == _SERVICE_UNAVAILABLE and when):
        return Fate.REFUSED
    if status < 400 or status == _PROXY_AUTH:  # noqa: PLR2004 (2xx, 3xx)
        return Fate.STOP
    if status < _SERVER_ERROR or status in _PERMANENT:
        return Fate.REJECTED
    return Fate.AMBIGUOUS


# the items of a batch


class Items(msgspec.Struct, frozen=True):
    """
    What became of the records of a batch whose answer has a status for each.

    Attributes:
        delivered: how many.
        again: by the fate that they share, the indexes of those that are sent again.
        rejected: by index, the status of those that the API will not take.
        said: by index, what the API says of those that are not delivered, where it says anything.
        stop: why the run stops, where the answer says so.
        stopped: the indexes of those that it says so of: they stay pending.
    """

    delivered: int
    again: dict[Fate, list[int]]
    rejected: dict[int, int]
    said: dict[int, str] = msgspec.field(default_factory=dict)
    stop: Verdict | None = None
    stopped: Sequence[int] = ()


def judge_items(
    rules: Rules, statuses: Any, count: int, attempts: Attempts | None = None
) -> Items | str:
    """
    Sort the records of a batch by the statuses of their items, in order.

    A status for which a whole request would stop the run (a redirect, 401) rejects its record.

    Args:
        statuses: what the user's `item_results` gave: a status, or a pair of one and of what the
            API says of the item.
        count: records that were sent.
        attempts: of them before this one; None where this was the first.

    Returns:
        The items; or why they cannot be told, so that all of them are ambiguous. What *statuses*
        raises while it is read is raised.
    """
    if not isinstance(statuses, Iterable):
        return f"item_results gave {statuses!r:.100}, not one status an item"
    given = list(islice(statuses, count + 1))
    if len(given) != count:
        found = f"more than {count:,}" if len(given) > count else f"{len(given):,}"
        return f"the answer has {found} items for {count:,} records"
    delivered = 0
    again: dict[Fate, list[int]] = {}
    rejected: dict[int, int] = {}
    said: dict[int, str] = {}
    for index, item in enumerate(given):
        status, text = item if _is_pair(item) else (item, "")
        if isinstance(status, bool) or not isinstance(status, int) or status not in _STATUSES:
            return f"item_results gave {item!r:.100} for item {index}, which is no status"
        fate = rules.fate_of_item(status, attempts)
        if text and fate is not Fate.DELIVERED:
            said[index] = text
        if fate is Fate.DELIVERED:
            delivered += 1
        elif fate in RETRYABLE:
            again.setdefault(fate, []).append(index)
        else:
            rejected[index] = int(status)
    return Items(delivered, again, rejected, said)


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and list(map(type, item))[1:] == [str]


# headers


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


def pause_asked(response: Response, now: float) -> float | None:
    """
    Give the longest time that the Retry-After headers of an answer ask for; None for none.

    A date there is one of the API's clock, which its `Date` tells: ours may be wrong by a day.
    """
    values = [value for name, value in response.headers if name == b"retry-after"]
    if not values:
        return None
    said = _seconds(response.header(b"date") or b"")
    asked = [retry_after(value, now if said is None else said) for value in values]
    return max((seconds for seconds in asked if seconds is not None), default=None)


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
        return float(text.lstrip("0")[:12] or 0)
    date = _seconds(text.encode())
    return None if date is None else max(0.0, date - now)


def _seconds(value: bytes) -> float | None:
    """Read an HTTP date: seconds since the epoch; None where it is none."""
    try:
        date = email.utils.parsedate_to_datetime(value.decode("ascii", "replace"))
        if date.tzinfo is None:  # the form of asctime names no zone, and means UTC
            date = date.replace(tzinfo=dt.UTC)
        return date.timestamp()
    except (ValueError, OverflowError):
        return None
