"""
What only Oracle does, by the real driver against a protocol stand-in: never a live server.

What a live server alone can tell is in `test_oracle_live.py`.
"""

import ast
import builtins
import contextlib
import datetime as dt
import os
import sqlite3
import sys
import threading
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conftest
import rowferry as etl
import servers
from rowferry.column_types import ColumnType
from rowferry.databases import oracle_sql, oracle_values, oracle_writer, recognise
from rowferry.databases.oracle_binds import bound
from rowferry.databases.oracle_types import column_type, declaration
from rowferry.exceptions import (
    BadIdentifierError,
    ConnectError,
    DriverError,
    InsertError,
    SourceError,
)
from rowferry.reader import Query as Reading
from rowferry.reader import Reader
from rowferry.testing import FakeApi
from scripted import until
from standins.oracle import (
    Change,
    Cut,
    Done,
    Insert,
    Once,
    Oracle,
    OracleError,
    Pause,
    Query,
    Table,
    Wire,
)

oracledb = pytest.importorskip("oracledb", reason="no python-oracledb: pip install oracledb")

MOMENT = dt.datetime(2024, 1, 2, 3, 4, 5, 678901)  # as the driver gives
SECOND = MOMENT.replace(microsecond=0)
PLUS_2 = dt.timezone(dt.timedelta(hours=2))

ADD = "INSERT INTO sensors (code, description) VALUES (:code, :description)"
ALL = "SELECT code, description FROM sensors"
NUMBERS = "SELECT n FROM numbers"

ONLY_LIVE = {
    "a time zone that has a name is refused, and advice says how to read it",
    "a table is made where there is none, and each type keeps its values",
    "MERGE skips and updates",
    "a savepoint undoes what came after it, and nothing before",
    "keys are read in binary order, whatever NLS_SORT and NLS_COMP say",
    "decimal commas of the session change no number",
    "table_info tells sizes, NOT NULL and defaults",
}
"""What no stand-in can show, a live test each; the docs list them."""


@pytest.fixture
def table():
    columns = ("CODE NUMBER(10) NOT NULL", "DESCRIPTION VARCHAR2(10)")
    return Table(*columns, key=("CODE",), name="SENSORS")


@pytest.fixture
def oracle(table):
    numbers = Query(["N NUMBER(10)"], [(number,) for number in range(12_000)])
    scripts = {ADD: Insert(table), ALL: Query(table), NUMBERS: numbers}
    savepoints = {"SAVEPOINT rowferry": Done(), "ROLLBACK TO SAVEPOINT rowferry": Done()}
    with Oracle(scripts | savepoints) as oracle:
        yield oracle


@pytest.fixture
def url(oracle):
    return f"oracle://scott:tiger@127.0.0.1:{oracle.port}/STANDIN"


@pytest.fixture
def conn(url):
    conn = etl.connect(url)
    yield conn
    if conn.is_healthy():
        conn.close()


@pytest.fixture
def read(oracle, conn):
    """Read rows of a query that has these columns."""

    def read(columns, *rows, **how):
        oracle.script("SELECT it", Query(columns, rows))
        query = Reading("SELECT it", conn, (), etl.row_factories.tuple_row_factory)
        with Reader(query, **how) as reader:
            fetched = reader.fetch(100)
            read.kinds = reader.kinds
        return fetched

    return read


def sensors(*codes):
    return [{"code": code, "description": f"s{code}"} for code in codes]


# Values, as they are read.


def test_numbers_are_exact_and_whole_ones_are_int(read):
    large, small = 10**37 + 1, Decimal("0.1234567890123456789")
    columns = ("A NUMBER(38)", "B NUMBER(12,2)", "C NUMBER", "D NUMBER", "E NUMBER(5,-2)")
    (row,) = read(columns, (large, Decimal("0.10"), small, 7, 1200))
    assert row == (large, Decimal("0.1"), small, 7, 1200)
    assert list(map(type, row)) == [int, Decimal, Decimal, int, int]
    assert read.kinds is None  # a NUMBER without digits holds both


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20)))
def test_whole_is_the_same_number(number):
    whole = oracle_values._whole(number)
    assert whole == number
    assert isinstance(whole, int) == (number == number.to_integral_value())


