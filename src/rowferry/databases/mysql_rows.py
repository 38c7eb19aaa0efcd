"""Rows of MySQL and MariaDB as the server sends them, none held but a few that were read ahead."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_AHEAD = 100
"""Rows that are fetched at the least: a small result leaves the connection free at once."""

_AHEAD_BYTES = 1024 * 1024

_SKIPPED = 1000
"""Rows that are read and forgotten before the query is rather killed."""


class Rows:
    """
    The rows of an unbuffered cursor.

    Until its last row has come, the connection takes no other statement: mysqlclient refuses one,
    PyMySQL throws the rest away, which is an error here. Ours have the rest kept in memory first
    (`transactions.make_way`).

    Args:
        disturbed: tells whether another statement has ended the result.
        kill: ends the query that runs, so that its rows need not all be read; False if it cannot.
        ended: called when nothing more comes, with True if the caller has not been told so.
    """

    def __init__(
        self,
        cursor: Any,
        *,
        writes: bool,
        kinds: Mapping[str, type] | None,
        disturbed: Callable[[], bool],
        kill: Callable[[], bool],
        ended: Callable[[bool], None],
    ) -> None:
        self.cursor = cursor
        self.writes = writes
        self.kinds = kinds
        self._disturbed, self._kill, self._on_end = disturbed, kill, ended
        self._ahead: list[tuple[Any, ...]] = []
        self._ended = cursor.description is None
        self._failed = self._told = False

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        rows, self._ahead = self._ahead[:count], self._ahead[count:]
        rows += self._take(count - len(rows))
        if not self._ended:
            self._read_ahead(max(1, _AHEAD - count))
        return rows

    def close(self) -> None:
        if not (self._ended or self._disturbed()):
            self._skip_rest()
        if not self._told and self._ended:
            self._on_end(False)
        if not self._failed:
            self.cursor.close()
            return
        with contextlib.suppress(self.cursor.connection.Error):  # the same once more
            self.cursor.close()

    def _take(self, count: int) -> list[tuple[Any, ...]]:
        if self._ended or not count:
            return []
        if self._disturbed():
            raise self.cursor.connection.InterfaceError(
                "another statement on this connection has thrown away the rows that were still to "
                "come: use a connection of its own for it, or rowferry's functions"
            )
        try:
            rows = list(self.cursor.fetchmany(count))
        except BaseException:
            self._ended = self._failed = True
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
        self._take(_SKIPPED)
        if not self._ended and not self.writes and self._kill():
            with contextlib.suppress(self.cursor.connection.Error):  # that it was killed
                while not self._ended:
                    self._take(_SKIPPED)
        while not self._ended:
            self._take(_SKIPPED)
