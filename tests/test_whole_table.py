"""Whole tables from PostgreSQL to PostgreSQL: COPY to COPY does what reading and inserting does."""

import contextlib
import threading
from contextlib import closing

import psycopg
import pytest

from rowferry import abort, connect, copy_table_rows, execute, fetchall
from rowferry import whole_table as whole
from rowferry.databases.postgresql_table import table_to_table
from rowferry.exceptions import AbortError, InsertError, SourceError

TYPES = "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN small AS integer CHECK (VALUE < 9)"


@pytest.fixture(scope="module")
def databases(postgresql):
    with closing(connect(postgresql.url, autocommit=True)) as conn:
        for name in ("one", "two"):
            conn.execute(f"CREATE DATABASE {name}")
        yield
        for name in ("one", "two"):
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def places(postgresql, databases):
    """A function that connects to one of two databases, both empty but for some types."""
    with contextlib.ExitStack() as stack:

        def connect_to(database, **options):
            conn = connect(postgresql.url, dbname=database, **options)
            return stack.enter_context(closing(conn))

        for name in ("one", "two"):  # in the second one these types have other numbers
            with closing(connect_to(name, autocommit=True)) as conn:
                conn.execute("DROP SCHEMA IF EXISTS public, s CASCADE; CREATE SCHEMA public")
                conn.execute(TYPES if name == "one" else f"CREATE TYPE first AS ENUM (); {TYPES}")
        yield connect_to


@pytest.fixture
def source(places):
    return places("one")


@pytest.fixture
def dest(places):
    return places("two")


@pytest.fixture
def watch(places):
    return places("postgres", autocommit=True)


def contents(conn, table="t"):
    found = conn.execute(f"SELECT t::text FROM {table} t ORDER BY 1").fetchall()
    conn.rollback()
    return found


def states(watch, *conns):
    pids = [conn.info.backend_pid for conn in conns if not conn.closed]
    query = "SELECT DISTINCT state FROM pg_stat_activity WHERE pid = ANY(%s)"
    return {state for (state,) in watch.execute(query, (pids,)).fetchall()}


def goes_by_copy(source, dest, table="t", target="t"):
    found = table_to_table(source, table, dest, target)
    source.rollback()
    dest.rollback()
    return found is not None


COLUMNS = {
    "smallint": "1", "integer": "2", "bigint": "3", "real": "0.1", "double precision": "0.3",
    "numeric": "1.10", "numeric(10,2)": "1.25", "text": "ä\\\n", "varchar(5)": "ab",
    "char(5)": "ab",
    '"char"': "a", "name": "a", "bytea": "\\x00ff", "boolean": "t", "oid": "5", "bit(3)": "101",
    "date": "2020-01-02", "time": "03:04:05.6", "timetz": "03:04:05+02", "uuid": "0" * 31 + "1",
    "timestamp": "2020-01-02 03:04:05.678", "timestamptz(2)": "2020-01-02 03:04:05.678+02",
    "interval": "1 day 02:03", "json": '{"a":  1}', "jsonb": '{"b": 1, "a": [1.10]}',
    "inet": "10.0.0.1", "integer[]": "{1,NULL}", "text[]": '{"a b",c}', "mood": "glad",
    "xml": "<a/>", "point": "(1,2)", "int4range": "[1,5)", "tsvector": "'a' 'b'",
}  # fmt: skip
SLOW = {
    "small": "3", "mood[]": "{sad,glad}", "money": "1.25", "regclass": "t", "regtype": "mood",
    "aclitem": "postgres=r/postgres",
}  # fmt: skip


@pytest.mark.parametrize("declared", [*COLUMNS, *SLOW])
def test_a_column_of_any_type_arrives_as_it_is_read_and_inserted(source, dest, declared):
    for conn in (source, dest):
        conn.execute(f"CREATE TABLE t (v {declared}, n integer)")
        conn.execute("CREATE TABLE u (LIKE t)")
        conn.commit()
    value = (COLUMNS | SLOW)[declared]
    source.execute(
        f"INSERT INTO t SELECT %s::{declared}, n FROM generate_series(1, 60) n", (value,)
    )
    source.execute("INSERT INTO t VALUES (NULL, 0)")
    source.commit()
    assert goes_by_copy(source, dest) is (declared in COLUMNS)
    assert copy_table_rows("t", source, dest) == (61, 0)
    assert copy_table_rows("t", source, dest, "u", on_error=pytest.fail) == (61, 0)
    assert contents(dest) == contents(dest, "u") == contents(source)


FILL = "INSERT INTO t (id, v) SELECT n, 'row ' || n FROM generate_series(1, 100) n"


@pytest.fixture
def filled(source):
    source.execute("CREATE TABLE t (id integer, v text)")
    source.execute(FILL)
    source.commit()
    return source


