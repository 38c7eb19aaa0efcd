"""COPY from a table of PostgreSQL to another."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from rowferry.databases.contract import Piece
from rowferry.databases.postgresql_copy import TableColumn, columns_to_copy, quoted_names
from rowferry.databases.postgresql_held import Held

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from rowferry.databases.contract import Connection

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER = _SIGNATURE + bytes(8)
_TRAILER = b"\xff\xff"
"""Of binary COPY. Source: https://www.postgresql.org/docs/current/sql-copy.html"""


class TableToTable:
    """
    COPY out of a table and into another, row by row as the server cuts them, unread.

    Args:
        source, table: where from.
        dest, target: where to.
        columns: of both.
    """

    def __init__(
        self,
        source: Connection,
        table: str,
        dest: Connection,
        target: str,
        columns: Sequence[TableColumn],
    ) -> None:
        self._dest = dest
        names = quoted_names(columns)
        self._into = f"COPY {target} ({names}) FROM STDIN (FORMAT BINARY)"
        out = f"COPY (SELECT {names} FROM {table}) TO STDOUT (FORMAT BINARY)"  # noqa: S608 - names are quoted
        self._rows = _rows(source, out)
        self._open = Held()

    def read(self, count: int) -> Piece:
        """Give the binary form of the next rows."""
        rows = list(islice(self._rows, count))
        return Piece(len(rows), b"".join(rows))

    def write(self, piece: Piece) -> bool:
        """Send it on its way, in the COPY that is open."""
        with self._open.unless_broken(self._copying) as copy:
            copy.write(piece.data)
        return True

    def finish(self) -> None:
        """Wait until the server has taken all rows."""
        self._open.leave()

    def abandon(self) -> None:
        """Tell the server to forget them."""
        self._open.give_up()

    def close(self) -> None:
        """End the reading; the server gives it up."""
        self._rows.close()

    @contextmanager
    def _copying(self) -> Iterator[Any]:
        with self._dest.cursor() as cursor, cursor.copy(self._into) as copy:
            copy.write(_HEADER)
            yield copy


def _rows(source: Connection, query: str) -> Generator[Any]:
    """Give the rows of a binary COPY, which the server sends one at a time, without its frame."""
    with source.cursor() as cursor, cursor.copy(query) as copy:
        first = bytes(copy.read())[len(_HEADER) :]
        if first not in {b"", _TRAILER}:
            yield first
        for row in copy:
            if len(row) > len(_TRAILER):
                yield row


def table_to_table(
    source: Connection, table: str, dest: Connection, target: str
) -> TableToTable | None:
    """Give the copying of one table to the other, where it stores what INSERT would."""
    if source is dest or source.info.encoding != dest.info.encoding:
        return None
    columns = columns_to_copy(source, table, into=False)
    there = {column.name: column for column in columns_to_copy(dest, target, into=True)}
    same = all(
        column.is_portable
        and column.name in there
        and there[column.name].declared == column.declared
        and there[column.name].is_portable
        and not there[column.name].fixed
        for column in columns
    )
    return TableToTable(source, table, dest, target, columns) if columns and same else None
