"""Rows to records: what a transform may be, and whose key a record has."""

from __future__ import annotations

import contextlib
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from rowferry.exceptions import ConfigError
from rowferry.records import FailedRow, Key, Row
from rowferry.templates import cell_of
from rowferry.written_rows import WrittenRows

Transform: TypeAlias = Callable[[list[Row]], Iterable[Any]]
"""Takes a chunk of rows and gives records: more or fewer of them, of any kind, lazily or not."""


RAISED = -1
"""Stands for the number of records of a row whose own function raised."""


@dataclass(frozen=True, slots=True)  # no named tuple: type checkers call those no functions
class PerRow:
    """A transform that treats each row by itself; made by `per_row`."""

    function: Callable[[Row], Any]

    def __call__(self, chunk: Iterable[Row]) -> Iterator[Any]:
        """Give the records of a chunk, as any transform does."""
        for row in chunk:
            yield from records_of(self.function(row))


def per_row(function: Callable[[Row], Any]) -> PerRow:
    """
    Make a transform of a function of one row.

    Args:
        function: takes a row; gives a record, None to skip the row, or several records as a list,
            a tuple or a generator. Where it raises, only that row fails.
    """
    return PerRow(function)


def records_of(result: Any) -> list[Any]:
    """Give the records in what a function of one row gave."""
    if result is None:
        return []
    if isinstance(result, Mapping) or hasattr(result, "_fields"):
        return [result]
    if isinstance(result, list | tuple | Iterator):
        return list(result)
    return [result]


class Shaped(NamedTuple):
    """
    What a chunk of rows became.

    Attributes:
        records: to be encoded, in order.
        keys: one a record; empty where no key was declared.
        skipped: rows that gave no record, where that can be told.
        failed: rows whose own function raised, with their keys.
        turns: one a record, its row's value of the ordering key; empty where none was declared.
        rows: one a record, those of the columns asked for that its row has; only with `per_row`.
        counts: records of each row, and `RAISED` where its own function raised; empty where rows
            are not told apart.
    """

    records: Sequence[Any]
    keys: Sequence[Key]
    skipped: int
    failed: Sequence[tuple[Key | None, FailedRow]]
    turns: Sequence[tuple[Hashable]] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    counts: Sequence[int] = ()

    def without(self, indexes: Collection[int]) -> Shaped:
        """Leave out the records with these indexes, from 0."""
        kept = [index for index in range(len(self.records)) if index not in indexes]
        return self._replace(
            records=[self.records[index] for index in kept],
            keys=[self.keys[index] for index in kept] if self.keys else (),
            turns=[self.turns[index] for index in kept] if self.turns else (),
            rows=[self.rows[index] for index in kept] if self.rows else (),
        )


def shape(
    rows: Sequence[Row],
    transform: Transform | None,
    key: tuple[str, ...] | None,
    ordering_key: str | None = None,
    columns: Collection[str] = (),
) -> Shaped:
    """
    Turn a chunk of rows into records with their keys and turns.

    Args:
        columns: that requests need, so that `per_row` may leave them out of its records.

    Raises:
        ConfigError: a row or record has no such key column, a key stands twice in what a
            transform gave, or a transform gave None.
    """
    if transform is None:
        return Shaped(rows, key_of_each(rows, key), 0, (), turns_of(rows, ordering_key))
    if isinstance(transform, PerRow):
        return _shape_each(rows, transform.function, key, ordering_key, columns)
    given = transform(rows if isinstance(rows, list) else list(rows))
    if given is None:
        raise ConfigError("transform gave None; it must return or yield the records of its chunk")
    records = list(given)
    turns = turns_of(records, ordering_key)
    if key is None:
        return Shaped(records, (), 0, (), turns)
    keys = key_of_each(records, key)
    try:
        _check_keys(keys, set(key_of_each(rows, key)))
    except TypeError as error:
        raise ConfigError(
            f"the key columns {', '.join(key)} hold no plain values: {error}"
        ) from error
    return Shaped(records, keys, len(rows) - len(keys), (), turns)


