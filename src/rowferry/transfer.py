"""Rows to an HTTP API: the blocking face and the awaitable one, over one pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from rowferry.budget import Budget
from rowferry.row_factories import dict_row_factory

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping, Sequence

    from rowferry.api import Api
    from rowferry.incremental import Incremental
    from rowferry.journal import Journal
    from rowferry.options import QueryOptions, TransferOptions
    from rowferry.records import Observer, OnError, Report, Row
    from rowferry.row_factories import RowFactory
    from rowferry.transforms import Transform

# `running` is imported in the functions: with asyncio, ssl and msgspec it takes most of the time
# that importing all of rowferry would take, and those who only read or load rows need none of it.

_NO_LIMITS = Budget()


def post_rows(
    rows: Iterable[Row] | None,
    api: str | Api,
    *,
    transform: Transform | None = None,
    key: str | Sequence[str] | None = None,
    name: str | None = None,
    journal: Journal | None = None,
    on_error: OnError | None = None,
    ordering_key: str | None = None,
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
        key: the column or columns that tell one row from another: for messages and errors, and
            for the idempotency key of a request that holds one record.
        name: of the transfer, a part of its idempotency keys.
        journal: keeps what is done, so that a run that was cut short is gone on with by the next
            one; for that it needs *key*, and the same rows in the same order. Records that the API
            will not take are kept there as dead letters, and the run goes on.
        on_error: takes a list of `FailedRow` (the record, and why), between fetches, while there is
            no room for more, and before the call returns; the run goes on. Without it the first
            failure stops the run.
        ordering_key: a column of the rows (of the records, where a transform takes whole chunks).
            Records with one value of it are sent in the order of reading, each once the one before
            it is settled; others overtake them. It needs one record a request.
        limit: rows to read, at most.
        budget: what the run may cost.
        chunk_size: rows that a transform gets at once, at most; the first chunk has 100.
        progress: True for a bar on a terminal, or a callable that takes `Progress` events.

    Returns:
        The counts; every record was delivered, or given to *on_error*.

    Raises:
        ConfigError: an argument cannot work. Where that shows in a row only (a key column that it
            lacks), the note on the error says how far the run got; else nothing was sent.
        RejectedError: the API will not take a record, or JSON cannot hold it.
        TransferError: the run was stopped before all was settled; it has the `report`.
        JournalError: another run holds the journal, it is of another transfer, or cannot be
            written.
        AbortError: `abort_etlhelper_threads` was called.
    """
    from rowferry import running

    transfer = running.of_rows(
        rows,
        api,
        transform=transform,
        key=key,
        name=name,
        journal=journal,
        on_error=on_error,
        ordering_key=ordering_key,
        limit=limit,
        budget=budget,
        chunk_size=chunk_size,
        progress=progress,
    )
    return running.run_here(transfer)


def copy_to_api(
    select_query: str,
    conn: Any,
    api: str | Api,
    *,
    parameters: Sequence[Any] | Mapping[str, Any] = (),
    row_factory: RowFactory[Any] = dict_row_factory,
    transform: Transform | None = None,
    key: str | Sequence[str] | None = None,
    name: str | None = None,
    journal: Journal | None = None,
    incremental: Incremental | None = None,
    on_error: OnError | None = None,
    ordering_key: str | None = None,
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
        name: of the transfer.
        journal: as in `post_rows`; the rows come in the order of *key*.
        incremental: reads only what came after the last complete pass; it needs a journal and a
            key.
        on_error: takes a list of `FailedRow`.
        ordering_key: a column; records with one value of it are sent one after another.
        limit: rows to read, at most.
        budget: what the run may cost.
        chunk_size: rows that are fetched at once, at most; the first chunk has 100.
        progress: True for a bar on a terminal, or a callable that takes `Progress` events.

    Returns:
        The counts; every record was delivered, or given to *on_error*.

    Raises:
        SourceError: the database could not be read; it has the `report`.
        ConfigError: an argument cannot work. Where that shows in a row only (a key column that it
            lacks), the note on the error says how far the run got; else nothing was sent.
        RejectedError: the API will not take a record, or JSON cannot hold it.
        TransferError: the run was stopped before all was settled; it has the `report`.
        JournalError: another run holds the journal, it is of another transfer, or cannot be
            written.
        AbortError: `abort_etlhelper_threads` was called.
    """
    from rowferry import running

    transfer = running.of_query(
        select_query,
        conn,
        api,
        parameters=parameters,
        row_factory=row_factory,
        transform=transform,
        key=key,
        name=name,
        journal=journal,
        incremental=incremental,
        on_error=on_error,
        ordering_key=ordering_key,
        limit=limit,
        budget=budget,
        chunk_size=chunk_size,
        progress=progress,
    )
    return running.run_here(transfer)


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
    from rowferry import running

    return await running.run_awaited(running.of_rows(rows, api, **options))


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
    from rowferry import running

    return await running.run_awaited(running.of_query(select_query, conn, api, **options))
