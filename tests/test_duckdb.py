"""What only DuckDB does."""

import subprocess
import sys
import textwrap
import threading
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import servers
from rowferry import (
    RawJSON,
    connect,
    copy_table_rows,
    execute,
    executemany,
    fetchall,
    fetchone,
    iter_rows,
    load,
    table_info,
)
from rowferry.column_types import ColumnType
from rowferry.databases import recognise
from rowferry.databases.contract import Reading, Unreadable
from rowferry.databases.duckdb_rows import Rows
from rowferry.databases.duckdb_types import column_type, declaration
from rowferry.exceptions import (
    BadIdentifierError,
    ConfigError,
    InsertError,
    QueryError,
    SourceError,
)
from rowferry.reader import Query, Reader
from rowferry.row_factories import tuple_row_factory as tuples
from rowferry.sql import plain_insert

NAIVE = datetime(2020, 1, 2, 3, 4, 5, 678901)  # as the driver gives
LAST = datetime.max  # the same
AWARE = NAIVE.replace(tzinfo=UTC)
PLUS_2 = timezone(timedelta(hours=2))


@pytest.fixture(scope="module")
def duckdb():
    return servers.driver("duckdb")


@pytest.fixture
def duck(duckdb):
    with duckdb.connect() as conn:
        yield conn


@pytest.fixture
def many(duck):
    """More rows than DuckDB computes ahead."""
    duck.execute("CREATE TABLE many AS SELECT range AS id, 'x' || range AS name FROM range(100000)")
    return duck


@pytest.fixture
def table(duck):
    duck.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR DEFAULT 'x')")
    return duck


def rows_of(conn, table="t"):
    return conn.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()


def read(conn, query, *, tolerant=False, unread=False):
    with Reader(Query(query, conn, (), tuples), tolerant=tolerant, unread=unread) as reader:
        return reader.fetch(100)


def in_transaction(conn):
    return recognise(conn)[0].in_transaction(conn)


# Connections.


def test_urls_are_files_and_databases_in_memory(tmp_path, monkeypatch):
    servers.driver("duckdb")
    monkeypatch.chdir(tmp_path)
    for url in ("duckdb:///relative.db", f"duckdb:///{tmp_path}/absolute.db"):
        with connect(url) as conn:
            execute("CREATE TABLE t (a INTEGER)", conn)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["absolute.db", "relative.db"]
    with connect("duckdb:///:memory:") as conn:
        assert fetchall("SELECT 1 AS one", conn) == [{"one": 1}]


