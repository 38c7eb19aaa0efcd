"""Connections of the user's, and those of our own for a DbParams or a URL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rowferry.databases import recognise
from rowferry.db_params import connect, database_at

if TYPE_CHECKING:
    from rowferry.databases.contract import Connection, Database


def is_address(conn: Any) -> bool:
    """Tell whether *conn* says where to connect to, rather than being a connection."""
    return isinstance(conn, str | Mapping)


def database_of(conn: Any) -> Database:
    """
    Give the database of what a connection can be had of; connects to nothing.

    Raises:
        ConfigError: it is neither a connection, nor a DbParams or URL of a database known here.
    """
    return database_at(conn) if is_address(conn) else recognise(conn)[0]


@contextlib.contextmanager
def opened(conn: Any) -> Iterator[Connection]:
    """
    Give *conn*; where it is a DbParams or a URL, a connection that is closed after the block.

    Raises:
        ConnectError: the database cannot be reached or refuses the login.
        ConfigError: as `database_of`.
    """
    if not is_address(conn):
        yield conn
        return
    own = connect(conn)
    try:
        yield own
    finally:
        if not recognise(own)[0].is_closed(own):  # one that was lost may be
            own.close()


def same(one: Any, other: Any) -> bool:
    """Tell whether both are the driver's same connection, in a wrapper or not."""
    if is_address(one) or is_address(other):
        return False
    return recognise(one)[1] is recognise(other)[1]
