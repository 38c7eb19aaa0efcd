"""Chunks that flow into PostgreSQL: what is in the table is what it would be without a flow."""

import logging
from contextlib import closing

import pytest

from rowferry import connect, copy_rows, copy_table_rows, execute, fetchall, load
from rowferry import writing as writing_module
from rowferry.abort import abort_etlhelper_threads
from rowferry.exceptions import AbortError, InsertError, SourceError
from rowferry.row_factories import tuple_row_factory

CHUNK = 50


@pytest.fixture
def pg(postgresql, psycopg_connection):
    execute("CREATE TABLE t (id integer PRIMARY KEY, name text)", psycopg_connection)
    return psycopg_connection


@pytest.fixture
def other(postgresql):
    with closing(connect(postgresql.url)) as conn:
        yield conn


@pytest.fixture(params=[40_000, 100])
def flowing(request, monkeypatch):
    """How many rows flow before there is a wait."""
    monkeypatch.setattr(writing_module, "_FLOWING", request.param)


def rows(*ids):
    return [{"id": n, "name": f"name {n}"} for n in ids]


def ids(conn):
    return [n for (n,) in fetchall("SELECT id FROM t ORDER BY id", conn, (), tuple_row_factory)]


@pytest.mark.usefixtures("flowing")
def test_all_rows_of_a_list_arrive(pg, other):
    assert load("t", pg, rows(*range(333)), chunk_size=CHUNK) == (333, 0)
    assert ids(other) == list(range(333))
    assert pg.info.transaction_status == 0


@pytest.mark.usefixtures("flowing")
@pytest.mark.parametrize("bad", [0, 49, 50, 120, 199, 310, 332])
@pytest.mark.parametrize("value", [7, "no number", object(), "\x00"])
def test_the_chunks_before_a_refused_row_are_kept(pg, other, bad, value):
    given = rows(*range(333))
    given[bad] |= {"name": value} if value == "\x00" else {"id": value}
    refused_at = max(bad, 7) if value == 7 else bad  # the second of two that are 7
    with pytest.raises(InsertError, match="INSERT INTO t"):
        load("t", pg, given, chunk_size=CHUNK)
    assert ids(other) == list(range(refused_at // CHUNK * CHUNK))
    assert pg.info.transaction_status == 0


@pytest.mark.usefixtures("flowing")
def test_all_or_nothing_without_commit_chunks(pg, other):
    with pytest.raises(InsertError):
        load("t", pg, rows(*range(300), 3), commit_chunks=False, chunk_size=CHUNK)
    assert ids(other) == []
    assert load("t", pg, rows(*range(300)), commit_chunks=False, chunk_size=CHUNK) == (300, 0)
    assert ids(other) == list(range(300))


@pytest.mark.usefixtures("flowing")
def test_chunks_that_copy_cannot_take_go_by_insert_amid_the_others(pg, other):
    execute("CREATE TABLE numbers (id integer, n numeric)", pg)
    values = [1.5, True, "2.5", 3]  # a boolean is no number to INSERT, nor to COPY
    given = [{"id": n, "n": values[n // CHUNK % 2 * 2]} for n in range(400)]
    assert load("numbers", pg, given, chunk_size=CHUNK) == (400, 0)
    assert len(fetchall("SELECT * FROM numbers", other)) == 400
    with pytest.raises(InsertError):
        load("numbers", pg, [*given, {"id": 401, "n": True}], chunk_size=CHUNK)
    assert len(fetchall("SELECT * FROM numbers", other)) == 800


@pytest.mark.usefixtures("flowing")
def test_a_source_that_fails_keeps_the_chunks_before(pg, other, sqlite):
    execute("CREATE TABLE s (id)", sqlite)
    load("s", sqlite, [{"id": n} for n in range(200)])
    query = "SELECT id, CASE WHEN id < 170 THEN 'x' ELSE json(id || '{') END AS name FROM s"
    insert = "INSERT INTO t (id, name) VALUES (%(id)s, %(name)s)"
    with pytest.raises(SourceError):
        copy_rows(query, sqlite, insert, pg, chunk_size=CHUNK)
    assert ids(other) == list(range(150))
    assert pg.info.transaction_status == 0


@pytest.mark.usefixtures("flowing")
def test_an_abort_leaves_no_copy_open(pg, other):
    class Abort(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("100 rows processed"):
                abort_etlhelper_threads()

    handler = Abort()
    log = logging.getLogger("rowferry")
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        with pytest.raises(AbortError):
            load("t", pg, rows(*range(333)), chunk_size=CHUNK)
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    assert ids(other) == list(range(100))
    assert pg.info.transaction_status == 0
    assert load("t", pg, rows(1000)) == (1, 0)


@pytest.mark.parametrize("autocommit", [False, True])
@pytest.mark.usefixtures("flowing")
def test_a_created_table_is_there_for_chunks_that_are_written_again(pg, other, autocommit):
    pg.autocommit = autocommit
    given = rows(*range(120), 3)
    with pytest.raises(InsertError):
        load("made", pg, given, create=True, key="id", chunk_size=CHUNK)
    assert len(fetchall("SELECT * FROM made", other)) == 100
    assert pg.info.transaction_status == 0


def test_a_flow_of_whole_tables_keeps_the_chunks_before_a_refused_row(pg, other):
    execute("CREATE TABLE copies (LIKE t, CHECK (id <> 120))", pg)
    load("t", pg, rows(*range(333)))
    with pytest.raises(InsertError, match="copies"):
        copy_table_rows("t", pg, other, "copies", chunk_size=CHUNK)
    assert len(fetchall("SELECT * FROM copies", pg)) == 100
    assert other.info.transaction_status == 0
    with pytest.raises(InsertError):
        copy_table_rows("t", pg, other, "copies", commit_chunks=False, chunk_size=CHUNK)
    assert len(fetchall("SELECT * FROM copies", pg)) == 100
