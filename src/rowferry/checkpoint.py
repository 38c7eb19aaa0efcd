"""
How far a copy got, as a row of a table in the destination.

The row is written in the transaction of each chunk, so that the rows of a chunk and what says that
they are there come together or not at all. Each run puts a number of its own into the row and
writes only where it still finds that: whoever was taken over by another run changes nothing more.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeAlias

from rowferry import positions, transactions
from rowferry import sql as sql_text
from rowferry.checkpoint_table import LONGEST_NAME, CheckpointTable
from rowferry.databases import recognise
from rowferry.exceptions import ConfigError, InsertError
from rowferry.session_lock import session_lock
from rowferry.writing import How, check_open, refusals, roll_back

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from rowferry.databases.contract import Connection, Database, Parameters
    from rowferry.reader import Query, Reader
    from rowferry.records import Key


@dataclass(frozen=True, slots=True)
class Copy:
    """
    What a checkpoint is of; its query has a key.

    Attributes:
        table: where checkpoints are kept.
        name: of the transfer.
        query: what is read.
        target: what is written, a table or a statement.
    """

    table: str
    name: str
    query: Query
    target: str

    def fingerprint(self) -> dict[str, str]:
        """Give what must be the same where an unfinished copy goes on, by what it is called."""
        return {
            "query": _digest(self.query.sql),
            "parameters": _digest(_ordered(self.query.parameters)),
            "target": _digest(self.target),
            "key": ", ".join(self.query.key),
        }


@dataclass(slots=True)
class Checkpoint:
    """
    The row of one copy, while a run has it.

    Attributes:
        processed, failed: rows of this pass, over all its runs.
    """

    copy: Copy
    conn: Connection
    processed: int = 0
    failed: int = 0
    _after: Key | None = None
    _run: str = field(default_factory=lambda: secrets.token_hex(16))
    _chunks: int = 0
    _fingerprint: dict[str, str] = field(default_factory=dict)
    _earlier: tuple[int, int] = (0, 0)
    _reader: Reader | None = None
    _database: Database = field(init=False)
    _table: CheckpointTable = field(init=False)

    def __post_init__(self) -> None:
        self._database, self.conn = recognise(self.conn)
        self._table = CheckpointTable(self.copy.table, self._database, self.conn)
        self._fingerprint = self.copy.fingerprint()

    @property
    def query(self) -> Query:
        """What is left to read."""
        return replace(self.copy.query, after=self._after)

    def begin(self) -> None:
        """
        Take the row: go on where a run was cut short, else begin a new pass.

        Raises:
            ConfigError: what is copied is not what it was when the unfinished pass began.
        """
        self._table.make()
        transactions.make_way(self.conn)
        try:
            with refusals(self._database, self.copy.table):
                self._database.begin(self.conn)
                self._take()
                self._database.commit(self.conn)
        except BaseException:
            roll_back(self._database, self.conn)
            raise

    def watch(self, reader: Reader, chunks: Generator[Any]) -> Generator[Any]:
        """
        Give *chunks*, which *reader* reads, once their columns are those of the earlier runs.

        Raises:
            ConfigError: they are others.
        """
        self._reader = reader
        with closing(chunks):
            for chunk in chunks:
                self._check_columns(reader)
                yield chunk
        self._check_columns(reader)

    def seal(self, processed: int, failed: int) -> None:
        """
        Write how far this run got, in the open transaction, which is to be committed next.

        Args:
            processed, failed: rows of this run so far.

        Raises:
            InsertError: another run has taken this copy over; nothing must be committed.
        """
        self.processed, self.failed = self._earlier[0] + processed, self._earlier[1] + failed
        self._seal(complete=False)

    def finish(self, counts: tuple[int, int]) -> tuple[int, int]:
        """
        Note that the last row is written; give the rows processed and failed of all runs.

        Args:
            counts: the same, of this run.

        Raises:
            InsertError: as `seal`.
        """
        self.processed, self.failed = map(sum, zip(self._earlier, counts, strict=True))
        transactions.make_way(self.conn)
        try:
            with refusals(self._database, self.copy.table):
                self._database.begin(self.conn)
                self._seal(complete=True)
                self._database.commit(self.conn)
        except BaseException:
            roll_back(self._database, self.conn)
            raise
        return self.processed, self.failed

    def _seal(self, *, complete: bool) -> None:
        self._chunks += 1
        position = self._reader.position if self._reader else self._after
        self._table.update(
            {
                "complete": int(complete),
                "position": positions.to_text(position) if position is not None else None,
                "chunks": self._chunks,
                "processed": self.processed,
                "failed": self.failed,
                "fingerprint": json.dumps(self._fingerprint),
                "updated": _now(),
            },
            {"name": self.copy.name, "run": self._run},
        )
        # No count of the rows that were changed: not every driver tells. An old snapshot would
        # still show this run's number, but never with the chunk that was only just written.
        ours = {"name": self.copy.name, "run": self._run, "chunks": self._chunks}
        if not self._table.find(["name"], ours):
            raise InsertError(
                f"another run of the copy {self.copy.name!r} has begun and goes on where this one "
                f"was: this run's last chunk was rolled back (checkpoints in {self.copy.table})"
            )

    def _take(self) -> None:
        """Make the row this run's, first of all: a run that is at its last chunk is waited for."""
        named = {"name": self.copy.name}
        self._table.update({"run": self._run}, named)
        found = self._table.find(["complete", "position", "chunks", "processed", "failed"], named)
        if not found:
            self._table.insert({**named, "run": self._run, "complete": 0, **self._nothing()})
            return
        complete, position, chunks, processed, failed = found[0]
        if complete:
            self._table.update({"complete": 0, **self._nothing()}, named)
            return
        ((fingerprint,),) = self._table.find(["fingerprint"], named)
        self._fingerprint |= self._checked(json.loads(fingerprint))
        self._after = positions.from_text(position) if position else None
        self._chunks = int(chunks)
        self._earlier = (int(processed), int(failed))
        self.processed, self.failed = self._earlier

    def _nothing(self) -> dict[str, Any]:
        """Give what the row says at the begin of a pass."""
        return {
            "position": None,
            "chunks": 0,
            "processed": 0,
            "failed": 0,
            "fingerprint": json.dumps(self._fingerprint),
            "updated": _now(),
        }

    def _checked(self, earlier: Mapping[str, str]) -> Mapping[str, str]:
        """Give *earlier* where all that both know is the same."""
        changed = [
            what for what in earlier if self._fingerprint.get(what, earlier[what]) != earlier[what]
        ]
        if changed:
            raise ConfigError(
                f"the copy {self.copy.name!r} was cut short, and cannot go on with another "
                f"{' and another '.join(changed)}: give back what it was, or another name=, or "
                f"begin again once its row in {self.copy.table} is deleted"
            )
        return earlier

    def _check_columns(self, reader: Reader) -> None:
        if reader.description:
            columns = "; ".join(f"{column[0]} {column[1]}" for column in reader.description)
            earlier = self._fingerprint.setdefault("columns", columns)
            if earlier != columns:
                known, self._fingerprint["columns"] = {"columns": earlier}, columns
                self._checked(known)


