"""
The file of a journal: a database of SQLite with one connection, which one thread uses.

What is committed here is on the disk: `synchronous=FULL` waits for it. The lock is exclusive before
the first read, so that no second connection shares the write-ahead log, where SQLite before 3.51.3
can corrupt it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

from rowferry import journal_status, positions
from rowferry.exceptions import JournalError
from rowferry.fingerprint import ORDER
from rowferry.journal_schema import (
    APPLICATION,
    FORMAT,
    PROGRESS,
    SCHEMA,
    STATE,
    Pass,
    Settled,
    checksum_of,
    pass_of,
    row_of,
)
from rowferry.letters import DeadLetter
from rowferry.lock import PRIVATE, Lock
from rowferry.logs import logger
from rowferry.mounts import UNSURE, file_system

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rowferry.fingerprint import Fingerprint
    from rowferry.records import Key


class DamagedError(JournalError):
    """A journal that cannot be read; `Journal.start_over` keeps it beside, and makes room."""


_LOG_PAGES = 64
"""
Pages after which the log begins again from its front: what is written over needs no more of the
file system than the data, while a log that grows (to 1,000 pages by default) takes a third more.
"""


class JournalFile:
    """
    The open file; it holds the lock until it is closed.

    Raises:
        JournalError: another run holds it, it is no journal, it is damaged, or the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._status = journal_status.status_of(path)
        self._pid = os.getpid()
        self._one_at_a_time = threading.RLock()
        self._lock = Lock(path)
        try:
            self._conn = self._opened()
        except BaseException:
            self._lock.release()
            raise
        try:
            self._check_told()
        except BaseException:
            self.close()
            raise

    # statements

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """
        Commit what the block does, or nothing of it.

        Raises:
            JournalError: it was not written. Nobody knows what of it is on the disk then, so that
                nothing more must be written.
        """
        self._check_process()
        with self._one_at_a_time, self._refusals():
            self._conn.execute("BEGIN IMMEDIATE")
            try:
                yield self._conn
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._conn.execute("ROLLBACK")
                raise
            self._conn.execute("COMMIT")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Give the rows of a query."""
        self._check_process()
        with self._one_at_a_time, self._refusals():
            return self._conn.execute(sql, parameters).fetchall()

    # the transfer

    def fingerprint(self) -> dict[str, str]:
        """Give what the transfer was when it was begun; empty where any will do."""
        ((text, seal),) = self.rows("SELECT fingerprint, seal FROM transfer")
        if seal != checksum_of(text):
            raise self._damaged("what it is of does not bear out its checksum")
        known: dict[str, str] = json.loads(text)
        return known

    def set_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Keep what the transfer is."""
        text = json.dumps(dict(fingerprint))
        with self.transaction() as conn:
            conn.execute("UPDATE transfer SET fingerprint = ?, seal = ?", (text, checksum_of(text)))

    # passes

    def last_pass(self, state: str | None = None) -> Pass | None:
        """Give the latest pass, or the latest in a state; None where there is none."""
        where = "WHERE state = ? " if state else ""
        rows = self.rows(
            f"SELECT {STATE}, seal FROM passes {where}ORDER BY number DESC LIMIT 1",  # noqa: S608 - our own text
            (state,) if state else (),
        )
        return self._pass_of(rows[0]) if rows else None

    def begin_pass(self, pass_: Pass) -> None:
        """Write a new pass; what was known of the records of the one before is forgotten."""
        row = row_of(pass_)
        places = ", ".join("?" * (len(row) + 1))
        with self.transaction() as conn:
            conn.execute("DELETE FROM maybe_duplicated")
            conn.execute(
                f"INSERT INTO passes ({STATE}, seal) VALUES ({places})",  # noqa: S608 - our own text
                (*row, checksum_of(*row)),
            )

    def abandon_pass(self) -> None:
        """Give up the pass that is not complete, and let the next one be of any transfer."""
        last = self.last_pass()
        order = {key: text for key, text in self.fingerprint().items() if key == ORDER}
        with self.transaction() as conn:
            if last is not None and last.state == "open":
                conn.execute("DELETE FROM settled WHERE pass = ?", (last.number,))
                self.write_progress(last._replace(state="abandoned"))
        self.set_fingerprint(order)

    def write_progress(self, pass_: Pass, settled: Settled | None = None, dropped: int = 0) -> None:
        """
        Write how far a pass is, and what is settled above the watermark.

        It is committed at once, unless within a transaction.

        Args:
            settled: to be kept from now on.
            dropped: the last number of those that are needed no more; 0: none.

        Raises:
            JournalError: as `transaction`.
        """
        self._check_process()
        row = row_of(pass_)
        kept: tuple[Any, ...] = (None, None, None, None)
        if settled is not None:
            seal = checksum_of(settled.number, pass_.number, settled.top, settled.hashes)
            kept = (*settled, seal)
        with self._one_at_a_time, self._refusals():
            self._conn.execute(PROGRESS, (*row, checksum_of(*row), *kept, dropped))

    # what is settled above the watermark

    def settled(self) -> list[Settled]:
        """
        Give all that is kept.

        Raises:
            JournalError: it is damaged.
        """
        rows = self.rows("SELECT number, pass, top, hashes, seal FROM settled ORDER BY number")
        for *row, seal in rows:
            if seal != checksum_of(*row):
                raise self._damaged("what is settled does not bear out its checksum")
        return [Settled(number, top, hashes) for number, _, top, hashes, _ in rows]

    @staticmethod
    def doubt(conn: sqlite3.Connection, keys: Sequence[str]) -> None:
        """Count a time more that records may double, within a transaction."""
        conn.executemany(
            "INSERT INTO maybe_duplicated VALUES (?, 1) "
            "ON CONFLICT (position) DO UPDATE SET n = n + 1",
            [(key,) for key in keys],
        )

    # dead letters

    @staticmethod
    def add_letter(
        conn: sqlite3.Connection, number: int, pass_number: int, letter: DeadLetter
    ) -> None:
        """Keep a dead letter, within a transaction."""
        columns = ", ".join(DeadLetter._fields)
        places = ", ".join("?" * len(DeadLetter._fields))
        seal = checksum_of(letter.key, letter.body, letter.row)
        conn.execute(
            f"INSERT INTO dead_letters (number, pass, at, seal, state, sent, in_flight, {columns}) "  # noqa: S608 - our own text
            f"VALUES (?, ?, ?, ?, 'dead', 0, 0, {places})",
            (number, pass_number, time.time(), seal, *letter),
        )

    def letters(self, columns: str, condition: str, *parameters: int) -> list[tuple[Any, ...]]:
        """
        Give dead letters, in order, once their checksums are borne out.

        Args:
            columns, condition: our own SQL.
        """
        rows = self.rows(
            f"SELECT key, body, row, seal, {columns} FROM dead_letters WHERE {condition}",  # noqa: S608 - as it says
            parameters,
        )
        for *content, seal in (row[:4] for row in rows):
            if seal != checksum_of(*content):
                raise self._damaged(f"the dead letter {content[0]} does not bear out its checksum")
        return [row[4:] for row in rows]

    def open_letters(self) -> tuple[dict[Key, list[int]], int]:
        """Give the numbers of the dead letters that are still dead, by key; and the last number."""
        letters: dict[Key, list[int]] = {}
        for number, text in self.rows(
            "SELECT number, key_values FROM dead_letters "
            "WHERE state = 'dead' AND key_values IS NOT NULL"
        ):
            letters.setdefault(positions.from_text(text), []).append(number)
        ((last,),) = self.rows("SELECT coalesce(max(number), 0) FROM dead_letters")
        return letters, last

    def tell(self, status: Mapping[str, Any]) -> None:
        """Write how far the transfer is beside the file; see `journal_status.tell`."""
        journal_status.tell(self._status, {**status, "pid": self._pid})

    # beginning and ending

    def close(self) -> None:
        """Let go of the file and its lock; may be called again."""
        if self._pid != os.getpid():
            return
        self._pid = -1
        try:
            self._conn.close()
        finally:
            self._lock.release()

    def _opened(self) -> sqlite3.Connection:
        with self._refusals(exit_code=2):
            self._make_private()
            conn = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            with self._refusals():
                self._prepare(conn)
        except BaseException:
            conn.close()
            raise
        return conn

    def _make_private(self) -> None:
        """Make the file, for its owner only; SQLite gives -wal the mode that it finds."""
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, PRIVATE))
        for name in (self.path.name, f"{self.path.name}-wal"):
            place = self.path.with_name(name)
            if place.exists() and place.stat().st_mode & 0o077:
                place.chmod(PRIVATE)

    def _prepare(self, conn: sqlite3.Connection) -> None:
        told = journal_status.told(self._status)
        conn.execute("PRAGMA locking_mode = EXCLUSIVE")
        tables = conn.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if told and not tables:
            raise self._damaged(f"it is gone, and {self._status.name} beside it says there was one")
        if tables:
            self._check(conn)
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA synchronous = FULL")
        conn.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        if not tables:
            self._make(conn)
            self._warn()

    def _check_told(self) -> None:
        """
        Make sure that the file is not an older copy, nor without the end of its log.

        What is told is told after it was committed, so the journal must know of as much.
        """
        told, last = journal_status.told(self._status), self.last_pass()
        if not told:
            return
        known = (last.number, last.counts.records) if last else (0, 0)
        if known < (told.get("pass", 0), told.get("delivered", 0) + told.get("dead", 0)):
            raise self._damaged(
                f"it knows of less than {self._status.name} beside it: it or its -wal is an older "
                "copy, or was cut"
            )

    def _warn(self) -> None:
        kind = file_system(self.path)
        if kind in UNSURE:
            logger.warning("the journal %s is on %s: it %s", self.path, kind, UNSURE[kind])

    @staticmethod
    def _make(conn: sqlite3.Connection) -> None:
        conn.executescript(
            f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION}; "
            f"PRAGMA user_version = {FORMAT};"
        )
        conn.execute("INSERT INTO transfer VALUES (1, '{}', ?)", (checksum_of("{}"),))
        conn.execute("COMMIT")

    def _check(self, conn: sqlite3.Connection) -> None:
        application, version = (
            conn.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        )
        if application != APPLICATION:
            raise JournalError(f"{self.path} is a database, but no journal: name another file")
        if version != FORMAT:
            age = "an older" if version < FORMAT else "a newer"
            raise DamagedError(
                f"the journal {self.path} was written by {age} version of rowferry (format "
                f"{version}, and this one reads {FORMAT}): use that one, or begin again with "
                f"Journal({str(self.path)!r}).start_over(), which keeps the file beside"
            )
        ((said,), *_) = conn.execute("PRAGMA integrity_check(1)").fetchall()
        if said != "ok":
            raise self._damaged(said)
        if len(conn.execute("SELECT one FROM transfer").fetchall()) != 1:
            raise self._damaged("it does not say what it is of")

    def _pass_of(self, row: tuple[Any, ...]) -> Pass:
        *cells, seal = row
        if seal != checksum_of(*cells):
            raise self._damaged("how far the transfer was does not bear out its checksum")
        return pass_of(cells)

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise JournalError(
                f"the journal {self.path} was opened by another process, before a fork, or is "
                "closed: begin the transfer in the process that is to run it"
            )

    def _damaged(self, why: str) -> DamagedError:
        return DamagedError(
            f"the journal {self.path} is damaged ({why}): put back a copy of it, or begin again "
            f"with Journal({str(self.path)!r}).start_over(), which keeps the file beside; what was "
            "delivered is then sent again"
        )

    @contextlib.contextmanager
    def _refusals(self, exit_code: int | None = None) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                raise self._damaged(str(error)) from error
            raise self._refused(str(error), _EXIT_CODES.get(code, exit_code)) from error
        except UnicodeDecodeError as error:
            raise self._damaged(str(error)) from error
        except OSError as error:
            raise self._refused(error.strerror or str(error), exit_code) from error

    def _refused(self, words: str, exit_code: int | None) -> JournalError:
        return JournalError(
            f"the journal {self.path} cannot be written: {words}. Nothing counts as delivered that "
            "it did not take; once there is room and leave to write, start the same job again",
            exit_code=exit_code,
        )


_EXIT_CODES = {sqlite3.SQLITE_READONLY: 2, sqlite3.SQLITE_CANTOPEN: 2, sqlite3.SQLITE_PERM: 2}


def move_aside(path: Path) -> None:
    """
    Rename a journal that cannot be read, with what belongs to it.

    Raises:
        JournalError: another run holds it.
    """
    lock = Lock(path)
    try:
        aside = path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}")
        for suffix in ("-wal", ""):
            part = path.with_name(f"{path.name}{suffix}")
            if part.exists():
                part.rename(aside.with_name(f"{aside.name}{suffix}"))
        journal_status.status_of(path).unlink(missing_ok=True)
        logger.warning("the journal %s could not be read; it is %s now", path, aside.name)
    finally:
        lock.release()
