"""SQL text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry import sql
from rowferry.exceptions import BadIdentifierError

WORDS = st.from_regex(r"[\w$]+", fullmatch=True)


@given(WORDS)
def test_words_of_any_script_are_identifiers(name):
    sql.check_column(name)
    sql.check_table(name)


@given(WORDS, WORDS)
def test_a_table_may_have_one_schema(schema, table):
    sql.check_table(f"{schema}.{table}")
    with pytest.raises(BadIdentifierError):
        sql.check_column(f"{schema}.{table}")
    with pytest.raises(BadIdentifierError):
        sql.check_table(f"{schema}.{table}.x")


@given(st.text().filter(lambda text: not re.fullmatch(r"[\w$]+", text)))
def test_nothing_else_is_an_identifier(name):
    with pytest.raises(BadIdentifierError, match="no plain column name"):
        sql.check_column(name)
    with pytest.raises(BadIdentifierError, match="no plain table name"):
        sql.check_table(f"a.{name}")


@pytest.mark.parametrize("name", ["", "a\n", ".", "a.", ".a", "a b", "a;", 'a"', "a-b", None, 1])
def test_some_that_are_no_identifiers(name):
    with pytest.raises(BadIdentifierError):
        sql.check_table(name)


def test_an_insert_has_a_placeholder_for_each_column():
    text = sql.insert("s.tablé", ["a", "b$"], [":a", ":b$"])
    assert text == "INSERT INTO s.tablé (a, b$) VALUES (:a, :b$)"
    with pytest.raises(BadIdentifierError):
        sql.insert("t", ["a", "b)"], ["?", "?"])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "  select 1;  ",
        "/* INSERT */ -- DELETE\n SELECT 'a;b', \"into\" FROM t",
        "(SELECT 1) UNION (SELECT 2)",
        "VALUES (1), (2)",
        "TABLE t",
        "WITH a AS (SELECT 'update') SELECT * FROM a",
        "SELECT * FROM t FOR UPDATE",
        "SELECT $$ DELETE; $$, $tag$ ; $tag$, E'it\\'s; INTO'",
        "SELECT inserted, updated_at, deleted FROM t",
    ],
)
def test_what_a_cursor_can_be_declared_for(query):
    assert sql.can_declare(query)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "INSERT INTO t VALUES (1) RETURNING id",
        "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a",
        "WITH a AS (SELECT 1) UPDATE t SET x = 1 RETURNING x",
        "SELECT * INTO copies FROM t",
        "SELECT 1; SELECT 2",
        "SHOW server_version",
        "EXPLAIN SELECT 1",
        "selection",
        "CALL p()",
    ],
)
def test_what_no_cursor_can_be_declared_for(query):
    assert not sql.can_declare(query)


@pytest.mark.parametrize(
    ("query", "locks"),
    [
        ("SELECT * FROM t FOR UPDATE", True),
        ("SELECT * FROM t for no key\n update SKIP LOCKED", True),
        ("SELECT * FROM t FOR SHARE OF t", True),
        ("SELECT * FROM t FOR KEY SHARE", True),
        ("SELECT 'FOR UPDATE'", False),
        ("SELECT substring(a FOR 2) FROM t -- FOR UPDATE", False),
    ],
)
def test_queries_that_lock_rows(query, locks):
    assert sql.locks_rows(query) is locks


def test_the_text_of_an_error():
    expected = "SQL query raised an error.\n\nselect\n\nRequired paramstyle: qmark\n\nno\n"
    assert sql.error_text("select", "qmark", ValueError("no")) == expected
    assert sql.error_text("select", "qmark", ValueError("no"), "try") == f"{expected}\ntry\n"
