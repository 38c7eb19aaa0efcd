"""The page about a run: what is gathered for it while jobs run, and written at the end."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from typing import TYPE_CHECKING

import rowferry
from rowferry.cli.history import History
from rowferry.cli.page import Ran, page
from rowferry.exceptions import ConfigError, JournalError
from rowferry.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rowferry.cli.ends import Outcome
    from rowferry.config.environment import Environment
    from rowferry.config.job import Job

_MOST = 100_000
"""Dead letters that are looked at one by one."""


class Reporting:
    """
    Gathers what a page about jobs needs.

    Args:
        place: of the page; it is written over.
        environment: keeps out of it what was filled in.

    Attributes:
        histories: take the progress events of each job, by its name.

    Raises:
        ConfigError: no file can be made there.
    """

    def __init__(self, place: Path, jobs: Mapping[str, Job], environment: Environment) -> None:
        folder = place.resolve().parent
        if not os.access(folder, os.W_OK) or place.is_dir():
            raise ConfigError(f"--report: no file can be made at {place}")
        self.histories = {name: History() for name in jobs}
        self._place = place
        self._jobs = jobs
        self._environment = environment
        self._began = dt.datetime.now().astimezone()

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """
        Write the page.

        Raises:
            OSError: the disk is full.
        """
        runs = [self._ran(outcome) for outcome in outcomes]
        if runs:
            self._place.write_text(page(runs, self._began, __version__), encoding="utf-8")

    def _ran(self, outcome: Outcome) -> Ran:
        job = self._jobs[outcome.name]
        goes_to = str(job.to_api) if job.api is not None else "into a database"
        return Ran(
            name=outcome.name,
            goes_to=self._environment.masked(goes_to),
            end=outcome.end,
            message=outcome.message,
            report=outcome.report,
            history=self.histories[outcome.name],
            reasons=_reasons(job, outcome.report.dead if outcome.report else 0),
        )


def _reasons(job: Job, dead: int) -> dict[str, int]:
    """Give how many dead letters there are for each reason."""
    if job.kept_in is None or not dead or dead > _MOST:
        return {"dead": dead}
    try:
        letters = rowferry.dead_letters(job.kept_in.path)
    except JournalError:
        return {"dead": dead}
    return Counter(_reason(letter) for letter in letters if letter["state"] == "dead")


def _reason(letter: Mapping[str, object]) -> str:
    status = letter["status"]
    return f"{letter['reason']}, {status}" if status else str(letter["reason"])
