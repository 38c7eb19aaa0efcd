"""
What every database is to the rest of rowferry.

A database is one file beside this one, with a class that keeps the `Database` contract, and one
line in this folder's `__init__`. It knows its driver; nothing above knows any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from rowferry.column_types import ColumnType
    from rowferry.written_rows import Written

Connection: TypeAlias = Any
"""A connection of a database's driver."""

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]
"""What fills the placeholders of a statement, in order or by name."""


ADDRESSES = (
    *(IPv4Address, IPv4Interface, IPv4Network),
    *(IPv6Address, IPv6Interface, IPv6Network),
)
"""What psycopg makes of inet and cidr; their `str()` is what PostgreSQL writes."""


class Column(NamedTuple):
    """
    A column of a table.

    Attributes:
        type: as the database writes it.
        not_null: True where NULL is refused.
        has_default: True where a value comes from elsewhere if an INSERT gives none.
    """

    name: str
    type: str
    not_null: bool
    has_default: bool


class Unreadable:
    """
    Stands in a row for a value that the driver cannot convert.

    Attributes:
        text: the value as the database writes it, or as near as can be told.
        reason: the driver's words.
        dbtype: of the databases that read *text* as this very value; empty where none does.
    """

    # no dataclass: msgspec would write it as an object, where it has to be refused
    __slots__ = ("dbtype", "reason", "text")

    def __init__(self, text: str, reason: str, dbtype: str = "") -> None:
        self.text = text
        self.reason = reason
        self.dbtype = dbtype

    def text_for(self, dbtype: str) -> str:
        """
        Give the text to store in a database.

        Raises:
            ValueError: it may take it for something else.
        """
        if dbtype != self.dbtype:
            raise ValueError(
                f"{self.text!r} is not copied to another kind of database: {self.reason}"
            )
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unreadable) and (self.text, self.reason) == (
            other.text,
            other.reason,
        )

    def __hash__(self) -> int:
        return hash((self.text, self.reason))

    def __repr__(self) -> str:
        return f"Unreadable({self.text!r}, {self.reason!r})"


class Reading(NamedTuple):
    """
    How the rows of a query are to be read.

    Attributes:
        tolerant: a value that cannot be converted comes as `Unreadable` (or, where it is text, with
            lone surrogates), instead of failing its neighbours.
        unread: nobody looks at the values, which only go on: JSON comes as `RawJSON`; what Python
            would change, or has no type for that others know, as the database writes it.
        alone: nobody else uses the connection before the rows are closed, so that the next ones may
            be asked for ahead.
        looked_at: the only columns whose values anybody may look at, where the others go on as
            JSON, and may come as `written_of` says; None: all are as they ever are.
    """

    tolerant: bool = False
    unread: bool = False
    alone: bool = False
    looked_at: frozenset[str] | None = None


class OpenRows(Protocol):
    """
    The rows of a query that was executed.

    Attributes:
        cursor: the driver's, for row factories; its `description` is known after the first fetch.
        writes: True where the statement may have changed data.
        kinds: the Python type of every column's cells, by its name, where the database and the
            driver fix them (None and `Unreadable` aside); None where a cell may be of any type.
    """

    @property
    def cursor(self) -> Any: ...
    @property
    def writes(self) -> bool: ...
    @property
    def kinds(self) -> Mapping[str, type] | None: ...

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        """Give the next *count* rows, fewer only at the end; none where there is no result."""
        ...

    def close(self) -> None:
        """Free what the driver and the server hold. May be called on a broken connection."""
        ...


def written_of(rows: OpenRows) -> Written | None:
    """
    Give how the cells of *rows* come where nobody looks at them; None: as objects.

    A database may have rows with an attribute of this name; it is no duty.
    """
    return getattr(rows, "written", None)


def is_mistake(database: Database, error: BaseException) -> bool:
    """
    Tell whether a driver's error says that the statement is wrong, and will be the next time.

    A database may have a method of this name; it is no duty, but for those whose drivers do not
    raise ProgrammingError for it.

    Source: PEP 249.
    """
    own = getattr(database, "is_mistake", None)
    if own is not None:
        return bool(own(error))
    return any(kind.__name__ == "ProgrammingError" for kind in type(error).__mro__)


class RowsRefusedError(Exception):
    """
    Some of the rows were refused, and all others written: what a `Writer` may raise.

    Attributes:
        errors: what the driver would raise for each of them alone, by its position in the rows.
    """

    def __init__(self, errors: Mapping[int, Exception]) -> None:
        super().__init__(f"{len(errors)} rows were refused")
        self.errors = errors


