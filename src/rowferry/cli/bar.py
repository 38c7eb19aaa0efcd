"""The bar of a job: the library's, with the number of rows that the database counts meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from rowferry.cli.messages import PROCESSED
from rowferry.config.counting import count_rows
from rowferry.logs import logger
from rowferry.observe import Bar
from rowferry.records import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowferry.config.job import Job
    from rowferry.records import Observer


def bar_of(job: Job) -> Observer:
    """Give a bar on standard error that fills as rows are settled."""
    bar, total = Bar(Console(stderr=True)), _Total(job)

    def show(event: Progress) -> None:
        bar(event if event.ended else replace(event, total=total.rows))

    return show


@contextmanager
def bar_of_a_copy() -> Iterator[None]:
    """Draw a bar on standard error while rows go into a database, from what the library logs."""
    watch = _Watch(Bar(Console(stderr=True)))
    level = logger.level
    logger.addHandler(watch)
    logger.setLevel(min(level, logging.INFO))
    try:
        yield
    finally:
        logger.removeHandler(watch)
        logger.setLevel(level)
        watch.show(ended=True)


class _Watch(logging.Handler):
    """Takes from the log how many rows were written."""

    def __init__(self, bar: Observer) -> None:
        super().__init__(logging.INFO)
        self._bar = bar
        self._began = time.monotonic()
        self._rows = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Look whether a message tells it."""
        if str(record.msg).startswith(PROCESSED) and isinstance(record.args, tuple):
            self._rows = int(str(record.args[0]))
            self.show()

    def show(self, *, ended: bool = False) -> None:
        """Move the bar."""
        self._bar(
            Progress(
                read=self._rows,
                records=self._rows,
                delivered=self._rows,
                dead=0,
                in_flight=0,
                retries=0,
                seconds=time.monotonic() - self._began,
                total=None,
                ended=ended,
            )
        )


class _Total:
    """
    How many rows there are, once the database has counted them.

    It does so over a connection of its own; a count that takes longer than the job is given up
    with the process.
    """

    def __init__(self, job: Job) -> None:
        self.rows: int | None = None
        self._job = job
        threading.Thread(target=self._count, name="rowferry-count", daemon=True).start()

    def _count(self) -> None:
        self.rows = count_rows(self._job)
