"""`rowferry run`: the jobs of a job file."""

from __future__ import annotations

from pathlib import Path

import click

from rowferry.cli.running import begin, report_option, run_jobs, start_over_option, with_run_options
from rowferry.config.jobs import read_job_file


@click.command("run")
@click.argument("job_file", type=click.Path(path_type=Path))
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("--dry-run", is_flag=True, help="Show what would be done, as `rowferry plan` does.")
@start_over_option
@report_option
@with_run_options
def command(
    job_file: Path,
    jobs: tuple[str, ...],
    dry_run: bool,
    start_over: bool,
    page: Path | None,
    debug: bool,
    quiet: bool,
    log_format: str,
) -> int:
    """
    Run the jobs of a job file.

    One after another, in the order of the file: all of them, or those that are named.
    """
    manner = begin(debug=debug, quiet=quiet, log_format=log_format)
    found = read_job_file(job_file, jobs)
    if dry_run:
        from rowferry.cli.plan import show_plans  # for dry runs

        return show_plans(found.jobs, found.environment)
    return run_jobs(found.jobs, found.environment, manner, start_over=start_over, page=page)
