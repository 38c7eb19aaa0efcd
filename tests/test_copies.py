"""What is copied from PostgreSQL, by both of its drivers, into every database."""

import json
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import pytest

from conftest import HERE, PLACES
from rowferry import copy_rows, copy_table_rows, execute, fetchall, generate_insert_sql
from rowferry.databases import recognise
from rowferry.exceptions import InsertError
from rowferry.row_factories import tuple_row_factory as tuples

ELSEWHERE = [database for database in HERE if database.dbtype != "PG"]


@pytest.fixture(params=["psycopg", "psycopg2"])
def pg(request):
    """A connection of each driver, to an empty schema."""
    return request.getfixturevalue(f"{request.param}_connection")


@pytest.fixture(params=HERE, ids=lambda database: database.driver)
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


ODD = [
    ("date", "infinity"),
    ("date", "-infinity"),
    ("date", "0044-03-15 BC"),
    ("date", "5874897-12-31"),
    ("timestamp", "infinity"),
    ("timestamp", "4714-11-24 00:00:00 BC"),
    ("timestamp", "294276-12-31 23:59:59.999999"),
    ("timestamptz", "-infinity"),
    ("timestamptz", "10000-01-01 00:00:00.5+00"),
    ("time", "24:00:00"),
    ("timetz", "24:00:00-03:30"),
    ("timetz", "24:00:00+02"),
]
EVEN = {"date": "2020-01-02", "timestamp": "2020-01-02 03:04:05", "time": "03:04:05"}
EVEN |= {"timestamptz": "2020-01-02 03:04:05+00", "timetz": "03:04:05+02"}


@pytest.mark.parametrize(("kind", "odd"), ODD)
@pytest.mark.parametrize("as_text", [False, True])
def test_what_python_has_no_value_for_is_copied_within_postgresql(
    pg, postgresql, kind, odd, as_text
):
    execute("SET TimeZone TO 'UTC'", pg)
    more = ", 1.5::numeric AS price" if as_text else ""
    source(pg, kind, f"'{EVEN[kind]}'", f"'{odd}'", f"'{EVEN[kind]}'")
    execute(f"CREATE TABLE made AS SELECT *{more} FROM source LIMIT 0", pg)
    insert = generate_insert_sql("made", dict.fromkeys(["n", "v", "price"][: 2 + as_text]), pg)
    assert copy_rows(f"SELECT *{more} FROM source", pg, insert, pg) == (3, 0)
    assert copied(pg, as_text=True) == [EVEN[kind], odd, EVEN[kind]]


@pytest.mark.parametrize(("kind", "odd"), ODD[::3])
@pytest.mark.parametrize("create", [True, False])
@elsewhere
def test_such_a_value_is_a_failed_row_elsewhere_and_its_neighbours_arrive(
    pg, dest, kind, odd, create
):
    even = f"'{EVEN[kind]}'"
    source(pg, kind, even, f"'{odd}'", even)
    failed = []
    if not create:
        execute("CREATE TABLE made (n integer, v varchar(40))", dest)
    done = copy_table_rows("source", pg, dest, "made", create=create, on_error=failed.extend)
    assert done == (3, 1)
    assert failed[0].row["n"] == 2
    assert repr(odd) in str(failed[0].exception)
    assert len(copied(dest)) == 2
    with pytest.raises(InsertError, match="not copied to another kind of database"):
        copy_table_rows("source", pg, dest, "made")


def test_a_date_that_stands_in_an_array_is_not_guessed(psycopg_connection):
    pg = psycopg_connection
    source(pg, "date[]", "'{infinity}'", "'{2020-01-02}'")
    execute("CREATE TABLE made (n integer, v text)", pg)
    insert = "INSERT INTO made VALUES (%(n)s, %(v)s)"
    failed = []
    copy_rows("SELECT n, v FROM source WHERE n = 1", pg, insert, pg, on_error=failed.extend)
    assert len(failed) == 1


@pytest.mark.parametrize(
    "text", ["1 mon 2 days", "1 year 2 mons 3 days 04:05:06.7", "-1 mons +2 days", "2 days"]
)
@pytest.mark.parametrize("as_text", [False, True])
def test_the_months_of_an_interval_are_kept_within_postgresql(pg, text, as_text):
    source(pg, "interval", f"'{text}'")
    more = ", 1.5::numeric AS price" if as_text else ""
    execute(f"CREATE TABLE made AS SELECT *{more} FROM source LIMIT 0", pg)
    insert = "INSERT INTO made (n, v) VALUES (%(n)s, %(v)s)"
    copy_rows("SELECT n, v FROM source", pg, insert, pg)
    assert copied(pg, as_text=True) == [text]


@elsewhere
def test_the_months_of_an_interval_are_never_made_days(pg, dest):
    source(pg, "interval", "'1 mon 2 days'", "'03:04:05'")
    failed = []
    copy_table_rows("source", pg, dest, "made", create=True, on_error=failed.extend)
    if recognise(dest)[0].dbtype == "MYSQL":  # whose TIME has hours only
        assert [row.row["n"] for row in failed] == [1]
        assert "1 mon 2 days" in str(failed[0].exception)
    else:
        assert copied(dest, as_text=True)[0] in {"1 mon 2 days", "1 month 2 days"}
    assert "3:04:05" in copied(dest, as_text=True)[-1]


def test_an_interval_is_a_timedelta_for_those_who_look_at_it(pg):
    source(pg, "interval", "'1 mon 2 days'")
    assert fetchall("SELECT v FROM source", pg) == [{"v": timedelta(days=32)}]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int4range", "[1,5)"),
        ("numrange", "(,2.5]"),
        ("tsrange", '["2020-01-01 00:00:00",infinity)'),
        ("daterange", "empty"),
        ("int4multirange", "{[1,3),[5,7)}"),
    ],
)
@pytest.mark.parametrize("n", [1, 50])
def test_ranges_are_copied_as_postgresql_writes_them(pg, dest, kind, text, n):
    source(pg, kind, *[f"'{text}'"] * n)
    if recognise(dest)[0].dbtype == "PG":
        execute(f"CREATE TABLE made (n integer, v {kind})", dest)
    assert copy_table_rows("source", pg, dest, "made", create=True, key="n") == (n, 0)
    assert copied(dest, as_text=True) == [text] * n


def test_a_float4_has_its_own_digits_whatever_is_beside_it(pg, dest):
    source(pg, "real", "0.1", "16777216", "1e-45", "3.4028235e38")
    columns = "n, v, ''::bytea AS b"
    in_pg = recognise(dest)[0].dbtype == "PG"
    kinds = "v double precision, b bytea" if in_pg else "v double, b blob"
    execute(f"CREATE TABLE made (n integer, {kinds})", dest)
    insert = generate_insert_sql("made", {"n": 1, "v": 1, "b": b""}, dest)
    copy_rows(f"SELECT {columns} FROM source ORDER BY n", pg, insert, dest)
    assert copied(dest) == [0.1, 16777216, 1e-45, 3.4028235e38]
    ((value, _),) = fetchall("SELECT ARRAY[0.1::real], ''::bytea", pg, (), tuples)
    assert value == [0.1]


def test_a_literal_in_a_record_is_text(psycopg_connection):
    query = "SELECT row(1, 'a', row(2, 'b')), ARRAY[row(3, 'c')]"
    assert fetchall(query, psycopg_connection, (), tuples) == [((1, "a", (2, "b")), [(3, "c")])]
