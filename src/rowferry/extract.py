"""Rows out of a database: by chunks, by rows, all, or the first one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeAlias

from rowferry import abort, transactions
from rowferry.databases import recognise
from rowferry.exceptions import ConfigError, SourceError
from rowferry.logs import logger
from rowferry.row_factories import ChunkMaker, RowFactory, chunk_maker, dict_row_factory
from rowferry.sql import error_text

if TYPE_CHECKING:
    from types import TracebackType

    from rowferry.databases.contract import Connection, OpenRows, Parameters
    from rowferry.records import Row

Transform: TypeAlias = Callable[[Any], Iterable[Any]]
"""Takes a chunk of rows, gives the rows to use instead: more or fewer, of any type."""

CHUNK_SIZE = 5000
"""Rows fetched at once unless told otherwise, as in ETLHelper."""


@dataclass(frozen=True, slots=True)
class Query:
    """
    What to read, and from where.

    Attributes:
        conn: a connection of a driver that `rowferry.databases` knows, or a wrapper around one.
        parameters: fill the placeholders of *sql*, in order or by name.
    """

    sql: str
    conn: Connection = field(repr=False)  # it may be a URL with a password
    parameters: Parameters = ()
    row_factory: RowFactory = dict_row_factory


class Reader:
    """
    Reads the rows of a query, in chunks of any size.

    Nothing runs until the first `fetch`. After the last row the transaction is committed, unless a
    verb around it will. A reader that is closed before leaves no cursor and no transaction, but
    what the user wrote in the meantime stays as it is, for the user to commit or roll back.

    Args:
        query: what to read.
        tolerant: a value that the driver cannot convert comes as `Unreadable` (invalid UTF-8 as
            lone surrogates), where it would fail the whole chunk.
        raw_json: JSON columns come as `RawJSON`, unparsed.

    Raises:
        DriverError: no driver here has connections of that type.
    """

    def __init__(self, query: Query, *, tolerant: bool = False, raw_json: bool = False) -> None:
        self._query = query
        self._database, self._conn = recognise(query.conn)
        self._tolerant = tolerant
        self._raw_json = raw_json
        self._rows: OpenRows | None = None
        self._make: ChunkMaker | None = None
        self._kinds: Mapping[str, type] | None = None
        self._kept: list[Row] = []
        self._begun = False
        self._closed = False
        self._ends_transaction = False

    def fetch(self, count: int) -> list[Row]:
        """
        Give the next *count* rows; fewer only at the end, and an empty list after it.

        Raises:
            ConfigError: *count* is less than 1.
            SourceError: the database refused the query or failed; the message has its words.
        """
        check_chunk_size(count)
        if self._closed:
            return []
        try:
            if not self._begun:
                self._begin()
            rows = self._take_kept(count) if self._rows is None else self._read(count)
            if len(rows) < count:
                self._finish()
        except BaseException:
            self.close()
            raise
        return rows

    @property
    def kinds(self) -> Mapping[str, type] | None:
        """The Python type of each column's cells, once rows were fetched; None if not fixed."""
        return self._kinds

    def finish(self) -> None:
        """Stop reading and commit, unless a verb around it will; rows not yet fetched are lost."""
        if not self._closed:
            self._finish()
            self._closed = True

    def close(self) -> None:
        """Stop reading and roll back what only this reader began. May be called again."""
        if self._closed:
            return
        self._closed = True
        wrote = self._rows is not None and self._rows.writes
        with transactions.unless_broken(self._database, self._conn):
            self._close_cursor()
            if self.give_up_transaction() and (wrote or not self._database.has_written(self._conn)):
                transactions.rollback(self._database, self._conn)

    def interrupt(self) -> None:
        """Make a `fetch` that another thread is in fail soon."""
        if self._begun and not self._closed:
            self._database.interrupt(self._conn)

    def keep_rest(self) -> None:
        """
        Fetch the remaining rows into memory and close the cursor; `fetch` gives them as before.

        Raises:
            SourceError: as `fetch`.
        """
        while self._rows is not None and (chunk := self._read(CHUNK_SIZE)):
            self._kept += chunk
        self._close_cursor()

    def give_up_transaction(self) -> bool:
        """Leave the end of the transaction to whoever asks; True if it was this reader's."""
        ours, self._ends_transaction = self._ends_transaction, False
        return ours

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        self._begun = True
        if self._database.is_closed(self._conn):
            raise SourceError(f"the connection is closed\n\nin the query:\n{self._query.sql}")
        self._ends_transaction = transactions.make_way(self._conn)
        in_transaction = self._database.in_transaction(self._conn)
        try:
            self._rows = self._open()
        except Exception as error:  # noqa: BLE001 - drivers raise TypeError and the like as well
            self._fail(error)
        if not in_transaction and self._database.in_transaction(self._conn):
            self._ends_transaction = True
        transactions.hold(self._conn, self)

    def _open(self) -> OpenRows:
        return self._database.open_rows(
            self._conn,
            self._query.sql,
            self._query.parameters,
            tolerant=self._tolerant,
            raw_json=self._raw_json,
        )

    def _read(self, count: int) -> list[Row]:
        rows = self._rows
        if rows is None:
            return []
        try:
            cells = rows.fetch(count)
        except Exception as error:  # noqa: BLE001 - drivers raise ValueError and the like as well
            self._fail(error)
        if self._make is None:
            if rows.cursor.description is None:
                return []  # a statement without rows has no columns to make some of
            self._make = chunk_maker(self._query.row_factory, rows.cursor)
            self._kinds = rows.kinds
        return self._make(cells)

    def _take_kept(self, count: int) -> list[Row]:
        rows, self._kept = self._kept[:count], self._kept[count:]
        return rows

    def _finish(self) -> None:
        """Commit after the last row; when asked again, what the user wrote since then."""
        self._close_cursor()
        self._ends_transaction = False
        if not self._database.is_closed(self._conn):
            transactions.commit(self._database, self._conn)

    def _fail(self, error: Exception) -> NoReturn:
        """Roll back all of the transaction, and say what was asked and what came back."""
        self._ends_transaction = False
        text = error_text(
            self._query.sql, self._database.paramstyle, error, self._database.advice(error)
        )
        try:
            with transactions.unless_broken(self._database, self._conn):
                self._close_cursor()
                transactions.rollback(self._database, self._conn)
        except Exception as another:  # noqa: BLE001 - it must not hide the first one
            error.add_note(f"and its transaction could not be rolled back: {another}")
        raise SourceError(text) from error

    def _close_cursor(self) -> None:
        rows, self._rows = self._rows, None
        transactions.let_go(self._conn, self)
        if rows is not None and not self._database.is_closed(self._conn):
            rows.close()


