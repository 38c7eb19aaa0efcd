"""What only PostgreSQL does, by both of its drivers."""

import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from psycopg.errors import QueryCanceled
from psycopg.pq import TransactionStatus

from proxy import UP, Proxy
from rowferry import (
    Budget,
    RawJSON,
    copy_rows,
    copy_table_rows,
    copy_to_api,
    execute,
    executemany,
    fetchall,
    fetchone,
    iter_chunks,
    iter_rows,
    load,
    table_info,
)
from rowferry import connect as connect_to
from rowferry.databases import postgresql as dialect
from rowferry.databases import recognise
from rowferry.databases.contract import Unreadable
from rowferry.exceptions import (
    InsertError,
    QueryError,
    RejectedError,
    SourceError,
    TransferError,
)
from rowferry.reader import Query, Reader
from rowferry.row_factories import tuple_row_factory
from rowferry.testing import FakeApi
from scripted import LONG, until

tuples = tuple_row_factory


@pytest.fixture(params=["psycopg", "psycopg2"])
def pg(request):
    """A connection of each driver, to an empty schema."""
    return request.getfixturevalue(f"{request.param}_connection")


@pytest.fixture
def psycopg(psycopg_connection):
    return psycopg_connection


@pytest.fixture
def watch(postgresql):
    """Another connection, which looks at what the others leave."""
    with closing(connect_to(postgresql.url, autocommit=True)) as conn:
        yield conn


def backend(pg):
    return pg.info.backend_pid


def state(watch, pid):
    query = "SELECT state FROM pg_stat_activity WHERE pid = %s"
    return watch.execute(query, (pid,)).fetchone()[0]


def cursors(pg):
    with pg.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_cursors WHERE name LIKE 'rowferry%'")
        found = cursor.fetchall()
    pg.rollback()
    return found


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_read_that_is_left_leaves_nothing_on_the_server(pg, watch, autocommit):
    pg.autocommit = autocommit
    for row in iter_rows("SELECT * FROM generate_series(1, 100000) AS n", pg, chunk_size=10):
        assert row == {"n": 1}
        break
    assert state(watch, backend(pg)) == "idle"
    assert cursors(pg) == []
    rows = iter_rows("SELECT * FROM generate_series(1, 30) AS n", pg, chunk_size=10)
    assert len(list(rows)) == 30
    assert state(watch, backend(pg)) == "idle"
    assert cursors(pg) == []


def test_a_million_rows_are_never_in_memory_together(pg):
    tracemalloc.start()
    rows = 0
    try:
        for chunk in iter_chunks("SELECT n FROM generate_series(1, 200000) AS n", pg):
            rows += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == 200_000
    assert peak < 10 * 2**20


def test_an_autocommit_connection_reads_and_others_read_between(pg):
    pg.autocommit = True
    for chunk in iter_chunks("SELECT n FROM generate_series(1, 30) AS n", pg, chunk_size=10):
        assert len(chunk) == 10
        with pg.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert fetchall("SELECT 1 AS one FROM pg_class LIMIT 1 FOR UPDATE", pg) == [{"one": 1}]


@pytest.mark.parametrize("commit_chunks", [True, False])
def test_an_autocommit_connection_is_loaded_in_transactions(pg, commit_chunks):
    pg.autocommit = True
    execute("CREATE TABLE t (id integer PRIMARY KEY)", pg)
    rows = [{"id": n} for n in (1, 2, 3, 3)]
    with pytest.raises(InsertError):
        load("t", pg, rows, commit_chunks=commit_chunks, chunk_size=2)
    assert len(fetchall("SELECT * FROM t", pg)) == (2 if commit_chunks else 0)
    failed = []
    rows = [{"id": n} for n in (4, 4, 5)]
    assert load("t", pg, rows, on_error=failed.extend, commit_chunks=commit_chunks) == (3, 1)
    assert pg.info.transaction_status == 0
    assert fetchone("SELECT count(*) AS n FROM t WHERE id > 3", pg) == {"n": 2}
    execute("VACUUM t", pg)


def test_a_transaction_block_of_the_user_is_the_users(psycopg):
    execute("CREATE TABLE t (id integer PRIMARY KEY)", psycopg)
    with psycopg.transaction(force_rollback=True):
        assert load("t", psycopg, [{"id": 1}]) == (1, 0)
        with pytest.raises(InsertError):
            load("t", psycopg, [{"id": 2}, {"id": 2}])
        assert fetchall("SELECT id FROM t", psycopg) == [{"id": 1}]
        assert fetchone("SELECT id FROM t", psycopg) == {"id": 1}
    assert fetchall("SELECT id FROM t", psycopg) == []


