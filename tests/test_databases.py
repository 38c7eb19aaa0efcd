"""
Conformance: what every database and driver does, in the words of ETLHelper's behaviour.

A database that is added to `rowferry.databases` is tested here without another word.
"""

import gc
import logging
import threading
from collections import namedtuple
from contextlib import closing
from functools import partial

import pytest

import mssql_conformance
from rowferry import (
    FailedRow,
    abort,
    copy_rows,
    copy_table_rows,
    execute,
    executemany,
    fetchall,
    fetchone,
    generate_insert_sql,
    iter_chunks,
    iter_rows,
    load,
    log_to_console,
    table_info,
)
from rowferry.databases import recognise
from rowferry.exceptions import (
    AbortError,
    BadIdentifierError,
    ConfigError,
    DriverError,
    InsertError,
    QueryError,
    SourceError,
)
from rowferry.reader import Query, Reader
from rowferry.row_factories import list_row_factory, namedtuple_row_factory, tuple_row_factory

SELECT = "SELECT code, description FROM sensors ORDER BY code"
Sensor = namedtuple("Sensor", "code description")  # noqa: PYI024 - what users write


ENDLESS_RECURSION = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
)

ALWAYS_IN_TRANSACTION = {"MSSQL"}
"""Databases whose drivers begin the next transaction when one ends."""

ENDLESS = {
    # where every recursion has an end, or is written in another way
    "MSSQL": mssql_conformance.ENDLESS,
    "MYSQL": "SELECT count(*) FROM information_schema.collations a, "
    "information_schema.collations b, information_schema.collations c, "
    "information_schema.collations d",
    "ORACLE": ENDLESS_RECURSION.replace("RECURSIVE ", ""),
}


def sensors(*codes):
    return [{"code": code, "description": f"sensor {code}"} for code in codes]


def codes(conn):
    return [code for (code,) in fetchall("SELECT code FROM sensors ORDER BY 1", conn, (), tuples)]


def insert_sql(conn):
    return generate_insert_sql("sensors", sensors(1)[0], conn)


def is_idle(conn):
    database, raw = recognise(conn)
    return database.dbtype in ALWAYS_IN_TRANSACTION or not database.in_transaction(raw)


tuples = tuple_row_factory


@pytest.fixture
def three(conn):
    load("sensors", conn, sensors(1, 2, 3))
    return conn


# Extraction.


def test_rows_are_dicts_by_default(three):
    assert fetchall(SELECT, three) == sensors(1, 2, 3)


@pytest.mark.parametrize(
    ("factory", "first"),
    [
        (tuple_row_factory, (1, "sensor 1")),
        (list_row_factory, [1, "sensor 1"]),
        (namedtuple_row_factory, Sensor(1, "sensor 1")),
        (lambda cursor: lambda row: (cursor.description[0][0], row[0]), ("code", 1)),
    ],
)
def test_a_row_factory_makes_the_rows(three, factory, first):
    rows = fetchall(SELECT, three, row_factory=factory)
    assert rows[0] == first
    assert type(rows[0]) is type(first) or hasattr(rows[0], "_fields")
    assert fetchone(SELECT, three, row_factory=factory) == first


def test_iter_rows_gives_rows_in_order_whatever_the_chunk_size(three):
    for size in (1, 2, 3, 4):
        assert list(iter_rows(SELECT, three, chunk_size=size)) == sensors(1, 2, 3)


def test_iter_chunks_gives_lists_of_at_most_chunk_size_rows(three):
    chunks = list(iter_chunks(SELECT, three, chunk_size=2))
    assert chunks == [sensors(1, 2), sensors(3)]


def test_fetchone_gives_the_first_row_or_none_and_commits(three):
    assert fetchone(SELECT, three) == sensors(1)[0]
    assert is_idle(three)
    assert fetchone("SELECT * FROM sensors WHERE code > 99", three) is None
    assert is_idle(three)


def test_fetchone_gives_the_first_row_that_the_transform_leaves(three):
    from_two = lambda chunk: (row for row in chunk if row["code"] >= 2)
    assert fetchone(SELECT, three, transform=from_two) == sensors(2)[0]


