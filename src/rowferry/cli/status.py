"""`rowferry status`: how far jobs are, also while they run."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import click

from rowferry.config.jobs import journals_of
from rowferry.exceptions import ConfigError
from rowferry.journal_status import status_of

_MINUTE = 60
_HOUR = 3600
_DAY = 86400


@click.command("status")
@click.argument("job_file", type=click.Path(path_type=Path))
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each job.")
@click.option("--debug", is_flag=True, help="Show where errors come from.")
def command(job_file: Path, jobs: tuple[str, ...], as_json: bool, debug: bool) -> int:
    """
    Tell how far jobs are, also while they run.

    JOB_FILE may be a journal as well. What is told is what was committed, about a second ago.
    """
    del debug  # `main` looks for it
    for name, journal in journals_of(job_file, jobs).items():
        told = _told(journal)
        if as_json:
            click.echo(json.dumps({"job": name, **(told or {"state": "never run"})}))
        else:
            click.echo(f"{name}: {_text(told)}")
    return 0


def _told(journal: Path) -> dict[str, Any] | None:
    """Give what a run wrote beside its journal; None where none did."""
    place = status_of(journal)
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {place}: {error}") from error
    told["running"] = told.get("state") == "open" and _is_alive(told.get("pid"))
    return dict(told)


def _is_alive(pid: Any) -> bool:
    if not isinstance(pid, int):
        return False
    with contextlib.suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
    return True


def _text(told: dict[str, Any] | None) -> str:
    if told is None:
        return "never run"
    if told["running"]:
        state = f"running, as process {told['pid']}"
    else:
        state = {"open": "cut short; the next run goes on", "complete": "complete"}.get(
            told["state"], told["state"]
        )
    figures = [
        f"  {figure.replace('_', ' '):<17}{told.get(figure, 0):,}"
        for figure in ("read", "delivered", "dead", "skipped", "maybe_duplicated")
        if told.get(figure) or figure in {"read", "delivered", "dead"}
    ]
    head = f"pass {told['pass']}, {state}; {_ago(time.time() - told['at'])} ago"
    return "\n".join([head, *figures])


def _ago(seconds: float) -> str:
    for unit, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.0f} {name}"
    return f"{max(seconds, 0):,.0f} s"