def test_a_users_rollback_between_the_rows_is_an_error_that_can_be_read(pg):
    rows = iter_rows("SELECT n FROM generate_series(1, 30) AS n", pg, chunk_size=10)
    next(rows)
    pg.rollback()
    with pytest.raises(SourceError, match='cursor "rowferry'):
        list(rows)
    assert pg.info.transaction_status == 0
    rows = iter_rows("SELECT n FROM generate_series(1, 30) AS n", pg, chunk_size=10)
    next(rows)
    pg.rollback()
    rows.close()
    assert pg.info.transaction_status == 0


@pytest.mark.parametrize(
    ("query", "row"),
    [
        ("INSERT INTO t VALUES (1, 'a') RETURNING id", {"id": 1}),
        ("WITH a AS (INSERT INTO t VALUES (2, 'b') RETURNING id) SELECT * FROM a", {"id": 2}),
        ("SHOW server_encoding", {"server_encoding": "UTF8"}),
        ("VALUES (1)", {"column1": 1}),
        ("SELECT 1 AS a; SELECT 2 AS b", {"b": 2}),
        ("SELECT id FROM t FOR UPDATE", {"id": 0}),
    ],
)
def test_statements_that_give_rows(pg, watch, query, row):
    execute("CREATE TABLE t (id integer, a text)", pg)
    execute("INSERT INTO t VALUES (0, 'x')", pg)
    assert fetchall(query, pg) == [row]
    assert state(watch, backend(pg)) == "idle"
    assert fetchone("SELECT count(*) AS n FROM t", pg)["n"] == (2 if "INSERT" in query else 1)


def test_types_without_a_binary_form_come_as_text(pg):
    execute("CREATE TYPE mood AS ENUM ('sad', 'glad')", pg)
    query = (
        "SELECT 'glad'::mood AS a, '{sad,glad}'::mood[] AS b, 1::money AS c, '<a/>'::xml AS d, "
        "'a b'::tsvector AS e, 1.50::numeric AS f, '(1,2)'::point AS g, 7 AS h"
    )
    assert fetchone(query, pg, (), tuples) == (
        *("glad", "{sad,glad}", "$1.00", "<a/>", "'a' 'b'", Decimal("1.50"), "(1,2)", 7),
    )


def test_common_types(pg):
    query = (
        "SELECT 1::bigint, 1.5::float8, 'a'::text, 'b'::char(3), true, NULL, date '2020-01-02', "
        "timestamp '2020-01-02 03:04', ARRAY[1, 2], '{\"a\": [1]}'::jsonb, '[1]'::json"
    )
    (row,) = fetchall(query.replace("SELECT", "SELECT 1,"), pg, (), tuples)
    assert row[1:] == (
        *(1, 1.5, "a", "b  ", True, None, date(2020, 1, 2)),
        datetime(2020, 1, 2, 3, 4),  # a timestamp without one
        *([1, 2], {"a": [1]}, [1]),
    )


def test_a_loader_of_the_user_is_used(psycopg):
    from psycopg.types.numeric import FloatLoader  # noqa: PLC0415 - only here

    psycopg.adapters.register_loader("numeric", FloatLoader)
    assert type(fetchone("SELECT 1.5::numeric AS n", psycopg)["n"]) is float


def test_a_row_factory_of_the_connection_is_left_alone(psycopg, psycopg2_connection):
    from psycopg.rows import dict_row  # noqa: PLC0415 - only here
    from psycopg2.extras import RealDictCursor  # noqa: PLC0415

    psycopg.row_factory = dict_row
    psycopg2_connection.cursor_factory = RealDictCursor
    for conn in (psycopg, psycopg2_connection):
        assert fetchall("SELECT 1 AS one", conn, (), tuples) == [(1,)]
        assert fetchall("SHOW server_encoding", conn, (), tuples) == [("UTF8",)]
        for _ in iter_rows("SELECT 1 AS one FROM pg_class", conn, chunk_size=1):
            break
        assert conn.info.transaction_status == 0


