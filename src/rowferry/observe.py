"""Progress for people: a bar on a terminal or in a notebook, a line in the log; fed with events."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from rowferry.exceptions import ConfigError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from rowferry.records import Observer, Progress

HEARTBEAT = 10.0
"""Seconds between two lines in the log."""

_REFRESHES = 4
"""A second: drawing takes milliseconds, which the event loop goes without."""

_WIDE = 100
_AROUND_BAR = 32
_AROUND = 10
"""Columns of a terminal: from which on there is a bar, and what is beside the figures."""

_log = logging.getLogger("rowferry")


def observer_of(progress: Any) -> Observer:
    """
    Give what takes the progress events of a run.

    Args:
        progress: True for a bar where there is a terminal or a notebook; a callable for the
            events themselves (what it raises is logged); None or False for neither. The log has
            its line in any case.

    Raises:
        ConfigError: it is none of these.
    """
    shown: Observer | None = None
    if progress is True:
        shown = _bar_where_it_shows()
    elif callable(progress):
        shown = Guarded(progress)
    elif progress is not None and progress is not False:
        raise ConfigError(f"progress must be True, None or a callable, not {progress!r}")
    return both(Heartbeat(), shown) if shown else Heartbeat()


class Guarded:
    """Calls a user's observer; what that raises is logged, the first time, and ends nothing."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._warned = False

    def __call__(self, event: Progress) -> None:
        """Pass on an event."""
        try:
            self._observer(event)
        except Exception:  # noqa: BLE001 (it is logged, and looking on ends no transfer)
            if not self._warned:
                self._warned = True
                _log.exception("progress= raised; the transfer goes on")


def both(first: Observer, second: Observer) -> Observer:
    """Give an observer that passes events on to two."""

    def observe(event: Progress) -> None:
        first(event)
        second(event)

    return observe


class Heartbeat:
    """Writes a line to the log each 10 s, and a warning when requests begin to be sent again."""

    def __init__(self) -> None:
        self._next = HEARTBEAT
        self._warned = False

    def __call__(self, event: Progress) -> None:
        """Take an event."""
        if event.problem and not self._warned:
            self._warned = True
            _log.warning("requests are sent again; the first reason: %s", event.problem)
        if event.seconds >= self._next:
            self._next = event.seconds + HEARTBEAT
            _log.info(
                "%d read, %d delivered, %d dead, %d in flight, %d retries, %.0f rows/s",
                event.read,
                event.delivered,
                event.dead,
                event.in_flight,
                event.retries,
                event.rows_per_second,
            )


def _bar_where_it_shows() -> Observer | None:
    """Give a bar below the cell of a notebook, or on a terminal; None elsewhere."""
    if _in_notebook():
        return NotebookBar()
    from rich.console import Console  # noqa: PLC0415 (imported by those who want a bar only)

    console = Console(stderr=True)
    return Bar(console) if console.is_terminal else None


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


class NotebookBar:
    """
    A bar below the cell that runs, with as many figures as a line has room for.

    It is a display of the notebook's own, written over again and again. Rich's bar would need the
    package ipywidgets there, and not show the last figures.
    """

    def __init__(self) -> None:
        self._display: Any = None
        self._next = 0.0

    def __call__(self, event: Progress) -> None:
        """Take an event; the last one leaves the bar as it is then."""
        if event.seconds < self._next and not event.ended:
            return
        self._next = event.seconds + 1 / _REFRESHES
        shown = {"text/plain": bar(event) + counts(event, _WIDE - _AROUND_BAR)}
        if self._display is None:
            from IPython.display import display  # noqa: PLC0415 (there in notebooks only)

            self._display = display(shown, raw=True, display_id=True)
        else:
            self._display.update(shown, raw=True)


def bar(event: Progress) -> str:
    """Give how much of an event's rows is settled, as text; nothing where nobody knows how many."""
    settled = event.delivered + event.dead
    if event.ended and settled == event.records and event.read >= (event.total or 0):
        share = 1.0  # however many records the rows became
    elif event.total:
        share = min(settled / event.total, 1.0)
    else:
        return ""
    return f"{'█' * int(20 * share):░<20} {share:4.0%}  "


class Bar:
    """
    A bar: rows delivered, rows a second, in flight, latency, retries, time left.

    On a narrow terminal there are fewer of them.

    Args:
        console: a `rich.console.Console` to draw on.
    """

    def __init__(self, console: Any) -> None:
        from rich import progress  # noqa: PLC0415 (imported by those who want a bar only)

        self._rich: RichProgress = progress.Progress(
            progress.SpinnerColumn(),
            *([progress.BarColumn(bar_width=20)] if console.width >= _WIDE else []),
            progress.TextColumn("{task.fields[counts]}", markup=False),
            progress.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
            transient=False,
            refresh_per_second=_REFRESHES,
        )
        self._room = console.width - (_AROUND_BAR if console.width >= _WIDE else _AROUND)
        self._task: TaskID | None = None

    def __call__(self, event: Progress) -> None:
        """Take an event; the last one leaves the bar as it is then."""
        if self._task is None:
            self._task = self._rich.add_task("", total=event.total, counts="")
            self._rich.start()
        total = event.total
        if event.ended and not event.dead and event.delivered == event.records:
            total = event.read  # also where nobody knew it before
        settled = event.delivered + event.dead
        self._rich.update(
            self._task, completed=settled, total=total, counts=counts(event, self._room)
        )
        if event.ended:
            self._rich.stop()


def counts(event: Progress, room: int) -> str:
    """Give as many of an event's figures as there is room for, the most telling ones first."""
    parts = [
        f"{event.delivered:,} delivered",
        f"{event.rows_per_second:,.0f} rows/s",
        *([f"{event.dead:,} dead"] if event.dead else []),
        f"{event.in_flight} in flight",
        *([f"{event.retries:,} retries"] if event.retries else []),
        *(
            [f"p50 {_time(event.latency_p50)} p99 {_time(event.latency_p99)}"]
            * bool(event.latency_p50)
        ),
        f"{event.read:,} read",
    ]
    while len(parts) > 1 and len(", ".join(parts)) > room:
        parts.pop()
    return ", ".join(parts)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"
