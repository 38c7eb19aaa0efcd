"""What only MySQL and MariaDB do, by both of their drivers."""

import datetime as dt
import json
import subprocess
import sys
import time
import tracemalloc
from contextlib import closing, suppress
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conftest import PLACES
from rowferry import (
    RawJSON,
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
from rowferry.column_types import ColumnType
from rowferry.databases import recognise
from rowferry.databases.contract import Reading, Unreadable
from rowferry.databases.mysql_insert import template
from rowferry.databases.mysql_literals import fixed_zone
from rowferry.databases.mysql_types import column_type, declaration
from rowferry.databases.mysql_values import JSON, loaders
from rowferry.exceptions import BadIdentifierError, ConnectError, InsertError, SourceError
from rowferry.reader import Query, Reader
from rowferry.row_factories import tuple_row_factory

tuples = tuple_row_factory

DRIVERS = ("pymysql", "MySQLdb")
MANY = "SELECT seq, repeat('x', 100) AS text FROM seq_1_to_300000"
"""Far more than the buffers between server and client hold."""


@pytest.fixture(params=DRIVERS)
def driver(request):
    return request.param


@pytest.fixture
def login(driver, request, tmp_path):
    """Open connections to an empty database; they are closed after the test."""
    make = PLACES[driver](request, tmp_path)
    opened = []

    def login(**options):
        opened.append(make(**options))
        return opened[-1]

    yield login
    for conn in opened:
        with suppress(Exception):
            conn.close()


@pytest.fixture
def conn(login):
    return login()


@pytest.fixture
def watch(mariadb):
    """Another connection, which looks at the others and ends them."""
    with closing(connect_to(f"{mariadb.url[:-4]}mysql", autocommit=True)) as conn:
        yield conn


def read_tolerantly(query, conn):
    with Reader(Query(query, conn, (), tuples), tolerant=True) as reader:
        return reader.fetch(1000), reader.kinds


# Types.

ALL_TYPES = """
CREATE TABLE cells (
    i INT, u BIGINT UNSIGNED, b BIT(9), y YEAR, e ENUM('a', 'b'), s SET('x', 'y'), t TEXT,
    bin_text VARCHAR(9) COLLATE utf8mb4_bin, bl BLOB, vb VARBINARY(9), g GEOMETRY,
    d DECIMAL(38, 10), f FLOAT, db DOUBLE, at DATETIME(6), ts TIMESTAMP NULL, da DATE, ti TIME(3),
    nothing INT
)
"""
A_ROW = {
    "i": -1,
    "u": 2**64 - 1,
    "b": 0b101000001,
    "y": 2026,
    "e": "b",
    "s": "x,y",
    "t": "grün 🌿 \\ ' \" \n \0 %s",
    "bin_text": "Ä",
    "bl": b"\xff\x00'\\\"\x1a\n",
    "vb": b"\x80",
    "g": bytes(4) + bytes.fromhex("0101000000000000000000F03F0000000000000040"),
    "d": Decimal("1234567890123456789012345678.0123456789"),
    "f": 0.1,
    "db": 1e-300,
    "at": dt.datetime(2026, 1, 2, 3, 4, 5, 678901),
    "ts": dt.datetime(2026, 1, 2, 3, 4, 5),
    "da": dt.date(9999, 12, 31),
    "ti": dt.timedelta(hours=-838, minutes=-59, seconds=-58, milliseconds=-5),
    "nothing": None,
}


def test_every_type_is_stored_and_read_exactly(conn):
    execute(ALL_TYPES, conn)
    load("cells", conn, [A_ROW])
    assert fetchall("SELECT * FROM cells", conn) == [A_ROW]


def test_the_kinds_of_the_cells_are_their_types(conn):
    execute(ALL_TYPES, conn)
    load("cells", conn, [A_ROW])
    rows, kinds = read_tolerantly("SELECT * FROM cells", conn)
    assert rows == [tuple(A_ROW.values())]
    cells = zip(kinds.items(), A_ROW.items(), strict=True)
    assert [
        name for (name, kind), (_, cell) in cells if cell is not None and kind is not type(cell)
    ] == []


def test_dates_that_are_none_are_unreadable_and_spoil_nothing(conn):
    execute("SET sql_mode = 'ALLOW_INVALID_DATES'", conn)
    execute("CREATE TABLE days (day DATE, at DATETIME(2), ts TIMESTAMP NULL)", conn)
    execute("INSERT INTO days VALUES ('0000-00-00', '2026-02-31 01:02:03.5', 0)", conn)
    execute("INSERT INTO days VALUES ('2026-01-00', '2026-01-02', NULL)", conn)
    rows, _ = read_tolerantly("SELECT * FROM days", conn)
    assert [getattr(cell, "text", cell) for cell in rows[0]] == [
        *("0000-00-00", "2026-02-31 01:02:03.50", "0000-00-00 00:00:00")
    ]
    assert all(isinstance(cell, Unreadable) and cell.reason for cell in rows[0])
    assert rows[1][0].text == "2026-01-00"
    assert rows[1][1:] == (dt.datetime(2026, 1, 2), None)


def test_dates_that_are_none_come_as_text_and_are_copied_as_they_are(conn):
    execute("SET sql_mode = ''", conn)
    execute("CREATE TABLE days (day DATE)", conn)
    load("days", conn, [{"day": "0000-00-00"}, {"day": dt.date(2026, 1, 2)}])
    assert fetchall("SELECT day FROM days", conn, (), tuples) == [
        ("0000-00-00",),
        (dt.date(2026, 1, 2),),
    ]


def test_loaders_of_the_users_own_come_before_ours(driver, login, request):
    PLACES[driver](request, None)
    converters = pytest.importorskip(f"{driver}.converters")
    conn = login(conv={**converters.conversions, 10: lambda text: f"day {text}"})
    query = "SELECT DATE '2026-01-02' AS day"
    assert fetchone(query, conn) == {"day": "day 2026-01-02"}
    rows, kinds = read_tolerantly(query, conn)
    assert rows == [("day 2026-01-02",)]
    assert kinds is None


def test_json_of_a_json_column_comes_unparsed_where_it_is_asked_for():
    assert loaders(Reading(unread=True))[JSON]("[1]") == RawJSON("[1]")
    assert JSON not in loaders(Reading())


def test_values_without_a_type_of_their_own_are_stored_as_text(conn):
    execute(
        "CREATE TABLE texts (a JSON, b JSON, c CHAR(36), d JSON, e SET('x', 'y'), f TIME(6))", conn
    )
    identity = UUID(int=7)
    row = {
        "a": {"at": dt.date(2026, 1, 2), "name": "'ü'"},
        "b": [1, "zwei"],
        "c": identity,
        "d": RawJSON(b'{"a":  1}'),
        "e": {"x", "y"},
        "f": dt.time(1, 2, 3, 4),
    }
    load("texts", conn, [row])
    ((a, b, c, d, e, f),) = fetchall("SELECT * FROM texts", conn, (), tuples)
    assert json.loads(a) == {"at": "2026-01-02", "name": "'ü'"}
    assert json.loads(b) == [1, "zwei"]
    assert (c, d, e) == (str(identity), '{"a":  1}', "x,y")
    assert f == dt.timedelta(hours=1, minutes=2, seconds=3, microseconds=4)


@pytest.mark.parametrize(
    "value",
    [
        *(float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")),
        *(dt.time(1, tzinfo=dt.UTC), "\ud800", object()),
    ],
)
def test_what_mysql_cannot_hold_is_a_failed_row_and_its_neighbours_arrive(conn, value):
    execute("CREATE TABLE texts (a VARCHAR(99))", conn)
    failed = []
    rows = [{"a": "before"}, {"a": value}, {"a": "after"}]
    assert load("texts", conn, rows, on_error=failed.extend) == (3, 1)
    assert failed[0].row["a"] is value
    assert fetchall("SELECT a FROM texts", conn, (), tuples) == [("before",), ("after",)]


# Moments.


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("+00:00", dt.datetime(2026, 7, 1, 10)),
        ("-05:30", dt.datetime(2026, 7, 1, 4, 30)),
        ("SYSTEM", dt.datetime(2026, 7, 1, 10)),
        ("Test/Summer", dt.datetime(2026, 7, 1, 13)),
    ],
)
def test_a_moment_with_an_offset_is_stored_as_the_sessions_wall_clock_shows_it(
    conn, watch, zone, shown
):
    make_zone(watch, "Test/Summer", 3 * 3600)
    execute(f"SET time_zone = '{zone}'", conn)
    execute("CREATE TABLE moments (at DATETIME(6), ts TIMESTAMP(6) NULL)", conn)
    moment = dt.datetime(2026, 7, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    load("moments", conn, [{"at": moment, "ts": moment}])
    assert fetchall("SELECT at, ts FROM moments", conn, (), tuples) == [(shown, shown)]
    execute("SET time_zone = '+00:00'", conn)
    assert fetchone("SELECT ts FROM moments", conn, (), tuples) == (dt.datetime(2026, 7, 1, 10),)
    execute(f"SET time_zone = '{zone}'", conn)
    assert fetchone("SELECT ts = %s AS same FROM moments", conn, (moment,)) == {"same": 1}


def test_a_moment_beyond_the_zones_of_the_server_is_a_failed_row(conn, watch):
    make_zone(watch, "Test/Summer", 3 * 3600)
    execute("SET time_zone = 'Test/Summer'", conn)
    execute("CREATE TABLE moments (at DATETIME)", conn)
    moment = dt.datetime(1950, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(InsertError, match="1970 to 2037"):
        load("moments", conn, [{"at": moment}])
    execute("SET time_zone = '+01:00'", conn)
    load("moments", conn, [{"at": moment}])
    assert fetchone("SELECT at FROM moments", conn) == {"at": dt.datetime(1950, 1, 1, 1)}


def make_zone(conn, name, offset):
    """Teach the server a time zone, as mariadb-tzinfo-to-sql does."""
    if fetchone("SELECT 1 FROM mysql.time_zone_name WHERE name = %s", conn, (name,)):
        return
    execute("INSERT INTO mysql.time_zone (use_leap_seconds) VALUES ('N')", conn)
    number = fetchone("SELECT max(time_zone_id) AS n FROM mysql.time_zone", conn)["n"]
    execute("INSERT INTO mysql.time_zone_name VALUES (%s, %s)", conn, (name, number))
    execute("INSERT INTO mysql.time_zone_transition VALUES (%s, -2147483648, 0)", conn, (number,))
    values = (number, 0, offset, 0, "TS")
    execute("INSERT INTO mysql.time_zone_transition_type VALUES (%s, %s, %s, %s, %s)", conn, values)


def test_offsets_of_a_session_are_known_where_they_never_change():
    assert fixed_zone("+05:30", "CET") == dt.timezone(dt.timedelta(hours=5, minutes=30))
    assert fixed_zone("-01:00", "UTC") == dt.timezone(dt.timedelta(hours=-1))
    assert fixed_zone("SYSTEM", "UTC") == dt.UTC
    assert fixed_zone("SYSTEM", "CET") is None
    assert fixed_zone("Europe/Berlin", "UTC") is None


# Reading.


def end(watch, conn, how):
    execute(f"KILL {how} {conn.thread_id()}", watch)


@pytest.mark.parametrize("how", ["CONNECTION", "QUERY"])
def test_a_source_that_is_cut_is_an_error_and_never_the_end(conn, watch, how):
    read = 0
    with pytest.raises(SourceError) as caught:  # noqa: PT012 - where it fails is the point
        for _ in iter_rows(MANY, conn):
            read += 1
            if read == 10_000:
                end(watch, conn, how)
    assert 10_000 <= read < 300_000
    assert caught.value.__cause__.args[0] in {1317, 1927, 2006, 2013}


READERS = (
    "SELECT id FROM information_schema.processlist "
    "WHERE info LIKE '%numbers%' AND id <> connection_id()"
)


def test_with_a_key_and_a_url_a_source_that_is_cut_is_read_on(driver, mariadb, watch, conn):
    del conn  # its database is what is wanted
    execute(
        "CREATE TABLE test.numbers AS SELECT seq AS n, repeat('x', 50) AS t FROM seq_1_to_200000",
        watch,
    )
    execute("ALTER TABLE test.numbers ADD PRIMARY KEY (n)", watch)
    url = mariadb.url.replace("mysql:", f"mysql+{driver}:")
    seen = []
    for row in iter_rows("SELECT n, t FROM numbers", url, key="n"):
        seen.append(row["n"])
        if len(seen) in {5000, 100_000}:
            for (number,) in fetchall(READERS, watch, (), tuples):
                execute(f"KILL {number}", watch)
    assert seen == list(range(1, 200_001))


def test_a_server_that_gives_up_on_a_slow_reader_is_an_error(conn, watch):
    execute("SET SESSION net_write_timeout = 1", conn)
    query = "SELECT repeat('x', 100000) AS text FROM seq_1_to_2000"
    number = conn.thread_id()
    rows = iter_rows(query, conn, chunk_size=1)
    next(rows)
    there = "SELECT id FROM information_schema.processlist WHERE id = %s"
    while fetchone(there, watch, (number,)):
        time.sleep(0.1)
    with pytest.raises(SourceError):
        list(rows)


def test_connections_of_ours_are_patient_with_slow_readers(driver, mariadb):
    with closing(connect_to(mariadb.url.replace("/test", "/mysql"), driver=driver)) as conn:
        query = "SELECT @@net_write_timeout AS seconds, @@character_set_client AS text"
        assert fetchone(query, conn) == {"seconds": 3600, "text": "utf8mb4"}


def test_another_statement_in_the_midst_of_many_rows_is_an_error_not_the_end(driver, conn):
    with pytest.raises(SourceError) as caught:  # noqa: PT012 - where it fails is the point
        for number, _ in enumerate(iter_rows(MANY, conn, chunk_size=1000)):
            if number == 5000:
                disturb(driver, conn.cursor())
    assert "thrown away the rows" in str(caught.value) or "out of sync" in str(caught.value)
    assert fetchone("SELECT 1 AS one", conn) == {"one": 1}


def disturb(driver, cursor):
    if driver == "pymysql":
        with pytest.warns(UserWarning, match="left incomplete"):
            cursor.execute("SELECT 1")
    else:
        with pytest.raises(Exception, match="out of sync"):
            cursor.execute("SELECT 1")


def test_ours_in_the_midst_of_many_rows_keep_the_rest(conn):
    seen = 0
    for row in iter_rows(MANY, conn):
        seen += 1
        if row["seq"] == 10:
            assert fetchone("SELECT 1 AS one", conn) == {"one": 1}
    assert seen == 300_000


def test_leaving_a_read_kills_its_query_and_keeps_the_connection(conn):
    with closing(iter_rows("SELECT seq FROM seq_1_to_100000000000", conn)) as rows:
        next(rows)
    assert fetchone("SELECT 1 AS one", conn) == {"one": 1}
    assert fetchone("SELECT seq FROM seq_1_to_100000000000", conn) == {"seq": 1}
    assert not recognise(conn)[0].in_transaction(conn)


def test_a_connection_whose_login_is_not_known_is_shut_to_interrupt_it(login, watch, driver):
    execute("CREATE OR REPLACE USER careful@'%' IDENTIFIED BY 'secret'", watch)
    execute("GRANT ALL ON test.* TO careful@'%'", watch)
    login()
    conn = login(user="careful", password="secret")
    database, _ = recognise(conn)
    with Reader(Query(MANY, conn)) as reader:
        reader.fetch(1)
        reader.interrupt()
        with pytest.raises(SourceError):  # noqa: PT012 - some rows may be on their way
            while reader.fetch(1000):
                pass
    assert database.is_closed(conn) is (driver == "MySQLdb")  # PyMySQL keeps the password
    assert not database.in_transaction(conn)


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_a_result_that_was_read_ahead_leaves_the_connection_free(conn, size):
    execute("CREATE TABLE numbers AS SELECT seq AS n FROM seq_1_to_100", conn)
    seen = []
    for row in iter_rows("SELECT n FROM numbers", conn, chunk_size=size):
        seen.append(row["n"])
        with closing(conn.cursor()) as cursor:
            cursor.execute("UPDATE numbers SET n = n + 1 WHERE n < 0")
    assert len(seen) == 100


def test_a_procedure_gives_the_rows_of_its_first_query(conn):
    queries = "SELECT 1 AS a UNION SELECT 2; SELECT seq FROM seq_1_to_3000; SELECT 3"
    execute(f"CREATE PROCEDURE three() BEGIN {queries}; END", conn)
    assert fetchall("CALL three()", conn) == [{"a": 1}, {"a": 2}]
    with closing(iter_rows("CALL three()", conn, chunk_size=1)) as rows:
        assert next(rows) == {"a": 1}
    execute("CALL three()", conn)
    assert fetchall("SELECT 1 AS one", conn) == [{"one": 1}]


def test_a_procedure_that_fails_after_its_first_query_is_an_error_of_the_source(conn):
    execute("CREATE PROCEDURE two() BEGIN SELECT 1 AS a; SIGNAL SQLSTATE '45000'; END", conn)
    with pytest.raises(SourceError, match="CALL two"):
        fetchall("CALL two()", conn)
    with pytest.raises(SourceError, match="CALL two"):
        fetchone("CALL two()", conn)
    assert fetchall("SELECT 1 AS one", conn) == [{"one": 1}]


def test_many_rows_are_never_in_memory_together(conn):
    tracemalloc.start()
    try:
        rows = sum(map(len, iter_chunks(MANY, conn)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == 300_000
    assert peak < 10 * 2**20


# Writing.


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
@pytest.mark.parametrize("mode", ["", "STRICT_TRANS_TABLES"])
@pytest.mark.parametrize(
    "bad",
    [
        {"n": 300, "t": "x", "d": "2026-01-02"},
        {"n": 1, "t": "too long", "d": "2026-01-02"},
        {"n": 1, "t": None, "d": "2026-01-02"},
        {"n": 1, "t": "x", "d": "2026-02-31"},
        {"n": "no number", "t": "x", "d": "2026-01-02"},
    ],
)
def test_what_a_server_would_change_silently_is_a_failed_row(conn, engine, mode, bad):
    execute(f"SET sql_mode = '{mode}'", conn)
    execute(f"CREATE TABLE t (n TINYINT, t VARCHAR(3) NOT NULL, d DATE) ENGINE = {engine}", conn)
    good = {"n": 1, "t": "abc", "d": dt.date(2026, 1, 2)}
    failed = []
    rows = [good, good, bad, good]
    if engine == "MyISAM":  # which keeps what an error came after
        with pytest.raises(InsertError):
            load("t", conn, rows)
        return
    assert load("t", conn, rows, on_error=failed.extend) == (4, 1)
    assert [row.row for row in failed] == [bad]
    assert fetchall("SELECT * FROM t", conn) == [good] * 3


def test_updates_that_the_server_would_change_are_refused_too(conn):
    execute("SET sql_mode = ''", conn)
    execute("CREATE TABLE t (n TINYINT)", conn)
    load("t", conn, [{"n": 1}])
    with pytest.raises(InsertError, match="Out of range"):
        executemany("UPDATE t SET n = %s", conn, [(2,), (300,)])
    assert fetchall("SELECT n FROM t", conn) == [{"n": 1}]


def test_a_decimal_that_is_rounded_is_no_error(conn):
    execute("CREATE TABLE t (d DECIMAL(5, 2))", conn)
    assert load("t", conn, [{"d": Decimal("1.005")}] * 100) == (100, 0)


def test_insert_ignore_is_what_its_user_asked_for(conn):
    execute("CREATE TABLE t (n TINYINT PRIMARY KEY)", conn)
    query = "INSERT IGNORE INTO t (n) VALUES (%s)"
    assert executemany(query, conn, [(1,), (1,), (300,)]) == (3, 0)
    assert fetchall("SELECT n FROM t ORDER BY n", conn, (), tuples) == [(1,), (127,)]


def refusal_and_culprit(conn, table, rows):
    database, raw = recognise(conn)
    writer = database.writer(raw, f"INSERT INTO {table} (a, b) VALUES (%s, %s)")
    with pytest.raises(Exception) as caught:
        writer.write(rows)
    conn.rollback()
    return writer.culprit(caught.value)


@pytest.mark.parametrize("bad", [(7, "x"), (20_000, None), (20_000, "too long"), (2**40, "x")])
def test_mariadb_tells_which_row_it_refused(conn, bad):
    execute("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(3) NOT NULL, c TEXT)", conn)
    rows = [(n, "x") for n in range(10_000)]
    rows.insert(9000, bad)
    assert refusal_and_culprit(conn, "t", rows) == 9000
    assert refusal_and_culprit(conn, "t", [(1, "x"), (2, object()), (3, "y")]) == 1


def test_where_triggers_are_at_work_nobody_tells(conn):
    execute("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(3) NOT NULL)", conn)
    execute("CREATE TABLE log (a INT PRIMARY KEY)", conn)
    insert = "INSERT INTO log SELECT new.a * 10 UNION ALL SELECT IF(new.a = 3, 30, new.a * 10 + 1)"
    execute(f"CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW {insert}", conn)
    rows = [(n, "x") for n in range(5)]
    assert refusal_and_culprit(conn, "t", rows) is None
    failed = []
    named = [{"a": a, "b": b} for a, b in rows]
    assert load("t", conn, named, on_error=failed.extend) == (5, 1)
    assert [row.row["a"] for row in failed] == [3]


def test_cells_of_ten_megabytes_arrive(conn):
    execute("CREATE TABLE t (n INT, t LONGTEXT, b LONGBLOB)", conn)
    text, data = "'ü" * 3_500_000, b"\xff'" * 5_000_000
    load("t", conn, [{"n": 1, "t": text, "b": None}, {"n": 2, "t": None, "b": data[:9_000_000]}])
    read = fetchall("SELECT t, b FROM t ORDER BY n", conn, (), tuples)
    assert read == [(text, None), (None, data[:9_000_000])]


def test_a_row_beyond_the_servers_packets_fails_alone_and_keeps_the_connection(conn):
    execute("CREATE TABLE t (n INT, t LONGTEXT)", conn)
    failed = []
    rows = [{"n": 1, "t": "x"}, {"n": 2, "t": "x" * 17_000_000}, {"n": 3, "t": "x"}]
    assert load("t", conn, rows, on_error=failed.extend) == (3, 1)
    assert "max_allowed_packet" in str(failed[0].exception)
    assert fetchall("SELECT n FROM t", conn, (), tuples) == [(1,), (3,)]


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"])
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)
@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
)
@example("'; DROP TABLE t; --", b"'; DROP TABLE t; --")
@example("\\'", b"\\'")
def test_any_text_and_bytes_are_stored_as_they_are(conn, mode, text, data):
    execute(f"SET sql_mode = '{mode},STRICT_TRANS_TABLES'", conn)
    execute("CREATE OR REPLACE TEMPORARY TABLE t (t LONGTEXT, b LONGBLOB)", conn)
    load("t", conn, [{"t": text, "b": data}])
    assert fetchone("SELECT t, b FROM t WHERE t = %s", conn, (text,), tuples) == (text, data)


def test_an_insert_is_taken_apart_only_where_that_is_safe():
    plain = template(
        "INSERT INTO `a b`.t (x, `(`) VALUES (%s, %s) ON DUPLICATE KEY UPDATE x = '%%'"
    )
    assert plain.head == "INSERT INTO `a b`.t (x, `(`) VALUES "
    assert plain.tail.strip() == "ON DUPLICATE KEY UPDATE x = '%'"
    assert plain.width == 2
    assert template("insert into t values (%(a)s,%(b)s);").names == ("a", "b")
    for other in (
        "INSERT INTO t VALUES (%s, now())",
        "INSERT INTO t VALUES (%s) ON DUPLICATE KEY UPDATE x = %s",
        "INSERT INTO t SELECT %s",
        "INSERT INTO t VALUES (%s, %(a)s)",
        "UPDATE t SET a = %s",
        "INSERT INTO t VALUES (%s); DROP TABLE t",
    ):
        assert template(other) is None


def test_statements_that_are_no_plain_insert_run_once_a_row(conn):
    execute("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(20))", conn)
    query = "INSERT INTO t VALUES (%(a)s, concat(%(b)s, '%%'))"
    assert executemany(query, conn, [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]) == (2, 0)
    assert executemany("UPDATE t SET b = 'z' WHERE a IN %s", conn, [((1, 2),)]) == (1, 0)
    assert fetchall("SELECT b FROM t", conn, (), tuples) == [("z",), ("z",)]
    assert fetchall("SELECT a FROM t WHERE a IN %s", conn, ([1, 7],), tuples) == [(1,)]


# Upserts.


def test_rows_that_are_there_are_skipped_or_updated(conn):
    execute("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(20) NOT NULL)", conn)
    load("t", conn, [{"a": 1, "b": "old"}])
    new = [{"a": 1, "b": "new"}, {"a": 2, "b": "new"}]
    assert load("t", conn, new, on_conflict="skip", key="a") == (2, 0)
    assert fetchall("SELECT b FROM t ORDER BY a", conn, (), tuples) == [("old",), ("new",)]
    assert load("t", conn, new, on_conflict="update", key="a") == (2, 0)
    assert fetchall("SELECT b FROM t ORDER BY a", conn, (), tuples) == [("new",), ("new",)]


def test_skipping_swallows_no_other_error(conn):
    execute("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(3) NOT NULL)", conn)
    failed = []
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": None}, {"a": 3, "b": "too long"}, {"a": 1, "b": "y"}]
    done = load("t", conn, rows, on_conflict="skip", key="a", on_error=failed.extend)
    assert done == (4, 2)
    assert [row.row["a"] for row in failed] == [2, 3]
    assert fetchall("SELECT a, b FROM t", conn, (), tuples) == [(1, "x")]


# Names.


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=70))
@example("a`; DROP TABLE canary; --")
@example("` ``")
@example("x" * 64)
@example("x" * 65)
@example(" ends with a space ")
@example("no\0name")
@example("../up")
@example("😀")
def test_any_name_is_quoted_so_that_it_is_that_name_or_refused(conn, name):
    execute("CREATE TABLE IF NOT EXISTS canary (a INT)", conn)
    try:
        quoted = recognise(conn)[0].quote(name)
    except BadIdentifierError:
        return
    execute(f"CREATE OR REPLACE TABLE t ({quoted} INT)", conn)
    load("canary", conn, [{"a": 1}])
    assert fetchall(f"SELECT {quoted} FROM t", conn) == []
    assert [column.name for column in table_info("t", conn)] == [name]
    execute(f"CREATE OR REPLACE TABLE {quoted} (a INT)", conn)
    assert len(table_info(name, conn)) == 1
    execute(f"DROP TABLE {quoted}", conn)
    assert table_info("canary", conn)