def test_types_have_their_kinds(read):
    columns = {
        "A NUMBER(9)": (7, int),
        "B NUMBER(9,2)": (Decimal("1.5"), Decimal),
        "C VARCHAR2(9)": ("é", str),
        "D DATE": (SECOND, dt.datetime),
        "E TIMESTAMP(6)": (MOMENT, dt.datetime),
        "F RAW(9)": (b"\x00\xff", bytes),
        "G BINARY_DOUBLE": (0.1, float),
        "H INTERVAL DAY TO SECOND": (dt.timedelta(1, 2, 3), dt.timedelta),
        "I CLOB": ("x" * 40_000, str),
        "J BLOB": (b"x" * 40_000, bytes),
        "K BOOLEAN": (True, bool),
        "L NVARCHAR2(9)": ("é😀", str),
    }
    values = tuple(value for value, _ in columns.values())
    assert read(columns, values, (None,) * len(columns)) == [values, (None,) * len(columns)]
    assert list(read.kinds.values()) == [kind for _, kind in columns.values()]


def test_lobs_come_with_their_rows(oracle, read):
    rows = [(number, "x" * 50_000, b"y" * 50_000) for number in range(50)]
    assert read(("N NUMBER(9)", "BODY CLOB", "SCAN BLOB"), *rows) == rows
    assert oracle.count("lob_op") == 0
    assert oracle.count(sql="SELECT it") == 3  # parse, define, fetch


def test_a_handler_of_the_users_says_how_cells_come(conn, read):
    conn.outputtypehandler = lambda cursor, column: cursor.var(str, arraysize=cursor.arraysize)
    assert read(["N NUMBER(9)"], (7,)) == [("7",)]
    assert read.kinds is None


def test_a_timestamp_with_a_zone_comes_as_its_clock_showed_and_a_warning_says_so(read, caplog):
    oracle_values._warn_of_zones.cache_clear()
    for _ in range(2):
        assert read(["T TIMESTAMP WITH TIME ZONE"], (MOMENT.replace(tzinfo=PLUS_2),)) == [(MOMENT,)]
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "without its zone" in warning
    assert "(T)" in warning
    assert "SYS_EXTRACT_UTC" in warning


def test_what_the_driver_cannot_convert_says_how_to_select_it(read):
    named = Wire(bytes([120, 124, 1, 2, 4, 5, 6, 0, 0, 0, 0, 0x80 | 3, 60]))
    with pytest.raises(SourceError, match=r"DPY-3022[\s\S]*SYS_EXTRACT_UTC"):
        read(["T TIMESTAMP WITH TIME ZONE"], (named,))
    before_christ = Wire(bytes([56, 100, 3, 15, 1, 1, 1]))
    with pytest.raises(SourceError, match=r"before the year 1: .*TO_CHAR"):
        read(["D DATE"], (before_christ,))


def test_bytes_that_are_no_text_come_as_lone_surrogates_where_that_is_asked_for(read):
    cells = ("a", Wire(b"\xffb")), (None, "c")
    columns = ("A VARCHAR2(9)", "B VARCHAR2(9)")
    assert read(columns, *cells, tolerant=True) == [("a", "\udcffb"), (None, "c")]
    with pytest.raises(SourceError, match="utf-8"):
        read(columns, *cells)


def test_a_type_that_has_no_values_is_named(read, conn):
    with pytest.raises(SourceError, match=r"the column SCAN is a BFILE, .*DBMS_LOB"):
        read(["SCAN BFILE"], (None,))
    assert etl.fetchone(NUMBERS, conn) == {"N": 0}


# Values, as they are bound.

