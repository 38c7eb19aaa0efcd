"""The places of a chunk's records: numbered in the order of its rows, each with its key."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from rowferry.exceptions import ConfigError
from rowferry.transforms import RAISED
from rowferry.watermark import Stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowferry.records import Key
    from rowferry.transforms import Shaped


class Places(NamedTuple):
    """
    Attributes:
        stretch: the rows of a chunk.
        records: the number of each record's place, in order.
        failed: the same of each row whose own function raised.
    """  # noqa: D205 - there is nothing to sum up

    stretch: Stretch
    records: Sequence[int]
    failed: Sequence[int] = ()


def placed(first: int, positions: Sequence[Key], shaped: Shaped) -> Places:
    """
    Give the places of a chunk, from number *first* on.

    Args:
        positions: of its rows, in order; the keys of *shaped* are positions as well. Empty where
            there is no key.
    """
    records = range(first, first + len(shaped.records))
    if shaped.counts and shaped.counts.count(1) < len(shaped.counts):
        return _placed_by_row(first, positions, shaped)
    if not positions:
        nameless: list[Key] = [()] * len(records)
        return Places(Stretch(first, nameless, nameless), records)
    if len(shaped.keys) == len(positions) and list(shaped.keys) == list(positions):
        return Places(Stretch(first, positions, positions), records)
    named = set(shaped.keys)
    rest = [position for position in positions if position not in named]
    skipped = range(records.stop, records.stop + len(rest))
    keys = [*shaped.keys, *rest]
    return Places(Stretch(first, positions, keys, in_order=False, skipped=skipped), records)


def _placed_by_row(first: int, positions: Sequence[Key], shaped: Shaped) -> Places:
    """Give the places of rows that have any number of records each."""
    rows = positions or [()] * len(shaped.counts)
    keys: list[Key] = []
    records: list[int] = []
    skipped: list[int] = []
    failed: list[int] = []
    for position, count in zip(rows, shaped.counts, strict=True):
        start = first + len(keys)
        if count > 0:
            records += range(start, start + count)
            keys += [
                (*position, index) if index and positions else position for index in range(count)
            ]
            continue
        (failed if count == RAISED else skipped).append(start)
        keys.append(position)
    ends = list(accumulate(max(count, 1) for count in shaped.counts))
    return Places(Stretch(first, rows, keys, ends, skipped=skipped), records, failed)


def positions_of(
    keys: Sequence[Key], keys_of_rows: Sequence[Key], positions: Sequence[Key]
) -> list[Key]:
    """
    Give the positions of records by their keys, which are those of rows of their chunk.

    Raises:
        ConfigError: two rows of the chunk have one key.
    """
    known = dict(zip(keys_of_rows, positions, strict=True))
    if len(known) < len(keys_of_rows):
        twice = next(key for key in keys_of_rows if keys_of_rows.count(key) > 1)
        raise ConfigError(
            f"two rows of a chunk have the key {twice!r}, so that nobody can tell whose a record "
            "is: use rowferry.per_row"
        )
    return [known[key] for key in keys]