def test_named_and_positional_parameters(three):
    database, _ = recognise(three)
    named = f"SELECT code FROM sensors WHERE code > {database.named_placeholder('least')}"
    positional = f"SELECT code FROM sensors WHERE code = {database.positional_placeholder('x')}"
    assert len(fetchall(named, three, {"least": 1})) == 2
    assert fetchall(positional, three, (2,)) == [{"code": 2}]
    assert fetchall(positional, three, [3]) == [{"code": 3}]


def test_a_percent_sign_without_parameters_is_no_placeholder(three):
    assert len(fetchall("SELECT code FROM sensors WHERE description LIKE '%sor 1'", three)) == 1


def test_nothing_runs_until_the_first_row_is_asked_for(three):
    rows = iter_rows(SELECT, three)
    load("sensors", three, sensors(4))
    assert len(list(rows)) == 4


def test_a_second_fetch_sees_what_others_wrote(three, other):
    assert len(fetchall(SELECT, three)) == 3
    assert is_idle(three)
    load("sensors", other, sensors(4))
    assert len(fetchall(SELECT, three)) == 4


def test_no_rows_are_an_empty_list(conn):
    assert fetchall(SELECT, conn) == []
    assert is_idle(conn)


def test_a_statement_without_rows_gives_none_and_is_committed(three, other):
    assert fetchall("DELETE FROM sensors WHERE code = 1", three) == []
    assert codes(other) == [2, 3]


def test_the_transform_of_extraction_takes_what_was_fetched(three):
    seen = []

    def transform(chunk):
        seen.append(len(chunk))
        for row in chunk:
            yield row["code"]
            yield -row["code"]

    assert list(iter_rows(SELECT, three, transform=transform, chunk_size=2)) == [
        *(1, -1, 2, -2),
        *(3, -3),
    ]
    assert seen == [2, 1]


def test_a_transform_may_empty_a_chunk(three):
    odd = lambda chunk: [row for row in chunk if row["code"] % 2]
    assert list(iter_rows(SELECT, three, transform=odd, chunk_size=1)) == sensors(1, 3)


@pytest.mark.parametrize("size", [0, -1])
def test_a_chunk_size_below_one_is_refused_before_anything_runs(conn, size):
    with pytest.raises(ConfigError, match=f"chunk_size must be at least 1, not {size}"):
        iter_rows("no SQL at all", conn, chunk_size=size)
    for write in (
        lambda: load("sensors", conn, sensors(1), chunk_size=size),
        lambda: executemany(insert_sql(conn), conn, sensors(1), chunk_size=size),
        lambda: copy_rows(SELECT, conn, insert_sql(conn), conn, chunk_size=size),
    ):
        with pytest.raises(ConfigError, match="chunk_size"):
            write()


@pytest.mark.parametrize("key", [5, (), ("code", 5), "", [""]])
def test_a_key_that_is_no_column_name_is_refused(conn, key):
    with pytest.raises(ConfigError, match="key must be a column name or a sequence of them"):
        fetchall("SELECT 1 AS a", conn, key=key)


def test_two_columns_of_one_name_are_an_error_that_names_them(conn):
    with pytest.raises(SourceError, match=r"'a'.*AS"):
        fetchall("SELECT 1 AS a, 2 AS a", conn)
    assert is_idle(conn)
    assert fetchall("SELECT 1 AS a, 2 AS a", conn, (), tuples) == [(1, 2)]


def test_a_refused_query_rolls_back_and_says_what_was_asked_and_answered(conn):
    database, _ = recognise(conn)
    query = "SELECT a FROM nowhere"
    with pytest.raises(SourceError) as caught:
        fetchall(query, conn)
    cause = caught.value.__cause__
    assert caught.value.args[0] == (
        f"SQL query raised an error.\n\n{query}\n\n"
        f"Required paramstyle: {database.paramstyle}\n\n{cause}\n"
    ) + (f"\n{advice}\n" if (advice := database.advice(cause)) else "")
    assert "nowhere" in str(cause).lower()
    assert caught.value.exit_code == 2  # the same again would end in the same way
    assert is_idle(conn)
    assert fetchall("SELECT 1 AS one", conn) == [{"one": 1}]


