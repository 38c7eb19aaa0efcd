"""A source that is cut in the middle is gone on with, or an error; never the end of the data."""

import logging
import random
import signal
import sqlite3
import threading
import time
import traceback
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

import servers
from lossy import Lossy
from proxy import DOWN, UP, Cut, Proxy
from rowferry import (
    Budget,
    DbParams,
    copy_rows,
    copy_table_rows,
    copy_to_api,
    databases,
    execute,
    fetchall,
    fetchone,
    iter_chunks,
    iter_rows,
    reader,
)
from rowferry import connect as connect_to
from rowferry.exceptions import ConnectError, SourceError, TransferError
from rowferry.reader import Query, Reader
from rowferry.row_factories import dict_row_factory, tuple_row_factory
from rowferry.testing import FakeApi
from scripted import LONG, until

SELECT = "SELECT id, name FROM t"
COUNT = 23
ROWS = [{"id": n, "name": f"row {n}"} for n in range(1, COUNT + 1)]
SECRET = "s3cret/pass word"
NO_PAUSES = (0.0, 0.0, 0.0)


def rows_in_any_order():
    return random.Random(7).sample([tuple(row.values()) for row in ROWS], COUNT)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch):
    monkeypatch.setattr(reader, "_PAUSES", NO_PAUSES)


# Every way to read; each gives the rows that arrived.


def by_iter_rows(conn, dest, size, **how):
    return list(iter_rows(SELECT, conn, chunk_size=size, **how))


def by_iter_chunks(conn, dest, size, **how):
    chunks = list(iter_chunks(SELECT, conn, chunk_size=size, **how))
    assert all(len(chunk) == size for chunk in chunks[:-1])
    return [row for chunk in chunks for row in chunk]


def by_fetchall(conn, dest, size, **how):
    return fetchall(SELECT, conn, chunk_size=size, **how)


def by_copy_rows(conn, dest, size, **how):
    insert = "INSERT INTO t VALUES (:id, :name)"
    copied = copy_rows(SELECT, conn, insert, dest, chunk_size=size, **how)
    return arrived(dest, copied)


def by_copy_table_rows(conn, dest, size, **how):
    return arrived(dest, copy_table_rows("t", conn, dest, chunk_size=size, **how))


def arrived(dest, copied):
    rows = fetchall("SELECT id, name FROM t ORDER BY rowid", dest)
    assert copied == (len(rows), 0)
    return rows


def by_copy_to_api(conn, dest, size, **how):
    with FakeApi() as api:
        report = copy_to_api(SELECT, conn, api.url, chunk_size=size, **how)
        records = sorted(api.records, key=lambda record: record["id"])
    assert report.delivered == report.read == len(records)
    return records


