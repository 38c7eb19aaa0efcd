"""The lock of a file, for as long as its holder lives."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from rowferry.exceptions import JournalError

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = 0o600
"""The mode of everything that holds rows, keys or what is known of them."""


class Lock:
    """
    An exclusive lock, by a file beside the one that it guards.

    It is let go with the process, however that ends. The file stays: were it removed, two runs
    could each hold a lock on a file of that name.

    Raises:
        JournalError: another run holds it (exit_code 6), or no file can be made there (2).
    """

    def __init__(self, path: Path) -> None:
        self._guarded = path
        place = path.with_name(f"{path.name}.lock")
        try:
            self._descriptor = os.open(place, os.O_RDWR | os.O_CREAT, PRIVATE)
        except OSError as error:
            raise JournalError(
                f"the journal {path} cannot be used: {place.name} beside it cannot be written "
                f"({error.strerror}); name a file in a folder that may be written",
                exit_code=2,
            ) from error
        self._take()

    def _take(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            if isinstance(error, BlockingIOError):
                raise JournalError(
                    f"another run holds the journal {self._guarded}: wait for its end, or give "
                    "each transfer a journal of its own",
                    exit_code=6,
                ) from error
            raise JournalError(
                f"the journal {self._guarded} cannot be locked ({error.strerror}): its file "
                "system knows no locks; name a file on a local disk",
                exit_code=2,
            ) from error

    def release(self) -> None:
        """Let the lock go."""
        os.close(self._descriptor)
