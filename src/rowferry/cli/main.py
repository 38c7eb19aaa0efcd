"""The command `rowferry`: finds what is asked for, and says in a sentence why it ended."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rowferry.cli.ends import ClosedOutputError, Ended, end_of
from rowferry.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "copy": "Send rows to an API, or copy them into a database.",
    "run": "Run the jobs of a job file.",
    "plan": "Show what a job would do; send nothing.",
    "validate": "Check a job file, and tell of every mistake.",
    "init": "Write a job file for a table.",
    "doctor": "Look whether everything that a job needs is there.",
    "status": "Tell how far jobs are, also while they run.",
    "dead-letters": "List, show or export the records that an API would not take.",
    "retry": "Send dead letters again, as they were or corrected.",
    "schema": "Print the JSON schema of job files, for editors.",
    "completion": "Print the completions of a shell.",
}
"""Every command, with what `--help` says of it; each is a module of this package."""


class Commands(click.Group):
    """The commands; each is imported when it is called, and not before."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the arguments; `--help` is written here."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except BrokenPipeError as error:
            raise ClosedOutputError from error

    def invoke(self, ctx: click.Context) -> Any:
        """Call a command, and see to it that what it wrote is out."""
        try:
            result = super().invoke(ctx)
            _flush()
        except BrokenPipeError as error:  # click would exit as if nothing was known of it
            raise ClosedOutputError from error
        return result

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names of all commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"rowferry.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the commands do, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for; say which one was probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # for those who mistype

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]}?", ctx) from error


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="rowferry %(version)s")
def rowferry() -> None:
    """
    Rows from a database into an HTTP API: fast, with nothing lost.

    `rowferry COMMAND --help` tells of a command, `rowferry init` writes a job to begin with.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; give the exit code."""
    debug = "--debug" in (sys.argv[1:] if arguments is None else arguments)
    try:
        code = rowferry.main(arguments, prog_name="rowferry", standalone_mode=False)
        _flush()  # what `--help` wrote
    except BaseException as error:  # noqa: BLE001 (each kind has its exit code)
        return _told(end_of(error), error, debug=debug)
    return code if isinstance(code, int) else 0


def _told(end: Ended, error: BaseException, *, debug: bool) -> int:
    """Say why a command ended."""
    if debug and end.traceback:
        import traceback  # for those who ask

        _say("".join(traceback.format_exception(error)).rstrip())
    if end.message:
        _say(end.message)
    return end.code


def _say(text: str) -> None:
    """Write to the standard error, if anybody reads it."""
    try:
        click.echo(text, err=True)
    except OSError:
        return


def _flush() -> None:
    """
    Write out what is buffered.

    Raises:
        OSError: nobody reads the standard output, or its disk is full.
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def _open_standard_streams() -> None:
    """Put something where a standard stream is closed, or the next file would take its place."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)


def main() -> NoReturn:
    """Be the command, and end the process."""
    _open_standard_streams()
    code: Any = run()
    try:
        _flush()
    except OSError:  # told already; the interpreter would tell again, in words of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)