WAYS = {
    way.__name__.removeprefix("by_"): way
    for way in (
        by_iter_rows,
        by_iter_chunks,
        by_fetchall,
        by_copy_rows,
        by_copy_table_rows,
        by_copy_to_api,
    )
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def read(request, sqlite):
    """A way to read, with a table to copy into where it needs one."""
    execute("CREATE TABLE t (id, name)", sqlite)

    def read(conn, size=10, **how):
        execute("DELETE FROM t", sqlite)
        return request.param(conn, sqlite, size, **how)

    return read


# Connections that are lost, at every step there is.


@pytest.fixture
def lossy(tmp_path, monkeypatch):
    """Gives a database that loses its connections; its URL reads the table `t`."""
    file = tmp_path / "t.db"
    with closing(sqlite3.connect(file)) as conn:
        conn.execute("CREATE TABLE t (id INTEGER, name TEXT)")
        conn.executemany("INSERT INTO t VALUES (?, ?)", rows_in_any_order())
        conn.commit()

    known = databases.DATABASES

    def lossy(*lives, results=None):
        database = Lossy(lives, results)
        monkeypatch.setattr(databases, "DATABASES", (database, *known))
        database.url = f"lossy:///{file}"
        made.append(database)
        return database

    made = []
    yield lossy
    assert not [conn for database in made for conn in database.connections if conn.is_open]


def steps_of(lossy, **how):
    """How long a connection lives that is not lost."""
    database = lossy(10_000)
    list(iter_rows(SELECT, database.url, key="id", **how))
    (conn,) = database.connections
    return 10_000 - conn.left


@pytest.mark.parametrize("size", [1, 7, COUNT, 100])
def test_a_connection_that_is_lost_at_any_step_loses_and_doubles_nothing(lossy, read, size):
    steps = steps_of(lossy, chunk_size=size)
    assert steps > COUNT
    for life in range(1, steps + 1):
        database = lossy(life)
        assert read(database.url, size, key="id") == ROWS
        assert len(database.connections) in {1, 2}


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_connections_that_are_lost_again_and_again_lose_and_double_nothing(lossy, read, size):
    opening = 3  # the columns, that there is no row of them, the query
    for life in range(opening + min(size, COUNT) + 1, 2 * COUNT, 3):
        database = lossy(*[life] * 3 * COUNT)
        assert read(database.url, size, key="id") == ROWS
        assert len(database.connections) < 3 * COUNT


def test_rows_that_were_read_are_not_lost_with_the_question_for_those_after_them(lossy):
    opening = 3
    database = lossy(opening + COUNT + 1)  # there is no row more; and then, is there really none?
    assert fetchall(SELECT, database.url, key="id") == ROWS
    assert len(database.connections) == 2


def test_a_connection_that_is_lost_at_the_commit_was_not_needed_any_more(lossy):
    database = lossy(steps_of(lossy) - 1)
    assert fetchall(SELECT, database.url, key="id") == ROWS
    assert len(database.connections) == 1


@pytest.mark.parametrize("results", [1, 2, 7, COUNT - 1, COUNT])
@pytest.mark.parametrize("size", [1, 5, 100])
def test_a_result_that_ends_early_without_an_error_is_read_on(lossy, read, size, results):
    database = lossy(results=results)
    assert read(database.url, size, key="id") == ROWS
    assert len(database.connections) == 1


@pytest.mark.parametrize("results", [1, 7, COUNT])
def test_a_result_that_ends_early_is_read_on_over_a_users_connection_too(lossy, results):
    with closing(connect_to(lossy(results=results).url)) as conn:
        assert fetchall(SELECT, conn, chunk_size=5, key="id") == ROWS
        assert not conn.in_transaction


@pytest.mark.parametrize("lives", [[1] * 9, [2] * 9, [10, *[2] * 9]])
def test_three_new_connections_without_a_row_are_enough(lossy, read, lives):
    database = lossy(*lives)
    with pytest.raises(SourceError, match="new connections were tried as well") as caught:
        read(database.url, 2, key="id")
    assert "gone away" in str(caught.value)
    assert len(database.connections) == 4


def test_three_new_connections_are_tried_after_every_row(lossy):
    lives = [10, 1, 1, 5, 1, 1, 5, 1, 1]
    database = lossy(*lives)
    assert fetchall(SELECT, database.url, chunk_size=1, key="id") == ROWS
    assert len(database.connections) == len(lives) + 1


@pytest.mark.parametrize("given", ["a connection and a key", "a connection", "a URL"])
def test_what_cannot_be_read_on_is_an_error_that_says_how_it_could(lossy, read, given):
    for life in range(1, COUNT):
        database = lossy(life)
        how = {"key": "id"} if "key" in given else {}
        with closing(connect_to(database.url)) as conn:
            database.lives.append(life)
            conn.left = life
            with pytest.raises(SourceError, match=r"a DbParams or a URL .* and key= ") as caught:
                read(database.url if "URL" in given else conn, 5, **how)
            assert "gone away" in str(caught.value)


@pytest.mark.parametrize("how", [{"parameters": {"least": 3}}, {"parameters": (3,)}, {}])
def test_parameters_are_told_again(lossy, how):
    place = {dict: ":least", tuple: "?"}.get(type(how.get("parameters")), "3")
    query = f"SELECT id, name AS \"50%?:x\" FROM t WHERE name NOT LIKE '%?:x%' AND id > {place}"
    expected = [(row["id"], row["name"]) for row in ROWS[3:]]
    for life in range(5, 20):
        read = partial(fetchall, query, lossy(life).url, row_factory=tuple_row_factory)
        assert read(key="id", chunk_size=2, **how) == expected
        read = partial(fetchall, query, lossy(life).url, row_factory=tuple_row_factory)
        assert sorted(read(key="50%?:x", chunk_size=2, **how)) == expected


def test_a_row_that_the_users_code_holds_stays_what_it_was(lossy):
    database = lossy(10)
    rows = iter_rows(SELECT, database.url, key="id", chunk_size=4)
    assert [next(rows) for _ in range(COUNT)] == ROWS
    assert list(rows) == []


# The key.


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("(1, 'a'), (2, 'b'), (2, 'c')", r"rows 2 and 3 have the same key, k = 2"),
        ("(1, 'a'), (NULL, 'b')", r"row 1 has NULL in its key: k = None"),
    ],
)
def test_a_key_that_is_none_is_an_error_that_names_the_row(sqlite, values, message):
    execute("CREATE TABLE u (k, v)", sqlite)
    execute(f"INSERT INTO u VALUES {values}", sqlite)
    with pytest.raises(SourceError, match=message):
        list(iter_rows("SELECT * FROM u", sqlite, key="k", chunk_size=1))
    assert not sqlite.in_transaction