def test_parameters_that_do_not_fit_are_an_error_of_the_source(conn):
    database, _ = recognise(conn)
    query = f"SELECT {database.named_placeholder('here')}"
    with pytest.raises(SourceError, match="Required paramstyle"):
        fetchall(query, conn, {"elsewhere": 1, "nowhere": 2})
    assert is_idle(conn)


def test_a_closed_connection_is_named_as_the_reason(connect):
    conn = connect()
    conn.close()
    with pytest.raises(SourceError, match="connection is closed"):
        fetchall("SELECT 1", conn)
    with pytest.raises(QueryError, match="connection is closed"):
        execute("SELECT 1", conn)
    with pytest.raises(QueryError, match="connection is closed"):
        load("sensors", conn, sensors(1))


@pytest.mark.parametrize("leave", ["break", "close", "error"])
def test_a_read_that_is_left_leaves_no_transaction_and_no_cursor(three, leave):
    rows = iter_rows(SELECT, three, chunk_size=1)
    assert next(rows)["code"] == 1
    if leave == "error":
        with closing(rows), pytest.raises(ZeroDivisionError):
            next(rows)["code"] / 0
    elif leave == "close":
        rows.close()
    else:
        for _ in rows:
            break
        del rows
        gc.collect()
    assert is_idle(three)
    execute("DROP TABLE sensors", three)


def test_what_a_user_wrote_during_a_read_that_was_left_is_the_users(three, other):
    placeholder = recognise(three)[0].positional_placeholder("x")
    with closing(iter_rows(SELECT, three, chunk_size=1)) as rows:
        next(rows)
        cursor = three.cursor()
        cursor.execute(f"DELETE FROM sensors WHERE code = {placeholder}", (2,))
        cursor.close()
    three.commit()
    assert codes(other) == [1, 3]


def test_a_read_within_a_users_transaction_that_is_left_keeps_it(three, other):
    cursor = three.cursor()
    cursor.execute("DELETE FROM sensors WHERE code = 2")
    cursor.close()
    with closing(iter_rows(SELECT, three, chunk_size=1)) as rows:
        next(rows)
    three.commit()
    assert codes(other) == [1, 3]


def test_users_may_commit_between_the_rows(three, other):
    seen = []
    for row in iter_rows(SELECT, three, chunk_size=1):
        seen.append(row["code"])
        cursor = three.cursor()
        cursor.execute("UPDATE sensors SET depth = 1")
        cursor.close()
        three.commit()
    assert seen == [1, 2, 3]
    assert fetchone("SELECT count(*) AS n FROM sensors WHERE depth = 1", other) == {"n": 3}


def test_a_row_factory_that_raises_leaves_no_transaction(three):
    def factory(cursor):
        raise KeyError(cursor.description[0][0])

    with pytest.raises(KeyError):
        fetchall(SELECT, three, row_factory=factory)
    assert is_idle(three)


# The reader.


def test_a_reader_fetches_as_many_rows_as_it_is_asked_for(three):
    with Reader(Query(SELECT, three)) as reader:
        assert [len(reader.fetch(count)) for count in (1, 5, 5)] == [1, 2, 0]
        assert is_idle(three)


def test_a_reader_that_keeps_the_rest_gives_the_same_rows(three):
    with Reader(Query(SELECT, three, (), tuples)) as reader:
        first = reader.fetch(1)
        reader.keep_rest()
        execute("DELETE FROM sensors", three)
        assert first + reader.fetch(1) + reader.fetch(5) == [
            (code, f"sensor {code}") for code in (1, 2, 3)
        ]
        assert reader.fetch(5) == []


def test_a_reader_may_be_closed_at_any_time_and_again(three):
    reader = Reader(Query(SELECT, three))
    reader.close()
    assert reader.fetch(1) == []
    reader = Reader(Query(SELECT, three))
    reader.fetch(1)
    reader.close()
    reader.close()
    assert reader.fetch(1) == []
    assert is_idle(three)


def test_a_fetch_is_interrupted_from_another_thread(conn):
    database, _ = recognise(conn)
    with Reader(Query(ENDLESS.get(database.dbtype, ENDLESS_RECURSION), conn)) as reader:
        stop = threading.Timer(0.3, reader.interrupt)
        stop.start()
        with pytest.raises(SourceError, match=r"(?i)interrupt|cancel"):
            reader.fetch(1)
        stop.join()
    assert is_idle(conn)


