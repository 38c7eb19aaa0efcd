"""Connections of the user's, and those of our own for a DbParams or a URL."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from rowferry import transactions
from rowferry.databases import recognise
from rowferry.db_params import connect, database_at
from rowferry.exceptions import ConnectError

if TYPE_CHECKING:
    from rowferry.databases.contract import Connection, Database

_LOOK_EACH = 0.05
"""Seconds after which somebody who waits for a connection looks whether it is still wanted."""


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
        with transactions.unless_broken(*recognise(own)):  # some drivers refuse to close it again
            own.close()


def same(one: Any, other: Any) -> bool:
    """Tell whether both are the driver's same connection, in a wrapper or not."""
    if is_address(one) or is_address(other):
        return False
    return recognise(one)[1] is recognise(other)[1]


def connect_until(stop: threading.Event, address: Any) -> Connection:
    """
    Connect, but wait for it no longer than until *stop* is set.

    A driver may wait for minutes, and cannot be interrupted: so it does on a thread of its own,
    which closes what came too late.

    Raises:
        ConnectError: the database cannot be reached or refuses the login, or *stop* was set.
    """
    coming: Future[Connection] = Future()
    threading.Thread(target=_bring, args=(address, coming), daemon=True).start()
    try:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                return coming.result(_LOOK_EACH)
    finally:
        coming.cancel()  # which does nothing to one that has come
    raise ConnectError("interrupted while a new connection was waited for")


def _bring(address: Any, coming: Future[Connection]) -> None:
    try:
        conn = connect(address)
    except Exception as error:  # noqa: BLE001 - it is raised where the connection is waited for
        if coming.set_running_or_notify_cancel():
            coming.set_exception(error)
        return
    if coming.set_running_or_notify_cancel():
        coming.set_result(conn)
    else:
        conn.close()