def test_a_key_that_cannot_be_said_is_an_error_that_names_it(sqlite):
    execute("CREATE TABLE u AS SELECT CAST(x'61ff' AS TEXT) AS k", sqlite)
    with FakeApi() as api, pytest.raises(SourceError, match=r"k = 'a\\udcff' cannot be asked for"):
        copy_to_api("SELECT * FROM u", sqlite, api.url, key="k")


def test_two_columns_of_one_name_are_named_with_a_key_too(sqlite):
    with pytest.raises(SourceError, match="more than one column called 'a'"):
        fetchall("SELECT 1 AS a, 2 AS b, 3 AS a", sqlite, key="b")


def test_texts_that_a_collation_holds_equal_are_different_keys(lossy, tmp_path):
    with closing(sqlite3.connect(tmp_path / "t.db")) as conn:
        conn.execute("CREATE TABLE u (k TEXT COLLATE NOCASE)")
        conn.executemany("INSERT INTO u VALUES (?)", [(k,) for k in "aAbB_é"])
        conn.commit()
    for life in range(4, 20):
        rows = fetchall("SELECT k FROM u", lossy(*[life] * 20).url, key="k", chunk_size=1)
        assert [row["k"] for row in rows] == sorted("aAbB_é")


# An end that does not wait.


@pytest.fixture
def _with_long_pauses(monkeypatch):
    monkeypatch.setattr(reader, "_PAUSES", (10 * LONG,) * 3)


@contextmanager
def soon():
    began = time.monotonic()
    yield
    assert time.monotonic() - began < LONG


@pytest.mark.usefixtures("_with_long_pauses")
def test_ctrl_c_ends_the_wait_for_a_new_connection(lossy):
    main = threading.main_thread().ident
    stop = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    stop.start()
    with soon(), pytest.raises(KeyboardInterrupt):
        fetchall(SELECT, lossy(10).url, key="id", chunk_size=2)
    stop.join()


@pytest.mark.usefixtures("_with_long_pauses")
def test_an_interrupt_ends_the_wait_for_a_new_connection(lossy):
    database = lossy(10)
    with Reader(Query(SELECT, database.url, key=("id",))) as reading:
        stop = threading.Timer(0.3, reading.interrupt)
        stop.start()
        with soon(), pytest.raises(SourceError, match="gone away"):
            reading.fetch(COUNT)
        stop.join()
    assert len(database.connections) == 1


@pytest.mark.usefixtures("_with_long_pauses")
def test_a_deadline_ends_the_wait_for_a_new_connection(lossy):
    with FakeApi() as api, soon(), pytest.raises(TransferError, match="deadline") as caught:
        copy_to_api(
            SELECT, lossy(10).url, api.url, key="id", chunk_size=2, budget=Budget(deadline=0.3)
        )
    assert caught.value.report.delivered == len(api.records)


# Servers.

