"""Dead letters that are sent again, as the journal takes what becomes of them."""

from __future__ import annotations

import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry import positions
from rowferry.exceptions import ConfigError
from rowferry.ledger import Counts
from rowferry.letters import record_text
from rowferry.recording import Recorded, RowKeys, Sending, Shaping
from rowferry.records import FailedRow, RawJSON
from rowferry.transforms import RAISED, PerRow, Shaped, records_of, shape
from rowferry.watermark import WINDOW, Stretch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from rowferry.journal_entry import Entry
    from rowferry.journal_file import JournalFile
    from rowferry.letters import Dead
    from rowferry.records import Key
    from rowferry.spans import Span

_COLUMNS = "number, key, key_values, ambiguous OR in_flight, body, sent_hash, idempotency_key"
_STILL_DEAD = "number > ? AND state = 'dead' AND body IS NOT NULL ORDER BY number LIMIT ?"
_AGAIN = (
    "UPDATE dead_letters SET reason = ?, message = ?, status = ?, answer = ?, ambiguous = ?, "
    "in_flight = 0 WHERE number = ?"
)


class Letter(NamedTuple):
    """
    A dead letter that can be sent again.

    Attributes:
        ambiguous: whether the API may have it.
        sent_hash: of the body that *idempotency_key* went with, if any did.
    """

    number: int
    key: str
    key_values: str | None
    ambiguous: bool
    body: bytes
    sent_hash: bytes | None
    idempotency_key: str | None

    @property
    def shown_key(self) -> Key:
        """The key of its record; as text where it could not be kept otherwise."""
        return positions.from_text(self.key_values) if self.key_values else (self.key,)


class Letters:
    """
    The open reading of dead letters, in order.

    Args:
        file: the journal.
    """

    kinds: Mapping[str, type] | None = None
    description: Sequence[Any] = ()

    def __init__(self, file: JournalFile, span: Span) -> None:
        self.span = span
        self._file = file
        self._last = 0

    def fetch(self, count: int) -> list[Letter]:
        """Give the next ones."""
        rows = self._file.letters(_COLUMNS, _STILL_DEAD, self._last, count)
        if rows:
            self._last = rows[-1][0]
        return [Letter(*row) for row in rows]

    def interrupt(self) -> None:
        """Do nothing: it never waits."""

    def close(self) -> None:
        """Do nothing: the book closes the file."""


class Attempt(NamedTuple):
    """What is about to be sent for a dead letter."""

    letter: Letter
    sent_hash: bytes
    idempotency_key: str | None


