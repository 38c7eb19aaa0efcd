"""Chunks that flow into a table without a wait for each, and what is done if one is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from rowferry import transactions

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from rowferry.databases.contract import Connection, Database

Chunk = TypeVar("Chunk")
Taken_contra = TypeVar("Taken_contra", contravariant=True)


class Sink(Protocol[Taken_contra]):
    """What chunks flow into: a `Stream` or a `TableCopy` of a database."""

    def write(self, chunk: Taken_contra, /) -> bool:
        """Send *chunk* on its way; False where that must be done otherwise."""
        ...

    def finish(self) -> None:
        """Wait until all is in, or raise why it is not."""
        ...

    def abandon(self) -> None:
        """Give up what is not finished."""
        ...


class Flow(Generic[Chunk]):
    """
    A sink that is finished, and committed, each time that enough is in it.

    Chunks are kept until then. If they are refused they are written again one by one, so that those
    before the bad one are in the table, as they would be without a flow. Leaving the block settles
    all chunks that were put; an interrupt, or an error where nothing is committed before the end,
    gives them up.

    Args:
        write_alone: writes one chunk, and waits until it is in.
        size_of: of a chunk, in whatever *most* counts.
        most: what is kept before it is settled.
        together: how many, one after the other, are what the user calls a chunk.
        commit: False where whoever asks commits, once for all.
        refusals: gives the context that makes ours of a driver's exceptions.
    """

    def __init__(
        self,
        database: Database,
        conn: Connection,
        sink: Sink[Chunk],
        write_alone: Callable[[Chunk], object],
        size_of: Callable[[Chunk], int],
        *,
        most: int,
        together: int = 1,
        commit: bool,
        refusals: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._database = database
        self._conn = conn
        self._sink = sink
        self._write_alone = write_alone
        self._size_of = size_of
        self._most = most
        self._together = together
        self._commit = commit
        self._refusals = refusals
        self._kept: list[Chunk] = []
        self._size = 0
        self._refused = False

    def put(self, chunk: Chunk) -> None:
        """
        Write *chunk*.

        Raises:
            InsertError: the database refused it, or one before it.
        """
        with self._refusals():
            if not self._size:
                self._database.begin(self._conn)
            if self._commit:
                self._kept.append(chunk)
            self._size += self._size_of(chunk)
            self._attempt(lambda: self._write(chunk))
        whole = len(self._kept) % self._together == 0
        if self._commit and whole and self._size >= self._most:
            self.settle()

    def settle(self) -> None:
        """
        Wait until all chunks are in, and commit them.

        Raises:
            InsertError: the database refused one.
        """
        with self._refusals():
            self._attempt(self._finish)
        self._kept, self._size = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        worth_it = error is None or (self._commit and isinstance(error, Exception))
        if self._refused or not worth_it or self._database.is_closed(self._conn):
            self._sink.abandon()
        elif error is not None and len(self._kept) % self._together:
            self._settle_whole_chunks()
        else:
            self.settle()

    def _settle_whole_chunks(self) -> None:
        """Commit what was put but for the parts of a chunk whose rest did not come."""
        self._sink.abandon()
        del self._kept[-(len(self._kept) % self._together) :]
        with self._refusals():
            self._write_again()

    def _write(self, chunk: Chunk) -> None:
        if not self._sink.write(chunk):
            self._sink.finish()
            self._write_alone(chunk)

    def _finish(self) -> None:
        self._sink.finish()
        if self._commit:
            self._database.commit(self._conn)

    def _attempt(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            self._refused = True
            self._sink.abandon()
            alone = len(self._kept) <= self._together  # then it is the bad one
            if alone or self._database.is_closed(self._conn):
                raise
            self._write_again()
            self._refused = False  # whatever it was, a deadlock for one: all are in now

    def _write_again(self) -> None:
        """Write what was kept, one by one, up to the bad one, which raises; forget it all else."""
        with transactions.unless_broken(self._database, self._conn):
            self._database.rollback(self._conn)
        for start in range(0, len(self._kept), self._together):
            self._database.begin(self._conn)
            for chunk in self._kept[start : start + self._together]:
                self._write_alone(chunk)
            self._database.commit(self._conn)
        self._kept, self._size = [], 0