def test_names_that_mysql_would_change_or_cannot_have_are_refused(conn):
    quote = recognise(conn)[0].quote
    for name in ("", "a\0", "x" * 65, "a ", "😀", "\ud800"):
        with pytest.raises(BadIdentifierError):
            quote(name)


# Tables and types.


def test_table_info_tells_defaults_and_the_schema(conn, watch):
    columns = "a INT AUTO_INCREMENT PRIMARY KEY, b INT DEFAULT 3, c INT AS (b + 1), d TEXT NOT NULL"
    execute(f"CREATE TABLE t ({columns})", conn)
    assert [column[2:] for column in table_info("t", conn)] == [
        *((True, True), (False, True), (False, True), (True, False))
    ]
    execute("CREATE DATABASE IF NOT EXISTS other", watch)
    execute("CREATE OR REPLACE TABLE other.t (z INT)", watch)
    assert len(table_info("t", conn)) == 4
    assert [column.name for column in table_info("t", conn, "other")] == ["z"]
    execute("CREATE TABLE T (upper INT)", conn)
    assert [column.name for column in table_info("T", conn)] == ["upper"]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("tinyint(1)", ColumnType("smallint")),
        ("smallint(5) unsigned", ColumnType("integer")),
        ("mediumint(8) unsigned", ColumnType("integer")),
        ("int(11)", ColumnType("integer")),
        ("int(10) unsigned zerofill", ColumnType("bigint")),
        ("bigint(20) unsigned", ColumnType("decimal", 20, 0)),
        ("bit(64)", ColumnType("decimal", 20, 0)),
        ("bit(1)", ColumnType("bigint")),
        ("decimal(10,2)", ColumnType("decimal", 10, 2)),
        ("varchar(40)", ColumnType("text", 40)),
        ("enum('a','b')", ColumnType("text")),
        ("longtext", ColumnType("text")),
        ("varbinary(16)", ColumnType("binary")),
        ("time(6)", ColumnType("interval")),
        ("datetime(6)", ColumnType("timestamp")),
        ("timestamp", ColumnType("timestamp")),
        ("json", ColumnType("json")),
        ("inet6", ColumnType("text")),
    ],
)
def test_a_declared_type_says_what_a_column_holds(declared, expected):
    assert column_type(declared) == expected