class LetterBook:
    """
    Commits what becomes of dead letters; every letter is one place.

    Args:
        file: the journal.

    Attributes:
        counts: what is committed, and the letters that have nothing to be sent.
    """

    def __init__(self, file: JournalFile) -> None:
        self.low = 0
        ((without,),) = file.rows(
            "SELECT count(*) FROM dead_letters WHERE state = 'dead' AND body IS NULL"
        )
        self.counts = Counts(read=without, dead=without)
        self.letters: list[Letter] = []
        self.sending: dict[int, Attempt] = {}
        self._file = file
        self._covered = 0

    def write(self, entry: Entry) -> None:
        """Commit an entry; on return it is on the disk. Raises JournalError."""
        skipped = [number for stretch in entry.stretches for number in stretch.skipped]
        delivered = [origin.number for origins in entry.delivered for origin in origins]
        begun = [
            self.sending[number]
            for number in range(self._covered, entry.covered)
            if number in self.sending
        ]
        doubted = [one.letter for one in begun if one.letter.ambiguous]
        doubted += [self.letters[origin.number] for origin in entry.doubted]
        with self._file.transaction() as conn:
            self._begin(conn, begun)
            self._file.doubt(conn, [letter.key for letter in doubted])
            self._end(conn, delivered, "delivered")
            self._end(conn, skipped, "skipped")
            self._bury(conn, entry.dead)
        self._covered = max(self._covered, entry.covered)
        settled = len(delivered) + len(skipped) + len(entry.dead)
        self.low += settled
        counts = self.counts
        self.counts = Counts(
            counts.read + settled,
            counts.delivered + len(delivered),
            counts.dead + len(entry.dead),
            counts.skipped + len(skipped),
            counts.maybe_duplicated + len(doubted),
        )

    def read(self, span: Span) -> Letters:
        """Begin to read the letters that can be sent."""
        return Letters(self._file, span)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @staticmethod
    def _begin(conn: sqlite3.Connection, begun: Sequence[Attempt]) -> None:
        conn.executemany(
            "UPDATE dead_letters SET sent = sent + 1, in_flight = 1, sent_hash = ?, "
            "idempotency_key = ? WHERE number = ?",
            [(one.sent_hash, one.idempotency_key, one.letter.number) for one in begun],
        )

    def _end(self, conn: sqlite3.Connection, numbers: Sequence[int], state: str) -> None:
        conn.executemany(
            "UPDATE dead_letters SET state = ?, in_flight = 0 WHERE number = ?",
            [(state, self.letters[number].number) for number in numbers],
        )

    def _bury(self, conn: sqlite3.Connection, dead: Sequence[Dead]) -> None:
        for number, letter in dead:
            before = self.letters[number]
            again = (letter.reason, letter.message, letter.status, letter.answer)
            ambiguous = letter.ambiguous or before.ambiguous
            conn.execute(_AGAIN, (*again, ambiguous, before.number))


