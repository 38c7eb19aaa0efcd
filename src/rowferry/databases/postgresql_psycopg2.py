"""PostgreSQL, by psycopg2: for connections that users already have."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rowferry.databases.postgresql import PostgreSQL
from rowferry.databases.postgresql_lists import JSONLists
from rowferry.databases.postgresql_rows import close_declared, cursor_numbers, holding
from rowferry.databases.postgresql_unread import psycopg2_unread
from rowferry.databases.postgresql_values import (
    psycopg2_adapt_raw_json,
    psycopg2_json,
    psycopg2_raw_json,
    psycopg2_tolerant,
    psycopg2_wrapped,
)
from rowferry.exceptions import DriverError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowferry.databases.contract import Connection, OpenRows, Parameters, Reading, Writer

_ACTIVE = 1  # libpq's PQTRANS_ACTIVE
_PAGE = 500  # rows a round trip of execute_batch


class Psycopg2(PostgreSQL):
    """PostgreSQL by psycopg2, for those who come from ETLHelper."""

    driver = "psycopg2"

    def owns(self, conn: object) -> bool:
        module = sys.modules.get("psycopg2.extensions")
        return module is not None and isinstance(conn, module.connection)

    def connect(
        self, params: Mapping[str, Any], password: str | None, options: Mapping[str, Any]
    ) -> Connection:
        try:
            import psycopg2
        except ImportError as error:
            raise DriverError(
                "driver=\"psycopg2\" needs it: pip install 'rowferry[psycopg2]'"
            ) from error
        login = {name: params[name] for name in self.required}
        return psycopg2.connect(**{**login, "password": password, **options})

    def commit(self, conn: Connection) -> None:
        self._end(conn, "COMMIT")

    def rollback(self, conn: Connection) -> None:
        self._end(conn, "ROLLBACK")

    def _end(self, conn: Connection, how: str) -> None:
        if not conn.autocommit:
            getattr(conn, how.lower())()
        elif self.in_transaction(conn):
            self.execute(conn, how, ())  # the methods do nothing on an autocommit connection

    def open_rows(
        self, conn: Connection, sql: str, parameters: Parameters, reading: Reading
    ) -> OpenRows:
        types = [*psycopg2_tolerant()] if reading.tolerant or reading.unread else []
        types += (*psycopg2_raw_json(), *psycopg2_unread()) if reading.unread else ()
        return _Psycopg2Rows(self, conn, sql, parameters, types)

    def interrupt(self, conn: Connection) -> None:
        if conn.info.transaction_status == _ACTIVE:
            conn.cancel()

    def writer(self, conn: Connection, sql: str) -> Writer:
        return _Writer(conn, sql)

    def advice(self, error: BaseException) -> str:
        del error
        return ""


class _Psycopg2Rows:
    """Rows of psycopg2: of a named cursor where one can be declared, else all in memory."""

    def __init__(
        self,
        database: Psycopg2,
        conn: Connection,
        sql: str,
        parameters: Parameters,
        types: Sequence[Any],
    ) -> None:
        from psycopg2 import extensions

        hold = holding(database, conn, sql)
        self._database = database
        self._conn = conn
        self._name = None if hold is None else f"rowferry_{next(cursor_numbers)}"
        self.writes = hold is None
        self.kinds: Mapping[str, type] | None = None
        self.cursor = conn.cursor(self._name, cursor_factory=extensions.cursor, withhold=bool(hold))
        for kind in types:
            extensions.register_type(kind, self.cursor)
        self.cursor.execute(sql, parameters or None)

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        if self._name is None and self.cursor.description is None:
            return []
        rows: list[tuple[Any, ...]] = self.cursor.fetchmany(count)
        return rows

    def close(self) -> None:
        if self._name is None:
            self.cursor.close()
        else:
            # The cursor's own close() fails where a rollback has taken what it names.
            close_declared(self._database, self._conn, self._name)


class _Writer:
    """execute_batch, some hundred rows a round trip."""

    def __init__(self, conn: Connection, sql: str) -> None:
        self._conn = conn
        self._sql = sql
        self._lists = JSONLists(conn, sql, psycopg2_json)

    def write(self, rows: list[Any]) -> None:
        from psycopg2.extras import execute_batch

        psycopg2_adapt_raw_json()
        batch = [psycopg2_wrapped(row) for row in self._lists.wrapped(rows)]
        with self._conn.cursor() as cursor:
            execute_batch(cursor, self._sql, batch, page_size=_PAGE)

    def culprit(self, error: BaseException) -> int | None:
        del error
        return None
