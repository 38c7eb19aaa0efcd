"""Rows of a statement of Oracle, as many a round trip as are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowferry.databases.oracle_binds import execute
from rowferry.databases.oracle_values import check, kinds_of, type_handler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rowferry.databases.contract import Connection, Parameters, Reading

_FIRST = 100
"""Rows that come with the answer to the execute."""

_MOST = 2500
"""Rows of a round trip at most: with 5,000 reading takes a tenth longer, with 1,000 a twentieth."""


class Rows:
    """
    Rows of a cursor of the driver. Others on its connection, and commits, do not touch them.

    Args:
        end: is called when the reading ends, with the error that ended it or None.
    """

    def __init__(
        self,
        conn: Connection,
        sql: str,
        parameters: Parameters,
        reading: Reading,
        end: Callable[[BaseException | None], None],
    ) -> None:
        self._end = end
        self._error: BaseException | None = None
        self.cursor = conn.cursor()
        ours = conn.outputtypehandler is None  # else the user says how cells come
        self.cursor.arraysize = self.cursor.prefetchrows = _FIRST
        if ours:
            self.cursor.outputtypehandler = type_handler(tolerant=reading.tolerant)
        before = conn.transaction_in_progress
        try:
            execute(self.cursor, sql, parameters)
            columns = self.cursor.description or []
            check(columns)
        except BaseException as error:
            self._error = error
            self.close()
            raise
        self.writes = bool(conn.transaction_in_progress and not before)
        self.kinds: Mapping[str, type] | None = kinds_of(columns) if ours and columns else None

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        if self.cursor.description is None:
            return []
        self.cursor.arraysize = min(count, _MOST)
        try:
            rows: list[tuple[Any, ...]] = self.cursor.fetchmany(count)
        except BaseException as error:
            self._error = error
            raise
        return rows

    def close(self) -> None:
        self.cursor.close()
        self._end(self._error)