SCHEMES = {
    "psycopg": "postgresql",
    "psycopg2": "postgresql+psycopg2",
    "pymysql": "mysql+pymysql",
    "MySQLdb": "mysql+MySQLdb",
}
APPLICATION = "rowferry_source"
USER = "reader"

on_postgresql = pytest.mark.parametrize("driver", ["psycopg", "psycopg2"], indirect=True)
on_mariadb = pytest.mark.parametrize("driver", ["pymysql", "MySQLdb"], indirect=True)


class OnPostgreSQL:
    """What happens on the server, by a connection that nobody cuts."""

    path, user = "postgres", "postgres"
    query = f"?application_name={APPLICATION}"

    def __init__(self, server):
        self.server = server
        self.conn = connect_to(server.url, autocommit=True)
        self.execute("DROP SCHEMA public CASCADE")
        self.execute("CREATE SCHEMA public")

    def execute(self, sql, parameters=()):
        cursor = self.conn.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []

    def sessions(self):
        query = "SELECT pid, state FROM pg_stat_activity WHERE application_name = %s"
        return self.execute(query, (APPLICATION,))

    def end_sessions(self):
        for pid, _ in self.sessions():
            self.execute("SELECT pg_terminate_backend(%s)", (pid,))


class OnMariaDB:
    """The same."""

    path, user, query = "test", USER, ""

    def __init__(self, server):
        self.server = server
        self.conn = connect_to(server.url.replace("/test", "/mysql"), autocommit=True)
        self.execute("DROP DATABASE IF EXISTS test")
        self.execute("CREATE DATABASE test CHARACTER SET utf8mb4")
        self.execute("USE test")
        self.execute(f"CREATE OR REPLACE USER {USER} IDENTIFIED BY '{SECRET}'")
        self.execute(f"GRANT ALL ON test.* TO {USER}")

    def execute(self, sql, parameters=()):
        with self.conn.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall()

    def sessions(self):
        query = "SELECT id, command FROM information_schema.processlist WHERE user = %s"
        return self.execute(query, (USER,))

    def end_sessions(self):
        for number, _ in self.sessions():
            self.execute(f"KILL {number}")


SERVERS = {
    "psycopg": ("postgresql", OnPostgreSQL),
    "psycopg2": ("postgresql", OnPostgreSQL),
    "pymysql": ("mariadb", OnMariaDB),
    "MySQLdb": ("mariadb", OnMariaDB),
}


@pytest.fixture(params=SERVERS)
def driver(request):
    servers.driver(request.param)
    return request.param


@pytest.fixture
def watch(driver, request):
    """The server, with the table `t`; none of the sessions may be left after the test."""
    name, kind = SERVERS[driver]
    watch = kind(request.getfixturevalue(name))
    with closing(watch.conn):
        watch.execute("CREATE TABLE t (id integer, name varchar(20))")
        for row in rows_in_any_order():
            watch.execute("INSERT INTO t VALUES (%s, %s)", row)
        yield watch
        until(lambda: not watch.sessions(), "the end of all sessions")


@pytest.fixture
def network(watch):
    with Proxy(watch.server.host, watch.server.port) as proxy:
        yield proxy


@pytest.fixture
def url(network, watch, driver):
    """The URL of the server over a network that can be broken."""
    password = SECRET.replace("/", "%2F").replace(" ", "%20")
    where = network.url(watch.user, password, watch.path, SCHEMES[driver])
    return where + watch.query


def breaking(at, how):
    """Give a row factory that calls *how* before the row number *at*."""
    seen = []

    def factory(cursor):
        make = dict_row_factory(cursor)

        def row(cells):
            seen.append(cells)
            if len(seen) == at:
                how()
            return make(cells)

        return row

    return factory


@pytest.mark.parametrize("at", [1, 10, 15, COUNT])
def test_a_backend_that_is_killed_is_replaced(url, watch, read, at, network):
    factory = breaking(at, watch.end_sessions)
    assert read(url, row_factory=factory, key="id") == ROWS
    assert network.came >= (2 if at < 11 else 1)


