"""What a command says while it runs: the log on standard error, for people or for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from rowferry.logs import logger
from rowferry.observe import HEARTBEAT

PROCESSED = "%s rows processed"
"""How the library's messages begin that tell how many rows went into a database."""

LogFormat: TypeAlias = Literal["text", "json"]


class _JsonLines(logging.Formatter):
    """One object a line, as collectors of logs read them."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class _ToStandardError(logging.Handler):
    """Writes to what is the standard error just then: a bar takes it over while it is drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except OSError:
            return  # nobody reads it: that ends no run


class _Seldom(logging.Filter):
    """Lets a line about rows that were written pass each 10 s; the library tells of each chunk."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to write it."""
        if record.levelno > logging.INFO or not str(record.msg).startswith(f"{PROCESSED} ("):
            return True
        due = record.created >= self._next
        if due:
            self._next = record.created + HEARTBEAT
        return due


def log(level: int, log_format: LogFormat) -> None:
    """Write what the library logs from *level* on to the standard error."""
    for known in [known for known in logger.handlers if isinstance(known, _ToStandardError)]:
        logger.removeHandler(known)
    handler = _ToStandardError(level)
    handler.addFilter(_Seldom())
    handler.setFormatter(
        _JsonLines()
        if log_format == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    )
    logger.addHandler(handler)
    logger.setLevel(level)


def warn(message: str) -> None:
    """Say what a person should look at."""
    logger.warning("%s", message)
