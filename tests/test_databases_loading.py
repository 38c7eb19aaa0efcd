"""
Conformance: what every database does when rows are loaded.

Which rows fail, which are skipped or updated, tables that are made; a database that is added to
`rowferry.databases` is tested here without another word.
"""

import datetime as dt
import itertools
from collections import namedtuple
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import ADDRESSES, FILE
from rowferry import (
    DbParams,
    copy_rows,
    copy_table_rows,
    execute,
    executemany,
    fetchall,
    generate_create_table_sql,
    generate_insert_sql,
    load,
    table_info,
)
from rowferry.databases import recognise
from rowferry.exceptions import BadIdentifierError, ConfigError, InsertError, QueryError
from rowferry.row_factories import tuple_row_factory

Sensor = namedtuple("Sensor", "code description")  # noqa: PYI024 - what users write


def sensors(*codes):
    return [{"code": code, "description": f"sensor {code}"} for code in codes]


def contents(conn, columns="code, description", table="sensors"):
    return fetchall(
        f"SELECT {columns} FROM {table} ORDER BY {columns}", conn, (), tuple_row_factory
    )


def is_idle(conn):
    database, raw = recognise(conn)
    return not database.in_transaction(raw)


# Which rows fail.

GOOD, NULL, AGAIN, NO_VALUE, LACKS = "good", "null", "again", "no value", "lacks"


def rows_of(kinds, first):
    """Give rows of *kinds*, their codes from *first* on: those AGAIN have the code before."""
    numbers = itertools.count(first)
    code = first - 1
    for kind in kinds:
        code = code if kind is AGAIN and code >= first else next(numbers)
        row = {"code": code, "description": f"sensor {code}"}
        if kind is LACKS:
            del row["description"]
        elif kind in {NULL, NO_VALUE}:
            row["description"] = None if kind is NULL else object()
        yield row


def one_by_one(rows):
    """Give the codes of *rows* that a table takes, and the positions of the others."""
    kept, bad = [], []
    for position, row in enumerate(rows):
        if isinstance(row.get("description"), str) and row["code"] not in kept:
            kept.append(row["code"])
        else:
            bad.append(position)
    return kept, bad