@pytest.mark.parametrize("given", ["a connection and a key", "a connection", "a URL"])
def test_a_backend_that_is_killed_is_an_error_where_it_cannot_be_replaced(url, watch, read, given):
    key = "id" if "key" in given else None
    factory = breaking(1, watch.end_sessions)
    words = r"a DbParams or a URL .* and key= "
    with closing(connect_to(url)) as conn, pytest.raises(SourceError, match=words):
        read(url if "URL" in given else conn, 5, row_factory=factory, key=key)


def test_a_connection_that_is_cut_after_any_byte_loses_and_doubles_nothing(url, network, read):
    with closing(connect_to(url)):
        login = dict(network.lines[-1].carried)
    assert read(url, key="id") == ROWS
    carried = network.lines[-1].carried
    for direction in (UP, DOWN):
        for after in range(login[direction] + 1, carried[direction], 97):
            network.cuts.append(Cut(direction, after))
            assert read(url, key="id") == ROWS
    assert not network.cuts


def test_a_login_that_is_cut_is_a_connection_that_cannot_be_had(url, network):
    for after in (1, 9, 40):
        network.cuts.append(Cut(UP, after))
        with pytest.raises(ConnectError, match=r"cannot connect to .*host=127\.0\.0\.1"):
            fetchall(SELECT, url, key="id")


def test_a_network_that_is_away_for_a_while(url, network, monkeypatch):
    monkeypatch.setattr(reader, "_PAUSES", (0.0, 0.0, 1.0))

    def away():
        network.refuse()
        network.reset()
        threading.Timer(0.3, network.refuse, (False,)).start()

    factory = breaking(5, away)
    assert fetchall(SELECT, url, row_factory=factory, key="id", chunk_size=5) == ROWS
    assert network.came == 4


def test_a_network_that_stays_away_is_an_error_after_three_tries(url, network, read):
    def away():
        network.refuse()
        network.reset()

    with pytest.raises(SourceError, match="new connections were tried as well") as caught:
        read(url, 5, row_factory=breaking(3, away), key="id")
    assert network.came == 4
    assert SELECT.partition("FROM")[2] in str(caught.value)


def with_options(url, **options):
    settings = " ".join(f"-c {name}={value}" for name, value in options.items())
    return f"{url}&options={settings.replace(' ', '%20').replace('=', '%3D')}"


SLOW = """
CREATE FUNCTION slow(id integer, times integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    IF id = 12 AND nextval('tries') <= times THEN PERFORM pg_sleep(60); END IF;
    RETURN id;
END $$
"""


def slow(watch, times):
    """A table that is read in its own order, and takes too long so many times."""
    watch.execute("CREATE SEQUENCE tries")
    watch.execute(SLOW)
    watch.execute("CREATE INDEX ON t (id)")
    watch.execute("ANALYZE t")
    return f"SELECT slow(id, {times}) AS slow, id, name FROM t ORDER BY id LIMIT 100"


@on_postgresql
def test_a_statement_that_takes_too_long_is_tried_again(url, watch):
    url = with_options(url, statement_timeout=200)
    rows = fetchall(slow(watch, 2), url, key="id", chunk_size=5)
    assert [row["id"] for row in rows] == [row["id"] for row in ROWS]


@on_postgresql
def test_a_statement_that_always_takes_too_long_is_an_error(url, watch, network):
    url = with_options(url, statement_timeout=100)
    with pytest.raises(SourceError, match=r"(?s)statement timeout.*too slow for its limits"):
        fetchall(slow(watch, 100), url, key="id", chunk_size=5)
    assert network.came == 4


@on_postgresql
def test_a_session_that_idles_for_too_long_is_replaced(url, watch, network):
    url = with_options(url, idle_in_transaction_session_timeout=100)
    idle = lambda: until(lambda: not watch.sessions(), "the end of the session")
    assert fetchall(SELECT, url, row_factory=breaking(5, idle), key="id", chunk_size=5) == ROWS
    assert network.came == 2


