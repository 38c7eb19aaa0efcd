"""
The real driver python-oracledb, in thin mode, against the protocol stand-in.

These hold the stand-in to what the driver asks and decodes; they say nothing of a live Oracle.
"""

import asyncio
import contextlib
import gc
import os
import signal
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from standins.oracle.readings import INSERT, SELECT, process, readings
from standins.oracle.values import (
    DECODERS,
    encode_binary_double,
    encode_date,
    encode_number,
    encode_timestamp,
)

oracledb = pytest.importorskip("oracledb", reason="no python-oracledb: pip install oracledb")

NUMBERS = "SELECT n FROM numbers"
ECHO = "SELECT :value FROM dual"
ADD = "INSERT INTO sensors (code, description) VALUES (:code, :description)"
MIDNIGHT = datetime(2024, 1, 2)  # Oracle's DATE has no zone
ALL = "SELECT code, description FROM sensors"


@pytest.fixture
def sensors():
    columns = ("CODE NUMBER(10) NOT NULL", "DESCRIPTION VARCHAR2(10)")
    return Table(*columns, key=("CODE",), name="SENSORS")


@pytest.fixture
def oracle(sensors):
    """A stand-in with an empty table `sensors` and a query of the numbers up to 1,000."""
    numbers = Query(["N NUMBER(10)"], [(number,) for number in range(1000)])
    with Oracle({ADD: Insert(sensors), ALL: Query(sensors), NUMBERS: numbers}) as oracle:
        yield oracle


@pytest.fixture
def connect(oracle):
    """Open connections to it; they are closed after the test."""
    opened = []

    def connect(**options):
        options = {"user": "scott", "password": "tiger", "dsn": oracle.dsn} | options
        opened.append(oracledb.connect(**options))
        return opened[-1]

    yield connect
    for conn in opened:
        with contextlib.suppress(oracledb.Error):
            conn.close()


@pytest.fixture
def conn(connect):
    return connect()


@pytest.fixture
def cursor(conn):
    return conn.cursor()


@pytest.fixture
def decimals(monkeypatch):
    monkeypatch.setattr(oracledb.defaults, "fetch_decimals", True)


@pytest.fixture
def no_lobs(monkeypatch):
    monkeypatch.setattr(oracledb.defaults, "fetch_lobs", False)


@contextlib.contextmanager
def refused(code, text=None):
    """Expect the driver to raise this code; give the error once it has."""
    with pytest.raises(oracledb.Error, match=text) as raised:
        yield raised
    assert raised.value.args[0].full_code == code


def error_of(raised):
    return raised.value.args[0]


# login


def test_the_right_password_gives_a_session_and_the_servers_version(conn):
    assert conn.version == "23.26.1.0.0"
    assert conn.thin
    assert conn.service_name == "STANDIN"


@pytest.mark.parametrize("login", [{"password": "lion"}, {"user": "nobody"}])
def test_another_password_or_user_is_denied(connect, login):
    with refused("ORA-01017", "logon denied"):
        connect(**login)


def test_another_service_is_refused_by_the_listener(connect, oracle):
    with pytest.raises(oracledb.Error) as raised:
        connect(dsn=f"127.0.0.1:{oracle.port}/NOWHERE")
    assert "ORA-12514" in str(raised.value.__cause__ or raised.value)


def test_a_long_connect_descriptor_comes_in_a_packet_of_its_own(connect, oracle):
    comment = "(DESCRIPTION_LIST=" + "(LOAD_BALANCE=on)" * 20
    assert len(comment) > 230
    address = f"(ADDRESS=(PROTOCOL=TCP)(HOST=127.0.0.1)(PORT={oracle.port}))"
    program = "p" * 250
    dsn = f"(DESCRIPTION={address}(CONNECT_DATA=(SERVICE_NAME=STANDIN)))"
    assert connect(dsn=dsn, program=program).is_healthy()


def test_users_and_service_are_the_servers(monkeypatch):
    with Oracle({}, users={"ADA": "ünïcode pass"}, service="OTHER") as oracle:
        oracledb.connect(user="Ada", password="ünïcode pass", dsn=oracle.dsn).close()


