"""What goes wrong in ETLHelper 1.1.0 and must not here: a test for each, in one place."""

import itertools
import sqlite3
import threading
from contextlib import closing
from datetime import time
from decimal import Decimal
from urllib.parse import unquote, urlsplit

import pytest

from rowferry import (
    DbParams,
    abort_etlhelper_threads,
    copy_rows,
    copy_table_rows,
    execute,
    executemany,
    fetchall,
    fetchone,
    generate_insert_sql,
    get_connection_string,
    get_sqlalchemy_connection_string,
    iter_chunks,
    iter_rows,
    load,
    table_info,
)
from rowferry.databases import recognise
from rowferry.exceptions import (
    AbortError,
    ConfigError,
    DbParamsError,
    InsertError,
    QueryError,
    SourceError,
)
from rowferry.row_factories import tuple_row_factory


@pytest.fixture(params=["psycopg", "psycopg2"])
def pg(request):
    """A connection of each driver, to an empty schema."""
    return request.getfixturevalue(f"{request.param}_connection")


def sensors(*codes):
    return [{"code": code, "description": f"sensor {code}"} for code in codes]


def codes(conn):
    query = "SELECT code FROM sensors ORDER BY 1"
    return [code for (code,) in fetchall(query, conn, (), tuple_row_factory)]


def is_idle(conn):
    database, raw = recognise(conn)
    return not database.in_transaction(raw)


def test_a_transform_that_drops_the_first_row_loses_no_other(conn):
    assert load("sensors", conn, sensors(1, 2, 3), lambda chunk: chunk[1:]) == (2, 0)
    assert codes(conn) == [2, 3]


def test_with_on_error_all_at_once_the_chunks_before_a_failing_one_are_kept(conn, other):
    failed = []
    options = {"on_error": failed.extend, "commit_chunks": False, "chunk_size": 2}
    if not recognise(conn)[0].savepoints:
        with pytest.raises(ConfigError, match="no savepoints"):
            load("sensors", conn, sensors(1, 2, 3, 3, 4, 5), **options)
        return
    assert load("sensors", conn, sensors(1, 2, 3, 3, 4, 5), **options) == (6, 1)
    assert codes(other) == [1, 2, 3, 4, 5]


def test_a_copy_on_one_connection_is_all_or_nothing_where_it_is_asked_for(conn, other):
    load("sensors", conn, sensors(1, 2, 3))
    insert = generate_insert_sql("sensors", sensors(1)[0], conn)
    select = "SELECT CASE WHEN code = 3 THEN 1 ELSE code + 10 END AS code, description FROM sensors"
    with pytest.raises(InsertError):
        copy_rows(
            f"{select} ORDER BY 1 DESC", conn, insert, conn, commit_chunks=False, chunk_size=1
        )
    assert codes(other) == [1, 2, 3]


@pytest.mark.parametrize("nothing", [lambda _: [], lambda _: iter(())])
def test_a_transform_may_empty_a_chunk(conn, nothing):
    first = lambda chunk: chunk if chunk[0]["code"] == 1 else nothing(chunk)
    assert load("sensors", conn, sensors(1, 2, 3), first, chunk_size=1) == (1, 0)
    assert load("sensors", conn, sensors(4), nothing) == (0, 0)
    insert = generate_insert_sql("sensors", sensors(1)[0], conn)
    assert executemany(insert, conn, sensors(4, 5), nothing) == (0, 0)
    assert copy_rows("SELECT * FROM sensors", conn, insert, conn, transform=nothing) == (0, 0)
    assert codes(conn) == [1]


@pytest.mark.parametrize("size", [0, -1])
def test_a_chunk_size_below_one_is_refused(conn, size):
    for verb in (
        lambda: load("sensors", conn, sensors(1), chunk_size=size),
        lambda: fetchall("SELECT * FROM sensors", conn, chunk_size=size),
        lambda: copy_table_rows("sensors", conn, conn, chunk_size=size),
    ):
        with pytest.raises(ConfigError, match="chunk_size must be at least 1"):
            verb()


def test_two_columns_of_one_name_are_an_error(conn):
    with pytest.raises(SourceError, match="'id'"):
        fetchall("SELECT 1 AS id, 2 AS id", conn)


def test_an_error_that_is_not_the_drivers_own_is_a_failed_row_and_leaves_no_transaction(conn):
    rows = [*sensors(1), {"code": 2}, {"code": 2**80, "description": "x"}, *sensors(3)]
    failed = []
    assert load("sensors", conn, rows, on_error=failed.extend) == (4, 2)
    assert codes(conn) == [1, 3]
    for bad in rows[1:3]:
        with pytest.raises(InsertError):
            load("sensors", conn, [*sensors(9), bad])
        assert is_idle(conn)
    assert codes(conn) == [1, 3]


def test_an_abort_holds_although_another_job_starts(conn, other):
    load("sensors", conn, sensors(1, 2, 3))
    rows = iter_rows("SELECT code FROM sensors", conn, chunk_size=1)
    next(rows)
    thread = threading.Thread(target=abort_etlhelper_threads)
    thread.start()
    thread.join()
    assert fetchall("SELECT 1 AS one", other) == [{"one": 1}]
    with pytest.raises(AbortError):
        list(rows)


