"""One pass of a transfer, as its runs write it into the journal."""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING, Any

from rowferry import positions
from rowferry.exceptions import JournalError
from rowferry.fingerprint import COLUMNS, clash, of_columns
from rowferry.idempotency import IdempotencyKeys
from rowferry.incremental import lagging
from rowferry.journal_schema import Settled
from rowferry.key_text import key_text
from rowferry.spans import Columns, spans_of
from rowferry.watermark import Watermark

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from rowferry.journal_entry import Entry
    from rowferry.journal_file import JournalFile
    from rowferry.journal_schema import Pass
    from rowferry.ledger import Counts
    from rowferry.letters import Dead, DeadLetter
    from rowferry.records import Key
    from rowferry.watermark import Stretch

_HASH = 16
_TOLD_EACH = 1.0


class PassBook:
    """
    Commits what became of the records of a pass.

    Args:
        file: the journal.
        pass_: how far it is.
        columns: what tells rows apart.
        name: of the transfer, for idempotency keys.
        keyed: whether requests carry idempotency keys.
        keep_bodies: whether dead letters keep what was to be sent.
        trailed: whether to keep a hash of the keys that were passed.

    Attributes:
        pass_: how far it is now.
        counts: what is committed of it.
        low: every place with a lower number is settled, and committed so.
        spans: what this run reads.
        known: hashes of the records that earlier runs settled, as far as they are read again.
    """

    def __init__(
        self,
        file: JournalFile,
        pass_: Pass,
        columns: Columns,
        name: str,
        *,
        keyed: bool = False,
        keep_bodies: bool = True,
        trailed: bool = False,
    ) -> None:
        self.low = 0
        self.counts = pass_.counts
        self.pass_ = pass_
        self.columns = columns
        self.spans = spans_of(pass_, columns.lag)
        self._file = file
        self._marks = Watermark(pass_.watermark)
        self._name = name
        self._told_at = 0.0
        self._keyed = keyed
        self._keep_bodies = keep_bodies
        self._trailed = trailed
        self._covered = 0
        self._replay_end = 0
        self._replaying = True
        self._keys = IdempotencyKeys(name, pass_.pass_id, len(columns.position))
        self._hashes = IdempotencyKeys("", b"", len(columns.position))
        blobs = file.settled()
        self._kept: deque[tuple[int, Any]] = deque((number, top) for number, top, _ in blobs)
        self._number = self._earlier = blobs[-1][0] if blobs else 0
        self.known = {
            hashes[at : at + _HASH] for *_, hashes in blobs for at in range(0, len(hashes), _HASH)
        }
        self._dead: list[Dead] = []
        self._skipped: list[int] = []
        self._checked = False
        self._letters, self._last_letter = file.open_letters()

    # for the reading thread

    def check(self, description: Sequence[Any], first: Key) -> None:
        """
        Accept the columns of the source, and the position of the first row, once.

        Raises:
            JournalError: they are not what they were.
        """
        if self._checked:
            return
        self._checked = True
        known, now = self._file.fingerprint(), of_columns(description)
        if known.setdefault(COLUMNS, now) != now:
            raise refused(self._file.path, [f"columns ({known[COLUMNS]} before, {now} now)"])
        earlier = self.pass_.watermark or self.pass_.dispatched_to
        if earlier and (kinds := clash(earlier, first)):
            changed = "type of key ({} before, {} now)".format(*kinds)
            raise refused(self._file.path, [changed])
        self._file.set_fingerprint(known)

    def known_of(self, first: int, keys: Sequence[Key]) -> list[int]:
        """Give which of the places from *first* on earlier runs settled."""
        known = self.known
        if not known:
            return []
        hashes = enumerate(self._hashes.digests(keys), first)
        return [number for number, one in hashes if one in known]

    def headers(self, header: str, keys: Sequence[Key]) -> list[bytes]:
        """Give the lines of requests' heads with the idempotency keys of records."""
        return self._keys.headers(header, keys)

    # for the thread that writes

    def write(self, entry: Entry) -> None:
        """
        Commit an entry; on return it is on the disk.

        Raises:
            JournalError: it is not, as far as anybody knows; nothing more must be written.
        """
        marks = self._marks
        self._read(entry.stretches)
        covered = marks.end if entry.complete else max(self._covered, entry.covered)
        entry, skipped = self._up_to(covered, entry)
        before = marks.low
        delivered = [origin.number for origins in entry.delivered for origin in origins]
        settled = [*delivered, *(dead.number for dead in entry.dead), *skipped]
        released, rows = marks.settle(settled, covered)
        settled += released
        marks.advance()
        if entry.complete and marks.low < marks.end:
            raise RuntimeError(f"a bug in rowferry: complete, with {marks.end - marks.low} open")
        counts = self.counts
        counts = counts._replace(
            read=counts.read + rows,
            delivered=counts.delivered + len(delivered),
            dead=counts.dead + len(entry.dead),
            skipped=counts.skipped + len(skipped) + len(released),
        )
        self._commit(entry, settled, self._further(entry, counts, before))
        marks.forget(names=not self._trailed)
        self.low, self.counts = marks.low, self.pass_.counts
        if entry.complete or monotonic() - self._told_at >= _TOLD_EACH:
            self._tell()

    def _read(self, stretches: Sequence[Stretch]) -> None:
        for stretch in stretches:
            self._marks.add(stretch)
            self._replaying = stretch.replayed or stretch.below
            if self._replaying:
                self._replay_end = stretch.end

    def close(self) -> None:
        """Let go of the file."""
        self._tell()
        self._file.close()

    def _up_to(self, covered: int, entry: Entry) -> tuple[Entry, list[int]]:
        """
        Give what an entry settles that is not sent: its dead, and the places of skipped rows.

        What lies beyond all that is covered waits: a later run would read it again, and not know.
        """
        self._dead += entry.dead
        self._skipped += [number for stretch in entry.stretches for number in _skipped(stretch)]
        dead = [one for one in self._dead if one.number < covered]
        skipped = [number for number in self._skipped if number < covered]
        self._dead = [one for one in self._dead if one.number >= covered]
        self._skipped = [number for number in self._skipped if number >= covered]
        return entry._replace(dead=dead), skipped

    def _tell(self) -> None:
        self._told_at = monotonic()
        pass_ = self.pass_
        told = {"name": self._name, "pass": pass_.number, "state": pass_.state}
        self._file.tell(told | pass_.counts._asdict())

    def _further(self, entry: Entry, counts: Counts, before: int) -> Pass:
        """Give the pass as it is with this entry."""
        pass_ = self.pass_
        if self._trailed:
            rows = self._marks.passed(before)
            pass_ = pass_._replace(
                passed=pass_.passed + len(rows), trail=trail_of(pass_.trail, rows)
            )
        return pass_._replace(
            state="complete" if entry.complete else "open",
            watermark=self._marks.position,
            dispatched_to=self._dispatched_to(entry.covered),
            counts=counts,
        )

    def _dispatched_to(self, covered: int) -> Key | None:
        """Give the position that says which records may have been sent."""
        pass_ = self.pass_
        if covered <= self._covered:
            return pass_.dispatched_to
        stretch = self._marks.stretch_of(covered - 1)
        if stretch.replayed:
            return pass_.dispatched_to
        if stretch.below:  # what lies below the watermark is read again in any case
            return pass_.dispatched_to or pass_.watermark
        return stretch.position_of(covered - 1)

    def _commit(self, entry: Entry, settled: list[int], pass_: Pass) -> None:
        doubted = self._doubted(entry)
        counts = pass_.counts
        pass_ = pass_._replace(
            counts=counts._replace(maybe_duplicated=counts.maybe_duplicated + len(doubted))
        )
        kept = self._kept_of(settled) if self.columns.position else None
        dropped = self._dropped(pass_)
        if doubted or entry.dead or (self._letters and settled):
            with self._file.transaction() as conn:
                self._file.doubt(conn, list(map(key_text, doubted)))
                self._supersede(conn, settled)
                self._bury(conn, entry.dead)
                self._file.write_progress(pass_, kept, dropped)
        else:
            self._file.write_progress(pass_, kept, dropped)
        self.pass_ = pass_
        self._covered = max(self._covered, entry.covered)

    def _doubted(self, entry: Entry) -> list[Key]:
        """Give the places that may double: sent again, or sent by an earlier run perhaps."""
        marks = self._marks
        doubted = [marks.key_of(origin.number) for origin in entry.doubted]
        if self._covered < self._replay_end:
            again = marks.unsettled(self._covered, min(entry.covered, self._replay_end))
            doubted += [
                marks.key_of(number) for number in again if marks.stretch_of(number).replayed
            ]
        return doubted

    # what is settled above the watermark, or within the lag

    def _kept_of(self, settled: list[int]) -> Settled | None:
        """Give the hashes of what a later run may read again, though it is settled."""
        marks, lag = self._marks, self.columns.lag
        floor = marks.floor
        kept = settled if lag is not None else [number for number in settled if number >= floor]
        if not kept:
            return None
        self._number += 1
        last = max(kept)
        hashes = b"".join(self._hashes.digests([marks.key_of(number) for number in kept]))
        if lag is None:
            self._kept.append((self._number, last))
            return Settled(self._number, None, hashes)
        top = positions.to_text(marks.stretch_of(last).positions[-1][:1])
        self._kept.append((self._number, top))
        return Settled(self._number, top, hashes)

    def _dropped(self, pass_: Pass) -> int:
        """Forget the hashes that no later run needs; give the last number of them, or 0."""
        last = 0
        while self._kept and self._is_needless(*self._kept[0], pass_):
            last, _ = self._kept.popleft()
        return last

    def _is_needless(self, number: int, top: Any, pass_: Pass) -> bool:
        lag = self.columns.lag
        if lag is not None:
            if pass_.watermark is None or top is None:
                return False
            bound = lagging(pass_.watermark[0], lag)
            return bool(positions.from_text(top)[0] <= bound)
        if pass_.state == "complete":
            return True
        if number <= self._earlier:
            return not self._replaying and self._marks.low >= self._replay_end
        return bool(top < self._marks.floor)

    # dead letters

    def _bury(self, conn: sqlite3.Connection, dead: Sequence[Dead]) -> None:
        for one in dead:
            self._last_letter += 1
            letter = self._kept_letter(one)
            self._file.add_letter(conn, self._last_letter, self.pass_.number, letter)
            if one.letter.key_values is not None:
                key = positions.from_text(one.letter.key_values)
                self._letters.setdefault(key, []).append(self._last_letter)

    def _kept_letter(self, dead: Dead) -> DeadLetter:
        letter = dead.letter
        if not self._keep_bodies:
            letter = letter._replace(body=None, row=None)
        if self._keyed:
            key = self._keys.digests([self._marks.key_of(dead.number)])[0].hex()
            letter = letter._replace(idempotency_key=key)
        return letter

    def _supersede(self, conn: sqlite3.Connection, settled: list[int]) -> None:
        """Mark the dead letters of records that have come again, and are settled now."""
        keys = {self.columns.key_of(self._marks.key_of(number)) for number in settled}
        for key in self._letters.keys() & keys:
            numbers = [(number,) for number in self._letters.pop(key)]
            conn.executemany(
                "UPDATE dead_letters SET state = 'superseded' WHERE number = ?", numbers
            )


def trail_of(trail: bytes, keys: Sequence[Key]) -> bytes:
    """Give the hash of all keys up to the last of *keys*, from that of those before them."""
    for text in map(repr, keys):
        trail = blake2b(trail + text.encode("utf-8", "surrogatepass"), digest_size=_HASH).digest()
    return trail


def _skipped(stretch: Any) -> Iterator[int]:
    """Give the skipped rows of a stretch that are settled at once, and were not before."""
    if stretch.in_order:
        known = set(stretch.known)
        yield from (number for number in stretch.skipped if number not in known)


def refused(path: Any, changed: Sequence[str]) -> JournalError:
    """Give the error of a journal that is of another transfer."""
    return JournalError(
        f"the journal {path} is of a transfer with another {' and another '.join(changed)}: give "
        f"back what it was, or name another journal; or Journal({str(path)!r}).start_over() gives "
        "up what is not done of it, and the next run begins anew",
        exit_code=2,
    )
