"""Rows into a database: one statement, many rows, whole tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeAlias

from rowferry import abort, transactions
from rowferry import sql as sql_text
from rowferry.databases import recognise
from rowferry.exceptions import ConfigError, InsertError, QueryError, RowferryError
from rowferry.extract import chunks_of
from rowferry.logs import logger
from rowferry.reader import CHUNK_SIZE, Query, check_chunk_size
from rowferry.records import FailedRow, Row
from rowferry.row_factories import (
    FACTORIES,
    RowFactory,
    Transform,
    dict_row_factory,
)

if TYPE_CHECKING:
    from rowferry.databases.contract import Connection, Database, Parameters, Writer

OnError: TypeAlias = Callable[[list[FailedRow]], Any]
"""Takes the failed rows of a chunk, once for that chunk."""


def execute(query: str, conn: Connection, parameters: Parameters = ()) -> None:
    """
    Execute one statement, and commit.

    Raises:
        QueryError: the database refused it, and all of the transaction was rolled back.
    """
    database, conn = recognise(conn)
    _check_open(database, conn, query)
    with transactions.own(database, conn) as outermost:
        transactions.make_way(conn)
        try:
            database.execute(conn, query, parameters)
            if outermost:
                database.commit(conn)
        except Exception as error:
            if outermost:
                _roll_back(database, conn)
            raise QueryError(_error_text(database, query, error)) from error


def executemany(
    query: str,
    conn: Connection,
    rows: Iterable[Row] | None,
    transform: Transform[Any, Any] | None = None,
    on_error: OnError | None = None,
    commit_chunks: bool = True,
    chunk_size: int = CHUNK_SIZE,
) -> tuple[int, int]:
    """
    Execute *query* once for each row.

    Args:
        rows: any iterable; None is none.
        transform: takes a chunk of rows, gives those to use instead.
        on_error: gets the rows of a chunk that failed; the others are kept, and the work goes on.
        commit_chunks: commit after each chunk; else once at the end: all or, without *on_error*,
            nothing.
        chunk_size: rows written at once, at least 1.

    Returns:
        How many rows were processed (after *transform*, failed ones included), and how many failed.

    Raises:
        ConfigError: *chunk_size* is less than 1.
        InsertError: the database refused a row; what was not committed was rolled back.
        AbortError: `abort_etlhelper_threads` was called meanwhile.
    """
    check_chunk_size(chunk_size)
    run = _Run(query, conn, on_error, commit_chunks, chunk_size)
    return run.write(_transformed(_chunks(rows, chunk_size), transform))


def load(
    table: str,
    conn: Connection,
    rows: Iterable[Row] | None,
    transform: Transform[Any, Any] | None = None,
    on_error: OnError | None = None,
    commit_chunks: bool = True,
    chunk_size: int = CHUNK_SIZE,
    *,
    ignore_extra_keys: bool = False,
) -> tuple[int, int]:
    """
    Insert rows into *table*; the columns are the names in the first row.

    Args:
        rows: mappings or named tuples.
        ignore_extra_keys: drop what later rows have beyond the first one's names; by default such
            a row fails.

    The other arguments, what is given and what is raised are those of `executemany`.

    Raises:
        BadIdentifierError: the table or a column has no plain name.
        InsertError: a row has no column names.
    """
    check_chunk_size(chunk_size)
    sql_text.check_table(table)
    chunks = _transformed(_chunks(rows, chunk_size), transform)
    first = next(chunks, None)
    if first is None:
        recognise(conn)
        return 0, 0
    query = generate_insert_sql(table, first[0], conn)
    width = None if ignore_extra_keys else _Columns(first[0])
    run = _Run(query, conn, on_error, commit_chunks, chunk_size, width)
    return run.write(chain([first], chunks))


def copy_rows(
    select_query: str,
    source_conn: Connection,
    insert_query: str,
    dest_conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory[Any] = dict_row_factory,
    transform: Transform[Any, Any] | None = None,
    on_error: OnError | None = None,
    commit_chunks: bool = True,
    chunk_size: int = CHUNK_SIZE,
) -> tuple[int, int]:
    """
    Execute *insert_query* once for each row of *select_query*.

    *transform* takes the chunks as they were fetched; *parameters* belong to *select_query*. The
    other arguments, what is given and what is raised are those of `executemany`.

    Raises:
        SourceError: the source refused the query or failed.
    """
    query = Query(select_query, source_conn, parameters, row_factory)
    run = _Run(insert_query, dest_conn, on_error, commit_chunks, chunk_size)
    raw_json = transform is None and row_factory in FACTORIES
    with closing(chunks_of(query, transform, chunk_size, raw_json=raw_json)) as chunks:
        return run.write(_lists(chunks))


def copy_table_rows(
    table: str,
    source_conn: Connection,
    dest_conn: Connection,
    target: str | None = None,
    row_factory: RowFactory[Any] = dict_row_factory,
    transform: Transform[Any, Any] | None = None,
    on_error: OnError | None = None,
    commit_chunks: bool = True,
    chunk_size: int = CHUNK_SIZE,
) -> tuple[int, int]:
    """
    Insert all rows of *table* into the table *target* of the destination (None: the same name).

    The other arguments, what is given and what is raised are those of `copy_rows` and `load`.
    """
    query = Query(sql_text.select_all(table), source_conn, (), row_factory)
    raw_json = transform is None and row_factory in FACTORIES
    with closing(chunks_of(query, transform, chunk_size, raw_json=raw_json)) as chunks:
        rows = chain.from_iterable(chunks)
        return load(target or table, dest_conn, rows, None, on_error, commit_chunks, chunk_size)


def generate_insert_sql(table: str, row: Row, conn: Connection) -> str:
    """
    Give the INSERT that *row* needs: named placeholders for a mapping, else positional ones.

    Raises:
        BadIdentifierError: the table or a column has no plain name.
        InsertError: the row has no column names.
    """
    database, _ = recognise(conn)
    placeholder = (
        database.named_placeholder if isinstance(row, Mapping) else database.positional_placeholder
    )
    columns = _names(row)
    return sql_text.insert(table, columns, list(map(placeholder, columns)))


@dataclass(frozen=True, slots=True)
class _Columns:
    """
    The columns of an INSERT, to compare rows with.

    Attributes:
        row: the one whose names they are.
    """

    row: Row

    def check(self, rows: Sequence[Row]) -> None:
        """
        Accept rows that have no names beyond the columns.

        Raises:
            InsertError: one has, and they would be lost silently.
        """
        width = len(self.row)
        if max(map(len, rows)) <= width:
            return  # a row that has another name instead of one lacks that one: the driver says so
        known = set(_names(self.row))
        for row in rows:
            if len(row) > width:
                extra = [name for name in _names(row) if name not in known]
                raise InsertError(
                    f"a row has more than the first one: {sql_text.quoted_words(extra)}; "
                    "load() takes the columns of the first row, and drops others only with "
                    "ignore_extra_keys=True"
                )


@dataclass(slots=True)
class _Run:
    """
    One statement for many rows.

    Attributes:
        columns: what the rows may have; None does not ask.
    """

    query: str
    conn: Connection
    on_error: OnError | None
    commit_chunks: bool
    chunk_size: int
    columns: _Columns | None = None
    processed: int = 0
    failed: int = 0
    database: Database = field(init=False)
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.database, self.conn = recognise(self.conn)

    def write(self, chunks: Iterable[list[Row]]) -> tuple[int, int]:
        """Write all *chunks*, none of them empty; give the rows processed and failed."""
        job = abort.begin()
        logger.info("Executing many (chunk_size=%s)", self.chunk_size)
        _check_open(self.database, self.conn, self.query)
        with transactions.own(self.database, self.conn) as outermost:
            try:
                self._write_all(chunks, job, outermost=outermost)
            except BaseException:
                if outermost:
                    _roll_back(self.database, self.conn)
                raise
        logger.info("%s rows processed in total", self.processed)
        return self.processed, self.failed

    def _write_all(self, chunks: Iterable[list[Row]], job: abort.Job, *, outermost: bool) -> None:
        guard = self._guards_parts(outermost=outermost)
        for chunk in chunks:
            job.check()
            if not self.processed:
                self.writer = self.database.writer(self.conn, self.query)
            self._write_chunk(chunk, guard=guard)
            if outermost and self.commit_chunks:
                self._commit()
            logger.info("%s rows processed (%s failed)", self.processed, self.failed)
        if outermost:
            self._commit()

    def _guards_parts(self, *, outermost: bool) -> bool:
        """
        Tell whether a part that fails is to be undone, and the transaction to go on.

        Raises:
            ConfigError: it has to be, but the database cannot undo a part of a transaction.
        """
        alone = outermost and self.commit_chunks  # each part may be a transaction of its own
        if self.on_error is None:
            return not outermost and self.database.savepoints
        if not alone and not self.database.savepoints:
            raise ConfigError(
                f"on_error needs savepoints here, and {self.database.dbtype} has none: use "
                "commit_chunks=True, outside of a transaction and of other functions that write "
                "on the connection, or no on_error"
            )
        return True

    def _write_chunk(self, rows: list[Row], *, guard: bool) -> None:
        bad: list[FailedRow] = []
        with self._refusals():
            transactions.make_way(self.conn)
            self.database.begin(self.conn)
            if guard:
                bad = self._bad_rows(rows)
            else:
                self._execute(rows)
        self.processed += len(rows)
        self.failed += len(bad)
        if bad and self.on_error is not None:
            self.on_error(bad)

    def _execute(self, rows: list[Row]) -> None:
        if self.columns is not None:
            self.columns.check(rows)
        self.writer.write(rows)

    def _bad_rows(self, rows: list[Row]) -> list[FailedRow]:
        """
        Write all of *rows* that can be written, and give the others.

        A part that fails is undone and halved: a bad row of 5000 costs 26 statements, not 5000.
        Without savepoints each part is a transaction.
        """
        self.database.savepoint(self.conn)
        try:
            self._execute(rows)
        except Exception as error:
            if self.database.is_closed(self.conn):
                raise  # which is no row's fault
            self.database.undo(self.conn)
            if self.on_error is None:
                raise
            if len(rows) == 1:
                return [FailedRow(rows[0], error)]
        else:
            self.database.release(self.conn)
            return []
        middle = len(rows) // 2
        return self._bad_rows(rows[:middle]) + self._bad_rows(rows[middle:])

    def _commit(self) -> None:
        with self._refusals():  # of deferred constraints, for one
            self.database.commit(self.conn)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Give the driver's exceptions as ours; it raises KeyError and the like as well."""
        try:
            yield
        except RowferryError:
            raise
        except Exception as error:
            raise InsertError(_error_text(self.database, self.query, error)) from error