def test_a_connection_that_is_closed_is_gone_and_one_that_is_left_is_closed_with_the_server(oracle):
    conn = oracledb.connect(user="scott", password="tiger", dsn=oracle.dsn)
    assert oracle.open_connections == 1
    conn.close()
    until(lambda: not oracle.open_connections)
    assert [call.name for call in oracle.calls] == ["logoff"]


# values, by the driver's own encoder and decoder


@pytest.fixture(scope="module")
def echo():
    """Send a value there and back, as a column that is declared so; give both ends' view."""
    column = ["NUMBER"]
    query = lambda: Query([f"VALUE {column[0]}"], lambda binds: [(binds["value"],)])
    with Oracle({}) as oracle:
        login = {"user": "scott", "password": "tiger", "dsn": oracle.dsn}
        conn = oracledb.connect(**login, stmtcachesize=0)  # it would keep the defaults of then

        def echo(declared, value, bind_type=None):
            column[0] = declared
            sql = f"{ECHO} -- {declared}"
            oracle.script(sql, query())
            with conn.cursor() as cursor:
                if bind_type is not None:
                    cursor.setinputsizes(value=bind_type)
                cursor.execute(sql, value=value)
                (fetched,) = cursor.fetchone()
            (bound,) = next(call.binds for call in oracle.calls if call.binds)
            oracle.calls.clear()
            return bound[0], fetched

        yield echo
        conn.close()


whole_numbers = st.integers(-(10**38) + 1, 10**38 - 1)
numbers = st.builds(
    lambda number, exponent: Decimal(number).scaleb(exponent), whole_numbers, st.integers(-120, 80)
).filter(lambda number: not number or Decimal("1e-129") < abs(number) < Decimal("1e126"))
moments = st.datetimes(MIDNIGHT.replace(year=1), MIDNIGHT.replace(year=9999))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=1000)


@pytest.fixture(scope="module")
def written(echo):
    """Give the bytes that the driver writes for a value."""
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        for code, decode in list(DECODERS.items()):
            look = lambda data, decode=decode: seen.append(data) or decode(data)
            patch.setitem(DECODERS, code, look)

        def written(declared, value, bind_type=None):
            echo(declared, value, bind_type)
            return seen.pop()

        yield written


@given(numbers, moments, st.floats(allow_nan=False))
def test_the_stand_in_writes_what_the_driver_writes(written, number, moment, double):
    assert encode_number(number) == written("NUMBER", number)
    assert encode_date(moment) == written("DATE", moment, oracledb.DB_TYPE_DATE)
    assert encode_timestamp(moment) == written("TIMESTAMP", moment, oracledb.DB_TYPE_TIMESTAMP)
    assert encode_binary_double(double) == written(
        "BINARY_DOUBLE", double, oracledb.DB_TYPE_BINARY_DOUBLE
    )


@given(whole_numbers)
def test_whole_numbers_of_38_digits_go_both_ways(echo, number):
    assert echo("NUMBER(38)", number) == (number, number)


@given(numbers)
def test_numbers_of_any_exponent_go_both_ways(echo, number):
    oracledb.defaults.fetch_decimals = True
    try:
        assert echo("NUMBER", number) == (number, number)
    finally:
        oracledb.defaults.fetch_decimals = False


@pytest.mark.parametrize(
    "text",
    ["0", "1", "-1", "100", "-100", "0.01", "-0.001", "99.99", "1e125", "-1e-129", "0.1e-5"],
)
def test_numbers_at_the_edges_of_their_format_go_both_ways(echo, decimals, text):
    assert echo("NUMBER", Decimal(text)) == (Decimal(text), Decimal(text))


@pytest.mark.parametrize("number", [10**126, Decimal("1e-131"), 10**41 + 1, float("nan")])
def test_what_is_no_oracle_number_is_not_sent(number):
    with pytest.raises(ValueError):
        encode_number(number)


@given(st.floats(allow_nan=False))
def test_doubles_go_both_ways(echo, number):
    double = oracledb.DB_TYPE_BINARY_DOUBLE
    assert echo("BINARY_DOUBLE", number, double) == (number, number)