class LetterRecorder:
    """
    Gives every dead letter its place, and makes of it what is to be sent.

    Args:
        book: takes what becomes of them.
        key: the columns by which a chunk transform's records are told apart.
        shaping: its transform takes the kept records, parsed; None sends them as they were.
        parse: makes a record of JSON text.
    """

    def __init__(
        self,
        book: LetterBook,
        key: tuple[str, ...],
        shaping: Shaping,
        parse: Callable[[bytes], Any],
    ) -> None:
        self.book = book
        self._key = key
        self._transform = shaping.transform
        self._columns = shaping.columns
        self._looked_at = shaping.looked_at
        self._parse = parse

    @property
    def has_room(self) -> bool:
        """Whether more may be read."""
        return len(self.book.letters) - self.book.low < WINDOW

    def check(self, description: Sequence[Any], keys: RowKeys) -> None:
        """Do nothing: what they were of need not be what they are sent to."""

    def keys_of(self, chunk: list[Letter]) -> RowKeys:
        """Give the numbers of letters."""
        numbers: list[Key] = [(letter.number,) for letter in chunk]
        return RowKeys(numbers, numbers)

    def shape(self, chunk: list[Letter], keys: RowKeys) -> Shaped:
        """
        Make of letters what is to be sent.

        Raises:
            ConfigError: nobody can tell whose a record is.
        """
        del keys
        counts = [1] * len(chunk)
        if self._transform is None and not self._looked_at:
            texts = [RawJSON(letter.body) for letter in chunk]
            return Shaped(texts, [], 0, (), rows=self._rows(chunk), counts=counts)
        records = [self._parse(letter.body) for letter in chunk]
        if self._transform is None:
            return Shaped(records, [], 0, (), rows=self._rows(chunk), counts=counts)
        if isinstance(self._transform, PerRow):
            return self._shaped_by_row(chunk, records, self._transform.function)
        return self._shaped_by_key(records)

    def _rows(self, chunk: list[Letter]) -> list[Mapping[str, Any]]:
        """Give what requests need besides the records: of the key, and of what is kept as text."""
        if not self._columns:
            return []
        return [self._key_of(letter) | self._named(letter) for letter in chunk]

    def _key_of(self, letter: Letter) -> dict[str, Any]:
        """Give the key columns of a letter; none where its key is kept as text for people only."""
        values = letter.shown_key if letter.key_values else ()
        return dict(zip(self._key, values, strict=False))  # a row's second record has its number

    def _named(self, letter: Letter) -> dict[str, Any]:
        record = self._parse(letter.body)
        return record if isinstance(record, dict) else {}

    def _shaped_by_row(
        self, chunk: list[Letter], records: list[Any], function: Callable[[Any], Any]
    ) -> Shaped:
        shaped = _shaped_each(records, function)
        pairs = zip(chunk, shaped.counts, strict=True)
        made = [letter for letter, count in pairs if count == 1]
        return shaped._replace(rows=[self._key_of(letter) for letter in made])

    def _shaped_by_key(self, rows: list[Any]) -> Shaped:
        keys = self._keys(rows)
        shaped = shape(rows, self._transform, self._key)
        places = {key: place for place, key in enumerate(keys)}
        order = sorted(range(len(shaped.keys)), key=lambda index: places[shaped.keys[index]])
        named = set(shaped.keys)
        counts = [int(key in named) for key in keys]
        records = [shaped.records[index] for index in order]
        return Shaped(records, [], counts.count(0), (), counts=counts)

    def _keys(self, rows: list[Any]) -> list[Key]:
        """Give the keys of records, if these tell them apart; raise ConfigError."""
        try:
            keys = [tuple(row[column] for column in self._key) for row in rows]
            several = len(set(keys)) == len(keys)
        except (KeyError, TypeError):
            several = False
        if not self._key or not several:
            raise ConfigError(
                "whose the records are that transform gives cannot be told by a key: use "
                "rowferry.per_row"
            )
        return keys

    def place(self, chunk: list[Letter], rows: RowKeys, shaped: Shaped, span: Span) -> Recorded:
        """Give the places of letters."""
        del span
        first = len(self.book.letters)
        self.book.letters += chunk
        numbered = list(enumerate(shaped.counts, first))
        records = [number for number, count in numbered if count > 0]
        failed = [number for number, count in numbered if count == RAISED]
        skipped = [number for number, count in numbered if count == 0]
        stretch = Stretch(first, rows.positions, rows.positions, skipped=skipped)
        places = [rows.positions[number - first] for number in records]
        letters = self.book.letters
        shaped = shaped._replace(
            keys=[letters[number].shown_key for number in records],
            failed=[
                (letters[number].shown_key, row)
                for number, (_, row) in zip(failed, shaped.failed, strict=True)
            ],
        )
        return Recorded(shaped, stretch, places, records, failed, len(chunk), len(skipped))

    def headers(self, header: str | None, sending: Sending) -> list[bytes]:
        """Give the lines with idempotency keys: the earlier one only where it may be the same."""
        lines = []
        for number, record in zip(sending.numbers, sending.records, strict=True):
            letter = self.book.letters[number]
            hashed = blake2b(record_text(record) or b"", digest_size=16).digest()
            before = letter.sent_hash or blake2b(letter.body, digest_size=16).digest()
            same = letter.ambiguous and before == hashed and letter.idempotency_key
            key = letter.idempotency_key if same else secrets.token_hex(16)
            self.book.sending[number] = Attempt(letter, hashed, key if header else None)
            lines.append(f"\r\n{header}: {key}".encode())
        return lines if header else []


def _shaped_each(rows: list[Any], function: Callable[[Any], Any]) -> Shaped:
    """Call a function of one record on each; one that raises takes no other along."""
    records: list[Any] = []
    counts: list[int] = []
    failed: list[tuple[Key | None, FailedRow]] = []
    for row in rows:
        try:
            made = records_of(function(row))
        except Exception as error:  # noqa: BLE001 (it is the user's code: any error is the row's)
            failed.append((None, FailedRow(row, error)))
            counts.append(RAISED)
            continue
        if len(made) > 1:
            raise ConfigError(f"transform gave {len(made)} records for one dead letter, not one")
        counts.append(len(made))
        records += made
    return Shaped(records, [], counts.count(0), failed, counts=counts)
