"""Whole tables from one database to another of its kind, without a look at their rows."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rowferry import abort, transactions
from rowferry.databases import recognise
from rowferry.exceptions import SourceError
from rowferry.flow import Flow
from rowferry.logs import logger
from rowferry.sql import error_text, select_all, table_identifier
from rowferry.writing import refusals, roll_back

if TYPE_CHECKING:
    from rowferry.databases.contract import Connection, Database, Piece, TableCopy
    from rowferry.insert import Into

_FLOWING = 16 * 2**20
"""Bytes that are sent before there is a wait for the database to take and commit them."""

_STEP = 1000
"""Rows read and written at once: up to a third faster than 5,000, which leave the cache."""


def copy_whole_table(table: str, source_conn: Connection, into: Into) -> tuple[int, int] | None:
    """
    Copy *table* as its database cuts it into pieces; give the rows processed and failed, as `load`.

    Returns:
        None where rows have to be read and inserted instead; nothing has been done then.

    Raises:
        SourceError: the source failed.
        InsertError: the destination refused a row; the chunks before the one it is in are kept,
            unless all is committed at once.
        AbortError: `abort_etlhelper_threads` was called meanwhile.
    """
    origin, source = recognise(source_conn)
    database, dest = recognise(into.conn)
    usable = not origin.is_closed(source) and not database.is_closed(dest) and source is not dest
    if type(origin) is not type(database) or not usable:
        return None
    with transactions.own(database, dest) as outermost:
        if not outermost:
            return None
        transactions.make_way(source)
        transactions.make_way(dest)
        return _WholeTable(table, origin, source, into, database, dest).copy()


@dataclass(slots=True)
class _WholeTable:
    """A table, where it is, and where it goes."""

    table: str
    origin: Database
    source: Connection
    into: Into
    database: Database
    dest: Connection
    processed: int = 0

    def copy(self) -> tuple[int, int] | None:
        """Copy it and end both transactions, as `copy_whole_table` says."""
        reading = self.origin.in_transaction(self.source)
        writing = self.database.in_transaction(self.dest)
        try:
            copying = self._begin()
            if copying is None:  # what was open before is the user's, and not for us to end
                if not reading:
                    transactions.rollback(self.origin, self.source)
                if not writing:
                    roll_back(self.database, self.dest)
                return None
            with closing(copying):
                self._write_all(copying)
            transactions.commit(self.origin, self.source)
        except BaseException:
            transactions.rollback(self.origin, self.source)
            roll_back(self.database, self.dest)
            raise
        logger.info("%s rows returned", self.processed)
        logger.info("%s rows processed in total", self.processed)
        return self.processed, 0

    def _begin(self) -> TableCopy | None:
        self.database.begin(self.dest)
        if self.into.before is not None:
            with refusals(self.database, self.into.before):
                self.database.execute(self.dest, self.into.before, ())
        table = table_identifier(self.table, self.origin.identifier)
        target = table_identifier(self.into.table, self.database.identifier)
        try:
            copying = self.origin.table_copy(self.source, table, self.dest, target)
        except Exception:  # noqa: BLE001 - reading the rows meets it again, and says where it was
            return None
        if copying is not None and self.into.how.commit_chunks:
            self.database.commit(self.dest)  # what comes next may be rolled back, and done again
        return copying

    def _write_all(self, copying: TableCopy) -> None:
        job, how = abort.begin(), self.into.how
        logger.info("Fetching rows (chunk_size=%s)", how.chunk_size)
        logger.info("Executing many (chunk_size=%s)", how.chunk_size)

        def write_alone(piece: Piece) -> None:
            copying.write(piece)
            copying.finish()

        step = _STEP if how.chunk_size % _STEP == 0 else how.chunk_size
        with Flow(
            *(self.database, self.dest, copying, write_alone, _size),
            most=_FLOWING,
            together=how.chunk_size // step,
            commit=how.commit_chunks,
            refusals=partial(refusals, self.database, f"INSERT INTO {self.into.table}"),
        ) as flow:
            while (piece := self._read(copying, step)).rows:
                job.check()
                flow.put(piece)
                self.processed += piece.rows
                if self.processed % how.chunk_size == 0 or piece.rows < step:
                    logger.info("%s rows processed (0 failed)", self.processed)
        with refusals(self.database, f"INSERT INTO {self.into.table}"):
            self.database.commit(self.dest)

    def _read(self, copying: TableCopy, count: int) -> Piece:
        try:
            return copying.read(count)
        except Exception as error:
            query = select_all(self.table, self.origin.identifier)
            style = self.origin.paramstyle
            advice = self.origin.advice(error)
            raise SourceError(error_text(query, style, error, advice)) from error


def _size(piece: Piece) -> int:
    return len(piece.data)