@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_rows_that_fail_are_those_that_would_fail_one_by_one(conn, data):
    kinds = st.sampled_from([GOOD] * data.draw(st.integers(1, 30)) + [NULL, AGAIN, NO_VALUE, LACKS])
    kinds = [GOOD, *data.draw(st.lists(kinds, max_size=150))]
    size = data.draw(st.sampled_from((1, 7, 45, 60, 5000)))
    first = max((code for (code,) in contents(conn, "code")), default=0) + 1
    rows, calls = list(rows_of(kinds, first)), []
    kept, bad = one_by_one(rows)
    assert load("sensors", conn, rows, on_error=calls.append, chunk_size=size) == (
        *(len(rows), len(bad)),
    )
    by_chunk = [list(group) for _, group in itertools.groupby(bad, lambda at: at // size)]
    position = {id(row): at for at, row in enumerate(rows)}
    assert [[position[id(failed.row)] for failed in call] for call in calls] == by_chunk
    assert [code for (code,) in contents(conn, "code") if code >= first] == kept
    assert is_idle(conn)


@pytest.mark.parametrize(
    "bad",
    [
        {0},
        {99},
        {0, 99},
        {0, 1, 2},
        set(range(100)),
        set(range(0, 100, 2)),
        set(range(30, 45)),
        {50, 51, *range(80, 100)},
    ],
    ids=["first", "last", "both ends", "in a row", "all", "every other", "fifteen", "many"],
)
@pytest.mark.parametrize("kind", [NULL, NO_VALUE])
def test_bad_rows_are_found_wherever_they_are(conn, bad, kind):
    failed = []
    rows = list(rows_of([kind if n in bad else GOOD for n in range(100)], 0))
    assert load("sensors", conn, rows, on_error=failed.extend) == (100, len(bad))
    assert [row.row["code"] for row in failed] == sorted(bad)
    assert [code for (code,) in contents(conn, "code")] == [n for n in range(100) if n not in bad]


def test_of_rows_with_one_key_in_a_chunk_the_first_is_kept(conn):
    failed = []
    rows = [{"code": n % 20, "description": f"row {n}" if n % 7 else None} for n in range(60)]
    load("sensors", conn, rows, on_error=failed.extend)
    kept = {}
    for row in rows:
        if row["description"]:
            kept.setdefault(row["code"], row["description"])
    assert contents(conn) == sorted(kept.items())
    assert len(failed) == len(rows) - len(kept)


def test_an_error_that_on_error_raises_ends_the_load(conn, other):
    def on_error(failed):
        raise LookupError(len(failed))

    with pytest.raises(LookupError, match="2"):
        load("sensors", conn, sensors(1, 2, 3, 3, 3), on_error=on_error, chunk_size=2 + 3)
    if recognise(conn)[0].savepoints:  # else what could be written was committed part by part
        assert contents(other) == []
    assert is_idle(conn)


def test_the_exception_of_a_failed_row_says_why(conn):
    failed = []
    load("sensors", conn, [*sensors(*range(60)), *sensors(5)], on_error=failed.extend)
    ((row, error),) = failed
    assert row == sensors(5)[0]
    assert any(word in str(error).lower() for word in ("unique", "duplicate"))


# Rows that are there already.


@pytest.fixture
def two(conn):
    load("sensors", conn, [{"code": code, "description": "old"} for code in (1, 2)])
    return conn


@pytest.mark.parametrize(
    ("on_conflict", "second"),
    [("skip", [(1, "old"), (2, "old"), (3, "new")]), ("update", [(n, "new") for n in (1, 2, 3)])],
)
@pytest.mark.parametrize("make", [dict, Sensor], ids=["mappings", "named tuples"])
def test_rows_that_are_there_are_skipped_or_updated(two, other, on_conflict, second, make):
    rows = [make(code=code, description="new") for code in (1, 2, 3)]
    assert load("sensors", two, rows, on_conflict=on_conflict, key="code") == (3, 0)
    assert contents(other) == second
    assert is_idle(two)


@pytest.mark.parametrize("on_conflict", ["skip", "update"])
def test_rows_that_are_there_by_a_whole_table(two, connect, on_conflict):
    execute("CREATE TABLE more (code INTEGER, description VARCHAR(40), depth NUMERIC)", two)
    load("more", two, [{"code": n, "description": "new", "depth": n} for n in range(60)])
    options = {"target": "sensors", "on_conflict": on_conflict, "key": "code"}
    assert copy_table_rows("more", two, connect(), **options) == (60, 0)
    found = contents(two)
    assert len(found) == 60
    assert [text for _, text in found[:4]] == (
        ["new", "old", "old", "new"] if on_conflict == "skip" else ["new"] * 4
    )


def test_of_rows_with_one_key_in_a_chunk_the_last_updates_and_the_first_is_skipped_for(conn):
    rows = [{"code": n % 3, "description": f"row {n}"} for n in range(60)]
    assert load("sensors", conn, rows, on_conflict="skip", key="code") == (60, 0)
    assert contents(conn) == [(n, f"row {n}") for n in range(3)]
    assert load("sensors", conn, rows, on_conflict="update", key=["code"]) == (60, 0)
    assert contents(conn) == [(n % 3, f"row {n}") for n in (57, 58, 59)]


def test_an_update_leaves_the_columns_that_the_rows_do_not_have(conn):
    load("sensors", conn, [{"code": 1, "description": "old", "depth": 5}])
    load("sensors", conn, sensors(1), on_conflict="update", key="code")
    assert contents(conn, "code, description, depth") == [(1, "sensor 1", 5)]


def test_an_update_by_nothing_but_the_key_changes_nothing(conn):
    execute("CREATE TABLE pairs (a INTEGER, b INTEGER, PRIMARY KEY (a, b))", conn)
    for on_conflict in ("update", "skip"):
        rows = [{"b": 2, "a": 1}, {"b": 1, "a": 1}]
        assert load("pairs", conn, rows, on_conflict=on_conflict, key=("a", "b")) == (2, 0)
    assert contents(conn, "a, b", "pairs") == [(1, 1), (1, 2)]


def test_rows_that_fail_for_other_reasons_fail_all_the_same(two):
    failed = []
    rows = [*sensors(1), {"code": 2, "description": None}, *sensors(3)]
    done = load("sensors", two, rows, on_conflict="update", key="code", on_error=failed.extend)
    assert done == (3, 1)
    assert [row.row["code"] for row in failed] == [2]
    assert contents(two) == [(1, "sensor 1"), (2, "old"), (3, "sensor 3")]
    with pytest.raises(InsertError):
        load("sensors", two, [{"code": 9, "description": None}], on_conflict="skip", key="code")


def test_an_error_is_what_becomes_of_them_unless_said_otherwise(two):
    for options in ({}, {"on_conflict": "error"}, {"key": "code"}):
        with pytest.raises(InsertError):
            load("sensors", two, sensors(3, 1), **options)
    assert contents(two, "code") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on_conflict": "replace", "key": "code"}, "'error', 'skip', 'update', not 'replace'"),
        ({"on_conflict": "skip"}, "on_conflict='skip' needs key="),
        ({"on_conflict": "update", "key": ()}, "key"),
        ({"on_conflict": "skip", "key": "depth"}, "no key column depth"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(two, options, words):
    with pytest.raises(ConfigError, match=words):
        load("sensors", two, sensors(3), **options)
    if "depth" not in words:
        with pytest.raises(ConfigError, match=words):
            copy_table_rows("sensors", two, two, "sensors", **options)
    assert contents(two, "code") == [(1,), (2,)]
    assert is_idle(two)


# Tables that are made.


def test_load_makes_the_table_once(connect):
    conn = connect()
    rows = [{"code": n, "description": f"sensor {n}", "depth": n / 4} for n in range(60)]
    assert load("made", conn, rows, create=True, key="code") == (60, 0)
    assert load("made", conn, [{**rows[0], "code": 60}], create=True) == (1, 0)
    found = contents(connect(), "code, description, depth", "made")
    assert found[:60] == [tuple(row.values()) for row in rows]
    with pytest.raises(InsertError):
        load("made", conn, rows[:1], create=True)
    assert load("made", conn, rows, on_conflict="skip", key="code") == (60, 0)
    assert len(contents(conn, "code", "made")) == 61


def test_a_table_is_made_of_named_tuples_and_in_a_key_of_several_columns(connect):
    conn = connect()
    rows = [Sensor(1, "a"), Sensor(1, "b")]
    assert load("made", conn, rows, create=True, key=("code", "description")) == (2, 0)
    assert load("made", conn, rows, on_conflict="skip", key=("code", "description")) == (2, 0)
    assert contents(conn, table="made") == [(1, "a"), (1, "b")]


def test_no_rows_make_no_table_and_an_empty_table_does(conn, connect):
    dest = connect()
    assert load("made", dest, [], create=True) == (0, 0)
    with pytest.raises(QueryError, match="no table 'made'"):
        table_info("made", dest)
    assert copy_table_rows("sensors", conn, dest, "made", create=True, key="code") == (0, 0)
    assert [column.name for column in table_info("made", dest)] == ["code", "description", "depth"]
    assert is_idle(dest)


VALUES = {
    "whole": [1, -(2**63), 2**63 - 1, None],
    "large": [2**80, 1, -(2**70)],
    "real": [1.5, 1e300, 3, None],
    "text": ["", "ä\n'\"\\", "日本", None],
    "truth": [True, False, None],
    "binary": [b"", b"\0\xff", None],
    "exact": [Decimal("1.10"), Decimal("12345678901234567.89"), 5],
    "nothing": [None, None],
    "mixed": ["a", 1, None],
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_table_that_is_made_holds_the_values_that_it_was_made_for(connect, kind):
    conn = connect()
    rows = [{"n": n, "v": value} for n, value in enumerate(VALUES[kind])]
    if kind == "large" and recognise(conn)[0].dbtype == "SQLITE":  # binds none beyond 64 bits
        with pytest.raises(InsertError, match="too large"):
            load("made", conn, rows, create=True)
        return
    assert load("made", conn, rows, create=True, key="n") == (len(rows), 0)
    found = [value for _, value in contents(conn, "n, v", "made")]
    if kind == "mixed":
        assert found == ["a", "1", None]
    elif kind in {"large", "exact"}:
        assert [Decimal(value) for value in found] == VALUES[kind]
    elif kind == "binary":
        assert [value and bytes(value) for value in found] == VALUES[kind]
    else:
        assert found == VALUES[kind]


def test_a_table_that_is_made_holds_times_json_and_ids(connect):
    conn = connect()
    row = {
        "n": 1,
        "day": dt.date(2020, 1, 2),
        "clock": dt.datetime(2020, 1, 2, 3, 4, 5, 678901),  # one without a zone
        "moment": dt.datetime(2020, 1, 2, 3, 4, 5, 678901, dt.UTC),
        "hour": dt.time(3, 4, 5),
        "lasting": dt.timedelta(hours=5, seconds=1),
        "json": {"a": [1, None]},
        "id": UUID(int=5),
    }
    assert load("made", conn, [row, dict.fromkeys(row) | {"n": 2}], create=True) == (2, 0)
    first, second = fetchall("SELECT * FROM made ORDER BY n", conn)
    assert set(second.values()) == {2, None}
    assert str(first["day"]) == "2020-01-02"
    assert str(first["clock"]).replace("T", " ") == "2020-01-02 03:04:05.678901"
    assert "2020-01-02" in str(first["moment"])
    assert str(first["hour"]) in {"03:04:05", "3:04:05"}
    assert str(first["lasting"]) == "5:00:01"
    assert str(first["id"]) == str(UUID(int=5))


def test_a_column_of_json_is_made_for_json(connect):
    conn = connect()
    load("made", conn, [{"json": {"a": [1, None]}}], create=True)
    ((value,),) = contents(conn, "json", "made")
    assert str(value).replace("None", "null").replace("'", '"') == '{"a": [1, null]}'


DECLARED = (
    "code INTEGER NOT NULL, name VARCHAR(20) NOT NULL, small SMALLINT, big BIGINT, "
    "price NUMERIC(8,2), ratio REAL, day DATE, note TEXT"
)
FULL = {
    "code": 1,
    "name": "a",
    "small": 2,
    "big": 2**60,
    "price": Decimal("1.25"),
    "ratio": 0.5,
    "day": dt.date(2020, 1, 2),
    "note": "x",
}


@pytest.fixture
def full(connect):
    conn = connect()
    execute(f"CREATE TABLE wide ({DECLARED})", conn)
    load("wide", conn, [FULL, dict.fromkeys(FULL) | {"code": 2, "name": "b"}])
    return conn


def test_a_table_of_the_same_kind_keeps_its_types_and_what_may_be_null(full, connect):
    assert copy_table_rows("wide", full, connect(), "made", create=True, key="code") == (2, 0)
    made, wide = table_info("made", full), table_info("wide", full)
    assert [column[:3] for column in made] == [column[:3] for column in wide]
    assert fetchall("SELECT * FROM made ORDER BY code", full) == fetchall(
        "SELECT * FROM wide ORDER BY code", full
    )
    with pytest.raises(InsertError):
        load("made", full, [{"code": 1, "name": "c"}])


def test_a_table_goes_to_sqlite_and_comes_back(full, connect, tmp_path):
    file = f"sqlite:///{tmp_path}/copy.db"
    assert copy_table_rows("wide", full, file, create=True, key="code") == (2, 0)
    assert copy_table_rows("wide", file, connect(), "back", create=True, key="code") == (2, 0)
    (first, second), (there, _) = (
        fetchall(f"SELECT * FROM {table} ORDER BY code", full) for table in ("back", "wide")
    )
    assert Decimal(first.pop("price")) == there.pop("price") == Decimal("1.25")
    assert list(map(str, first.items())) == list(map(str, there.items()))
    assert set(second.values()) == {2, "b", None}
    assert [column.not_null for column in table_info("back", full)][:3] == [True, True, False]


def test_the_statement_that_makes_a_table_is_shown(full, connect):
    dest = connect()
    shown = generate_create_table_sql("wide", full, dest, "made", key="code")
    assert shown.startswith("CREATE TABLE IF NOT EXISTS made (\n    code ")
    assert shown.endswith("\n    PRIMARY KEY (code)\n)")
    execute(shown, dest)
    execute(shown, dest)
    assert copy_table_rows("wide", full, dest, "made") == (2, 0)
    shown = generate_create_table_sql("listed", [FULL], dest, key=["code", "name"])
    execute(shown, dest)
    assert load("listed", dest, [FULL]) == (1, 0)


@pytest.mark.parametrize(
    ("table", "source", "target", "key", "error", "words"),
    [
        ("t", [], None, None, ConfigError, "no rows"),
        ("t", [{"a": 1}], None, "b", ConfigError, "no key column b"),
        ("t; DROP TABLE sensors", [{"a": 1}], None, None, BadIdentifierError, "no plain table"),
        ("t", [{"a": 1}], "b c", None, BadIdentifierError, "no plain table"),
        ("t", [{"a b": 1}], None, None, BadIdentifierError, "no plain column"),
        ("nowhere", "conn", None, None, QueryError, "no table 'nowhere'"),
        ("sensors", "conn", None, "c", ConfigError, "no key column c"),
        ("sensors", "conn", "a-b", None, BadIdentifierError, "no plain table"),
    ],
)
def test_a_table_that_cannot_be_made(conn, table, source, target, key, error, words):
    source = conn if source == "conn" else source
    with pytest.raises(error, match=words):
        generate_create_table_sql(table, source, conn, target, key=key)
    assert is_idle(conn)


def test_a_table_is_called_in_capital_letters_as_in_sql(conn, connect):
    if recognise(conn)[0].dbtype == "MYSQL":
        return  # its tables are files, in whose names capital letters count
    assert load("SENSORS", conn, [{"CODE": 1, "Description": "a"}]) == (1, 0)
    assert copy_table_rows("SENSORS", conn, connect(), "Made", create=True) == (1, 0)
    assert contents(conn, table="made") == [(1, "a")]


# Where to connect to, in place of a connection.


@pytest.fixture(params=["DbParams", "URL"])
def address(request, conn, database, tmp_path):
    """Where the database of `conn` is, by the default driver of its kind."""
    if database.required == ("filename",):
        found, url = {"filename": str(tmp_path / FILE)}, "{scheme}:///{filename}"
    else:
        (found,) = fetchall(ADDRESSES[database.dbtype], conn)
        url = "{scheme}://{user}@{host}:{port}/{dbname}"
    if request.param == "DbParams":
        return DbParams(dbtype=database.dbtype, **found)
    return url.format(scheme=database.schemes[0], **found)


def test_an_address_stands_for_a_connection_everywhere(conn, address):
    assert load("sensors", address, sensors(1, 2)) == (2, 0)
    insert = generate_insert_sql("sensors", sensors(1)[0], address)
    assert insert == generate_insert_sql("sensors", sensors(1)[0], conn)
    assert executemany(insert, address, sensors(3)) == (1, 0)
    execute("DELETE FROM sensors WHERE code = 1", address)
    assert table_info("sensors", address)[0].name == "code"
    assert contents(address, "code") == [(2,), (3,)]
    assert "code" in generate_create_table_sql("sensors", address, address, "made")
    assert copy_table_rows("sensors", address, address, "made", create=True) == (2, 0)
    select = "SELECT code + 10 AS code, description FROM made"
    assert copy_rows(select, address, insert, address) == (2, 0)
    assert contents(conn, "code") == [(2,), (3,), (12,), (13,)]


def test_a_failed_load_by_an_address_leaves_nothing(conn, address):
    with pytest.raises(InsertError):
        load("sensors", address, sensors(1, 1))
    failed = []
    assert load("sensors", address, sensors(1, 1), on_error=failed.extend) == (2, 1)
    assert contents(conn, "code") == [(1,)]
