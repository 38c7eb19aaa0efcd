"""What the options of an API may be, each with its message; `Api` checks them where it is made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from rowferry.auth import MEMBERS
from rowferry.checks import at_least, whole
from rowferry.exceptions import ConfigError
from rowferry.heads import REPLACEABLE
from rowferry.http.endpoint import check_headers

if TYPE_CHECKING:
    from rowferry.formats.contract import Format

_SUCCESSES = (*range(200, 300), *range(400, 600))
_ERRORS = range(400, 600)
_LARGEST_BATCH = 100_000
_MEMBERS = {"name", "content_type", "batch_size", "max_batch_size", "join"}


def check_success_status(statuses: Any) -> None:
    """Check that answers with these statuses can count as successes."""
    if not _are_statuses(statuses, _SUCCESSES) or not statuses:
        raise _no_statuses("success_status", statuses, "200 to 299 or 400 to 599, no redirects")


def check_retry_on_status(statuses: Any, successes: Collection[int]) -> None:
    """Check that records can be sent again after these statuses; there may be none."""
    if not _are_statuses(statuses, _ERRORS):
        raise _no_statuses("retry_on_status", statuses, "400 to 599")
    for status in statuses:
        if status in successes:
            raise ConfigError(f"{status} is both in success_status and in retry_on_status")


def check_expired_status(statuses: Any) -> None:
    """Check that these statuses of a scheme can say that its credentials are over."""
    if not _are_statuses(statuses, _ERRORS) or not statuses:
        raise _no_statuses("auth: its expired_status", statuses, "400 to 599")


def _are_statuses(statuses: Any, allowed: Collection[int]) -> bool:
    known = isinstance(statuses, Collection) and not isinstance(statuses, str | bytes)
    return known and all(type(status) is int and status in allowed for status in statuses)


def _no_statuses(name: str, statuses: Any, which: str) -> ConfigError:
    return ConfigError(f"{name} must be a collection of statuses, {which}, not {statuses!r}")


def check_batches(
    body_format: Format, size: int | None, max_bytes: int, linger: float, room: int, usual: int
) -> None:
    """
    Check how large batches may be, and how long they may take to fill.

    Args:
        size: records of one, at most; None is the format's.
        room: bytes that may wait in all.
        usual: *max_bytes* where nobody has set it, which gives way to *room*.
    """
    whole("batch_bytes", max_bytes, 1)
    at_least("batch_linger", linger, 0)
    if max_bytes > room and max_bytes != usual:
        raise ConfigError(
            f"batch_bytes={max_bytes:,} is more than max_buffer_bytes={room:,}, all "
            "that may wait; it must be 1 to max_buffer_bytes"
        )
    most = body_format.max_batch_size
    if size is None:
        return
    whole("batch_size", size, 1, _LARGEST_BATCH)
    if most is not None and size > most:
        raise ConfigError(
            f"batch_size must be {most} with body_format {body_format.name!r}, "
            f"not {size}; json_array and ndjson hold more"
        )


def check_format(body_format: Any) -> None:
    """Check that an object has what a format has."""
    if missing := _MEMBERS - set(dir(body_format)):
        raise ConfigError(
            f"body_format must be a name or a Format; {body_format!r} has no "
            f"{', '.join(sorted(missing))}"
        )


def check_scheme(scheme: Any) -> None:
    """Check that *scheme* is a scheme of auth; None is one."""
    if isinstance(scheme, type):
        raise ConfigError(f"auth must be a scheme, such as auth.Bearer(…), not {scheme!r}")
    if scheme is not None and not any(hasattr(scheme, name) for name in MEMBERS):
        raise ConfigError(
            f"auth must be a scheme of rowferry.auth, or an object that has one of "
            f"{', '.join(MEMBERS)}; not {type(scheme).__name__}"
        )


def check_idempotency_header(header: Any, headers: Mapping[str, str]) -> None:
    """Check that *header* is a name that no other header of a request has; None is none."""
    if header is None:
        return
    if not isinstance(header, str):
        raise ConfigError(f"idempotency_header must be the name of a header, not {header!r}")
    try:
        check_headers({header: ""})
    except ConfigError as error:
        raise ConfigError(f"idempotency_header: {error}".replace(" headers:", "")) from None
    if header.lower() in REPLACEABLE:
        raise ConfigError(
            f"idempotency_header: {header} is a header that every request has; "
            "name one of its own, such as Idempotency-Key"
        )
    if header.lower() in {name.lower() for name in headers}:
        raise ConfigError(
            f"headers: {header} is the idempotency_header, which differs in each request; "
            "idempotency_header=None sends none but yours"
        )


def check_templates(
    method: str, columns: Mapping[str, str], count: int, *, in_target: bool
) -> None:
    """
    Check that what differs from record to record has a request for each.

    Args:
        columns: the option that each column stands in, by column.
        count: records of a request, at most.
        in_target: whether the URL has columns.
    """
    if columns and count > 1:
        column, option = next(iter(columns.items()))
        raise ConfigError(
            f"{option} has {{{column}}}, which differs from record to record, but batch_size "
            f"is {count}: batch_size=1 sends each by itself"
        )
    if "{" in method and not in_target:
        raise ConfigError(
            f"method is {method}, but url has no {{column}}: a DELETE has no body, and "
            "would not say what to delete"
        )