def _names(row: Row) -> list[str]:
    """
    Give the column names of a mapping, a named tuple or a sqlite3.Row.

    Raises:
        InsertError: it has none.
    """
    if hasattr(row, "keys"):
        return list(row.keys())
    if hasattr(row, "_fields"):
        return list(row._fields)
    raise InsertError(
        f"a row of type {type(row).__name__} has no column names: use dicts or named tuples, "
        "or executemany() with an INSERT of your own"
    )


def _chunks(rows: Iterable[Row] | None, size: int) -> Iterator[list[Row]]:
    remaining = iter(rows if rows is not None else ())
    while chunk := list(islice(remaining, size)):
        yield chunk


def _transformed(
    chunks: Iterable[list[Row]], transform: Transform[Any, Any] | None
) -> Iterator[list[Row]]:
    return filter(None, chunks) if transform is None else _lists(map(transform, chunks))


def _lists(chunks: Iterable[Iterable[Row]]) -> Iterator[list[Row]]:
    """Give what transforms gave as lists, without the empty ones."""
    for chunk in chunks:
        rows = chunk if isinstance(chunk, list) else list(chunk)
        if rows:
            yield rows


def _check_open(database: Database, conn: Connection, query: str) -> None:
    if database.is_closed(conn):
        raise QueryError(f"the connection is closed\n\nin the query:\n{query}")


def _roll_back(database: Database, conn: Connection) -> None:
    with transactions.unless_broken(database, conn):
        database.rollback(conn)


def _error_text(database: Database, query: str, error: Exception) -> str:
    return sql_text.error_text(query, database.paramstyle, error, database.advice(error))
