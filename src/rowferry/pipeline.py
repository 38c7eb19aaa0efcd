"""
The life of a run: read, transform, encode, hand over; deliver; report.

A run has two halves. One reads the source and runs all of the user's code, on one thread, the
reading thread; the other delivers, on an event loop. Which thread and which loop, the faces say.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from rowferry import abort
from rowferry.batches import Origin
from rowferry.batching import FIRST_FETCH, Batcher, next_fetch
from rowferry.budget import Budget
from rowferry.checks import whole
from rowferry.delivery import Delivery
from rowferry.exceptions import ConfigError, ExhaustedError, RejectedError, TransferError
from rowferry.formats.contract import encode_of, framing_of, split_of
from rowferry.handoff import Handoff
from rowferry.idempotency import IdempotencyKeys
from rowferry.ledger import Ledger
from rowferry.letters import needs_records, needs_values
from rowferry.recording import Sending, Shaping, dead_of
from rowferry.records import FailedRow, Key, Progress, Report, Row
from rowferry.settling import too_many_dead
from rowferry.transforms import Transform, key_of, shape
from rowferry.values import UnencodableError, encode_chunk, too_large

if TYPE_CHECKING:
    from rowferry.api import Api
    from rowferry.batches import Batch
    from rowferry.incremental import Incremental
    from rowferry.recording import Opening, Recorded, Recording, RowKeys
    from rowferry.spans import Span
    from rowferry.transforms import Shaped

OnError: TypeAlias = Callable[[list[FailedRow]], Any]
Observer: TypeAlias = Callable[[Progress], Any]

ItemT = TypeVar("ItemT")

_CALLBACKS_EACH = 0.1
"""Seconds after which a waiting reading thread looks for callbacks to serve."""


class Rows(Protocol):
    """The open reading of a source; only the reading thread touches it, but for `interrupt`."""

    def fetch(self, count: int) -> Sequence[Row]:
        """Give the next rows, *count* at most; none once there are no more."""
        ...

    @property
    def kinds(self) -> Mapping[str, type] | None:
        """The type of each column's cells, once rows were fetched; None where it is not fixed."""
        ...

    def interrupt(self) -> None:
        """Make a `fetch` that is waiting raise soon; called from another thread."""
        ...

    def close(self) -> None:
        """Leave nothing open; may be called again."""
        ...


class RecordedRows(Rows, Protocol):
    """
    The open reading of a source with a journal.

    Attributes:
        span: that of the rows that were fetched last; all of them are of one.
    """

    span: Span

    @property
    def description(self) -> Sequence[Any]:
        """The columns, as DB-API has them, once rows were fetched; empty where there are none."""
        ...