AWARE = MOMENT.replace(tzinfo=PLUS_2)
VALUES = [
    (SECOND, "DATE", SECOND),
    (MOMENT, "TIMESTAMP(6)", MOMENT),
    (dt.date(2024, 1, 2), "DATE", SECOND.replace(hour=0, minute=0, second=0)),
    (AWARE, "TIMESTAMP(6)", AWARE.astimezone(dt.UTC)),
    (True, "NUMBER(1)", 1),
    (Decimal("0.1"), "NUMBER", Decimal("0.1")),
    (dt.time(1, 2, 3), "VARCHAR2(40)", "01:02:03"),
    (UUID(int=1), "VARCHAR2(40)", str(UUID(int=1))),
    ({"a": [1, "é"]}, "CLOB", '{"a": [1, "é"]}'),
    ([1, None], "CLOB", "[1, null]"),
    (etl.RawJSON(b'{"a":1}'), "CLOB", '{"a":1}'),
    (memoryview(b"\x00\x01"), "RAW(9)", b"\x00\x01"),
    (bytearray(b"\x00\x01"), "RAW(9)", b"\x00\x01"),
    (float("inf"), "BINARY_DOUBLE", float("inf")),
    ("x" * 40_000, "CLOB", "x" * 40_000),
    (b"x" * 40_000, "BLOB", b"x" * 40_000),
    (None, "NUMBER", None),
]


@pytest.mark.parametrize(("value", "declared", "stored"), VALUES)
@pytest.mark.parametrize("by_name", [True, False])
def test_values_are_bound_without_a_loss(oracle, conn, value, declared, stored, by_name):
    insert = "INSERT INTO t (a, b) VALUES (:a, :b)"
    oracle.script(insert, Insert(Table(f"A {declared}", "B NUMBER")))
    row = {"a": value, "b": 1} if by_name else (value, 1)
    etl.executemany(insert, conn, [row, row])
    etl.execute(insert, conn, row)
    many, once = [call.binds for call in oracle.calls if call.sql == insert]
    assert many == ([stored, 1], [stored, 1])
    assert once == ([stored, 1],)


def test_a_column_is_bound_as_what_fits_all_of_its_values():
    nan = float("nan")
    columns = [(SECOND, MOMENT), (SECOND, None), (AWARE, None), (nan, 1.5), (nan, 1), (1.5, 2.5)]
    sizes = [size and size.name.removeprefix("DB_TYPE_") for size in bound(columns).sizes]
    assert sizes == ["TIMESTAMP", None, "TIMESTAMP_TZ", "BINARY_DOUBLE", None, None]
    assert bound([(1, 2), ("a", None)]) == ([(1, 2), ("a", None)], [], False)


def test_a_parameter_keeps_its_microseconds(oracle, conn):
    query = "SELECT code FROM sensors WHERE updated > :since AND updated < :until"
    oracle.script(query, Query(["CODE NUMBER(9)"], [(1,)]))
    etl.fetchall(query, conn, {"since": MOMENT, "until": SECOND})
    etl.fetchall(query, conn, [MOMENT, SECOND])
    assert [call.binds for call in oracle.calls if call.binds] == [([MOMENT, SECOND],)] * 2


# Round trips.


def test_a_chunk_is_one_round_trip_and_one_for_its_commit(oracle, conn, table):
    rows = [{"code": code, "description": "x"} for code in range(15_000)]
    assert etl.load("sensors", conn, rows) == (15_000, 0)
    assert [call.sql or call.name for call in oracle.calls] == [ADD, "commit"] * 3
    assert len(table.rows) == 15_000


def test_a_chunk_with_bad_rows_is_two_round_trips_however_many_they_are(oracle, conn, table):
    rows = [{"code": code, "description": "x" * (code % 12)} for code in range(10_000)]
    failed = []
    etl.load("sensors", conn, rows, on_error=failed.extend)
    bad = [row for row in rows if len(row["description"]) > 10]
    assert [one.row for one in failed] == bad
    assert {one.exception.args[0].full_code for one in failed} == {"ORA-12899"}
    assert len(table.rows) == 10_000 - len(bad)
    chunk = [call for call in oracle.calls if not call.commits and call.name != "commit"]
    assert len(chunk) == 2 * 2  # a savepoint and the array, of two chunks
    assert oracle.count("commit") == 2


