"""What stands in the file of a journal: its tables, and their rows as values."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry import positions
from rowferry.ledger import Counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowferry.records import Key

FORMAT = 1
APPLICATION = 0x726F7766  # "rowf"

SCHEMA = """
CREATE TABLE transfer (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    fingerprint TEXT NOT NULL,        -- JSON; nearly empty once a pass was abandoned
    seal BLOB NOT NULL
);
CREATE TABLE passes (
    number INTEGER PRIMARY KEY,
    pass_id BLOB NOT NULL,            -- random: a part of its idempotency keys
    state TEXT NOT NULL,              -- open, complete, abandoned
    begun_after TEXT,                 -- the watermark of the last complete pass
    watermark TEXT,
    dispatched_to TEXT,
    passed INTEGER NOT NULL,          -- rows up to the watermark
    read INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    maybe_duplicated INTEGER NOT NULL,
    trail BLOB NOT NULL,              -- hash of the keys up to the watermark, in order
    seal BLOB NOT NULL
);
CREATE TABLE settled (                -- above the watermark, or within the lag
    number INTEGER PRIMARY KEY,
    pass INTEGER NOT NULL,
    top TEXT,                         -- the highest cursor in it
    hashes BLOB NOT NULL,
    seal BLOB NOT NULL
);
CREATE TABLE maybe_duplicated (
    position TEXT PRIMARY KEY,
    n INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY,
    pass INTEGER NOT NULL,
    at REAL NOT NULL,
    state TEXT NOT NULL,              -- dead, delivered, skipped, superseded
    key TEXT NOT NULL,                -- as text, the number of the record in its row after it
    key_values TEXT,                  -- JSON
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    status INTEGER,
    answer TEXT NOT NULL,
    ambiguous INTEGER NOT NULL,
    body BLOB,                        -- JSON text; NULL where there is none, or is not kept
    row TEXT,                         -- where there is no record
    idempotency_key TEXT,             -- that it was sent under last
    sent_hash BLOB,                   -- of the body that was sent under it since
    sent INTEGER NOT NULL,            -- times that it was about to be sent again
    in_flight INTEGER NOT NULL,       -- whether what came of the last time is not known
    seal BLOB NOT NULL                -- of key, body and row
);
CREATE INDEX open_dead_letters ON dead_letters (number) WHERE state = 'dead';

-- What nearly every commit does, as one statement: each takes the interpreter's lock once more,
-- for which a busy event loop has to be waited.
CREATE VIEW progress AS
    SELECT p.*, s.number AS settled_number, s.top, s.hashes, s.seal AS settled_seal, 0 AS dropped
    FROM passes p, settled s;
CREATE TRIGGER write_progress INSTEAD OF INSERT ON progress BEGIN
    UPDATE passes SET
        state = new.state, watermark = new.watermark, dispatched_to = new.dispatched_to,
        passed = new.passed, read = new.read, delivered = new.delivered, dead = new.dead,
        skipped = new.skipped, maybe_duplicated = new.maybe_duplicated, trail = new.trail,
        seal = new.seal
        WHERE number = new.number;
    INSERT INTO settled
        SELECT new.settled_number, new.number, new.top, new.hashes, new.settled_seal
        WHERE new.settled_number IS NOT NULL;
    DELETE FROM settled WHERE number <= new.dropped;
END;
"""


class Pass(NamedTuple):
    """
    One reading of a source from begin to complete, as it stands in the journal.

    Attributes:
        begun_after: the watermark of the last complete pass, after which this one reads.
        dispatched_to: the position up to which records may have been sent; None: none was.
        passed: rows up to the watermark.
        trail: hash of the keys of those rows, in order; empty where it was not kept.
    """

    number: int
    pass_id: bytes
    state: str = "open"
    begun_after: Key | None = None
    watermark: Key | None = None
    dispatched_to: Key | None = None
    passed: int = 0
    counts: Counts = Counts()
    trail: bytes = b""


class Settled(NamedTuple):
    """
    Hashes of records that are settled, though not all before them are.

    Attributes:
        top: the highest cursor among them, as text; None where there is no lag.
    """

    number: int
    top: str | None
    hashes: bytes


STATE = (
    "number, pass_id, state, begun_after, watermark, dispatched_to, passed, "
    "read, delivered, dead, skipped, maybe_duplicated, trail"
)


PROGRESS = (
    f"INSERT INTO progress ({STATE}, seal, settled_number, top, hashes, settled_seal, dropped) "  # noqa: S608 - our own text
    f"VALUES ({', '.join('?' * 19)})"
)


def row_of(pass_: Pass) -> tuple[Any, ...]:
    """Give a pass as its row, in the order of `STATE`."""
    return (
        *(pass_.number, pass_.pass_id, pass_.state),
        *map(_written, (pass_.begun_after, pass_.watermark, pass_.dispatched_to)),
        *(pass_.passed, *pass_.counts, pass_.trail),
    )


def pass_of(row: Sequence[Any]) -> Pass:
    """Give the pass that `row_of` gave as *row*."""
    number, pass_id, state, *texts = row[:6]
    begun_after, watermark, dispatched_to = map(_read, texts)
    passed, *counts, trail = row[6:]
    return Pass(
        *(number, pass_id, state, begun_after, watermark, dispatched_to, passed),
        Counts(*counts),
        trail,
    )


def _written(position: Key | None) -> str | None:
    return None if position is None else positions.to_text(position)


def _read(text: str | None) -> Key | None:
    return None if text is None else positions.from_text(text)


def checksum_of(*cells: object) -> bytes:
    """Give the checksum of a row, which SQLite has none of."""
    return blake2b(repr(cells).encode("utf-8", "surrogatepass"), digest_size=8).digest()
