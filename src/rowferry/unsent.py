"""What of a chunk is not sent at all: its rows that failed, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowferry.exceptions import ExhaustedError, RejectedError
from rowferry.records import FailedRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowferry.records import Key
    from rowferry.transforms import Shaped
    from rowferry.values import UnencodableError


def failed_of(shaped: Shaped) -> list[FailedRow]:
    """Give the rows whose own function raised; the errors say which rows they were."""
    for key, row in shaped.failed:
        if key:
            row.exception.add_note(f"in the row with key {', '.join(map(repr, key))}")
    return [row for _, row in shaped.failed]


def unsendable(shaped: Shaped, errors: Mapping[int, UnencodableError]) -> dict[int, FailedRow]:
    """Give by index the records that cannot be sent."""
    return {index: _unsendable(shaped, index, errors[index]) for index in sorted(errors)}


def _unsendable(shaped: Shaped, index: int, error: UnencodableError) -> FailedRow:
    key = _key(shaped, index)
    message = f"a record{_which(key)} cannot be sent: {error}"
    rejection = RejectedError(message, key=key, reason=error.reason)
    rejection.__cause__ = error
    return FailedRow(shaped.records[index], rejection)


def interrupted(shaped: Shaped, unsent: Mapping[int, FailedRow]) -> dict[int, FailedRow]:
    """Give by index all records: those of *unsent*, and others that may have been sent before."""
    return {
        index: unsent.get(index) or _interrupted(shaped, index)
        for index in range(len(shaped.records))
    }


def _interrupted(shaped: Shaped, index: int) -> FailedRow:
    key = _key(shaped, index)
    error = ExhaustedError(
        "the run before was interrupted when it may have sent a record"
        f"{_which(key)}, and on_ambiguous='dead_letter'",
        key=key,
    )
    return FailedRow(shaped.records[index], error)


def _key(shaped: Shaped, index: int) -> Key | None:
    return shaped.keys[index] if shaped.keys else None


def _which(key: Key | None) -> str:
    return f" (key {', '.join(map(repr, key))})" if key else ""