@pytest.mark.parametrize(
    ("target", "by_copy"),
    [
        ("v text, id integer", True),
        ("id integer, more text DEFAULT 'x', v text", True),
        ("id integer PRIMARY KEY, v text NOT NULL, g integer GENERATED ALWAYS AS IDENTITY", True),
        ("id integer, v text, g integer GENERATED ALWAYS AS (id * 2) STORED", True),
        ("id integer, v varchar(10)", False),
        ("id integer, v text, FOREIGN KEY (id) REFERENCES t, PRIMARY KEY (id)", False),
        ("id bigint, v text", False),
        ("id text, v text", False),
    ],
)
def test_a_target_that_differs(filled, dest, target, by_copy):
    dest.execute(f"CREATE TABLE t ({target})")
    dest.execute("CREATE TABLE u (LIKE t INCLUDING ALL)")
    dest.commit()
    assert goes_by_copy(filled, dest) is by_copy
    assert copy_table_rows("t", filled, dest) == (100, 0)
    assert copy_table_rows("t", filled, dest, "u", on_error=pytest.fail) == (100, 0)
    assert contents(dest) == contents(dest, "u")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("id integer", "column .*v.* does not exist"),
        ("id integer, v integer", "invalid input syntax|type"),
        ("id integer GENERATED ALWAYS AS IDENTITY, v text", "non-DEFAULT"),
        ("id integer, v text CHECK (v <> 'row 100')", "check"),
        ("id integer, v varchar(6)", "too long"),
    ],
)
def test_a_target_that_refuses(filled, dest, watch, target, words):
    dest.execute(f"CREATE TABLE t ({target})")
    dest.commit()
    with pytest.raises(InsertError, match=f"(?s)INSERT INTO t.*({words})"):
        copy_table_rows("t", filled, dest)
    assert contents(dest) == []
    assert states(watch, filled, dest) == {"idle"}
    filled.execute("SELECT 1")


def test_a_table_that_is_missing(filled, dest, watch):
    with pytest.raises(InsertError, match='"t" does not exist'):
        copy_table_rows("t", filled, dest)
    with pytest.raises(SourceError, match='"u" does not exist'):
        copy_table_rows("u", filled, dest)
    assert states(watch, filled, dest) == {"idle"}


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_a_view_is_a_source(filled, dest, kind):
    filled.execute(f"CREATE {kind} w AS SELECT id + 1 AS id, v FROM t")
    filled.commit()
    assert copy_table_rows("w", filled, dest, "t", create=True) == (100, 0)
    assert goes_by_copy(filled, dest, "w")
    assert contents(dest) == contents(filled, "w")


@pytest.mark.parametrize("into", [False, True])
def test_triggers_count_where_the_rows_go_and_not_where_they_come_from(filled, dest, into):
    copy_table_rows("t", filled, dest, create=True)
    conn = dest if into else filled
    conn.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    conn.execute("CREATE TRIGGER f AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()")
    conn.commit()
    assert goes_by_copy(filled, dest) is not into
    assert copy_table_rows("t", filled, dest) == (100, 0)


def test_an_empty_table(source, dest, watch):
    source.execute("CREATE TABLE t (id integer)")
    source.commit()
    assert copy_table_rows("t", source, dest, create=True) == (0, 0)
    assert contents(dest) == []
    assert states(watch, source, dest) == {"idle"}


@pytest.mark.parametrize("declared", ["integer[]", "text", "jsonb"])
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_another_encoding_of_the_client(source, dest, declared, encoding):
    source.execute(f"CREATE TABLE t (v {declared})")
    value = {"integer[]": "{1}", "text": "ä", "jsonb": '"ä"'}[declared]
    source.execute("INSERT INTO t SELECT %s FROM generate_series(1, 50)", (value,))
    source.commit()
    if encoding == "SQL_ASCII" and declared == "text":
        return  # psycopg reads such text as bytes
    dest.execute(f"SET client_encoding TO '{encoding}'")
    dest.commit()
    assert copy_table_rows("t", source, dest, create=True) == (50, 0)
    dest.execute("SET client_encoding TO 'UTF8'")
    dest.commit()
    assert contents(dest) == contents(source)


@pytest.mark.parametrize("commit_chunks", [True, False])
@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("part", [1, 2**23])
def test_the_chunks_before_one_that_fails_are_kept(
    filled, places, watch, monkeypatch, commit_chunks, autocommit, part
):
    monkeypatch.setattr(whole, "_FLOWING", part)
    dest = places("two", autocommit=autocommit)
    dest.execute("CREATE TABLE t (id integer CHECK (id <> 55), v text)")
    dest.commit()
    assert goes_by_copy(filled, dest)
    with pytest.raises(InsertError, match="check constraint"):
        copy_table_rows("t", filled, dest, commit_chunks=commit_chunks, chunk_size=10)
    assert len(contents(dest)) == (50 if commit_chunks else 0)
    assert states(watch, filled, dest) == {"idle"}
    execute("DROP TABLE t", filled)