class Source(Protocol):
    """Where rows come from."""

    def open(self) -> Rows:
        """Begin to read, on the reading thread."""
        ...

    def open_recorded(self, book: Any) -> RecordedRows:
        """Begin to read where earlier runs were."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """
    All that a run is asked to do.

    Attributes:
        source: where rows come from.
        api: where records go.
        transform: rows to records; None sends the rows as they are.
        key: the columns that tell one row from another; None where nobody needs to know.
        journal: keeps how far the transfer is; None: a run that is cut short begins anew.
        incremental: reads only what is new; None: all rows in every pass.
        name: of the transfer; a part of its idempotency keys.
        ordering_key: a column of the row; records with one value of it are sent one after another.
        on_error: takes the rows that failed, and the run goes on; None stops the run at the first.
        limit: rows to read, at most; None means all.
        budget: what the run may cost.
        chunk_size: rows to fetch at once, at most.
        observer: takes progress events; None where nobody looks.
        total: rows that there are, where that is known.
        rows_as_read: whether records are dicts by column name, just as the source gave them.
    """

    source: Source
    api: Api
    transform: Transform | None = None
    key: tuple[str, ...] | None = None
    name: str | None = None
    journal: Opening | None = None
    incremental: Incremental | None = None
    ordering_key: str | None = None
    on_error: OnError | None = None
    limit: int | None = None
    budget: Budget = field(default_factory=Budget)
    chunk_size: int = 5000
    observer: Observer | None = None
    total: int | None = None
    rows_as_read: bool = False

    def __post_init__(self) -> None:
        """Check every value; raise ConfigError."""
        whole("chunk_size", self.chunk_size, 1)
        if self.limit is not None:
            whole("limit", self.limit, 0)
        _check_text("name", self.name)
        _check_text("ordering_key", self.ordering_key)
        if self.ordering_key and self.api.records_per_request > 1:
            raise ConfigError(
                f"ordering_key needs one record a request, but batch_size is "
                f"{self.api.records_per_request}: batch_size=1 does"
            )
        if self.key is None and getattr(self.api.format, "needs_key", False):
            raise ConfigError(
                f"body_format {self.api.format.name!r} makes ids of the key: key= names its "
                "columns, id= other ones, and id=None lets the API make ids (a record that is sent "
                "again may then be there twice)"
            )
        if not isinstance(self.budget, Budget):
            raise ConfigError("budget must be a Budget(…)")
        for name in ("transform", "on_error", "observer"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                option = "progress" if name == "observer" else name
                raise ConfigError(f"{option} must be callable, not {value!r}")


class _StoppedError(Exception):
    """Unwinds the reading thread where the run was stopped."""


class Run:
    """
    One run of a transfer.

    Its halves are `read` and `deliver`, for two threads or one thread and a loop; once both have
    returned, `result` gives what came of it.
    """

    def __init__(self, transfer: Transfer) -> None:
        api, limits = transfer.api, transfer.api.limits
        self._transfer = transfer
        self._job = abort.begin()
        self._ledger = Ledger(transfer.total)
        self._handoff = Handoff(
            Batcher(
                api.format.join,
                size=api.records_per_request,
                max_bytes=min(api.batch_bytes, limits.max_buffer_bytes),
                splittable=split_of(api.format) is not None,
            ),
            self._ledger,
            max_bytes=limits.max_buffer_bytes,
            max_records=max(
                2 * transfer.chunk_size, limits.workers * api.records_per_request * 5 // 4
            ),
            linger=api.batch_linger,
        )
        self._delivery = Delivery(
            api,
            transfer.budget,
            self._ledger,
            self._handoff,
            keep_going=transfer.on_error is not None or transfer.journal is not None,
            on_stop=self.stop,
        )
        self._keys = _idempotency_keys(transfer)
        self._recorder: Recording | None = None
        self._exhausted = False
        self._templates = api.templates
        self._encode = encode_of(api.format)
        self._framing = framing_of(api.format)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._delivering = threading.Event()
        self._delivered = threading.Event()
        self._rows: Rows | None = None
        self._fetching = threading.Lock()
        self._interrupting = threading.Lock()
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
        self._on_loop(self._delivery.end, self._exhausted)
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
        if self._transfer.journal:
            self._open_journal(self._transfer.journal)
        source, recorder = self._transfer.source, self._recorder
        rows = source.open_recorded(recorder.book) if recorder else source.open()
        self._rows = rows
        try:
            self._hand_over_all(rows)
            self._put(self._handoff.flush())
        finally:
            rows.close()

    def _open_journal(self, journal: Opening) -> None:
        transfer, ledger = self._transfer, self._ledger
        looked_at = needs_values(transfer.api)
        self._recorder = journal.open(
            Shaping(transfer.transform, transfer.ordering_key, self._columns, looked_at=looked_at)
        )
        ledger.before = ledger.committed = self._recorder.book.counts
        self._on_loop(self._delivery.keep, self._recorder.book)

    def _hand_over_all(self, rows: Rows) -> None:
        transfer = self._transfer
        count = min(FIRST_FETCH, transfer.chunk_size)
        while chunk := self._fetch(rows, count):
            kinds = rows.kinds if transfer.rows_as_read else None
            if self._recorder is None:
                size = self._hand_over(self._shape(chunk), kinds)
            else:
                size = self._hand_over_recorded(chunk, kinds, self._recorder, rows)
            waited = self._make_room()
            count = next_fetch(count, size, transfer.chunk_size, waited=waited)

    def _fetch(self, rows: Rows, count: int) -> list[Row]:
        """Give the next chunk; an empty one at the end or at the limit."""
        limit = self._transfer.limit
        if limit is not None:
            count = min(count, limit - self._ledger.read)
        if not count:
            return []
        with self._fetching:
            self._check()
            chunk = rows.fetch(count)
        with self._interrupting:  # one that came too late must not hit what follows
            self._check()
        self._ledger.read += len(chunk)
        self._exhausted = not chunk
        return chunk if isinstance(chunk, list) else list(chunk)

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
                self._columns,
            )
        except Exception as error:
            if transfer.key:
                first, last = (key_of(row, transfer.key) for row in (chunk[0], chunk[-1]))
                error.add_note(f"in the chunk from key {first!r} to key {last!r}")
            raise

    @property
    def _columns(self) -> Collection[str]:
        """Columns that say where a record goes."""
        of_requests = self._templates.columns if self._templates else ()
        return (*of_requests, *(self._framing.columns if self._framing else ()))

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
        ledger, transfer = self._ledger, self._transfer
        if self._encode:
            bodies, errors = self._encode(shaped.records)
        else:
            bodies, errors = encode_chunk(shaped.records, kinds)
        if self._framing:
            bodies, astray = self._framing.frame(bodies, shaped.records, shaped.rows, shaped.keys)
            errors = astray | errors
        lines, headers = self._requests(shaped, bodies, errors)
        size = sum(map(len, bodies))
        if size > transfer.api.limits.max_buffer_bytes:
            errors |= too_large(shaped.records, bodies, transfer.api.limits.max_buffer_bytes)
        failed = [_with_key(key, row) for key, row in shaped.failed]
        unsent = {index: _unsendable(shaped, index, errors[index]) for index in sorted(errors)}
        if recorded and recorded.stretch.replayed and transfer.api.on_ambiguous == "dead_letter":
            unsent = {
                index: unsent.get(index) or _interrupted(shaped, index)
                for index in range(len(bodies))
            }
        dead = dead_of(recorded, shaped, unsent, errors) if recorded else []
        failed += unsent.values()
        if unsent:
            shaped, bodies = shaped.without(unsent), _without(unsent, bodies)
            lines, headers = _without(unsent, lines), _without(unsent, headers)
        ledger.skipped += shaped.skipped
        ledger.unsendable += len(failed)
        sending = None
        if recorded:
            numbers, places = recorded.numbers, recorded.places
            sending = Sending(_without(unsent, numbers), _without(unsent, places), shaped.records)
        if keys := self._key_lines(shaped, sending):
            headers = list(map(bytes.__add__, keys, headers)) if headers else keys
        origins = self._origins(shaped, sending.numbers if sending else ())
        turns = shaped.turns
        self._put(self._handoff.batch(bodies, origins, headers=headers, turns=turns, lines=lines))
        if recorded:  # after its batches, so that what has none is known to have none
            self._on_loop(self._delivery.read, recorded.stretch, dead)
        self._fail(failed)
        return size

    def _key_lines(self, shaped: Shaped, sending: Sending | None) -> list[bytes]:
        """Give the lines with the idempotency keys of records; none where requests have none."""
        header = self._transfer.api.idempotency_header if self._keys else None
        if self._recorder and sending:
            return self._recorder.headers(header, sending)
        return self._keys.headers(header, shaped.keys) if self._keys and header else []

    def _requests(
        self, shaped: Shaped, bodies: list[bytes], errors: dict[int, UnencodableError]
    ) -> tuple[list[bytes], list[bytes]]:
        """Give the line and the headers that each record makes; empty a body that is not sent."""
        if self._templates is None:
            return [], []
        first = not self._ledger.records
        rendered = self._templates.render(shaped.records, shaped.rows, first=first)
        for index in rendered.bare:
            bodies[index] = b""
        for index, error in rendered.errors.items():
            errors.setdefault(index, error)
        return rendered.lines, rendered.headers

    def _origins(self, shaped: Shaped, numbers: Sequence[int]) -> list[Origin]:
        """Give where each record comes from; nothing where nobody may ask."""
        keep = self._transfer.on_error is not None or needs_records(self._transfer.api)
        values = shaped.records if keep else repeat(None)
        if numbers:
            return list(map(Origin, shaped.keys or repeat(None), values, numbers))
        if self._transfer.on_error is None:
            return list(map(Origin, shaped.keys))
        keys: Sequence[Key | None] = shaped.keys or [None] * len(shaped.records)
        return [Origin(key, value) for key, value in zip(keys, shaped.records, strict=True)]

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
            self._loop.run_in_executor(None, self._interrupt_fetch)

    def _interrupt_fetch(self) -> None:
        """Let a fetch that is waiting for its source end soon, though it may only just begin."""
        with self._interrupting:
            while self._rows and self._fetching.locked():
                self._rows.interrupt()
                time.sleep(_CALLBACKS_EACH)

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


def _with_key(key: Key | None, row: FailedRow) -> FailedRow:
    """Say in an error of users' code which row it was."""
    if key:
        row.exception.add_note(f"in the row with key {', '.join(map(repr, key))}")
    return row