ALL_KINDS = (
    *("boolean", "smallint", "integer", "bigint", "decimal", "real", "double", "text", "binary"),
    *("date", "time", "timestamp", "timestamptz", "interval", "json", "uuid"),
)


def test_every_type_can_be_declared_in_a_key_and_outside(conn):
    kinds = [ColumnType(kind) for kind in ALL_KINDS]
    sized = [
        *(ColumnType("text", 40), ColumnType("text", 50_000), ColumnType("text", 900)),
        *(ColumnType("decimal", 10, 2), ColumnType("decimal", 1000, 50), ColumnType("decimal", 5)),
    ]
    for number, kind in enumerate(kinds + sized):
        key = declaration(kind, in_key=True)
        plain = declaration(kind, in_key=False)
        execute(f"CREATE TABLE t{number} (a {key} PRIMARY KEY, b {plain})", conn)


def test_a_table_is_made_for_rows_of_all_types(conn):
    row = {
        "k": "key",
        "whole": 2**62,
        "huge": 2**70,
        "exact": Decimal("12345.678"),
        "part": 0.1,
        "text": "ü" * 1000,
        "data": b"\xff",
        "day": dt.date(2026, 1, 2),
        "at": dt.datetime(2026, 1, 2, 3, 4, 5, 6),
        "lasted": dt.timedelta(hours=-100, microseconds=1),
        "yes": True,
    }
    load("made", conn, [row], create=True, key="k")
    (read,) = fetchall("SELECT * FROM made", conn)
    assert read == row
    assert [column.name for column in table_info("made", conn) if column.not_null] == ["k"]


