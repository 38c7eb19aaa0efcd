"""Cells that are hard to carry, from a database to an API: none takes another one along."""

import json
from contextlib import closing

import pytest

from rowferry import Api, Limits, copy_to_api, execute, fetchall, iter_rows
from rowferry import connect as connect_to
from rowferry.exceptions import RejectedError, SourceError
from rowferry.testing import FakeApi


@pytest.fixture(params=["postgresql", "postgresql+psycopg2"])
def pg(postgresql, request):
    pytest.importorskip(request.param.rpartition("+")[2].replace("postgresql", "psycopg"))
    url = postgresql.url.replace("postgresql", request.param)
    with closing(connect_to(url)) as conn:
        yield conn


def sent(query, conn, **options):
    """Send the rows of *query*; give what arrived, by id, and those that failed."""
    failed = []
    with FakeApi() as api:
        target = Api(api.url, **options)
        report = copy_to_api(query, conn, target, key="id", on_error=failed.extend)
        bodies = sorted(json.loads(request.body)["id"] for request in api.received)
        texts = [request.body.decode() for request in api.received]
    assert (report.delivered, report.dead) == (len(bodies), len(failed))
    assert report.read == report.delivered + report.dead
    return bodies, texts, [row.exception for row in failed]


@pytest.mark.parametrize("digits", [4301, 100_000])
def test_a_number_of_many_digits_arrives_with_all_of_them(pg, digits):
    query = f"SELECT id, 10::numeric ^ (id * 0) + 10::numeric ^ {digits - 1} AS n "
    ids, texts, failed = sent(f"{query} FROM generate_series(1, 3) AS id", pg)
    assert (ids, failed) == ([1, 2, 3], [])
    for text in texts:
        number = text.partition('"n":')[2].rstrip("}").partition(".")[0]
        assert number == "1" + "0" * (digits - 2) + "1"


@pytest.mark.parametrize("kind", ["numeric", "float8", "float4"])
@pytest.mark.parametrize("odd", ["NaN", "infinity", "-infinity"])
def test_a_number_that_is_none_rejects_its_own_record(pg, kind, odd):
    query = f"SELECT id, CASE id WHEN 2 THEN '{odd}' ELSE '1.5' END::{kind} AS n"
    ids, _, (error,) = sent(f"{query} FROM generate_series(1, 3) AS id", pg)
    assert ids == [1, 3]
    assert isinstance(error, RejectedError)
    assert "column 'n'" in str(error)


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
@pytest.mark.parametrize("odd", ["infinity", "-infinity", "10000-01-01", "0044-03-15 BC"])
def test_a_day_beyond_the_calendar_rejects_its_own_record(pg, kind, odd):
    query = f"SELECT id, CASE id WHEN 2 THEN '{odd}' ELSE '2020-01-02' END::{kind} AS at"
    ids, _, (error,) = sent(f"{query} FROM generate_series(1, 3) AS id", pg)
    assert ids == [1, 3]
    assert "column 'at'" in str(error)


@pytest.mark.parametrize("last", ["infinity", "-infinity"])
def test_a_key_may_be_infinity(pg, last):
    query = f"SELECT id, CASE id WHEN 2 THEN '{last}' ELSE '2020-01-02' END::timestamp AS at"
    failed = []
    with FakeApi() as api:
        report = copy_to_api(
            f"{query} FROM generate_series(1, 3) AS id",
            pg,
            api.url,
            key=("at", "id"),
            on_error=failed.extend,
            chunk_size=1,
        )
    assert (report.delivered, report.dead) == (2, 1)


def test_a_cell_of_ten_megabytes_goes_through(pg):
    query = "SELECT id, repeat('x', 10000000) AS text FROM generate_series(1, 3) AS id"
    ids, texts, failed = sent(query, pg)
    assert (ids, failed) == ([1, 2, 3], [])
    assert {len(text) for text in texts} == {len('{"id":1,"text":""}') + 10_000_000}


def test_a_cell_that_is_larger_than_the_buffer_rejects_its_own_record(pg):
    query = "SELECT id, repeat('x', CASE id WHEN 2 THEN 3000000 ELSE 3 END) AS text"
    limits = Limits(max_buffer_bytes=1_000_000)
    ids, _, (error,) = sent(f"{query} FROM generate_series(1, 3) AS id", pg, limits=limits)
    assert ids == [1, 3]
    assert error.key == (2,)
    assert "column 'text'" in str(error)


@pytest.mark.parametrize("kind", ["json", "jsonb"])
def test_json_that_is_nested_deeply_is_carried_or_rejected_alone(pg, kind):
    deep = "repeat('[', 3000) || repeat(']', 3000)"
    query = f"SELECT id, CASE id WHEN 2 THEN {deep} ELSE '[]' END::{kind} AS data"
    with FakeApi() as api:
        failed = []
        report = copy_to_api(
            f"{query} FROM generate_series(1, 3) AS id", pg, api.url, on_error=failed.extend
        )
        assert report.delivered + report.dead == 3
        assert report.delivered == len(api.received) >= 2


def test_binary_data_rejects_its_own_record(pg):
    query = r"SELECT id, CASE id WHEN 2 THEN '\x00'::bytea END AS blob"
    ids, _, (error,) = sent(f"{query} FROM generate_series(1, 3) AS id", pg)
    assert ids == [1, 3]
    assert "column 'blob'" in str(error)


# SQLite.


def test_nul_in_a_text_of_sqlite_arrives(sqlite):
    execute("CREATE TABLE t AS SELECT 1 AS id, 'a' || char(0) || 'b' AS text", sqlite)
    _, (text,), _ = sent("SELECT * FROM t", sqlite)
    assert json.loads(text) == {"id": 1, "text": "a\0b"}
    assert fetchall("SELECT * FROM t", sqlite) == [{"id": 1, "text": "a\0b"}]


@pytest.mark.parametrize("odd", ["ff", "61c328", "eda080"])  # the last is a lone surrogate
def test_invalid_utf8_of_sqlite_rejects_its_own_record(sqlite, odd):
    execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text)", sqlite)
    execute(f"INSERT INTO t VALUES (1, 'a'), (2, CAST(x'{odd}' AS TEXT)), (3, 'ä')", sqlite)
    ids, _, (error,) = sent("SELECT * FROM t", sqlite)
    assert ids == [1, 3]
    assert "column 'text'" in str(error)
    with pytest.raises(SourceError, match="UTF-8"):
        list(iter_rows("SELECT * FROM t", sqlite, key="id"))
    assert not sqlite.in_transaction


@pytest.mark.parametrize("odd", ["9e999", "-9e999"])
def test_infinity_of_sqlite_rejects_its_own_record(sqlite, odd):
    execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n)", sqlite)
    execute(f"INSERT INTO t VALUES (1, 1), (2, {odd}), (3, 9223372036854775807)", sqlite)
    ids, texts, (error,) = sent("SELECT * FROM t", sqlite)
    assert ids == [1, 3]
    assert "column 'n'" in str(error)
    assert any("9223372036854775807" in text for text in texts)
