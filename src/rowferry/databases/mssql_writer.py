"""Rows into tables of SQL Server, as arrays where the driver keeps every value as it is."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from rowferry.databases.mssql_driver import Into
from rowferry.databases.mssql_values import in_order, target, writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowferry.databases.contract import Connection
    from rowferry.databases.mssql_driver import Driver


class Writer:
    """The rows of a run: the driver says how many go in one message."""

    def __init__(self, driver: Driver, conn: Connection, sql: str) -> None:
        self._driver, self._conn, self._sql = driver, conn, sql
        self._target = target(sql)
        self._described: Sequence[Any] | None = None
        self._into = Into(self._target is not None and self._target.plain, self._columns)
        self._at: int | None = None

    def write(self, rows: list[Any]) -> None:
        self._at = None
        columns = self._target.columns if self._target else None
        values = writable(in_order(rows, columns), self._driver.written)
        with closing(self._conn.cursor()) as cursor:
            if not self._driver.execute_array(cursor, self._sql, values, self._into):
                self._one_by_one(cursor, values)

    def culprit(self, error: BaseException) -> int | None:
        del error
        return self._at

    def _columns(self) -> Sequence[Any]:
        if self._described is None:
            self._described = self._look_up(self._target.columns_query) if self._target else ()
        return self._described

    def _look_up(self, query: str) -> Sequence[Any]:
        try:
            with closing(self._conn.cursor()) as cursor:
                cursor.execute(query)
                return list(cursor.description)
        except Exception:  # noqa: BLE001 - whatever it is, the statement itself will say it
            return ()

    def _one_by_one(self, cursor: Any, rows: list[Any]) -> None:
        for self._at, row in enumerate(rows):
            cursor.execute(self._sql, row)
            while cursor.nextset():
                pass  # which raises the errors of what came after, as of a trigger
