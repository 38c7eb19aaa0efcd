"""Ends work that runs in other threads, at its next chunk."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from rowferry.exceptions import AbortError

_calls = itertools.count(1)
_generation = 0


class Job(NamedTuple):
    """
    A piece of work that can be aborted from elsewhere.

    Attributes:
        generation: how many aborts there had been when it began; only later ones concern it.
    """

    generation: int

    def check(self) -> None:
        """
        Do nothing, unless an abort came since the job began.

        Raises:
            AbortError: `abort_etlhelper_threads` was called since.
        """
        if self.generation != _generation:
            raise AbortError("ended by abort_etlhelper_threads()")


def begin() -> Job:
    """Give the job that begins now; aborts of before do not concern it."""
    return Job(_generation)


def abort_etlhelper_threads() -> None:
    """
    End the work of rowferry that runs now, in any thread, at its next chunk.

    Each such call raises AbortError; work that begins later runs as usual.
    """
    global _generation  # noqa: PLW0603 - a process has one: that is what the function is for
    _generation = next(_calls)