INFINITE = (
    "SELECT n, CASE WHEN n = 2 THEN 'infinity' WHEN n = 3 THEN '-infinity' ELSE '2020-01-02' END"
    "::{kind} AS at FROM generate_series(1, 4) AS n"
)


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
@pytest.mark.parametrize("as_text", [False, True])
def test_infinity_spoils_its_cell_only_where_the_reader_is_tolerant(pg, kind, as_text):
    query = INFINITE.format(kind=kind)
    if as_text:
        query = query.replace("SELECT n", "SELECT 1::money, n")
    with Reader(Query(query, pg), tolerant=True) as reader:
        rows = reader.fetch(3) + reader.fetch(3)
    assert [row["n"] for row in rows] == [1, 2, 3, 4]
    assert all(isinstance(rows[at]["at"], date) for at in (0, 3))
    assert isinstance(rows[1]["at"], Unreadable)
    assert [rows[at]["at"].text for at in (1, 2)] == ["infinity", "-infinity"]


def test_infinity_fails_a_read_that_is_not_tolerant(psycopg):
    with pytest.raises(SourceError, match="too large"):
        fetchall(INFINITE.format(kind="date"), psycopg)
    assert psycopg.info.transaction_status == 0


def test_an_unreadable_cell_of_a_statement_without_cursor(psycopg):
    execute("CREATE TABLE t (id integer, d date)", psycopg)
    query = "INSERT INTO t VALUES (1, 'infinity'), (2, '2020-01-02') RETURNING *"
    with Reader(Query(query, psycopg, (), tuples), tolerant=True) as reader:
        first, second = reader.fetch(1), reader.fetch(1)
        assert reader.fetch(1) == []
    assert first[0][1].text == "infinity"
    assert second == [(2, date(2020, 1, 2))]


@pytest.mark.parametrize("value", ["date '0044-03-15 BC'", "timestamp '20000-01-01'"])
def test_dates_that_python_lacks_are_unreadable_cells(pg, value):
    query = f"SELECT 1 AS a, {value} AS b UNION ALL SELECT 2, '2020-01-02' ORDER BY a"
    with Reader(Query(query, pg, (), tuples), tolerant=True) as reader:
        rows = reader.fetch(5)
    assert [row[0] for row in rows] == [1, 2]
    assert isinstance(rows[0][1], Unreadable)
    assert isinstance(rows[1][1], date)


@pytest.mark.parametrize(
    ("kind", "odd", "even"),
    [
        ("date", "infinity", "2020-01-02"),
        ("date", "0044-03-15 BC", "2020-01-02"),
        ("timestamp", "infinity", "2020-01-02T00:00:00"),
        ("timestamptz", "-infinity", "2020-01-02T00:00:00Z"),
        ("time", "24:00", "03:04:00"),
    ],
)
def test_a_cell_that_the_driver_cannot_convert_rejects_its_own_record_only(
    psycopg, kind, odd, even
):
    execute("SET timezone = 'UTC'", psycopg)
    query = (
        f"SELECT n, CASE WHEN n = 2 THEN '{odd}' ELSE '{even}' END::{kind} AS at "
        "FROM generate_series(1, 3) AS n"
    )
    failed = []
    with FakeApi() as api:
        report = copy_to_api(query, psycopg, api.url, on_error=failed.extend, key="n")
        delivered = sorted(api.records, key=lambda record: record["n"])
    assert delivered == [{"n": n, "at": even} for n in (1, 3)]
    assert (report.delivered, report.dead) == (2, 1)
    ((row, error),) = failed
    assert row["n"] == 2
    assert isinstance(error, RejectedError)
    assert str(error).startswith("a record (key 2) cannot be sent: column 'at': Unreadable ")


@pytest.mark.parametrize("more", ["", ", 1.5::numeric AS m", ", 1::money AS m", ", 'x'::text AS m"])
def test_a_float4_is_sent_with_the_digits_that_postgresql_shows(psycopg, more):
    with FakeApi() as api:
        copy_to_api(f"SELECT 0.1::float4 AS n{more}", psycopg, api.url)
        copy_to_api(f"SELECT '{{0.1}}'::float4[] AS n{more}", psycopg, api.url)
    assert [record["n"] for record in api.records] == [0.1, [0.1]]