@pytest.mark.parametrize("commit_chunks", [True, False])
def test_a_source_that_dies_in_the_middle_is_an_error(
    filled, dest, watch, monkeypatch, commit_chunks
):
    filled.execute("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) n")
    filled.commit()
    dest.execute("CREATE TABLE t (id integer, v text)")
    dest.commit()
    read, reads = whole._WholeTable._read, []

    def cut(self, copying, count):
        reads.append(self)
        if len(reads) == 5:
            watch.execute("SELECT pg_terminate_backend(%s)", (filled.info.backend_pid,))
        return read(self, copying, count)

    monkeypatch.setattr(whole._WholeTable, "_read", cut)
    with pytest.raises(SourceError, match=r"terminat|closed|lost"):
        copy_table_rows("t", filled, dest, commit_chunks=commit_chunks, chunk_size=100)
    assert states(watch, dest) == {"idle"}
    rows = len(contents(dest))
    assert rows % 100 == 0
    assert rows >= 400 if commit_chunks else rows == 0


def test_a_source_that_dies_within_a_chunk_leaves_no_part_of_it(filled, dest, watch, monkeypatch):
    filled.execute("INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series(1, 20000) n")
    filled.commit()
    dest.execute("CREATE TABLE t (id integer, v text)")
    dest.commit()
    read, reads = whole._WholeTable._read, []

    def cut(self, copying, count):
        reads.append(count)
        if len(reads) == 8:
            raise SourceError("it died")
        return read(self, copying, count)

    monkeypatch.setattr(whole._WholeTable, "_read", cut)
    with pytest.raises(SourceError, match="it died"):
        copy_table_rows("t", filled, dest, chunk_size=5000)
    assert set(reads) == {1000}
    assert len(contents(dest)) == 5000
    assert states(watch, dest) == {"idle"}


def test_an_abort_ends_it_at_the_next_chunk(filled, dest, watch, monkeypatch):
    dest.execute("CREATE TABLE t (id integer, v text)")
    dest.commit()
    check = abort.Job.check
    checks = []

    def count(self):
        checks.append(self)
        if len(checks) == 4:
            thread = threading.Thread(target=abort.abort_etlhelper_threads)
            thread.start()
            thread.join()
        check(self)

    monkeypatch.setattr(abort.Job, "check", count)
    with pytest.raises(AbortError):
        copy_table_rows("t", filled, dest, chunk_size=10)
    assert len(contents(dest)) == 30
    assert states(watch, filled, dest) == {"idle"}


def test_within_a_transaction_of_the_user_nothing_is_committed(filled, dest):
    dest.execute("CREATE TABLE t (id integer, v text)")
    dest.commit()
    with dest.transaction(force_rollback=True):
        assert copy_table_rows("t", filled, dest) == (100, 0)
        assert fetchall("SELECT count(*) AS n FROM t", dest) == [{"n": 100}]
    assert contents(dest) == []
    with filled.transaction():
        filled.execute("DELETE FROM t WHERE id > 50")
        assert copy_table_rows("t", filled, dest) == (50, 0)
        assert filled.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    assert len(contents(filled)) == 50


@pytest.mark.parametrize("target", ["id integer, v text", "id bigint, v text"])
def test_what_the_user_wrote_before_is_committed_with_the_rows(filled, dest, target):
    dest.execute(f"CREATE TABLE t ({target})")
    dest.execute("INSERT INTO t VALUES (0, 'before')")
    assert copy_table_rows("t", filled, dest) == (100, 0)
    dest.rollback()
    assert len(contents(dest)) == 101


@pytest.mark.parametrize("which", ["source", "dest"])
def test_a_transaction_that_has_failed_is_an_error_of_ours(filled, dest, which):
    copy_table_rows("t", filled, dest, create=True)
    failed = filled if which == "source" else dest
    with pytest.raises(psycopg.Error):
        failed.execute("SELECT 1 / 0")
    with pytest.raises((SourceError, InsertError), match="aborted"):
        copy_table_rows("t", filled, dest)
    assert len(contents(dest)) == 100


def test_one_connection_and_one_database(filled, places):
    assert copy_table_rows("t", filled, filled, "u", create=True) == (100, 0)
    again = places("one")
    assert copy_table_rows("t", filled, again, "u") == (100, 0)
    assert copy_table_rows("t", filled, again) == (100, 0)
    assert len(contents(filled)) == len(contents(filled, "u")) == 200


def test_a_table_in_a_schema_with_capital_letters_in_its_columns(source, dest):
    for conn in (source, dest):
        conn.execute('CREATE SCHEMA s; CREATE TABLE s.t (id integer, "Big, one" text)')
        conn.commit()
    source.execute("INSERT INTO s.t VALUES (1, 'a')")
    source.commit()
    assert copy_table_rows("s.t", source, dest) == (1, 0)
    assert contents(dest, "s.t") == contents(source, "s.t") == [("(1,a)",)]


def test_a_table_made_keeps_its_declared_types_and_what_may_be_null(source, dest):
    source.execute("CREATE TABLE t (id integer NOT NULL, v varchar(5) NOT NULL, m mood)")
    source.execute("INSERT INTO t SELECT n, 'a', 'sad' FROM generate_series(1, 50) n")
    source.commit()
    assert copy_table_rows("t", source, dest, "made", create=True) == (50, 0)
    assert contents(dest, "made") == contents(source)
    execute("ALTER TABLE t ALTER v DROP NOT NULL", source)
    execute("UPDATE t SET v = NULL", source)
    with pytest.raises(InsertError, match="not-null constraint"):
        copy_table_rows("t", source, dest, "made")
