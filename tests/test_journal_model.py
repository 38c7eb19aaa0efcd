"""
Reading, sending, answers, commits and crashes in any order, against what a list would say.

The API here takes everything that reaches it, and whatever was not committed is forgotten in a
crash: so a record may be taken twice, but never more often than the journal says, and none is lost.
"""

import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rowferry import Journal, per_row
from rowferry.batches import Origin
from rowferry.fingerprint import ORDER
from rowferry.journal import Opening
from rowferry.journal_entry import Entry
from rowferry.key_text import key_text
from rowferry.letters import Dead, DeadLetter
from rowferry.recording import Shaping
from rowferry.spans import Columns

ROWS = 40


def records_of(row):
    """Give no record for every fifth row, and several for every seventh."""
    number = row["id"]
    if number % 5 == 0:
        return []
    return [row] * (3 if number % 7 == 0 else 1)


def whole_chunk(rows):
    """Give the records of a chunk in another order, and none of every fifth row."""
    return [row for row in reversed(rows) if row["id"] % 5]


KEYS = [
    (number, index) if index else (number,)
    for number in range(1, ROWS + 1)
    for index in range(len(records_of({"id": number})))
]
FIRST_KEYS = [key for key in KEYS if len(key) == 1]


class Transfers(RuleBasedStateMachine):
    """Runs of one pass over rows with the keys 1 to ROWS."""

    transform = per_row(records_of)
    keys = KEYS

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.applied = Counter()  # what the API took, by key
        self.rejected = set()
        self.complete = False
        self.recorder = None

    @initialize()
    def begin(self):
        opening = Opening(
            Journal(self.folder / "journal.db"),
            {ORDER: "id"},
            Columns.of(("id",), None),
            "",
            keyed=True,
            iterable=False,
        )
        self.recorder = opening.open(Shaping(self.transform))
        self.book = self.recorder.book
        self.spans = list(self.book.spans)
        self.at = self.spans[0].after or (0,)
        self.exhausted = False
        self.stretches = []  # not yet in an entry
        self.unsent = []  # origins that are not covered yet
        self.covered = 0
        self.may_go = []
        self.in_flight = []
        self.delivered = []
        self.dead = []

    # what a run does

    @precondition(lambda self: self.recorder and not self.exhausted)
    @rule(count=st.integers(1, 9))
    def read(self, count):
        span = self.spans[0]
        last = span.up_to[0] if span.up_to else ROWS
        rows = [{"id": number} for number in range(self.at[0] + 1, last + 1)][:count]
        if not rows:
            self.spans.pop(0)
            self.exhausted = not self.spans
            if self.spans:
                self.at = self.spans[0].after or (0,)
            return
        self.at = (rows[-1]["id"],)
        keys = self.recorder.keys_of(rows)
        recorded = self.recorder.place(rows, keys, self.recorder.shape(rows, keys), span)
        self.stretches.append(recorded.stretch)
        self.unsent += [
            Origin(key, None, number)
            for key, number in zip(recorded.places, recorded.numbers, strict=True)
        ]

    @precondition(lambda self: self.recorder)
    @rule(more=st.integers(0, 12), doubt=st.booleans())
    def commit(self, more, doubt):
        covered, self.unsent = self.unsent[:more], self.unsent[more:]
        if covered:
            self.covered = covered[-1].number + 1
        if not self.unsent and self.stretches:
            self.covered = max(self.covered, self.stretches[-1].end)
        again = self.in_flight[:1] if doubt else []
        delivered = [(origin,) for origin in self.delivered]
        entry = Entry(self.stretches, self.covered, delivered, self.dead, again)
        self.stretches, self.delivered, self.dead = [], [], []
        self.book.write(entry)
        self.may_go += covered
        for origin in again:  # it is sent once more, since nobody knows what came of it
            self.applied[origin.key] += 1

    @precondition(lambda self: self.recorder and self.may_go)
    @rule(which=st.integers(0, 100))
    def send(self, which):
        origin = self.may_go.pop(which % len(self.may_go))
        self.applied[origin.key] += 1
        self.in_flight.append(origin)

    @precondition(lambda self: self.recorder and self.in_flight)
    @rule(which=st.integers(0, 100), rejected=st.integers(0, 9))
    def answer(self, which, rejected):
        origin = self.in_flight.pop(which % len(self.in_flight))
        if rejected:
            self.delivered.append(origin)
            return
        letter = DeadLetter(key_text(origin.key), None, "rejected", "")
        self.dead.append(Dead(origin.number, letter))

    @precondition(lambda self: self.recorder and not self.complete)
    @rule()
    def crash(self):
        self.book.close()
        self.begin()

    def send_all(self):
        while self.may_go:
            self.send(0)

    def answer_some(self):
        while len(self.in_flight) > 2:
            self.answer(1, 1)

    # what must be so

    @invariant()
    def everything_up_to_the_watermark_was_taken(self):
        if not self.recorder or self.complete:
            return
        watermark = self.book.pass_.watermark
        last = watermark[0] if watermark else 0
        for key in self.keys:
            if key[0] <= last:
                assert self.applied[key] >= 1, (key, watermark)

    @invariant()
    def no_record_is_taken_more_often_than_the_journal_says(self):
        if not self.recorder:
            return
        doubted = self.doubted()
        for key, times in self.applied.items():
            assert times - 1 <= doubted.get(key_text(key), 0), key

    def doubted(self):
        return dict(self.book._file.rows("SELECT position, n FROM maybe_duplicated"))

    def teardown(self):
        if self.recorder:
            self.go_on_to_the_end()
            self.check_the_end()
            self.book.close()
        shutil.rmtree(self.folder)

    def go_on_to_the_end(self):
        while not self.exhausted:
            self.read(9)
        self.commit(1_000, doubt=False)
        while self.may_go:
            self.send(0)
        while self.in_flight:
            self.answer(0, 1)
        delivered = [(origin,) for origin in self.delivered]
        self.book.write(Entry(self.stretches, self.covered, delivered, self.dead, (), True))
        self.complete = True

    def check_the_end(self):
        assert set(self.applied) == set(self.keys)
        counts = self.book.counts
        assert counts.delivered + counts.dead == len(self.keys)
        assert (counts.read, counts.skipped) == (ROWS, ROWS // 5)
        assert self.book._file.settled() == []
        assert len(self.book._file.letters("number", "true")) == counts.dead


class Chunks(Transfers):
    """The same with a transform that takes whole chunks."""

    transform = staticmethod(whole_chunk)
    keys = FIRST_KEYS


class Plain(Transfers):
    """The same with rows as they are."""

    transform = None
    keys = [(number,) for number in range(1, ROWS + 1)]  # noqa: RUF012

    def check_the_end(self):
        counts = self.book.counts
        assert counts.delivered + counts.dead == counts.read == ROWS
        assert self.book._file.settled() == []


MANY = settings(
    max_examples=10,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestTransfers = Transfers.TestCase
TestChunks = Chunks.TestCase
TestPlain = Plain.TestCase
TestTransfers.settings = TestChunks.settings = TestPlain.settings = MANY


def test_the_model_s_journal_is_one_that_sqlite_can_read():
    machine = Plain()
    machine.begin()
    machine.read(5)
    machine.commit(3, doubt=False)
    path = machine.folder / "journal.db"
    machine.book.close()
    machine.recorder = None
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("SELECT dispatched_to FROM passes").fetchall() == [("[3]",)]
    machine.teardown()


@pytest.mark.parametrize("machine", [Transfers, Chunks, Plain])
def test_a_crash_after_every_step_is_survived(machine):
    for crash_at in range(0, 12, 2):
        run = machine()
        run.begin()
        for step in range(12):
            (run.read, run.commit, run.send_all, run.answer_some)[step % 4](
                *((6,), (4, False), (), ())[step % 4]
            )
            run.no_record_is_taken_more_often_than_the_journal_says()
            run.everything_up_to_the_watermark_was_taken()
            if step == crash_at:
                run.crash()
        run.teardown()