def test_a_row_factory_of_the_user_gets_json_as_fetchall_gives_it(pg):
    def model(cursor):
        return lambda row: {"name": row[0]["name"].upper(), "list": row[1]}

    query = """SELECT '{"name": "a"}'::jsonb AS a, '[1]'::json AS b"""
    rows = fetchall(query, pg, row_factory=model)
    with FakeApi() as api:
        copy_to_api(query, pg, api.url, row_factory=model)
    assert api.records == rows == [{"name": "A", "list": [1]}]


def test_a_deadline_in_a_transform_ends_the_fetch_that_would_follow(pg):
    query = (
        f"SELECT n, CASE WHEN n > 100 THEN pg_sleep({LONG})::text END AS slow "
        "FROM generate_series(1, 101) AS n"
    )

    def transform(chunk):
        time.sleep(0.6)
        return chunk

    began = time.monotonic()
    with FakeApi() as api, pytest.raises(TransferError, match="deadline"):
        copy_to_api(query, pg, api.url, transform=transform, budget=Budget(deadline=0.3))
    assert time.monotonic() - began < LONG / 2
    assert pg.info.transaction_status == 0


def test_json_comes_unparsed_where_the_reader_says_so(pg):
    text = '{"b": 1.10, "a": [1, null, "ä"]}'
    query = f"SELECT '{text}'::json AS a, '{text}'::jsonb AS b, NULL::json AS c"
    for more in ("", ", 1::money AS d"):
        with Reader(Query(query + more, pg), unread=True) as reader:
            (row,) = reader.fetch(5)
        assert all(isinstance(row[name], RawJSON) for name in "ab")
        assert [as_text(row[name]) for name in "ab"] == [text, '{"a": [1, null, "ä"], "b": 1.10}']
        assert row["c"] is None


def as_text(raw):
    return raw.text.decode() if isinstance(raw.text, bytes) else raw.text


def test_json_is_copied(pg, sqlite):
    execute("CREATE TABLE t (id integer, a json, b jsonb, n numeric, l integer[])", pg)
    execute("CREATE TABLE copies (LIKE t)", pg)
    execute("INSERT INTO t VALUES (1, '[1]', '{\"a\": 1.10}', 1.50, '{1,2}')", pg)
    assert copy_table_rows("t", pg, pg, "copies") == (1, 0)
    insert = "INSERT INTO copies VALUES (%(id)s, %(a)s, %(b)s, %(n)s, %(l)s)"
    assert copy_rows("SELECT * FROM t", pg, insert, pg) == (1, 0)
    same = "SELECT count(*) AS n FROM copies c JOIN t ON c.a::text = t.a::text AND c.b = t.b"
    assert fetchone(same, pg) == {"n": 2}
    execute("CREATE TABLE t (id, a, b, n, l)", sqlite)
    assert copy_table_rows("t", pg, sqlite) == (1, 0)
    assert fetchone("SELECT * FROM t", sqlite, (), tuples) == (
        *(1, "[1]", '{"a": 1.10}', "1.50", "[1, 2]"),
    )


def test_dicts_are_loaded_as_json(pg):
    execute("CREATE TABLE t (id integer, a jsonb)", pg)
    assert load("t", pg, [{"id": 1, "a": {"b": 1}}]) == (1, 0)
    assert executemany("INSERT INTO t VALUES (%s, %s)", pg, [(2, {"b": 2})]) == (1, 0)
    assert [row["a"] for row in fetchall("SELECT a FROM t", pg)] == [{"b": 1}, {"b": 2}]


@pytest.mark.parametrize("kind", ["json", "jsonb"])
@pytest.mark.parametrize("n", [1, 100])  # by INSERT, and by COPY
@pytest.mark.parametrize("on_conflict", ["error", "update"])
def test_lists_are_json_where_the_column_is(psycopg, kind, n, on_conflict):
    execute(f"CREATE TABLE t (id integer PRIMARY KEY, j {kind}, a integer[])", psycopg)
    lists = ([1, {"b": 2}], [1, 2], [], [None, "x"], None)
    rows = [{"id": m, "j": lists[m % 5], "a": [m, 7]} for m in range(5 * n)]
    load("t", psycopg, rows, on_conflict=on_conflict, key="id")
    assert fetchall("SELECT * FROM t ORDER BY id", psycopg) == rows


