"""A transfer with a journal: killed, stopped or limited, the next run goes on where it was."""

import asyncio
import contextlib
import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from rowferry import (
    Api,
    Budget,
    Journal,
    Retry,
    acopy_to_api,
    apost_rows,
    copy_to_api,
    exceptions,
    per_row,
    post_rows,
    recording,
)
from rowferry.formats.elasticsearch import Elasticsearch
from rowferry.testing import Answer, FakeApi

SELECT = "SELECT id, name FROM t"


def table(path, count):
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    rows = [(number, f"row {number}") for number in range(1, count + 1)]
    conn.executemany("INSERT INTO t VALUES (?, ?)", rows)
    conn.commit()
    return conn


@pytest.fixture
def source(tmp_path):
    with closing(table(tmp_path / "source.db", 2_000)) as conn:
        yield conn


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal.db")


def in_journal(journal, query):
    with closing(sqlite3.connect(journal.path)) as conn:
        return conn.execute(query).fetchall()


def ids(api):
    return [record["id"] for record in api.records]


def test_a_complete_pass_has_every_row_settled_and_the_next_call_begins_a_new_one(source, journal):
    with FakeApi() as api:
        for number in (1, 2):
            report = copy_to_api(SELECT, source, api.url, key="id", journal=journal)
            assert (report.read, report.delivered, report.pending) == (2_000, 2_000, 0)
            assert report.exit_code == 0
            assert sorted(ids(api)) == sorted(list(range(1, 2_001)) * number)
    states = in_journal(journal, "SELECT state, watermark, read, delivered FROM passes")
    assert states == [("complete", "[2000]", 2_000, 2_000)] * 2
    assert in_journal(journal, "SELECT count(*) FROM settled") == [(0,)]


def test_the_idempotency_keys_of_the_next_pass_are_others(source, journal):
    with FakeApi() as api:
        for _ in range(2):
            copy_to_api(SELECT, source, api.url, key="id", journal=journal, limit=None)
    keys = [request.headers["idempotency-key"] for request in api.received]
    assert len(set(keys)) == 4_000


def test_a_limit_leaves_the_pass_open_and_its_counts_are_of_all_runs(source, journal):
    with FakeApi() as api:
        for read in (700, 1_400, 2_000, 700):
            report = copy_to_api(SELECT, source, api.url, key="id", journal=journal, limit=700)
            assert (report.read, report.records, report.delivered) == (read, read, read)
        assert sorted(ids(api)[:2_000]) == list(range(1, 2_001))


def test_after_a_stop_nothing_that_was_delivered_is_sent_again(source, journal):
    moved = [True]
    with FakeApi(lambda request: 302 if moved and request.number >= 500 else 201) as api:
        with pytest.raises(exceptions.TransferError, match="302") as stopped:
            copy_to_api(SELECT, source, api.url, key="id", journal=journal)
        assert stopped.value.exit_code == 4
        assert stopped.value.report.delivered == 500
        delivered = set(ids(api)[:500])
        moved.clear()
        before = len(api.received)
        report = copy_to_api(SELECT, source, api.url, key="id", journal=journal)
        assert (report.delivered, report.earlier) == (2_000, 500)
        assert sorted(ids(api)[before:]) == sorted(set(range(1, 2_001)) - delivered)


def test_rejected_records_are_dead_letters_and_the_run_goes_on(source, journal):
    reject = lambda request: 422 if request.json()["id"] % 400 == 0 else 201
    with FakeApi(reject) as api:
        report = copy_to_api(SELECT, source, api.url, key="id", journal=journal)
    assert (report.delivered, report.dead, report.exit_code) == (1_995, 5, 3)
    letters = in_journal(
        journal, "SELECT key, reason, status, body FROM dead_letters ORDER BY number"
    )
    assert min(letters) == ("1200", "rejected", 422, b'{"id":1200,"name":"row 1200"}')
    assert len(letters) == 5


def test_all_files_are_for_their_owner_only(source, journal, tmp_path):
    seen = set()

    def look(request):
        del request
        for path in tmp_path.glob("journal.db*"):
            seen.add((path.name, stat.S_IMODE(path.stat().st_mode)))
        return 201

    before = os.umask(0)
    try:
        with FakeApi(look) as api:
            copy_to_api(SELECT, source, api.url, key="id", journal=journal, limit=20)
    finally:
        os.umask(before)
    assert {mode for _, mode in seen} == {0o600}
    assert {"journal.db", "journal.db-wal", "journal.db.lock"} <= {name for name, _ in seen}


