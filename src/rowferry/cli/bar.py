"""The bar of a job: the library's, with the number of rows that the database counts meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from rowferry.config.counting import count_rows
from rowferry.observe import Bar

if TYPE_CHECKING:
    from rowferry.config.job import Job
    from rowferry.observe import Observer
    from rowferry.records import Progress


def bar_of(job: Job) -> Observer:
    """Give a bar on standard error that fills as rows are settled."""
    bar, total = Bar(Console(stderr=True)), _Total(job)

    def show(event: Progress) -> None:
        bar(event if event.ended else replace(event, total=total.rows))

    return show


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
