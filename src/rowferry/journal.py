"""The journal of a transfer, as users name it: opened for a run, begun anew, or refused."""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rowferry import fingerprint
from rowferry.exceptions import ConfigError, JournalError
from rowferry.journal_file import DamagedError, JournalFile, move_aside
from rowferry.journal_schema import Pass
from rowferry.journal_status import status_of
from rowferry.logs import logger
from rowferry.pass_book import PassBook, refused
from rowferry.recording import Recorder, Shaping

if TYPE_CHECKING:
    from os import PathLike

    from rowferry.fingerprint import Fingerprint
    from rowferry.spans import Columns


@dataclass(frozen=True, slots=True)
class Journal:
    """
    Keeps how far a transfer is, so that the next run goes on where this one ends, however it ends.

    Attributes:
        path: of the file, one for each transfer; it is made where there is none. Beside it lie
            others with its name and `-wal`, `.lock` and `.status.json` after it.
        keep_bodies: whether dead letters keep the records, which may be about people. Without
            them they cannot be sent again.
    """

    path: str | PathLike[str]
    keep_bodies: bool = True

    def __post_init__(self) -> None:
        """Check the path; raise ConfigError."""
        try:
            place = Path(self.path)
        except TypeError as error:
            raise ConfigError(f"a journal is the path of a file, not {self.path!r}") from error
        if place.is_dir():
            raise ConfigError(f"a journal is a file, and {place} is a folder")

    def start_over(self) -> None:
        """
        Abandon the pass that is not complete, if there is one: the next run begins a new one.

        Dead letters and the watermark of the last complete pass stay. A file that cannot be read
        is kept beside, under another name, and the next run makes a new one.

        Raises:
            JournalError: another run holds it.
        """
        path = Path(self.path)
        if not path.exists() and not status_of(path).exists():
            return
        try:
            with closing(JournalFile(path)) as file:
                file.abandon_pass()
        except DamagedError:
            move_aside(path)


@dataclass(frozen=True, slots=True)
class Opening:
    """
    A journal, and what the transfer is that it is opened for.

    Attributes:
        parts: of the fingerprint, but for those that only the first rows tell.
        columns: what tells rows apart.
        name: of the transfer.
        keyed: whether requests carry idempotency keys.
        iterable: whether the rows are no query's.
    """

    journal: Journal
    parts: Fingerprint
    columns: Columns
    name: str
    keyed: bool
    iterable: bool

    def open(self, shaping: Shaping) -> Recorder:
        """
        Give the pass to begin or to go on with; the lock is held until its book is closed.

        Raises:
            JournalError: another run holds it, or it is not of this transfer, or damaged.
        """
        file = JournalFile(Path(self.journal.path))
        try:
            return Recorder(self._book(file), shaping)
        except BaseException:
            file.close()
            raise

    def _book(self, file: JournalFile) -> PassBook:
        last = file.last_pass()
        resumed = last is not None and last.state == "open"
        self._check(file.fingerprint(), same_pass=resumed)
        if last is not None and resumed and not self.columns.position:
            self._check_nothing_sent(last)
            file.abandon_pass()
            resumed = False
        if last is None or not resumed:
            last = self._new_pass(file, last)
        else:
            logger.info("going on after %s of pass %s", last.watermark, last.number)
        file.set_fingerprint({**file.fingerprint(), **self.parts})
        return PassBook(
            file,
            last,
            self.columns,
            self.name,
            keyed=self.keyed,
            keep_bodies=self.journal.keep_bodies,
            trailed=self.iterable,
        )

    def _new_pass(self, file: JournalFile, last: Pass | None) -> Pass:
        complete = file.last_pass("complete") if self.columns.goes_on else None
        same_order = file.fingerprint().get(fingerprint.ORDER) == self.parts[fingerprint.ORDER]
        after = complete.watermark if complete and same_order else None
        number = last.number + 1 if last else 1
        pass_ = Pass(number, secrets.token_bytes(16), begun_after=after, watermark=after)
        file.begin_pass(pass_)
        return pass_

    def _check(self, earlier: Fingerprint, *, same_pass: bool) -> None:
        changed = fingerprint.changed(earlier, self.parts, same_pass=same_pass)
        if changed:
            raise refused(self.journal.path, changed)

    def _check_nothing_sent(self, last: Pass) -> None:
        if last.dispatched_to is not None:
            raise JournalError(
                f"the run before, with the journal {self.journal.path}, was cut short after it had "
                "begun to send, and without key= nobody can tell which rows it sent: "
                f"Journal({str(self.journal.path)!r}).start_over() begins again from the first "
                "row, and what was delivered is sent twice",
                exit_code=2,
            )