def test_a_missing_driver_is_named_with_its_extra():
    code = """
        import sys
        sys.modules["duckdb"] = None
        import rowferry
        try:
            rowferry.connect("duckdb:///:memory:")
        except rowferry.exceptions.DriverError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert "pip install 'rowferry[duckdb]'" in done.stdout


# Transactions.


@pytest.mark.parametrize("begin", ["BEGIN", "begin()"])
def test_a_transaction_that_the_user_began_is_the_users_to_end(table, begin):
    table.begin() if begin == "begin()" else table.execute(begin)
    assert in_transaction(table)
    assert load("t", table, [{"id": 1}]) == (1, 0)
    assert fetchall("SELECT id FROM t", table) == [{"id": 1}]
    execute("UPDATE t SET a = 'y'", table)
    assert in_transaction(table)
    table.rollback()
    assert rows_of(table) == []
    assert not in_transaction(table)


def test_asking_for_a_transaction_changes_none(table):
    assert not in_transaction(table)
    table.execute("BEGIN")
    table.execute("INSERT INTO t (id) VALUES (1)")
    assert [in_transaction(table) for _ in range(3)] == [True] * 3
    table.commit()
    assert rows_of(table) == [(1, "x")]


def test_an_error_ends_the_users_transaction_as_it_does_for_any_statement(table, duckdb):
    table.execute("BEGIN")
    load("t", table, [{"id": 1}])
    with pytest.raises(InsertError):
        load("t", table, [{"id": 1}])
    assert in_transaction(table)
    with pytest.raises(duckdb.TransactionException, match="aborted"):
        table.execute("SELECT 1")
    table.rollback()
    assert rows_of(table) == []


def test_on_error_within_a_transaction_is_refused_before_anything_is_written(table):
    table.execute("BEGIN")
    with pytest.raises(ConfigError, match=r"DUCKDB has no savepoints.*needs commit_chunks=True"):
        load("t", table, [{"id": 1}], on_error=print)
    assert load("t", table, [{"id": 2}]) == (1, 0)  # it goes on
    table.commit()
    assert rows_of(table) == [(2, "x")]


def test_on_error_within_a_verb_is_refused(table):
    def transform(chunk):
        if chunk[0]["id"] == 2:
            load("t", table, [{"id": 9}], on_error=print)
        return chunk

    with pytest.raises(ConfigError, match="DUCKDB has no savepoints"):
        load("t", table, [{"id": 1}, {"id": 2}], transform, chunk_size=1, commit_chunks=False)
    assert rows_of(table) == []


def test_a_transaction_that_a_users_error_ended_is_not_taken_for_committed(table, duckdb):
    def rows():
        yield {"id": 1}
        with pytest.raises(duckdb.CatalogException):
            table.execute("SELECT * FROM nowhere")
        yield {"id": 2}

    with pytest.raises(InsertError, match="aborted"):
        load("t", table, rows(), commit_chunks=False, chunk_size=1)
    assert rows_of(table) == []
    assert not in_transaction(table)


def test_what_others_wrote_meanwhile_is_an_error(duckdb, tmp_path):
    with duckdb.connect(tmp_path / "x.db") as one, duckdb.connect(tmp_path / "x.db") as other:
        one.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)")
        load("t", one, [{"id": 1, "a": 0}])
        other.execute("BEGIN")
        other.execute("UPDATE t SET a = 1")
        with pytest.raises(QueryError, match=r"(?i)conflict"):
            execute("UPDATE t SET a = 2", one)
        with pytest.raises(InsertError, match=r"(?i)conflict"):
            executemany("UPDATE t SET a = ?", one, [(3,)])
        other.commit()
        assert not in_transaction(one)
        assert rows_of(one) == [(1, 1)]


def test_a_result_of_the_users_that_is_open_is_no_transaction(many):
    many.execute("SELECT * FROM many")
    many.fetchone()
    assert not in_transaction(many)
    many.execute("BEGIN")
    many.execute("SELECT * FROM many")
    many.fetchone()
    assert in_transaction(many)
    many.rollback()


# Reading.


def test_rows_come_as_they_are_computed_and_in_order(many):
    with Reader(Query("SELECT id FROM many ORDER BY id DESC", many, (), tuples)) as reader:
        assert reader.fetch(2) == [(99999,), (99998,)]
        assert len(reader.fetch(10**6)) == 99998
        assert reader.fetch(1) == []


def test_a_million_rows_take_the_memory_of_a_few():
    servers.driver("duckdb")
    code = """
        import resource, sys, duckdb, rowferry
        query = "SELECT i, 'text ' || i AS t, DATE '2020-01-01' AS d FROM range(?) r(i)"
        with duckdb.connect() as conn:
            conn.execute("SET threads = 2")
            conn.execute("SET enable_progress_bar = false")
            for _ in rowferry.iter_rows(query, conn, [20_000]):
                pass
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for _ in rowferry.iter_rows(query, conn, [1_000_000]):
                pass
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 32 * 1024  # KiB; in memory they would be 100 MiB as DuckDB has them


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id + 1 AS id, name FROM many",  # rows that look like ours
        "SELECT 1",
        "UPDATE many SET name = 'y' WHERE id = 1",
        "BEGIN",
    ],
)
def test_a_statement_of_the_users_between_the_rows_is_an_error_never_wrong_rows(many, statement):
    rows = iter_rows("SELECT id, name FROM many ORDER BY id", many, chunk_size=2)
    assert [next(rows)["id"], next(rows)["id"]] == [0, 1]
    many.execute(statement)
    with pytest.raises(SourceError, match=r"another statement .* conn\.cursor\(\)"):
        next(rows)


def test_a_transaction_that_the_user_ends_between_the_rows_is_an_error_not_their_end(many):
    many.execute("BEGIN")
    rows = iter_rows("SELECT id FROM many", many, chunk_size=2)
    next(rows)
    many.commit()
    with pytest.raises(SourceError, match="another statement"):
        list(rows)


def test_a_cursor_and_our_own_functions_may_be_used_between_the_rows(many):
    read = 0
    for row in iter_rows("SELECT id FROM many WHERE id < 10000", many, chunk_size=5000):
        if row["id"] in {1, 6000}:
            many.cursor().execute("UPDATE many SET name = 'y' WHERE id = 1")
            execute("DELETE FROM many WHERE id = 9000", many)
            assert fetchone("SELECT 1 AS one", many) == {"one": 1}
        read += 1
    assert read == 10000