def test_rows_beyond_what_one_call_can_tell_of_are_several_calls(oracle, conn, monkeypatch):
    monkeypatch.setattr(oracle_writer, "_AT_ONCE", 50)
    failed = []
    rows = sensors(*range(60), *range(60), 60)
    assert etl.load("sensors", conn, rows, on_error=failed.extend) == (121, 60)
    assert oracle.count(sql=ADD) == 3
    assert [one.row["code"] for one in failed] == list(range(60))


def test_a_row_that_lacks_a_value_is_found_in_a_later_call_too(conn, monkeypatch):
    monkeypatch.setattr(oracle_writer, "_AT_ONCE", 2)
    writer = oracle_writer.Writer(conn, ADD)
    with pytest.raises(LookupError) as caught:
        writer.write([*sensors(1, 2, 3), {"code": 4}])
    assert writer.culprit(caught.value) == 3


def test_a_query_is_fetched_by_as_many_rows_as_are_asked_for(oracle, conn):
    assert len(etl.fetchall(NUMBERS, conn)) == 12_000
    assert [call.rows for call in oracle.calls] == [100, *[2500] * 5]
    oracle.calls.clear()
    assert etl.fetchone(NUMBERS, conn) == {"N": 0}
    assert len(oracle.calls) == 1


# Writing.


def test_the_first_refused_row_is_the_error_where_nobody_takes_it(oracle, conn, table):
    with pytest.raises(InsertError, match="ORA-00001") as caught:
        etl.load("sensors", conn, sensors(1, 2, 2, 3))
    assert isinstance(caught.value.__cause__, oracledb.IntegrityError)
    assert table.rows == {}


def test_rows_that_lack_a_value_are_found_before_anything_is_sent(oracle, conn, table):
    rows = sensors(*range(100))
    del rows[41]["description"]
    failed = []
    etl.load("sensors", conn, rows, on_error=failed.extend)
    assert [str(one.exception) for one in failed] == [
        "the row has no value for the placeholder :description"
    ]
    assert len(table.rows) == 99
    assert oracle.count(sql=ADD) == 2


def test_further_names_of_a_row_and_their_case_do_not_matter(conn, table):
    etl.executemany(ADD, conn, [{"CODE": 1, "description": "a", "depth": 3}])
    assert list(table.rows.values()) == [(1, "a")]


def test_a_placeholder_that_stands_twice_takes_its_value_twice(oracle, conn):
    update = "UPDATE t SET a = :a /* :b */ WHERE b = ':c' AND c > :d OR a < :A"
    oracle.script(update, Done(count=1))
    etl.executemany(update, conn, [{"a": 1, "d": 2}])
    block = "BEGIN log_it(:a, :b, :a); END;"
    oracle.script(block, Done())
    etl.executemany(block, conn, [{"a": 3, "b": 4}])
    assert [call.binds for call in oracle.calls if call.binds] == [([1, 2, 1],), ([3, 4],)]


def test_a_merge_is_one_round_trip_a_chunk(oracle, conn, table):
    merge = oracle_sql.merge(
        "sensors", ["code", "description"], [":code", ":description"], ["code"], update=True
    )

    def apply(rows, binds):
        rows[binds["code"],] = (binds["code"], binds["description"])
        return 1

    oracle.script(merge, Change(table, apply))
    etl.load("sensors", conn, sensors(1, 2, 1), on_conflict="update", key="code")
    assert list(table.rows) == [(1,), (2,)]
    assert oracle.count(sql=merge) == 1


def test_a_merge_names_what_is_updated():
    columns, places = ["id", "a"], [":id", ":a"]
    assert oracle_sql.merge("s.t", columns, places, ["id"], update=True) == (
        "MERGE INTO s.t old USING (SELECT :id AS id, :a AS a FROM dual) new ON (old.id = new.id)\n"
        "WHEN MATCHED THEN UPDATE SET old.a = new.a\n"
        "WHEN NOT MATCHED THEN INSERT (id, a) VALUES (new.id, new.a)"
    )
    assert "UPDATE" not in oracle_sql.merge("t", columns, places, ["id"], update=False)
    assert "UPDATE" not in oracle_sql.merge("t", columns, places, columns, update=True)
    with pytest.raises(BadIdentifierError):
        oracle_sql.merge("t", ["a b"], [":a"], ["a b"], update=True)