def test_lists_are_json_by_position_and_in_a_view_too(psycopg):
    execute("CREATE TABLE t (a integer[], j jsonb); CREATE VIEW v AS SELECT * FROM t", psycopg)
    for query in ("INSERT INTO t VALUES (%s, %s)", "INSERT INTO v (a, J) VALUES (%s, %s)"):
        executemany(query, psycopg, [([1], [1, {"b": 2}])])
        assert fetchall("DELETE FROM t RETURNING *", psycopg) == [{"a": [1], "j": [1, {"b": 2}]}]


def test_a_list_that_json_cannot_hold_is_a_failed_row(psycopg):
    execute("CREATE TABLE t (j jsonb)", psycopg)
    failed = []
    rows = [{"j": [b"x"]}, {"j": [1]}]
    assert load("t", psycopg, rows, on_error=failed.extend) == (2, 1)
    assert failed[0].row == rows[0]


@pytest.mark.parametrize(
    ("query", "parameters", "advice"),
    [
        ("SELECT * FROM pg_class WHERE relname IN %s", (("a", "b"),), r"= ANY\(%s\)"),
        ("SELECT interval %s", ("1 day",), r"%s::interval"),
        ("SELECT %s; SELECT %s", (1, 2), "one call for each"),
        ("SELECT 1 WHERE %s IS NULL", (None,), "write %s::text"),
        ("CREATE TABLE t (a integer DEFAULT %s)", (1,), "write the value"),
    ],
)
def test_what_psycopg_3_does_not_take_over_is_said(psycopg, query, parameters, advice):
    with pytest.raises(SourceError, match=advice):
        fetchall(query, psycopg, parameters)
    with pytest.raises(QueryError, match=advice):
        execute(query, psycopg, parameters)