# Loading.


@pytest.mark.parametrize("rows", [None, [], (), iter(())])
def test_no_rows_are_nothing_to_do(conn, rows):
    assert load("sensors", conn, rows) == (0, 0)
    assert executemany("no SQL at all", conn, rows) == (0, 0)


def test_load_takes_named_tuples(conn):
    assert load("sensors", conn, [Sensor(1, "a"), Sensor(2, "b")]) == (2, 0)
    assert fetchall(SELECT, conn, row_factory=namedtuple_row_factory) == [(1, "a"), (2, "b")]


def test_load_refuses_rows_without_names(conn):
    with pytest.raises(InsertError, match="tuple has no column names"):
        load("sensors", conn, [(1, "a")])


def test_load_takes_the_columns_of_the_first_row(conn):
    load("sensors", conn, [{"description": "a", "code": 1}])
    assert fetchall("SELECT * FROM sensors", conn) == [
        {"code": 1, "description": "a", "depth": None}
    ]


def test_load_refuses_further_keys_of_later_rows(conn):
    rows = [*sensors(1), {**sensors(2)[0], "depth": 3}]
    with pytest.raises(InsertError, match="'depth'"):
        load("sensors", conn, rows)
    assert codes(conn) == []
    assert load("sensors", conn, rows, ignore_extra_keys=True) == (2, 0)
    assert codes(conn) == [1, 2]


def test_a_row_with_further_keys_is_a_failed_row(conn):
    failed = []
    rows = [*sensors(1), {**sensors(2)[0], "depth": 3}, *sensors(3)]
    assert load("sensors", conn, rows, on_error=failed.extend) == (3, 1)
    assert [row.row["code"] for row in failed] == [2]
    assert codes(conn) == [1, 3]


def test_load_in_a_schema_and_with_a_column_that_is_no_identifier(conn):
    with pytest.raises(BadIdentifierError):
        load("sensors; DROP TABLE sensors", conn, sensors(1))
    with pytest.raises(BadIdentifierError):
        load("sensors", conn, [{"code) VALUES (1); --": 1}])


@pytest.mark.parametrize("size", [1, 2, 3, 5000])
def test_load_commits_all_chunks(conn, other, size):
    assert load("sensors", conn, iter(sensors(1, 2, 3)), chunk_size=size) == (3, 0)
    assert codes(other) == [1, 2, 3]
    assert is_idle(conn)


def test_a_transform_may_drop_the_first_row_or_a_whole_chunk(conn):
    even = lambda chunk: (row for row in chunk if row["code"] % 2 == 0)
    assert load("sensors", conn, sensors(1, 2, 3, 4), transform=even, chunk_size=1) == (2, 0)
    assert codes(conn) == [2, 4]


def test_a_transform_may_drop_everything(conn):
    assert load("sensors", conn, sensors(1, 2), transform=lambda _: []) == (0, 0)
    assert executemany(insert_sql(conn), conn, sensors(1), transform=lambda _: iter(())) == (0, 0)


def test_processed_counts_rows_after_the_transform(conn):
    negatives = lambda chunk: [
        row | {"code": sign * row["code"]} for row in chunk for sign in (1, -1)
    ]
    assert load("sensors", conn, sensors(1, 2, 3), transform=negatives, chunk_size=2) == (6, 0)


def test_an_error_rolls_the_chunk_back_and_keeps_those_before(conn, other):
    with pytest.raises(InsertError, match="INSERT INTO sensors") as caught:
        load("sensors", conn, sensors(1, 2, 3, 3), chunk_size=2)
    assert caught.value.args[0].startswith("SQL query raised an error.\n\nINSERT INTO sensors")
    assert caught.value.__cause__ is not None
    assert is_idle(conn)
    assert codes(other) == [1, 2]


def test_without_commit_chunks_it_is_all_or_nothing(conn, other):
    with pytest.raises(InsertError):
        load("sensors", conn, sensors(1, 2, 3, 3), commit_chunks=False, chunk_size=2)
    assert codes(other) == []
    assert load("sensors", conn, sensors(1, 2, 3), commit_chunks=False, chunk_size=2) == (3, 0)
    assert codes(other) == [1, 2, 3]