@given(st.floats(allow_nan=False, width=32))
def test_floats_go_both_ways(echo, number):
    assert echo("BINARY_FLOAT", number, oracledb.DB_TYPE_BINARY_FLOAT) == (number, number)


@given(moments)
def test_dates_go_both_ways_to_the_second(echo, moment):
    second = moment.replace(microsecond=0)
    assert echo("DATE", moment, oracledb.DB_TYPE_DATE) == (second, second)


def test_dates_without_a_time_are_bound_at_midnight(echo):
    assert echo("DATE", date(2024, 1, 2)) == (MIDNIGHT, MIDNIGHT)


@given(moments)
def test_timestamps_go_both_ways(echo, moment):
    assert echo("TIMESTAMP(6)", moment, oracledb.DB_TYPE_TIMESTAMP) == (moment, moment)
    local = "TIMESTAMP WITH LOCAL TIME ZONE"
    assert echo(local, moment, oracledb.DB_TYPE_TIMESTAMP_LTZ) == (moment, moment)


@given(moments)
def test_what_the_driver_binds_with_a_zone_is_in_utc(echo, moment):
    bound, _ = echo("TIMESTAMP", moment, oracledb.DB_TYPE_TIMESTAMP_TZ)
    assert bound == moment.replace(tzinfo=UTC)


@given(texts)
def test_text_goes_both_ways(echo, text):
    assert echo("VARCHAR2(4000)", text) == (text, text)
    assert echo("NVARCHAR2(4000)", text, oracledb.DB_TYPE_NVARCHAR) == (text, text)


@given(st.binary(min_size=1, max_size=2000))
def test_bytes_go_both_ways(echo, data):
    assert echo("RAW(2000)", data) == (data, data)


@given(st.timedeltas(timedelta(days=-99999), timedelta(days=99999)))
def test_intervals_go_both_ways(echo, interval):
    assert echo("INTERVAL DAY TO SECOND", interval) == (interval, interval)


@pytest.mark.parametrize("size", [1, 252, 253, 32_767, 32_768, 200_000])
def test_long_text_and_long_bytes_go_both_ways(echo, size):
    assert echo("LONG", "x" * size) == ("x" * size, "x" * size)
    assert echo("LONG RAW", b"x" * size) == (b"x" * size, b"x" * size)


@pytest.mark.parametrize("value", [True, False])
def test_booleans_go_both_ways(echo, value):
    assert echo("BOOLEAN", value, oracledb.DB_TYPE_BOOLEAN) == (value, value)


TYPES = ["NUMBER", "VARCHAR2(10)", "DATE", "TIMESTAMP WITH TIME ZONE", "RAW(9)", "BINARY_DOUBLE"]


@pytest.mark.parametrize("declared", [*TYPES, "BOOLEAN", "CHAR(3)", "LONG", "CLOB", "JSON"])
def test_null_goes_both_ways(echo, declared):
    assert echo(declared, None) == (None, None)


def test_an_empty_string_is_null(echo):
    assert echo("VARCHAR2(10)", "") == (None, None)


@given(moments, offsets)
def test_a_timestamp_with_a_zone_comes_as_the_clock_of_its_zone_showed(zoned, moment, offset):
    """The driver drops the zone; a live server's does so too, by its documentation."""
    assert zoned(moment.replace(tzinfo=offset)) == moment


@pytest.fixture(scope="module")
def zoned():
    """Fetch a value that the server has."""
    sql, value = "SELECT t FROM zoned", []
    query = Query(["T TIMESTAMP(6) WITH TIME ZONE"], lambda binds: [(value[-1],)])
    with Oracle({sql: query}) as oracle:
        conn = oracledb.connect(user="scott", password="tiger", dsn=oracle.dsn)

        def zoned(moment):
            value.append(moment)
            return conn.cursor().execute(sql).fetchone()[0]

        yield zoned
        conn.close()


def test_a_zone_that_has_a_name_is_one_that_the_driver_refuses(oracle, cursor):
    cell = Wire(bytes([120, 124, 1, 2, 4, 5, 6, 0, 0, 0, 0, 0x80 | 3, 60]))
    oracle.script("SELECT named", Query(["T TIMESTAMP WITH TIME ZONE"], [(cell,)]))
    with refused("DPY-3022", "named time zones"):
        cursor.execute("SELECT named").fetchall()


