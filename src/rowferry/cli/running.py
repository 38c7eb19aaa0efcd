"""Jobs run one after another: what is shown meanwhile, what is said at the end."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rowferry.cli import messages
from rowferry.cli.ends import ClosedOutputError, Ended, end_of
from rowferry.cli.signals import Interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rowferry.config.environment import Environment
    from rowferry.config.job import Job
    from rowferry.observe import Observer
    from rowferry.records import Report

_WORST_FIRST = (7, 1, 6, 5, 2, 4, 3, 0)
_SIGNALLED = 128


class Manner(NamedTuple):
    """
    How a command speaks while it runs.

    Attributes:
        bar: whether it draws a bar.
        quiet: whether it says only what is wrong.
        debug: whether it says where errors come from.
    """

    bar: bool
    quiet: bool
    debug: bool


def with_run_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all have which run something."""
    for option in (
        click.option("--debug", is_flag=True, help="Log everything; show where errors come from."),
        click.option("--quiet", "-q", is_flag=True, help="Show errors and warnings only."),
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            default="text",
            help="Of the lines on standard error; json shows no bar.",
        ),
    ):
        function = option(function)
    return function


start_over_option = click.option(
    "--start-over", is_flag=True, help="Abandon a run that was cut short; begin at the first row."
)


def begin(*, debug: bool, quiet: bool, log_format: Any) -> Manner:
    """Set the log up; give how the command is to speak."""
    bar = not quiet and log_format == "text" and _is_terminal()
    level = logging.WARNING if quiet or bar else logging.INFO
    messages.log(logging.DEBUG if debug else level, log_format)
    return Manner(bar, quiet, debug)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def run_jobs(
    jobs: Mapping[str, Job], environment: Environment, manner: Manner, *, start_over: bool
) -> int:
    """Run jobs one after another; give the exit code, the worst of theirs."""
    from rowferry.config.work import may_change_data, run_job  # noqa: PLC0415 (with asyncio)

    def work_of(name: str, job: Job) -> Callable[[], Report]:
        def work() -> Report:
            if may_change_data(job):
                messages.warn(f"{name}: the query is not a plain SELECT, and may change data")
            if start_over and job.kept_in is not None:
                job.kept_in.start_over()
            return run_job(job, progress=_observer(job, manner))

        return work

    return work_through(
        {name: work_of(name, job) for name, job in jobs.items()}, environment, manner
    )


def work_through(
    works: Mapping[str, Callable[[], Report]], environment: Environment, manner: Manner
) -> int:
    """
    Do one thing after another, and say how each ended; give the worst exit code.

    After a signal, or once nobody reads the standard output, no further one is begun.
    """
    codes = []
    with Interrupts(quiet=manner.quiet):
        for name, work in works.items():
            code = _do(name, work, environment, manner)
            codes.append(code)
            if code > _SIGNALLED:
                return code
    return worst(codes)


def worst(codes: Sequence[int]) -> int:
    """Give the exit code for several ends: that of the one which needs a person most."""
    return min(codes, key=_WORST_FIRST.index, default=0)


def _do(name: str, work: Callable[[], Report], environment: Environment, manner: Manner) -> int:
    error: BaseException | None = None
    report: Report | None = None
    try:
        report = work()
    except BaseException as raised:  # noqa: BLE001 (each kind has its exit code)
        error = raised
        report = getattr(raised, "report", None)
    ended = end_of(error) if error else Ended(report.exit_code if report else 0, "")
    if error is not None and manner.debug:
        logging.getLogger("rowferry").debug("%s ended early", name, exc_info=error)
    return _tell(name, environment.masked(ended.message), ended.code, report, manner)


def _observer(job: Job, manner: Manner) -> Observer | None:
    if not manner.bar or job.api is None:
        return None
    from rowferry.cli.bar import bar_of  # noqa: PLC0415 (with rich)

    return bar_of(job)


def _tell(name: str, message: str, code: int, report: Report | None, manner: Manner) -> int:
    """Say how a job ended: for people on standard error, for machines on standard output."""
    try:
        if report is not None and not manner.quiet:
            click.echo(_table(name, report, code), err=True)
        if message:
            click.echo(f"{name}: {message}", err=True)
    except OSError:
        pass  # nobody reads it
    line: dict[str, Any] = {"job": name, **(report.as_dict() if report else {}), "exit_code": code}
    if message:
        line["error"] = message
    if sys.stdout is None:
        raise ClosedOutputError
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()
    return code


_ENDS = {
    0: "all settled",
    3: "finished, with dead letters",
}


def _table(name: str, report: Report, code: int) -> str:
    """Give the figures of a report, those that say something, one a line."""
    figures = report.as_dict()
    shown = {
        "read": f"{report.read:,} rows",
        "records": f"{report.records:,}",
        "delivered": f"{report.delivered:,}",
        "dead": f"{report.dead:,}",
        "pending": f"{report.pending:,}",
        "skipped": f"{report.skipped:,} rows",
        "requests": f"{report.requests:,}",
        "retries": f"{report.retries:,}",
        "maybe_duplicated": f"{report.maybe_duplicated:,}",
        "seconds": f"{report.seconds:,.1f}",
        "rows_per_second": f"{report.rows_per_second:,.0f}",
        "max_in_flight": f"{report.max_in_flight:,}",
    }
    always = {"read", "delivered", "dead", "seconds", "rows_per_second"}
    lines = [
        f"  {label.replace('_', ' '):<17}{value}"
        for label, value in shown.items()
        if label in always or figures[label]
    ]
    return "\n".join([f"{name}: {_ENDS.get(code, f'ended early, exit code {code}')}", *lines])
