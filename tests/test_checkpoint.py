"""Copies that are cut short anywhere go on where they were: each row is there, once."""

import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from conftest import FILE, HERE, PLACES
from rowferry import (
    connect,
    copy_rows,
    copy_table_rows,
    execute,
    fetchall,
    generate_insert_sql,
    load,
    session_lock,
)
from rowferry.databases import recognise
from rowferry.exceptions import ConfigError, InsertError, SourceError
from rowferry.row_factories import tuple_row_factory as tuples
from torture import copies

TRANSACTIONAL = [database for database in HERE if database.dbtype != "MSSQL"]
WITH_SAVEPOINTS = [database for database in TRANSACTIONAL if database.savepoints]
WITHOUT_SAVEPOINTS = [database for database in TRANSACTIONAL if not database.savepoints]

TABLE = "rowferry_checkpoints"


@pytest.fixture(params=TRANSACTIONAL, ids=lambda database: database.driver)
def database(request):
    return request.param


@pytest.fixture
def dest(database, request, tmp_path):
    """A connection to each database, with a table `made` that would show a row that came twice."""
    with closing(PLACES[database.driver](request, tmp_path)()) as conn:
        execute("CREATE TABLE made (id INTEGER, v VARCHAR(40))", conn)
        yield conn


@pytest.fixture
def source(tmp_path):
    """A file with the rows 1 to 95."""
    path = tmp_path / "source.db"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("CREATE TABLE source (id INTEGER PRIMARY KEY, v TEXT)")
        rows = ((number, f"row {number}") for number in range(1, 96))
        conn.executemany("INSERT INTO source VALUES (?, ?)", rows)
        conn.commit()
        yield conn


def insert_into(conn, table="made"):
    return generate_insert_sql(table, {"id": 1, "v": ""}, conn)


def copy(source, dest, **options):
    options = {"key": "id", "checkpoint": TABLE, "chunk_size": 10, **options}
    return copy_rows("SELECT id, v FROM source", source, insert_into(dest), dest, **options)


def url_of(database, request, folder):
    """Give the URL of the database that PLACES connects to."""
    if database.dbtype in {"PG", "MYSQL"}:
        server = request.getfixturevalue("postgresql" if database.dbtype == "PG" else "mariadb")
        return server.url
    return f"{database.schemes[0]}:///{folder / FILE}"


def ids(conn):
    return [number for (number,) in fetchall("SELECT id FROM made ORDER BY id", conn, (), tuples)]


def checkpoint(conn):
    (row,) = fetchall(f"SELECT * FROM {TABLE}", conn)
    return row


class StopError(Exception):
    pass


def stopping_after(chunks):
    """Make a transform that fails after *chunks*, as a source or a machine may."""
    left = iter(range(chunks))

    def transform(chunk):
        if next(left, None) is None:
            raise StopError
        return chunk

    return transform


ALL = list(range(1, 96))


# Going on.


def test_a_copy_that_was_cut_short_goes_on_after_its_last_chunk(source, dest):
    with pytest.raises(StopError):
        copy(source, dest, transform=stopping_after(3))
    assert ids(dest) == ALL[:30]
    assert copy(source, dest) == (95, 0)
    assert ids(dest) == ALL


def test_whole_tables_go_on_as_well(source, dest):
    def go(**options):
        return copy_table_rows(
            "source", source, dest, "made", key="id", checkpoint=TABLE, chunk_size=10, **options
        )

    with pytest.raises(StopError):
        go(transform=stopping_after(4))
    assert go() == (95, 0)
    assert ids(dest) == ALL
    assert checkpoint(dest)["name"] == "made"


def test_what_the_checkpoint_says_is_documented_and_true(source, dest):
    with pytest.raises(StopError):
        copy(source, dest, transform=stopping_after(3), name="nightly")
    row = checkpoint(dest)
    assert (row["name"], row["position"], row["complete"]) == ("nightly", "[30]", 0)
    assert (row["chunks"], row["processed"], row["failed"]) == (3, 30, 0)
    assert datetime.fromisoformat(row["updated"]).tzinfo is not None
    copy(source, dest, name="nightly")
    row = checkpoint(dest)
    assert (row["position"], row["complete"], row["processed"]) == ("[95]", 1, 95)