def _shape_each(
    rows: Sequence[Row],
    function: Callable[[Row], Any],
    key: tuple[str, ...] | None,
    ordering_key: str | None,
    columns: Collection[str],
) -> Shaped:
    """Call a function of one row on each; one that raises takes no other row along."""
    records: list[Any] = []
    keys: list[Key] = []
    failed: list[tuple[Key | None, FailedRow]] = []
    turns: list[tuple[Hashable]] = []
    counts: list[int] = []
    cells: list[Mapping[str, Any]] = []
    for row in rows:
        row_key = key_of(row, key) if key else None
        row_turns = turns_of([row], ordering_key)  # before the function may change the row
        row_cells = {name: cell_of(row, name) for name in columns}
        try:
            made = records_of(function(row))
        except ConfigError:
            raise  # it is about the transfer, and not about this row
        except Exception as error:  # noqa: BLE001 (it is the user's code: any error is the row's)
            failed.append((row_key, FailedRow(row, error)))
            counts.append(RAISED)
            continue
        counts.append(len(made))
        records += made
        turns += row_turns * len(made)
        cells += [row_cells] * len(made)
        if row_key is not None:
            keys += [row_key if not index else (*row_key, index) for index in range(len(made))]
    rest = cells if columns else ()
    return Shaped(records, keys, counts.count(0), failed, turns, rest, counts)


def turns_of(rows: Sequence[Row], ordering_key: str | None) -> list[tuple[Hashable]]:
    """
    Give each row's value of the ordering key; an empty list where none is declared.

    Raises:
        ConfigError: a row has no such column, or its value cannot be compared.
    """
    if ordering_key is None:
        return []
    try:
        turns: list[tuple[Hashable]] = [
            (key_of(row, (ordering_key,), "ordering_key")[0],) for row in rows
        ]
        set(turns)
    except TypeError as error:
        raise ConfigError(f"ordering_key {ordering_key} holds no plain values: {error}") from error
    return turns


def key_of_each(rows: Sequence[Row], key: tuple[str, ...] | None) -> list[Key]:
    """Give the key of each row; an empty list where none is declared."""
    if key is None:
        return []
    if isinstance(rows, WrittenRows) and (keys := rows.keys(key)) is not None:
        return keys
    if set(map(type, rows)) == {dict}:
        with contextlib.suppress(KeyError):  # `key_of` tells what there is
            if len(key) > 1:
                return list(map(itemgetter(*key), rows))
            return list(zip(map(itemgetter(*key), rows), strict=True))
    return [key_of(row, key) for row in rows]


def key_of(row: Row, key: tuple[str, ...], kind: str = "key column") -> Key:
    """
    Give the values of a row's key columns.

    Raises:
        ConfigError: it has no such column; the message names those it has.
    """
    try:
        if hasattr(row, "_fields"):
            return tuple(getattr(row, column) for column in key)
        return tuple(row[column] for column in key)
    except (KeyError, IndexError, AttributeError, TypeError) as error:
        there_are = ", ".join(map(str, _columns(row))) or f"only a {type(row).__name__}"
        raise ConfigError(f"no {kind} {', '.join(key)} in a row; there are: {there_are}") from (
            error
        )


def _columns(row: Row) -> Iterable[Any]:
    if hasattr(row, "_fields"):
        return tuple(row._fields)
    return tuple(row.keys()) if hasattr(row, "keys") else ()


def _check_keys(keys: list[Key], of_rows: set[Key]) -> None:
    """Check that each record of a chunk transform names one row of that chunk, and each another."""
    remedy = "keep the key columns in the records, one a row, or use rowferry.per_row"
    for stray in set(keys) - of_rows:
        raise ConfigError(
            f"transform gave the key {stray!r}, which no row of its chunk has: {remedy}"
        )
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ConfigError(f"transform gave two records with the key {twice!r}: {remedy}")
