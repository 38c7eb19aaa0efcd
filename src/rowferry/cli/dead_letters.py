"""`rowferry dead-letters`: the records that an API would not take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

import rowferry
from rowferry.cli.ends import DEAD_LETTERS
from rowferry.config.correction import line_of
from rowferry.config.jobs import journals_of
from rowferry.exceptions import ConfigError
from rowferry.letters import printable
from rowferry.lock import PRIVATE

_SHOWN = 100


@click.group("dead-letters")
def command() -> None:
    """
    List, show or export the records that an API would not take.

    JOB_FILE may be a journal as well. While a job runs its dead letters cannot be seen.
    """


_job_file = click.argument("job_file", type=click.Path(path_type=Path))
_all = click.option("--all", "every", is_flag=True, help="Also those that were settled since.")
_debug = click.option("--debug", is_flag=True, help="Show where errors come from.")


@command.command("list")
@_job_file
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@_all
@_debug
def list_(job_file: Path, jobs: tuple[str, ...], every: bool, debug: bool) -> int:
    """
    List dead letters, one a line: number, key, state, reason, status, message.

    The exit code is 3 where there is one that is still dead.
    """
    del debug  # `main` looks for it
    code = 0
    for name, journal in journals_of(job_file, jobs).items():
        letters = _letters(journal, every=every)
        code = DEAD_LETTERS if any(one["state"] == "dead" for one in letters) else code
        click.echo(f"{name}: {len(letters)} dead letters")
        for letter in letters:
            click.echo(f"  {_line(letter)}")
    return code


@command.command("show")
@_job_file
@click.argument("number", type=int)
@click.option("--job", help="Where the file has several.")
@_debug
def show(job_file: Path, number: int, job: str | None, debug: bool) -> int:
    """Show a dead letter, all of it."""
    del debug  # `main` looks for it
    _, journal = _one_journal(job_file, job)
    for letter in _letters(journal, every=True):
        if letter["number"] == number:
            for what, value in letter.items():
                click.echo(f"{what}: {printable(str(value))}")
            return 0
    raise ConfigError(f"{journal} has no dead letter {number}")


@command.command("export")
@_job_file
@click.option("--job", help="Where the file has several.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="By default what is printed.")
@_all
@_debug
def export(job_file: Path, job: str | None, output: Path | None, every: bool, debug: bool) -> int:
    """
    Write dead letters as lines of JSON.

    In the file their `record` can be corrected, and `rowferry retry --corrected` sends that.
    """
    del debug  # `main` looks for it
    _, journal = _one_journal(job_file, job)
    text = "".join(f"{line_of(letter)}\n" for letter in _letters(journal, every=every))
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)
    return 0


def _write(output: Path, text: str) -> None:
    """Write rows to a file that is nobody else's to read."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _one_journal(job_file: Path, job: str | None) -> tuple[str, Path]:
    journals = journals_of(job_file, (job,) if job else ())
    if len(journals) != 1:
        raise ConfigError(f"name the job: --job {' or '.join(journals) or 'NAME'}")
    return next(iter(journals.items()))


def _letters(journal: Path, *, every: bool) -> list[dict[str, Any]]:
    if not journal.exists():
        return []
    return [
        letter for letter in rowferry.dead_letters(journal) if every or letter["state"] == "dead"
    ]


def _line(letter: dict[str, Any]) -> str:
    status = letter["status"] or "-"
    message = " ".join(letter["message"].split())
    shown = message if len(message) <= _SHOWN else f"{message[:_SHOWN]}…"
    key = printable(letter["key"]) or "-"
    return f"{letter['number']}  {key}  {letter['state']}  {letter['reason']}  {status}  {shown}"