def test_on_error_gets_the_failed_rows_once_a_chunk(conn, other):
    calls = []
    rows = sensors(1, 1, 2, 3, 3, 4, 4, 5)
    assert load("sensors", conn, rows, on_error=calls.append, chunk_size=4) == (8, 3)
    assert [[failed.row["code"] for failed in call] for call in calls] == [[1], [3, 4]]
    assert all(isinstance(row, FailedRow) and row.exception for call in calls for row in call)
    assert codes(other) == [1, 2, 3, 4, 5]
    assert is_idle(conn)


def test_on_error_without_commit_chunks_keeps_the_good_rows_of_all_chunks(conn, other):
    seen = []

    def on_error(failed):
        seen.extend(failed)
        assert codes(other) == []

    rows = sensors(1, 2, 3, 3, 4, 5)
    job = partial(load, "sensors", conn, rows, on_error=on_error, commit_chunks=False, chunk_size=2)
    if not recognise(conn)[0].savepoints:
        with pytest.raises(ConfigError, match="has no savepoints"):
            job()
        assert (codes(other), seen, is_idle(conn)) == ([], [], True)
        return
    assert job() == (6, 1)
    assert len(seen) == 1
    assert codes(other) == [1, 2, 3, 4, 5]


def test_values_that_the_driver_cannot_bind_are_failures_of_their_row(conn):
    failed = []
    rows = [*sensors(1), {"code": 2}, {"code": 3, "description": object()}, *sensors(4)]
    assert load("sensors", conn, rows, on_error=failed.extend) == (4, 2)
    assert codes(conn) == [1, 4]
    with pytest.raises(InsertError):
        load("sensors", conn, [*sensors(5), {"code": 6}])
    assert is_idle(conn)
    assert codes(conn) == [1, 4]


def test_an_integer_that_is_too_large_is_a_failure_of_its_row(conn):
    failed = []
    assert load("sensors", conn, sensors(1, 2**200, 3), on_error=failed.extend) == (3, 1)
    assert codes(conn) == [1, 3]


def test_bisecting_finds_exactly_the_bad_rows(conn):
    bad = {0, 1, 57, 58, 64, 199}
    rows = [{"code": n, "description": None if n in bad else "x"} for n in range(200)]
    failed = []
    assert load("sensors", conn, rows, on_error=failed.extend) == (200, 6)
    assert {row.row["code"] for row in failed} == bad
    assert codes(conn) == [n for n in range(200) if n not in bad]


def test_on_error_may_write_on_the_same_connection(conn, other):
    execute("CREATE TABLE failures (code INTEGER)", conn)
    on_error = lambda failed: load("failures", conn, [{"code": f.row["code"]} for f in failed])
    assert load("sensors", conn, sensors(1, 1), on_error=on_error) == (2, 1)
    assert fetchall("SELECT code FROM failures", other) == [{"code": 1}]


def test_an_error_of_the_rows_themselves_rolls_back_what_is_not_committed(conn, other):
    def rows():
        yield from sensors(1, 2, 3)
        raise LookupError("no more")

    with pytest.raises(LookupError):
        load("sensors", conn, rows(), chunk_size=2)
    assert is_idle(conn)
    assert codes(other) == [1, 2]
    execute("DELETE FROM sensors", conn)
    with pytest.raises(LookupError):
        load("sensors", conn, rows(), chunk_size=1, commit_chunks=False)
    assert codes(other) == []


def test_execute_commits_and_rolls_back(conn, other):
    execute("INSERT INTO sensors (code, description) VALUES (1, '100 %')", conn)
    assert codes(other) == [1]
    database, _ = recognise(conn)
    execute(f"DELETE FROM sensors WHERE code = {database.positional_placeholder('x')}", conn, (1,))
    assert codes(other) == []
    with pytest.raises(QueryError, match="Required paramstyle") as caught:
        execute("INSERT INTO nowhere VALUES (1)", conn)
    assert caught.value.__cause__ is not None
    assert is_idle(conn)


