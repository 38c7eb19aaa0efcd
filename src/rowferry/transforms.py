"""Rows to records: what a transform may be, and whose key a record has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from rowferry.exceptions import ConfigError
from rowferry.records import FailedRow, Key, Row

Transform: TypeAlias = Callable[[list[Row]], Iterable[Any]]
"""Takes a chunk of rows and gives records: more or fewer of them, of any kind, lazily or not."""


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
    """

    records: Sequence[Any]
    keys: Sequence[Key]
    skipped: int
    failed: Sequence[tuple[Key | None, FailedRow]]


def shape(rows: list[Row], transform: Transform | None, key: tuple[str, ...] | None) -> Shaped:
    """
    Turn a chunk of rows into records with their keys.

    Raises:
        ConfigError: a row or record has no such key column, a key stands twice in what a
            transform gave, or a transform gave None.
    """
    if transform is None:
        return Shaped(rows, key_of_each(rows, key), 0, ())
    if isinstance(transform, PerRow):
        return _shape_each(rows, transform.function, key)
    given = transform(rows)
    if given is None:
        raise ConfigError("transform gave None; it must return or yield the records of its chunk")
    records = list(given)
    if key is None:
        return Shaped(records, (), 0, ())
    keys = key_of_each(records, key)
    try:
        _check_keys(keys, set(key_of_each(rows, key)))
    except TypeError as error:
        raise ConfigError(
            f"the key columns {', '.join(key)} hold no plain values: {error}"
        ) from error
    return Shaped(records, keys, len(rows) - len(keys), ())


def _shape_each(
    rows: list[Row], function: Callable[[Row], Any], key: tuple[str, ...] | None
) -> Shaped:
    """Call a function of one row on each; one that raises takes no other row along."""
    records: list[Any] = []
    keys: list[Key] = []
    failed: list[tuple[Key | None, FailedRow]] = []
    skipped = 0
    for row in rows:
        row_key = key_of(row, key) if key else None
        try:
            made = records_of(function(row))
        except Exception as error:  # noqa: BLE001 (it is the user's code: any error is the row's)
            failed.append((row_key, FailedRow(row, error)))
            continue
        skipped += not made
        records += made
        if row_key is not None:
            keys += [row_key if not index else (*row_key, index) for index in range(len(made))]
    return Shaped(records, keys, skipped, failed)


def key_of_each(rows: Sequence[Row], key: tuple[str, ...] | None) -> list[Key]:
    """Give the key of each row; an empty list where none is declared."""
    if key is None:
        return []
    return [key_of(row, key) for row in rows]


def key_of(row: Row, key: tuple[str, ...]) -> Key:
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
        raise ConfigError(f"no key column {', '.join(key)} in a row; there are: {there_are}") from (
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
