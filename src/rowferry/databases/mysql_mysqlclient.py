"""mysqlclient (the module MySQLdb), on top of the client library in C."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import sys
import weakref
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rowferry.databases.mysql_rows import Stream
from rowferry.databases.mysql_values import GEOMETRY, JSON, TEXTS, kinds_of, loaders, patient_text
from rowferry.exceptions import DriverError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rowferry.databases.contract import Connection, Reading
    from rowferry.databases.mysql_literals import Writer
    from rowferry.databases.mysql_values import Loader

_LOST = {2006, 2013, 2055}

_SERVER_STATUS = 30
"""MARIADB_CONNECTION_SERVER_STATUS in enum mariadb_value. Source: MariaDB Connector/C, mysql.h."""

_IN_TRANSACTION = 1


class MySQLdb:
    """Connections of mysqlclient."""

    name = "MySQLdb"

    def __init__(self) -> None:
        self._logins: weakref.WeakKeyDictionary[Connection, dict[str, Any]] = (
            weakref.WeakKeyDictionary()
        )
        # Of those that were read from: no other thread may ask a connection that is in use.
        self._lines: weakref.WeakKeyDictionary[Connection, tuple[int, int]] = (
            weakref.WeakKeyDictionary()
        )

    def owns(self, conn: object) -> bool:
        module = sys.modules.get("MySQLdb.connections")
        return module is not None and isinstance(conn, module.Connection)

    def connect(self, login: Mapping[str, Any], password: str | None) -> Connection:
        try:
            import MySQLdb
        except ImportError as error:
            raise DriverError(
                "driver=\"MySQLdb\" needs mysqlclient: pip install 'rowferry[mysqlclient]'"
            ) from error
        known = dict(login) if password is None else {"password": password, **login}
        if known.get("host") == "localhost":
            known["host"] = "127.0.0.1"  # else the library takes a socket, and no port
        conn = MySQLdb.connect(**known)
        self._logins[conn] = known
        return conn

    def is_open(self, conn: Connection) -> bool:
        return bool(conn.open) and conn.errno() not in _LOST

    def in_transaction(self, conn: Connection) -> bool:
        """Tell it from the server's last answer; MySQL's own library keeps that to itself."""
        tell = _teller()
        if tell is None:
            return not conn.get_autocommit()
        status = ctypes.c_uint()
        tell(_pointer(conn), _SERVER_STATUS, ctypes.byref(status))
        return bool(status.value & _IN_TRANSACTION)

    def cursor(self, conn: Connection) -> Any:
        from MySQLdb.cursors import Cursor

        return conn.cursor(Cursor)  # the user's own may give dicts

    def stream(self, conn: Connection, statement: bytes, reading: Reading) -> Stream:
        from MySQLdb.cursors import SSCursor

        self._lines[conn] = conn.thread_id(), conn.fileno()
        cursor = conn.cursor(SSCursor)
        ours = _loaders(conn, reading)
        with _converting(conn, ours):
            cursor.execute(statement)
        kinds = None
        if cursor.description is not None and _is_plain(cursor, ours):
            kinds = kinds_of(_columns(cursor), reading)

        def forget() -> None:
            with contextlib.suppress(conn.Error):  # the same once more
                cursor.close()

        return Stream(cursor, kinds, lambda: False, forget)  # it refuses other statements itself

    def quoting(self, conn: Connection) -> Callable[[str], bytes]:
        quote, encoding = conn.string_literal, conn.encoding
        return lambda text: quote(text.encode(encoding))

    def binary(self, conn: Connection) -> Callable[[bytes], bytes]:
        quote = conn.string_literal
        return lambda data: b"_binary%s" % quote(data)

    def registered(self, conn: Connection) -> Mapping[type, Writer]:
        from MySQLdb.converters import conversions

        encoders = conn.encoders.items()
        own = {kind for kind, encoder in encoders if conversions.get(kind) is not encoder}
        return dict.fromkeys(own, conn.literal)

    def number(self, conn: Connection) -> int:
        return self._lines[conn][0]

    def another(self, conn: Connection) -> Connection:
        import MySQLdb

        # A connection does not keep its password, so one that we did not open is tried without.
        known = self._logins.get(conn) or {"host": conn.host or "", "port": conn.port}
        return MySQLdb.connect(**{"user": conn.user or "", **known, "connect_timeout": 5})

    def shut(self, conn: Connection) -> None:
        with socket.socket(fileno=os.dup(self._lines[conn][1])) as line:
            line.shutdown(socket.SHUT_RDWR)


def _columns(cursor: Any) -> list[tuple[str, int, type | None]]:
    """Give the name and type of each column, and whether it is of str or of bytes."""
    columns = zip(cursor.description, cursor._result.converter, strict=True)  # noqa: SLF001
    return [(column[0], column[1], _text(column[1], loader)) for column, loader in columns]


def _is_plain(cursor: Any, ours: Mapping[int, Any]) -> bool:
    """Tell whether all cells are made by loaders of ours or of the driver."""
    from MySQLdb.converters import conversions

    for column, loader in zip(cursor.description, cursor._result.converter, strict=True):  # noqa: SLF001
        own = ours.get(column[1])
        if isinstance(own, tuple):
            own = own[-1][1]  # of text that is not binary
        if loader not in {str, bytes, own, conversions.get(column[1])}:
            return False
    return True


def _text(code: int, loader: Loader | None) -> type | None:
    if code == GEOMETRY:
        return bytes
    if code not in TEXTS and code != JSON:
        return None
    return bytes if loader in {bytes, None} else str


def _loaders(conn: Connection, reading: Reading) -> dict[int, Any]:
    """Give our loaders, for the types for which the user has none."""
    from MySQLdb.converters import _bytes_or_str, conversions

    ours: dict[int, Any] = dict(loaders(reading))
    if reading.tolerant:
        text = (_bytes_or_str[0], (None, patient_text(conn.encoding)))
        ours |= dict.fromkeys((code for code in TEXTS if code in conn.converter), text)
    return {
        code: loader
        for code, loader in ours.items()
        if conn.converter.get(code) in (conversions.get(code), _bytes_or_str, str)
    }


@contextlib.contextmanager
def _converting(conn: Connection, loaders: Mapping[int, Any]) -> Iterator[None]:
    """Set the connection's loaders for one statement; its result keeps them."""
    before = dict(conn.converter)
    conn.converter.update(loaders)
    try:
        yield
    finally:
        conn.converter.clear()
        conn.converter.update(before)


@lru_cache(maxsize=1)
def _teller() -> Any:
    """Give MariaDB's function that tells what a library knows; None with MySQL's library."""
    from MySQLdb import _mysql

    try:
        return ctypes.CDLL(_mysql.__file__).mariadb_get_infov
    except AttributeError:
        return None


def _pointer(conn: Connection) -> ctypes.c_void_p:
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype = ctypes.c_void_p
    pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    capsule = conn._get_native_connection()  # noqa: SLF001 - there for libraries such as this one
    return ctypes.c_void_p(pointer(capsule, b"_mysql.connection.native_connection"))
