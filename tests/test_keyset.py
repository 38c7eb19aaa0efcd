"""Sums on keys: what comes after one, which rows have none, what can be ordered at all."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rowferry import keyset
from rowferry.exceptions import ConfigError, SourceError
from rowferry.keyset import KeyCheck, after, as_table, columns_of_key, ordered, ordered_after

# Names of columns.


@pytest.mark.parametrize(
    ("key", "columns"),
    [
        (None, ()),
        ("id", ("id",)),
        (["id"], ("id",)),
        (("a", "b"), ("a", "b")),
        ((name for name in "ab"), ("a", "b")),
    ],
)
def test_a_key_is_a_column_or_several(key, columns):
    assert columns_of_key(key) == columns


@pytest.mark.parametrize("key", ["", (), [""], ("a", None), (1,), ("a", ("b",))])
def test_a_key_that_names_no_column_is_refused(key):
    with pytest.raises(ConfigError, match="key must be a column name or a sequence of them"):
        columns_of_key(key)


def test_a_column_that_is_not_there_is_named_with_those_that_are():
    keyset.check_columns(("a",), ("a", "b"))
    with pytest.raises(ConfigError, match=r"no key column a, c in a row; there are: a, b"):
        keyset.check_columns(("a", "c"), ("a", "b"))


# Queries in FROM (…).


@pytest.mark.parametrize(
    ("query", "table"),
    [
        ("SELECT 1", "SELECT 1"),
        ("  SELECT 1 ;\n", "SELECT 1"),
        ("SELECT 1 -- one", "SELECT 1"),
        ("SELECT 1; -- one", "SELECT 1"),
        ("SELECT 1 /* one */ ; /* two; */ -- three", "SELECT 1"),
        ("-- one; two\nSELECT 1", "-- one; two\nSELECT 1"),
        ("SELECT ';'", "SELECT ';'"),
        ("SELECT 'it''s -- one;';", "SELECT 'it''s -- one;'"),
        ('SELECT 1 AS ";"', 'SELECT 1 AS ";"'),
        ("SELECT $$;$$;", "SELECT $$;$$"),
        ("VALUES (1)", "VALUES (1)"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "WITH a AS (SELECT 1) SELECT * FROM a"),
        ("(SELECT 1) UNION (SELECT 2)", "(SELECT 1) UNION (SELECT 2)"),
    ],
)
def test_what_reads_can_stand_in_from_without_its_end(query, table):
    assert as_table(query) == table


@pytest.mark.parametrize(
    "query",
    [
        "",
        "SELECT 1; SELECT 2",
        "SELECT 1;;SELECT 2",
        "INSERT INTO t VALUES (1) RETURNING id",
        "WITH a AS (DELETE FROM t RETURNING id) SELECT * FROM a",
        "SELECT * INTO u FROM t",
        "UPDATE t SET a = 1",
        "PRAGMA table_info(t)",
        "SHOW search_path",
        "-- SELECT 1",
        "SELECT 1) q; DROP TABLE t; SELECT (1",
    ],
)
def test_what_cannot_stand_in_from_is_refused_and_shown(query):
    with pytest.raises(ConfigError, match=r"FROM \(…\)") as caught:
        as_table(query)
    assert str(caught.value).endswith(query.strip())


@pytest.mark.parametrize(
    "query", ["SELECT 1 AS a -- one", "SELECT 1 AS a; -- one", "SELECT 1 AS a;"]
)
def test_a_wrapped_query_runs(query):
    with closing(sqlite3.connect(":memory:")) as conn:
        assert conn.execute(ordered(as_table(query), ["q.a"])).fetchall() == [(1,)]


# What comes after a key.


def test_the_condition_of_one_column():
    assert after(["a"], "?{}".format) == ("(a > ?0)", (0,))


def test_the_condition_of_several_columns_is_spelled_out():
    condition = after(["a", "b", "c"], "?{}".format)
    assert condition.text == (
        "a >= ?0 AND (a > ?0 OR a = ?0 AND b > ?1 OR a = ?0 AND b = ?1 AND c > ?2)"
    )
    assert condition.columns == (0, 0, 0, 1, 0, 1, 2)


VALUES = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text("aAbB_é \0-5", max_size=3),
    st.binary(max_size=2),
)
TYPES = st.sampled_from(["", "TEXT", "TEXT COLLATE NOCASE", "INTEGER", "REAL", "NUMERIC", "BLOB"])


@st.composite
def tables(draw):
    """The types of a key's columns, and rows of any values in them."""
    width = draw(st.integers(1, 3))
    types = draw(st.lists(TYPES, min_size=width, max_size=width))
    return types, draw(st.lists(st.tuples(*[VALUES] * width), min_size=1, max_size=12))


