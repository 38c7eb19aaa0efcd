"""Names of tables and columns, hostile ones first of all: on every database."""

import itertools
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rowferry import execute, fetchall, generate_create_table_sql, generate_insert_sql, load
from rowferry.databases import recognise
from rowferry.exceptions import BadIdentifierError, InsertError, QueryError
from rowferry.row_factories import tuple_row_factory

HOSTILE = (
    *(
        "",
        "\0",
        "a\0b",
        "\ud800",
        " ",
        "a ",
        "select",
        "1",
        "1a",
        "$",
        "$a$",
        "?",
        "%",
        "%s",
        "%(a)s",
    ),
    *("a.b", '"', '""', "'", "`", "``", "[", "a]b", "\\", '\\"', "--", "/*", "*/", ";", ":a", "@a"),
    *('a"; DROP TABLE canary; --', "a`; DROP TABLE canary; --", "a'; DROP TABLE canary; --"),
    *("a); DROP TABLE canary; --", "a\nb", "a\tb", "ä", "日本", "\U0001f4a9", "\u202e", "ﬁ", "İ"),
    *("é" * 31, "é" * 32, "a" * 63, "a" * 64, "a" * 65, "日" * 21, "日" * 22),
)
NAMES = (
    st.sampled_from(HOSTILE) | st.text(max_size=70) | st.from_regex(r"[\w$]{1,70}", fullmatch=True)
)
FIXTURE = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
numbers = itertools.count()


@pytest.fixture
def canary(conn):
    """A database with a table that has to survive."""
    execute("CREATE TABLE canary (a INTEGER)", conn)
    execute("INSERT INTO canary (a) VALUES (1)", conn)
    return conn


def survives(conn):
    return fetchall("SELECT a FROM canary", conn) == [{"a": 1}]


def all_examples(test):
    for name in HOSTILE:
        test = example(name=name)(test)
    return test


@given(name=NAMES)
@all_examples
@FIXTURE
def test_a_quoted_name_is_that_name_or_refused(canary, name):
    database, _ = recognise(canary)
    try:
        quoted = database.quote(name)
    except BadIdentifierError:
        return
    table = quoted if _can_be_a_table(database, name) else "plain"
    execute(f"CREATE TABLE {table} ({quoted} INTEGER)", canary)
    try:
        execute(f"INSERT INTO {table} ({quoted}) VALUES (7)", canary)
        assert fetchall(f"SELECT {quoted} FROM {table}", canary) == [{name: 7}]
    finally:
        execute(f"DROP TABLE {table}", canary)
    assert survives(canary)


def _can_be_a_table(database, name):
    if name.lower() in {"canary", "sensors"} or name.lower().startswith("sqlite_"):
        return False
    # MariaDB's tables are files, in whose names other characters take five bytes.
    return database.dbtype != "MYSQL" or len(name) < 40


@given(name=NAMES)
@all_examples
@FIXTURE
def test_a_column_of_any_name_is_loaded_or_refused(canary, name):
    table = f"made_{next(numbers)}"
    try:
        load(table, canary, [{"plain": 1, name: 7}], create=True)
    except BadIdentifierError:
        pass
    except (InsertError, QueryError):  # a word that the database keeps to itself, or two of a name
        assert _is_plain(name)
    else:
        assert _is_plain(name)
        query = f"SELECT * FROM {table}"
        assert fetchall(query, canary, (), tuple_row_factory) == [(1, 7)]
        execute(f"DROP TABLE {table}", canary)
    assert survives(canary)


def _is_plain(name):
    return re.fullmatch(r"[\w$]+", name) is not None


@given(name=NAMES)
@all_examples
@FIXTURE
def test_a_table_of_any_name_is_loaded_or_refused(canary, name):
    if name.lower() in {"canary", "sensors"}:
        return
    try:
        load(name, canary, [{"a": 7}], create=True)
    except (BadIdentifierError, InsertError, QueryError):
        pass
    else:
        database, _ = recognise(canary)
        table = ".".join(map(database.identifier, name.split(".")))
        assert fetchall(f"SELECT a FROM {table}", canary) == [{"a": 7}]
        execute(f"DROP TABLE {table}", canary)
    assert survives(canary)


def test_a_name_that_would_be_cut_is_refused_before_it_is_another(conn):
    database, _ = recognise(conn)
    long = "a" * 64
    try:
        database.quote(long)
    except BadIdentifierError:
        pass
    else:
        return  # it is not cut here
    execute(f"CREATE TABLE {long[:63]} (a INTEGER)", conn)
    for write in (
        lambda: load(long, conn, [{"a": 1}]),
        lambda: load(long, conn, [{"a": 1}], create=True),
        lambda: generate_insert_sql(f"s.{long}", {"a": 1}, conn),
        lambda: generate_insert_sql("t", {long: 1}, conn),
        lambda: generate_create_table_sql("t", [{long: 1}], conn),
    ):
        with pytest.raises(BadIdentifierError, match="too long"):
            write()
    assert fetchall(f"SELECT * FROM {long[:63]}", conn) == []