def test_a_read_that_is_left_leaves_the_users_transaction_usable(many):
    many.execute("CREATE SEQUENCE s")
    for query in (
        "SELECT id FROM many",
        "SELECT nextval('s') AS n FROM many",
        "INSERT INTO many SELECT range, 'z' FROM range(10000) RETURNING id",
    ):
        many.execute("BEGIN")
        rows = iter_rows(query, many, chunk_size=1)
        next(rows)
        rows.close()
        assert fetchone("SELECT 1 AS one", many) == {"one": 1}
        many.rollback()
        assert not in_transaction(many)


def test_an_insert_that_returns_rows(table, duckdb):
    query = "INSERT INTO t (id) VALUES (1), (2), (3) RETURNING id"
    assert fetchall(query, table) == [{"id": 1}, {"id": 2}, {"id": 3}]
    with Reader(Query(query.replace("(1), (2), (3)", "(4), (5)"), table)) as reader:
        assert reader.fetch(1) == [{"id": 4}]
    assert len(rows_of(table)) == 5


@pytest.mark.parametrize(
    "statement", ["DELETE FROM t", "CREATE TABLE u (a INTEGER)", "SET threads = 1", "-- none"]
)
def test_a_statement_without_rows_gives_none(table, statement):
    if statement == "-- none":
        statement = "UPDATE t SET a = 'y' WHERE id = 99"
    assert fetchall(statement, table) == []


def test_an_error_in_the_middle_of_the_rows_is_an_error(duck):
    query = "SELECT CASE WHEN i = 90000 THEN 'x' ELSE '1' END::INTEGER AS n FROM range(100000) t(i)"
    with pytest.raises(SourceError, match="Could not convert string 'x'"):
        fetchall(query, duck)
    assert not in_transaction(duck)


def test_two_columns_of_one_name_are_found_whatever_their_types(duck):
    with pytest.raises(SourceError, match="more than one column called 'a'"):
        fetchall("SELECT DATE '2020-01-01' AS a, 2 AS a", duck)


def test_queries_of_all_shapes(many):
    assert fetchone("FROM many ORDER BY id;", many) == {"id": 0, "name": "x0"}
    assert fetchone("VALUES (1)", many, (), tuples) == (1,)
    assert fetchall("WITH q AS (SELECT DATE '2020-01-01' AS d) SELECT * FROM q -- end", many) == [
        {"d": date(2020, 1, 1)}
    ]
    assert fetchall("SHOW TABLES", many) == [{"name": "many"}]
    assert fetchall("SELECT $d AS d", many, {"d": date(2020, 1, 1)}) == [{"d": date(2020, 1, 1)}]


def test_a_long_query_is_interrupted_while_its_rows_are_read(duck):
    query = "SELECT max(hash(a.range, b.range)) FROM range(10000000) a, range(10000000) b"
    with Reader(Query(query, duck)) as reader:
        stop = threading.Timer(0.3, reader.interrupt)
        stop.start()
        with pytest.raises(SourceError, match=r"(?i)interrupt"):
            reader.fetch(1)
        stop.join()
    assert fetchall("SELECT 1 AS one", duck) == [{"one": 1}]


# Types.

READ = [
    ("170141183460469231731687303715884105727::HUGEINT", 2**127 - 1),
    ("1.50::DECIMAL(10,2)", Decimal("1.50")),
    (
        "'12345678901234567890123456789012345678'::DECIMAL(38,0)",
        Decimal(12345678901234567890123456789012345678),
    ),
    ("DATE '2020-01-02'", date(2020, 1, 2)),
    ("DATE '9999-12-31'", date.max),
    ("TIMESTAMP '2020-01-02 03:04:05.678901'", NAIVE),
    ("TIMESTAMP '9999-12-31 23:59:59.999999'", LAST),
    ("TIMESTAMP_S '2020-01-02 03:04:05'", NAIVE.replace(microsecond=0)),
    ("TIMESTAMPTZ '2020-01-02 05:04:05.678901+02'", AWARE),
    ("TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'", LAST.replace(tzinfo=UTC)),
    ("TIME '12:34:56.5'", time(12, 34, 56, 500000)),
    ("'12:34:56+02'::TIMETZ", time(12, 34, 56, tzinfo=PLUS_2)),
    ("INTERVAL '1 day 2 seconds'", timedelta(days=1, seconds=2)),
    ("'\\xFF\\x00'::BLOB", b"\xff\x00"),
    ("'00000000-0000-0000-0000-000000000001'::UUID", UUID(int=1)),
    ("[1, NULL]", [1, None]),
    ("[1, 2]::INTEGER[2]", (1, 2)),
    ("{'a b': [1]}", {"a b": [1]}),
    ("MAP {'a': 1}", {"a": 1}),
    ("'x'::ENUM('x', 'y')", "x"),
    ("'0101'::BIT", "0101"),
    ("'{\"a\": 1}'::JSON", '{"a": 1}'),
    ("'a' || chr(0)", "a\0"),
    ("true", True),
    ("NULL::DATE", None),
    ("NULL::TIMESTAMPTZ", None),
    ("[TIMESTAMPTZ '2020-01-02 00:00:00+00']", ["2020-01-02 00:00:00+00"]),
    ("{'a': INTERVAL '1000000000 days', 'b': [1]}", {"a": "1000000000 days", "b": [1]}),
    ("MAP {'a': [TIMESTAMPTZ '2020-01-02 00:00:00+00']}", {"a": ["2020-01-02 00:00:00+00"]}),
    ("[TIMESTAMPTZ '2020-01-02 00:00:00+00']::TIMESTAMPTZ[1]", ("2020-01-02 00:00:00+00",)),
    ("union_value(z := TIMESTAMPTZ '2020-01-02 00:00:00+00')", "2020-01-02 00:00:00+00"),
    ("row(1, TIMESTAMPTZ '2020-01-02 00:00:00+00')", (1, "2020-01-02 00:00:00+00")),
]

