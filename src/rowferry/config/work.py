"""Jobs at work: each asks the library for what a script would."""

from __future__ import annotations

import contextlib
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from rowferry import connections, copying, insert, sql, transfer
from rowferry.exceptions import ConfigError, TransferError
from rowferry.extract import iter_rows
from rowferry.file_rows import rows_of_file
from rowferry.records import Report
from rowferry.transforms import PerRow, records_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rowferry.config.job import Destination, Job, Source
    from rowferry.records import Observer, Row
    from rowferry.transforms import Transform


def run_job(job: Job, *, progress: Observer | None = None) -> Report:
    """
    Run a job; block until all of its records are settled.

    Args:
        progress: takes `Progress` events, where rows go to an API.

    Raises:
        SourceError, InsertError, QueryError, TransferError: as the function of the library that
            does this work. What the job's own transform raises is a TransferError too.
    """
    if job.destination is not None:
        return _into_database(job, job.destination)
    options = options_of_transfer(job) | {"progress": progress}
    source = job.source
    if source.file is not None:
        with contextlib.closing(_rows_of(source, source.file)) as rows:
            return transfer.post_rows(rows, job.to_api, **options)
    return transfer.copy_to_api(
        query_of(source),
        source.url,
        job.to_api,
        parameters=source.parameters,
        incremental=job.incremental,
        **options,
    )


def options_of_transfer(job: Job) -> dict[str, Any]:
    """Give the options of the library's functions for APIs."""
    return {
        "transform": _told_apart(job.shaping),
        "key": job.key,
        "journal": job.kept_in,
        "name": job.name,
        "ordering_key": job.ordering_key,
        "limit": job.limit,
        "budget": job.budget,
        "chunk_size": job.chunk_size,
    }


def query_of(source: Source) -> str:
    """Give the query of a source that is a database."""
    if source.table is None:
        return source.query or ""
    return sql.select_all(source.table, connections.database_of(source.url).identifier)


def may_change_data(job: Job) -> bool:
    """Tell whether a job reads by more than one statement that only reads."""
    return job.source.query is not None and not sql.can_declare(job.source.query)


def rows_of(job: Job) -> Generator[Row]:
    """Give the rows of a job one by one, not more than its limit."""
    source = job.source
    rows: Any
    if source.file is not None:
        rows = _rows_of(source, source.file)
    else:
        rows = iter_rows(query_of(source), source.url, source.parameters)
    with contextlib.closing(rows):
        yield from islice(rows, job.limit)


def _rows_of(source: Source, file: str) -> Generator[Row]:
    return rows_of_file(file, source.format_of_file or "", null=source.null)


# rows into a database


def _into_database(job: Job, destination: Destination) -> Report:
    began = time.monotonic()
    transform = _told_apart(job.shaping)
    if job.source.table and job.limit is None:
        processed, failed = _whole_table(job, job.source.table, destination, transform)
    elif destination.insert_query and job.source.url and job.limit is None:
        processed, failed = copying.copy_rows(
            query_of(job.source),
            job.source.url,
            destination.insert_query,
            destination.url,
            job.source.parameters,
            transform=transform,
            chunk_size=job.chunk_size,
            key=job.key,
            checkpoint=destination.checkpoint,
            name=job.name,
        )
    else:
        processed, failed = _row_by_row(job, destination, transform)
    return _report(processed, failed, time.monotonic() - began)


def _whole_table(job: Job, table: str, destination: Destination, transform: Any) -> tuple[int, int]:
    return copying.copy_table_rows(
        table,
        job.source.url,
        destination.url,
        destination.table,
        transform=transform,
        chunk_size=job.chunk_size,
        create=destination.create,
        on_conflict=destination.on_conflict,
        key=job.key,
        checkpoint=destination.checkpoint,
        name=job.name,
    )


def _row_by_row(job: Job, destination: Destination, transform: Any) -> tuple[int, int]:
    """Insert rows that come one by one: those of a file, or a few of a query."""
    with contextlib.closing(rows_of(job)) as rows:
        if destination.insert_query:
            return insert.executemany(
                destination.insert_query,
                destination.url,
                rows,
                transform=transform,
                chunk_size=job.chunk_size,
            )
        return insert.load(
            destination.table or job.source.table or "",
            destination.url,
            rows,
            transform=transform,
            chunk_size=job.chunk_size,
            create=destination.create,
            on_conflict=destination.on_conflict,
            key=job.key,
        )


def _report(processed: int, failed: int, seconds: float) -> Report:
    return Report(
        read=processed,
        records=processed,
        delivered=processed - failed,
        dead=failed,
        skipped=0,
        pending=0,
        requests=0,
        retries=0,
        maybe_duplicated=0,
        seconds=seconds,
        max_in_flight=0,
    )


# what the user's own code raises


def _told_apart(transform: Transform | None) -> Transform | None:
    """Give *transform* so that what it raises can be told from what rowferry raises."""
    if transform is None:
        return None
    if isinstance(transform, PerRow):
        return PerRow(_guarded(transform.function, records_of))
    return _guarded(transform, list)


def _guarded(function: Callable[[Any], Any], gather: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def guarded(given: Any) -> Any:
        try:
            made = function(given)
            return made if made is None else gather(made)
        except ConfigError:
            raise
        except Exception as error:
            raise TransferError(f"transform raised {type(error).__name__}: {error}") from error

    return guarded
