"""`rowferry validate`: every mistake in a job file."""

from __future__ import annotations

from pathlib import Path

import click

from rowferry.config.jobs import read_job_file


@click.command("validate")
@click.argument("job_file", type=click.Path(path_type=Path))
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("--debug", is_flag=True, help="Show where errors come from.")
def command(job_file: Path, jobs: tuple[str, ...], debug: bool) -> int:
    """
    Check a job file, and tell of every mistake.

    Nothing is connected to. Variables that the file refers to have to be set, modules that it
    names are imported.
    """
    del debug  # `main` looks for it
    found = read_job_file(job_file, jobs)
    click.echo(f"{job_file}: {', '.join(found.jobs)}: no mistakes")
    return 0