BEYOND = [
    ("DATE", "infinity"),
    ("DATE", "-infinity"),
    ("DATE", "0044-03-15 (BC)"),
    ("DATE", "10000-01-01"),
    ("TIMESTAMP", "infinity"),
    ("TIMESTAMP", "10000-01-01 00:00:00"),
    ("TIMESTAMP_NS", "-infinity"),
    ("TIMESTAMPTZ", "infinity"),
    ("TIMESTAMPTZ", "10000-01-01 00:00:00+00"),
    ("TIMESTAMPTZ", "0044-03-15 (BC) 10:00:00+00"),
    ("TIME", "24:00:00"),
    ("INTERVAL", "1000000000 days"),
]


@pytest.mark.parametrize(("sql", "value"), READ)
def test_values_are_read_as_they_are(duck, sql, value):
    duck.execute("SET TimeZone = 'UTC'")
    for tolerant in (False, True):
        ((cell, neighbour),) = read(duck, f"SELECT {sql} AS a, 'fine' AS b", tolerant=tolerant)
        assert cell == value
        assert type(cell) is type(value)
        assert neighbour == "fine"


@pytest.mark.parametrize(("kind", "text"), BEYOND)
def test_what_python_cannot_hold_is_text_or_unreadable_and_goes_back_as_it_was(duck, kind, text):
    duck.execute("SET TimeZone = 'UTC'")
    duck.execute(f"CREATE TABLE t (id INTEGER, a {kind}, b VARCHAR)")
    duck.execute("INSERT INTO t VALUES (1, NULL, 'x'), (2, ?, 'y'), (3, NULL, 'z')", [text])
    assert read(duck, "SELECT * FROM t ORDER BY id") == [
        *[(1, None, "x"), (2, text, "y"), (3, None, "z")]
    ]
    cells = read(duck, "SELECT * FROM t ORDER BY id", tolerant=True)
    assert isinstance(cells[1][1], Unreadable)
    assert (cells[1][1].text, cells[0][2], cells[2][2]) == (text, "x", "z")
    duck.execute(f"CREATE TABLE u (id INTEGER, a {kind}, b VARCHAR)")
    copy_table_rows("t", duck, duck, "u")
    assert duck.execute("SELECT count(*) FROM t JOIN u USING (id, a, b)").fetchone() == (1,)


def test_a_time_with_a_zone_is_read_in_utc_whatever_the_sessions_zone(duck):
    duck.execute("SET TimeZone = 'Asia/Tokyo'")
    ((cell,),) = read(duck, "SELECT TIMESTAMPTZ '2020-01-02 03:04:05.678901+00' AS a")
    assert cell == AWARE
    assert cell.utcoffset() == timedelta(0)


def test_json_columns_come_raw_where_they_are_wanted_so(duck):
    query = "SELECT '{\"a\": 1}'::JSON AS a, NULL::JSON AS b, '{}' AS c"
    ((first, second, third),) = read(duck, query, unread=True)
    assert first == RawJSON('{"a": 1}')
    assert (second, third) == (None, "{}")


def test_the_kinds_of_cells_are_told_where_they_are_fixed(duck):
    with Reader(Query("SELECT 1 AS a, DATE '2020-01-01' AS b", duck), tolerant=True) as reader:
        reader.fetch(1)
        assert reader.kinds == {"a": int, "b": date}
    with Reader(Query("SELECT 1 AS a, [1] AS b", duck), tolerant=True) as reader:
        reader.fetch(1)
        assert reader.kinds is None


