"""What puts a transfer on its threads and loops; imported once there is one to run."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterable, Mapping, Sized
from typing import TYPE_CHECKING, Any, Unpack

from rowferry.api import Api, as_api
from rowferry.exceptions import ConfigError
from rowferry.fingerprint import ORDER, PARAMETERS, hashed, of_parameters
from rowferry.incremental import Incremental
from rowferry.journal import Journal, Opening
from rowferry.keyset import columns_of_key
from rowferry.observe import observer_of
from rowferry.pipeline import Run
from rowferry.reader import Query
from rowferry.row_factories import FACTORIES, dict_row_factory
from rowferry.row_source import Journaled
from rowferry.sources import AsyncSource, QuerySource, iterable_source
from rowferry.spans import Columns
from rowferry.transfer_spec import Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rowferry.options import PlainOptions, TransferOptions
    from rowferry.records import Observer, Report
    from rowferry.row_factories import RowFactory
    from rowferry.row_source import Resumable


def of_rows(rows: Any, api: str | Api, **options: Unpack[TransferOptions]) -> Transfer:
    """
    Give the transfer of an iterable's rows; of an async one only where a loop is running.

    Raises:
        ConfigError: an argument cannot work.
    """
    api = as_api(api)
    source: Resumable
    if isinstance(rows, AsyncIterable):
        source = AsyncSource(rows, api.batch_linger, _running_loop())
    else:
        source = iterable_source(rows, api.batch_linger)
    total = len(rows) if isinstance(rows, Sized) else None
    return _transfer(source, api, {}, total=total, **options)


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise ConfigError("rows is an async iterable: await apost_rows(…) takes those") from error


def of_query(
    select_query: str,
    conn: Any,
    api: str | Api,
    *,
    parameters: Sequence[Any] | Mapping[str, Any] = (),
    row_factory: RowFactory[Any] = dict_row_factory,
    incremental: Incremental | None = None,
    **options: Unpack[TransferOptions],
) -> Transfer:
    """
    Give the transfer of a query's rows.

    Raises:
        ConfigError: an argument cannot work.
    """
    untouched = options.get("transform") is None and row_factory in FACTORIES
    source = QuerySource(
        Query(select_query, conn, parameters, row_factory, columns_of_key(options.get("key"))),
        unread=untouched,
    )
    as_read = untouched and row_factory is dict_row_factory
    asked = {"query": hashed(select_query.strip()), PARAMETERS: of_parameters(parameters)}
    return _transfer(
        source, as_api(api), asked, incremental=incremental, rows_as_read=as_read, **options
    )


def _transfer(
    source: Resumable,
    api: Api,
    asked: dict[str, str],
    *,
    total: int | None = None,
    rows_as_read: bool = False,
    key: str | Sequence[str] | None = None,
    journal: Journal | None = None,
    incremental: Incremental | None = None,
    progress: bool | Observer | None = None,
    **options: Unpack[PlainOptions],
) -> Transfer:
    """Gather what a face was given into the one value that the pipeline takes."""
    columns = columns_of_key(key)
    _check_journal(journal, incremental, columns)
    known = [count for count in (total, options.get("limit")) if count is not None]
    opening = _opening(journal, asked, api, Columns.of(columns, incremental), options.get("name"))
    return Transfer(
        source=Journaled(source, opening) if opening else source,
        api=api,
        key=columns or None,
        observer=observer_of(progress),
        total=min(known, default=None),
        rows_as_read=rows_as_read,
        **options,
    )


def _check_journal(journal: Any, incremental: Any, key: tuple[str, ...]) -> None:
    if journal is not None and not isinstance(journal, Journal):
        raise ConfigError(f"journal must be a Journal(…), not {journal!r}")
    if incremental is None:
        return
    if not isinstance(incremental, Incremental):
        raise ConfigError(f"incremental must be an Incremental(…), not {incremental!r}")
    if journal is None or not key:
        raise ConfigError(
            "incremental needs a journal, which knows how far the last pass got, and key=, which "
            "tells rows with one value of the cursor apart"
        )


def _opening(
    journal: Journal | None, asked: dict[str, str], api: Api, columns: Columns, name: str | None
) -> Opening | None:
    """Give what opens a journal for this transfer; None where there is none."""
    if journal is None:
        return None
    parts = {
        "source": "a query" if asked else "rows",
        **asked,
        ORDER: ", ".join(columns.position),
        "key": ", ".join(columns.key),
        "url": hashed(api.url),
        "body_format": api.format.name,
    }
    return Opening(
        journal,
        parts,
        columns,
        name or "",
        keyed=api.idempotency_header is not None and api.records_per_request == 1,
        iterable=not asked,
    )


def run_here(transfer: Transfer) -> Report:
    """Read on this thread, deliver on the event loop of another."""
    run = Run(transfer)
    with _Delivering(run):
        run.read()
    return run.result()


class _Delivering:
    """
    The event loop of a run, on a thread of its own.

    The thread has ended when the block is left, and an error out of the block has stopped the run;
    `Run.result` raises it. So has a Ctrl-C in any line from the block's first to its last.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._thread = threading.Thread(target=_deliver, args=(run,), name="rowferry-delivery")

    def __enter__(self) -> None:
        try:
            self._thread.start()
        except BaseException as error:
            self._end(error)
            raise

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        try:
            self._end(error)
        except BaseException as another:  # noqa: BLE001 (a second Ctrl-C: `result` raises it)
            self._end(another)
        return True

    def _end(self, error: BaseException | None) -> None:
        if error is not None:
            self._run.stop(error)
        if self._thread.ident is not None:
            self._thread.join()


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


async def run_awaited(transfer: Transfer) -> Report:
    """Deliver on the running loop, read on a thread of its own."""
    run = Run(transfer)
    loop = asyncio.get_running_loop()
    delivering = loop.create_task(run.deliver())
    halves = asyncio.gather(delivering, _reading(run, loop), return_exceptions=True)
    while not halves.done():
        try:
            await asyncio.shield(halves)
        except asyncio.CancelledError as cancelled:
            run.stop(cancelled)
    for outcome in halves.result():
        if isinstance(outcome, BaseException):
            run.stop(outcome)
    return run.result()


def _reading(run: Run, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    """Read on a daemon thread: should the loop be closed under it, it must not hold up the exit."""
    done: asyncio.Future[None] = loop.create_future()

    def read() -> None:
        run.read()
        with contextlib.suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(done.set_result, None)

    threading.Thread(target=read, name="rowferry-reading", daemon=True).start()
    return done
