"""Jobs run one after another: what is shown meanwhile, what is said at the end."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rowferry.cli import messages
from rowferry.cli.ends import ClosedOutputError, Ended, Outcome, end_of
from rowferry.cli.signals import Interrupts
from rowferry.observe import both

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rowferry.config.environment import Environment
    from rowferry.config.job import Job
    from rowferry.records import Observer, Report

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


report_option = click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path),
    help="Write a page of HTML about the run, to look at.",
)
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
    jobs: Mapping[str, Job],
    environment: Environment,
    manner: Manner,
    *,
    start_over: bool,
    page: Path | None = None,
) -> int:
    """
    Run jobs one after another; give the exit code, the worst of theirs.

    Args:
        page: where to write about it, for people.
    """
    if page is None:
        works = {name: _work(name, job, manner, start_over) for name, job in jobs.items()}
        return worst([outcome.code for outcome in work_through(works, environment, manner)])
    from rowferry.cli.reporting import Reporting  # for those who ask

    reporting = Reporting(page, jobs, environment)
    works = {
        name: _work(name, job, manner, start_over, reporting.histories[name])
        for name, job in jobs.items()
    }
    outcomes: list[Outcome] = []
    try:
        for outcome in work_through(works, environment, manner):
            outcomes.append(outcome)  # noqa: PERF402 (they are written even if this ends early)
    finally:
        reporting.write(outcomes)
    return worst([outcome.code for outcome in outcomes])


def _work(
    name: str, job: Job, manner: Manner, start_over: bool, history: Observer | None = None
) -> Callable[[], Report]:
    from rowferry.config.work import may_change_data, run_job  # with asyncio

    def work() -> Report:
        if may_change_data(job):
            messages.warn(f"{name}: the query is not a plain SELECT, and may change data")
        if start_over and job.kept_in is not None:
            job.kept_in.start_over()
        if manner.bar and job.destination is not None:
            from rowferry.cli.bar import bar_of_a_copy  # with rich

            with bar_of_a_copy():
                return run_job(job)
        return run_job(job, progress=_observer(job, manner, history))

    return work


def work_through(
    works: Mapping[str, Callable[[], Report]], environment: Environment, manner: Manner
) -> Iterator[Outcome]:
    """
    Do one thing after another; say how each ended, and give that.

    After a signal, or once nobody reads the standard output, no further one is begun.
    """
    with Interrupts(quiet=manner.quiet):
        for name, work in works.items():
            outcome = _do(name, work, environment, manner)
            yield outcome
            _tell(outcome, manner)
            if outcome.code > _SIGNALLED:
                return


def worst(codes: Sequence[int]) -> int:
    """Give the exit code for several ends: that of the one which needs a person most."""
    return max((code for code in codes if code > _SIGNALLED), default=0) or min(
        codes, key=_WORST_FIRST.index, default=0
    )


def _do(name: str, work: Callable[[], Report], environment: Environment, manner: Manner) -> Outcome:
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
    return Outcome(name, ended.code, environment.masked(ended.message), report)


def _observer(job: Job, manner: Manner, history: Observer | None) -> Observer | None:
    """Give what looks on: a bar where there is to be one, and what keeps the run for a page."""
    if not manner.bar or job.api is None:
        return history
    from rowferry.cli.bar import bar_of  # with rich

    bar = bar_of(job)
    return bar if history is None else both(bar, history)


def _tell(outcome: Outcome, manner: Manner) -> None:
    """Say how a job ended: for people on standard error, for machines on standard output."""
    name, code, message, report = outcome
    try:
        if report is not None and not manner.quiet:
            click.echo(_table(outcome, report), err=True)
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


def _table(outcome: Outcome, report: Report) -> str:
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
    return "\n".join([f"{outcome.name}: {outcome.end}", *lines])