class Writer(Protocol):
    """Executes a statement once a row, chunk after chunk; it may learn from one to the next."""

    def write(self, rows: list[Any]) -> None:
        """
        Execute the statement for each of *rows*, in order; raise what the driver raises.

        Raises:
            RowsRefusedError: the database told at once of every row that it refused.
        """
        ...

    def culprit(self, error: BaseException) -> int | None:
        """
        Give the position, in the rows that were written last, of the one that *error* is about.

        None where the driver does not tell.
        """
        ...


class Piece(NamedTuple):
    """
    Some rows of a table, in a form that only the driver understands.

    Attributes:
        rows: how many.
    """

    rows: int
    data: bytes


class Stream(Protocol):
    """
    A statement that takes rows, chunk after chunk, without a wait for each.

    A row that is refused is told with a later chunk, or at the end.
    """

    def write(self, rows: list[Any]) -> bool:
        """Send *rows* on their way; False, and nothing sent, where a `Writer` has to do it."""
        ...

    def finish(self) -> None:
        """Wait until all rows are in, or raise why they are not. May be called again."""
        ...

    def abandon(self) -> None:
        """Give up what is not finished; the transaction is to be rolled back."""
        ...


class TableCopy(Protocol):
    """A whole table on its way to another; written as a `Stream` is, by the piece."""

    def read(self, count: int) -> Piece:
        """Give the next *count* rows; fewer only at the end, and none after it."""
        ...

    def write(self, piece: Piece) -> bool:
        """Send *piece* on its way."""
        ...

    def finish(self) -> None:
        """Wait until all is in, or raise why it is not. May be called again."""
        ...

    def abandon(self) -> None:
        """Give up what is not finished; the transaction is to be rolled back."""
        ...

    def close(self) -> None:
        """End the reading. May be called on a broken connection."""
        ...


