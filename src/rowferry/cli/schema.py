"""`rowferry schema`: the JSON schema of job files."""

from __future__ import annotations

import json

import click

from rowferry.config.schema import schema


@click.command("schema")
def command() -> int:
    """
    Print the JSON schema of job files, for editors.

    An editor with Taplo (Even Better TOML) takes it from the first line of a job file:
    `#:schema job.schema.json`.
    """
    click.echo(json.dumps(schema(), indent=2, ensure_ascii=False))
    return 0