@on_postgresql
@pytest.mark.parametrize("parameters", [(3,), {"least": 3}, (), {}])
def test_parameters_are_told_again_to_postgresql(url, network, parameters):
    place = {(3,): "%s", (): "3"}.get(parameters) if isinstance(parameters, tuple) else None
    place = place or ("%(least)s" if parameters else "3")
    percent = "%%" if parameters else "%"
    query = (
        f'SELECT id, name AS "50{percent}" FROM t '
        f"WHERE name NOT LIKE '{percent}x' AND id > {place}"
    )
    expected = [(row["id"], row["name"]) for row in ROWS[3:]]
    for key in ("id", "50%", ("50%", "id")):
        factory = breaking(6, network.reset)
        rows = fetchall(query, url, parameters, factory, key=key, chunk_size=5)
        assert sorted(tuple(row.values()) for row in rows) == expected


COLLATIONS = {
    "C": 'COLLATE "C"',
    "ICU": 'COLLATE "und-x-icu"',
    "ICU that holds A and a equal": "COLLATE loose",
    "citext": "citext",
    "char": "char(3) COLLATE loose",
}
TEXTS = ["a", "A", "B", "b", "_", "é", "É", "e", "10", "9", "a_", "a\t"]


@on_postgresql
@pytest.mark.parametrize("collation", COLLATIONS)
@pytest.mark.parametrize("columns", ["k", "k, n"])
def test_texts_of_every_collation_are_read_on(url, watch, network, collation, columns):
    extras(watch, collation)
    kind = COLLATIONS[collation]
    kind = kind if kind[0] == "c" else f"text {kind}"
    watch.execute(f"CREATE TABLE u (k {kind}, n integer)")
    numbers = (1, 2) if "n" in columns else (1,)
    values = [(text, number) for text in TEXTS for number in numbers]
    with watch.conn.cursor() as cursor:
        cursor.executemany("INSERT INTO u VALUES (%s, %s)", values)
    key = columns.split(", ")
    for at in range(1, len(values) + 1):
        factory = breaking(at, network.reset)
        rows = fetchall("SELECT * FROM u", url, row_factory=factory, key=key, chunk_size=1)
        assert sorted((row["k"].rstrip(" "), row["n"]) for row in rows) == sorted(values)


def extras(watch, collation):
    if collation == "citext":
        if not watch.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'citext'"):
            pytest.skip("no citext here: apt-get install postgresql-contrib")
        watch.execute("CREATE EXTENSION citext")
    elif collation != "C":
        if not watch.execute("SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'"):
            pytest.skip("PostgreSQL was built without ICU")
        watch.execute("DROP COLLATION IF EXISTS loose")
        watch.execute(
            "CREATE COLLATION loose "
            "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )


@on_postgresql
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("float4", ["0.1", "0.3", "0.7", "1e-30", "16777217", "-0.1", "'infinity'"]),
        ("float8", ["0.1", "1e300", "-5e-324", "'infinity'"]),
        ("numeric", ["0.1", "1e30", "12345678901234567.89", "0.10000000000000000001"]),
        ("bigint", ["9007199254740993", "-9223372036854775808"]),
        ("timestamp", ["'2020-01-02 03:04:05.000001'", "'2020-01-02 03:04:05.000002'"]),
        ("timestamptz", ["'2020-01-02 03:04:05.000001+02'", "'2020-01-02 03:04:05.000002Z'"]),
        ("date", ["'2020-01-02'", "'0001-01-01'", "'9999-12-31'"]),
        ("time", ["'00:00'", "'23:59:59.999999'"]),
        ("interval", ["'1 day'", "'-1 microsecond'", "'100 days'"]),
        (
            "uuid",
            ["'00000000-0000-0000-0000-000000000001'", "'f0000000-0000-0000-0000-000000000000'"],
        ),
        ("bytea", [r"'\x00'", r"'\xff'", r"''"]),
        ("boolean", ["false", "true"]),
        ("inet", ["'10.0.0.1'", "'::1'", "'10.0.0.0/8'"]),
        ("mood", ["'sad'", "'glad'", "'angry'"]),
        ("varchar(3)", ["'a'", "'b'"]),
        ("bit varying(4)", ["B'1'", "B'10'"]),
        ("money", ["1", "20", "-3.5"]),
    ],
)
@pytest.mark.parametrize("more", ["", r", '\x00'::bytea AS b"])
def test_keys_of_every_type_are_read_on(url, watch, network, kind, values, more):
    if kind == "mood":
        watch.execute("CREATE TYPE mood AS ENUM ('sad', 'glad', 'angry')")
    watch.execute(f"CREATE TABLE u (k {kind}, n integer)")
    for value in values:
        watch.execute(f"INSERT INTO u VALUES ({value}, 1), ({value}, 2)")
    query = f"SELECT k, n{more} FROM u"
    for at in range(1, 2 * len(values)):
        factory = breaking(at, network.reset)
        rows = fetchall(query, url, row_factory=factory, key=("k", "n"), chunk_size=1)
        assert [row["n"] for row in rows] == [1, 2] * len(values)
    assert fetchall(f"{query} ORDER BY 1, 2", url) == rows


