"""Rows that are done with before they are sent, far ahead of what is, are counted once."""

import sqlite3
from contextlib import closing

import pytest

from rowferry import Api, Journal, Limits, copy_to_api, exceptions, per_row
from rowferry.testing import FakeApi

ROWS = 300


@pytest.fixture
def source(tmp_path):
    """Rows of which each tenth cannot be sent."""
    with closing(sqlite3.connect(tmp_path / "source.db")) as conn:
        conn.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        rows = [(key, b"\0" if key % 10 == 0 else key) for key in range(1, ROWS + 1)]
        conn.executemany("INSERT INTO t VALUES (?, ?)", rows)
        conn.commit()
        yield conn


def stopped_and_gone_on_with(source, folder, transform=None):
    journal, slow = Journal(folder / "journal.db"), Limits(concurrency=1)

    def go():
        api = Api(server.url, limits=slow)
        query = "SELECT id, v FROM t"
        return copy_to_api(query, source, api, key="id", journal=journal, transform=transform)

    with FakeApi(lambda request: 302 if request.number == 5 else 201) as server:
        with pytest.raises(exceptions.TransferError):
            go()
        return go()


def test_rows_that_cannot_be_sent_are_dead_once(source, tmp_path):
    report = stopped_and_gone_on_with(source, tmp_path)
    assert (report.read, report.records, report.dead) == (ROWS, ROWS, ROWS // 10)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as conn:
        assert conn.execute("SELECT count(*) FROM dead_letters").fetchall() == [(ROWS // 10,)]


def test_rows_that_a_function_drops_are_skipped_once(source, tmp_path):
    drop = per_row(lambda row: row if row["id"] % 10 else None)
    report = stopped_and_gone_on_with(source, tmp_path, drop)
    assert (report.read, report.skipped, report.delivered) == (ROWS, ROWS // 10, ROWS * 9 // 10)


def test_rows_that_a_chunk_s_transform_drops_are_skipped_once(source, tmp_path):
    def drop(chunk):
        return [row for row in chunk if row["id"] % 10 and row["id"] not in range(101, 200)]

    report = stopped_and_gone_on_with(source, tmp_path, drop)
    assert report.read == ROWS
    assert report.delivered + report.skipped == ROWS


def test_a_source_of_which_nothing_can_be_sent_is_complete(source, tmp_path):
    source.execute("UPDATE t SET v = x'00'")
    with FakeApi() as api:
        journal = Journal(tmp_path / "journal.db")
        report = copy_to_api("SELECT id, v FROM t", source, api.url, key="id", journal=journal)
    assert (report.dead, report.pending, report.exit_code) == (ROWS, 0, 3)