def test_an_autocommit_connection_commits_whole_chunks_and_is_one_again(oracle, conn, table):
    conn.autocommit = True
    with pytest.raises(InsertError):
        etl.load("sensors", conn, sensors(1, 2, 3, 3), chunk_size=3, commit_chunks=False)
    assert table.rows == {}
    assert conn.autocommit
    etl.load("sensors", conn, sensors(1, 2, 3), commit_chunks=False, chunk_size=2)
    assert (len(table.rows), oracle.count("commit")) == (3, 1)
    assert conn.autocommit


# Copies.


def test_copy_rows_into_sqlite_and_back(oracle, conn, table):
    etl.load("sensors", conn, sensors(1, 2, 3))
    with contextlib.closing(sqlite3.connect(":memory:")) as lite:
        lite.execute("CREATE TABLE sensors (code INTEGER, description TEXT)")
        insert = "INSERT INTO sensors VALUES (:CODE, :DESCRIPTION)"
        assert etl.copy_rows(ALL, conn, insert, lite) == (3, 0)
        table.rows.clear()
        assert etl.copy_rows(ALL, lite, ADD, conn) == (3, 0)
    assert list(table.rows.values()) == [(1, "s1"), (2, "s2"), (3, "s3")]


def test_copy_rows_into_postgresql(oracle, conn, psycopg_connection):
    moments = "SELECT code, amount, updated FROM readings"
    rows = [(1, Decimal("0.10"), MOMENT), (2, None, SECOND)]
    columns = ["CODE NUMBER(9)", "AMOUNT NUMBER(12,2)", "UPDATED TIMESTAMP(6)"]
    oracle.script(moments, Query(columns, rows))
    etl.execute("CREATE TABLE r (code int, amount numeric, updated timestamp)", psycopg_connection)
    insert = "INSERT INTO r VALUES (%(CODE)s, %(AMOUNT)s, %(UPDATED)s)"
    assert etl.copy_rows(moments, conn, insert, psycopg_connection) == (2, 0)
    fetched = etl.fetchall(
        "SELECT * FROM r ORDER BY 1", psycopg_connection, (), etl.row_factories.tuple_row_factory
    )
    assert fetched == rows


# Tables.


def test_a_table_is_made_by_a_block_that_every_version_takes(oracle, conn):
    rows = [{"code": 1, "at": MOMENT, "note": "x"}]
    block = (
        "BEGIN\n    EXECUTE IMMEDIATE 'CREATE TABLE t (\n    code NUMBER(19),\n    at TIMESTAMP(6),"
        "\n    note CLOB,\n    PRIMARY KEY (code)\n)';\nEXCEPTION WHEN OTHERS THEN\n"
        "    IF SQLCODE != -955 THEN RAISE; END IF;\nEND;"
    )
    assert etl.generate_create_table_sql("t", rows, conn, key="code") == block
    oracle.script(block, Done(commits=True))
    table = Table("CODE NUMBER(19)", "AT TIMESTAMP(6)", "NOTE CLOB")
    insert = "INSERT INTO t (code, at, note) VALUES (:code, :at, :note)"
    oracle.script(insert, Insert(table))
    assert etl.load("t", conn, rows, create=True, key="code") == (1, 0)
    assert list(table.rows.values()) == [(1, MOMENT, "x")]


