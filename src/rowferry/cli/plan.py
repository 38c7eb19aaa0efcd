"""`rowferry plan`: what a job would do, the first requests byte for byte."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rowferry.cli.running import begin
from rowferry.config.jobs import read_job_file
from rowferry.config.planning import Plan, plan_of, seconds_at_least
from rowferry.config.secrets import SECRET_HEADER
from rowferry.values import encode_chunk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowferry.config.environment import Environment
    from rowferry.config.job import Job

_SHOWN = 4096
"""Characters of a body that are shown."""

_SECRET_VALUE = re.compile(
    r"([?&][^=&\s]*(?:token|secret|password|key|sig)[^=&\s]*=)(?!\$\{)[^&\s]+", re.IGNORECASE
)
_REFERENCE = re.compile(r"\$\{(file:)?([^{}]*)\}")


@click.command("plan")
@click.argument("job_file", type=click.Path(path_type=Path))
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option(
    "--rows", default=3, show_default=True, help="Rows to look at.", type=click.IntRange(1)
)
@click.option("--debug", is_flag=True, help="Log everything; show where errors come from.")
def command(job_file: Path, jobs: tuple[str, ...], rows: int, debug: bool) -> int:
    """
    Show what a job would do; send nothing.

    The first rows are read and shaped, and their requests shown as they would be sent, also for
    curl; then how much there is to do, what is guaranteed, and the time that it takes at least.
    """
    begin(debug=debug, quiet=True, log_format="text")
    found = read_job_file(job_file, jobs)
    return show_plans(found.jobs, found.environment, rows)


def show_plans(jobs: Mapping[str, Job], environment: Environment, rows: int = 3) -> int:
    """Show what jobs would do; give the exit code."""
    for name, job in jobs.items():
        click.echo(f"# {name}\n{_text_of(job, plan_of(job, rows), environment)}")
    return 0


def _text_of(job: Job, plan: Plan, environment: Environment) -> str:
    """Give a plan for people; what the environment filled in is shown by name."""
    parts = [_request(job, request, environment) for request in plan.requests]
    parts += map(_row, plan.first)
    return "\n".join([*parts, *(f"* {line}" for line in _summary(job, plan)), ""])


def _row(row: object) -> str:
    (text, *_), errors = encode_chunk([row])
    return text.decode() if not errors else str(row)


def _summary(job: Job, plan: Plan) -> list[str]:
    rows = "an unknown number of rows" if plan.rows is None else f"{plan.rows:,} rows"
    if job.destination is not None:
        where = job.destination.table or job.source.table or "the statement"
        return [f"{rows} into {where}", *plan.guarantees]
    api = job.to_api
    size = api.records_per_request
    lines = [f"{rows}, {size:,} a request at most: {api}"]
    if hasattr(api.scheme, "flow"):
        lines.append("each request has a token besides, which is fetched when the job runs")
    if job.transform is not None:
        lines[0] += " (if the transform makes one record of each row)"
    if plan.latency is None:
        lines.append(plan.problem)
    elif plan.rows is not None:
        requests = -(-plan.rows // size)
        took = f"{plan.latency * 1000:.1f} ms"
        seconds = seconds_at_least(job, requests, plan.latency)
        lines.append(
            f"{requests:,} requests, {api.limits.workers} at a time: {seconds:,.1f} s at least, "
            f"if each takes as long as the connection did ({took})"
        )
    return [*lines, *plan.guarantees]


# requests, for people and for curl


def _request(job: Job, request: bytes, environment: Environment) -> str:
    head, _, body = request.partition(b"\r\n\r\n")
    line, *headers = environment.masked(head.decode("latin-1")).split("\r\n")
    shown = [_SECRET_VALUE.sub(r"\1***", line), *map(_masked_header, headers)]
    text = environment.masked(_body(body))
    scheme = "https" if job.to_api.endpoint.tls else "http"
    curl = _curl(scheme, shown, text if len(body) <= _SHOWN else None)
    return "\n".join([*shown, "", text, "", curl, ""])


def _masked_header(header: str) -> str:
    name, _, value = header.partition(": ")
    return f"{name}: ***" if SECRET_HEADER.search(name) and "${" not in value else header


def _body(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"({len(body):,} bytes that are no text)"
    if len(text) <= _SHOWN:
        return text
    return f"{text[:_SHOWN]}… ({len(body):,} bytes)"


_OF_THE_CONNECTION = {"host", "content-length"}


def _curl(scheme: str, shown: list[str], body: str | None) -> str:
    """Give the command that sends a request; None for a body is one that is too long for it."""
    line, *headers = shown
    method, target, _ = line.split(" ")
    host = next(header.partition(": ")[2] for header in headers if header.startswith("Host: "))
    parts = [f"curl -X {method} {_quoted(f'{scheme}://{host}{target}')}"]
    parts += [
        f"  -H {_quoted(header)}"
        for header in headers
        if header.partition(":")[0].lower() not in _OF_THE_CONNECTION
    ]
    parts.append(f"  --data-binary {'@the-whole-body' if body is None else _quoted(body)}")
    return " \\\n".join(parts)


def _quoted(text: str) -> str:
    """Quote a text for a shell; what stands for a variable or a file stays that."""
    if not _REFERENCE.search(text):
        return shlex.quote(text)
    pieces, end = [], 0
    for match in _REFERENCE.finditer(text):
        pieces.append(re.sub(r'([\\"`$])', r"\\\1", text[end : match.start()]))
        pieces.append(f"$(cat {match[2]})" if match[1] else match[0])
        end = match.end()
    pieces.append(re.sub(r'([\\"`$])', r"\\\1", text[end:]))
    return f'"{"".join(pieces)}"'
