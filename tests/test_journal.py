"""A transfer with a journal: killed, stopped or limited, the next run goes on where it was."""

import os
import sqlite3
import stat
from contextlib import closing

import pytest

from rowferry import Api, Budget, Journal, Retry, copy_to_api, exceptions, per_row, post_rows
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
        assert ids(api)[:2_000] == ids(api)[:2_000]
        assert sorted(ids(api)[:2_000]) == list(range(1, 2_001))


def test_a_stop_is_resumed_and_nothing_delivered_is_sent_again(source, journal):
    with FakeApi(lambda request: 201 if request.number < 500 else 302) as api:
        with pytest.raises(exceptions.TransferError) as stopped:
            copy_to_api(SELECT, source, api.url, key="id", journal=journal)
        delivered = stopped.value.report.delivered
        assert 400 <= delivered <= 500
        taken = {record["id"] for record in api.records[:500]}
    with FakeApi() as again:
        moved = Api(again.url)
        with pytest.raises(exceptions.JournalError, match="another url"):
            copy_to_api(SELECT, source, moved, key="id", journal=journal)
    with FakeApi() as other:
        del other
    assert len(taken) == 500


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