def test_executemany_takes_positional_rows(conn):
    first, second = map(recognise(conn)[0].positional_placeholder, "12")
    query = f"INSERT INTO sensors (code, description) VALUES ({first}, {second})"
    assert executemany(query, conn, [(1, "a"), [2, "b"], Sensor(3, "c")]) == (3, 0)
    assert codes(conn) == [1, 2, 3]


def test_the_insert_has_named_placeholders_for_mappings_only(conn):
    database, _ = recognise(conn)
    named, positional = database.named_placeholder, database.positional_placeholder
    assert generate_insert_sql("s.t", {"a": 1, "b": 2}, conn) == (
        f"INSERT INTO s.t (a, b) VALUES ({named('a')}, {named('b')})"
    )
    assert generate_insert_sql("sensors", Sensor(1, 2), conn) == (
        f"INSERT INTO sensors (code, description) VALUES ({positional('1')}, {positional('2')})"
    )


# Copying.


def test_copy_rows_from_one_connection_to_another(three, other):
    execute("CREATE TABLE copies (code INTEGER, description VARCHAR(40))", three)
    insert = generate_insert_sql("copies", sensors(1)[0], other)
    assert copy_rows(SELECT, three, insert, other, chunk_size=2) == (3, 0)
    assert fetchall("SELECT * FROM copies ORDER BY 1", three) == sensors(1, 2, 3)
    assert is_idle(three)
    assert is_idle(other)


def test_copy_rows_with_parameters_transform_and_row_factory(three, other):
    execute("CREATE TABLE copies (code INTEGER)", three)
    mark = recognise(three)[0].positional_placeholder("x")
    select = f"SELECT code FROM sensors WHERE code > {mark}"
    insert = f"INSERT INTO copies VALUES ({mark})"
    both = lambda chunk: ((sign * code,) for (code,) in chunk for sign in (1, -1))
    copied = copy_rows(
        *(select, three, insert, other), parameters=(1,), row_factory=tuples, transform=both
    )
    assert copied == (4, 0)
    assert len(fetchall("SELECT * FROM copies", three)) == 4


def test_copy_table_rows(three, other):
    execute("CREATE TABLE copies (code INTEGER, description VARCHAR(40), depth NUMERIC)", three)
    assert copy_table_rows("sensors", three, other, target="copies") == (3, 0)
    assert copy_table_rows("sensors", three, other, "copies", namedtuple_row_factory) == (3, 0)
    assert len(fetchall("SELECT * FROM copies", three)) == 6
    failed = []
    assert copy_table_rows("sensors", three, other, on_error=failed.extend) == (3, 3)
    assert len(failed) == 3
    with pytest.raises(BadIdentifierError):
        copy_table_rows("sensors s", three, other)


def test_the_same_connection_reads_and_writes(three, other):
    mark = recognise(three)[0].named_placeholder
    update = f"UPDATE sensors SET description = 'new' WHERE code = {mark('code')}"
    rows = iter_rows("SELECT code FROM sensors", three, chunk_size=1)
    assert executemany(update, three, rows, chunk_size=1) == (3, 0)
    assert fetchone("SELECT count(*) AS n FROM sensors WHERE description = 'new'", other) == {
        "n": 3
    }


def test_statements_between_the_rows_of_the_same_connection(three, other):
    mark = recognise(three)[0].positional_placeholder("x")
    for row in iter_rows(SELECT, three, chunk_size=1):
        assert fetchone("SELECT 1 AS one", three) == {"one": 1}
        execute(f"DELETE FROM sensors WHERE code = {mark}", three, (row["code"],))
    assert codes(other) == []
    assert is_idle(three)


def test_two_reads_side_by_side_on_one_connection(three):
    pairs = zip(
        iter_rows(SELECT, three, (), tuples, chunk_size=1),
        iter_rows(SELECT, three, (), tuples, chunk_size=1),
        strict=True,
    )
    assert [a == b for a, b in pairs] == [True] * 3
    assert is_idle(three)


def test_an_inner_read_that_is_left_leaves_no_transaction(three):
    with closing(iter_rows(SELECT, three, chunk_size=1)) as outer:
        next(outer)
        with closing(iter_rows(SELECT, three, chunk_size=1)) as inner:
            next(inner)
    assert is_idle(three)


