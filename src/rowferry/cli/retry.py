"""`rowferry retry`: dead letters, sent again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import rowferry
from rowferry.cli.running import begin, with_run_options, work_through, worst
from rowferry.config.correction import corrected
from rowferry.config.jobs import function_named, read_job_file
from rowferry.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.config.job import Job
    from rowferry.records import Report
    from rowferry.transforms import Transform


@click.command("retry")
@click.argument("job_file", type=click.Path(path_type=Path))
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option(
    "--corrected",
    "file",
    type=click.Path(path_type=Path),
    help="What `rowferry dead-letters export` wrote, with other records in it.",
)
@click.option(
    "--transform",
    metavar="MODULE:FUNCTION",
    help="Takes the kept records and gives those to send, as the transform of a job does with rows",
)
@with_run_options
def command(
    job_file: Path,
    jobs: tuple[str, ...],
    file: Path | None,
    transform: str | None,
    debug: bool,
    quiet: bool,
    log_format: str,
) -> int:
    """
    Send dead letters again, as they were or corrected.

    Those that are still dead go to the API of their job; the exit code is 3 where some are not
    taken this time either.
    """
    manner = begin(debug=debug, quiet=quiet, log_format=log_format)._replace(bar=False)
    if file is not None and transform is not None:
        raise ConfigError("--transform cannot be given beside --corrected")
    found = read_job_file(job_file, jobs)
    kept = {name: job for name, job in found.jobs.items() if job.kept_in is not None}
    if file is not None and len(kept) != 1:
        raise ConfigError(f"--corrected is of one job; name it: {' or '.join(kept)}")
    shaping = None if transform is None else function_named(transform, job_file.parent)
    works = {name: _work(job, file, shaping) for name, job in kept.items()}
    return worst([one.code for one in work_through(works, found.environment, manner)])


def _work(job: Job, file: Path | None, transform: Transform | None) -> Callable[[], Report]:
    def work() -> Report:
        journal = job.kept_in
        if journal is None:
            raise ConfigError("the job has no journal")
        shaping = transform
        if file is not None:
            letters = [one for one in rowferry.dead_letters(journal.path) if one["state"] == "dead"]
            shaping = corrected(file, [one for one in letters if one["record"] is not None])
        return rowferry.retry_dead_letters(journal.path, job.to_api, transform=shaping)

    return work
