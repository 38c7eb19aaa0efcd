"""What PyMySQL and mysqlclient do each in its own way, for `mysql.py` to build on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rowferry.databases.contract import Connection, Reading
    from rowferry.databases.mysql_literals import Writer
    from rowferry.databases.mysql_rows import Stream


class Driver(Protocol):
    """What each of the drivers does in its own way."""

    @property
    def name(self) -> str:
        """The module."""
        ...

    def owns(self, conn: object) -> bool:
        """Tell whether *conn* is a connection of this driver; never imports it."""
        ...

    def connect(self, login: Mapping[str, Any], password: str | None) -> Connection:
        """Connect; *login* has the driver's words."""
        ...

    def is_open(self, conn: Connection) -> bool:
        """Tell whether the connection was neither closed nor found lost."""
        ...

    def in_transaction(self, conn: Connection) -> bool:
        """Tell whether a transaction is open, or may be; asks no server."""
        ...

    def cursor(self, conn: Connection) -> Any:
        """Give a cursor that holds its rows, as tuples."""
        ...

    def stream(self, conn: Connection, statement: bytes, reading: Reading) -> Stream:
        """Execute *statement*, and hold none of its rows."""
        ...

    def quoting(self, conn: Connection) -> Callable[[str], bytes]:
        """Give what makes SQL of a text."""
        ...

    def binary(self, conn: Connection) -> Callable[[bytes], bytes]:
        """Give what makes SQL of bytes."""
        ...

    def registered(self, conn: Connection) -> Mapping[type, Writer]:
        """Give what makes SQL of types of the user's own."""
        ...

    def number(self, conn: Connection) -> int:
        """Give the server's number of *conn*; another thread may be using it."""
        ...

    def another(self, conn: Connection) -> Connection:
        """Open another connection with the login of *conn*, as far as it is known."""
        ...

    def shut(self, conn: Connection) -> None:
        """Have whoever waits on *conn* get an error."""
        ...