def test_a_failed_chunk_is_not_logged_by_psycopg_as_well(psycopg, caplog):
    execute("CREATE TABLE t (id integer PRIMARY KEY)", psycopg)
    load("t", psycopg, [{"id": n // 2} for n in range(1000)], on_error=len)
    assert [record for record in caplog.records if record.name == "psycopg"] == []


def test_a_deferred_constraint_fails_at_the_commit(pg):
    execute("CREATE TABLE t (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED)", pg)
    with pytest.raises(InsertError, match="duplicate key"):
        load("t", pg, [{"id": 1}, {"id": 1}])
    assert pg.info.transaction_status == 0
    with pytest.raises(QueryError, match="duplicate key"):
        execute("INSERT INTO t VALUES (2), (2)", pg)
    assert pg.info.transaction_status == 0


def test_a_server_that_goes_away_is_an_error_of_the_source(pg, watch):
    rows = iter_rows("SELECT n FROM generate_series(1, 30) AS n", pg, chunk_size=10)
    next(rows)
    watch.execute("SELECT pg_terminate_backend(%s)", (backend(pg),))
    with pytest.raises(SourceError, match=r"terminat|closed"):
        list(rows)
    with pytest.raises((SourceError, QueryError), match="connection is closed"):
        fetchall("SELECT 1", pg)


def test_a_read_is_left_in_peace_when_the_server_has_gone_away(pg, watch):
    rows = iter_rows("SELECT n FROM generate_series(1, 30) AS n", pg, chunk_size=10)
    next(rows)
    watch.execute("SELECT pg_terminate_backend(%s)", (backend(pg),))
    rows.close()
    assert pg.closed


def test_a_server_that_goes_away_is_no_failure_of_rows(pg, watch):
    execute("CREATE TABLE t (id integer)", pg)

    def rows():
        yield {"id": 1}
        watch.execute("SELECT pg_terminate_backend(%s)", (backend(pg),))
        yield {"id": 2}

    with pytest.raises(InsertError, match=r"terminat|closed"):
        load("t", pg, rows(), on_error=pytest.fail, chunk_size=1)


def test_table_info_takes_the_schema_for_what_it_is(pg):
    for schema in ("data", "data_old"):
        execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE", pg)
        execute(f"CREATE SCHEMA {schema}", pg)
        execute(f"CREATE TABLE {schema}.t ({schema} varchar(3) NOT NULL DEFAULT 'x')", pg)
    try:
        assert table_info("t", pg, schema="data") == [("data", "character varying(3)", True, True)]
        with pytest.raises(QueryError, match="'data', 'data_old': name the one"):
            table_info("t", pg)
        with pytest.raises(QueryError, match="no table 't' in the schema 'dat'"):
            table_info("t", pg, schema="dat")
    finally:
        execute("DROP SCHEMA data, data_old CASCADE", pg)


def test_the_driver_is_recognised_without_being_imported(pg):
    assert recognise(pg)[0].driver == type(pg).__module__.split(".")[0]


@pytest.mark.parametrize(("zone", "kept"), [("Etc/UTC", "UTC"), ("Europe/Berlin", "Europe/Berlin")])
def test_a_session_in_utc_has_it_by_its_plain_name(postgresql, zone, kept):
    with closing(connect_to(postgresql.url, options=f"-c TimeZone={zone}")) as conn:
        assert conn.info.transaction_status == 0
        assert conn.info.parameter_status("TimeZone") == kept
        at = fetchone("SELECT timestamptz '2020-01-01 00:00Z' AS at", conn)["at"]
        assert at == datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("size", [1, 7, 30, 100])
def test_rows_that_are_asked_for_ahead_come_in_order_whatever_is_asked_for(psycopg, size):
    query = Query("SELECT n FROM generate_series(1, 30) AS n", psycopg, (), tuples)
    with Reader(query, alone=True) as reader:
        first = reader.fetch(3)
        rest = []
        while chunk := reader.fetch(size):
            rest += chunk
    assert [n for (n,) in first + rest] == list(range(1, 31))
    assert cursors(psycopg) == []


def test_a_read_ahead_that_is_left_leaves_nothing(psycopg, watch):
    with Reader(
        Query("SELECT n FROM generate_series(1, 100000) AS n", psycopg), alone=True
    ) as reader:
        reader.fetch(10)
    assert state(watch, backend(psycopg)) == "idle"
    assert not psycopg.lock.locked()
    assert fetchone("SELECT 1 AS one", psycopg) == {"one": 1}


def test_an_error_in_what_is_asked_for_ahead_is_of_the_read(psycopg):
    query = "SELECT 1 / (25 - n) AS x FROM generate_series(1, 30) AS n"
    with pytest.raises(SourceError, match="division by zero"):
        fetchall(query, psycopg, chunk_size=10)
    assert psycopg.info.transaction_status == 0
    assert not psycopg.lock.locked()


def test_another_thread_waits_while_rows_are_asked_for_ahead(psycopg):
    seen = []

    def look():
        with psycopg.cursor() as cursor:
            seen.append(cursor.execute("SELECT 1").fetchone())

    with Reader(Query("SELECT n FROM generate_series(1, 30) AS n", psycopg), alone=True) as reader:
        reader.fetch(10)
        thread = threading.Thread(target=look)
        thread.start()
        assert len(reader.fetch(10)) + len(reader.fetch(30)) == 20
    thread.join()
    assert seen == [(1,)]


@pytest.mark.parametrize("tolerant", [False, True])
def test_cells_that_psycopg_cannot_convert_are_the_same_read_ahead(psycopg, tolerant):
    query = Query(INFINITE.format(kind="date"), psycopg)
    with Reader(query, tolerant=tolerant, alone=True) as reader:
        if tolerant:
            rows = reader.fetch(3) + reader.fetch(3)
            assert [isinstance(row["at"], Unreadable) for row in rows] == [False, True, True, False]
        else:
            with pytest.raises(SourceError, match="too large"):
                reader.fetch(3)
    assert psycopg.info.transaction_status == 0


def test_a_server_that_had_not_begun_a_statement_is_asked_again_to_cancel_it(
    postgresql, monkeypatch
):
    """It ignores what comes before; the statement is still on its way to it then."""
    monkeypatch.setattr(dialect, "_CANCEL_AGAIN", (0.5, 0.5, LONG))
    with (
        Proxy(postgresql.host, postgresql.port) as proxy,
        closing(connect_to(proxy.url(), autocommit=True)) as conn,
        ThreadPoolExecutor(2) as pool,
    ):
        [line] = proxy.lines
        proxy.hold(line)
        running = pool.submit(conn.execute, "SELECT pg_sleep(600)")
        until(lambda: conn.info.transaction_status == TransactionStatus.ACTIVE)
        database, _ = recognise(conn)
        interrupting = pool.submit(database.interrupt, conn)
        until(lambda: len(proxy.lines) == 2)
        until(lambda: proxy.lines[1].carried[UP])
        time.sleep(0.1)  # it has read it by then
        proxy.hold(line, False)
        interrupting.result(LONG)
        with pytest.raises(QueryCanceled):
            running.result(LONG)
