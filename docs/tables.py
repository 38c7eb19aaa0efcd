"""
Writes the tables of options into the pages that have them, from the code that reads the options.

    python docs/tables.py

A table stands between `<!-- options of NAME -->` and `<!-- end -->`; NAME is a table of a job file,
or `rowferry` and a command.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rowferry.api import Api
from rowferry.budget import Budget
from rowferry.cli.main import rowferry
from rowferry.config.columns import Columns
from rowferry.config.job import Destination, Job, Source
from rowferry.config.options import options_of
from rowferry.incremental import Incremental
from rowferry.journal import Journal
from rowferry.limits import Limits
from rowferry.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowferry.config.options import Option

PAGES = ("command-line.md", "job-files.md")

TABLES: dict[str, type] = {
    "a job": Job,
    "source": Source,
    "api": Api,
    "retry": Retry,
    "limits": Limits,
    "budget": Budget,
    "destination": Destination,
    "columns": Columns,
    "journal": Journal,
    "incremental": Incremental,
}
"""The tables of a job file that have a table in the page."""

_PLACE = re.compile(r"<!-- options of (.+?) -->\n.*?<!-- end -->", re.DOTALL)


def with_tables(page: str) -> str:
    """Give the text of a page with its tables as they are now."""
    return _PLACE.sub(lambda match: _block(match[1]), page)


def _block(name: str) -> str:
    command = name.removeprefix("rowferry ")
    lines = _of_a_table(TABLES[name]) if command == name else _of_a_command(command)
    return "\n".join([f"<!-- options of {name} -->", *lines, "<!-- end -->"])


def _of_a_table(table: type) -> Iterator[str]:
    yield "| option | default | |"
    yield "| --- | --- | --- |"
    for option in options_of(table).values():
        kind = _cell(str(option.kind))
        yield f"| `{option.name}` | {_default(option)} | {_cell(option.doc)} ({kind}) |"


def _default(option: Option) -> str:
    default = option.default
    if option.required:
        return "needed"
    if default is None or default in ((), {}) or option.kind.tables:
        return ""
    shown = list(default) if isinstance(default, tuple) else default
    return f"`{str(shown).lower() if isinstance(shown, bool) else repr(shown)}`".replace("'", '"')


def _of_a_command(name: str) -> Iterator[str]:
    command = _command(name)
    yield "| option | |"
    yield "| --- | --- |"
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            flags = ", ".join(f"`{flag}`" for flag in parameter.opts)
            takes = parameter.make_metavar(click.Context(command))
            value = "" if parameter.is_flag else f" {takes}"
            yield f"| {flags}{_cell(value)} | {_cell(parameter.help or '')} |"


def _command(name: str) -> click.Command:
    command: click.Command = rowferry
    for part in name.split():
        found = command.get_command(click.Context(command), part)  # type: ignore[attr-defined]
        if found is None:
            raise KeyError(name)
        command = found
    return command


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the pages that have changed."""
    for name in PAGES:
        page = Path(__file__).parent / name
        text = page.read_text(encoding="utf-8")
        if text != (fresh := with_tables(text)):
            page.write_text(fresh, encoding="utf-8")
            sys.stdout.write(f"{page}\n")


if __name__ == "__main__":
    main()
