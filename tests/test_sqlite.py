"""What only SQLite does."""

import sqlite3
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from rowferry import RawJSON, execute, fetchall, fetchone, iter_rows, load, table_info
from rowferry.exceptions import InsertError, SourceError
from rowferry.reader import Query, Reader
from rowferry.row_factories import tuple_row_factory


@pytest.fixture
def table(sqlite):
    execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT 'x', b)", sqlite)
    return sqlite


def test_a_row_factory_of_the_connection_is_left_alone(table):
    table.row_factory = sqlite3.Row
    load("t", table, [{"id": 1}])
    assert fetchone("SELECT id FROM t", table) == {"id": 1}
    assert fetchone("SELECT id FROM t", table, (), tuple_row_factory) == (1,)
    assert table.row_factory is sqlite3.Row
    execute("CREATE TABLE copies (id, a, b)", table)
    assert load("copies", table, table.execute("SELECT * FROM t").fetchall()) == (1, 0)
    assert fetchone("SELECT * FROM copies", table) == {"id": 1, "a": "x", "b": None}


def test_a_subclass_of_the_connection_is_one():
    class Connection(sqlite3.Connection):
        pass

    conn = sqlite3.connect(":memory:", factory=Connection)
    try:
        assert fetchall("SELECT 1 AS one", conn) == [{"one": 1}]
    finally:
        conn.close()


def test_invalid_utf8_spoils_its_cell_only_where_the_reader_is_tolerant(table):
    table.executescript("INSERT INTO t (id, b) VALUES (1, 'fine'), (2, CAST(x'ff61' AS TEXT))")
    query = Query("SELECT id, b FROM t", table)
    with Reader(query, tolerant=True) as reader:
        assert reader.fetch(5) == [{"id": 1, "b": "fine"}, {"id": 2, "b": "\udcffa"}]
        assert table.text_factory is str
    with pytest.raises(SourceError, match="UTF-8"):
        fetchall(query.sql, table)
    assert not table.in_transaction


def test_the_text_factory_is_the_users_between_fetches(table):
    load("t", table, [{"id": n} for n in range(3)])
    table.text_factory = bytes
    with Reader(Query("SELECT a FROM t", table), tolerant=True) as reader:
        reader.fetch(1)
        assert table.text_factory is bytes
        assert table.execute("SELECT a FROM t").fetchone() == (b"x",)
    assert table.text_factory is bytes


def test_types_that_sqlite_lacks_are_stored_as_text(table):
    uuid = UUID(int=1)
    values = [
        (Decimal("1.50"), "1.50"),
        ({"a": [1]}, '{"a": [1]}'),
        ([1, "ä"], '[1, "ä"]'),
        (time(1, 2), "01:02:00"),
        (date(2020, 1, 2), "2020-01-02"),
        (datetime(2020, 1, 2, 3), "2020-01-02 03:00:00"),  # as drivers give
        (timedelta(days=1), "1 day, 0:00:00"),
        (uuid, str(uuid)),
        (RawJSON(b'{"a":1}'), '{"a":1}'),
        (RawJSON("[1]"), "[1]"),
        (b"\x00", b"\x00"),
        (True, 1),
        (1.5, 1.5),
        (None, None),
    ]
    rows = [{"id": number, "b": value} for number, (value, _) in enumerate(values)]
    assert load("t", table, rows, chunk_size=3) == (len(values), 0)
    stored = fetchall("SELECT b FROM t ORDER BY id", table, (), tuple_row_factory)
    assert stored == [(text,) for _, text in values]


def test_an_object_that_is_no_value_is_an_error(table):
    with pytest.raises(InsertError, match="'object' is not supported"):
        load("t", table, [{"id": 1, "b": Decimal(1)}, {"id": 2, "b": object()}])
    assert fetchall("SELECT * FROM t", table) == []


@pytest.mark.parametrize("commit_chunks", [True, False])
def test_an_autocommit_connection_is_loaded_in_transactions(tmp_path, commit_chunks):
    conn = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    execute("CREATE TABLE t (id INTEGER PRIMARY KEY)", conn)
    rows = [{"id": n} for n in (1, 2, 3, 3)]
    with pytest.raises(InsertError):
        load("t", conn, rows, commit_chunks=commit_chunks, chunk_size=2)
    assert not conn.in_transaction
    assert len(fetchall("SELECT * FROM t", conn)) == (2 if commit_chunks else 0)
    conn.close()


def test_a_transaction_that_the_user_began_is_the_users_to_end(tmp_path):
    conn = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    execute("CREATE TABLE t (id INTEGER PRIMARY KEY)", conn)
    conn.execute("BEGIN")
    assert load("t", conn, [{"id": 1}]) == (1, 0)
    with pytest.raises(InsertError):
        load("t", conn, [{"id": 2}, {"id": 2}])
    assert fetchall("SELECT id FROM t", conn) == [{"id": 1}]
    assert list(iter_rows("SELECT id FROM t", conn)) == [{"id": 1}]
    assert conn.in_transaction
    conn.execute("ROLLBACK")
    assert fetchall("SELECT id FROM t", conn) == []
    conn.close()


def test_an_insert_that_returns_rows(table):
    query = "INSERT INTO t (id) VALUES (1), (2), (3) RETURNING id"
    assert fetchall(query, table) == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert not table.in_transaction
    with Reader(Query(query.replace("(1), (2), (3)", "(4), (5)"), table)) as reader:
        assert reader.fetch(1) == [{"id": 4}]
    assert not table.in_transaction
    assert len(fetchall("SELECT * FROM t", table)) == 3


def test_table_info_of_schemas(table):
    assert [tuple(column) for column in table_info("t", table)] == [
        ("id", "INTEGER", False, False),
        ("a", "TEXT", True, True),
        ("b", "", False, False),
    ]
    table.execute("ATTACH ':memory:' AS other")
    table.execute("CREATE TABLE other.t (c)")
    assert [column.name for column in table_info("t", table, schema="other")] == ["c"]
    assert table_info("t", table)[0].name == "id"