def test_texts_that_a_collation_holds_equal_are_different_keys(conn):
    execute("CREATE TABLE t (k VARCHAR(9) CHARACTER SET latin1, b VARBINARY(9), n INT)", conn)
    texts = ["a", "A", "a ", "ä", "é", "e", "ß", "Z", "", "ss"]
    load("t", conn, [{"k": k, "b": k.encode(), "n": n} for n, k in enumerate(texts)])
    database, raw = recognise(conn)
    types = {"k": 253, "b": 253, "n": 3}
    text, binary, number = database.key_expressions(raw, types, ["k", "b", "n"])
    assert number == "q.`n`"
    for expression, column, value in ((text, "k", str), (binary, "b", str.encode)):
        query = f"SELECT {column} FROM t q ORDER BY {expression}"
        expected = sorted(texts, key=str.encode)
        assert fetchall(query, conn, (), tuples) == [(value(each),) for each in expected]
        after = f"SELECT count(*) FROM t q WHERE {expression} > %s"
        for place, last in enumerate(expected, 1):
            assert fetchone(after, conn, (value(last),), tuples) == (len(texts) - place,)
    rows = list(iter_rows("SELECT k, n FROM t", conn, key="k"))
    assert [row["k"] for row in rows] == sorted(texts, key=str.encode)


