"""`rowferry copy`: one job, all of it on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from rowferry.cli import messages
from rowferry.cli.given import flag_of, table_of, with_job_options
from rowferry.cli.running import begin, report_option, run_jobs, start_over_option, with_run_options
from rowferry.config.environment import Environment
from rowferry.config.job import STAND_IN, Source
from rowferry.config.jobs import job_of
from rowferry.config.mistakes import Mistake, MistakesError
from rowferry.config.reading import Reading
from rowferry.config.secrets import holds_password


@click.command("copy")
@click.argument("source")
@click.argument("destination")
@click.option("--dry-run", is_flag=True, help="Show what would be done; send nothing.")
@start_over_option
@report_option
@with_job_options
@with_run_options
def command(
    source: str,
    destination: str,
    dry_run: bool,
    start_over: bool,
    page: Path | None,
    debug: bool,
    quiet: bool,
    log_format: str,
    **values: Any,
) -> int:
    r"""
    Send rows to an API, or copy them into a database.

    SOURCE is the URL of a database, a file of CSV or JSON lines, or - for the standard input;
    DESTINATION the URL of an API or of a database. In all values ${NAME} is the environment
    variable NAME, ${file:PATH} the text of a file; write them in single quotes.

    \b
        rowferry copy sqlite:///sensors.db https://api.example/sensors --table sensor
        rowferry copy 'postgresql://me:${PG_PASSWORD}@db/gis' https://api.example/sensors \
            --query 'SELECT * FROM sensor' -H 'Authorization: Bearer ${TOKEN}' --limit 10
    """
    manner = begin(debug=debug, quiet=quiet, log_format=log_format)
    for argument, url in (("SOURCE", source), ("DESTINATION", destination)):
        if holds_password(url):
            messages.warn(
                f"{argument} holds a password, which others can see in the list of processes: "
                "set a variable, and write '${PASSWORD}' in its place"
            )
    environment = Environment(os.environ, Path())
    job = _job(environment, table_of(source, destination, values))
    if dry_run:
        from rowferry.cli.plan import show_plans  # for dry runs

        return show_plans({"copy": job}, environment)
    return run_jobs({"copy": job}, environment, manner, start_over=start_over, page=page)


def _job(environment: Environment, table: dict[str, Any]) -> Any:
    """
    Give the job of the arguments.

    Raises:
        MistakesError: with every mistake in them.
    """
    reading = Reading(environment, Path.cwd(), textual=True, stand_ins={Source: STAND_IN})
    job = job_of(reading, "$", table, Path(), "", secrets=False)
    if reading.mistakes:
        raise MistakesError(
            [Mistake(flag_of(mistake.path), mistake.message) for mistake in reading.mistakes]
        )
    return job
