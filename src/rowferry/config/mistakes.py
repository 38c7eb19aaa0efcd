"""Mistakes in a job file or on a command line: each with where it is, all told at once."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from rowferry.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class Mistake(NamedTuple):
    """
    One mistake.

    Attributes:
        path: of the value, such as `$.jobs.sensors.api.retry.max_retries`.
        message: what was expected, and what is there; without secrets.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class MistakesError(ConfigError):
    """
    A job that cannot run as it is written.

    Attributes:
        mistakes: all that were found, in the order of the file.
    """

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


def nearest(name: str, names: Collection[str]) -> str:
    """Say which of *names* was probably meant; nothing where none is near."""
    found = difflib.get_close_matches(name.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""
