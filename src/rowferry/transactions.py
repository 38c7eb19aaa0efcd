"""
Who ends a connection's transaction, and whose rows are still to come on it.

The outermost verb owns commit and rollback: a query read within a load on the same connection
commits nothing. One reader at a time holds a cursor on a connection: before another statement of
ours its remaining rows are fetched into memory, since a rollback ends a cursor, and on some
databases the next statement's result comes out of it.
"""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowferry.databases.contract import Connection, Database

# By id, for sqlite3's connections cannot be referenced weakly. An id stands for its connection
# while the reader or the verb lives, as they hold it.
_readers: dict[int, weakref.ref[Any]] = {}
_owned: set[int] = set()


class Holder(Protocol):
    """What holds a cursor open on a connection."""

    def keep_rest(self) -> None:
        """Fetch what is left into memory and close the cursor."""
        ...

    def give_up_transaction(self) -> bool:
        """Give away the duty to end the transaction; True if it was there."""
        ...


def make_way(conn: Connection) -> bool:
    """
    Have the open reader of *conn* keep its rest; needed before each statement of ours.

    Returns:
        True if the transaction that is open was that reader's to end, and is the caller's now.
    """
    known = _readers.pop(id(conn), None)
    reader: Holder | None = known() if known else None
    if reader is None:
        return False
    reader.keep_rest()
    return reader.give_up_transaction()


def hold(conn: Connection, reader: Holder) -> None:
    """Note that *reader* has a cursor on *conn*; `make_way` was called before."""
    _readers[id(conn)] = weakref.ref(reader)


def let_go(conn: Connection, reader: Holder) -> None:
    """Forget *reader*, whose cursor is closed."""
    known = _readers.get(id(conn))
    if known is not None and known() in {None, reader}:
        del _readers[id(conn)]


def is_owned(conn: Connection) -> bool:
    """Tell whether a verb that writes on *conn* is at work, and will end the transaction."""
    return id(conn) in _owned


@contextmanager
def own(database: Database, conn: Connection) -> Iterator[bool]:
    """
    Own the transaction of *conn* while the block lasts.

    Gives:
        True: this is the outermost verb, it commits and rolls back. False: a verb around it, or
        the user (a BEGIN on an autocommit connection, `with conn.transaction()`) will.
    """
    if is_owned(conn) or database.in_users_transaction(conn):
        yield False
        return
    _owned.add(id(conn))
    try:
        yield True
    finally:
        _owned.discard(id(conn))


def commit(database: Database, conn: Connection) -> None:
    """End a read well: commit, unless somebody else will."""
    if not is_owned(conn) and not _nothing_to_end(database, conn):
        database.commit(conn)


def rollback(database: Database, conn: Connection) -> None:
    """End a failed read: roll back, unless somebody else will."""
    with unless_broken(database, conn):
        if not is_owned(conn) and not _nothing_to_end(database, conn):
            database.rollback(conn)


@contextmanager
def unless_broken(database: Database, conn: Connection) -> Iterator[None]:
    """Tidy up in the block; a connection that proves to be broken has nothing left to tidy."""
    try:
        yield
    except Exception as error:
        if not database.is_closed(conn) and not database.is_lost(conn, error):
            raise


def _nothing_to_end(database: Database, conn: Connection) -> bool:
    return database.is_autocommit(conn) or database.in_users_transaction(conn)