@given(tables())
@example((["TEXT COLLATE NOCASE"], [("a",), ("A",), ("b",), ("B",)]))
@example((["INTEGER", "TEXT"], [(1, "b"), (1, "a"), (2, "a"), (1.5, "a")]))
def test_what_comes_after_a_row_is_what_follows_it_in_the_order_of_the_key(table):
    types, values = table
    names = [f"k{number}" for number in range(len(types))]
    with closing(sqlite3.connect(":memory:")) as conn:
        columns = ", ".join(f"{name} {type_}" for name, type_ in zip(names, types, strict=True))
        places = ", ".join("?" * len(names))
        conn.execute(f"CREATE TABLE t ({columns})")
        conn.executemany(f"INSERT INTO t VALUES ({places})", values)
        expressions = [f'q."{name}" COLLATE BINARY' for name in names]
        query = f"SELECT {', '.join(names)} FROM t GROUP BY " + ", ".join(
            f"{name} COLLATE BINARY" for name in names
        )
        rows = conn.execute(ordered(query, expressions)).fetchall()
        condition = after(expressions, lambda _: "?")
        rest = ordered_after(query, expressions, condition)
        for number, row in enumerate(rows, 1):
            told = [row[column] for column in condition.columns]
            assert conn.execute(rest, told).fetchall() == rows[number:]


# Keys of rows as they come.


def test_the_last_key_is_known():
    check = KeyCheck(("b", "a"), ("a", "b", "c"))
    assert check.last is None
    check.accept([])
    assert check.last is None
    check.accept([(1, 2, 3), (4, 5, 6)])
    assert check.last == (5, 4)


@pytest.mark.parametrize("chunks", [[4], [1, 1, 1, 1], [3, 1], [2, 2]])
def test_equal_neighbours_are_an_error_that_names_rows_and_key(chunks):
    check = KeyCheck(("k",), ("k", "v"))
    rows = iter([("a", 1), ("b", 1), ("c", 1), ("c", 2)])
    with pytest.raises(SourceError, match=r"rows 3 and 4 have the same key, k = 'c': name the "):
        accept_all(check, ([next(rows) for _ in range(size)] for size in chunks))


def accept_all(check, chunks):
    for chunk in chunks:
        check.accept(chunk)


def test_equal_keys_of_several_columns():
    check = KeyCheck(("k", "l"), ("l", "k"))
    check.accept([(1, 1), (2, 1), (1, 2)])
    with pytest.raises(SourceError, match="rows 3 and 4 have the same key, k = 2, l = 1:"):
        check.accept([(1, 2)])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(None, 1)], "row 1,001 has NULL in its key: k = None, l = 1"),
        ([(5000, 1), (5000, 2), (5001, None)], "row 1,003 has NULL in its key: k = 5001, l = None"),
    ],
)
def test_null_in_a_key_is_an_error_that_names_the_row(rows, message):
    check = KeyCheck(("k", "l"), ("k", "l"))
    check.accept([(number, 1) for number in range(1000)])
    with pytest.raises(SourceError) as caught:
        check.accept(rows)
    assert str(caught.value) == message


def test_the_first_of_several_mistakes_is_named():
    with pytest.raises(SourceError, match="rows 1 and 2 "):
        KeyCheck(("k",), ("k",)).accept([(1,), (1,), (None,)])
    with pytest.raises(SourceError, match="row 2 has NULL"):
        KeyCheck(("k",), ("k",)).accept([(1,), (None,), (None,)])


@given(st.lists(st.tuples(st.integers(), st.text())), st.data())
def test_chunks_make_no_difference(rows, data):
    rows = sorted(set(rows))
    check, at = KeyCheck(("a", "b"), ("a", "b")), 0
    while at < len(rows):
        size = data.draw(st.integers(1, len(rows)))
        check.accept(rows[at : at + size])
        at += size
    assert check.last == (rows[-1] if rows else None)