def test_a_complete_copy_begins_anew(source, dest):
    assert copy(source, dest) == (95, 0)
    execute("DELETE FROM made", dest)
    assert copy(source, dest) == (95, 0)
    assert ids(dest) == ALL


def test_a_copy_that_has_all_rows_but_was_not_told_so_writes_none(source, dest):
    copy(source, dest)
    execute(f"UPDATE {TABLE} SET complete = 0", dest)
    assert copy(source, dest) == (95, 0)
    assert ids(dest) == ALL


def test_a_copy_of_no_rows_is_complete(source, dest):
    source.execute("DELETE FROM source")
    assert copy(source, dest) == (0, 0)
    assert checkpoint(dest)["complete"] == 1


def test_rows_that_a_transform_drops_count_as_passed(source, dest):
    def even(chunk):
        return [row for row in chunk if row["id"] > 80]

    assert copy(source, dest, transform=even) == (15, 0)
    assert ids(dest) == ALL[80:]


def test_a_table_that_is_made_for_the_copy_is_there_on_going_on(source, dest):
    def go(**options):
        return copy_table_rows(
            *("source", source, dest, "fresh"),
            **{"key": "id", "checkpoint": TABLE, "chunk_size": 10, "create": True, **options},
        )

    with pytest.raises(StopError):
        go(transform=stopping_after(2))
    assert go() == (95, 0)
    assert len(fetchall("SELECT * FROM fresh", dest)) == 95


def test_one_connection_to_read_and_to_write_keeps_the_place_of_what_was_written(dest):
    execute("CREATE TABLE source (id INTEGER, v VARCHAR(40))", dest)
    load("source", dest, [{"id": number, "v": "x"} for number in ALL])
    with pytest.raises(StopError):
        copy(dest, dest, transform=stopping_after(3))
    assert ids(dest) == ALL[:30]
    assert checkpoint(dest)["position"] == "[30]"
    assert copy(dest, dest) == (95, 0)
    assert ids(dest) == ALL


def test_a_refused_row_keeps_its_chunk_out_and_the_checkpoint_before_it(source, dest):
    source.execute("UPDATE source SET v = ? WHERE id = 25", ("x" * 41,))
    execute("DROP TABLE made", dest)
    execute("CREATE TABLE made (id INTEGER, v VARCHAR(40), CHECK (length(v) < 40))", dest)
    with pytest.raises(InsertError):
        copy(source, dest)
    assert ids(dest) == ALL[:20]
    source.execute("UPDATE source SET v = 'better' WHERE id = 25")
    assert copy(source, dest) == (95, 0)
    assert ids(dest) == ALL


@pytest.mark.parametrize("database", WITH_SAVEPOINTS, ids=lambda database: database.driver)
def test_failed_rows_are_counted_over_all_calls(source, dest, database):
    source.execute("UPDATE source SET v = ? WHERE id IN (5, 50)", ("x" * 41,))
    execute("DROP TABLE made", dest)
    execute("CREATE TABLE made (id INTEGER, v VARCHAR(40), CHECK (length(v) < 40))", dest)
    failed = []
    with pytest.raises(StopError):
        copy(source, dest, transform=stopping_after(3), on_error=failed.extend)
    assert copy(source, dest, on_error=failed.extend) == (95, 2)
    assert [row.row["id"] for row in failed] == [5, 50]
    assert checkpoint(dest)["failed"] == 2


def test_autocommit_makes_no_difference(source, postgresql, psycopg_connection):
    dest = psycopg_connection
    execute("CREATE TABLE made (id INTEGER, v VARCHAR(40))", dest)
    dest.autocommit = True
    with pytest.raises(StopError):
        copy(source, dest, transform=stopping_after(3))
    assert copy(source, dest) == (95, 0)
    assert ids(dest) == ALL