# Writing.

VALUES = [
    *(None, True, 0, 300, 2**31, 2**80, 2**130, 1.5, 2.5, float("nan"), float("inf")),
    *(Decimal("1.005"), Decimal("NaN"), Decimal("1E+5"), Decimal("1e50")),
    *("", "1", "1.5", "x", "true", "2020-01-02", "2020-01-02 03:04:05+02", "infinity", "[1,2]"),
    *("{'a': 1}", '{"a": 1}', "a\0b", "\ud800", b"abc", bytearray(b"x"), memoryview(b"y")),
    *(date.max, NAIVE, AWARE, AWARE.astimezone(PLUS_2), LAST, time(1, 2, 3, 4)),
    *(time(1, 2, tzinfo=PLUS_2), timedelta(days=400, microseconds=5), UUID(int=1)),
    *([1, 2], [], ["a"], [1, "a"], (1, 2), {"a": 1}, {}, {1: 2}, [[1]], [{"a": 1}]),
    *(object(), {1, 2}, RawJSON("[1]")),
]

TYPES = [
    *("BOOLEAN", "TINYINT", "INTEGER", "BIGINT", "UBIGINT", "HUGEINT", "FLOAT", "DOUBLE"),
    *("DECIMAL(10,2)", "DECIMAL(38,10)", "VARCHAR", "BLOB", "DATE", "TIME", "TIMETZ"),
    *("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMPTZ", "INTERVAL", "UUID", "JSON", "BIT"),
    *("ENUM('x', '1')", "INTEGER[]", "VARCHAR[]", "STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)"),
    *("INTEGER[2]", "UNION(i INTEGER, s VARCHAR)"),
]


@pytest.mark.parametrize("kind", TYPES)
def test_the_appender_stores_and_refuses_what_an_insert_does(duck, kind):
    for name in ("fast", "slow"):
        duck.execute(f"CREATE TABLE {name} (id INTEGER, a {kind})")
    rows = list(enumerate(VALUES))
    refused = {"fast": [], "slow": []}
    for name, place in (("fast", "?"), ("slow", "(?)")):
        sql = f"INSERT INTO {name} (id, a) VALUES (?, {place})"
        assert (plain_insert(sql, "qmark") is None) is (name == "slow")
        for row in rows:
            if kind in {"JSON", "VARCHAR"} and isinstance(row[1], (dict, list, tuple)):
                continue  # these are JSON on the fast road only
            executemany(sql, duck, [row], on_error=refused[name].extend)
    assert [f.row for f in refused["fast"]] == [f.row for f in refused["slow"]]
    assert [type(f.exception) for f in refused["fast"]] == [
        type(f.exception) for f in refused["slow"]
    ]
    cells = "SELECT id, a::VARCHAR FROM {} ORDER BY id"
    assert (
        duck.execute(cells.format("fast")).fetchall()
        == duck.execute(cells.format("slow")).fetchall()
    )


def test_mixed_types_in_one_chunk_are_cast_one_by_one(duck):
    duck.execute("CREATE TABLE t (a VARCHAR, d DECIMAL(10,2), i INTEGER, ts TIMESTAMP)")
    rows = [
        ("x", 1.5, True, "2020-01-01"),
        (1, "2.25", "7", NAIVE),
        (2.5, 3, 2.6, date(2020, 1, 2)),
    ]
    executemany("INSERT INTO t VALUES (?, ?, ?, ?)", duck, rows)
    assert duck.execute("SELECT * FROM t").fetchall() == [
        ("x", Decimal("1.50"), 1, datetime(2020, 1, 1)),
        ("1", Decimal("2.25"), 7, NAIVE),
        ("2.5", Decimal("3.00"), 3, datetime(2020, 1, 2)),
    ]


def test_dicts_and_lists_are_json_where_a_column_takes_text_else_as_they_are(duck):
    duck.execute("CREATE TABLE t (j JSON, v VARCHAR, s STRUCT(a INTEGER), l INTEGER[], r JSON)")
    value = {"a": [1, "x", None]}
    load("t", duck, [{"j": value, "v": [1, "ä"], "s": {"a": 1}, "l": [2], "r": RawJSON(b"[3]")}])
    assert duck.execute("SELECT * FROM t").fetchall() == [
        ('{"a": [1, "x", null]}', '[1, "ä"]', {"a": 1}, [2], "[3]")
    ]