def _without(indexes: Mapping[int, object], items: Sequence[ItemT]) -> list[ItemT]:
    """Give *items* but for those with these indexes."""
    if not indexes and isinstance(items, list):
        return items
    return [item for index, item in enumerate(items) if index not in indexes]


def _interrupted(shaped: Shaped, index: int) -> FailedRow:
    key: Key | None = shaped.keys[index] if shaped.keys else None
    error = ExhaustedError(
        "the run before was interrupted when it may have sent a record"
        f"{_which(key)}, and on_ambiguous='dead_letter'",
        key=key,
    )
    return FailedRow(shaped.records[index], error)


def _which(key: Key | None) -> str:
    return f" (key {', '.join(map(repr, key))})" if key else ""


def _idempotency_keys(transfer: Transfer) -> IdempotencyKeys | None:
    """Give what makes the keys of a run; None where requests carry none. A run is a pass."""
    api = transfer.api
    if transfer.key is None or api.idempotency_header is None or api.records_per_request > 1:
        return None
    return IdempotencyKeys(transfer.name or "", secrets.token_bytes(16), len(transfer.key))


def _check_text(name: str, value: Any) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigError(f"{name} must be text that is not empty, not {value!r}")


def _unsendable(shaped: Shaped, index: int, error: UnencodableError) -> FailedRow:
    key: Key | None = shaped.keys[index] if shaped.keys else None
    message = f"a record{_which(key)} cannot be sent: {error}"
    rejection = RejectedError(message, key=key, reason=error.reason)
    rejection.__cause__ = error
    return FailedRow(shaped.records[index], rejection)