@pytest.mark.parametrize(
    ("declared", "kind", "declared_again"),
    [
        ("NUMBER", ("decimal", None, None), "NUMBER"),
        ("NUMBER(*,0)", ("decimal", 38, 0), "NUMBER(38,0)"),
        ("NUMBER(4,0)", ("smallint", None, None), "NUMBER(5)"),
        ("NUMBER(9,0)", ("integer", None, None), "NUMBER(10)"),
        ("NUMBER(18,0)", ("bigint", None, None), "NUMBER(19)"),
        ("NUMBER(12,2)", ("decimal", 12, 2), "NUMBER(12,2)"),
        ("NUMBER(5,-2)", ("integer", None, None), "NUMBER(10)"),
        ("NUMBER(2,4)", ("decimal", 4, 4), "NUMBER(4,4)"),
        ("FLOAT(126)", ("decimal", None, None), "NUMBER"),
        ("VARCHAR2(40 CHAR)", ("text", 40, None), "VARCHAR2(40 CHAR)"),
        ("NVARCHAR2(2000)", ("text", 2000, None), "CLOB"),
        ("CLOB", ("text", None, None), "CLOB"),
        ("RAW(16)", ("binary", None, None), "BLOB"),
        ("DATE", ("timestamp", None, None), "TIMESTAMP(6)"),
        ("TIMESTAMP(3)", ("timestamp", None, None), "TIMESTAMP(6)"),
        ("TIMESTAMP(6) WITH TIME ZONE", ("timestamp", None, None), "TIMESTAMP(6)"),
        ("INTERVAL DAY(2) TO SECOND(6)", ("interval", None, None), "INTERVAL DAY(9) TO SECOND(6)"),
        ("INTERVAL YEAR(2) TO MONTH", ("text", None, None), "CLOB"),
        ("BINARY_DOUBLE", ("double", None, None), "BINARY_DOUBLE"),
        ("SDO_GEOMETRY", ("text", None, None), "CLOB"),
    ],
)
def test_column_types_there_and_back(declared, kind, declared_again):
    assert column_type(declared) == ColumnType(*kind)
    assert declaration(ColumnType(*kind), in_key=False) == declared_again


def test_what_no_key_can_be_made_of_is_declared_shorter():
    in_key = lambda *kind: declaration(ColumnType(*kind), in_key=True)
    assert in_key("text") == "VARCHAR2(255 CHAR)"
    assert in_key("text", 4000) == "VARCHAR2(1000 CHAR)"
    assert in_key("text", 0) == "VARCHAR2(1 CHAR)"
    assert in_key("binary") == "RAW(255)"


def test_names_that_oracle_cannot_have_are_refused(conn):
    database, _ = recognise(conn)
    assert database.quote("a b") == '"a b"'
    for name in ('a"b', "é" * 65, "", "a\0b"):
        with pytest.raises(BadIdentifierError):
            database.quote(name)


# Keys.

BY_CODE = f'SELECT * FROM (\n{ALL}\n) q ORDER BY q."CODE"'
AFTER_CODE = f'SELECT * FROM (\n{ALL}\n) q WHERE (q."CODE" > :1) ORDER BY q."CODE"'


def by_code(table, fault=None):
    rows = sorted(table.rows.values())
    later = lambda binds: [row for row in rows if row[0] > min(binds.values())]
    columns = ["CODE NUMBER(10)", "DESCRIPTION VARCHAR2(10)"]
    return {
        f"SELECT * FROM (\n{ALL}\n) q WHERE 1 = 0": Query(columns),
        BY_CODE: Query(columns, rows, at={2500: fault} if fault else None),
        AFTER_CODE: Query(columns, later),
    }


TOO_OLD = OracleError(1555, "snapshot too old: rollback segment number 1 too small")


@pytest.mark.parametrize("fault", [Cut(), TOO_OLD], ids=["cut", "ORA-01555"])
def test_reading_by_a_key_goes_on_after_a_fault(oracle, conn, url, table, fault, caplog):
    etl.load("sensors", conn, sensors(*range(5000)))
    for sql, script in by_code(table, Once(fault)).items():
        oracle.script(sql, script)
    rows = list(etl.iter_rows(ALL, url, key="CODE", chunk_size=1000))
    assert [row["CODE"] for row in rows] == list(range(5000))
    assert "a new connection is to go on" in caplog.text


@pytest.mark.parametrize(
    ("fault", "said"), [(Cut(), "DPY-4011"), (TOO_OLD, "ORA-01555")], ids=["cut", "ORA-01555"]
)
def test_a_fault_in_mid_fetch_is_an_error_of_the_source(oracle, conn, fault, said):
    rows = [(number,) for number in range(5000)]
    oracle.script("SELECT slow", Query(["N NUMBER(10)"], rows, at={2500: fault}))
    read = []
    with pytest.raises(SourceError, match=f"{said}[\\s\\S]*key= for the columns"):
        read.extend(etl.iter_rows("SELECT slow", conn, chunk_size=1000))
    assert recognise(conn)[0].is_closed(conn) == (said == "DPY-4011")


