"""Fetching the rows of an open source, chunk by chunk; another thread may interrupt a fetch."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.ledger import Ledger
    from rowferry.records import Row
    from rowferry.row_source import Rows

_AGAIN = 0.1
"""Seconds between two attempts to interrupt a fetch."""


class Fetching:
    """
    Fetches chunks of rows, up to a limit.

    Args:
        ledger: counts what is read.
        limit: rows to read, at most; None means all.
        check: raises where the run was stopped.

    Attributes:
        exhausted: whether the source gave its last row.
    """

    def __init__(self, ledger: Ledger, limit: int | None, check: Callable[[], None]) -> None:
        self.exhausted = False
        self._ledger = ledger
        self._limit = limit
        self._check = check
        self._rows: Rows | None = None
        self._fetching = threading.Lock()
        self._interrupting = threading.Lock()

    def fetch(self, rows: Rows, count: int) -> list[Row]:
        """Give the next chunk; an empty one at the end or at the limit."""
        self._rows = rows
        if self._limit is not None:
            count = min(count, self._limit - self._ledger.read)
        if not count:
            return []
        with self._fetching:
            self._check()
            chunk = rows.fetch(count)
        with self._interrupting:  # one that came too late must not hit what follows
            self._check()
        self._ledger.read += len(chunk)
        self.exhausted = not chunk
        return chunk if isinstance(chunk, list) else list(chunk)

    def interrupt(self) -> None:
        """Let a fetch that is waiting for its source end soon, though it may only just begin."""
        with self._interrupting:
            while self._rows and self._fetching.locked():
                self._rows.interrupt()
                time.sleep(_AGAIN)
