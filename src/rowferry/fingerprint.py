"""What must be the same where a transfer goes on with the journal of an earlier run."""

from __future__ import annotations

import decimal
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowferry.records import Key

Fingerprint = Mapping[str, str]
"""A text for each part. What may hold a secret, or a person's data, stands as its hash only."""

PARAMETERS = "parameters"
"""The part that may change from one pass to the next, but not within one."""

COLUMNS = "columns"
"""The part that only the first rows tell."""

ORDER = "order"
"""The columns of the positions in the journal; not compared."""


def hashed(text: str) -> str:
    """Give the hash of a text."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def of_parameters(parameters: Any) -> str:
    """Give the hash of a query's parameters, the same whatever the order of those with names."""
    if isinstance(parameters, Mapping):
        return hashed(repr(sorted(parameters.items())))
    return hashed(repr(list(parameters)))


def of_columns(description: Sequence[Sequence[Any]]) -> str:
    """Give the columns of a result with their types, as DB-API's description has them."""
    return "; ".join(f"{column[0]} {column[1]}" for column in description)


def changed(earlier: Fingerprint, now: Fingerprint, *, same_pass: bool) -> list[str]:
    """Give the parts that both know and that differ."""
    return [
        part
        for part, value in earlier.items()
        if now.get(part, value) != value and (same_pass or part != PARAMETERS)
    ]


def clash(earlier: Key, now: Key) -> tuple[str, str] | None:
    """
    Give the kinds of two values in the same place of two positions that cannot be compared.

    SQLite does not tell the types of a query's columns, and holds every text for more than any
    number: where a key has become text, what comes after a number would be all rows.
    """
    for kinds in zip(map(_kind, earlier), map(_kind, now), strict=True):
        if None not in kinds and kinds[0] != kinds[1]:
            return kinds  # type: ignore[return-value] # mypy does not see that none is None
    return None


def _kind(value: Any) -> str | None:
    return next((name for name, kinds in _KINDS.items() if isinstance(value, kinds)), None)


_KINDS: dict[str, tuple[type, ...]] = {
    "a number": (int, float, decimal.Decimal),
    "text": (str,),
    "bytes": (bytes, bytearray, memoryview),
}