def test_a_text_key_is_ordered_and_compared_by_its_bytes(conn):
    database, _ = recognise(conn)
    types = {"K": oracledb.DB_TYPE_VARCHAR, "N": oracledb.DB_TYPE_NUMBER}
    text, number = database.key_expressions(conn, types, ["K", "N"])
    assert (text, number) == ("NLSSORT(q.\"K\", 'NLS_SORT=BINARY')", 'q."N"')
    assert database.key_value(text, ":1") == "NLSSORT(:1, 'NLS_SORT=BINARY')"
    assert database.key_value(number, ":1") == ":1"


def test_a_text_key_with_named_parameters(oracle, conn, url):
    query = "SELECT k FROM t WHERE n > :least"
    binary, after = "NLSSORT(q.\"K\", 'NLS_SORT=BINARY')", "NLSSORT(:rowferry_0, 'NLS_SORT=BINARY')"
    keys = [("B",), ("a",), ("é",)]
    later = lambda binds: [key for key in keys if key[0].encode() > binds["rowferry_0"].encode()]
    columns = ["K VARCHAR2(9)"]
    inner = f"SELECT * FROM (\n{query}\n) q"
    oracle.script(f"{inner} WHERE 1 = 0", Query(columns))
    oracle.script(f"{inner} ORDER BY {binary}", Query(columns, keys[:1]))  # it ends early
    oracle.script(f"{inner} WHERE ({binary} > {after}) ORDER BY {binary}", Query(columns, later))
    assert etl.fetchall(query, url, {"least": 1}, key="K") == [{"K": key} for (key,) in keys]


# Connections and errors.


def test_a_url_and_params_say_the_same(oracle, url, monkeypatch):
    params = etl.DbParams(
        dbtype="ORACLE", host="127.0.0.1", port=oracle.port, dbname="STANDIN", user="scott"
    )
    monkeypatch.setenv("ORACLE_PASSWORD", "tiger")
    assert params.is_reachable()
    with contextlib.closing(params.connect("ORACLE_PASSWORD")) as conn:
        assert etl.fetchone(NUMBERS, conn) == {"N": 0}
    assert etl.get_connection_string(url) == f"scott/tiger@127.0.0.1:{oracle.port}/STANDIN"
    oracledb.connect(etl.get_connection_string(params, "ORACLE_PASSWORD")).close()
    assert etl.get_sqlalchemy_connection_string(url) == (
        f"oracle+oracledb://scott:tiger@127.0.0.1:{oracle.port}/?service_name=STANDIN"
    )
    assert not etl.DbParams(**{**params, "port": servers.free_port()}).is_reachable()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("tiger", "lion", "ORA-01017"), ("STANDIN", "NOWHERE", "DPY-6001.*NOWHERE.*not registered")],
)
def test_a_login_that_is_refused_is_clear_and_has_no_secret(url, old, new, said):
    with pytest.raises(
        ConnectError, match=f"(?s)cannot connect to dbtype=ORACLE.*{said}"
    ) as caught:
        etl.connect(url.replace(old, new))
    assert new == "NOWHERE" or new not in str(caught.value)
    assert "tiger" not in str(caught.value)


def test_a_table_that_is_missing_is_named_with_its_position(oracle, conn):
    nowhere = OracleError(942, 'table or view "NOWHERE" does not exist', 14)
    oracle.script("SELECT * FROM nowhere", nowhere)
    with pytest.raises(SourceError, match=r"ORA-00942[\s\S]*at position 14 of the statement"):
        etl.fetchall("SELECT * FROM nowhere", conn)


def test_a_semicolon_at_the_end_is_explained(oracle, conn):
    oracle.script("SELECT 1 FROM dual;", OracleError(933, "SQL command not properly ended", 18))
    with pytest.raises(SourceError, match="without a semicolon"):
        etl.fetchall("SELECT 1 FROM dual;", conn)


