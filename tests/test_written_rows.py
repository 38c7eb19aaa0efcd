"""Rows of PostgreSQL that go on as JSON unseen: the same texts as of the rows that are seen."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowferry import Api, Journal, copy_to_api, dead_letters
from rowferry.exceptions import RejectedError
from rowferry.reader import Query, Reader
from rowferry.testing import FakeApi
from rowferry.values import encode_chunk
from rowferry.written_rows import WrittenRows

QUOTED = '"quoted" \\u0000 back\\slash \n\r\t\x7f\x01\x1f \u2028 é 🐘 {c0} {{}} %s'

CELLS = {
    "bigint": ["0", "-9223372036854775808", "9223372036854775807"],
    "smallint": ["0", "-1"],
    "oid": ["0", "4294967295"],
    "text": ["", "null", QUOTED, "a\x7fb", "'", "1,2"],
    "varchar(5)": ["", '"', "\\"],
    "char(3)": ["", "a"],
    "numeric": [
        *("0", "-0.0", "0.000000", "0.0000000", "0.0000001", "-0.00000012", "10.0000000000"),
        *("1e400", "1e-400", "123456789012345678901234567890.5", "NaN", "Infinity", "-Infinity"),
    ],
    "numeric(10,2)": ["0", "-12345678.91", "NaN"],
    "timestamptz": [
        *("2020-01-01", "2020-01-01 12:34:56.1", "2020-01-01 12:34:56.123", "0001-01-01 00:00"),
        *("2020-01-01 12:34:56.123456", "2020-06-30 23:59:60", "1847-11-30 23:59:59"),
        *("2020-07-01 00:00:00.000001", "9999-12-31 23:59:59.999999", "1960-07-01 01:02:03.00004"),
        *("10000-01-01", "10000-01-01 00:00:00.1", "10000-01-01 00:00:00.12345"),
        *("0044-03-15 BC", "0044-03-15 12:34:56.1234 BC", "infinity", "-infinity", "294276-12-31"),
    ],
    "timestamp": ["2020-01-01", "2020-01-01 12:34:56.12", "infinity", "10000-01-01"],
    "date": ["2020-01-01", "0001-01-01", "9999-12-31", "infinity", "0044-03-15 BC"],
    "time": ["00:00", "23:59:59.999999", "24:00"],
    "interval": ["0", "1 day 02:03:04.5", "-1 second", "1 mon", "1 year 2 mons"],
    "boolean": ["true", "false"],
    "double precision": ["0", "-0", "0.1", "1e300", "1e-300", "1e16", "NaN", "Infinity"],
    "real": ["0.1", "1e30", "NaN"],
    "uuid": ["5a0b8a5e-1c1e-4b3e-8f0e-000000000000"],
    "bytea": [r"\x00ff"],
    "jsonb": ['{"a": [1, 2]}', "null", '"\\n"'],
    "text[]": ["{}", "{a,NULL}"],
    "inet": ["10.0.0.1/8"],
}
"""Some of what the types hold, besides NULL."""

ODD_NAMES = ["id", 'a"b', "it's", "back\\slash", "{c0}", "é", "%s", "line\nbreak", "\\N{BULLET}"]

a_number = st.decimals(allow_nan=False, allow_infinity=False, places=9).map(lambda n: f"{n:f}")
a_moment = st.datetimes().map(str)
a_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
MADE = {"numeric": a_number, "timestamptz": a_moment, "timestamp": a_moment, "text": a_text}

ZONES = ["UTC", "Europe/London", "Asia/Kolkata", "Etc/GMT+5"]


def cells_of(kind):
    known = st.sampled_from(CELLS[kind])
    return st.none() | (known | MADE[kind] if kind in MADE else known)


@st.composite
def tables(draw):
    """Give columns, each a name, a type and cells as text."""
    kinds = draw(st.lists(st.sampled_from([*CELLS]), min_size=1, max_size=len(ODD_NAMES)))
    rows = draw(st.integers(1, 6))
    cells = [draw(st.lists(cells_of(kind), min_size=rows, max_size=rows)) for kind in kinds]
    return list(zip(ODD_NAMES, kinds, cells, strict=False))


def query_of(table):
    """Give the query of a table, and its parameters."""
    columns = ", ".join(
        f'c{n}::text::{kind} AS "{name}"'.replace('a"b', 'a""b').replace("%", "%%")
        for n, (name, kind, _) in enumerate(table)
    )
    arrays = ", ".join("%s::text[]" for _ in table)
    names = ", ".join(f"c{n}" for n in range(len(table)))
    return f"SELECT {columns} FROM unnest({arrays}) AS t({names})", [cells for *_, cells in table]


def rows_of(conn, query, parameters=(), *, unseen, key=()):
    """Give the rows as a transfer without a transform reads them."""
    with Reader(
        Query(query, conn, parameters, key=key), tolerant=True, unread=True, unseen=unseen
    ) as reader:
        return reader.fetch(10_000), reader.kinds


def said(rows, kinds):
    """Give the JSON texts of rows, and what is wrong with which."""
    texts, errors = encode_chunk(rows, kinds)
    return texts, {index: str(error) for index, error in errors.items()}


def each_alone(kind):
    """Give a table for each value of a type, with NULL beside it."""
    return [[("n", "numeric", ["1", "2"]), ("c", kind, [cell, None])] for cell in CELLS[kind]]


def check_same(conn, table, zone):
    conn.execute(f"SET TimeZone TO '{zone}'")
    query, parameters = query_of(table)
    seen, kinds = rows_of(conn, query, parameters, unseen=False)
    unseen, _ = rows_of(conn, query, parameters, unseen=True)
    assert said(unseen, kinds) == said(seen, kinds)
    assert repr(list(unseen)) == repr(seen)


@given(tables(), st.sampled_from(ZONES))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_unseen_are_the_same_texts_as_rows_that_are_seen(psycopg_connection, table, zone):
    check_same(psycopg_connection, table, zone)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("kind", CELLS)
def test_each_value_unseen_is_the_same_text(psycopg_connection, kind, zone):
    for table in each_alone(kind):
        check_same(psycopg_connection, table, zone)
        check_same(
            psycopg_connection, [(name, type_, cells[:1]) for name, type_, cells in table], zone
        )


COMMON = "SELECT 1::bigint AS id, 'a' AS code, 2.50::numeric(10,2) AS price, NULL::text AS none, "
COMMON += "'2020-01-01T12:00:00.5Z'::timestamptz AS at, true AS on"


def test_common_rows_become_text_without_being_made(psycopg_connection, monkeypatch):
    psycopg_connection.execute("SET TimeZone TO 'UTC'")
    rows, _ = rows_of(psycopg_connection, COMMON, unseen=True)
    monkeypatch.delattr(WrittenRows, "_rows")
    assert rows.texts() == [
        b'{"id":1,"code":"a","price":2.50,"none":null,"at":"2020-01-01T12:00:00.500000Z","on":true}'
    ]


@pytest.mark.parametrize("key", [("id",), ("price", "id"), ("at", "id")])
def test_the_keys_of_rows_unseen_are_objects_as_ever(psycopg_connection, key):
    seen, _ = rows_of(psycopg_connection, COMMON, unseen=False)
    unseen, _ = rows_of(psycopg_connection, COMMON, unseen=True, key=key)
    assert isinstance(unseen, WrittenRows)
    assert repr(unseen.keys(key)) == repr([tuple(seen[0][column] for column in key)])
    assert unseen.keys(("id", "missing")) is None


@pytest.mark.parametrize("key", [(), ("price", "at")])
def test_rows_are_made_as_ever_where_there_is_no_number_or_moment_to_save(psycopg_connection, key):
    query = COMMON if key else "SELECT 1 AS id, 'a' AS code"
    unseen, _ = rows_of(psycopg_connection, query, unseen=True, key=key)
    assert isinstance(unseen, list)


def test_a_chunk_of_many_rows_is_encoded_in_their_order(psycopg_connection):
    query = "SELECT n AS id, n::numeric AS n FROM generate_series(1, 1234) AS n"
    unseen, _ = rows_of(psycopg_connection, query, unseen=True)
    assert unseen.texts() == [b'{"id":%d,"n":%d}' % (n, n) for n in range(1, 1235)]


ODD = "SELECT id, CASE id WHEN 2 THEN 'NaN' ELSE '1.5' END::numeric AS n "
ODD += "FROM generate_series(1, 3) AS id"


def test_a_bad_cell_unseen_stops_the_run_with_its_key_and_column(psycopg_connection):
    with FakeApi() as api, pytest.raises(RejectedError, match="column 'n'") as caught:
        copy_to_api(ODD, psycopg_connection, api.url, key="id")
    assert caught.value.key == (2,)


def test_a_dead_letter_of_a_row_unseen_has_its_row(psycopg_connection, tmp_path):
    path = tmp_path / "j.journal"
    with FakeApi() as api:
        target = Api(api.url, body_format="ndjson", batch_size=2)
        report = copy_to_api(ODD, psycopg_connection, target, key="id", journal=Journal(path))
        bodies = b"".join(request.body for request in api.received)
    assert (report.delivered, report.dead) == (2, 1)
    assert list(map(json.loads, bodies.splitlines())) == [{"id": 1, "n": 1.5}, {"id": 3, "n": 1.5}]
    (letter,) = dead_letters(path)
    assert letter["row"] == "{'id': 2, 'n': Decimal('NaN')}"


def test_what_on_error_gets_is_the_row(psycopg_connection):
    failed = []
    with FakeApi() as api:
        copy_to_api(ODD, psycopg_connection, api.url, on_error=failed.extend)
    assert [str(one.row["n"]) for one in failed] == ["NaN"]
