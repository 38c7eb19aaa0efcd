"""What a driver of SQL Server does in its own way, and what it connects with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from rowferry.databases.contract import Connection, Reading
    from rowferry.databases.mssql_values import Written


class Into(NamedTuple):
    """
    Where the rows of a statement go.

    Attributes:
        plain: whether it is a plain INSERT, whose placeholders are of its columns' types.
        columns: gives the columns that are filled, as in a description; none if unknown.
    """

    plain: bool
    columns: Callable[[], Sequence[Any]]


class Driver(Protocol):
    """What each of the drivers does in its own way."""

    @property
    def name(self) -> str:
        """The module."""
        ...

    @property
    def written(self) -> Written:
        """What values are made of before they are bound."""
        ...

    def owns(self, conn: object) -> bool:
        """Tell whether *conn* is a connection of this driver; never imports it."""
        ...

    def connect(self, params: Mapping[str, Any], login: Login) -> Connection:
        """
        Connect.

        Raises:
            DriverError: the driver, or what it needs, is not installed.
        """
        ...

    def connection_string(self, params: Mapping[str, Any], words: Mapping[str, Any]) -> str:
        """Give what the driver connects with; *words* come beside where and as whom."""
        ...

    def cancel(self, cursor: Any) -> None:
        """Have what another thread waits for on *cursor* fail."""
        ...

    def converters(self, conn: Connection, reading: Reading) -> AbstractContextManager[None]:
        """Have the connection convert what the driver cannot, for our own fetches only."""
        ...

    def tuples(self, rows: list[Any]) -> list[tuple[Any, ...]]:
        """Give what was fetched as tuples."""
        ...

    def kinds(self, conn: Connection, cursor: Any) -> Mapping[str, type] | None:
        """Give the types of cells as `OpenRows.kinds`."""
        ...

    def execute_array(self, cursor: Any, sql: str, rows: list[Any], into: Into) -> bool:
        """Execute *sql* for all *rows* at once; where that is not safe, do nothing, give False."""
        ...


def _is_true(value: Any) -> bool:
    return str(value).lower() in {"1", "true", "yes", "on"}


_NAMES = {"password": "PWD", "user": "UID", "dbname": "Database"}
_OPTIONS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("autocommit", "native_uuid", "readonly"), _is_true),
    **dict.fromkeys(("attrs_before", "token_provider"), lambda value: value),
    "timeout": int,
}
"""What is no word of a connection string: what makes the value of a text, as it is in a URL."""


class Login:
    """
    What a connection is opened with, beside where it goes.

    Attributes:
        words: of the connection string.
        options: of the driver's connect function.
    """

    def __init__(self, password: str | None, options: Mapping[str, Any]) -> None:
        given = {} if password is None else {"PWD": password}
        self.options = {
            name: _OPTIONS[name](value) for name, value in options.items() if name in _OPTIONS
        }
        self.words = given | {
            _NAMES.get(name, name): value for name, value in options.items() if name not in _OPTIONS
        }

    def __repr__(self) -> str:
        return f"Login({', '.join(self.words)})"  # no values, among which is the password


def connection_words(words: Mapping[str, Any]) -> str:
    """Give a connection string; every value is in braces, in which only their end is special."""
    return "".join(f"{name}={{{str(value).replace('}', '}}')}}};" for name, value in words.items())