@pytest.mark.parametrize(
    "name", ["s.t", "s.T", "o.t", '"we""ird. t"', "o.s2.t", "tmp", "main.other"]
)
def test_tables_wherever_they_are(duck, name):
    duck.execute("CREATE SCHEMA s; ATTACH ':memory:' AS o; CREATE SCHEMA o.s2")
    create = "CREATE TEMP TABLE" if name == "tmp" else "CREATE TABLE"
    duck.execute(f'{create} {name} (id INTEGER, "wei""rd" VARCHAR DEFAULT \'d\')')
    assert executemany(f"INSERT INTO {name} (ID) VALUES (?)", duck, [(1,), (2,)]) == (2, 0)
    executemany(f'INSERT INTO {name} ("wei""rd") VALUES ($a)', duck, [{"a": "x", "b": 1}])
    executemany(f"INSERT INTO {name} VALUES (?, ?)", duck, [[3, "y"]])
    assert rows_of(duck, name)[:3] == [(1, "d"), (2, "d"), (3, "y")]


def test_a_view_and_a_generated_column_are_refused_in_the_words_of_the_statement(duck):
    duck.execute("CREATE TABLE g (a INTEGER, b INTEGER GENERATED ALWAYS AS (a + 1))")
    duck.execute("CREATE VIEW v AS SELECT * FROM g")
    with pytest.raises(InsertError, match="v is not an table"):
        load("v", duck, [{"a": 1}])
    with pytest.raises(InsertError, match="generated column"):
        load("g", duck, [{"a": 1, "b": 2}])
    with pytest.raises(InsertError, match='"zz"'):
        load("g", duck, [{"zz": 1}])
    assert executemany("INSERT INTO g VALUES (?)", duck, [(1,)]) == (1, 0)
    assert rows_of(duck, "g") == [(1, 2)]


def test_rows_that_do_not_fit_the_placeholders_are_failed_rows(table):
    failed = []
    rows = [(1, "a"), (2,), (3, "c", "d"), {"id": 4, "a": "d"}, "ab", (5, "e")]
    executemany("INSERT INTO t VALUES (?, ?)", table, rows, on_error=failed.extend)
    assert [row.row for row in failed] == rows[1:5]
    assert rows_of(table) == [(1, "a"), (5, "e")]


def test_rows_that_refer_to_rows_of_their_own_chunk_and_triggers_are_written_one_by_one(duck):
    duck.execute("CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree (id))")
    load("tree", duck, [{"id": 1, "up": None}, {"id": 2, "up": 1}, {"id": 3, "up": 2}])
    assert len(rows_of(duck, "tree")) == 3
    duck.execute("CREATE TABLE t (a INTEGER); CREATE TABLE calls (a INTEGER)")
    duck.execute(
        "CREATE TRIGGER x AFTER INSERT ON t FOR EACH STATEMENT INSERT INTO calls VALUES (1)"
    )
    load("t", duck, [{"a": 1}, {"a": 2}])
    assert rows_of(duck, "calls") == [(1,), (1,)]


def test_the_row_that_could_not_be_converted_is_told(table):
    database, _ = recognise(table)
    for bad in ("x", object(), KeyError):
        writer = database.writer(table, "INSERT INTO t (id, a) VALUES ($id, $a)")
        rows = [{"id": n, "a": "b"} for n in range(5)]
        rows[3] = {"a": "b"} if bad is KeyError else {"id": bad, "a": "b"}
        database.begin(table)
        with pytest.raises(Exception) as caught:
            writer.write(rows)
        assert writer.culprit(caught.value) == 3
        database.rollback(table)


def test_the_row_that_breaks_a_constraint_is_not_guessed(table):
    database, _ = recognise(table)
    writer = database.writer(table, "INSERT INTO t (id) VALUES (?)")
    with pytest.raises(Exception, match="duplicate key") as caught:
        writer.write([(1,), (2,), (1,)])
    assert writer.culprit(caught.value) is None


@pytest.mark.parametrize("update", [False, True])
def test_an_upsert_skips_or_updates_the_row_that_is_there(table, update):
    database, _ = recognise(table)
    load("t", table, [{"id": 1, "a": "old"}])
    sql = database.upsert("t", ["id", "a"], ["$id", "$a"], ["id"], update=update)
    rows = [{"id": 1, "a": "new"}, {"id": 2, "a": "two"}, {"id": 2, "a": "last"}]
    assert executemany(sql, table, rows) == (3, 0)
    expected = [(1, "new"), (2, "last")] if update else [(1, "old"), (2, "two")]
    assert rows_of(table) == expected


