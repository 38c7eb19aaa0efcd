"""Rows into a database: one statement, many rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rowferry import connections, transactions
from rowferry import sql as sql_text
from rowferry.creation import check_names, create_for_rows
from rowferry.databases import recognise
from rowferry.exceptions import ConfigError, InsertError, QueryError
from rowferry.keyset import Columns, check_columns, columns_of_key
from rowferry.reader import CHUNK_SIZE, check_chunk_size
from rowferry.row_factories import names_of_row
from rowferry.writing import How, OnError, Seal, Writing, check_open, error_in, roll_back

if TYPE_CHECKING:
    from rowferry.databases.contract import Connection, Parameters
    from rowferry.records import Row
    from rowferry.row_factories import Transform

OnConflict: TypeAlias = Literal["error", "skip", "update"]
"""What becomes of a row whose key the table has already."""


def execute(query: str, conn: Connection, parameters: Parameters = ()) -> None:
    """
    Execute one statement, and commit.

    Args:
        conn: a connection, a `DbParams` or a URL.

    Raises:
        QueryError: the database refused it, and all of the transaction was rolled back.
    """
    with connections.opened(conn) as opened:
        database, conn = recognise(opened)
        check_open(database, conn, query)
        with transactions.own(database, conn) as outermost:
            transactions.make_way(conn)
            try:
                database.execute(conn, query, parameters)
                if outermost:
                    database.commit(conn)
            except Exception as error:
                if outermost:
                    roll_back(database, conn)
                raise QueryError(error_in(database, query, error)) from error


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

    A plain `INSERT INTO table (columns) VALUES (placeholders)` goes by the fast road of the
    database where that stores the same: COPY, several rows a statement, an appender.

    Args:
        conn: a connection, a `DbParams` or a URL; of the latter two a connection is opened, and
            closed at the end.
        rows: any iterable; None is none.
        transform: takes a chunk of rows, gives those to use instead.
        on_error: gets the rows of a chunk that failed; the others are kept, and the work goes on.
        commit_chunks: commit after each chunk; else once at the end: all or, without *on_error*,
            nothing.
        chunk_size: rows written at once, at least 1.

    Returns:
        How many rows were processed (after *transform*, failed ones included), and how many failed.

    Raises:
        ConfigError: *chunk_size* is less than 1; *on_error* where DuckDB could not leave out a row.
        InsertError: the database refused a row; what was not committed was rolled back.
        AbortError: `abort_etlhelper_threads` was called meanwhile.
    """
    check_chunk_size(chunk_size)
    how = How(on_error, commit_chunks, chunk_size, alone=_at_hand(rows, transform))
    with connections.opened(conn) as opened:
        return Writing(query, opened, how).write(_transformed(_chunks(rows, chunk_size), transform))


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
    on_conflict: OnConflict = "error",
    key: str | Sequence[str] | None = None,
    create: bool = False,
) -> tuple[int, int]:
    """
    Insert *rows* into *table*; the columns are the names in the first row.

    Args:
        rows: mappings or named tuples.
        ignore_extra_keys: drop what later rows have beyond the first one's names; by default such
            a row fails.
        on_conflict: what becomes of a row whose *key* is in the table already: "error", it fails;
            "skip", the old row stays; "update", its other columns take the new values. The table
            needs a primary key or unique index on *key*.
        key: the column or columns that tell every row from the others.
        create: make the table first where there is none, as `generate_create_table_sql` shows for
            the first chunk of rows.

    The other arguments, what is given and what is raised are those of `executemany`.

    Raises:
        BadIdentifierError: the table or a column has no plain name.
        ConfigError: *on_conflict* without a key that the rows have.
        InsertError: a row has no column names.
    """
    check_chunk_size(chunk_size)
    sql_text.check_table(table)
    columns = columns_of_key(key)
    check_on_conflict(on_conflict, columns)
    chunks = _transformed(_chunks(rows, chunk_size), transform)
    first = next(chunks, None)
    with connections.opened(conn) as opened:
        recognise(opened)
        if first is None:
            return 0, 0
        into = Into(
            table,
            opened,
            How(on_error, commit_chunks, chunk_size, alone=_at_hand(rows, transform)),
            on_conflict,
            columns,
            before=create_for_rows(table, first, opened, columns) if create else None,
            check=None if ignore_extra_keys else _Columns(first[0]).check,
        )
        return into.insert(chain([first], chunks))


