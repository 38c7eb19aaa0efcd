"""Rows of one database into another: by a query and a statement, or whole tables."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rowferry import connections
from rowferry import sql as sql_text
from rowferry.checkpoint import Progress, Unmarked, held
from rowferry.creation import create_for_table
from rowferry.extract import read_chunks
from rowferry.insert import Into, OnConflict, check_on_conflict, lists
from rowferry.keyset import columns_of_key
from rowferry.reader import CHUNK_SIZE, Query, Reader, check_chunk_size
from rowferry.records import FailedRow
from rowferry.row_factories import (
    DICTS,
    FACTORIES,
    RowFactory,
    RowT,
    Transform,
    column_names,
    tuple_row_factory,
)
from rowferry.whole_table import copy_whole_table
from rowferry.writing import How, OnError, Writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowferry.databases.contract import Connection, Parameters


def copy_rows(
    select_query: str,
    source_conn: Connection,
    insert_query: str,
    dest_conn: Connection,
    parameters: Parameters = (),
    row_factory: RowFactory[RowT] = DICTS,
    transform: Transform[RowT, Any] | None = None,
    on_error: OnError | None = None,
    commit_chunks: bool = True,
    chunk_size: int = CHUNK_SIZE,
    *,
    key: str | Sequence[str] | None = None,
    checkpoint: str | None = None,
    name: str | None = None,
) -> tuple[int, int]:
    """
    Execute *insert_query* once for each row of *select_query*.

    Args:
        source_conn, dest_conn: connections, `DbParams` or URLs.
        parameters: of *select_query*.
        transform: takes the chunks as they were fetched.
        key: of the rows of *select_query*, as in `iter_chunks`.
        checkpoint: a table of the destination, made where there is none, in which each chunk notes,
            in its own transaction, how far the copy got. A copy that was cut short goes on there
            when it is called again, and every row is written once. Needs *key* and
            *commit_chunks*. The counts are those of all calls then.
        name: of this copy among the checkpoints; None: the table that *insert_query* inserts into.

    The other arguments, what is given and what is raised are those of `executemany`.

    Raises:
        ConfigError: another run of this copy is at work, or what was cut short was another copy.
        SourceError: the source refused the query or failed.
    """
    check_chunk_size(chunk_size)
    query = Query(select_query, source_conn, parameters, row_factory, columns_of_key(key))
    untouched = transform is None and row_factory in FACTORIES
    with connections.opened(dest_conn) as dest:
        alone = untouched and on_error is None and not connections.same(source_conn, dest)
        how = How(on_error, commit_chunks, chunk_size, alone)
        name = name or sql_text.inserts_into(insert_query)
        with held(checkpoint, name, query, insert_query, dest, how) as progress:
            reader = Reader(progress.query, unread=untouched, alone=alone)
            writing = Writing(insert_query, dest, how, seal=progress.seal)
            chunks = progress.watch(reader, read_chunks(reader, transform, chunk_size))
            with closing(chunks):
                return progress.finish(writing.write(lists(chunks)))


def copy_table_rows(
    table: str,
    source_conn: Connection,
    dest_conn: Connection,
    target: str | None = None,
    row_factory: RowFactory[RowT] = DICTS,
    transform: Transform[RowT, Any] | None = None,
    on_error: OnError | None = None,
    commit_chunks: bool = True,
    chunk_size: int = CHUNK_SIZE,
    *,
    create: bool = False,
    on_conflict: OnConflict = "error",
    key: str | Sequence[str] | None = None,
    checkpoint: str | None = None,
    name: str | None = None,
) -> tuple[int, int]:
    """
    Insert all rows of *table* into the table *target* of the destination (None: the same name).

    Args:
        create: make *target* first where there is none, as `generate_create_table_sql` shows, with
            *key* for its primary key.
        on_conflict: as in `load`.
        key: the column or columns that tell every row of *table* from the others; the rows are read
            in their order, as in `iter_chunks`.
        checkpoint: as in `copy_rows`.
        name: of this copy among the checkpoints; None: *target*.

    The other arguments, what is given and what is raised are those of `copy_rows` and `load`.
    """
    check_chunk_size(chunk_size)
    columns = columns_of_key(key)
    check_on_conflict(on_conflict, columns)
    select = sql_text.select_all(table, connections.database_of(source_conn).identifier)
    query = Query(select, source_conn, (), row_factory, columns)
    how = How(on_error, commit_chunks, chunk_size)
    target = target or table
    with connections.opened(dest_conn) as dest:
        into = Into(target, dest, how, on_conflict, columns)
        if create:
            into = replace(into, before=create_for_table(table, source_conn, dest, target, columns))
        with held(checkpoint, name or target, query, target, dest, how) as progress:
            into = replace(into, seal=progress.seal)
            if transform is not None or row_factory not in FACTORIES:
                return _insert_shaped(progress, into, transform)
            if on_error is not None or on_conflict != "error" or columns:
                return _insert_as_read(progress, into)
            with connections.opened(source_conn) as source:
                copied = copy_whole_table(table, source, into)
                return copied or _insert_as_read(Unmarked(replace(query, conn=source)), into)


def _insert_shaped(
    progress: Progress, into: Into, transform: Transform[Any, Any] | None
) -> tuple[int, int]:
    """Insert what the row factory and the transform make of the rows."""
    reader = Reader(progress.query)
    chunks = progress.watch(reader, read_chunks(reader, transform, into.how.chunk_size))
    with closing(chunks):
        return progress.finish(into.insert(lists(chunks)))


def _insert_as_read(progress: Progress, into: Into) -> tuple[int, int]:
    """Insert the rows as tuples; those that fail become what the row factory makes."""
    query = progress.query
    on_error = into.how.on_error
    alone = on_error is None and not connections.same(query.conn, into.conn)
    query_of_tuples = replace(query, row_factory=tuple_row_factory)
    reader = Reader(query_of_tuples, unread=True, alone=alone)

    def give_back(failed: list[FailedRow]) -> None:
        make = query.row_factory(reader)
        if on_error is not None:
            on_error([FailedRow(make(row), error) for row, error in failed])

    how = replace(into.how, on_error=give_back if on_error else None, alone=alone)
    into = replace(into, how=how)
    chunks = progress.watch(reader, read_chunks(reader, None, into.how.chunk_size))
    with closing(chunks):
        return progress.finish(into.insert(lists(chunks), lambda _: column_names(reader)))