@pytest.mark.parametrize("kind", TYPES)
def test_an_upsert_of_many_rows_stores_and_refuses_what_one_of_each_does(duck, kind):
    refused = {"fast": [], "slow": []}
    rows = [row for row in enumerate(VALUES) if not isinstance(row[1], (dict, list, tuple))]
    for name, place in (("fast", "?"), ("slow", "(?)")):
        duck.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, a {kind}, b INTEGER DEFAULT 7)")
        duck.execute(f"INSERT INTO {name} (id, b) SELECT i, 1 FROM range(0, 50, 2) r(i)")
        upsert = "ON CONFLICT (id) DO UPDATE SET a = excluded.a"
        sql = f"INSERT INTO {name} (id, a) VALUES (?, {place}) {upsert}"
        for row in rows:
            executemany(sql, duck, [row], on_error=refused[name].extend)
    assert [f.row for f in refused["fast"]] == [f.row for f in refused["slow"]]
    cells = "SELECT id, a::VARCHAR, b FROM {} ORDER BY id"
    assert (
        duck.execute(cells.format("fast")).fetchall()
        == duck.execute(cells.format("slow")).fetchall()
    )


@pytest.mark.parametrize(
    ("columns", "keys"),
    [
        ("k INTEGER PRIMARY KEY", [1, 2, 3]),
        ("k INTEGER PRIMARY KEY", [1, 2, 1]),
        ("k INTEGER PRIMARY KEY", [1, "1", " 1"]),
        ("k INTEGER PRIMARY KEY", [1, True, 1.0]),
        ("k VARCHAR PRIMARY KEY", ["a", "A", "a"]),
        ("k VARCHAR COLLATE NOCASE PRIMARY KEY", ["a", "A", "b"]),
        ("k VARCHAR PRIMARY KEY", [1, "1", "b"]),
        ("k DOUBLE PRIMARY KEY", [1, 1.0, 2]),
        ("k INTEGER UNIQUE", [1, None, None]),
        ("k DATE PRIMARY KEY", [date(2020, 1, 2), "2020-01-02"]),
    ],
)
@pytest.mark.parametrize("on_conflict", ["skip", "update"])
def test_an_upsert_goes_by_the_order_of_the_rows(duck, columns, keys, on_conflict):
    rows = [{"k": key, "order": number} for number, key in enumerate(keys)]
    for name, size in (("many", 100), ("each", 1)):
        duck.execute(f'CREATE TABLE {name} ({columns}, "order" INTEGER, "by" INTEGER DEFAULT 7)')
        load(name, duck, rows, on_conflict=on_conflict, key="k", chunk_size=size)
    many, each = (duck.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in ("many", "each"))
    assert many == each


def test_a_second_unique_key_is_kept_in_the_order_of_the_rows(duck):
    duck.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, c INTEGER UNIQUE, b INTEGER)")
    load("t", duck, [{"id": 1, "c": 1}, {"id": 2, "c": 2}])
    rows = [{"id": 1, "b": 5}, {"id": 3, "b": 6}]
    assert load("t", duck, rows, on_conflict="update", key="id") == (2, 0)
    assert duck.execute("SELECT id, c, b FROM t ORDER BY id").fetchall() == [
        *((1, 1, 5), (2, 2, None), (3, None, 6)),
    ]


def test_a_failed_row_of_an_upsert_is_left_out(duck):
    duck.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER CHECK (a < 50))")
    failed = []
    rows = [{"id": n, "a": n} for n in range(60)]
    done = load("t", duck, rows, on_conflict="update", key="id", on_error=failed.extend)
    assert done == (60, 10)
    assert [row.row["id"] for row in failed] == list(range(50, 60))
    assert len(rows_of(duck)) == 50


# Names, tables, types of columns.


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=20))
def test_any_name_can_be_quoted(name):
    with servers.driver("duckdb").connect() as conn:
        conn.execute("CREATE TABLE canary (a INTEGER); INSERT INTO canary VALUES (1)")
        quote = recognise(conn)[0].quote
        try:
            quoted = quote(name)
        except BadIdentifierError:
            assert "\0" in name or name.encode(errors="replace").decode() != name
            return
        if name.lower() == "canary":
            return  # the name of the canary, as DuckDB compares names
        conn.execute(f"CREATE TABLE {quoted} ({quoted} INTEGER)")
        conn.execute(f"INSERT INTO {quoted} ({quoted}) VALUES (2)")
        assert fetchall(f"SELECT {quoted} FROM {quoted}", conn) == [{name: 2}]
        conn.execute(f"DROP TABLE {quoted}")
        assert conn.execute("SELECT * FROM canary").fetchall() == [(1,)]


