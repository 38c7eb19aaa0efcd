"""Rows of MySQL and MariaDB as the server sends them, none held but a few that were read ahead."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_AHEAD = 100
"""Rows that are fetched at the least, so that a small result leaves the connection free."""

_AHEAD_BYTES = 1024 * 1024

_SKIPPED = 1000
"""Rows that are read and forgotten before the query is rather killed."""


class Stream(NamedTuple):
    """
    A query that was executed by an unbuffered cursor.

    Attributes:
        kinds: as of `OpenRows`.
        disturbed: tells whether another statement has ended the result.
        forget: has cursor and result ask nothing more of a connection that is lost.
    """

    cursor: Any
    kinds: Mapping[str, type] | None
    disturbed: Callable[[], bool]
    forget: Callable[[], None]


class Rows:
    """
    The rows of an unbuffered cursor.

    Until its last row has come, the connection takes no other statement: mysqlclient refuses one,
    PyMySQL throws the rest away, which is an error here. Ours have the rest kept in memory first
    (`transactions.make_way`).

    Args:
        ahead: somebody else may use the connection between two fetches.
        kill: ends the query that runs, so that its rows need not all be read; False if it cannot.
        ended: called when nothing more comes, with True if the caller has not been told so.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        writes: bool,
        ahead: bool,
        kill: Callable[[], bool],
        ended: Callable[[bool], None],
    ) -> None:
        self.cursor = stream.cursor
        self.kinds = stream.kinds
        self.writes = writes
        self._reads_ahead = ahead
        self._stream = stream
        self._kill, self._on_end = kill, ended
        self._ahead: list[tuple[Any, ...]] = []
        self._ended = self.cursor.description is None
        self._failed = self._told = False

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        rows, self._ahead = self._ahead[:count], self._ahead[count:]
        rows += self._take(count - len(rows))
        if self._reads_ahead and not self._ended:
            self._read_ahead(max(1, _AHEAD - count + 1))
        return rows

    def close(self) -> None:
        if not (self._ended or self._stream.disturbed()):
            self._skip_rest()
        if not self._told and self._ended:
            self._on_end(False)
        if not self._failed:
            while self.cursor.nextset():  # of a CALL; PyMySQL would leave these on their way
                while self.cursor.fetchmany(_SKIPPED):
                    pass
            self.cursor.close()

    def _take(self, count: int) -> list[tuple[Any, ...]]:
        if self._ended or not count:
            return []
        if self._stream.disturbed():
            self._failed = True
            raise self.cursor.connection.InterfaceError(
                "another statement on this connection has thrown away the rows that were still to "
                "come: use a connection of its own for it, or rowferry's functions"
            )
        try:
            rows = list(self.cursor.fetchmany(count))
        except BaseException:
            self._ended = self._failed = True
            self._stream.forget()
            raise
        self._ended = len(rows) < count
        return rows

    def _read_ahead(self, count: int) -> None:
        size = 0
        while len(self._ahead) < count and size < _AHEAD_BYTES and not self._ended:
            for row in self._take(1):
                size += sum(len(cell) for cell in row if isinstance(cell, (str, bytes)))
                self._ahead.append(row)
        if self._ended:
            self._told = True
            self._on_end(True)

    def _skip_rest(self) -> None:
        """Read what is left, which alone frees the connection; if it is much, kill the query."""
        with contextlib.suppress(self.cursor.connection.Error):  # that it was killed, mostly
            self._take(_SKIPPED)
            if not self._ended and not self.writes:
                self._kill()
            while not self._ended:
                self._take(_SKIPPED)