def test_a_missing_driver_names_the_extra(url, monkeypatch):
    real = builtins.__import__

    def without(name, *args):
        if name == "oracledb":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.delitem(sys.modules, "oracledb")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DriverError, match=r"rowferry\[oracle\]"):
        etl.connect(url)


def test_an_interrupted_fetch_leaves_the_connection_usable(oracle, conn):
    rows = [(number,) for number in range(10)]
    oracle.script("SELECT slow", Query(["N NUMBER(10)"], rows, at={5: Pause(60)}))
    with Reader(Reading("SELECT slow", conn)) as reader:

        def interrupt():
            until(lambda: oracle.count(sql="SELECT slow"))
            reader.interrupt()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(SourceError, match="ORA-01013"):
            reader.fetch(10)
        thread.join()
    assert len(etl.fetchall(NUMBERS, conn)) == 12_000


def test_an_interrupt_that_came_too_late_ends_no_other_statement(conn):
    with Reader(Reading(NUMBERS, conn)) as reader:
        reader.fetch(10)
        reader.interrupt()
    assert etl.fetchone(NUMBERS, conn) == {"N": 0}


def test_lost_is_what_another_connection_can_mend(conn):
    database, _ = recognise(conn)
    lost = lambda code, **details: database.is_lost(
        conn, oracledb.Error(FakeError(code, **details))
    )
    assert all(map(lost, ["ORA-01555", "DPY-4024", "ORA-02396", "ORA-00028"]))
    assert lost("ORA-12514", isrecoverable=True)
    assert not lost("ORA-00942")
    assert not lost("ORA-01013")
    assert not database.is_lost(conn, ValueError("no code"))


class FakeError:
    """What an exception of the driver knows."""

    def __init__(self, full_code, *, isrecoverable=False):
        self.full_code = full_code
        self.isrecoverable = isrecoverable


# The job of the seed, as it is documented.


def test_rows_go_from_oracle_to_an_api(oracle, monkeypatch):
    since = dt.datetime(2024, 1, 1)  # as Oracle's DATE
    dictionary = [(f"C{number}", f"sensor {number} é", since) for number in range(3000)]
    columns = ["CODE VARCHAR2(20)", "DESCRIPTION VARCHAR2(100)"]
    newer = lambda binds: [row[:2] for row in dictionary if row[2] >= binds["since"]]
    oracle.script(
        "SELECT code, description FROM bgs.dic_sen_sensor WHERE date_updated > :since",
        Query(columns, newer),
    )
    monkeypatch.setenv("ORACLE_PASSWORD", "tiger")
    oracle_db = etl.DbParams(
        dbtype="ORACLE", host="127.0.0.1", port=oracle.port, dbname="STANDIN", user="scott"
    )

    def transform(chunk):
        for row in chunk:
            yield {"sample_code": row["CODE"], "description": row["DESCRIPTION"]}

    with FakeApi() as api, oracle_db.connect("ORACLE_PASSWORD") as conn:
        report = etl.copy_to_api(
            "SELECT code, description FROM bgs.dic_sen_sensor WHERE date_updated > :since",
            conn,
            api.url,
            parameters={"since": since},
            transform=transform,
        )
        arrived = sorted(api.records, key=lambda record: int(record["sample_code"][1:]))
    assert report.delivered == 3000
    assert arrived == [{"sample_code": row[0], "description": row[1]} for row in dictionary]


# What is said of it.


def test_nothing_of_a_live_oracle_is_collected_without_its_url():
    has_url = bool(os.environ.get("ROWFERRY_ORACLE_URL"))
    assert ("oracledb" in [database.driver for database in conftest.HERE]) == has_url
    assert ("test_oracle_live.py" in conftest.collect_ignore) != has_url


def test_what_only_a_live_server_can_tell_is_listed():
    file = Path(__file__).with_name("test_oracle_live.py")
    names = [
        node.name
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    words = lambda text: text.lower().replace(",", "").replace(" ", "_")
    assert {name.removeprefix("test_") for name in names} == set(map(words, ONLY_LIVE))
    page = Path(__file__).parents[1] / "docs" / "databases.md"
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert [line for line in ONLY_LIVE if line not in text] == []