KEYS = {
    "timestamp": [datetime(2026, 1, 1, 0, 0, 0, number, UTC) for number in range(40)],
    "text": [f"{chr(97 + number % 26)}'é{number:03}" for number in range(40)],
    "decimal": [Decimal(f"{number}.{number:010}") for number in range(40)],
    "bytes": [b"%c\x00\xff" % number for number in range(40)],
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_all_sorts_are_gone_on_after(kind, psycopg_connection, tmp_path):
    rows = [{"id": value, "v": "x"} for value in KEYS[kind]]
    load("source", psycopg_connection, rows, create=True, key="id")
    with closing(sqlite3.connect(tmp_path / "dest.db")) as dest:
        dest.execute("CREATE TABLE made (id, v)")
        with pytest.raises(StopError):
            copy(psycopg_connection, dest, transform=stopping_after(2))
        assert len(ids(dest)) == 20
        assert copy(psycopg_connection, dest) == (40, 0)
        assert len(set(ids(dest))) == len(ids(dest)) == 40


# What is refused.


def test_a_checkpoint_needs_a_key_and_chunks_that_are_committed(source, dest):
    with pytest.raises(ConfigError, match="checkpoint= needs key="):
        copy(source, dest, key=None)
    with pytest.raises(ConfigError, match=r"cannot do with commit_chunks=False"):
        copy(source, dest, commit_chunks=False)
    assert ids(dest) == []


@pytest.mark.parametrize("database", WITHOUT_SAVEPOINTS, ids=lambda database: database.driver)
def test_on_error_is_refused_where_it_would_commit_a_chunk_in_parts(source, dest, database):
    with pytest.raises(ConfigError, match="no savepoints"):
        copy(source, dest, on_error=print)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\0b"])
def test_a_name_says_which_copy(source, sqlite, name):
    sqlite.execute("CREATE TABLE made (id, v)")
    query = "UPDATE made SET v = :v WHERE id = :id"
    with pytest.raises(ConfigError, match="name must say which copy"):
        copy_rows("SELECT * FROM source", source, query, sqlite, key="id", checkpoint=TABLE)
    with pytest.raises(ConfigError, match="name must say which copy"):
        copy(source, sqlite, name=name or "x" * 300)


def test_a_checkpoint_is_no_part_of_a_transaction_of_the_users(source, psycopg_connection):
    execute("CREATE TABLE made (id INTEGER, v VARCHAR(40))", psycopg_connection)
    with (
        psycopg_connection.transaction(),
        pytest.raises(ConfigError, match="a transaction of its own"),
    ):
        copy(source, psycopg_connection)


def cut_short(source, dest, **options):
    with pytest.raises(StopError):
        copy(source, dest, transform=stopping_after(3), **options)


def test_a_copy_does_not_go_on_with_another_query(source, dest):
    cut_short(source, dest)
    query = "SELECT id, v FROM source WHERE id > 0"
    with pytest.raises(ConfigError, match=r"'made' was cut short.* another query: .* another name"):
        copy_rows(query, source, insert_into(dest), dest, key="id", checkpoint=TABLE)
    assert copy(source, dest) == (95, 0)
    assert ids(dest) == ALL


def test_a_copy_does_not_go_on_with_another_key_parameter_or_target(source, sqlite):
    sqlite.execute("CREATE TABLE made (id, v)")
    query = "SELECT id, v FROM source WHERE id > :least"
    insert = "INSERT INTO made (id, v) VALUES (:id, :v)"

    def go(select=query, into=insert, **options):
        options = {"parameters": {"least": 0}, "key": "id", "chunk_size": 10, **options}
        copy_rows(select, source, into, sqlite, checkpoint=TABLE, **options)

    with pytest.raises(StopError):
        go(transform=stopping_after(2))
    with pytest.raises(ConfigError, match="another parameters"):
        go(parameters={"least": 1})
    with pytest.raises(ConfigError, match="another key"):
        go(key=("id", "v"))
    with pytest.raises(ConfigError, match="another target"):
        go(into=insert.replace("made (", "made("))
    go()
    assert ids(sqlite) == ALL


def test_a_copy_does_not_go_on_where_a_column_came_or_went(source, dest):
    def go(**options):
        options = {"key": "id", "checkpoint": TABLE, "chunk_size": 10, **options}
        return copy_rows("SELECT * FROM source", source, insert_into(dest), dest, **options)

    with pytest.raises(StopError):
        go(transform=stopping_after(3))
    source.execute("ALTER TABLE source ADD COLUMN w")
    with pytest.raises(ConfigError, match="another columns"):
        go()
    assert ids(dest) == ALL[:30]


def test_a_finished_copy_may_begin_anew_with_another_query(source, dest):
    copy(source, dest)
    query = "SELECT id + 100 AS id, v FROM source"
    copy_rows(query, source, insert_into(dest), dest, key="id", checkpoint=TABLE)
    assert ids(dest) == [*ALL, *(number + 100 for number in ALL)]


def test_a_key_that_no_text_can_hold_is_an_error_before_the_first_commit(source, sqlite):
    duckdb = pytest.importorskip("duckdb")
    with closing(duckdb.connect()) as origin:
        origin.execute("CREATE TABLE source AS SELECT [1, i] AS id, 'x' AS v FROM range(9) r(i)")
        sqlite.execute("CREATE TABLE made (id, v)")
        with pytest.raises(SourceError, match="cannot be kept for a later run"):
            copy(origin, sqlite)
        assert ids(sqlite) == []


# Two runs at once.


@pytest.fixture
def another(database, request, tmp_path, dest):
    """A second connection to the database of `dest`."""
    if database.dbtype == "DUCKDB":
        conn = dest.cursor()
    else:
        conn = connect(url_of(database, request, tmp_path), driver=database.driver)
    with closing(conn):
        yield conn


def test_a_second_run_and_the_first_never_write_a_row_twice(
    source, dest, another, tmp_path, monkeypatch
):
    """With locks the second one is refused; without, it takes over, and the first one ends."""
    monkeypatch.setattr(session_lock, "_PATIENCE", 0.1)

    def overlapping(chunk):
        if chunk[0]["id"] != 31:
            return chunk
        with closing(sqlite3.connect(tmp_path / "source.db")) as again:
            if recognise(dest)[0].session_locks:
                with pytest.raises(ConfigError, match="another run of the copy 'made' is at work"):
                    copy(again, another)
            else:
                copy(again, another)
        return chunk

    if recognise(dest)[0].session_locks:
        assert copy(source, dest, transform=overlapping) == (95, 0)
    else:
        with pytest.raises(InsertError, match="another run of the copy 'made' has begun"):
            copy(source, dest, transform=overlapping)
    assert ids(dest) == ALL


def test_a_run_that_was_taken_over_changes_nothing_more(source, dest):
    def taken_over(chunk):
        if chunk[0]["id"] == 31:
            execute(f"UPDATE {TABLE} SET run = 'another'", dest)
        return chunk

    with pytest.raises((InsertError, ConfigError)):
        copy(source, dest, transform=taken_over)
    assert ids(dest) == ALL[:30]


def test_a_lock_is_given_back_however_a_copy_ends(source, dest, another):
    for _ in range(2):
        with pytest.raises(StopError):
            copy(source, dest, transform=stopping_after(1))
    assert copy(source, another) == (95, 0)


# Killed.

ROWS = 4500

DEFAULTS = [
    one for one in TRANSACTIONAL if one.driver in {"sqlite3", "psycopg", "pymysql", "duckdb"}
]


@pytest.mark.parametrize("database", DEFAULTS, ids=lambda database: database.driver)
def test_killed_again_and_again_in_mid_copy_each_row_is_there_once(database, request, tmp_path):
    with closing(PLACES[database.driver](request, tmp_path)()) as conn:
        execute("CREATE TABLE made (id INTEGER, v VARCHAR(40))", conn)
    source = copies.make_source(tmp_path / "source.db", ROWS)
    dest = url_of(database, request, tmp_path)
    kills, wrong = copies.kill_again_and_again(source, dest, ROWS, random.Random(1))
    assert wrong == []
    assert kills >= 4
