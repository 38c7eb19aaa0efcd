"""Rows into PostgreSQL by psycopg 3."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rowferry.databases.postgresql_copy import CopyIn
from rowferry.databases.postgresql_lists import JSONLists
from rowferry.databases.postgresql_values import own_dumpers
from rowferry.records import RawJSON
from rowferry.sql import plain_insert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowferry.databases.contract import Connection


class PsycopgWriter:
    """COPY where that stores the same, else executemany in libpq's pipeline mode."""

    def __init__(self, conn: Connection, sql: str) -> None:
        self._conn = conn
        self._sql = sql
        insert = plain_insert(sql, "pyformat")
        self._copy_in = CopyIn(conn, insert) if insert else None
        self._lists = JSONLists(conn, sql, self._as_json)
        self._copied = False

    def write(self, rows: list[Any]) -> None:
        if self._copy(rows):
            return
        given, rows = rows, self._lists.wrapped(rows)
        if rows is given or not self._copy(rows):
            self._insert(rows)

    def _copy(self, rows: list[Any]) -> bool:
        self._copied = True
        if self._copy_in is None or not self._copy_in.write(rows):
            self._copied = False
        return self._copied

    def culprit(self, error: BaseException) -> int | None:
        return self._copy_in.culprit(error) if self._copied and self._copy_in else None

    def _insert(self, rows: list[Any]) -> None:
        with self._conn.cursor() as cursor:
            for kind, dumper in own_dumpers(self._conn):
                cursor.adapters.register_dumper(kind, dumper)
            with _without_pipeline_warnings():
                cursor.executemany(self._sql, rows)

    def _as_json(self, value: list[Any]) -> RawJSON:
        """Give *value* as psycopg writes it: as a `Json` no COPY would take it."""
        from psycopg.adapt import PyFormat, Transformer
        from psycopg.types.json import Json

        text = Transformer(self._conn).get_dumper(Json(value), PyFormat.TEXT).dump(Json(value))
        return RawJSON(bytes(text or b""))


@contextmanager
def _without_pipeline_warnings() -> Iterator[None]:
    """Keep psycopg from logging, at each failed chunk, that the rest of it was not executed."""
    log, thread = logging.getLogger("psycopg"), threading.get_ident()

    def is_news(record: logging.LogRecord) -> bool:
        return record.thread != thread or not record.msg.startswith("error ignored terminating")

    log.addFilter(is_news)
    try:
        yield
    finally:
        log.removeFilter(is_news)
