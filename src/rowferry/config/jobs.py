"""Job files: TOML to jobs, with the path of every mistake."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rowferry.config.environment import Environment
from rowferry.config.job import STAND_IN, Job, Source
from rowferry.config.kinds import Kind
from rowferry.config.mistakes import MistakesError, nearest
from rowferry.config.options import options_of
from rowferry.config.reading import WRONG, Reading
from rowferry.config.secrets import open_secrets
from rowferry.exceptions import ConfigError
from rowferry.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

_SQLITE = b"SQLite format 3\0"
_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """
    A job file that was read.

    Attributes:
        path: of the file.
        jobs: those that were asked for, by name, in the order of the file.
        environment: what was filled in; it keeps that out of what is shown.
    """

    path: Path
    jobs: Mapping[str, Job]
    environment: Environment


def read_job_file(path: Path, names: Collection[str] = ()) -> JobFile:
    """
    Read a job file.

    Args:
        names: of the jobs to read; none means all. What others hold is not looked at, so that
            their variables need not be set.

    Raises:
        MistakesError: with every mistake that there is.
        ConfigError: the file cannot be read, or is no TOML.
    """
    tables = _tables_of(path)
    environment = Environment(os.environ, path.parent)
    reading = Reading(environment, path.parent.resolve(), stand_ins={Source: STAND_IN})
    wanted = list(_wanted(reading, tables, names))
    jobs = {
        name: job_of(reading, f"$.jobs.{name}", table, path.parent, name) for name, table in wanted
    }
    if reading.mistakes:
        raise MistakesError(reading.mistakes)
    return JobFile(path=path, jobs=jobs, environment=environment)


def journals_of(path: Path, names: Collection[str] = ()) -> dict[str, Path]:
    """
    Give the journals of the jobs of a file; nothing else of them is looked at.

    Args:
        path: of a job file, or of a journal.
        names: of the jobs; none means all that have a journal.

    Raises:
        MistakesError: a job that is named is not there, or has no journal.
        ConfigError: the file cannot be read, or is no TOML.
    """
    if _is_journal(path):
        return {path.stem: path}
    tables = _tables_of(path)
    reading = Reading(Environment(os.environ, path.parent), path.parent)
    found: dict[str, Path] = {}
    for name, table in _wanted(reading, tables, names):
        given = table.get("journal", True) if isinstance(table, Mapping) else True
        kind = options_of(Job)["journal"].kind
        read = reading.value(f"$.jobs.{name}.journal", kind, given)
        if isinstance(read, Journal):
            found[name] = path.parent / read.path
        elif isinstance(read, str):
            found[name] = path.parent / read
        elif read is True:
            found[name] = path.parent / f"{name}.journal"
        elif name in names and read is False:
            reading.wrong(f"$.jobs.{name}.journal", "the job has no journal")
    if reading.mistakes:
        raise MistakesError(reading.mistakes)
    return found


def function_named(text: str, base: Path) -> Any:
    """
    Give the function that `module:function` names.

    Raises:
        ConfigError: there is none; the message says what there is.
    """
    reading = Reading(Environment(os.environ, base), base.resolve())
    found = reading.value("--transform", Kind(code=True), text)
    if reading.mistakes:
        raise MistakesError(reading.mistakes)
    return found


def _is_journal(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False  # who reads it as a job file tells why


def _tables_of(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the job file {path}: {error.strerror}") from error
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path} is not UTF-8: there is the byte 0x{data[error.start]:02x} in line {line}"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no TOML: {_lowered(str(error))}") from error


def _wanted(
    reading: Reading, tables: Mapping[str, Any], names: Collection[str]
) -> Iterator[tuple[str, Any]]:
    """Give the tables of the jobs that are asked for."""
    for name in tables:
        if name != "jobs":
            reading.wrong(
                f"$.{name}",
                f"there is no such table{nearest(name, ['jobs'])}; jobs are tables [jobs.NAME]",
            )
    jobs = tables.get("jobs", {})
    if not isinstance(jobs, Mapping) or not jobs:
        if "jobs" in tables or not reading.mistakes:
            reading.wrong("$.jobs", "expected a table [jobs.NAME] at least")
        return
    for name in names:
        if name not in jobs:
            hint = nearest(name, jobs)
            reading.wrong("$.jobs", f"there is no job {name}{hint}; there are: {', '.join(jobs)}")
    for name, table in jobs.items():
        if names and name not in names:
            continue
        if _NAME.fullmatch(name):
            yield name, table
        else:
            reading.wrong(f"$.jobs.{name!r}", "a job's name has letters, digits, - and _ only")


def job_of(
    reading: Reading, path: str, table: Any, base: Path, name: str, *, secrets: bool = True
) -> Any:
    """
    Make a job of its table; `WRONG`, with the mistakes noted, where that cannot be.

    Args:
        base: the folder from which files are named.
        name: of the job; for want of one in the table it becomes the transfer's.
        secrets: whether a secret in the table itself is a mistake.
    """
    if secrets:
        reading.mistakes += open_secrets(path, table)
    query = _plain_query(table)
    job = reading.table(path, Job, _with_query_kept(table))
    if job is WRONG or not isinstance(job, Job):
        return WRONG
    source = _with_sql(reading, f"{path}.source", job.source, base, query)
    if job.api is None:
        return replace(job, source=source)
    default = base / f"{name}.journal" if name else None
    journal = _journal(reading, f"{path}.journal", job, base, default)
    return replace(job, source=source, journal=journal, name=job.name or name or None)


def _journal(reading: Reading, path: str, job: Job, base: Path, default: Path | None) -> Any:
    """Give the journal of a job: the one that it asks for, or *default*; False for none."""
    asked = job.journal
    try:
        if isinstance(asked, Journal):
            return replace(asked, path=base / asked.path)
        if isinstance(asked, str):
            return Journal(base / asked)
        return False if asked is False or default is None else Journal(default)
    except ConfigError as error:
        return reading.wrong(path, str(error))


def _plain_query(table: Any) -> str | None:
    source = table.get("source") if isinstance(table, Mapping) else None
    query = source.get("query") if isinstance(source, Mapping) else None
    return query if isinstance(query, str) else None


def _with_query_kept(table: Any) -> Any:
    """Give *table* with a query in which no reference is filled in."""
    query = _plain_query(table)
    if query is None:
        return table
    return {**table, "source": {**table["source"], "query": query.replace("${", "$${")}}


def _with_sql(reading: Reading, path: str, source: Source, base: Path, query: str | None) -> Source:
    """Give *source* with the text of its query, and with its file as it is found from here."""
    if query is not None and source.query is not None:
        return replace(source, query=query)
    if source.query_file is not None:
        text = _text_of(reading, f"{path}.query_file", base / source.query_file)
        return source if text is WRONG else replace(source, query=text, query_file=None)
    if source.file is not None and source.file != "-":
        file = base / source.file
        if not file.is_file():
            reading.wrong(f"{path}.file", f"there is no file {file}")
        return replace(source, file=str(file))
    return source


def _text_of(reading: Reading, path: str, file: Path) -> Any:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        return reading.wrong(path, f"cannot read {file}: {error.strerror}")
    except UnicodeDecodeError:
        return reading.wrong(path, f"{file} is not UTF-8")


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