def test_a_second_run_is_refused_at_once(source, journal, tmp_path):
    errors = []

    def second(request):
        if not errors:
            with closing(sqlite3.connect(tmp_path / "source.db")) as conn:
                try:
                    copy_to_api(SELECT, conn, api.url, key="id", journal=journal)
                except exceptions.JournalError as error:
                    errors.append(error)
        return 201

    with FakeApi(second) as api:
        copy_to_api(SELECT, source, api.url, key="id", journal=journal, limit=200)
    assert errors[0].exit_code == 6
    assert "another run holds the journal" in str(errors[0])


def test_a_deadline_ends_the_run_and_the_next_one_goes_on(source, journal):
    with FakeApi(Answer(status=201, delay=0.02)) as api:
        with pytest.raises(exceptions.TransferError) as late:
            copy_to_api(
                SELECT, source, api.url, key="id", journal=journal, budget=Budget(deadline=0.2)
            )
        assert late.value.exit_code == 4
        report = copy_to_api(SELECT, source, api.url, key="id", journal=journal)
        assert report.delivered == 2_000
        assert sorted(ids(api)) == list(range(1, 2_001))


def test_records_of_a_row_have_its_key_and_their_number(source, journal):
    double = per_row(lambda row: [row, row | {"copy": True}] if row["id"] % 2 else None)
    with FakeApi(lambda request: 422 if "copy" in request.json() else 201) as api:
        report = copy_to_api(
            SELECT, source, api.url, key="id", journal=journal, transform=double, limit=10
        )
    assert (report.read, report.records, report.delivered, report.dead) == (10, 10, 5, 5)
    assert report.skipped == 5
    letters = in_journal(journal, "SELECT key FROM dead_letters ORDER BY key")
    assert letters == [("1/1",), ("3/1",), ("5/1",), ("7/1",), ("9/1",)]


def test_rows_of_an_iterable_are_gone_on_with_by_their_keys(journal):
    rows = [{"id": number} for number in range(500)]
    with FakeApi() as api:
        for read in (200, 400, 500):
            report = post_rows(iter(rows), api.url, key="id", journal=journal, limit=200)
            assert report.delivered == read
        assert sorted(ids(api)) == list(range(500))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ([{"id": number} for number in reversed(range(500))], "another order"),
        ([{"id": number} for number in range(150)], "50 rows early"),
    ],
)
def test_another_iterable_is_refused_and_nothing_sent(journal, other, said):
    rows = [{"id": number} for number in range(500)]
    with FakeApi() as api:
        post_rows(rows, api.url, key="id", journal=journal, limit=200)
        with pytest.raises(exceptions.SourceError, match=said):
            post_rows(other, api.url, key="id", journal=journal)
        assert len(api.received) == 200


def test_texts_that_a_collation_holds_equal_are_told_apart(source, journal):
    source.execute("CREATE TABLE u (id TEXT COLLATE NOCASE, name TEXT)")
    letters = ["A", "B", "C", "a", "b", "c"]
    source.executemany("INSERT INTO u VALUES (?, 'x')", [(letter,) for letter in letters])
    source.commit()
    with FakeApi() as api:
        for _ in letters:
            copy_to_api(
                "SELECT id, name FROM u", source, api.url, key="id", journal=journal, limit=1
            )
        assert ids(api) == letters


def test_with_on_error_rejected_records_are_given_to_it_and_dead_letters_too(source, journal):
    failed = []
    with FakeApi(lambda request: 422 if request.json()["id"] == 3 else 201) as api:
        report = copy_to_api(
            SELECT, source, api.url, key="id", journal=journal, limit=10, on_error=failed.extend
        )
    assert (report.dead, [row.row["id"] for row in failed]) == (1, [3])
    assert in_journal(journal, "SELECT key FROM dead_letters") == [("3",)]


def test_rejections_from_the_start_that_stop_the_run_are_pending_and_bury_nothing(source, journal):
    with FakeApi(403) as api:
        with pytest.raises(exceptions.TransferError, match="max_dead_from_start") as stopped:
            copy_to_api(SELECT, source, api.url, key="id", journal=journal)
        assert (stopped.value.report.dead, stopped.value.report.delivered) == (0, 0)
    assert in_journal(journal, "SELECT count(*) FROM dead_letters") == [(0,)]
    assert in_journal(journal, "SELECT read, dead, watermark FROM passes") == [(0, 0, None)]


