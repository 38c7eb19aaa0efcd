"""Tables and columns may be called as a word of SQL, in every database."""

import pytest

from rowferry import copy_table_rows, fetchall, fetchone, generate_insert_sql, load
from rowferry.databases import (
    duckdb_words,
    mssql_words,
    mysql_words,
    oracle_words,
    postgresql_words,
    recognise,
    sqlite_words,
)
from rowferry.row_factories import tuple_row_factory as tuples

OWN_WORDS = {
    "PG": "SELECT word FROM pg_get_keywords()",
    "DUCKDB": "SELECT keyword_name FROM duckdb_keywords()",
    "MYSQL": r"SELECT lower(word) FROM information_schema.keywords WHERE word REGEXP '^[a-z_]+$'",
}
"""What a database says of its words, so that a later version's are found wanting."""


def words(conn):
    modules = (
        *(sqlite_words, postgresql_words, mysql_words, duckdb_words, oracle_words, mssql_words),
    )
    ours = set().union(*(module.RESERVED for module in modules))
    own = OWN_WORDS.get(recognise(conn)[0].dbtype)
    return sorted(ours.union(word for (word,) in (fetchall(own, conn, (), tuples) if own else ())))


@pytest.mark.parametrize("half", [0, 1])
def test_every_word_may_be_the_name_of_a_column(conn, other, half):
    key = "order"
    row = dict.fromkeys(words(conn)[half::2], 1) | {key: 1}
    raised = dict.fromkeys(row, 2) | {key: 1}
    load("plain", conn, [row], create=True, key=key)
    load("plain", conn, [raised], key=key, on_conflict="update")
    load("plain", conn, [row], key=key, on_conflict="skip")
    assert copy_table_rows("plain", conn, other, "copied", create=True) == (1, 0)
    for table in ("plain", "copied"):
        assert fetchall(f"SELECT * FROM {table}", conn) == [raised]


def test_a_reserved_word_may_be_the_name_of_a_key(conn, other):
    row = {"order": 1, "by": 2, "group": 3}
    load("plain", conn, [row], create=True, key=("order", "group"))
    copied = copy_table_rows("plain", conn, other, "copied", create=True, key=("order", "group"))
    assert copied == (1, 0)
    assert fetchall("SELECT * FROM copied", conn, key=("order", "group")) == [row]


def test_any_letters_of_a_reserved_word_name_the_column_that_they_always_name(conn):
    load("plain", conn, [{"ORDER": 1, "a": 2}], create=True, key="ORDER")
    load("plain", conn, [{"order": 1, "a": 3}], key="order", on_conflict="update")
    assert fetchall("SELECT a FROM plain", conn) == [{"a": 3}]


@pytest.mark.parametrize("word", ["order", "User", "select", "if", "value"])
def test_a_reserved_word_may_be_the_name_of_a_table(conn, other, word):
    load(word, conn, [{"by": 1}], create=True)
    assert copy_table_rows(word, conn, other, "plain", create=True) == (1, 0)
    assert copy_table_rows("plain", conn, other, word) == (1, 0)
    assert fetchone("SELECT count(*) AS n FROM plain", conn) == {"n": 1}


def test_other_names_stand_as_they_are(conn):
    row = {"Code": 1, "by_name": 2}
    assert "INSERT INTO Sensors (Code, by_name)" in generate_insert_sql("Sensors", row, conn)
