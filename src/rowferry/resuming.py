"""Reading on where an earlier run was: the rows of a query span by span, or an iterable anew."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rowferry import connections, keyset
from rowferry.exceptions import SourceError
from rowferry.pass_book import trail_of
from rowferry.reader import Query, Reader
from rowferry.row_factories import dict_row_factory
from rowferry.spans import Span
from rowferry.transforms import key_of_each

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowferry.pass_book import PassBook
    from rowferry.records import Key, Row


class QuerySpans:
    """
    The open reading of a query, one span after another.

    Args:
        query: what to read; its key are the columns of a position.
        spans: in order.
        unread: whether nobody looks at the values.
        unseen: whether nobody looks at the rows either, but for their key.

    Attributes:
        span: that of the rows that were fetched last.
    """

    def __init__(
        self, query: Query, spans: Sequence[Span], *, unread: bool, unseen: bool = False
    ) -> None:
        self.span = spans[0]
        self._query = query
        self._later = list(spans)
        self._unread = unread
        self._unseen = unseen
        self._reader: Reader | None = None
        self._looked_for_null = False

    def fetch(self, count: int) -> list[Row]:
        """Give the next rows, all of one span; none once the last span is exhausted."""
        while True:
            if self._reader is None:
                if not self._later:
                    return []
                self._open(self._later.pop(0))
            rows = self._reader.fetch(count) if self._reader else []
            if rows:
                return rows
            self.close()
            self._reader = None

    @property
    def kinds(self) -> Mapping[str, type] | None:
        """The Python type of each column's cells, where that is fixed."""
        return self._reader.kinds if self._reader else None

    @property
    def description(self) -> Sequence[Any]:
        """The columns, as DB-API has them, once rows were fetched."""
        return self._reader.description if self._reader else ()

    def interrupt(self) -> None:
        """Make the database give up the statement that it is at."""
        if self._reader:
            self._reader.interrupt()

    def close(self) -> None:
        """Close the cursor, and the connection where it is ours."""
        if self._reader:
            self._reader.close()

    def _open(self, span: Span) -> None:
        if (span.after or span.up_to) and not self._looked_for_null:
            self._look_for_null()
        self.span = span
        query = replace(self._query, after=span.after, up_to=span.up_to)
        self._reader = Reader(query, tolerant=True, unread=self._unread, unseen=self._unseen)

    def _look_for_null(self) -> None:
        """
        Make sure that no row is left out without a word, since NULL comes after nothing.

        Raises:
            SourceError: a row has NULL in its position.
        """
        self._looked_for_null = True
        query, database = self._query, connections.database_of(self._query.conn)
        columns = list(map(database.quote, query.key))
        if query.parameters and "format" in database.paramstyle:
            columns = [column.replace("%", "%%") for column in columns]
        sql = keyset.without_key(keyset.as_table(query.sql), columns)
        nulls = Query(sql, query.conn, query.parameters, dict_row_factory)
        with Reader(nulls, tolerant=True) as reader:
            self._reader = reader  # so that it can be interrupted
            for row in reader.fetch(1):
                reader.finish()
                values = ", ".join(f"{name} = {row.get(name)!r}" for name in query.key)
                raise SourceError(
                    f"a row has NULL in its key: {values}; it would never be reached, so leave it "
                    "out in the query, or give it a value there"
                )


class UniqueKeys:
    """
    Looks at the keys of an iterable's rows, which no database has put in order.

    Two rows of one key would be taken for the same one where both are beyond the watermark when a
    run ends; so the keys of those that are there are compared.

    Args:
        columns: of the key.
        book: knows how far the watermark is.
    """

    def __init__(self, columns: tuple[str, ...], book: PassBook) -> None:
        self._columns = ", ".join(columns)
        self._book = book
        self._begun = book.pass_.passed
        self._seen = 0
        self._groups: deque[tuple[int, set[Key]]] = deque()

    def accept(self, keys: list[Key]) -> None:
        """
        Accept the keys of the next rows.

        Raises:
            SourceError: one is NULL, or that of a row before.
        """
        passed = self._book.pass_.passed - self._begun
        while self._groups and self._groups[0][0] <= passed:
            self._groups.popleft()
        group = set(keys)
        if len(group) < len(keys) or not all(group.isdisjoint(one) for _, one in self._groups):
            self._complain(keys)
        for number, key in enumerate(keys, self._seen + 1):
            if None in key:
                raise SourceError(f"row {number:,} has None in its key ({self._columns}): {key!r}")
        self._seen += len(keys)
        self._groups.append((self._seen, group))

    def _complain(self, keys: list[Key]) -> None:
        seen: set[Key] = set().union(*(group for _, group in self._groups))
        for number, key in enumerate(keys, self._seen + 1):
            if key in seen:
                raise SourceError(
                    f"row {number:,} has the same key ({self._columns}) as one before, {key!r}: "
                    "name the columns that tell every row from the others"
                )
            seen.add(key)


class IterableSpans:
    """
    The open reading of an iterable, which begins after the rows that earlier runs passed.

    Args:
        rows: from the first one on.
        book: of the pass, with how far earlier runs were.
    """

    def __init__(self, rows: Any, book: PassBook) -> None:
        pass_, columns = book.pass_, book.columns
        self.span = Span()
        self._rows = rows
        self._pass = pass_
        self._columns = columns.position
        self._passed = not pass_.passed
        sent = pass_.dispatched_to
        self._last_sent = None if sent == pass_.watermark else sent
        self._rest: list[Row] = []
        self._check = UniqueKeys(columns.position, book)

    kinds: Mapping[str, type] | None = None
    description: Sequence[Any] = ()

    def fetch(self, count: int) -> list[Row]:
        """
        Give the next rows, all of one span.

        Raises:
            SourceError: the rows that earlier runs passed are not these.
        """
        if not self._passed:
            self._pass_by()
        chunk, self._rest = self._rest or list(self._rows.fetch(count)), []
        self.span = Span(replayed=self._last_sent is not None)
        if not self._columns:
            return chunk
        keys = key_of_each(chunk, self._columns)
        if self._last_sent is not None and self._last_sent in keys:
            here = keys.index(self._last_sent) + 1
            chunk, self._rest = chunk[:here], chunk[here:]
            self._last_sent = None
        self._check.accept(keys[: len(chunk)])
        return chunk

    def interrupt(self) -> None:
        """Make a fetch that waits end soon, where it can be."""
        self._rows.interrupt()

    def close(self) -> None:
        """Leave nothing open."""
        self._rows.close()

    def _pass_by(self) -> None:
        """Read over the rows that are passed, and see that they are the same as before."""
        self._passed = True
        trail, left = b"", self._pass.passed
        while left:
            chunk = list(self._rows.fetch(min(left, 5000)))
            if not chunk:
                raise self._another(f"they ended {left:,} rows early")
            keys = key_of_each(chunk, self._columns)
            trail, left = trail_of(trail, keys), left - len(chunk)
        if trail != self._pass.trail:
            raise self._another(f"row {self._pass.passed:,} and those before it have other keys")

    def _another(self, why: str) -> SourceError:
        return SourceError(
            "the rows are not those of the run that is gone on with, or come in another order: "
            f"{why}; it was done up to the key {self._pass.watermark!r}. Nothing was sent. "
            "Give the same rows in the same order, or begin again with Journal(…).start_over()"
        )
