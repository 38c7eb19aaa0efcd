"""The logger of rowferry, silent until a user asks for it."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

logger = logging.getLogger("rowferry")
logger.addHandler(logging.NullHandler())


class _ConsoleHandler(logging.StreamHandler[TextIO]):
    """A class of its own, so that a second call finds the first one's handler."""


def log_to_console(level: int = logging.INFO, output: TextIO | None = None) -> None:
    """
    Write what rowferry logs to *output*, one line a message; a second call replaces the first.

    Args:
        level: of the messages to write, and above.
        output: a text stream; None means the standard error stream.
    """
    for handler in [known for known in logger.handlers if isinstance(known, _ConsoleHandler)]:
        logger.removeHandler(handler)
    console = _ConsoleHandler(sys.stderr if output is None else output)
    console.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    console.setLevel(level)
    logger.addHandler(console)
    logger.setLevel(level)
