"""Rows into Oracle, a chunk of them in one round trip."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from rowferry import sql as sql_text
from rowferry.databases.contract import RowsRefusedError
from rowferry.databases.oracle_binds import bound, set_sizes

if TYPE_CHECKING:
    from rowferry.databases.contract import Connection

_CHANGES = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)
_PLACEHOLDER = re.compile(r":\s*(\w+)")

_AT_ONCE = 50_000
"""Rows of a call: the server tells of 65,535 errors in one at most."""


class Writer:
    """
    Array binds: one statement, many rows, and the errors of those that are refused.

    Values are bound by position, whatever the rows are: so further names in mappings are no error,
    and the values of a column can be looked at together.
    """

    def __init__(self, conn: Connection, sql: str) -> None:
        self._conn = conn
        self._sql = sql
        self._changes = _CHANGES.match(sql_text.without_text(sql)) is not None
        self._culprit: int | None = None

    def write(self, rows: list[Any]) -> None:
        self._culprit = None
        errors: dict[int, Exception] = {}
        for begin in range(0, len(rows), _AT_ONCE):
            refused = self._write_at_once(rows[begin : begin + _AT_ONCE], begin)
            errors |= {begin + at: error for at, error in refused.items()}
        if errors:
            raise RowsRefusedError(errors)

    def culprit(self, error: BaseException) -> int | None:
        del error
        return self._culprit

    def _write_at_once(self, rows: list[Any], begin: int) -> dict[int, Exception]:
        with self._conn.cursor() as cursor:
            tuples = self._tuples(cursor, rows, begin)
            columns = bound(zip(*tuples, strict=True))
            if columns.changed:
                tuples = list(zip(*columns.values, strict=True))
            set_sizes(cursor, columns.sizes)
            cursor.executemany(self._sql, tuples, batcherrors=self._changes)
            refused = cursor.getbatcherrors() if self._changes else []
            return {error.offset: error.exc_type(error) for error in refused}

    def _tuples(self, cursor: Any, rows: list[Any], begin: int) -> list[tuple[Any, ...]]:
        make = self._values_of(cursor, rows[0]) if isinstance(rows[0], Mapping) else tuple
        try:
            return list(map(make, rows))
        except Exception:
            self._culprit = next(at for at, row in enumerate(rows, begin) if _fails(make, row))
            raise

    def _values_of(self, cursor: Any, row: Mapping[str, Any]) -> Callable[[Any], tuple[Any, ...]]:
        """Give what makes a tuple of a row, in the order of the placeholders."""
        known = {str(key).upper(): key for key in row}  # placeholders are in any case
        names = self._placeholders(cursor)
        keys = [name if name in row else known.get(name.upper(), name) for name in names]
        get = itemgetter(*keys, *keys[:1])  # of two at least it gives a tuple

        def values(row: Any) -> tuple[Any, ...]:
            try:
                return tuple(get(row)[: len(keys)])
            except KeyError as error:
                raise LookupError(
                    f"the row has no value for the placeholder :{error.args[0]}"
                ) from None

        return values if keys else lambda _: ()

    def _placeholders(self, cursor: Any) -> list[str]:
        """
        Give the names of the placeholders, in order: one that stands twice is bound twice.

        A block of PL/SQL has each once, which is all that the driver tells.
        """
        cursor.prepare(self._sql)
        told: list[str] = cursor.bindnames()
        found: list[str] = _PLACEHOLDER.findall(sql_text.without_text(self._sql))
        same = {name.upper() for name in found} == set(told)
        return found if self._changes and same else told


def _fails(make: Callable[[Any], tuple[Any, ...]], row: Any) -> bool:
    try:
        make(row)
    except Exception:  # noqa: BLE001 - which one it is was raised before
        return True
    return False