@on_mariadb
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("varchar(9)", ["'a'", "'A'", "'á'", "'b'", "'_'", "'a '", "'É'", "'e'"]),
        ("char(9) COLLATE utf8mb4_unicode_ci", ["'a'", "'A'", "'á'", "'b'", "'_'"]),
        ("text COLLATE utf8mb4_nopad_bin", ["'a'", "'A'", "'a '"]),
        ("varchar(9) CHARACTER SET latin1", ["'a'", "'A'", "'á'"]),
        ("float", ["0.1", "0.3", "0.7", "1e-30", "16777217", "-0.1"]),
        ("inet6", ["'::ffff:10.0.0.1'", "'::1'", "'::ff'"]),
        ("double", ["0.1", "1e300", "-5e-300"]),
        ("decimal(40,20)", ["0.1", "12345678901234567.89", "0.10000000000000000001"]),
        ("bigint unsigned", ["9007199254740993", "18446744073709551615"]),
        ("datetime(6)", ["'2020-01-02 03:04:05.000001'", "'2020-01-02 03:04:05.000002'"]),
        ("date", ["'2020-01-02'", "'9999-12-31'"]),
        ("time(6)", ["'00:00'", "'-838:00:00'", "'23:59:59.999999'"]),
        ("varbinary(4)", ["x'00'", "x'ff'", "''"]),
        ("enum('sad', 'glad', 'angry')", ["'sad'", "'glad'", "'angry'"]),
        ("bit(4)", ["b'1'", "b'10'"]),
        (
            "uuid",
            ["'00000000-0000-0000-0000-000000000001'", "'f0000000-e7f3-11f1-b00d-02fc00000001'"],
        ),
    ],
)
def test_keys_of_every_type_of_mariadb_are_read_on(url, watch, network, kind, values):
    watch.execute(f"CREATE TABLE u (k {kind}, n integer)")
    for value in values:
        watch.execute(f"INSERT INTO u VALUES ({value}, 1)")
    watch.execute("INSERT INTO u SELECT k, 2 FROM u")
    query = "SELECT k, n FROM u"
    for at in range(1, 2 * len(values)):
        factory = breaking(at, network.reset)
        rows = fetchall(query, url, row_factory=factory, key=("k", "n"), chunk_size=1)
        assert [row["n"] for row in rows] == [1, 2] * len(values)


# What is left: nothing.


@on_postgresql
def test_rows_that_are_left_leave_no_session(url, watch):
    for key in (None, "id"):
        rows = iter_rows("SELECT n AS id, pg_sleep(n / 10 * 60) FROM generate_series(1, 99) n", url)
        with soon():
            rows.close()
        rows = iter_rows(SELECT, url, key=key, chunk_size=5)
        next(rows)
        assert watch.sessions()
        rows.close()
        until(lambda: not watch.sessions(), "the end of the session")
        assert fetchone(SELECT, url) in ROWS
        until(lambda: not watch.sessions(), "the end of the session")


@on_postgresql
def test_a_statement_that_runs_ahead_is_not_waited_for(url, watch):
    query = "SELECT n, pg_sleep(n / 6 * 600) FROM generate_series(1, 10) AS n"
    rows = iter_rows(query, url, chunk_size=5)
    assert next(rows)["n"] == 1
    with soon():
        rows.close()
        until(lambda: not watch.sessions(), "the end of the session")