def test_a_copy_on_one_connection_without_commit_chunks_is_atomic(three, other):
    execute("CREATE TABLE copies (code INTEGER PRIMARY KEY, description VARCHAR(40))", three)
    twice = lambda chunk: [row | {"code": 1} if row["code"] == 3 else row for row in chunk]
    rows = iter_rows(SELECT, three, transform=twice, chunk_size=1)
    with pytest.raises(InsertError):
        load("copies", three, rows, commit_chunks=False, chunk_size=1)
    assert fetchall("SELECT * FROM copies", other) == []
    insert = generate_insert_sql("copies", sensors(1)[0], three)
    with pytest.raises(InsertError):
        copy_rows(
            *(SELECT, three, insert, three), transform=twice, commit_chunks=False, chunk_size=1
        )
    assert fetchall("SELECT * FROM copies", other) == []
    assert is_idle(three)


def test_a_read_nested_in_a_write_commits_nothing(three, other):
    def transform(chunk):
        assert fetchone("SELECT count(*) AS n FROM sensors", three)["n"] >= 3
        assert codes(other) == [1, 2, 3]
        return chunk

    written = load("sensors", three, sensors(4, 5, 6), transform, commit_chunks=False, chunk_size=1)
    assert written == (3, 0)
    assert codes(other) == [1, 2, 3, 4, 5, 6]


# Tables.


def test_table_info_gives_the_columns(conn):
    columns = table_info("sensors", conn)
    assert [column.name.lower() for column in columns] == ["code", "description", "depth"]
    assert columns[1].not_null is True
    # DuckDB takes the length of a text and forgets it.
    assert "40" in columns[1].type or columns[1].type == "VARCHAR"
    assert columns[2][2:] == (False, False)


def test_table_info_says_that_there_is_no_table(conn):
    with pytest.raises(QueryError, match="no table 'nothing'"):
        table_info("nothing", conn)


# Connections.


def test_connections_are_recognised_in_their_wrappers(three):
    class Wrapper:
        def __init__(self, connection):
            self.dbapi_connection = connection

    class Pooled:
        def __init__(self, connection):
            self.connection = connection

    assert fetchall(SELECT, Pooled(Wrapper(three))) == sensors(1, 2, 3)
    assert load("sensors", Wrapper(three), sensors(4)) == (1, 0)


def test_other_objects_are_named_with_what_there_is():
    with pytest.raises(DriverError, match=r"builtins\.object; there are: sqlite3, psycopg"):
        list(iter_rows("SELECT 1", object()))


# Logs and aborts.


def test_the_log_says_what_is_done(three, caplog):
    with caplog.at_level(logging.INFO, logger="rowferry"):
        fetchall(SELECT, three, chunk_size=2)
        load("sensors", three, sensors(3, 4, 5), on_error=len, chunk_size=2)
    assert [record.getMessage() for record in caplog.records] == [
        "Fetching rows (chunk_size=2)",
        "3 rows returned",
        "Executing many (chunk_size=2)",
        "2 rows processed (1 failed)",
        "3 rows processed (1 failed)",
        "3 rows processed in total",
    ]


def test_an_abort_ends_the_work_at_the_next_chunk(three, other):
    rows = iter_rows(SELECT, three, chunk_size=1)
    next(rows)
    thread = threading.Thread(target=abort.abort_etlhelper_threads)
    thread.start()
    thread.join()
    assert len(fetchall(SELECT, other)) == 3  # begun after the abort, which does not end it
    with pytest.raises(AbortError):
        list(rows)
    assert is_idle(three)


def test_an_abort_rolls_back_what_is_not_committed(conn, other):
    def rows():
        yield from sensors(1, 2)
        abort.abort_etlhelper_threads()
        yield from sensors(3, 4)

    with pytest.raises(AbortError):
        load("sensors", conn, rows(), chunk_size=1)
    assert is_idle(conn)
    assert codes(other) == [1, 2]


def test_log_to_console_twice_writes_each_line_once(three, capsys):
    log_to_console()
    log_to_console()
    try:
        fetchall(SELECT, three)
        assert capsys.readouterr().err.count("3 rows returned") == 1
    finally:
        log = logging.getLogger("rowferry")
        log.removeHandler(log.handlers[-1])
        log.setLevel(logging.NOTSET)