# Connections.


def test_connect_takes_urls_of_hosts_and_of_sockets(driver, mariadb, conn):
    del conn
    socket = mariadb.socket.replace("/", "%2F")
    for url in (
        mariadb.url,
        mariadb.url.replace("mysql:", "mariadb:"),
        f"mysql://root@{socket}/test",
    ):
        with closing(connect_to(f"{url}?connect_timeout=5", driver=driver)) as opened:
            assert fetchone("SELECT database() AS name", opened) == {"name": "test"}
            assert recognise(opened)[0].driver == driver


def test_a_password_is_never_shown(driver, mariadb, watch):
    execute("CREATE OR REPLACE USER careful@'%' IDENTIFIED BY 'p€ssw:rd/1'", watch)
    url = f"mysql://careful:p%E2%82%ACssw%3Ard%2F1@{mariadb.host}:{mariadb.port}/information_schema"
    with closing(connect_to(url, driver=driver)) as conn:
        assert fetchone("SELECT 1 AS one", conn) == {"one": 1}
        assert "ssw" not in repr(conn)
    with pytest.raises(ConnectError) as caught:
        connect_to(url.replace("ssw", "SSW"), driver=driver)
    assert "SSW" not in str(caught.value)


def test_no_driver_is_imported_to_recognise_connections():
    code = (
        "import sys, sqlite3, rowferry; rowferry.fetchall('SELECT 1', sqlite3.connect(':memory:'));"
        "sys.exit(bool({'pymysql', 'MySQLdb'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_lost_connection_is_closed_and_in_no_transaction(conn, watch):
    database, raw = recognise(conn)
    end(watch, conn, "CONNECTION")
    with pytest.raises(SourceError) as caught:
        fetchall("SELECT 1", conn)
    assert database.is_lost(raw, caught.value.__cause__)
    assert database.is_closed(raw)
    assert not database.in_transaction(raw)
    assert not database.in_users_transaction(raw)


def test_a_transaction_that_the_user_began_is_the_users_to_end(login):
    conn, other = login(autocommit=True), login()
    execute("CREATE TABLE t (a INT)", conn)
    conn.begin()
    load("t", conn, [{"a": 1}])
    assert fetchall("SELECT a FROM t", other) == []
    conn.commit()
    assert fetchall("SELECT a FROM t", other) == [{"a": 1}]


def test_whether_a_transaction_is_open_is_known_without_asking(conn):
    database, raw = recognise(conn)
    is_open = partial(database.in_transaction, raw)
    execute("CREATE TABLE t (a INT)", conn)
    assert not is_open()
    for statement in ("SELECT * FROM t", "INSERT INTO t VALUES (1)", "DELETE FROM t"):
        with closing(conn.cursor()) as cursor:
            cursor.execute(statement)
        assert is_open()
        conn.commit()
        assert not is_open()


def test_a_read_that_is_left_keeps_what_was_written_since(login):
    conn, other = login(), login()
    execute("CREATE TABLE t (a INT)", conn)
    load("t", conn, [{"a": a} for a in range(300)])
    for size in (1, 100, 300, 500):
        with closing(iter_rows("SELECT a FROM t LIMIT 100", conn, chunk_size=size)) as rows:
            next(rows)
            with closing(conn.cursor()) as cursor:
                cursor.execute("INSERT INTO t VALUES (%s)", (-size,))
        conn.commit()
        assert fetchone("SELECT count(*) AS n FROM t WHERE a = %s", other, (-size,)) == {"n": 1}
