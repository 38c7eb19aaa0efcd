"""`rowferry doctor`: whether everything that a job needs is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rowferry.cli.running import worst
from rowferry.config.checkup import check_up
from rowferry.config.jobs import read_job_file

if TYPE_CHECKING:
    from rowferry.config.finding import Finding


@click.command("doctor")
@click.argument("job_file", type=click.Path(path_type=Path))
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("--debug", is_flag=True, help="Show where errors come from.")
def command(job_file: Path, jobs: tuple[str, ...], debug: bool) -> int:
    """
    Look whether everything that a job needs is there.

    Driver, database, query; name, connection, certificate and credentials of the API: a line
    each, with what to do where something is wrong. The API gets a HEAD, which changes nothing.
    """
    del debug  # `main` looks for it
    found = read_job_file(job_file, jobs)
    codes = []
    for name, job in found.jobs.items():
        click.echo(f"{name}:")
        for finding in check_up(job):
            codes.append(finding.exit_code)
            click.echo(f"  {_mark(finding)} {found.environment.masked(_line(finding))}")
    return worst(codes)


def _mark(finding: Finding) -> str:
    text, colour = ("FAILED", "red") if finding.exit_code else ("ok    ", "green")
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour)


def _line(finding: Finding) -> str:
    return f"{finding.what}: {' '.join(finding.says.split())}"
