"""Reads a query in chunks of any size, goes on where a connection was lost, leaves nothing open."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

from rowferry import connections, transactions
from rowferry.databases import Reading, recognise
from rowferry.databases.contract import is_mistake, written_of
from rowferry.db_params import connect
from rowferry.exceptions import ConfigError, ConnectError, RowferryError, SourceError
from rowferry.logs import logger
from rowferry.ordered import OrderedQuery, OrderedRows
from rowferry.row_factories import (
    ChunkMaker,
    RowFactory,
    chunk_maker,
    column_names,
    dict_row_factory,
)
from rowferry.sql import error_text
from rowferry.written_rows import WrittenRows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from rowferry.databases.contract import Connection, Database, OpenRows, Parameters
    from rowferry.keyset import Columns
    from rowferry.records import Key, Row

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
        after: a key, or the first values of one; only the rows after it are read. None: all.
        up_to: a key; no rows after it are read. None: all.
    """

    sql: str
    conn: Any = field(repr=False)  # it may be a URL with a password
    parameters: Parameters = ()
    row_factory: RowFactory[Any] = dict_row_factory
    key: Columns = ()
    after: Key | None = None
    up_to: Key | None = None


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
        unseen: the rows, dicts, are to become JSON, and nobody looks at more of them than the key:
            they may come as `WrittenRows`.

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
        unseen: bool = False,
    ) -> None:
        connections.database_of(query.conn)
        self._query = query
        self._ordered = (
            OrderedQuery(query.sql, query.parameters, query.key, query.after, query.up_to)
            if query.key
            else None
        )
        self._is_own = connections.is_address(query.conn)
        looked_at = frozenset(query.key) if unseen else None
        self._reading = Reading(tolerant, unread, alone or self._is_own, looked_at)
        self._rows: OpenRows | None = None
        self._make: ChunkMaker | None = None
        self._kinds: Mapping[str, type] | None = None
        self._description: Sequence[Any] = ()
        self._kept: list[tuple[Any, ...]] = []
        self._given: tuple[Any, ...] | None = None
        self._more = True
        self._begun = False
        self._connected = False
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
            cells = self._read(count) if self._more else self._take_kept(count)
            rows = self._make(cells) if self._make else []
            if cells:
                self._given = cells[-1]
            if len(rows) < count:
                self._finish()
        except BaseException:
            self.close()
            raise
        return rows

    @property
    def position(self) -> Key | None:
        """The key of the last row that was given; before one, the key that is read after."""
        if self._given is None or self._ordered is None:
            return self._query.after
        return self._ordered.key_of(self._given)

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
            if self._is_own:
                self._disconnect()

    def close(self) -> None:
        """Stop reading and roll back what only this reader began. May be called again."""
        if self._closed:
            return
        self._closed = True
        if self._is_own:
            self._disconnect()
        elif self._begun:
            self._give_back()

    def interrupt(self) -> None:
        """Make a `fetch` that another thread is in fail soon."""
        self._interrupted.set()
        if self._begun and not self._closed and self._connected:
            self._database.interrupt(self._conn)

    def keep_rest(self) -> None:
        """
        Fetch the remaining rows into memory and close the cursor; `fetch` gives them as before.

        Raises:
            SourceError: as `fetch`.
        """
        while self._more and (chunk := self._read(CHUNK_SIZE)):
            self._kept += chunk
        self._more = False
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
        if self._is_own:
            self._take(connect(self._query.conn))  # no more: the query may need another at once
            self._begun = True
            return
        self._take(self._query.conn)
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

    def _take(self, conn: Connection) -> None:
        self._database, self._conn = recognise(conn)
        self._connected = True

    def _disconnect(self) -> None:
        """Close the connection that is ours, whatever it is at."""
        if not self._connected:
            return
        self._connected = False  # first: an interrupt may come from another thread
        rows, self._rows = self._rows, None
        transactions.let_go(self._conn, self)
        try:
            if rows is not None and self._more:
                # The server may be at the next rows, and would go on for nobody.
                self._database.interrupt(self._conn)
        except Exception as error:  # noqa: BLE001 - it may be what was lost
            logger.debug("the last statement could not be interrupted: %s", error)
        finally:
            with contextlib.suppress(Exception):
                self._conn.close()

    def _open(self) -> OpenRows:
        database, conn = self._database, self._conn
        if self._ordered is not None:
            rows: OpenRows = OrderedRows(self._ordered, database, conn, self._reading)
        else:
            sql, parameters = self._query.sql, self._query.parameters
            rows = database.open_rows(conn, sql, parameters, self._reading)
        self._rows = rows
        self._make = None  # another connection may give cells in another way
        transactions.hold(self._conn, self)
        return rows

    def _give_back(self) -> None:
        wrote = self._rows is not None and self._rows.writes
        with transactions.unless_broken(self._database, self._conn):
            self._close_cursor()
            if self.give_up_transaction() and (wrote or not self._database.has_written(self._conn)):
                transactions.rollback(self._database, self._conn)

    def _finish(self) -> None:
        """Commit after the last row; when asked again, what the user wrote since then."""
        self._more = False
        try:
            self._close_cursor()
            self._ends_transaction = False
            if not self._database.is_closed(self._conn):
                transactions.commit(self._database, self._conn)
        except RowferryError:
            raise
        except Exception as error:  # noqa: BLE001 - what comes after the rows may fail as they may
            if not self._is_replaceable or not self._is_lost(error):
                self._fail(error)
            logger.debug("the source was lost after its last row: %s", error)

    def _close_cursor(self) -> None:
        rows, self._rows = self._rows, None
        transactions.let_go(self._conn, self)
        if rows is not None and not self._database.is_closed(self._conn):
            rows.close()

    # reading

    def _read(self, count: int) -> list[tuple[Any, ...]]:
        try:
            cells = self._cells(count)
        except Exception as error:  # drivers raise ValueError and the like as well
            if isinstance(error, RowferryError) and not isinstance(error, ConnectError):
                raise
            self._fail(error)
        if self._make is None:
            if self._rows is None or self._rows.cursor.description is None:
                return []  # a statement without rows has no columns to make some of
            self._make = self._maker(self._rows)
            self._kinds = self._rows.kinds
            self._description = self._rows.cursor.description
        return cells

    def _maker(self, rows: OpenRows) -> ChunkMaker:
        make, written = chunk_maker(self._query.row_factory, rows.cursor), written_of(rows)
        if written is None:
            return make
        names = column_names(rows.cursor)
        # As good as a list to all that read rows which nobody is to see.
        return cast("ChunkMaker", lambda cells: WrittenRows(cells, names, written, make))

    def _cells(self, count: int) -> list[tuple[Any, ...]]:
        """Fetch the next cells; where the connection is lost and can be replaced, on a new one."""
        cells: list[tuple[Any, ...]] = []
        while len(cells) < count:
            try:
                more = self._opened().fetch(count - len(cells))
            except Exception as error:
                if not self._goes_on_after(error):
                    raise
            else:
                self._failures = 0
                cells = cells + more if cells else more
                if not more or self._ordered is None:
                    break
        return cells

    def _opened(self) -> OpenRows:
        if self._rows is not None:
            return self._rows
        if not self._connected:
            conn = connections.connect_until(self._interrupted, self._query.conn)
            self._take(conn)
        return self._open()

    @property
    def _is_replaceable(self) -> bool:
        """Whether another connection can read on where this one was lost."""
        return self._is_own and self._ordered is not None

    def _is_lost(self, error: Exception) -> bool:
        if isinstance(error, RowferryError):
            return isinstance(error, ConnectError)
        return self._database.is_lost(self._conn, error)

    def _goes_on_after(self, error: Exception) -> bool:
        """Drop what was lost and wait a little; tell whether another connection is to be tried."""
        tried_enough = self._failures >= len(_PAUSES)
        if not self._is_replaceable or tried_enough or not self._is_lost(error):
            return False
        if self._interrupted.is_set():
            return False
        logger.warning("the source was lost, a new connection is to go on: %s", error)
        self._rows = None  # nothing of it is to be interrupted
        self._disconnect()
        self._failures += 1
        return not self._interrupted.wait(_PAUSES[self._failures - 1])

    def _take_kept(self, count: int) -> list[tuple[Any, ...]]:
        rows, self._kept = self._kept[:count], self._kept[count:]
        return rows

    def _fail(self, error: Exception) -> NoReturn:
        """Roll back all of the transaction, and say what was asked and what came back."""
        self._ends_transaction = False
        text = error_text(self._query.sql, self._database.paramstyle, error, self._advice(error))
        try:
            if not self._is_own:  # which is closed as it is
                with transactions.unless_broken(self._database, self._conn):
                    self._close_cursor()
                    transactions.rollback(self._database, self._conn)
        except Exception as another:  # noqa: BLE001 - it must not hide the first one
            error.add_note(f"and its transaction could not be rolled back: {another}")
        failed = SourceError(text)
        if is_mistake(self._database, error):
            failed.exit_code = ConfigError.exit_code  # to start the same again cannot help
        raise failed from error

    def _advice(self, error: Exception) -> str:
        if self._interrupted.is_set() or not self._is_lost(error):
            return self._database.advice(error)
        if self._is_replaceable:
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
