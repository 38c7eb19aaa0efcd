"""Column types, from values and from one database to another."""

import datetime as dt
import typing
from decimal import Decimal
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry import RawJSON
from rowferry.column_types import ColumnType, Kind, of_values
from rowferry.databases import DATABASES, database_of_type

KINDS = typing.get_args(Kind)
PG, SQLITE = database_of_type("PG"), database_of_type("SQLITE")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([], "text"),
        ([None, None], "text"),
        ([1, None], "bigint"),
        ([True, None], "boolean"),
        ([2**63 - 1, -(2**63)], "bigint"),
        ([2**63], "decimal"),
        ([1.5, 2], "double"),
        ([1, Decimal("1.5")], "decimal"),
        ([2**63, 1], "decimal"),
        ([1.5, Decimal("1.5")], "text"),
        ([1.5, 2**70], "text"),
        ([True, 1], "text"),
        (["a", 1], "text"),
        ([b"", bytearray(), memoryview(b"")], "binary"),
        ([dt.date(2020, 1, 2)], "date"),
        ([dt.datetime.min, dt.date(2020, 1, 2)], "timestamp"),  # without a zone
        ([dt.datetime.now(dt.UTC)], "timestamptz"),
        ([dt.datetime.now(dt.UTC), dt.date(2020, 1, 2)], "timestamptz"),
        ([dt.datetime.now(dt.UTC), dt.datetime.min], "text"),  # one without a zone
        ([dt.time(1)], "time"),
        ([dt.timedelta(1)], "interval"),
        ([{}, [], RawJSON("{}")], "json"),
        ([UUID(int=1)], "uuid"),
        ([object()], "text"),
    ],
)
def test_what_can_hold_values_whatever_their_order(values, kind):
    for some in permutations(values):
        assert of_values(some) == ColumnType(kind)


class Number(int):
    pass


def test_a_value_of_a_subclass_is_held_as_its_base():
    assert of_values([Number(1)]).kind == "bigint"


PLAIN = [ColumnType(kind) for kind in KINDS]
SIZED = [ColumnType("text", 5), ColumnType("decimal", 10, 2), ColumnType("decimal", 9, 0)]


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.driver)
@pytest.mark.parametrize("column_type", PLAIN + SIZED)
@pytest.mark.parametrize("in_key", [False, True])
def test_every_database_can_declare_every_kind(database, column_type, in_key):
    declared = database.declaration(column_type, in_key=in_key)
    assert declared
    assert database.column_type(declared).kind in KINDS


@given(st.sampled_from(DATABASES), st.text())
def test_any_type_is_held_by_something_text_if_need_be(database, declared):
    assert database.column_type(declared).kind in KINDS


@pytest.mark.parametrize(
    ("declared", "column_type"),
    [
        ("integer", ColumnType("integer")),
        ("numeric", ColumnType("decimal")),
        ("numeric(10,2)", ColumnType("decimal", 10, 2)),
        ("numeric(3,-2)", ColumnType("decimal", 3, -2)),
        ("character varying", ColumnType("text")),
        ("character varying(40)", ColumnType("text", 40)),
        ("character(3)", ColumnType("text", 3)),
        ('"char"', ColumnType("text")),
        ("timestamp without time zone", ColumnType("timestamp")),
        ("timestamp(3) with time zone", ColumnType("timestamptz")),
        ("time(0) without time zone", ColumnType("time")),
        ("time with time zone", ColumnType("text")),
        ("interval(0)", ColumnType("interval")),
        ("interval day to second(3)", ColumnType("interval")),
        ("jsonb", ColumnType("json")),
        ("integer[]", ColumnType("json")),
        ("numeric(10,2)[]", ColumnType("json")),
        ("bit(3)", ColumnType("text")),
        ("bit varying(9)", ColumnType("text")),
        ("oid", ColumnType("bigint")),
        ("money", ColumnType("text")),
        ("mood", ColumnType("text")),
        ("geometry(Point,4326)", ColumnType("text")),
    ],
)
def test_types_of_postgresql(declared, column_type):
    assert PG.column_type(declared) == column_type


@pytest.mark.parametrize(
    ("column_type", "declared"),
    [
        (ColumnType("text", 40), "varchar(40)"),
        (ColumnType("text"), "text"),
        (ColumnType("decimal"), "numeric"),
        (ColumnType("decimal", 10), "numeric(10)"),
        (ColumnType("decimal", 10, 2), "numeric(10,2)"),
        (ColumnType("json"), "jsonb"),
        (ColumnType("double"), "double precision"),
        (ColumnType("timestamptz"), "timestamptz"),
    ],
)
def test_types_for_postgresql(column_type, declared):
    assert PG.declaration(column_type, in_key=False) == declared


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("", "text"),
        ("INTEGER", "bigint"),
        ("unsigned big int", "bigint"),
        ("VARCHAR(40)", "text"),
        ("nvarchar", "text"),
        ("blob", "binary"),
        ("DOUBLE PRECISION", "double"),
        ("float", "double"),
        ("NUMERIC(10,2)", "decimal"),
        ("decimal", "decimal"),
        ("BOOLEAN", "smallint"),
        ("date", "date"),
        ("DATETIME", "timestamp"),
        ("timestamp", "timestamp"),
        ("json", "json"),
        ("POINT", "bigint"),  # by SQLite's own rules, as it holds INT
        ("any other", "text"),
    ],
)
def test_types_of_sqlite(declared, kind):
    assert SQLITE.column_type(declared) == ColumnType(kind)


@pytest.mark.parametrize(
    ("column_type", "declared"),
    [
        (ColumnType("decimal"), "TEXT"),  # of which NUMERIC would keep 15 digits
        (ColumnType("decimal", 15, 2), "NUMERIC"),
        (ColumnType("decimal", 16, 2), "TEXT"),
        (ColumnType("text", 40), "TEXT"),
        (ColumnType("boolean"), "BOOLEAN"),
        (ColumnType("json"), "TEXT"),
    ],
)
def test_types_for_sqlite(column_type, declared):
    assert SQLITE.declaration(column_type, in_key=True) == declared