def test_a_column_is_described_as_it_was_declared(oracle, cursor):
    columns = [
        "A NUMBER(12,2) NOT NULL",
        "B NUMBER",
        "C VARCHAR2(40)",
        "D RAW(16)",
        "E TIMESTAMP(3)",
    ]
    oracle.script("SELECT all types", Query([*columns, "F BFILE"]))
    cursor.execute("SELECT all types")
    assert [column[0] for column in cursor.description] == list("ABCDEF")
    assert [column[1].name.removeprefix("DB_TYPE_") for column in cursor.description] == [
        *("NUMBER", "NUMBER", "VARCHAR", "RAW", "TIMESTAMP", "BFILE")
    ]
    precisions = [column[4:6] for column in cursor.description[:2]]
    assert precisions == [(12, 2), (0, -127)]
    assert [column[2] for column in cursor.description[2:4]] == [40, 16]
    assert [column[6] for column in cursor.description[:2]] == [False, True]


# queries


def test_rows_come_in_as_many_batches_as_the_driver_asks_for(oracle, cursor):
    cursor.prefetchrows, cursor.arraysize = 10, 300
    rows = cursor.execute(NUMBERS).fetchall()
    assert rows == [(number,) for number in range(1000)]
    assert [(call.name, call.rows) for call in oracle.calls] == [
        ("execute", 10),
        *[("fetch", 300)] * 4,
    ]


@pytest.mark.parametrize("prefetch", [0, 1, 999, 1000, 1001])
def test_the_last_batch_is_whole_whatever_its_size(oracle, cursor, prefetch):
    cursor.prefetchrows, cursor.arraysize = prefetch, 1000
    assert len(cursor.execute(NUMBERS).fetchall()) == 1000
    assert len(cursor.execute(NUMBERS).fetchall()) == 1000
    assert cursor.rowcount == 1000


def test_a_query_that_is_repeated_is_not_parsed_again(oracle, cursor):
    for _ in range(3):
        cursor.execute(NUMBERS).fetchone()
    names = ["execute", "reexecute_and_fetch", "reexecute_and_fetch"]
    assert [call.name for call in oracle.calls] == names
    assert oracle.count(sql=NUMBERS) == 3


def test_two_queries_of_a_connection_are_fetched_in_turn(conn):
    first, second = (conn.cursor().execute(NUMBERS) for _ in range(2))
    for number in range(1000):
        assert first.fetchone() == second.fetchone() == (number,)


def test_a_row_larger_than_a_packet_comes_whole(oracle, cursor):
    row = ("é" * 2000, "x" * 4000, b"\xff" * 2000)
    columns = ["A VARCHAR2(4000)", "B VARCHAR2(4000)", "C RAW(2000)"]
    oracle.script("SELECT large", Query(columns, [row] * 50))
    assert cursor.execute("SELECT large").fetchall() == [row] * 50


@pytest.mark.parametrize("binds", [{"low": 3, "high": 5}, [3, 5]])
def test_binds_by_name_and_by_position_reach_the_query(oracle, cursor, binds):
    sql = "SELECT n FROM numbers WHERE n BETWEEN :low AND :high"
    between = lambda binds: [(number,) for number in range(binds["low"], binds["high"] + 1)]
    oracle.script(sql, Query(["N NUMBER(10)"], between))
    assert cursor.execute(sql, binds).fetchall() == [(3,), (4,), (5,)]
    assert oracle.calls[0].binds == ([3, 5],)


def test_binds_of_a_query_may_change_value_and_type(oracle, cursor):
    sql = "SELECT :1 FROM dual"
    oracle.script(sql, Query(["A VARCHAR2(4000)"], lambda binds: [(str(binds["1"]),)]))
    values = ["a", "b", "a longer one" * 100, 7, None, MIDNIGHT]
    fetched = [cursor.execute(sql, [value]).fetchone()[0] for value in values]
    assert fetched == [str(value) for value in values]


