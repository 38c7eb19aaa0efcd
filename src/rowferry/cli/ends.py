"""How a command ends: its exit code, and the sentence that says why."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from rowferry.records import Report

BUG = 1
CONFIGURATION = 2
DEAD_LETTERS = 3
DISK = 7
_SIGNAL = 128
_START_OVER = re.compile(r"Journal\([^()]*\)\.start_over\(\)")
"""What the library says to those who write Python."""

_INTERRUPT = 2
BROKEN_PIPE = 141

_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS})


class Ended(NamedTuple):
    """
    The end of a command.

    Attributes:
        message: for people; empty where all is said.
        traceback: whether `--debug` shows where it happened.
    """

    code: int
    message: str
    traceback: bool = True


_ENDS = {
    0: "all settled",
    3: "finished, with dead letters",
}


class Outcome(NamedTuple):
    """
    How a job ended.

    Attributes:
        code: its exit code.
        message: why it ended early; empty where it did not.
        report: None where it did not begin.
    """

    name: str
    code: int
    message: str
    report: Report | None

    @property
    def end(self) -> str:
        """How it ended, in a few words."""
        return _ENDS.get(self.code, f"ended early, exit code {self.code}")


class ClosedOutputError(Exception):
    """Nobody reads the standard output any more."""


class SaidError(Exception):
    """
    Ends a command of which all is said already.

    Attributes:
        code: to exit with.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def end_of(error: BaseException) -> Ended:
    """Give the exit code for an error, and what to say of it."""
    if isinstance(error, SaidError):
        return Ended(error.code, "", traceback=False)
    if isinstance(error, click.ClickException):
        return Ended(CONFIGURATION, _usage(error), traceback=False)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Ended(_SIGNAL + signal_of(error), "interrupted")
    if isinstance(error, BrokenPipeError | ClosedOutputError):
        return Ended(BROKEN_PIPE, "the standard output was closed by whoever read it")
    if isinstance(error, OSError):
        return _of_the_system(error)
    return _of_rowferry(error)


def signal_of(error: BaseException) -> int:
    """Give the number of the signal that made an interrupt."""
    number = error.args[0] if error.args else _INTERRUPT
    return number if isinstance(number, int) else _INTERRUPT


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    hint = f"\n`{context.command_path} --help` tells what there is" if context else ""
    return f"{error.format_message()}{hint}"


def _of_the_system(error: OSError) -> Ended:
    where = f"{error.filename}: " if error.filename else ""
    code = DISK if error.errno in _OF_THE_DISK else CONFIGURATION
    return Ended(code, f"{where}{error.strerror or error}")


def _of_rowferry(error: BaseException) -> Ended:
    """Give the end for an exception of the library, or for one that should not be."""
    from rowferry import exceptions  # known by the time that one is raised

    if isinstance(error, exceptions.RowferryError):
        return Ended(error.exit_code, _START_OVER.sub("--start-over", str(error)))
    if isinstance(error, SystemExit):
        return Ended(error.code if isinstance(error.code, int) else BUG, "")
    message = f"a bug in rowferry: {type(error).__name__}: {error}; --debug shows where"
    return Ended(BUG, message)
