"""Rows to an HTTP API: the blocking face and the awaitable one, over one pipeline."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from rowferry.api import Api, as_api
from rowferry.budget import Budget
from rowferry.db_params import connect
from rowferry.exceptions import ConfigError
from rowferry.extract import Query
from rowferry.observe import observer_of
from rowferry.pipeline import Run, Transfer
from rowferry.row_factories import dict_row_factory
from rowferry.sources import AsyncSource, QuerySource, iterable_source

if TYPE_CHECKING:
    from rowferry.observe import Observer
    from rowferry.pipeline import OnError, Source
    from rowferry.records import Report, Row
    from rowferry.row_factories import RowFactory
    from rowferry.transforms import Transform

_NO_LIMITS = Budget()


class _PlainOptions(TypedDict, total=False):
    """The options that the pipeline takes as users give them."""

    transform: Transform | None
    on_error: OnError | None
    limit: int | None
    budget: Budget
    chunk_size: int


class TransferOptions(_PlainOptions, total=False):
    """The options of `post_rows`, which its awaitable twin takes as well."""

    key: str | Sequence[str] | None
    progress: bool | Observer | None


class QueryOptions(TransferOptions, total=False):
    """The options of `copy_to_api`, which its awaitable twin takes as well."""

    parameters: Sequence[Any] | Mapping[str, Any]
    row_factory: RowFactory


def post_rows(
    rows: Iterable[Row] | None,
    api: str | Api,
    *,
    transform: Transform | None = None,
    key: str | Sequence[str] | None = None,
    on_error: OnError | None = None,
    limit: int | None = None,
    budget: Budget = _NO_LIMITS,
    chunk_size: int = 5000,
    progress: bool | Observer | None = None,
) -> Report:
    """
    Deliver *rows* to *api*; block until all are settled.

    Args:
        rows: an iterable of rows, read once; a generator is closed at the end. None is no rows.
        api: a URL to POST one JSON record a request to, or an `Api`.
        transform: takes a list of rows and gives the records to send, more or fewer; or what
            `per_row` makes of a function of one row. None sends the rows as they are.
        key: the column or columns that tell one row from another, for messages and errors.
        on_error: takes a list of `FailedRow` (the record, and why), at least each second and
            before the call returns; the run goes on. Without it the first failure stops the run.
        limit: rows to read, at most.
        budget: what the run may cost.
        chunk_size: rows that a transform gets at once, at most; the first chunk has 100.
        progress: True for a bar on a terminal, or a callable that takes `Progress` events.

    Returns:
        The counts; every record was delivered, or given to *on_error*.

    Raises:
        ConfigError: an argument cannot work; nothing was sent.
        RejectedError: the API will not take a record, or JSON cannot hold it.
        TransferError: the run was stopped before all was settled; it has the `report`.
        AbortError: `abort_etlhelper_threads` was called.
    """
    api = as_api(api)
    transfer = _transfer(
        iterable_source(rows, api.batch_linger),
        api,
        total=len(rows) if isinstance(rows, Sized) else None,
        transform=transform,
        key=key,
        on_error=on_error,
        limit=limit,
        budget=budget,
        chunk_size=chunk_size,
        progress=progress,
    )
    return _run_here(transfer)


def copy_to_api(
    select_query: str,
    conn: Any,
    api: str | Api,
    *,
    parameters: Sequence[Any] | Mapping[str, Any] = (),
    row_factory: RowFactory = dict_row_factory,
    transform: Transform | None = None,
    key: str | Sequence[str] | None = None,
    on_error: OnError | None = None,
    limit: int | None = None,
    budget: Budget = _NO_LIMITS,
    chunk_size: int = 5000,
    progress: bool | Observer | None = None,
) -> Report:
    """
    Deliver the rows of *select_query* to *api*; block until all are settled.

    The database is read on the calling thread while the requests are in flight. The transaction
    of the query is committed when its rows are exhausted, and rolled back when the run ends
    before.

    Args:
        select_query: in the SQL of its database.
        conn: a connection, a `DbParams` or a URL; of the latter two a connection is opened and
            closed again.
        api: a URL to POST one JSON record a request to, or an `Api`.
        parameters: fill the placeholders of the query, in order or by name.
        row_factory: makes rows of what the cursor gives.
        transform: as in `post_rows`, as are all that follow.
        key: the column or columns that tell one row from another.
        on_error: takes a list of `FailedRow`.
        limit: rows to read, at most.
        budget: what the run may cost.
        chunk_size: rows that are fetched at once, at most; the first chunk has 100.
        progress: True for a bar on a terminal, or a callable that takes `Progress` events.

    Returns:
        The counts; every record was delivered, or given to *on_error*.

    Raises:
        SourceError: the database could not be read; it has the `report`.
        ConfigError: an argument cannot work; nothing was sent.
        RejectedError: the API will not take a record, or JSON cannot hold it.
        TransferError: the run was stopped before all was settled; it has the `report`.
        AbortError: `abort_etlhelper_threads` was called.
    """
    transfer = _query_transfer(
        select_query,
        conn,
        api,
        parameters=parameters,
        row_factory=row_factory,
        transform=transform,
        key=key,
        on_error=on_error,
        limit=limit,
        budget=budget,
        chunk_size=chunk_size,
        progress=progress,
    )
    return _run_here(transfer)


async def apost_rows(
    rows: Iterable[Row] | AsyncIterable[Row] | None,
    api: str | Api,
    **options: Unpack[TransferOptions],
) -> Report:
    """
    Deliver *rows* to *api* from the running event loop.

    As `post_rows`, but the requests run in the caller's loop, and *rows* may be an async iterable
    (gathered on the loop). Everything else (an iterable, *transform*, *on_error*, *progress*) runs
    on a thread of its own. Cancelling stops the reading, lets what is in flight finish for at most
    `budget.grace`, and raises CancelledError with the report as a note; cancelling again does not
    wait.

    Raises:
        ConfigError, TransferError, AbortError: as `post_rows`.
    """
    api = as_api(api)
    total = len(rows) if isinstance(rows, Sized) else None
    source: Source
    if isinstance(rows, AsyncIterable):
        source = AsyncSource(rows, api.batch_linger, asyncio.get_running_loop())
    else:
        source = iterable_source(rows, api.batch_linger)
    return await _run_awaited(_transfer(source, api, total=total, **options))


async def acopy_to_api(
    select_query: str, conn: Any, api: str | Api, **options: Unpack[QueryOptions]
) -> Report:
    """
    Deliver the rows of *select_query* to *api* from the running event loop.

    As `copy_to_api`, but the requests run in the caller's loop, and the database is read on a
    thread of its own: *conn* is a `DbParams`, a URL, or a connection that may cross threads (one
    of sqlite3 may not, unless made with `check_same_thread=False`). Cancelling is as in
    `apost_rows`.

    Raises:
        SourceError, ConfigError, TransferError, AbortError: as `copy_to_api`.
    """
    return await _run_awaited(_query_transfer(select_query, conn, api, **options))


def _query_transfer(
    select_query: str,
    conn: Any,
    api: str | Api,
    *,
    parameters: Sequence[Any] | Mapping[str, Any] = (),
    row_factory: RowFactory = dict_row_factory,
    **options: Unpack[TransferOptions],
) -> Transfer:
    untouched = options.get("transform") is None
    source = QuerySource(
        Query(select_query, conn, parameters, row_factory),
        # a DbParams is a mapping of what it takes to connect
        partial(connect, conn) if isinstance(conn, str | Mapping) else None,
        raw_json=untouched,
    )
    plain_names = untouched and row_factory is dict_row_factory
    return _transfer(source, as_api(api), plain_names=plain_names, **options)


def _transfer(
    source: Source,
    api: Api,
    *,
    total: int | None = None,
    plain_names: bool = False,
    key: str | Sequence[str] | None = None,
    progress: bool | Observer | None = None,
    **options: Unpack[_PlainOptions],
) -> Transfer:
    """Gather what a face was given into the one value that the pipeline takes."""
    known = [count for count in (total, options.get("limit")) if count is not None]
    return Transfer(
        source=source,
        api=api,
        key=_columns(key),
        observer=observer_of(progress),
        total=min(known, default=None),
        plain_names=plain_names,
        **options,
    )


def _columns(key: Any) -> tuple[str, ...] | None:
    """
    Give the key's columns.

    Raises:
        ConfigError: it is neither a column name nor several.
    """
    if key is None:
        return None
    columns = (key,) if isinstance(key, str) else tuple(key)
    if not columns or not all(isinstance(column, str) and column for column in columns):
        raise ConfigError(f"key must be a column name or a sequence of them, not {key!r}")
    return columns


def _run_here(transfer: Transfer) -> Report:
    """Read on this thread, deliver on the event loop of another."""
    run = Run(transfer)
    delivering = threading.Thread(target=_deliver, args=(run,), name="rowferry-delivery")
    delivering.start()
    try:
        run.read()
    finally:
        delivering.join()
    return run.result()


def _deliver(run: Run) -> None:
    try:
        with asyncio.Runner(loop_factory=_new_loop()) as runner:
            runner.run(run.deliver())
    except BaseException as error:  # noqa: BLE001 (raised on the calling thread)
        run.stop(error)
    finally:
        run.end_delivery()


def _new_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """Give what makes the fastest event loop there is."""
    if sys.platform == "win32" or sys.implementation.name != "cpython":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415 (not on every platform)

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _run_awaited(transfer: Transfer) -> Report:
    """Deliver on the running loop, read on a thread of its own."""
    run = Run(transfer)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, "rowferry-reading") as executor:
        delivering = loop.create_task(run.deliver())
        reading = loop.run_in_executor(executor, run.read)
        halves = asyncio.gather(delivering, reading, return_exceptions=True)
        while not halves.done():
            try:
                await asyncio.shield(halves)
            except asyncio.CancelledError as cancelled:
                run.stop(cancelled)
    return run.result()
