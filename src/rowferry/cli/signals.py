"""What interrupts a command: the first time it drains, the second time it ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_FIRST = b"\nstopping: nothing more is sent, what is in flight may finish; once more ends at once\n"
_PATIENCE = 2
"""Signals that are asked nicely; one more ends the process without another word."""


class Interrupts:
    """
    Makes SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in the block, with the signal's number.

    The library stops at the first, and waits no longer at the second. One that was ignored when
    the command began (`nohup`) stays so.

    Args:
        quiet: whether to say nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._count += 1
        if self._count > _PATIENCE:
            os._exit(128 + number)
        if self._count == 1 and not self._quiet:
            with contextlib.suppress(OSError):
                os.write(2, _FIRST)
        raise KeyboardInterrupt(number)