def test_a_connection_is_recognised_by_what_it_is(conn, tmp_path):
    class Pooled:
        dbapi_connection = conn

    class Own(sqlite3.Connection):
        pass

    assert load("sensors", Pooled(), sensors(1)) == (1, 0)
    with closing(sqlite3.connect(tmp_path / "own.db", factory=Own)) as own:
        assert fetchone("SELECT 1 AS one", own) == {"one": 1}


def test_a_percent_sign_is_a_percent_sign(conn):
    load("sensors", conn, sensors(1))
    query = "SELECT code FROM sensors WHERE description LIKE '%1'"
    assert fetchall(query, conn) == [{"code": 1}]
    execute("UPDATE sensors SET description = '100 %' WHERE description LIKE 'sen%'", conn)
    assert fetchone("SELECT description FROM sensors", conn) == {"description": "100 %"}


def test_json_arrays_numbers_and_times_are_copied(pg, sqlite):
    columns = "id integer, a json, b jsonb, n numeric, l integer[], t time"
    execute(f"CREATE TABLE t ({columns})", pg)
    execute(f"CREATE TABLE u ({columns})", pg)
    execute("INSERT INTO t VALUES (1, '{\"a\": 1}', '{\"b\": [1]}', 1.50, '{1,2}', '03:04')", pg)
    assert copy_table_rows("t", pg, pg, "u") == (1, 0)
    assert load("u", pg, fetchall("SELECT * FROM t", pg)) == (1, 0)
    found = fetchall("SELECT * FROM u", pg, (), tuple_row_factory)
    assert found == [(1, {"a": 1}, {"b": [1]}, Decimal("1.50"), [1, 2], time(3, 4))] * 2
    assert copy_table_rows("t", pg, sqlite, create=True) == (1, 0)
    assert fetchall("SELECT * FROM t", sqlite, (), tuple_row_factory) == [
        (1, '{"a": 1}', '{"b": [1]}', "1.50", "[1, 2]", "03:04:00")
    ]


@pytest.mark.parametrize("password", ["a b", "it's", 'qu"ote', "a@b/c:d", "50%", "\\", "ä#?&"])
def test_a_password_of_any_characters_comes_through(monkeypatch, password):
    psycopg = pytest.importorskip("psycopg")
    monkeypatch.setenv("SECRET", password)
    params = DbParams(dbtype="PG", host="h", port=5432, dbname="d", user="u")
    words = psycopg.conninfo.conninfo_to_dict(get_connection_string(params, "SECRET"))
    assert words["password"] == password
    url = urlsplit(get_sqlalchemy_connection_string(params, "SECRET"))
    assert (unquote(url.password or ""), url.hostname) == (password, "h")
    assert password not in repr(params)


def test_params_survive_a_change_that_fails_and_come_from_the_environment(monkeypatch):
    params = DbParams(dbtype="SQLITE", filename="f")
    with pytest.raises(DbParamsError):
        params.dbtype = "X"
    assert params == {"dbtype": "SQLITE", "filename": "f"}
    monkeypatch.setenv("ETLHelper_dbtype", "SQLITE")
    monkeypatch.setenv("ETLHelper_filename", "f")
    assert DbParams.from_environment(prefix="ETLHelper") == DbParams.from_environment() == params


def test_a_schema_is_no_pattern(pg):
    for schema in ("data", "data_old"):
        execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE", pg)
        execute(f"CREATE SCHEMA {schema} CREATE TABLE t (of_{schema} integer)", pg)
    try:
        assert [column.name for column in table_info("t", pg, "data")] == ["of_data"]
        with pytest.raises(QueryError, match="in the schema 'dat_'"):
            table_info("t", pg, "dat_")
    finally:
        execute("DROP SCHEMA data, data_old CASCADE", pg)


def test_an_iterator_that_is_left_leaves_no_transaction(conn):
    load("sensors", conn, sensors(1, 2, 3))
    for _ in iter_rows("SELECT * FROM sensors", conn, chunk_size=1):
        break
    assert is_idle(conn)


def test_one_bad_row_in_a_chunk_costs_a_few_savepoints_and_one_commit(pg):
    execute("CREATE TABLE t (id integer PRIMARY KEY)", pg)
    ids = itertools.chain(range(3000), [17], range(3000, 4999))
    before = fetchone("SELECT txid_current() AS n", pg)["n"]
    failed = []
    assert load("t", pg, ({"id": n} for n in ids), on_error=failed.extend) == (5000, 1)
    used = fetchone("SELECT txid_current() AS n", pg)["n"] - before
    assert [row.row for row in failed] == [{"id": 17}]
    assert used < 40  # each savepoint that writes takes a number, and each commit one


def test_what_is_not_asked_for_is_not_read(pg):
    execute("CREATE SEQUENCE made", pg)
    query = "SELECT nextval('made') AS n FROM generate_series(1, 100000)"
    made = "SELECT last_value AS n FROM made"
    assert fetchone(query, pg) == {"n": 1}
    assert fetchone(made, pg)["n"] < 10
    with closing(iter_chunks(query, pg, chunk_size=50)) as chunks:
        next(chunks)
    assert fetchone(made, pg)["n"] < 200


def test_further_keys_of_later_rows_are_an_error_that_names_them(conn):
    rows = [*sensors(1), {**sensors(2)[0], "depth": 5}]
    with pytest.raises(InsertError, match="'depth'"):
        load("sensors", conn, rows)
    assert codes(conn) == []
    assert load("sensors", conn, rows, ignore_extra_keys=True) == (2, 0)
