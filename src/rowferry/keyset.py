"""
Keyset reading: rows in the order of a key, and those after one.

The database compares, never Python: their orders differ. A key is unique and never NULL, which is
checked on the rows as they come, since a row that breaks this would be lost on going on.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from operator import eq, itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry import sql as sql_text
from rowferry.exceptions import ConfigError, SourceError

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping, Sequence

    from rowferry.records import Key

Columns = tuple[str, ...]


def columns_of_key(key: Any) -> Columns:
    """
    Give the names of the key's columns; none for None.

    Raises:
        ConfigError: it is neither a column name nor several.
    """
    if key is None:
        return ()
    if not isinstance(key, Iterable):
        raise ConfigError(f"key must be a column name or a sequence of them, not {key!r}")
    columns = (key,) if isinstance(key, str) else tuple(key)
    if not columns or not all(isinstance(column, str) and column for column in columns):
        raise ConfigError(f"key must be a column name or a sequence of them, not {key!r}")
    return columns


def check_columns(key: Columns, names: Sequence[str]) -> None:
    """
    Accept a key whose columns are all among *names*.

    Raises:
        ConfigError: one is not; the message says which there are.
    """
    if not set(key) <= set(names):
        raise ConfigError(f"no key column {', '.join(key)} in a row; there are: {', '.join(names)}")


def as_table(query: str) -> str:
    """
    Give *query* as it can stand in FROM (…).

    Raises:
        ConfigError: it is more than one statement, or none that only reads.
    """
    table = _without_end(query)
    if not sql_text.can_declare(table):
        raise ConfigError(
            "key= reads a query in the order of the key, and for that puts it into FROM (…), where "
            f"one SELECT, WITH or VALUES that changes nothing can stand, but not\n{query.strip()}"
        )
    return table


def _without_end(query: str) -> str:
    """Give *query* without the semicolon at its end, the comments there and around."""

    def mask(match: re.Match[str]) -> str:
        filler = " " if match[0].startswith(("--", "/*")) else "x"
        return filler * len(match[0])

    code = sql_text.NOT_CODE.sub(mask, query).rstrip()
    return query[: len(code.removesuffix(";").rstrip())].strip()


def ordered(query: str, expressions: Sequence[str]) -> str:
    """Give the query of all rows of *query*, in the order of *expressions* on `q`."""
    return f"SELECT * FROM (\n{query}\n) q ORDER BY {', '.join(expressions)}"  # noqa: S608 - the query is the user's


class Condition(NamedTuple):
    """
    A condition on `q` that rows after a key meet, or those up to one.

    Attributes:
        columns: for each of its placeholders, in order, which value fills it.
    """

    text: str
    columns: tuple[int, ...]


def after(expressions: Sequence[str], placeholder: Callable[[int], str]) -> Condition:
    """
    Give the condition that a row comes after a key, spelled with AND and OR.

    (a, b) > (1, 2) would say the same, but not every database takes it, nor uses an index for it.
    """
    used: list[int] = []

    def compare(column: int, how: str) -> str:
        used.append(column)
        return f"{expressions[column]} {how} {placeholder(column)}"

    least = [compare(0, ">=")] if len(expressions) > 1 else []
    later = [
        " AND ".join([*(compare(same, "=") for same in range(last)), compare(last, ">")])
        for last in range(len(expressions))
    ]
    return Condition(" AND ".join([*least, f"({' OR '.join(later)})"]), tuple(used))


def up_to(expressions: Sequence[str], placeholder: Callable[[int], str]) -> Condition:
    """Give the condition that a row comes no later than a key, as `after` spells its own."""
    used: list[int] = []

    def compare(column: int, how: str) -> str:
        used.append(column)
        return f"{expressions[column]} {how} {placeholder(column)}"

    final = len(expressions) - 1
    most = [compare(0, "<=")] if final else []
    earlier = [
        " AND ".join(
            [
                *(compare(same, "=") for same in range(last)),
                compare(last, "<=" if last == final else "<"),
            ]
        )
        for last in range(len(expressions))
    ]
    return Condition(" AND ".join([*most, f"({' OR '.join(earlier)})"]), tuple(used))


def within(
    expressions: Sequence[str], after_: int, up_to_: int, placeholder: Callable[[int], str]
) -> Condition:
    """
    Give the condition that a row comes after one key, and no later than another.

    Args:
        after_, up_to_: how many values each key has; 0: there is none. Those of the second key are
            counted on from those of the first.
    """
    parts = []
    if after_:
        parts.append(after(expressions[:after_], placeholder))
    if up_to_:
        text, columns = up_to(expressions[:up_to_], lambda column: placeholder(after_ + column))
        parts.append(Condition(text, tuple(after_ + column for column in columns)))
    texts = " AND ".join(part.text for part in parts)
    return Condition(texts, tuple(column for part in parts for column in part.columns))


def without_key(query: str, columns: Sequence[str]) -> str:
    """Give the query of the rows of *query* that have NULL in one of *columns*, which are SQL."""
    condition = " OR ".join(f"q.{column} IS NULL" for column in columns)
    return f"SELECT * FROM (\n{query}\n) q WHERE {condition}"  # noqa: S608 - the query is the user's


def ordered_after(query: str, expressions: Sequence[str], condition: Condition) -> str:
    """Give the query of the rows of *query* that meet *condition*, ordered as by `ordered`."""
    order = ", ".join(expressions)
    return f"SELECT * FROM (\n{query}\n) q WHERE {condition.text} ORDER BY {order}"  # noqa: S608 - as above


class KeyCheck:
    """
    Looks at the keys of rows as they come, and knows the last one.

    Args:
        key: the names of its columns.
        names: of all columns, in the order of the rows' cells.
    """

    def __init__(self, key: Columns, names: Sequence[str]) -> None:
        positions = [names.index(column) for column in key]
        self._key = key
        self._seen = 0
        self._of: Callable[[tuple[Any, ...]], Any] = itemgetter(*positions)
        self._last: Any = None
        self.last: Key | None = None

    def key_of(self, row: tuple[Any, ...]) -> Key:
        """Give the key of *row*."""
        key: Key = self._of(row) if len(self._key) > 1 else (self._of(row),)
        return key

    def accept(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """
        Accept the next *rows*, in order.

        Raises:
            SourceError: a key is NULL, or the same as the one before.
        """
        if not rows:
            return
        several = len(self._key) > 1
        values = list(map(self._of, rows))  # 0.1 us a row with what follows, where all is well
        before = [self._last, *values[:-1]]
        if any(map(eq, values, before)) or None in (
            chain.from_iterable(values) if several else values
        ):
            self._complain(values, before)
        self._seen += len(rows)
        self._last = values[-1]
        self.last = self._last if several else (self._last,)

    def _complain(self, values: list[Any], values_before: list[Any]) -> None:
        keys, before = map(self._keys, (values, values_before))
        for number, (key, previous) in enumerate(zip(keys, before, strict=True), self._seen + 1):
            if None in key:
                raise SourceError(f"row {number:,} has NULL in its key: {self._words(key)}")
            if key == previous:
                raise SourceError(
                    f"rows {number - 1:,} and {number:,} have the same key, {self._words(key)}: "
                    "name the columns that tell every row from the others"
                )

    def _keys(self, values: list[Any]) -> list[Key]:
        return values if len(self._key) > 1 else [(value,) for value in values]

    def _words(self, key: Key) -> str:
        pairs: Mapping[str, Any] = dict(zip(self._key, key, strict=True))
        return ", ".join(f"{name} = {value!r}" for name, value in pairs.items())