def test_a_query_of_a_table_may_choose_and_order_its_rows(oracle, sensors, cursor):
    sql = "SELECT code FROM sensors WHERE code > :after ORDER BY code"
    after = lambda rows, binds: sorted((row[0],) for row in rows if row[0] > binds["after"])
    oracle.script(sql, Query(["CODE NUMBER(10)"], after, table=sensors))
    cursor.executemany(ADD, [(code, "x") for code in (5, 1, 3)])
    assert cursor.connection.cursor().execute(sql, [1]).fetchall() == [(3,), (5,)]


def test_more_statements_than_the_driver_keeps_cursors_for_are_served(oracle, conn):
    queries = {f"SELECT {number} FROM dual": number for number in range(60)}
    for sql, number in queries.items():
        oracle.script(sql, Query(["N NUMBER(10)"], [(number,)]))
    for _ in range(2):
        for sql, number in queries.items():
            assert conn.cursor().execute(sql).fetchall() == [(number,)]


def test_a_pool_gives_its_connections_again(oracle):
    login = {"user": "scott", "password": "tiger", "dsn": oracle.dsn}
    with contextlib.closing(oracledb.create_pool(**login, min=1, max=2)) as pool:
        for _ in range(3):
            with pool.acquire() as conn, conn.cursor() as cursor:
                assert cursor.execute(NUMBERS).fetchone() == (0,)
    assert {call.session for call in oracle.calls} == {1}


def test_what_the_driver_says_of_its_program_is_read_over(conn, cursor):
    conn.module, conn.action, conn.clientinfo = "nightly", "load é", "x" * 60
    conn.current_schema = "BGS"
    assert cursor.execute(NUMBERS).fetchone() == (0,)


def test_white_space_makes_no_difference_to_a_statement(oracle, cursor):
    assert cursor.execute("SELECT n\n  FROM numbers").fetchone() == (0,)


def test_a_statement_without_a_script_is_an_error_that_names_it(cursor):
    with refused("ORA-00900", "no script for 'SELECT 2'"):
        cursor.execute("SELECT  2")


def test_the_awaitable_face_of_the_driver_is_served_too(oracle):
    async def fetch():
        login = {"user": "scott", "password": "tiger", "dsn": oracle.dsn}
        async with oracledb.connect_async(**login) as conn, conn.cursor() as cursor:
            await cursor.execute(NUMBERS)
            return await cursor.fetchall()

    assert len(asyncio.run(fetch())) == 1000


# LOBs

LOBS = [(1, "é😀" * 30_000, b"\x00\xff" * 40_000), (2, None, None), (3, "x", b"y")]
DOCUMENTS = "SELECT id, body, scan FROM documents"


@pytest.fixture
def documents(oracle):
    oracle.script(DOCUMENTS, Query(["ID NUMBER(10)", "BODY CLOB", "SCAN BLOB"], LOBS))


@pytest.mark.usefixtures("documents", "no_lobs")
def test_lobs_come_in_the_rows_as_str_and_bytes(oracle, cursor):
    assert cursor.execute(DOCUMENTS).fetchall() == LOBS
    assert [call.name for call in oracle.calls] == ["execute", "execute", "fetch"]
    assert cursor.execute(DOCUMENTS).fetchall() == LOBS
    assert [call.name for call in oracle.calls[3:]] == ["execute", "fetch"]


@pytest.mark.usefixtures("documents")
def test_lobs_come_as_locators_that_are_read_one_by_one(oracle, cursor):
    rows = cursor.execute(DOCUMENTS).fetchall()
    assert [row[1] and row[1].size() for row in rows] == [90_000, None, 1]  # in UTF-16
    read = lambda lob: lob and lob.read()
    assert [(number, read(body), read(scan)) for number, body, scan in rows] == LOBS
    assert rows[0][2].read(3, 4) == b"\x00\xff\x00\xff"
    assert oracle.count("lob_op") == 5


@pytest.mark.usefixtures("no_lobs")
def test_long_text_and_bytes_are_bound_without_a_round_trip_each(oracle, cursor):
    table = Table("ID NUMBER(10)", "BODY CLOB", "SCAN BLOB")
    oracle.script("INSERT INTO documents VALUES (:1, :2, :3)", Insert(table))
    cursor.executemany("INSERT INTO documents VALUES (:1, :2, :3)", LOBS)
    assert oracle.count() == 1
    oracle.script(DOCUMENTS, Query(table))
    assert cursor.execute(DOCUMENTS).fetchall() == LOBS