def test_table_info_takes_names_as_they_are(duck):
    duck.execute("CREATE SCHEMA data; CREATE SCHEMA data_old; ATTACH ':memory:' AS o")
    duck.execute("CREATE TABLE data.t (a INTEGER NOT NULL, b VARCHAR DEFAULT 'x', c DECIMAL(10,2))")
    duck.execute("CREATE TABLE data_old.t (z INTEGER); CREATE TABLE o.t (y INTEGER)")
    assert [tuple(column) for column in table_info("t", duck, schema="data")] == [
        ("a", "INTEGER", True, False),
        ("b", "VARCHAR", False, True),
        ("c", "DECIMAL(10,2)", False, False),
    ]
    with pytest.raises(QueryError, match="no table 't'"):
        table_info("t", duck, schema="dat_")


@pytest.mark.parametrize("collation", ["NOCASE", "NOCASE.NOACCENT"])
def test_a_text_key_is_ordered_and_compared_as_bytes_whatever_its_collation(duck, collation):
    duck.execute(f"CREATE TABLE t (k VARCHAR COLLATE {collation}, n INTEGER)")
    texts = ["A", "a", "_", "B", "é", "e", "E"]
    load("t", duck, [{"k": text, "n": 1} for text in texts])
    query = "SELECT k, n FROM t"
    cursor = Reader(Query(query, duck))
    cursor.fetch(1)
    types = {"k": duck.sql(query).types[0], "n": duck.sql(query).types[1]}
    cursor.close()
    by, number = recognise(duck)[0].key_expressions(duck, types, ["k", "n"])
    assert number == 'q."n"'
    ordered = fetchall(f"SELECT k FROM ({query}) q ORDER BY {by}", duck, (), tuples)
    assert [key for (key,) in ordered] == sorted(texts)
    after = f"SELECT k FROM ({query}) q WHERE {by} > $last ORDER BY {by}"
    assert fetchall(after, duck, {"last": "A"}, tuples) == [(key,) for key in sorted(texts)[1:]]


def test_rows_are_read_in_the_order_of_a_text_key_whatever_its_collation(duck):
    duck.execute("CREATE TABLE t (k VARCHAR COLLATE NOCASE, d DATE)")
    load("t", duck, [{"k": key, "d": date(2020, 1, 1)} for key in "bAa_B"])
    ordered = iter_rows("SELECT * FROM t", duck, (), tuples, chunk_size=2, key=["d", "k"])
    assert [key for key, _ in ordered] == sorted("bAa_B")


def test_a_query_without_rows_has_columns(duck):
    with Reader(Query("SELECT 1 AS a, DATE '2020-01-01' AS b LIMIT 0", duck)) as reader:
        assert reader.fetch(1) == []
    rows = Rows(duck, "SELECT 1 AS a LIMIT 0", (), Reading())
    assert [column[0] for column in rows.cursor.description] == ["a"]


def test_an_enum_key_is_compared_as_it_is_ordered(duck):
    duck.execute("CREATE TABLE t (k ENUM('b', 'a', 'c'))")
    load("t", duck, [{"k": key} for key in "abc"])
    types = {"k": duck.sql("SELECT k FROM t").types[0]}
    (by,) = recognise(duck)[0].key_expressions(duck, types, ["k"])
    query = f"SELECT k FROM t q WHERE {by} > $last ORDER BY {by}"
    assert fetchall(query, duck, {"last": "a"}, tuples) == [("b",), ("c",)]


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("TINYINT", ColumnType("smallint")),
        ("UINTEGER", ColumnType("bigint")),
        ("UBIGINT", ColumnType("decimal", 20, 0)),
        ("DECIMAL(10,2)", ColumnType("decimal", 10, 2)),
        ("TIMESTAMP WITH TIME ZONE", ColumnType("timestamptz")),
        ("INTEGER[]", ColumnType("json")),
        ("STRUCT(a DATE)", ColumnType("json")),
        ("ENUM('DATE')", ColumnType("text")),
        ("BIT", ColumnType("text")),
    ],
)
def test_types_of_columns_in_words_of_all_databases(declared, found):
    assert column_type(declared) == found


@pytest.mark.parametrize(
    ("kind", "declared"),
    [
        (ColumnType("decimal", 10, 2), "DECIMAL(10,2)"),
        (ColumnType("decimal", 39, 0), "VARCHAR"),
        (ColumnType("decimal"), "VARCHAR"),
        (ColumnType("decimal", 3, -2), "VARCHAR"),
        (ColumnType("text", 40), "VARCHAR"),
        (ColumnType("timestamptz"), "TIMESTAMPTZ"),
    ],
)
def test_declarations_keep_the_values_as_they_are(duck, kind, declared):
    assert declaration(kind) == declared
    duck.execute(f"CREATE TABLE t (a {declared})")