def iter_chunks(
    select_query: str,
    conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory = dict_row_factory,
    transform: Transform | None = None,
    chunk_size: int = CHUNK_SIZE,
) -> Iterator[Iterable[Any]]:
    """
    Give the rows of a query by chunks: lists of rows, or what *transform* gave for one.

    The query runs when the first chunk is asked for. The transaction is committed after the last
    one; leaving the loop before leaves no cursor and no transaction open.

    Args:
        chunk_size: rows fetched at once, at least 1.

    Raises:
        ConfigError: *chunk_size* is less than 1.
        SourceError: the database refused the query or failed.
        AbortError: `abort_etlhelper_threads` was called meanwhile.
    """
    query = Query(select_query, conn, parameters, row_factory)
    return chunks_of(query, transform, chunk_size)


def iter_rows(
    select_query: str,
    conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory = dict_row_factory,
    transform: Transform | None = None,
    chunk_size: int = CHUNK_SIZE,
) -> Iterator[Any]:
    """Give the rows of a query one by one; the rest is as in `iter_chunks`."""
    query = Query(select_query, conn, parameters, row_factory)
    return _one_by_one(chunks_of(query, transform, chunk_size))


def fetchone(
    select_query: str,
    conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory = dict_row_factory,
    transform: Transform | None = None,
    chunk_size: int = 1,
) -> Any:
    """
    Give the first row of a query, after *transform*; None where there is none. Always commits.

    Raises:
        ConfigError: *chunk_size* is less than 1.
        SourceError: the database refused the query or failed.
    """
    check_chunk_size(chunk_size)
    query = Query(select_query, conn, parameters, row_factory)
    with Reader(query) as reader:
        while chunk := reader.fetch(chunk_size):
            for row in transform(chunk) if transform else chunk:
                reader.finish()
                return row
    return None


def fetchall(
    select_query: str,
    conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory = dict_row_factory,
    transform: Transform | None = None,
    chunk_size: int = CHUNK_SIZE,
) -> list[Any]:
    """Give all rows of a query as a list; the rest is as in `iter_chunks`."""
    query = Query(select_query, conn, parameters, row_factory)
    rows: list[Any] = []
    for chunk in chunks_of(query, transform, chunk_size):
        rows += chunk
    return rows


def chunks_of(
    query: Query, transform: Transform | None, chunk_size: int, *, raw_json: bool = False
) -> Generator[Iterable[Any]]:
    """Give the chunks of *query* as `iter_chunks` does; *raw_json* as in `Reader`."""
    check_chunk_size(chunk_size)
    return _chunks(query, transform, chunk_size, raw_json=raw_json)


def check_chunk_size(chunk_size: int) -> None:
    """
    Accept a number of rows to fetch or write at once.

    Raises:
        ConfigError: it is less than 1.
    """
    if chunk_size < 1:
        raise ConfigError(f"chunk_size must be at least 1, not {chunk_size}")


def _chunks(
    query: Query, transform: Transform | None, chunk_size: int, *, raw_json: bool
) -> Generator[Iterable[Any]]:
    job = abort.begin()
    logger.info("Fetching rows (chunk_size=%s)", chunk_size)
    returned = 0
    with Reader(query, raw_json=raw_json) as reader:
        while chunk := reader.fetch(chunk_size):
            job.check()
            returned += len(chunk)
            yield chunk if transform is None else transform(chunk)
    logger.info("%s rows returned", returned)


def _one_by_one(chunks: Generator[Iterable[Any]]) -> Generator[Any]:
    with closing(chunks):
        for chunk in chunks:
            yield from chunk