def test_a_temporary_lob_is_written_bound_and_freed(oracle, conn, cursor):
    table = Table("ID NUMBER(10)", "BODY CLOB")
    oracle.script("INSERT INTO documents VALUES (:1, :2)", Insert(table))
    lob = conn.createlob(oracledb.DB_TYPE_CLOB)
    lob.write("hello é")
    lob.write("J")
    lob.write(" again", lob.size() + 1)
    lob.trim(10)
    cursor.execute("INSERT INTO documents VALUES (:1, :2)", [1, lob])
    assert list(conn.cursor().execute(NUMBERS)) != []
    del lob
    gc.collect()
    conn.commit()
    assert list(table.rows.values()) == [(1, "Jello é ag")]


# changes


def test_what_is_inserted_is_seen_by_others_after_a_commit(oracle, sensors, connect, conn, cursor):
    other = connect().cursor()
    cursor.execute(ADD, {"code": 1, "description": "one"})
    assert cursor.rowcount == 1
    assert cursor.execute(ALL).fetchall() == [(1, "one")]
    assert other.execute(ALL).fetchall() == []
    conn.commit()
    assert other.execute(ALL).fetchall() == [(1, "one")]
    assert (oracle.commits, oracle.count("commit")) == (1, 1)


def test_what_is_rolled_back_is_gone(oracle, sensors, conn, cursor):
    cursor.execute(ADD, [1, "one"])
    conn.rollback()
    assert cursor.execute(ALL).fetchall() == []
    assert oracle.count("rollback") == 1
    assert sensors.rows == {}


def test_closing_a_connection_rolls_back(oracle, sensors, connect):
    conn = connect()
    conn.cursor().execute(ADD, [1, "one"])
    conn.close()
    until(lambda: not oracle.open_connections)
    assert sensors.rows == {}
    assert [call.name for call in oracle.calls] == ["execute", "rollback", "logoff"]


def test_commits_of_two_sessions_add_up(sensors, connect):
    first, second = connect(), connect()
    first.cursor().execute(ADD, [1, "one"])
    second.cursor().execute(ADD, [2, "two"])
    first.commit()
    second.commit()
    assert list(sensors.rows.values()) == [(1, "one"), (2, "two")]


def test_in_autocommit_each_statement_commits_in_its_own_round_trip(oracle, sensors, conn, cursor):
    conn.autocommit = True
    for code in range(3):
        cursor.execute(ADD, [code, "x"])
    assert len(sensors.rows) == 3
    assert oracle.count() == oracle.commits == 3


def test_an_array_of_binds_is_one_round_trip(oracle, conn, cursor):
    rows = [(code, f"s{code}" if code % 3 else None) for code in range(5000)]
    cursor.executemany(ADD, rows)
    assert cursor.rowcount == 5000
    assert oracle.count() == 1
    assert oracle.calls[0].binds == tuple(map(list, rows))
    conn.commit()
    cursor.arraysize = 5000
    assert conn.cursor().execute(ALL).fetchall() == rows


def test_batch_errors_have_their_rows_and_the_others_stay(oracle, sensors, conn, cursor):
    rows = [(1, "a"), (1, "b"), (2, "longer than ten"), (None, "c"), (3, "d")]
    conn.autocommit = True  # which holds for what has no errors
    cursor.executemany(ADD, rows, batcherrors=True, arraydmlrowcounts=True)
    assert oracle.count() == 1
    assert cursor.getarraydmlrowcounts() == [1, 0, 0, 0, 1]
    assert sensors.rows == {}
    assert cursor.rowcount == 2
    errors = [(error.offset, error.full_code) for error in cursor.getbatcherrors()]
    assert errors == [(1, "ORA-00001"), (2, "ORA-12899"), (3, "ORA-01400")]
    assert "SENSORS_PK" in cursor.getbatcherrors()[0].message
    conn.commit()
    assert list(sensors.rows.values()) == [(1, "a"), (3, "d")]


