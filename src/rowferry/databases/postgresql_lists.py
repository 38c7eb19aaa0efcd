"""Lists for json columns of PostgreSQL: its drivers write every list as an array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rowferry.databases.postgresql_copy import meant
from rowferry.sql import plain_insert

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.databases.contract import Connection
    from rowferry.sql import PlainInsert

_COLUMNS = """
SELECT attname, atttypid IN ('json'::regtype, 'jsonb'::regtype)
FROM pg_catalog.pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""


class JSONLists:
    """
    The lists among the rows of one INSERT that are for json columns.

    As an array the empty one would be stored as {}, and all others be refused.

    Args:
        wrap: makes of a list what the driver writes as JSON.
    """

    def __init__(self, conn: Connection, sql: str, wrap: Callable[[list[Any]], Any]) -> None:
        self._conn = conn
        self._insert = plain_insert(sql.partition(" ON CONFLICT ")[0], "pyformat")
        self._wrap = wrap
        self._places: list[Any] | None = None

    def wrapped(self, rows: list[Any]) -> list[Any]:
        """Give *rows* with those lists wrapped; the table is looked up with the first list."""
        if self._insert is None or not any(map(_has_list, rows)):
            return rows
        if self._places is None:
            self._places = _json_places(self._conn, self._insert)
        return list(map(self._wrapped_row, rows)) if self._places else rows

    def _wrapped_row(self, row: Any) -> Any:
        if not _has_list(row):
            return row
        values = dict(row) if isinstance(row, Mapping) else dict(enumerate(row))
        for place in self._places or ():
            if isinstance(values.get(place), list):
                values[place] = self._wrap(values[place])
        return values if isinstance(row, Mapping) else list(values.values())


def _has_list(row: Any) -> bool:
    return any(isinstance(value, list) for value in (_values(row)))


def _values(row: Any) -> Any:
    return row.values() if isinstance(row, Mapping) else row


def _json_places(conn: Connection, insert: PlainInsert) -> list[Any]:
    """Give the names or the positions of the placeholders whose columns are JSON."""
    with conn.cursor() as cursor:
        cursor.execute(_COLUMNS, (insert.table,))
        found = [tuple(_values(row)) for row in cursor.fetchall()]
    names = [meant(name) for name in insert.columns or ()] or [name for name, _ in found]
    known = dict(found)
    filled = zip(insert.names or range(insert.width), names, strict=False)
    return [place for place, name in filled if known.get(name)]
