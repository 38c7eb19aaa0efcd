"""What a job needs, looked at piece by piece: nothing is written, and nothing sent but a HEAD."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowferry import connections
from rowferry.config.checkup_api import steps_of_api
from rowferry.config.finding import CONFIGURATION, DISK, UNREACHABLE, Finding, Trouble
from rowferry.config.work import query_of, rows_of
from rowferry.databases import recognise
from rowferry.exceptions import ConfigError, RowferryError
from rowferry.extract import iter_rows
from rowferry.keyset import as_table
from rowferry.mounts import UNSURE, file_system
from rowferry.row_factories import tuple_row_factory
from rowferry.sql import columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowferry.config.job import Job, Source

_MIB = 1024 * 1024
_LEAST_FREE = 20 * _MIB
"""What a journal of many rows may take."""


def check_up(job: Job) -> Iterator[Finding]:
    """Look at what a job needs, one thing after another; what depends on a bad one is left out."""
    if job.source.url is not None:
        yield from _found(_of_source(job.source, job.source.url))
    else:
        yield from _found(_of_file(job))
    if job.destination is not None:
        yield from _found(_of_database("destination", job.destination.url))
    else:
        yield from _found(steps_of_api(job.to_api))
    if job.kept_in is not None:
        place = Path(job.kept_in.path)
        yield from _found(iter([("journal", lambda: _disk(place))]))


def _found(steps: Iterator[tuple[str, Callable[[], str]]]) -> Iterator[Finding]:
    for what, look in steps:
        try:
            yield Finding(what, look())
        except Trouble as trouble:
            yield Finding(what, str(trouble), trouble.exit_code)
            return
        except ConfigError as error:
            yield Finding(what, str(error), CONFIGURATION)
            return
        except RowferryError as error:
            yield Finding(what, str(error), UNREACHABLE)
            return


# databases and files


def _of_database(which: str, url: str) -> Iterator[tuple[str, Callable[[], str]]]:
    yield f"{which}: driver", lambda: _driver(url)
    yield f"{which}: database", lambda: _connection(url)


def _of_source(source: Source, url: str) -> Iterator[tuple[str, Callable[[], str]]]:
    yield from _of_database("source", url)
    yield "source: query", lambda: _query(source, url)


def _of_file(job: Job) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "source: file", lambda: _file(job)


def _driver(url: str) -> str:
    module = connections.database_of(url).driver
    try:
        __import__(module)
    except ImportError:
        with connections.opened(url):  # raises: it knows what to install
            return module
    packages = importlib.metadata.packages_distributions().get(module, [])
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages[:1]]
    return versions[0] if versions else module


def _connection(url: str) -> str:
    began = time.monotonic()
    with connections.opened(url) as conn:
        database, _ = recognise(conn)
        took = (time.monotonic() - began) * 1000
        return f"{database.dbtype}, connected in {took:,.0f} ms"


def _query(source: Source, url: str) -> str:
    query = query_of(source)
    try:
        without_rows = columns_of(as_table(query))
    except ConfigError:
        return "it is no plain SELECT, and may change data: it was not run"
    with connections.opened(url) as conn:
        names = _columns(without_rows, conn, source.parameters)
    return f"may be read, and has the columns {', '.join(names)}"


def _columns(query: str, conn: Any, parameters: Any) -> list[str]:
    found: list[str] = []

    def note(cursor: Any) -> Any:
        found.extend(column[0] for column in cursor.description)
        return tuple_row_factory(cursor)

    with closing(iter_rows(query, conn, parameters, note)) as rows:  # type: ignore[type-var]
        next(rows, None)
    return found


def _file(job: Job) -> str:
    with closing(rows_of(job)) as rows:
        first = next(rows, None)
    return "is empty" if first is None else f"may be read, and has the columns {', '.join(first)}"


# the journal


def _disk(journal: Path) -> str:
    folder = journal.resolve().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Trouble(f"no file can be made in {folder}: name another with journal", DISK)
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE:
        raise Trouble(f"there are only {free / _MIB:,.0f} MiB free in {folder}", DISK)
    kind = file_system(folder)
    if kind in UNSURE:
        raise Trouble(
            f"{folder} is on {kind}, and a journal there {UNSURE[kind]}: name another with journal",
            DISK,
        )
    return f"{journal}, on {kind or 'a disk'} with {free / _MIB:,.0f} MiB free"
