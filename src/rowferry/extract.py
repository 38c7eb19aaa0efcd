"""Rows out of a database: by chunks, by rows, all, or the first one."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, overload

from rowferry import abort
from rowferry.keyset import columns_of_key
from rowferry.logs import logger
from rowferry.reader import CHUNK_SIZE, Query, Reader, check_chunk_size
from rowferry.row_factories import DICTS, FACTORIES, GivenT, RowFactory, RowT, Transform

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from rowferry.databases.contract import Connection, Parameters


@overload
def iter_chunks(
    select_query: str,
    conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory[RowT] = DICTS,
    transform: None = None,
    chunk_size: int = CHUNK_SIZE,
    *,
    key: str | Sequence[str] | None = None,
) -> Iterator[list[RowT]]: ...


@overload
def iter_chunks(
    select_query: str,
    conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory[RowT] = DICTS,
    *,
    transform: Transform[RowT, GivenT],
    chunk_size: int = CHUNK_SIZE,
    key: str | Sequence[str] | None = None,
) -> Iterator[Iterable[GivenT]]: ...


@overload
def iter_chunks(
    select_query: str,
    conn: Connection,
    parameters: Parameters,
    row_factory: RowFactory[RowT],
    transform: Transform[RowT, GivenT] | None,
    chunk_size: int = CHUNK_SIZE,
    *,
    key: str | Sequence[str] | None = None,
) -> Iterator[Iterable[GivenT]]: ...


def iter_chunks(
    select_query: str,
    conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory[RowT] = DICTS,
    transform: Transform[RowT, GivenT] | None = None,
    chunk_size: int = CHUNK_SIZE,
    *,
    key: str | Sequence[str] | None = None,
) -> Iterator[Iterable[GivenT]]:
    """
    Give the rows of a query by chunks: lists of rows, or what *transform* gave for one.

    The query runs when the first chunk is asked for. The transaction is committed after the last
    one; leaving the loop before leaves no cursor and no transaction open.

    Args:
        conn: a connection, a `DbParams` or a URL; of the latter two a connection is opened, and
            closed at the end.
        chunk_size: rows fetched at once, at least 1.
        key: the column or columns that tell every row from the others. The rows come in their
            order, none is taken for the last that is not, and where *conn* is a DbParams or a URL
            a connection that is lost is replaced, at most 3 times in a row.

    Raises:
        ConfigError: *chunk_size* is less than 1; the query cannot be ordered by *key*.
        SourceError: the database refused the query or failed; a key is NULL, or there twice.
        AbortError: `abort_etlhelper_threads` was called meanwhile.
    """
    query = Query(select_query, conn, parameters, row_factory, columns_of_key(key))
    return chunks_of(query, transform, chunk_size)


def iter_rows(
    select_query: str,
    conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory[RowT] = DICTS,
    transform: Transform[RowT, GivenT] | None = None,
    chunk_size: int = CHUNK_SIZE,
    *,
    key: str | Sequence[str] | None = None,
) -> Iterator[GivenT]:
    """Give the rows of a query one by one; the rest is as in `iter_chunks`."""
    query = Query(select_query, conn, parameters, row_factory, columns_of_key(key))
    return _one_by_one(chunks_of(query, transform, chunk_size))


def fetchone(
    select_query: str,
    conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory[RowT] = DICTS,
    transform: Transform[RowT, GivenT] | None = None,
    chunk_size: int = 1,
) -> GivenT | None:
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
                first: GivenT = row
                return first
    return None


def fetchall(
    select_query: str,
    conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory[RowT] = DICTS,
    transform: Transform[RowT, GivenT] | None = None,
    chunk_size: int = CHUNK_SIZE,
    *,
    key: str | Sequence[str] | None = None,
) -> list[GivenT]:
    """Give all rows of a query as a list; the rest is as in `iter_chunks`."""
    check_chunk_size(chunk_size)
    query = Query(select_query, conn, parameters, row_factory, columns_of_key(key))
    reader = Reader(query, alone=transform is None and row_factory in FACTORIES)
    rows: list[GivenT] = []
    for chunk in read_chunks(reader, transform, chunk_size):
        rows += chunk
    return rows


def chunks_of(
    query: Query, transform: Transform[Any, Any] | None, chunk_size: int
) -> Generator[Iterable[Any]]:
    """Give the chunks of *query* as `iter_chunks` does."""
    check_chunk_size(chunk_size)
    return read_chunks(Reader(query), transform, chunk_size)


def read_chunks(
    reader: Reader, transform: Transform[Any, Any] | None, chunk_size: int
) -> Generator[Iterable[Any]]:
    """Give the chunks that *reader* fetches, until the last or an abort; it is closed then."""
    job = abort.begin()
    logger.info("Fetching rows (chunk_size=%s)", chunk_size)
    returned = 0
    with reader:
        while chunk := reader.fetch(chunk_size):
            job.check()
            returned += len(chunk)
            yield chunk if transform is None else transform(chunk)
    logger.info("%s rows returned", returned)


def _one_by_one(chunks: Generator[Iterable[Any]]) -> Generator[Any]:
    with closing(chunks):
        for chunk in chunks:
            yield from chunk