def generate_insert_sql(table: str, row: Row, conn: Connection) -> str:
    """
    Give the INSERT that *row* needs: named placeholders for a mapping, else positional ones.

    Args:
        conn: a connection, a `DbParams` or a URL.

    Raises:
        BadIdentifierError: the table or a column has no plain name.
        InsertError: the row has no column names.
    """
    with connections.opened(conn) as opened:
        return Into(table, opened, How()).query_for(row, names_of_row(row))


def check_on_conflict(on_conflict: str, key: Columns) -> None:
    """
    Accept what is to become of rows whose key is there already.

    Raises:
        ConfigError: there is no such thing, or no key.
    """
    known = ("error", "skip", "update")
    if on_conflict not in known:
        raise ConfigError(
            f"on_conflict must be one of {sql_text.quoted_words(known)}, not {on_conflict!r}"
        )
    if on_conflict != "error" and not key:
        raise ConfigError(
            f"on_conflict={on_conflict!r} needs key=, the columns by which a row is there already"
        )


@dataclass(frozen=True, slots=True)
class Into:
    """
    A table that rows are inserted into.

    Attributes:
        key: the columns that *on_conflict* goes by.
        before: a statement to execute first, in the transaction of the first chunk.
        seal: as in `Writing`.
        check: looks at rows before they are written; raises InsertError.
    """

    table: str
    conn: Connection
    how: How
    on_conflict: OnConflict = "error"
    key: Columns = ()
    before: str | None = None
    check: Callable[[Sequence[Row]], None] | None = None
    seal: Seal | None = None

    def insert(
        self,
        chunks: Iterator[list[Row]],
        names_of: Callable[[Row], Sequence[str]] = names_of_row,
    ) -> tuple[int, int]:
        """
        Insert all rows of *chunks*, none of which is empty; give those processed and failed.

        Args:
            names_of: gives the names of the columns, of the first row.
        """
        first = next(chunks, None)
        if first is not None:
            query = self.query_for(first[0], names_of(first[0]))
            writing = Writing(query, self.conn, self.how, self.check, self.before, self.seal)
            return writing.write(chain([first], chunks))
        if self.before is not None:
            execute(self.before, self.conn)
        return 0, 0

    def query_for(self, row: Row, columns: Sequence[str]) -> str:
        """
        Give the statement that inserts *row*, or does what *on_conflict* says.

        Raises:
            BadIdentifierError: the table or a column has no plain name.
            ConfigError: a column of the key is not among *columns*.
        """
        database, _ = recognise(self.conn)
        if isinstance(row, Mapping):
            places = list(map(database.named_placeholder, columns))
        else:
            numbers = map(str, range(1, len(columns) + 1))
            places = list(map(database.positional_placeholder, numbers))
        insert = sql_text.insert(self.table, columns, places, database.identifier)
        check_names(database, self.table, columns)
        if self.on_conflict == "error":
            return insert
        check_columns(self.key, columns)
        update = self.on_conflict == "update"
        return database.upsert(self.table, columns, places, self.key, update=update)


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
        known = set(names_of_row(self.row))
        for row in rows:
            if len(row) > width:
                extra = [name for name in names_of_row(row) if name not in known]
                raise InsertError(
                    f"a row has more than the first one: {sql_text.quoted_words(extra)}; "
                    "load() takes the columns of the first row, and drops others only with "
                    "ignore_extra_keys=True"
                )


def _chunks(rows: Iterable[Row] | None, size: int) -> Iterator[list[Row]]:
    remaining = iter(rows if rows is not None else ())
    while chunk := list(islice(remaining, size)):
        yield chunk


def _at_hand(rows: Any, transform: Transform[Any, Any] | None) -> bool:
    """Tell whether all rows are there, and no code of the user's runs to give one."""
    return transform is None and isinstance(rows, list | tuple)


def _transformed(
    chunks: Iterable[list[Row]], transform: Transform[Any, Any] | None
) -> Iterator[list[Row]]:
    return filter(None, chunks) if transform is None else lists(map(transform, chunks))


def lists(chunks: Iterable[Iterable[Row]]) -> Iterator[list[Row]]:
    """Give what transforms gave as lists, without the empty ones."""
    for chunk in chunks:
        rows = chunk if isinstance(chunk, list) else list(chunk)
        if rows:
            yield rows