def test_a_thousand_batch_errors_come_whole(cursor):
    cursor.executemany(ADD, [(1, "a")] * 1001, batcherrors=True)
    errors = cursor.getbatcherrors()
    assert [error.offset for error in errors] == list(range(1, 1001))


def test_without_batch_errors_the_first_one_ends_the_array(conn, cursor):
    with refused("ORA-00001"):
        cursor.executemany(ADD, [(1, "a"), (2, "b"), (1, "c"), (3, "d")])
    assert cursor.rowcount == 2
    assert conn.cursor().execute(ALL).fetchall() == [(1, "a"), (2, "b")]


def test_each_row_of_binds_may_have_its_count(oracle, sensors, cursor):
    def delete(rows, binds):
        gone = [key for key in rows if key[0] < binds["below"]]
        for key in gone:
            del rows[key]
        return len(gone)

    sql = "DELETE FROM sensors WHERE code < :below"
    oracle.script(sql, Change(sensors, delete))
    cursor.executemany(ADD, [(code, "x") for code in range(5)])
    cursor.executemany(sql, [{"below": 2}, {"below": 1}, {"below": 5}], arraydmlrowcounts=True)
    assert cursor.getarraydmlrowcounts() == [2, 0, 3]
    assert cursor.rowcount == 5


def test_a_change_may_do_what_a_merge_does(oracle, sensors, conn, cursor):
    def merge(rows, binds):
        rows[binds["code"],] = (binds["code"], binds["description"])
        return 1

    sql = "MERGE INTO sensors USING dual ON (code = :code) WHEN ... :description ..."
    oracle.script(sql, Change(sensors, merge))
    cursor.executemany(sql, [(1, "a"), (2, "b"), (1, "c")])
    assert cursor.rowcount == 3
    assert conn.cursor().execute(ALL).fetchall() == [(1, "c"), (2, "b")]


def test_a_block_of_plsql_takes_binds(oracle, cursor):
    block = "BEGIN log_run(:code, :text, :code); END;"
    oracle.script(block, Done())
    cursor.execute(block, code=1, text="x")
    assert oracle.calls[0].binds == ([1, "x"],)


def test_ddl_commits(oracle, sensors, cursor):
    oracle.script("CREATE TABLE other (id NUMBER)", Done(commits=True))
    cursor.execute(ADD, [1, "one"])
    cursor.execute("CREATE TABLE other (id NUMBER)")
    assert len(sensors.rows) == 1


# faults


def test_an_error_has_its_code_and_its_position(oracle, cursor):
    oracle.script(
        "SELECT * FROM nowhere", OracleError(942, 'table or view "NOWHERE" does not exist', 14)
    )
    for _ in range(2):
        with refused("ORA-00942", "does not exist") as raised:
            cursor.execute("SELECT * FROM nowhere")
        assert error_of(raised).offset == 14
    assert cursor.execute(NUMBERS).fetchone() == (0,)


def test_an_error_in_mid_fetch_leaves_the_connection_as_it_was(oracle, conn, cursor):
    too_old = OracleError(1555, "snapshot too old: rollback segment number 1 too small")
    query = Query(["N NUMBER(10)"], [(number,) for number in range(1000)], at={500: Once(too_old)})
    oracle.script("SELECT old", query)
    fetched = []
    with refused("ORA-01555", "snapshot too old"):
        fetched.extend(cursor.execute("SELECT old"))
    assert conn.is_healthy()
    assert len(cursor.execute("SELECT old").fetchall()) == 1000


def test_a_cut_in_mid_fetch_is_recoverable_on_another_connection(oracle, connect, conn, cursor):
    numbers = [(number,) for number in range(1000)]
    oracle.script("SELECT cut", Query(["N NUMBER(10)"], numbers, at={500: Once(Cut())}))
    fetched = []
    with refused("DPY-4011") as raised:
        for row in cursor.execute("SELECT cut"):
            fetched.append(row)  # noqa: PERF402 - those before the cut are wanted
    assert error_of(raised).isrecoverable
    assert fetched == numbers[: len(fetched)]
    assert 300 < len(fetched) <= 500
    assert not conn.is_healthy()
    assert connect().cursor().execute("SELECT cut").fetchall() == numbers


