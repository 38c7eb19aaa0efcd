"""PyMySQL, in pure Python: what it does in its own way."""

from __future__ import annotations

import socket
import ssl
import sys
from typing import TYPE_CHECKING, Any

from rowferry.databases.mysql_rows import Stream
from rowferry.databases.mysql_values import (
    DATES,
    GEOMETRY,
    JSON,
    TEXTS,
    kinds_of,
    loaders,
    patient_text,
)
from rowferry.exceptions import DriverError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rowferry.databases.contract import Connection, Reading
    from rowferry.databases.mysql_literals import Writer
    from rowferry.databases.mysql_values import Loader

_IN_TRANSACTION = 1
_NO_BACKSLASHES = 512
"""Bits of the server's status. Source: include/mysql_com.h of either server."""

_BINARY = 63  # the character set of what is no text

_ONE_BYTE_AT_A_TIME = {"utf8mb4", "utf8mb3", "utf8", "latin1", "ascii", "binary"}
"""Character sets in which no character has a quote or a backslash for its second byte."""


class PyMySQL:
    """Connections of PyMySQL."""

    name = "pymysql"

    def owns(self, conn: object) -> bool:
        module = sys.modules.get("pymysql.connections")
        return module is not None and isinstance(conn, module.Connection)

    def connect(self, login: Mapping[str, Any], password: str | None) -> Connection:
        try:
            import pymysql
        except ImportError as error:
            raise DriverError(
                "MySQL and MariaDB need PyMySQL: pip install 'rowferry[mysql]'"
            ) from error
        if password is None:
            return pymysql.connect(**login)
        # As bytes, since it would encode text as Latin-1, which has no euro sign.
        return pymysql.connect(**{"password": password.encode(), **login})

    def is_open(self, conn: Connection) -> bool:
        return bool(conn.open)

    def in_transaction(self, conn: Connection) -> bool:
        """Tell it from the last answer; one with rows does not tell, and may have opened one."""
        if conn.server_status & _IN_TRANSACTION:
            return True
        with_rows = conn._result is not None and conn._result.field_count > 0  # noqa: SLF001
        return with_rows and not conn.get_autocommit()

    def cursor(self, conn: Connection) -> Any:
        from pymysql.cursors import Cursor

        return conn.cursor(Cursor)  # the user's own may give dicts

    def stream(self, conn: Connection, statement: bytes, reading: Reading) -> Stream:
        from pymysql.cursors import SSCursor

        cursor = conn.cursor(SSCursor)
        cursor.execute(statement)
        result = cursor._result  # noqa: SLF001
        if cursor.description is None:
            return Stream(cursor, None, lambda: False, lambda: None)
        ours = loaders(reading)
        result.converters = [
            _converter(field, encoding, loader, ours, tolerant=reading.tolerant)
            for field, (encoding, loader) in zip(result.fields, result.converters, strict=True)
        ]
        columns = [(field.name, field.type_code, _text(field)) for field in result.fields]
        plain = all(_is_plain(conn, field.type_code) for field in result.fields)
        kinds = kinds_of(columns, reading) if plain else None

        def disturbed() -> bool:
            return conn._result is not result or not result.unbuffered_active  # noqa: SLF001

        def forget() -> None:
            result.unbuffered_active = False  # else both read on when they are collected
            cursor.connection = None

        return Stream(cursor, kinds, disturbed, forget)

    def quoting(self, conn: Connection) -> Callable[[str], bytes]:
        escape, encoding = conn.escape, conn.encoding
        return lambda text: escape(text).encode(encoding)

    def binary(self, conn: Connection) -> Callable[[bytes], bytes]:
        if conn.charset not in _ONE_BYTE_AT_A_TIME:
            return lambda data: b"X'%s'" % data.hex().encode()

        def escaped(data: bytes) -> bytes:
            # Hexadecimal digits, the driver's way, would take twice as much of the packet.
            if not conn.server_status & _NO_BACKSLASHES:
                data = data.replace(b"\\", b"\\\\")
            return b"_binary'%s'" % data.replace(b"'", b"''")

        return escaped

    def registered(self, conn: Connection) -> Mapping[type, Writer]:
        from pymysql.converters import encoders

        def write(value: Any) -> bytes:
            return conn.escape(value).encode(conn.encoding)  # type: ignore[no-any-return]

        own = {kind for kind, encoder in conn.encoders.items() if encoders.get(kind) is not encoder}
        return dict.fromkeys(own, write)

    def number(self, conn: Connection) -> int:
        return int(conn.thread_id())

    def another(self, conn: Connection) -> Connection:
        import pymysql

        encrypted = isinstance(conn._sock, ssl.SSLSocket)  # noqa: SLF001
        return pymysql.connect(
            host=conn.host,
            port=conn.port,
            unix_socket=conn.unix_socket,
            user=conn.user,
            password=conn.password,
            ssl=conn.ctx if encrypted else None,
            ssl_disabled=not encrypted,  # else the driver reads all certificates, for 30 ms
            auth_plugin_map=conn._auth_plugin_map,  # noqa: SLF001
            server_public_key=conn.server_public_key,
            connect_timeout=5,
        )

    def shut(self, conn: Connection) -> None:
        conn._sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001


def _converter(
    field: Any,
    encoding: str | None,
    loader: Loader | None,
    ours: Mapping[int, Loader],
    *,
    tolerant: bool,
) -> tuple[str | None, Loader | None]:
    """Give our encoding and loader for a column, unless the user has a loader for its type."""
    code = field.type_code
    if not _is_default(code, loader):
        return encoding, loader
    if code in ours:
        return ("ascii" if code in DATES else encoding), ours[code]
    if tolerant and encoding is not None and code in TEXTS:
        return None, patient_text(encoding)
    return encoding, loader


def _is_default(code: int, loader: Loader | None) -> bool:
    from pymysql.converters import decoders, through

    default = decoders.get(code)
    return loader is default or (loader is None and default is through)


def _is_plain(conn: Connection, code: int) -> bool:
    return conn.use_unicode and _is_default(code, conn.decoders.get(code))


def _text(field: Any) -> type | None:
    """Tell whether a column is of str or of bytes; None: of neither."""
    if field.type_code == JSON:
        return str
    if field.type_code == GEOMETRY:
        return bytes
    if field.type_code not in TEXTS:
        return None
    return bytes if field.charsetnr == _BINARY else str
