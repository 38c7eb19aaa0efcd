"""The thread that writes a journal."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.journal_entry import Book, Entry


class JournalWriter:
    """
    Writes entries, one after another, on a thread of its own.

    Waiting for the disk takes milliseconds, in which the event loop must not stand still.

    Args:
        book: takes the entries.
        tell: called on the writing thread after each entry, with the error where there was one.
    """

    def __init__(self, book: Book, tell: Callable[[Exception | None], None]) -> None:
        self._book = book
        self._tell = tell
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="rowferry-journal", daemon=True)
        self._thread.start()

    def write(self, entry: Entry) -> None:
        """Have an entry written."""
        self._entries.put(entry)

    def end(self) -> None:
        """Let the thread end after what it has been given."""
        self._entries.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (entry := self._entries.get()) is not None:
            try:
                self._book.write(entry)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                self._tell(error)
            else:
                self._tell(None)
