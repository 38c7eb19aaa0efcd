"""`rowferry init`: a job file to begin with."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from rowferry.config.draft import draft, table_at, without_password
from rowferry.config.environment import Environment, MissingError
from rowferry.config.secrets import holds_password
from rowferry.exceptions import ConfigError

_VARIABLE = "SOURCE_PASSWORD"


@click.command("init")
@click.argument("source")
@click.argument("api", default="http://localhost:8000/records")
@click.option("--table", required=True, help="The table to read.")
@click.option("--name", help="Of the job; by default the table's.")
@click.option(
    "--output",
    "-o",
    default="job.toml",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The job file to write.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--debug", is_flag=True, help="Show where errors come from.")
def command(
    source: str, api: str, table: str, name: str | None, output: Path, force: bool, debug: bool
) -> int:
    r"""
    Write a job file for a table.

    SOURCE is the URL of a database, API the URL that takes the rows. The database is asked for
    the columns of the table and its primary key.

    \b
        rowferry init 'postgresql://me:${PG_PASSWORD}@db/gis' https://api.example/sensors \
            --table sensor
    """
    del debug  # `main` looks for it
    environment = Environment(os.environ, Path())
    try:
        url = environment.fill(source)
        environment.fill(api)
    except MissingError as error:
        raise ConfigError(str(error)) from error
    found = table_at(url, table)
    name = name or re.sub(r"[^A-Za-z0-9_-]", "_", table.rpartition(".")[2])
    text = draft(name, without_password(source, _VARIABLE), api, found)
    _write(output, text, force=force)
    key = f"key {', '.join(found.key)}" if found.key else "no primary key"
    click.echo(f"{output}: the job {name}, {len(found.columns)} columns, {key}")
    if holds_password(source):
        click.echo(f"the password is not in it: set {_VARIABLE} before you run it", err=True)
    return 0


def _write(output: Path, text: str, *, force: bool) -> None:
    """
    Write the file.

    Raises:
        ConfigError: it is there already.
        OSError: it cannot be written.
    """
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{output} is there already; --force writes over it") from error