@on_postgresql
def test_a_deadline_ends_the_wait_for_a_network_that_is_silent(url, network, watch):
    def silent():
        network.reset()
        network.pause()

    with FakeApi() as api, soon(), pytest.raises(TransferError, match="deadline"):
        copy_to_api(
            SELECT,
            url,
            api.url,
            row_factory=breaking(1, silent),
            key="id",
            chunk_size=5,
            budget=Budget(deadline=0.5),
        )
    network.resume()


@on_postgresql
def test_a_transaction_of_the_users_is_not_left_idle(url, watch, network):
    with closing(connect_to(url)) as conn:
        for key in (None, "id"):
            rows = iter_rows(SELECT, conn, key=key, chunk_size=5)
            next(rows)
            rows.close()
            assert [state for _, state in watch.sessions()] == ["idle"]
            with pytest.raises(SourceError):
                fetchall("SELECT id, 1 / (id - 5) AS x FROM t", conn, key=key)
            assert [state for _, state in watch.sessions()] == ["idle"]
            assert len(fetchall(SELECT, conn, key=key)) == COUNT
            assert [state for _, state in watch.sessions()] == ["idle"]


# The password.


def test_the_password_is_shown_nowhere(url, network, watch, caplog, read):
    caplog.set_level(logging.DEBUG)
    said = []

    def fails(how, **options):
        network.refuse(False)
        with pytest.raises(SourceError) as caught:
            read(url, 5, row_factory=breaking(2, how), **options)
        said.extend(traceback.format_exception(caught.value))
        said.append(repr(caught.value))

    def away():
        network.refuse()
        network.reset()

    fails(network.reset)
    fails(away, key="id")
    network.refuse()
    with pytest.raises(ConnectError) as caught:
        read(url, key="id")
    said.extend(traceback.format_exception(caught.value))
    query = Query(SELECT, url, key=("id",))
    said += [repr(query), repr(Reader(query)), caplog.text]
    network.refuse(False)
    words = "".join(said)
    assert "the source was lost" in words
    for form in (SECRET, *SECRET.split("/"), SECRET.replace("/", "%2F").replace(" ", "%20")):
        assert form not in words


# Addresses instead of connections.


def test_a_url_and_db_params_are_connected_to_and_left(tmp_path):
    file = str(tmp_path / "x.db")
    with closing(sqlite3.connect(file)) as conn:
        conn.execute("CREATE TABLE t (id, name)")
        conn.executemany("INSERT INTO t VALUES (?, ?)", rows_in_any_order())
        conn.commit()
    before = len(list(Path("/proc/self/fd").iterdir()))
    addresses = (f"sqlite:///{file}", DbParams(dbtype="SQLITE", filename=file))
    for address in (*addresses, dict(addresses[1])):
        for key in (None, "id", ["id", "name"]):
            for size in (1, 10, 100):
                rows = list(iter_rows(SELECT, address, key=key, chunk_size=size))
                assert (rows if key else sorted(rows, key=lambda row: row["id"])) == ROWS
                chunks = list(iter_chunks(SELECT, address, key=key, chunk_size=size))
                assert sum(map(len, chunks)) == COUNT
        assert fetchall(f"{SELECT} ORDER BY id", address) == ROWS
        assert fetchone(f"{SELECT} WHERE id = ?", address, (3,)) == ROWS[2]
        assert fetchone("SELECT 1 AS x WHERE 1 = 0", address) is None
        with pytest.raises(SourceError, match="no such table"):
            fetchone("SELECT * FROM nowhere", address)
        for row in iter_rows(SELECT, address, chunk_size=1):
            assert row in ROWS
            break
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_statement_by_url_is_committed(tmp_path):
    url = f"sqlite:///{tmp_path}/x.db"
    assert fetchall("CREATE TABLE u (id)", url) == []
    assert fetchall("INSERT INTO u VALUES (1), (2) RETURNING id", url) == [{"id": 1}, {"id": 2}]
    assert fetchone("SELECT count(*) AS n FROM u", url) == {"n": 2}
