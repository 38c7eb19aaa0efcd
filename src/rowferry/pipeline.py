"""
The life of a run: read, transform, encode, hand over; deliver; report.

A run has two halves. One reads the source and runs all of the user's code, on one thread, the
reading thread; the other delivers, on an event loop. Which thread and which loop, the faces say.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from rowferry import abort
from rowferry.batching import FIRST_FETCH, Batcher, next_fetch
from rowferry.delivery import Delivery
from rowferry.exceptions import TransferError
from rowferry.fetching import Fetching
from rowferry.formats.contract import split_of
from rowferry.handoff import Handoff
from rowferry.ledger import Ledger
from rowferry.letters import needs_values
from rowferry.packing import Packing, sending_of
from rowferry.recording import Shaping, dead_of
from rowferry.row_source import Journaled
from rowferry.settling import too_many_dead
from rowferry.transforms import key_of, shape
from rowferry.unsent import failed_of, interrupted, unsendable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rowferry.batches import Batch
    from rowferry.packing import Packed
    from rowferry.recording import Recorded, Recording, RowKeys, Sending
    from rowferry.records import FailedRow, Report, Row
    from rowferry.row_source import Rows, Source
    from rowferry.transfer_spec import Transfer
    from rowferry.transforms import Shaped

_CALLBACKS_EACH = 0.1
"""Seconds after which a waiting reading thread looks for callbacks to serve."""


class _StoppedError(Exception):
    """Unwinds the reading thread where the run was stopped."""


class Run:
    """
    One run of a transfer.

    Its halves are `read` and `deliver`, for two threads or one thread and a loop; once both have
    returned, `result` gives what came of it.
    """

    def __init__(self, transfer: Transfer) -> None:
        self._transfer = transfer
        self._job = abort.begin()
        self._ledger = Ledger(transfer.total)
        self._packing = Packing(transfer)
        self._fetching = Fetching(self._ledger, transfer.limit, self._check)
        self._handoff = _handoff(transfer, self._ledger)
        self._delivery = Delivery(transfer, self._ledger, self._handoff, self.stop)
        self._recorder: Recording | None = None
        self._gives_up_doubtful = transfer.api.on_ambiguous == "dead_letter"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._delivering = threading.Event()
        self._delivered = threading.Event()
        self._error: BaseException | None = None
        self._error_lock = threading.Lock()
        self._observed_at = 0.0

    # the delivering half, on an event loop

    async def deliver(self) -> None:
        """Deliver what the reading half hands over, until all is settled or the run is stopped."""
        self._loop = asyncio.get_running_loop()
        self._delivering.set()
        if self._error:  # an interrupt in the first moment found no loop to tell
            self._delivery.stop()
        deadline = self._set_deadline(self._loop)
        try:
            await self._delivery.run()
        except BaseExceptionGroup as group:
            self.stop(_first_of(group))
        finally:
            if deadline:
                deadline.cancel()
            self.end_delivery()

    def _set_deadline(self, loop: asyncio.AbstractEventLoop) -> asyncio.TimerHandle | None:
        seconds = self._transfer.budget.deadline
        if seconds is None:
            return None
        return loop.call_later(seconds, self._stop_late, seconds)

    def _stop_late(self, seconds: float) -> None:
        problem = self._ledger.problem
        detail = f"; the last problem was: {problem}" if problem else ""
        self.stop(TransferError(f"deadline={seconds:g} s is over{detail}"))

    def end_delivery(self) -> None:
        """Let the reading half go on without an event loop: delivery has ended or cannot begin."""
        self._delivering.set()
        self._delivered.set()
        self._handoff.tell([])

    # the reading half, on the reading thread

    def read(self) -> None:
        """Hand over all rows, then serve callbacks until everything is settled; never raises."""
        self._guarded(self._delivering.wait)
        self._guarded(self._read_all)
        self._on_loop(self._delivery.end, self._fetching.exhausted)
        while not self._guarded(self._serve_until_delivered):
            pass
        self._guarded(self._serve_last)
        if self._recorder:
            self._guarded(self._recorder.book.close)

    def _guarded(self, work: Callable[[], object]) -> bool:
        """Do *work*, and tell whether it ended well; where it did not, stop the run."""
        try:
            work()
        except _StoppedError:
            return False
        except BaseException as error:  # noqa: BLE001 (Ctrl-C as well: it is raised at the end)
            self.stop(error)
            return False
        return True

    def _read_all(self) -> None:
        self._check()
        rows = self._open(self._transfer.source)
        try:
            self._hand_over_all(rows)
            self._put(self._handoff.flush())
        finally:
            rows.close()

    def _open(self, source: Source | Journaled) -> Rows:
        if not isinstance(source, Journaled):
            return source.open()
        transfer, ledger = self._transfer, self._ledger
        looked_at = needs_values(transfer.api)
        self._recorder = source.journal.open(
            Shaping(
                transfer.transform,
                transfer.ordering_key,
                self._packing.columns,
                looked_at=looked_at,
            )
        )
        book = self._recorder.book
        ledger.before = ledger.committed = book.counts
        self._on_loop(self._delivery.keep, book)
        return source.source.open_recorded(book)

    def _hand_over_all(self, rows: Rows) -> None:
        transfer = self._transfer
        count = min(FIRST_FETCH, transfer.chunk_size)
        while chunk := self._fetching.fetch(rows, count):
            kinds = rows.kinds if transfer.rows_as_read else None
            if self._recorder is None:
                size = self._hand_over(self._shape(chunk), kinds)
            else:
                size = self._hand_over_recorded(chunk, kinds, self._recorder, rows)
            waited = self._make_room()
            count = next_fetch(count, size, transfer.chunk_size, waited=waited)

    def _shape(self, chunk: list[Row], keys: RowKeys | None = None) -> Shaped:
        transfer = self._transfer
        try:
            if self._recorder and keys:
                return self._recorder.shape(chunk, keys)
            return shape(
                chunk,
                transfer.transform,
                transfer.key,
                transfer.ordering_key,
                self._packing.columns,
            )
        except Exception as error:
            if transfer.key:
                first, last = (key_of(row, transfer.key) for row in (chunk[0], chunk[-1]))
                error.add_note(f"in the chunk from key {first!r} to key {last!r}")
            raise

    def _hand_over_recorded(
        self, chunk: list[Row], kinds: Mapping[str, type] | None, recorder: Recording, rows: Any
    ) -> int:
        """Hand over what of a chunk is not settled by earlier runs; give its size in bytes."""
        keys = recorder.keys_of(chunk)
        recorder.check(rows.description, keys)
        recorded = recorder.place(chunk, keys, self._shape(chunk, keys), rows.span)
        self._ledger.read -= len(chunk) - recorded.rows
        shaped = recorded.shaped._replace(skipped=recorded.skipped)
        return self._hand_over(shaped, kinds, recorded)

    def _hand_over(
        self,
        shaped: Shaped,
        kinds: Mapping[str, type] | None,
        recorded: Recorded | None = None,
    ) -> int:
        """Encode records and hand them over; give their size in bytes."""
        ledger, packing = self._ledger, self._packing
        packed = packing.pack(shaped, kinds, first=not ledger.records)
        size = packed.size
        unsent = self._unsent(shaped, packed, recorded)
        dead = dead_of(recorded, shaped, unsent, packed.errors) if recorded else []
        failed = [*failed_of(shaped), *unsent.values()]
        if unsent:
            shaped, packed = shaped.without(unsent), packed.without(unsent)
        ledger.skipped += shaped.skipped
        ledger.unsendable += len(failed)
        sending = sending_of(recorded, shaped, unsent) if recorded else None
        packed = packed.with_keys(packing.key_lines(shaped, self._recorder, sending))
        self._put(self._batches(shaped, packed, sending))
        if recorded:  # after its batches, so that what has none is known to have none
            self._on_loop(self._delivery.read, recorded.stretch, dead)
        self._fail(failed)
        return size

    def _unsent(
        self, shaped: Shaped, packed: Packed, recorded: Recorded | None
    ) -> dict[int, FailedRow]:
        """Give by index the records that are not to be sent."""
        unsent = unsendable(shaped, packed.errors)
        if recorded and recorded.stretch.replayed and self._gives_up_doubtful:
            return interrupted(shaped, unsent)
        return unsent

    def _batches(self, shaped: Shaped, packed: Packed, sending: Sending | None) -> list[Batch]:
        return self._handoff.batch(
            packed.bodies,
            self._packing.origins(shaped, sending.numbers if sending else ()),
            headers=packed.headers,
            turns=shaped.turns,
            lines=packed.lines,
        )

    def _fail(self, failed: list[FailedRow]) -> None:
        """Tell of rows that cannot be sent at all; stop the run where that is too much."""
        transfer, ledger = self._transfer, self._ledger
        if not failed:
            return
        if transfer.on_error:
            transfer.on_error(failed)
        elif not self._recorder:
            raise failed[0].exception
        max_dead = transfer.budget.max_dead
        if max_dead is not None and ledger.dead > max_dead:
            raise too_many_dead(ledger.dead, max_dead)

    def _put(self, batches: list[Batch]) -> None:
        """Hand batches to the event loop."""
        if batches:
            self._on_loop(self._delivery.receive, batches)

    def _make_room(self) -> bool:
        """Serve callbacks, and wait until there is room for more; tell whether that took time."""
        self._serve(0.0)
        waited = False
        while not self._handoff.has_room or self._window_is_full():
            waited = True
            self._check()
            self._serve(_CALLBACKS_EACH, room=True)
        return waited

    def _window_is_full(self) -> bool:
        """Tell whether so many rows lie beyond the watermark that no more are to be read."""
        if self._recorder is None or self._recorder.has_room:
            return False
        self._handoff.wait_for_window()
        return not self._recorder.has_room

    def _check(self) -> None:
        """Unwind where the run was stopped."""
        if self._error:
            raise _StoppedError
        self._job.check()

    # users' callbacks, on the reading thread

    def _serve(self, seconds: float, *, room: bool = False) -> None:
        failed = self._handoff.wait_for_news(seconds, room=room)
        if failed and self._transfer.on_error:
            self._transfer.on_error(failed)
        self._observe()

    def _serve_until_delivered(self) -> None:
        while not self._delivered.is_set():
            if self._loop and self._loop.is_closed():
                self.end_delivery()
                raise RuntimeError("the event loop was closed before the transfer had ended")
            if not self._error:
                self._job.check()
            self._serve(_CALLBACKS_EACH)

    def _serve_last(self) -> None:
        try:
            self._serve(0.0)
        finally:
            self._observe(ended=True)

    def _observe(self, *, ended: bool = False) -> None:
        observer, now = self._transfer.observer, time.monotonic()
        if observer and (ended or now - self._observed_at >= _CALLBACKS_EACH):
            self._observed_at = now
            observer(self._ledger.progress(ended=ended))

    # the end, from either half

    def stop(self, error: BaseException) -> None:
        """
        Stop the run for a reason: read no more, send no more, let what is in flight finish.

        The first reason is the one that is raised. An interrupt while the run is stopping takes
        its place, and gives up what is in flight.
        """
        with self._error_lock:
            first = self._error is None
            urgent = not first and not isinstance(error, Exception)
            if first or urgent:
                self._error = error
        self._on_loop(self._delivery.abort if urgent else self._delivery.stop)
        self._on_loop(self._interrupt_fetch_soon)
        self._handoff.tell([])

    def _interrupt_fetch_soon(self) -> None:
        if self._loop:
            self._loop.run_in_executor(None, self._fetching.interrupt)

    def _on_loop(self, function: Callable[..., None], *args: object) -> None:
        """Call *function* on the event loop, unless that has ended."""
        if self._loop and not self._delivered.is_set():
            with contextlib.suppress(RuntimeError):  # it ended between the two lines
                self._loop.call_soon_threadsafe(function, *args)

    def result(self) -> Report:
        """
        Give what became of the rows, or raise why the run was stopped.

        Raises:
            SourceError, TransferError: with `report`.
            BaseException: what users' code, an interrupt or an abort raised; the report is a note,
                and, where there is room for it, the attribute `report` as well.
        """
        report = self._ledger.report()
        error = self._error
        if error is None and report.pending:
            error = RuntimeError(f"a bug in rowferry: it ended before its work was done: {report}")
        if error is None:
            return report
        with contextlib.suppress(AttributeError):  # an error of others may have no room for it
            error.report = report  # type: ignore[attr-defined]
        error.add_note(f"the transfer ended early: {report}")
        raise error


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give the first error in a group of groups: such are nothing that users should meet."""
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _handoff(transfer: Transfer, ledger: Ledger) -> Handoff:
    """Give the room between the two halves of a run, and what gathers records into batches."""
    api, limits = transfer.api, transfer.api.limits
    batcher = Batcher(
        api.format.join,
        size=api.records_per_request,
        max_bytes=min(api.batch_bytes, limits.max_buffer_bytes),
        splittable=split_of(api.format) is not None,
    )
    return Handoff(
        batcher,
        ledger,
        max_bytes=limits.max_buffer_bytes,
        max_records=max(2 * transfer.chunk_size, limits.workers * api.records_per_request * 5 // 4),
        linger=api.batch_linger,
    )