class Database(Protocol):
    """
    A database and one driver of it.

    Attributes:
        dbtype: ETLHelper's name, as in `DbParams(dbtype="PG")`.
        schemes: of URLs.
        driver: the module that serves it; the first database of a dbtype is its default.
        paramstyle: DB-API's word for the placeholders.
        required: the names of the parameters of a connection, all of them needed.
        savepoints: True where a part of a transaction can be undone. Elsewhere an error ends the
            transaction; `savepoint`, `release` and `undo` then begin, commit and roll back one.
        session_locks: the queries that try to take the lock of a number for as long as the
            connection lasts, and that give it back; their one parameter goes by position. None
            where there are no such locks.
    """

    @property
    def dbtype(self) -> str: ...
    @property
    def schemes(self) -> tuple[str, ...]: ...
    @property
    def driver(self) -> str: ...
    @property
    def paramstyle(self) -> str: ...
    @property
    def required(self) -> tuple[str, ...]: ...
    @property
    def savepoints(self) -> bool: ...
    @property
    def session_locks(self) -> tuple[str, str] | None: ...

    # Connections: made, recognised, described.

    def owns(self, conn: object) -> bool:
        """Tell whether *conn* is a connection of this driver; never imports the driver."""
        ...

    def connect(
        self, params: Mapping[str, Any], password: str | None, options: Mapping[str, Any]
    ) -> Connection:
        """
        Connect; *options* go to the driver as they are.

        Raises:
            DriverError: the driver is not installed; the message names the extra.
        """
        ...

    def params_of_url(self, url: SplitResult) -> dict[str, Any]:
        """Give the parameters that *url* holds, defaults filled in; the password is not one."""
        ...

    def connection_string(self, params: Mapping[str, Any], password: str | None) -> str:
        """Give what the driver's connect function takes as one string."""
        ...

    def sqlalchemy_url(self, params: Mapping[str, Any], password: str | None) -> str:
        """Give the URL for SQLAlchemy's create_engine."""
        ...

    def is_reachable(self, params: Mapping[str, Any], timeout: float) -> bool:
        """Tell within *timeout* seconds whether something is there to connect to."""
        ...

    # Transactions.

    def is_closed(self, conn: Connection) -> bool:
        """Tell whether *conn* can be used no more."""
        ...

    def is_lost(self, conn: Connection, error: BaseException) -> bool:
        """
        Tell whether *error*, of a fetch, is about the connection or its cursor, not the query.

        True says that the same query may well be read on over another connection: the server went
        away, ended an idle transaction or a slow statement, dropped the cursor.
        """
        ...

    def is_autocommit(self, conn: Connection) -> bool:
        """Tell whether a statement on *conn* commits itself unless a BEGIN came before."""
        ...

    def in_transaction(self, conn: Connection) -> bool:
        """
        Tell whether a transaction is open; the server is asked only where no driver can tell.

        Always True where the driver opens the next transaction itself when one ends.
        """
        ...

    def in_users_transaction(self, conn: Connection) -> bool:
        """Tell whether the user opened a transaction in so many words, and will end it."""
        ...

    def begin(self, conn: Connection) -> None:
        """Open a transaction if none is."""
        ...

    def commit(self, conn: Connection) -> None:
        """Commit what is open, also on an autocommit connection."""
        ...

    def rollback(self, conn: Connection) -> None:
        """Roll back what is open, also on an autocommit connection."""
        ...

    def savepoint(self, conn: Connection) -> None:
        """Set the savepoint; a transaction is open."""
        ...

    def release(self, conn: Connection) -> None:
        """Forget the latest savepoint and keep what came after it."""
        ...

    def undo(self, conn: Connection) -> None:
        """Roll back to the latest savepoint, and forget it."""
        ...

    def has_written(self, conn: Connection) -> bool:
        """Tell whether the open transaction has changed data; if nobody can tell, say True."""
        ...

    # Statements.

    def quote(self, name: str) -> str:
        """
        Give *name* as SQL that means exactly this name, whatever characters it has.

        Raises:
            BadIdentifierError: the database can have no such name, or would cut it.
        """
        ...

    def identifier(self, name: str) -> str:
        """
        Give a plain *name* as it is to stand in a statement.

        That is as it is, so that its capital letters count no more than ever; a reserved word is
        quoted, in the letters that the name would have without quotes.
        """
        ...

    def named_placeholder(self, name: str) -> str:
        """Give the placeholder of the parameter *name*, for rows that are mappings."""
        ...

    def positional_placeholder(self, name: str) -> str:
        """
        Give the placeholder of the next parameter, for rows that are sequences.

        Args:
            name: what it is called, where it has to be called something: its number from 1.
        """
        ...

    def open_rows(
        self, conn: Connection, sql: str, parameters: Parameters, reading: Reading
    ) -> OpenRows:
        """Execute *sql*, give its rows, as far as possible without holding them all in memory."""
        ...

    def interrupt(self, conn: Connection) -> None:
        """Make the statement that another thread runs on *conn* fail soon."""
        ...

    def execute(self, conn: Connection, sql: str, parameters: Parameters) -> None:
        """Execute *sql*, forget its rows."""
        ...

    def writer(self, conn: Connection, sql: str) -> Writer:
        """
        Give what executes *sql* for the chunks of one run.

        Where *sql* is a plain INSERT, and the table allows it, by the database's fast road; what is
        stored and what is refused is the same either way.
        """
        ...

    def stream(self, conn: Connection, sql: str) -> Stream | None:
        """Give what executes *sql* for many chunks at once; None where a `Writer` is as fast."""
        ...

    def table_copy(
        self, source: Connection, table: str, dest: Connection, target: str
    ) -> TableCopy | None:
        """
        Give what copies *table* into *target*, both on connections of this driver.

        None where reading rows and inserting them is the best there is, or would do something else.
        """
        ...

    def upsert(
        self,
        table: str,
        columns: Sequence[str],
        placeholders: Sequence[str],
        key: Sequence[str],
        *,
        update: bool,
    ) -> str:
        """
        Give the statement that inserts a row, or skips or updates the one whose *key* is there.

        Args:
            table, columns, key: plain names.
            placeholders: as they are to stand in the statement.
            update: True: the other columns take the new values; False: the old row stays.
        """
        ...

    def key_expressions(
        self, conn: Connection, types: Mapping[str, Any], key: Sequence[str]
    ) -> list[str]:
        """
        Give what to order and compare the rows of a query `q` by, for each column of *key*.

        That is the column, as `q."name"`, or the column under a binary collation wherever its own
        can hold different texts equal.

        Args:
            types: by the name of a column, the driver's `type_code` in the cursor's description.
        """
        ...

    def key_value(self, expression: str, placeholder: str) -> str:
        """Give *placeholder* as *expression*, one of `key_expressions`, is to be compared with."""
        ...

    # Types of columns.

    def column_type(self, declared: str) -> ColumnType:
        """Give what a column holds that `columns_query` gives as *declared*; if unsure, text."""
        ...

    def declaration(self, column_type: ColumnType, *, in_key: bool) -> str:
        """Give the type to declare a column with; *in_key* where it is part of a primary key."""
        ...

    def create_table(self, table: str, lines: Sequence[str]) -> str:
        """
        Give the statement that makes *table* where there is none.

        Args:
            lines: the columns with their types, then the primary key where there is to be one.
        """
        ...

    def columns_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        """Give the query of the columns of *table*: schema, name, type, not_null, has_default."""
        ...

    def key_query(self, table: str, schema: str | None) -> tuple[str, Parameters]:
        """Give the query of the primary key's columns of *table*, in their order: schema, name."""
        ...

    def advice(self, error: BaseException) -> str:
        """Say how to rewrite a statement that failed with *error*; mostly an empty text."""
        ...
