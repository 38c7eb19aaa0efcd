"""One statement for many rows: chunks, transactions, and which rows a database refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from rowferry import abort, transactions
from rowferry.databases import recognise
from rowferry.databases.contract import RowsRefusedError
from rowferry.exceptions import ConfigError, InsertError, QueryError, RowferryError
from rowferry.flow import Flow
from rowferry.logs import logger
from rowferry.reader import CHUNK_SIZE
from rowferry.records import FailedRow
from rowferry.sql import error_text

if TYPE_CHECKING:
    from rowferry.databases.contract import Connection, Database, Stream, Writer
    from rowferry.records import Row

OnError: TypeAlias = Callable[[list[FailedRow]], Any]
"""Takes the failed rows of a chunk, once for that chunk."""

Seal: TypeAlias = Callable[[int, int], None]
"""Takes the rows processed and failed so far, and writes a mark into the open transaction."""

_FLOWING = 40_000
"""Rows that are sent before there is a wait for the database to take and commit them."""

_PATIENCE = 10
"""Bad rows of a chunk after which what is refused is tried row by row: there may be many more."""


@dataclass(frozen=True, slots=True)
class How:
    """
    How rows are written.

    Attributes:
        on_error: gets the rows of a chunk that failed; the others are kept, and the work goes on.
        commit_chunks: commit after each chunk, else once at the end.
        chunk_size: rows written at once.
        alone: nobody else uses the connection, nor waits for a chunk to be committed, before the
            last one is there.
    """

    on_error: OnError | None = None
    commit_chunks: bool = True
    chunk_size: int = CHUNK_SIZE
    alone: bool = False


@dataclass(slots=True)
class Writing:
    """
    One statement for many rows.

    Attributes:
        check: looks at a part of a chunk before it is written; raises InsertError.
        before: a statement to execute before the first chunk, in its transaction.
        seal: called in the transaction of each chunk, before it is committed, with the rows that
            were processed and that failed so far.
    """

    query: str
    conn: Connection
    how: How
    check: Callable[[Sequence[Row]], None] | None = None
    before: str | None = None
    seal: Seal | None = None
    processed: int = 0
    failed: int = 0
    database: Database = field(init=False)
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.database, self.conn = recognise(self.conn)

    def write(self, chunks: Iterable[list[Row]]) -> tuple[int, int]:
        """
        Write all *chunks*, none of them empty; give the rows processed and failed.

        Raises:
            InsertError: the database refused a row; what was not committed was rolled back.
            ConfigError: failed rows are to be left out, which this database cannot do here.
        """
        job = abort.begin()
        logger.info("Executing many (chunk_size=%s)", self.how.chunk_size)
        check_open(self.database, self.conn, self.query)
        with transactions.own(self.database, self.conn) as outermost:
            self._check_can_leave_out(outermost=outermost)
            try:
                self._write_all(chunks, job, outermost=outermost)
            except BaseException:
                if outermost:
                    roll_back(self.database, self.conn)
                raise
        logger.info("%s rows processed in total", self.processed)
        return self.processed, self.failed

    def _check_can_leave_out(self, *, outermost: bool) -> None:
        if self.how.on_error is None or self.database.savepoints:
            return
        if not outermost or not self.how.commit_chunks:
            raise ConfigError(
                f"{self.database.dbtype} has no savepoints, so a row that fails takes its whole "
                "transaction along: on_error needs commit_chunks=True and a transaction of its own "
                "(outside of BEGIN and of another function of rowferry on this connection)"
            )

    def _write_all(self, chunks: Iterable[list[Row]], job: abort.Job, *, outermost: bool) -> None:
        self._prepare(outermost=outermost)
        stream = None
        if self.how.alone and self.how.on_error is None and outermost and self.seal is None:
            stream = self.database.stream(self.conn, self.query)
        if stream is None:
            self._write_each(chunks, job, outermost=outermost)
        else:
            self._let_flow(chunks, job, stream)
        if outermost:
            self._commit()

    def _let_flow(self, chunks: Iterable[list[Row]], job: abort.Job, stream: Stream) -> None:
        transactions.make_way(self.conn)
        writer = self.database.writer(self.conn, self.query)
        with Flow(
            *(self.database, self.conn, stream, writer.write, len),
            most=_FLOWING,
            commit=self.how.commit_chunks,
            refusals=partial(refusals, self.database, self.query),
        ) as flow:
            for chunk in chunks:
                job.check()
                if self.check is not None:
                    self.check(chunk)
                flow.put(chunk)
                self.processed += len(chunk)
                logger.info("%s rows processed (0 failed)", self.processed)

    def _write_each(self, chunks: Iterable[list[Row]], job: abort.Job, *, outermost: bool) -> None:
        guard = self.how.on_error is not None or (not outermost and self.database.savepoints)
        for chunk in chunks:
            job.check()
            if not self.processed:
                self.writer = self.database.writer(self.conn, self.query)
            self._write_chunk(chunk, guard=guard)
            if self.seal is not None:
                with refusals(self.database, self.query):
                    self.seal(self.processed, self.failed)
            if outermost and self.how.commit_chunks:
                self._commit()
            logger.info("%s rows processed (%s failed)", self.processed, self.failed)

    def _prepare(self, *, outermost: bool) -> None:
        if self.before is None:
            return
        with refusals(self.database, self.before):
            transactions.make_way(self.conn)
            self.database.begin(self.conn)
            self.database.execute(self.conn, self.before, ())
        if outermost and self.how.commit_chunks:
            self._commit()  # what comes next may be rolled back, and done again

    def _write_chunk(self, rows: list[Row], *, guard: bool) -> None:
        bad: list[FailedRow] = []
        with refusals(self.database, self.query):
            transactions.make_way(self.conn)
            if not guard or self.database.savepoints:
                self.database.begin(self.conn)
            if guard:
                bad = self._bad_rows(rows)
            else:
                self._execute(rows)
        self.processed += len(rows)
        self.failed += len(bad)
        if bad and self.how.on_error is not None:
            self.how.on_error(bad)

    def _execute(self, rows: list[Row]) -> None:
        if self.check is not None:
            self.check(rows)
        try:
            self.writer.write(rows)
        except RowsRefusedError as refused:
            if self.how.on_error is None:
                raise next(iter(refused.errors.values())) from None
            raise

    def _bad_rows(self, rows: list[Row]) -> list[FailedRow]:
        """Write all of *rows* that can be written, in order, and give the others."""
        bad: list[FailedRow] = []
        to_do = [rows]
        while to_do:
            part = to_do.pop()
            refusal = self._refusal(part)
            if refusal is None:
                continue
            if isinstance(refusal, RowsRefusedError):
                bad += [FailedRow(part[at], error) for at, error in refusal.errors.items()]
            elif len(part) == 1:
                bad.append(FailedRow(part[0], refusal))
            else:
                to_do += reversed(self._parts(part, refusal, patient=len(bad) < _PATIENCE))
        return bad

    def _refusal(self, rows: list[Row]) -> Exception | None:
        """Write *rows* all, or none of them and give why; or all but some, where that is why."""
        self.database.savepoint(self.conn)
        refusal = None
        try:
            self._execute(rows)
            if not self.database.savepoints:
                self.database.release(self.conn)  # which commits, and may be refused as well
        except RowsRefusedError as refused:
            refusal = refused
        except Exception as error:
            if self.database.is_closed(self.conn):
                raise  # which is no row's fault
            self.database.undo(self.conn)
            if self.how.on_error is None:
                raise
            return error
        if self.database.savepoints:
            self.database.release(self.conn)
        return refusal

    def _parts(self, rows: list[Row], refusal: Exception, *, patient: bool) -> list[list[Row]]:
        """
        Cut refused *rows*: around the bad one where the driver tells, else in two halves.

        The bad one is tried again alone, so that no row is left out on a driver's word.
        """
        if not patient:
            return [[row] for row in rows]
        told = not isinstance(refusal, RowferryError)  # else it was refused before it was written
        at = self.writer.culprit(refusal) if told else None
        if at is None or not 0 <= at < len(rows):
            at = len(rows) // 2
            return [rows[:at], rows[at:]]
        return [part for part in (rows[:at], rows[at : at + 1], rows[at + 1 :]) if part]

    def _commit(self) -> None:
        with refusals(self.database, self.query):  # of deferred constraints, for one
            self.database.commit(self.conn)


@contextmanager
def refusals(database: Database, query: str) -> Iterator[None]:
    """Give the driver's exceptions as ours; it raises KeyError and the like as well."""
    try:
        yield
    except RowferryError:
        raise
    except Exception as error:
        raise InsertError(error_in(database, query, error)) from error


def check_open(database: Database, conn: Connection, query: str) -> None:
    """
    Accept a connection that can be used.

    Raises:
        QueryError: it is closed.
    """
    if database.is_closed(conn):
        raise QueryError(f"the connection is closed\n\nin the query:\n{query}")


def roll_back(database: Database, conn: Connection) -> None:
    """Roll back what is open on a connection that may be broken."""
    with transactions.unless_broken(database, conn):
        database.rollback(conn)


def error_in(database: Database, query: str, error: Exception) -> str:
    """Give the text of an error that *query* met."""
    return error_text(query, database.paramstyle, error, database.advice(error))
