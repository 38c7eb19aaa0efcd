"""Where the rows of a transfer come from: a query, an iterable, an async iterable."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from concurrent.futures import wait
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from rowferry.exceptions import ConfigError
from rowferry.reader import Query, Reader
from rowferry.resuming import IterableSpans, QuerySpans

if TYPE_CHECKING:
    from concurrent.futures import Future

    from rowferry.pass_book import PassBook
    from rowferry.records import Row

_SHORTEST_WAIT = 0.01


@dataclass(frozen=True, slots=True)
class QuerySource:
    """
    The rows of a query.

    Attributes:
        query: what to read, and where.
        unread: whether nobody looks at the values, so that JSON may stay unparsed.
        unseen: whether nobody looks at the rows either, which are dicts to become JSON.
    """

    query: Query
    unread: bool
    unseen: bool = False

    def open(self) -> QueryRows:
        """Give the reading; nothing is connected to, and no query runs, before the first fetch."""
        return QueryRows(Reader(self.query, tolerant=True, unread=self.unread, unseen=self.unseen))

    def open_recorded(self, book: PassBook) -> QuerySpans:
        """Give the reading of what is not settled in *book*, in the order of positions."""
        query = replace(self.query, key=book.columns.position)
        return QuerySpans(query, book.spans, unread=self.unread, unseen=self.unseen)


class QueryRows:
    """The open reading of a query."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def fetch(self, count: int) -> list[Row]:
        """Give the next rows; none once they are exhausted."""
        return self._reader.fetch(count)

    @property
    def kinds(self) -> Mapping[str, type] | None:
        """The Python type of each column's cells, where that is fixed."""
        return self._reader.kinds

    def interrupt(self) -> None:
        """Make the database give up the statement that it is at."""
        with contextlib.suppress(Exception):  # it may have ended by itself meanwhile
            self._reader.interrupt()

    def close(self) -> None:
        """Close the cursor, and the connection where it is ours."""
        self._reader.close()


@dataclass(frozen=True, slots=True)
class IterableSource:
    """
    The rows of an iterable.

    Attributes:
        rows: read once, on the reading thread.
        linger: seconds after which a fetch gives what it has.
    """

    rows: Iterable[Row]
    linger: float

    def open(self) -> IterableRows:
        """Begin to iterate."""
        at_hand = isinstance(self.rows, list | tuple)
        return IterableRows(iter(self.rows), self.linger, at_hand=at_hand)

    def open_recorded(self, book: PassBook) -> IterableSpans:
        """Begin to iterate; rows that *book* has passed are not given again."""
        return IterableSpans(self.open(), book)


class IterableRows:
    """The open reading of an iterable."""

    kinds = None

    def __init__(self, iterator: Iterator[Row], linger: float, *, at_hand: bool) -> None:
        self._iterator = iterator
        self._linger = linger
        self._at_hand = at_hand

    def fetch(self, count: int) -> list[Row]:
        """Give the next rows: fewer than *count* where they come slowly."""
        if self._at_hand:
            return list(islice(self._iterator, count))
        until = time.monotonic() + self._linger
        rows = []
        for row in islice(self._iterator, count):
            rows.append(row)
            if time.monotonic() > until:
                break
        return rows

    def interrupt(self) -> None:
        """Do nothing: an iterable cannot be interrupted."""

    def close(self) -> None:
        """Close a generator, so that what it holds open does not wait for its collection."""
        if inspect.isgenerator(self._iterator):
            self._iterator.close()


@dataclass(frozen=True, slots=True)
class AsyncSource:
    """
    The rows of an async iterable.

    Attributes:
        rows: read once, on *loop*.
        linger: seconds after which a fetch gives what it has.
        loop: of the caller.
    """

    rows: AsyncIterable[Row]
    linger: float
    loop: asyncio.AbstractEventLoop

    def open(self) -> AsyncRows:
        """Begin to iterate."""
        return AsyncRows(aiter(self.rows), self.linger, self.loop)

    def open_recorded(self, book: PassBook) -> IterableSpans:
        """Begin to iterate; rows that *book* has passed are not given again."""
        return IterableSpans(self.open(), book)


class AsyncRows:
    """The open reading of an async iterable: gathered on its loop, given to the reading thread."""

    kinds = None

    def __init__(
        self, iterator: AsyncIterator[Row], linger: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._iterator = iterator
        self._patience = max(linger, _SHORTEST_WAIT)
        self._loop = loop
        self._gathered: deque[Row] = deque()
        self._gathering: Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._interrupted = False

    def fetch(self, count: int) -> list[Row]:
        """
        Give the next rows: fewer than *count* where they come slowly.

        The gathering goes on meanwhile, so that no row waits for the one behind it.
        """
        while not self._gathered and not self._interrupted:
            if self._gathering is None:
                gather = self._gather(count)
                self._gathering = asyncio.run_coroutine_threadsafe(gather, self._loop)
            wait((self._gathering,), self._patience)
            if self._gathering.done():
                self._gathering.result()
                self._gathering = None
                if not self._gathered:
                    return []
        return [self._gathered.popleft() for _ in range(min(count, len(self._gathered)))]

    async def _gather(self, count: int) -> None:
        self._task = asyncio.current_task()
        for _ in range(count):
            try:
                self._gathered.append(await anext(self._iterator))
            except StopAsyncIteration:
                break

    def interrupt(self) -> None:
        """Let a fetch give what there is, or nothing."""
        self._interrupted = True

    def close(self) -> None:
        """Stop the gathering and close an async generator, on its loop."""
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()

    async def _close(self) -> None:
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))
        if inspect.isasyncgen(self._iterator):
            await self._iterator.aclose()


def iterable_source(rows: Any, linger: float) -> IterableSource:
    """
    Give the source for what `post_rows` was given.

    Raises:
        ConfigError: it is no iterable of rows.
    """
    if rows is None:
        rows = ()
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        hint = "; for an async iterable use apost_rows" if isinstance(rows, AsyncIterable) else ""
        raise ConfigError(f"rows must be an iterable of rows, not a {type(rows).__name__}{hint}")
    return IterableSource(rows, linger)