@dataclass(frozen=True, slots=True)
class Unmarked:
    """A copy that keeps no checkpoint: nothing is added to what happens anyway."""

    query: Query
    seal: None = None

    def watch(self, reader: Reader, chunks: Generator[Any]) -> Generator[Any]:
        """Give *chunks*."""
        del reader
        return chunks

    def finish(self, counts: tuple[int, int]) -> tuple[int, int]:
        """Give *counts*."""
        return counts


Progress: TypeAlias = Checkpoint | Unmarked


@contextmanager
def held(
    table: str | None, name: str | None, query: Query, target: str, conn: Connection, how: How
) -> Iterator[Progress]:
    """
    Give the checkpoint of a copy, taken by this run, while the block lasts.

    Args:
        table: where checkpoints are kept; None: this copy has none.
        name: of the copy.
        target: what is written, a table or a statement.

    Raises:
        ConfigError: another run has it; there can be none here; or as `Checkpoint.begin`.
    """
    if table is None:
        yield Unmarked(query)
        return
    sql_text.check_table(table)
    database, conn = recognise(conn)
    copy = Copy(table, _checked_name(name), query, target)
    _check(database, conn, query, how)
    number = int.from_bytes(_digest(f"{copy.table} {copy.name}").encode()[:7], "big")
    with session_lock(database, conn, number) as ours:
        if not ours:
            raise ConfigError(f"another run of the copy {copy.name!r} is at work")
        checkpoint = Checkpoint(copy, conn)
        checkpoint.begin()
        yield checkpoint


def _check(database: Database, conn: Connection, query: Query, how: How) -> None:
    """
    Accept a copy each chunk of which can be committed together with a checkpoint.

    Raises:
        ConfigError: it cannot; the message says what is in the way.
    """
    check_open(database, conn, query.sql)
    if not query.key:
        raise ConfigError("checkpoint= needs key=, the columns that tell every row from the others")
    if not how.commit_chunks:
        raise ConfigError(
            "checkpoint= notes how far a copy got at each commit, so it cannot do with "
            "commit_chunks=False, where all rows are there at the end or none"
        )
    if how.on_error is not None and not database.savepoints:
        raise ConfigError(
            f"{database.dbtype} has no savepoints, so with on_error a chunk is committed in parts: "
            "checkpoint= cannot do with that"
        )
    with transactions.own(database, conn) as outermost:
        if not outermost:
            raise ConfigError(
                "checkpoint= commits each chunk, and for that needs a transaction of its own: "
                "outside of BEGIN and of another function of rowferry on this connection"
            )


def _checked_name(name: str | None) -> str:
    if not name or len(name) > LONGEST_NAME or "\0" in name:
        raise ConfigError(
            f"name must say which copy a checkpoint is of, in at most {LONGEST_NAME} characters; "
            f"it is {name!r}"
        )
    return name


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _ordered(parameters: Parameters) -> str:
    """Give the text of parameters, the same whatever the order of those that have names."""
    pairs = sorted(parameters.items()) if isinstance(parameters, Mapping) else list(parameters)
    return repr(pairs)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