def test_rejections_that_were_held_back_are_dead_once_the_pass_has_delivered(source, journal):
    with FakeApi(lambda request: 201 if request.json()["id"] > 5 else 422) as api:
        report = copy_to_api(SELECT, source, api.url, key="id", journal=journal, limit=40)
    assert (report.dead, report.delivered) == (5, 35)
    assert len(in_journal(journal, "SELECT * FROM dead_letters")) == 5


def test_once_the_pass_has_delivered_the_next_run_holds_nothing_back(source, journal):
    refusing = []
    with FakeApi(lambda request: 422 if refusing else 201) as api:
        copy_to_api(SELECT, source, api.url, key="id", journal=journal, limit=10)
        refusing.append(True)
        report = copy_to_api(SELECT, source, api.url, key="id", journal=journal, limit=150)
    assert (report.delivered, report.dead, report.exit_code) == (10, 150, 3)


def test_max_dead_stops_a_run_that_can_be_gone_on_with(source, journal):
    budget = Budget(max_dead=3)
    with FakeApi(lambda request: 201 if request.json()["id"] % 10 else 422) as api:
        with pytest.raises(exceptions.TransferError, match="max_dead=3") as stopped:
            copy_to_api(SELECT, source, api.url, key="id", journal=journal, budget=budget)
        assert stopped.value.exit_code == 4
        report = copy_to_api(SELECT, source, api.url, key="id", journal=journal)
        assert (report.delivered, report.dead) == (1_800, 200)
    keys = [key for (key,) in in_journal(journal, "SELECT key FROM dead_letters")]
    assert len(keys) == len(set(keys)) == 200


def test_an_outage_stops_the_run_and_buries_nothing(source, journal):
    up = [True]
    patient = Retry(max_retries=1, initial_backoff=0.01, max_retry_age=0.3)
    with FakeApi(lambda request: 201 if up and request.number < 50 else 503) as api:
        down = Api(api.url, retry=patient)
        with pytest.raises(exceptions.TransferError) as stopped:
            copy_to_api(SELECT, source, down, key="id", journal=journal)
        assert stopped.value.exit_code == 4
        report = stopped.value.report
        assert (report.delivered, report.dead) == (50, 0)
        assert report.pending > 0
    assert in_journal(journal, "SELECT delivered, dead FROM passes") == [(50, 0)]


def test_records_of_one_turn_go_one_after_another_across_runs(source, journal):
    order = {}

    def note(request):
        order.setdefault(request.json()["id"] % 3, []).append(request.json()["id"])
        return Answer(status=201, delay=0.001 * (request.number % 3))

    with FakeApi(note) as api:
        for _ in range(3):
            copy_to_api(
                "SELECT id, name, id % 3 AS turn FROM t",
                source,
                api.url,
                key="id",
                journal=journal,
                ordering_key="turn",
                limit=100,
            )
    assert all(numbers == sorted(numbers) for numbers in order.values())
    assert sum(map(len, order.values())) == 300


def test_the_awaitable_face_has_a_journal_too(source, journal, tmp_path):
    async def rows():
        for number in range(300):
            yield {"id": number}

    async def run(api):
        url = f"sqlite:///{tmp_path / 'source.db'}"
        first = await acopy_to_api(SELECT, url, api.url, key="id", journal=journal)
        other = Journal(tmp_path / "other.db")
        await apost_rows(rows(), api.url, key="id", journal=other, limit=100)
        return first, await apost_rows(rows(), api.url, key="id", journal=other)

    with FakeApi() as api:
        first, second = asyncio.run(run(api))
    assert (first.delivered, second.delivered, second.earlier) == (2_000, 300, 100)


def test_progress_is_of_the_pass_and_of_what_is_committed(source, journal):
    events = []
    with FakeApi() as api:
        copy_to_api(SELECT, source, api.url, key="id", journal=journal, limit=500)
        copy_to_api(SELECT, source, api.url, key="id", journal=journal, progress=events.append)
    assert events[0].delivered >= 500
    assert (events[-1].delivered, events[-1].earlier) == (2_000, 500)


