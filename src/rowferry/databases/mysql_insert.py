"""
Rows into MySQL and MariaDB: many rows a statement, and nothing changed silently.

One INSERT of many rows is what makes loading fast, but servers are more lenient with it than with
many INSERTs of one row: where the mode is not strict, and with MyISAM even where it is, what does
not fit is cut, and NULL becomes 0. The server warns, and a warning is an error here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rowferry.databases.contract import Connection

_NAME = r"(?:`(?:[^`]|``)+`|[\w$]+)"
_PLACEHOLDER = r"(?:%s|%\((?:[^()]|\([^()]*\))+\)s)"
_INSERT = re.compile(
    rf"""
    \s*(?P<head>(?:INSERT|REPLACE)\s+(?P<ignore>IGNORE\s+)?(?:INTO\s+)?{_NAME}(?:\s*\.\s*{_NAME})?
        \s*(?:\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\)\s*)?VALUES?\s*)
    \(\s*(?P<values>{_PLACEHOLDER}(?:\s*,\s*{_PLACEHOLDER})*)\s*\)
    (?P<tail>\s*(?:ON\s+DUPLICATE\s+KEY\s+UPDATE\b.*)?);?\s*\Z
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)

_TRUNCATED = 1265

_CHANGES = {
    1048,  # NULL in a column that is NOT NULL: becomes 0 or an empty text
    1263,
    1264,  # out of range: becomes the nearest value
    _TRUNCATED,
    1292,  # no such date, no such number
    1299,  # no such moment in this time zone
    1300,  # invalid text
    1364,  # no value and no default: becomes 0 or an empty text
    1366,  # no such value of the type
    1406,  # too long
    1411,
    1441,  # dates out of range
}
"""Warnings that say that another value was stored than was given."""

_STATEMENT_BYTES = 512 * 1024
"""A statement is sent once it has this size; longer ones gain nothing."""

_HEADER_BYTES = 1024  # of the packet around a statement; more than it needs

_FAILED_ROW = (
    b"GET DIAGNOSTICS CONDITION 1 @rowferry_error = MYSQL_ERRNO, @rowferry_row = ROW_NUMBER"
)
_NO_TRIGGER_RAN = (
    b"SELECT @rowferry_error, @rowferry_row FROM information_schema.session_status "
    b"WHERE variable_name = 'EXECUTED_TRIGGERS' AND variable_value = '0'"
)


class Template(NamedTuple):
    """
    An INSERT of one row that can be one of many.

    Attributes:
        head, tail: what stands before and after the rows.
        names: of the placeholders; None where they are positional.
        width: how many there are.
        lenient: INSERT IGNORE, whose user wants no errors.
    """

    head: str
    tail: str
    names: tuple[str, ...] | None
    width: int
    lenient: bool


def template(sql: str) -> Template | None:
    """Take a plain `INSERT INTO t (a, b) VALUES (%s, %s)` apart; None where *sql* is no such."""
    found = _INSERT.match(sql)
    if found is None or re.search(_PLACEHOLDER, found["tail"]):
        return None
    placeholders = re.findall(_PLACEHOLDER, found["values"])
    named = [placeholder[2:-2] for placeholder in placeholders if placeholder != "%s"]
    if named and len(named) < len(placeholders):
        return None
    head, tail = (found[part].replace("%%", "%") for part in ("head", "tail"))
    lenient = found["ignore"] is not None
    return Template(head, tail, tuple(named) or None, len(placeholders), lenient)


def cells_of(template: Template) -> Callable[[Any], Sequence[Any]]:
    """Give what takes the cells of a row in the order of the placeholders."""
    names, width = template.names, template.width
    if names is None:

        def positional(row: Any) -> Sequence[Any]:
            if isinstance(row, Mapping) or len(row) != width:
                raise TypeError(f"a row for this statement is a sequence of {width} values")
            return row  # type: ignore[no-any-return]

        return positional
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)


