"""Reads a query in chunks of any size, goes on where a connection was lost, leaves nothing open."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Self

from rowferry import connections, transactions
from rowferry.databases import Reading, recognise
from rowferry.db_params import connect
from rowferry.exceptions import ConfigError, ConnectError, RowferryError, SourceError
from rowferry.logs import logger
from rowferry.ordered import OrderedQuery, OrderedRows
from rowferry.row_factories import ChunkMaker, RowFactory, chunk_maker, dict_row_factory
from rowferry.sql import error_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from rowferry.databases.contract import Connection, Database, OpenRows, Parameters
    from rowferry.keyset import Columns
    from rowferry.records import Row

CHUNK_SIZE = 5000
"""Rows fetched at once unless told otherwise, as in ETLHelper."""

_PAUSES = (0.0, 1.0, 4.0)
"""Seconds before each new connection, as long as none of them gave a row."""


@dataclass(frozen=True, slots=True)
class Query:
    """
    What to read, and from where.

    Attributes:
        conn: a connection of a driver that `rowferry.databases` knows, or a wrapper around one; or
            a DbParams or a URL, of which a connection is opened, and closed at the end.
        parameters: fill the placeholders of *sql*, in order or by name.
        key: columns that tell every row from the others; the rows come in their order, and where
            *conn* is no connection yet, a lost one is replaced. Empty: as the query gives them.
    """

    sql: str
    conn: Any = field(repr=False)  # it may be a URL with a password
    parameters: Parameters = ()
    row_factory: RowFactory[Any] = dict_row_factory
    key: Columns = ()


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
        unread: nobody looks at the values: JSON comes as `RawJSON`, an interval of months as text.
        alone: nobody else uses the connection while this reads, so that it may read ahead.

    Raises:
        ConfigError: the query has a key and cannot be ordered by it, or its database is none that
            is known here.
    """

    def __init__(
        self,
        query: Query,
        *,
        tolerant: bool = False,
        unread: bool = False,
        alone: bool = False,
    ) -> None:
        connections.database_of(query.conn)
        self._query = query
        self._ordered = OrderedQuery(query.sql, query.parameters, query.key) if query.key else None
        self._is_own = connections.is_address(query.conn)
        self._reading = Reading(tolerant, unread, alone or self._is_own)
        self._rows: OpenRows | None = None
        self._make: ChunkMaker | None = None
        self._kinds: Mapping[str, type] | None = None
        self._description: Sequence[Any] = ()
        self._kept: list[Row] = []
        self._begun = False
        self._closed = False
        self._ends_transaction = False
        self._interrupted = threading.Event()
        self._failures = 0

    def fetch(self, count: int) -> list[Row]:
        """
        Give the next *count* rows; fewer only at the end, and an empty list after it.

        Raises:
            ConfigError: *count* is less than 1, or the query has no column of the key.
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

    @property
    def description(self) -> Sequence[Any]:
        """The columns, as DB-API's `cursor.description`, once rows were fetched."""
        return self._description

    def finish(self) -> None:
        """Stop reading and commit, unless a verb around it will; rows not yet fetched are lost."""
        if not self._closed:
            self._finish()
            self._closed = True
            self._disconnect()

    def close(self) -> None:
        """Stop reading and roll back what only this reader began. May be called again."""
        if self._closed:
            return
        self._closed = True
        if not self._begun:
            return
        try:
            self._give_back()
        finally:
            self._disconnect()

    def interrupt(self) -> None:
        """Make a `fetch` that another thread is in fail soon."""
        self._interrupted.set()
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

    # beginning and ending

    _database: Database
    _conn: Connection

    def _begin(self) -> None:
        self._connect()
        self._begun = True
        if self._database.is_closed(self._conn):
            raise SourceError(f"the connection is closed\n\nin the query:\n{self._query.sql}")
        self._ends_transaction = transactions.make_way(self._conn)
        in_transaction = self._database.in_transaction(self._conn)
        try:
            self._open()
        except RowferryError:
            self._take_transaction_unless(in_transaction)
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise TypeError and the like as well
            self._fail(error)
        self._take_transaction_unless(in_transaction)

    def _take_transaction_unless(self, in_transaction: bool) -> None:
        """Note that the transaction is ours to end, unless there was one before."""
        if not in_transaction and self._database.in_transaction(self._conn):
            self._ends_transaction = True

    def _connect(self) -> None:
        conn = connect(self._query.conn) if self._is_own else self._query.conn
        self._database, self._conn = recognise(conn)

    def _disconnect(self) -> None:
        if self._is_own:
            with contextlib.suppress(Exception):  # it may be what was lost
                self._conn.close()

    def _open(self) -> OpenRows:
        database, conn = self._database, self._conn
        if self._ordered is not None:
            rows: OpenRows = OrderedRows(self._ordered, database, conn, self._reading)
        else:
            sql, parameters = self._query.sql, self._query.parameters
            rows = database.open_rows(conn, sql, parameters, self._reading)
        self._rows = rows
        transactions.hold(self._conn, self)
        return rows

    def _open_again(self) -> OpenRows:
        self._connect()
        return self._open()

    def _give_back(self) -> None:
        wrote = self._rows is not None and self._rows.writes
        with transactions.unless_broken(self._database, self._conn):
            self._close_cursor()
            if self.give_up_transaction() and (wrote or not self._database.has_written(self._conn)):
                transactions.rollback(self._database, self._conn)

    def _finish(self) -> None:
        """Commit after the last row; when asked again, what the user wrote since then."""
        try:
            self._close_cursor()
            self._ends_transaction = False
            if not self._database.is_closed(self._conn):
                transactions.commit(self._database, self._conn)
        except RowferryError:
            raise
        except Exception as error:  # noqa: BLE001 - what comes after the rows may fail as they may
            self._fail(error)

    def _close_cursor(self) -> None:
        rows, self._rows = self._rows, None
        transactions.let_go(self._conn, self)
        if rows is not None and not self._database.is_closed(self._conn):
            rows.close()

    # reading

    def _read(self, count: int) -> list[Row]:
        try:
            cells = self._cells(count)
        except RowferryError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise ValueError and the like as well
            self._fail(error)
        if self._make is None:
            if self._rows is None or self._rows.cursor.description is None:
                return []  # a statement without rows has no columns to make some of
            self._make = chunk_maker(self._query.row_factory, self._rows.cursor)
            self._kinds = self._rows.kinds
            self._description = self._rows.cursor.description
        return self._make(cells)

    def _cells(self, count: int) -> list[tuple[Any, ...]]:
        """Fetch the next cells; where the connection is lost and can be replaced, on a new one."""
        while True:
            try:
                rows = self._rows or self._open_again()
                cells = rows.fetch(count)
            except Exception as error:
                if not self._can_go_on_after(error):
                    raise
                self._drop_connection(error)
            else:
                self._failures = 0
                return cells

    def _can_go_on_after(self, error: Exception) -> bool:
        return (
            self._is_own
            and self._ordered is not None
            and self._failures < len(_PAUSES)
            and not self._interrupted.is_set()
            and (isinstance(error, ConnectError) or self._database.is_lost(self._conn, error))
        )

    def _drop_connection(self, error: Exception) -> None:
        """Close what is left of the connection, and wait a little before the next one."""
        logger.warning("the source was lost while it was read, a new connection goes on: %s", error)
        with contextlib.suppress(Exception):
            self._close_cursor()
        self._rows = None
        self._disconnect()
        self._interrupted.wait(_PAUSES[self._failures])
        self._failures += 1

    def _take_kept(self, count: int) -> list[Row]:
        rows, self._kept = self._kept[:count], self._kept[count:]
        return rows

    def _fail(self, error: Exception) -> NoReturn:
        """Roll back all of the transaction, and say what was asked and what came back."""
        self._ends_transaction = False
        text = error_text(self._query.sql, self._database.paramstyle, error, self._advice(error))
        try:
            with transactions.unless_broken(self._database, self._conn):
                self._close_cursor()
                transactions.rollback(self._database, self._conn)
        except Exception as another:  # noqa: BLE001 - it must not hide the first one
            error.add_note(f"and its transaction could not be rolled back: {another}")
        raise SourceError(text) from error

    def _advice(self, error: Exception) -> str:
        if self._interrupted.is_set() or not self._database.is_lost(self._conn, error):
            return self._database.advice(error)
        if self._is_own and self._ordered is not None:
            return (
                "new connections were tried as well: the source is down, or too slow for its limits"
            )
        return (
            "the source was lost before its last row: with a DbParams or a URL for the connection "
            "and key= for the columns that tell every row from the others, reading goes on"
        )


def check_chunk_size(chunk_size: int) -> None:
    """
    Accept a number of rows to fetch or write at once.

    Raises:
        ConfigError: it is less than 1.
    """
    if chunk_size < 1:
        raise ConfigError(f"chunk_size must be at least 1, not {chunk_size}")
