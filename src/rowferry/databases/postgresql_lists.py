"""Lists for columns of json and jsonb: psycopg would make arrays of them, or an object of []."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rowferry.databases.postgresql_copy import meant
from rowferry.records import RawJSON
from rowferry.sql import plain_insert

if TYPE_CHECKING:
    from collections.abc import Collection

    from rowferry.databases.contract import Connection
    from rowferry.sql import PlainInsert

_SINCE = 90600  # the server_version whose to_regclass takes text

_COLUMNS = """
SELECT a.attname, coalesce(nullif(t.typbasetype, 0), t.oid) IN (114, 3802)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


class JsonLists:
    """
    Makes JSON of the lists that an INSERT puts into columns of json or jsonb.

    Args:
        sql: the statement; its table is looked up once, with the first list that comes.
    """

    def __init__(self, conn: Connection, sql: str) -> None:
        self._conn = conn
        self._insert = plain_insert(sql.partition(" ON CONFLICT ")[0], "pyformat")
        self._places: Collection[Any] | None = None

    def as_json(self, rows: list[Any]) -> list[Any]:
        """Give *rows* as they are to be written: the same list where nothing has to be done."""
        if self._insert is None or not any(map(_has_list, rows)):
            return rows
        if self._places is None:
            self._places = self._json_places(self._insert)
        places = self._places
        return [_with_json(row, places) for row in rows] if places else rows

    def _json_places(self, insert: PlainInsert) -> Collection[Any]:
        """Give the placeholders that fill such columns alone: by name, or by position."""
        from psycopg.rows import tuple_row  # noqa: PLC0415 - imported where used

        if self._conn.info.server_version < _SINCE:
            return ()
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(_COLUMNS, (insert.table,))
            known = dict(cursor.fetchall())
        columns = list(known)[: insert.width]
        if insert.columns is not None:
            columns = list(map(meant, insert.columns))
        places = insert.names or range(insert.width)
        filled = list(zip(places, columns, strict=False))
        arrays = {place for place, column in filled if not known.get(column)}
        return {place for place, _ in filled} - arrays


def _has_list(row: Any) -> bool:
    cells = row.values() if isinstance(row, Mapping) else row
    return any(isinstance(cell, list) for cell in cells)


def _with_json(row: Any, places: Collection[Any]) -> Any:
    if isinstance(row, Mapping):
        return {name: _json(row[name]) if name in places else row[name] for name in row}
    return tuple(_json(cell) if place in places else cell for place, cell in enumerate(row))


def _json(value: Any) -> Any:
    return RawJSON(json.dumps(value)) if isinstance(value, list) else value
