"""What is copied from PostgreSQL, by both of its drivers, into every database."""

import json
from contextlib import closing
from decimal import Decimal

import pytest

from conftest import PLACES
from rowferry import copy_table_rows, execute, fetchall
from rowferry.databases import DATABASES, recognise
from rowferry.row_factories import tuple_row_factory as tuples

ELSEWHERE = [database for database in DATABASES if database.dbtype != "PG"]


@pytest.fixture(params=["psycopg", "psycopg2"])
def pg(request):
    """A connection of each driver, to an empty schema."""
    return request.getfixturevalue(f"{request.param}_connection")


@pytest.fixture(params=DATABASES, ids=lambda database: database.driver)
def database(request):
    return request.param


@pytest.fixture
def dest(pg, database, request, tmp_path):
    """A connection to each database, which is empty."""
    with closing(PLACES[database.driver](request, tmp_path)()) as conn:
        yield conn


def elsewhere(test):
    return pytest.mark.parametrize("database", ELSEWHERE, ids=lambda database: database.driver)(
        test
    )


def source(pg, kind, *values):
    """Make a table of rows with one column each of *kind*, counted from 1."""
    execute(f"CREATE TABLE source (n integer, v {kind})", pg)
    rows = ", ".join(f"({number}, {value})" for number, value in enumerate(values, 1))
    execute(f"INSERT INTO source VALUES {rows}", pg)


def copied(dest, as_text=False):
    cell = "v"
    if as_text:
        cell = "CAST(v AS CHAR)" if recognise(dest)[0].dbtype == "MYSQL" else "CAST(v AS text)"
    return [value for (value,) in fetchall(f"SELECT {cell} FROM made ORDER BY n", dest, (), tuples)]


LONG = "123456789012345678901234567890.12345678901234567890"


def test_the_digits_of_a_long_number_are_kept(pg, dest):
    source(pg, "numeric", LONG, "1e-40", "2.50", "-1e39")
    if recognise(dest)[0].dbtype == "MYSQL":  # which has decimal(65,30)
        execute("DELETE FROM source WHERE n IN (2, 4)", pg)
    copy_table_rows("source", pg, dest, "made", create=True)
    numbers = {Decimal(text) for text in copied(dest, as_text=True)}
    assert numbers <= {Decimal(LONG), Decimal("1e-40"), Decimal("2.50"), Decimal("-1e39")}
    assert Decimal(LONG) in numbers


@elsewhere
def test_bytes_in_an_array_are_refused_never_written_as_python_shows_them(pg, dest):
    source(pg, "bytea[]", r"ARRAY['\x01'::bytea]", "NULL", "'{}'")
    failed = []
    copied_rows = copy_table_rows("source", pg, dest, "made", create=True, on_error=failed.extend)
    assert copied_rows == (3, 1)
    assert failed[0].row["n"] == 1
    assert "bytes" in str(failed[0].exception) or "memoryview" in str(failed[0].exception)


@pytest.mark.parametrize("kind", ["json", "jsonb"])
@elsewhere
def test_json_in_an_array_is_json(pg, dest, kind):
    source(pg, f"{kind}[]", f"""ARRAY['{{"a": [1, null]}}'::{kind}, 'true']""")
    copy_table_rows("source", pg, dest, "made", create=True)
    (text,) = copied(dest, as_text=True)
    assert json.loads(text) == [{"a": [1, None]}, True]


@pytest.mark.parametrize("n", [1, 100])  # by INSERT, and by COPY where there is one
def test_addresses_go_into_every_database_as_postgresql_writes_them(pg, dest, n):
    texts = {
        "inet": ["10.0.0.1", "10.0.0.1/8", "::1"],
        "cidr": ["10.0.0.0/8", "10.0.0.1/32", "fe80::/64"],
    }
    for kind, values in texts.items():
        execute("DROP TABLE IF EXISTS source", pg)
        execute("DROP TABLE IF EXISTS made", dest)
        source(pg, kind, *(f"'{value}'" for value in values * n))
        copy_table_rows("source", pg, dest, "made", create=True, transform=lambda chunk: chunk)
        assert list(map(str, copied(dest))) == values * n
        assert copied(dest)[0] is not None