def test_a_cut_in_an_array_of_binds_loses_what_was_not_committed(oracle, sensors, cursor):
    oracle.script(ADD, Insert(sensors, at={2: Cut()}))
    with refused("DPY-4011"):
        cursor.executemany(ADD, [(code, "x") for code in range(5)])
    until(lambda: not oracle.open_connections)
    assert sensors.rows == {}


@pytest.fixture
def slow(oracle):
    rows = [(number,) for number in range(1000)]
    oracle.script("SELECT slow", Query(["N NUMBER(10)"], rows, at={500: Once(Pause(60))}))


@pytest.mark.usefixtures("slow")
def test_a_pause_ends_with_the_drivers_timeout_and_the_connection_goes_on(conn, cursor):
    conn.call_timeout = 500
    with refused("DPY-4024"):
        cursor.execute("SELECT slow").fetchall()
    conn.call_timeout = 0
    assert len(cursor.execute(NUMBERS).fetchall()) == 1000


@pytest.mark.usefixtures("slow")
def test_a_pause_ends_when_another_thread_cancels(oracle, conn, cursor):
    cursor.execute("SELECT slow")
    began = oracle.count()

    def cancel():
        until(lambda: oracle.count() > began + 4)  # the fetch that pauses
        conn.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with refused("ORA-01013"):
        cursor.fetchall()
    thread.join()
    assert conn.is_healthy()
    assert len(cursor.execute("SELECT slow").fetchall()) == 1000


@pytest.mark.usefixtures("slow")
def test_ctrl_c_ends_a_pause_and_the_connection_goes_on(oracle, cursor):
    def interrupt():
        until(lambda: oracle.count() > 5)  # the fetch that pauses
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        cursor.execute("SELECT slow").fetchall()
    thread.join()
    assert len(cursor.execute(NUMBERS).fetchall()) == 1000


def test_a_server_that_does_not_heed_a_break_is_given_up(oracle, conn, cursor):
    oracle.script("SELECT dead", Query(["N NUMBER(10)"], [(1,)], at={0: Pause(60, deaf=True)}))
    conn.call_timeout = 200
    with refused("DPY-4011"):
        cursor.execute("SELECT dead")
    assert not conn.is_healthy()


def test_a_pause_that_is_over_changes_nothing(oracle, cursor):
    rows = [(number,) for number in range(10)]
    oracle.script("SELECT late", Query(["N NUMBER(10)"], rows, at={5: Pause(0.05)}))
    assert cursor.execute("SELECT late").fetchall() == rows


def test_a_cancel_between_calls_ends_the_next_one(conn, cursor):
    conn.cancel()
    with refused("ORA-01013"):
        cursor.execute(NUMBERS)
    assert len(cursor.execute(NUMBERS).fetchall()) == 1000


def test_a_cursor_that_scrolls_is_refused(conn):
    with refused("ORA-03001", "scrollable"):
        conn.cursor(scrollable=True).execute(NUMBERS)


def test_what_the_stand_in_does_not_speak_is_an_error_and_no_hang(cursor):
    large = "x" * 100_000
    with refused("ORA-03001", "RETURNING INTO"):
        cursor.execute(
            "INSERT INTO sensors VALUES (:1) RETURNING code INTO :2", [large, cursor.var(int)]
        )
    assert len(cursor.execute(NUMBERS).fetchall()) == 1000


def test_a_ping_is_a_round_trip(oracle, conn):
    conn.ping()
    assert [call.name for call in oracle.calls] == ["ping"]


def test_the_server_ends_the_connections_that_are_left_when_it_ends():
    with Oracle({}) as oracle:
        conn = oracledb.connect(user="scott", password="tiger", dsn=oracle.dsn)
    with refused("DPY-4011"):
        conn.ping()


# a process of its own


def test_a_stand_in_runs_as_a_process_of_its_own(decimals):
    with process(3000) as dsn, oracledb.connect(user="scott", password="tiger", dsn=dsn) as conn:
        cursor = conn.cursor()
        cursor.arraysize = 1000
        rows = cursor.execute(SELECT).fetchall()
        assert rows == list(readings(3000))
        cursor.executemany(INSERT, [list(row) for row in rows])
        assert cursor.rowcount == 3000