@pytest.mark.parametrize("status", [201, 302])
def test_however_it_ends_no_thread_and_no_file_is_left_open(source, journal, status):
    def open_files():
        files = map(Path.resolve, Path("/proc/self/fd").iterdir())
        return [path for path in files if "journal.db" in path.name]

    with FakeApi(status) as api:
        with contextlib.suppress(exceptions.TransferError):
            copy_to_api(SELECT, source, api.url, key="id", journal=journal)
        assert open_files() == []
        names = {thread.name for thread in threading.enumerate()}
        assert not {name for name in names if name.startswith("rowferry")}
    assert not journal.path.with_name("journal.db-wal").exists()


SECRET = "s3cr3t-t0ken"


def test_no_secret_gets_into_the_journal_nor_what_lies_beside_it(source, journal, tmp_path, caplog):
    caplog.set_level("DEBUG")
    answers = {1: 422, 2: 500}
    with FakeApi(
        lambda request: Answer(
            status=answers.get(request.json()["id"], 201), body=f"why {SECRET}?".encode()
        )
    ) as api:
        private = Api(
            f"{api.url}?key={SECRET}",
            headers={"Authorization": f"Bearer {SECRET}"},
            on_ambiguous="dead_letter",
        )
        copy_to_api(SELECT, source, private, key="id", journal=journal, limit=100)
    assert len(in_journal(journal, "SELECT answer FROM dead_letters")) == 2
    for path in tmp_path.glob("journal.db*"):
        assert SECRET.encode() not in path.read_bytes()
    assert SECRET not in caplog.text


def test_going_on_asks_for_the_rows_by_an_index(source, journal):
    with FakeApi() as api:
        copy_to_api(SELECT, source, api.url, key="id", journal=journal, limit=500)
        asked = []
        source.set_trace_callback(asked.append)
        copy_to_api(SELECT, source, api.url, key="id", journal=journal)
        source.set_trace_callback(None)
    reading = [sql for sql in asked if "ORDER BY" in sql]
    assert reading
    for sql in reading:
        ((_, _, _, plan),) = source.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
        assert plan.startswith("SEARCH t USING INTEGER PRIMARY KEY"), (sql, plan)


def test_the_window_stops_the_reading_where_the_first_record_is_stuck(journal, monkeypatch):
    monkeypatch.setattr(recording, "WINDOW", 2_000)
    read, seen = [0], []

    def rows():
        for number in range(20_000):
            read[0] = number
            yield {"id": number}

    def answer(request):
        if request.json()["id"] == 0:
            return Answer(status=201, delay=1.0)
        seen.append(read[0])
        return 201

    with FakeApi(answer) as api:
        report = post_rows(rows(), api.url, key="id", journal=journal, chunk_size=500, limit=5_000)
        taken_meanwhile = [r.json()["id"] for r in api.received if r.number < 1_000]
    assert report.delivered == 5_000
    assert max(taken_meanwhile) <= 2_500


def test_per_row_may_leave_out_what_a_request_needs_of_its_row(source, journal):
    kept = per_row(lambda row: {"name": row["name"]})
    with FakeApi() as api:
        items = Api(f"{api.url}/{{id}}", method="PUT")
        copy_to_api(SELECT, source, items, key="id", journal=journal, transform=kept, limit=3)
        assert sorted(request.path for request in api.received) == [
            f"/records/{number}" for number in (1, 2, 3)
        ]
        documents = Api(
            f"{api.url}/_bulk", body_format=Elasticsearch(index="i-{id}", id=None), method="POST"
        )
        other = Journal(journal.path.with_name("other.db"))
        with pytest.raises(exceptions.TransferError):  # this API does not answer as a node does
            copy_to_api(SELECT, source, documents, key="id", journal=other, transform=kept, limit=1)
        assert api.received[-1].body.startswith(b'{"index":{"_index":"i-1"}}')


def test_a_transfer_without_a_key_does_not_go_on(source, journal):
    slow = Api("http://127.0.0.1:1/x", retry=Retry(max_retries=0))
    with pytest.raises(exceptions.TransferError):
        copy_to_api(SELECT, source, slow, journal=journal)
    with FakeApi() as api:
        Journal(journal.path).start_over()
        copy_to_api(SELECT, source, api.url, journal=journal, limit=100)
        with pytest.raises(exceptions.JournalError, match="start_over") as refused:
            copy_to_api(SELECT, source, api.url, journal=journal)
        assert refused.value.exit_code == 2
        journal.start_over()
        assert copy_to_api(SELECT, source, api.url, journal=journal).delivered == 2_000