class EachRow:
    """
    Executes a statement once a row.

    Args:
        bound: gives the statement with a row for its placeholders.
        run: executes a statement and gives the number of warnings.
        ask: gives the rows of a query.
    """

    def __init__(
        self,
        conn: Connection,
        bound: Callable[[Any], bytes],
        run: Callable[[bytes], int],
        ask: Callable[[bytes], Sequence[Any]],
    ) -> None:
        self._conn = conn
        self._bound, self._run, self._ask = bound, run, ask
        self._at = 0

    def write(self, rows: list[Any]) -> None:
        for self._at, row in enumerate(rows):
            if self._run(self._bound(row)):
                _refuse_changes(self._conn, self._ask(b"SHOW WARNINGS"))

    def culprit(self, error: BaseException) -> int | None:
        del error
        return self._at


class ManyRows:
    """
    Executes an INSERT for many rows, as few statements.

    Args:
        row: gives the cells of a row as SQL, `(1,'a')`.
        run, ask: as of `EachRow`.
    """

    def __init__(
        self,
        conn: Connection,
        template: Template,
        *,
        row: Callable[[Sequence[Any]], bytes],
        run: Callable[[bytes], int],
        ask: Callable[[bytes], Sequence[Any]],
    ) -> None:
        self._conn = conn
        self._lenient = template.lenient
        self._head = template.head.encode(conn.encoding)
        self._tail = template.tail.encode(conn.encoding)
        self._cells = cells_of(template)
        self._text, self._run, self._ask = row, run, ask
        self._most: int | None = None
        self._strict = False
        self._sent = 0
        self._culprit: int | None = None

    def write(self, rows: list[Any]) -> None:
        self._culprit = None
        if self._most is None:
            packet, mode = self._ask(b"SELECT @@max_allowed_packet, @@sql_mode")[0]
            self._most, self._strict = int(packet) - _HEADER_BYTES, "STRICT_" in mode
        self._sent = 0
        enough = min(self._most, _STATEMENT_BYTES)
        batch: list[bytes] = []
        size = around = len(self._head) + len(self._tail)
        for position, row in enumerate(rows):
            text = self._row(position, row, self._most - around)
            if batch and size + len(text) > enough:
                self._send(batch)
                batch, size = [], around
            batch.append(text)
            size += len(text) + 1
        self._send(batch)

    def culprit(self, error: BaseException) -> int | None:
        del error
        return self._culprit

    def _row(self, position: int, row: Any, most: int) -> bytes:
        try:
            return _no_longer_than(most, self._text(self._cells(row)))
        except Exception:
            self._culprit = position
            raise

    def _send(self, batch: list[bytes]) -> None:
        try:
            warnings = self._run(self._head + b",".join(batch) + self._tail)
            if warnings and not self._lenient:
                self._refuse_changes(warnings)
        except self._conn.Error as error:
            self._culprit = self._position(error)
            raise
        self._sent += len(batch)

    def _refuse_changes(self, warnings: int) -> None:
        shown = self._ask(b"SHOW WARNINGS")
        _refuse_changes(self._conn, shown)
        if len(shown) < warnings and not self._strict:
            raise self._conn.DataError(
                *(_TRUNCATED, f"{warnings} warnings, of which the server keeps {len(shown)}")
            )

    def _position(self, error: BaseException) -> int | None:
        """Ask which row failed: MariaDB 10.7 and later tells, unless a trigger was at work."""
        if "MariaDB" not in self._conn.get_server_info():
            return None
        try:
            self._ask(_FAILED_ROW)
            told = self._ask(_NO_TRIGGER_RAN)
        except Exception:  # noqa: BLE001 - an older server, a lost connection: nothing is known
            return None
        if not told or told[0][0] != error.args[0] or not told[0][1]:
            return None
        return self._sent + int(told[0][1]) - 1


def _no_longer_than(most: int, text: bytes) -> bytes:
    if len(text) > most:
        raise ValueError(
            f"the row takes {len(text):,} bytes: more than the server's max_allowed_packet allows"
        )
    return text


def _refuse_changes(conn: Connection, warnings: Sequence[Any]) -> None:
    """
    Raise the first of *warnings* (level, code, message) that is about a value that was changed.

    Raises:
        DataError: the driver's own. A mere note, as of a decimal that was rounded, is none.
    """
    for level, code, message in warnings:
        if level != "Note" and int(code) in _CHANGES:
            raise conn.DataError(int(code), message)
