"""COPY stores and refuses what INSERT would: every type of column, every type of value."""

import contextlib
import datetime as dt
import enum
from contextlib import closing
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Json
from psycopg.types.string import StrDumper

from rowferry import RawJSON, connect, execute, executemany, fetchall, load
from rowferry.databases.postgresql_values import own_dumpers
from rowferry.exceptions import InsertError

ROWS = 50  # enough for COPY


class Word(str):
    __slots__ = ()


class Number(int):
    pass


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    ONE = 1


COLUMNS = (
    *("smallint", "integer", "bigint", "real", "double precision", "numeric", "numeric(10,2)"),
    *("text", "varchar(5)", "char(5)", "name", '"char"', "bytea", "boolean", "oid", "money"),
    *("date", "time", "timetz", "timestamp", "timestamptz", "interval"),
    *("time(0)", "timestamp(0)", "timestamptz(2)", "interval(0)", "interval hour to minute"),
    *("uuid", "json", "jsonb", "xml", "inet", "bit(3)", "varbit", "point", "int4range"),
    *("integer[]", "text[]", "mood", "small", "word", "worse", "moment", "regclass", "tsvector"),
)

INTEGERS = (
    *(0, 1, -1, 7, 2**15 - 1, 2**15, -(2**15), -(2**15) - 1, 2**31 - 1, 2**31, -(2**31)),
    *(2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**53 + 1, 2**80, 10**400),
    *(2**60 + 2**36, 2**60 + 2**36 + 1),  # halfway between two numbers of 32 bits, and past it
)
FLOATS = (
    *(0.0, -0.0, 1.0, 1.5, 0.1, 0.1 + 0.2, 1e15, 123456789.123456789, 1e22, 1e300, -1e300),
    *(1e-300, 5e-324, 1e-40, 1e-45, 7e-46, 3.4028235e38, 3.4028236e38, 3.5e38),
    *(float("nan"), float("inf"), float("-inf")),
    *(1.0000000596046448, 8388609.5, 7.038531e-26),
)
DECIMALS = (
    *map(Decimal, ("0", "-0", "1", "1.0", "1.005", "-1.2350", "1E+3", "1E-7", "0E-20", "12E+20")),
    *map(Decimal, ("NaN", "-NaN", "sNaN", "Infinity", "-Infinity", "1E+400", "1E-400", "1E-20000")),
    *map(Decimal, ("99999999.99", "99999999.995", "1E+131071", "1E+131072", "1E+200000")),
    *map(Decimal, ("1E-16383", "1E-16384", "12345678901234567890.123456789", "0.1", "1" * 50)),
    *(Decimal("1" * 30 + "." + "9" * 300),),
)
TOO_SMALL = {"1E-16384", "1E-20000"}
"""More digits after the point than numeric has: INSERT refuses what COPY may round to 0.00."""

TEXTS = (
    *("", " ", "a", "abcde", "abcdef", "abcde   ", "ab  ", "a\\b", "\\", "\\N", "\\.", "\\x61"),
    *("a\tb", "a\nb", "a\rb", "\r\n", "a\0b", "\ud800", "ä", "日本", "NULL", "null", "x" * 100),
    *("1", "-1", " 1 ", "1.5", "1e5", "0x10", "NaN", "Infinity", "99999", "2147483648", "1.239"),
    *("t", "true", "yes", "on", "maybe", "2020-01-02", "01/02/2020", "infinity", "epoch"),
    *("2020-01-02 03:04:05.678+02", "2020-01-02 03:04:05.678", "03:04:05.6", "03:04+02", "24:00"),
    *("1 day 02:03:04.5", "P1Y2M", "1.5", '{"a": 1}', '{"a": 1, "a": 2}', "[1, 2]", "{1,2}"),
    *('{"a b","c"}', "{NULL}", "red", "sad", "$1.00", "$1,000", "<a/>", "10.0.0.1", "10.0.0.0/8"),
    *("101", "1010", "B101", "(1,2)", "[1,5)", "pg_class", "a b c"),
    "00000000-0000-0000-0000-00000000000A",
)
BINARY = (b"", b"a", b"\\", b"\0\xff", b"\\x61", bytearray(b"a"), memoryview(b"a"))
BERLIN = ZoneInfo("Europe/Berlin")
ODD = dt.timezone(dt.timedelta(hours=1, minutes=2, seconds=3))
FAR = dt.timezone(dt.timedelta(hours=20))
FINE = dt.timezone(dt.timedelta(microseconds=5))
TIMES = (
    *(dt.date(2020, 1, 2), dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(2021, 3, 28)),
    *(dt.datetime(2020, 1, 2, 3, 4, 5, 678912), dt.datetime(1, 1, 1), dt.datetime.max),
    *(dt.datetime(2021, 3, 14, 2, 30), dt.datetime(2021, 11, 7, 1, 30)),  # none, two in New York
    *(dt.datetime(2020, 1, 2, 3, 4, 5, 500000), dt.datetime(2020, 1, 2, 3, 4, 5, 5000)),
    *(dt.datetime(2020, 7, 2, 3, 4, tzinfo=zone) for zone in (dt.UTC, BERLIN, ODD, FAR, FINE)),
    *(dt.datetime(1, 1, 1, tzinfo=BERLIN), dt.datetime(1, 1, 1, tzinfo=dt.UTC)),
    *(dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(dt.timedelta(hours=-5))),),
    *(dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14))),),
    dt.datetime(2021, 10, 31, 2, 30, tzinfo=BERLIN),
    dt.datetime(2021, 10, 31, 2, 30, tzinfo=BERLIN, fold=1),
    *(dt.time(3, 4, 5, 678912), dt.time(23, 59, 59, 999999), dt.time(0, 0)),
    *(dt.time(3, 4, tzinfo=zone) for zone in (dt.UTC, ODD, FAR, BERLIN)),
    *(dt.timedelta(0), dt.timedelta(days=-1, seconds=5), dt.timedelta(microseconds=1)),
    *(dt.timedelta(hours=5, minutes=30, seconds=45.5), dt.timedelta.max, dt.timedelta.min),
)
OTHERS = (
    *(None, True, False, UUID(int=10), {"a": [1, None]}, {}, {"a": float("nan")}, {"a": "\0"}),
    *([], [1, 2], ["a", "b"], [None], [1.5], (1, 2), {1, 2}, object(), 1j, range(3)),
    *(RawJSON('{"a":  1}'), RawJSON(b"[1]"), RawJSON("no"), Word("1"), Number(5), Colour.RED),
    *(Level.ONE,),
)
VALUES = (*INTEGERS, *FLOATS, *DECIMALS, *TEXTS, *BINARY, *TIMES, *OTHERS)
BERLIN_WORDS = ("datestyle = 'German'", "intervalstyle = 'sql_standard'", "bytea_output = 'escape'")
NEW_YORK = ("timezone = 'America/New_York'", "datestyle = 'SQL, DMY'")
PLACES = {
    # COPY in binary, as far as the column under test allows it; COPY as text.
    "binary": ("x", (), VALUES),
    "text": (5, NEW_YORK, (*FLOATS, *DECIMALS, *TIMES, *OTHERS, 1, 2**60 + 2**36 + 1)),
    "binary elsewhere": ("x", NEW_YORK, TIMES),
    "text elsewhere": (5, BERLIN_WORDS, (*TIMES, *TEXTS, *BINARY)),
}
"""What stands beside the value, settings of the session, values."""

TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN small AS integer CHECK (VALUE < 10);
CREATE DOMAIN word AS varchar(5) NOT NULL;
CREATE DOMAIN worse AS word CHECK (VALUE <> '');
CREATE DOMAIN moment AS timestamptz;
"""


@pytest.fixture(scope="module")
def pg(postgresql):
    with closing(connect(postgresql.url, autocommit=True)) as conn:
        conn.prepare_threshold = None
        conn.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public;" + TYPES)
        for number, column in enumerate(COLUMNS):
            conn.execute(f"CREATE TABLE t{number} (v {column}, w text)")
        yield conn


@contextlib.contextmanager
def nothing_stays(conn):
    with conn.transaction(force_rollback=True):
        yield


def stored(conn, table):
    query = f"SELECT coalesce(v::text, 'NULL ' || (v IS NULL)), count(*) FROM {table} GROUP BY 1"
    return conn.execute(query).fetchall()


def inserted(conn, table, value, beside):
    """Give what one INSERT after the other stores, or the state with which the server refused."""
    with nothing_stays(conn):
        cursor = conn.cursor()
        for kind, dumper in own_dumpers(conn):
            cursor.adapters.register_dumper(kind, dumper)
        try:
            cursor.execute(f"INSERT INTO {table} (v, w) VALUES (%s, %s)", (value, beside))
        except Exception as error:  # noqa: BLE001 - of the server or of psycopg
            return "refused", getattr(error, "sqlstate", None)
        return "stored", [(text, count * ROWS) for text, count in stored(conn, table)]


def loaded(conn, table, value, beside):
    with nothing_stays(conn):
        try:
            load(table, conn, [{"v": value, "w": beside}] * ROWS)
        except InsertError as error:
            return "refused", getattr(error.__cause__, "sqlstate", None)
        return "stored", stored(conn, table)


def same(one, other):
    """Tell whether both stored the same, or refused it, by the same word where the server did."""
    return one == other or (one[0] == other[0] == "refused" and None in {one[1], other[1]})


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("column", COLUMNS)
def test_copy_stores_and_refuses_what_insert_would(pg, column, place):
    table = f"t{COLUMNS.index(column)}"
    beside, session, values = PLACES[place]
    for setting in ("timezone = 'UTC'", "datestyle = 'ISO'", *session):
        pg.execute(f"SET {setting}")
    different = {}
    for value in values:
        if column == "numeric(10,2)" and type(value) is Decimal and str(value) in TOO_SMALL:
            continue
        meant = Json(value) if column in {"json", "jsonb"} and isinstance(value, list) else value
        expected, got = inserted(pg, table, meant, beside), loaded(pg, table, value, beside)
        if not same(expected, got):
            different[repr(value)] = (expected, got)
    assert different == {}


CELLS = {
    "smallint": st.integers(-(2**15) - 2, 2**15 + 2) | st.sampled_from(("1", None)),
    "bigint": st.integers() | st.booleans() | st.sampled_from((1.5, Decimal(2))),
    "real": st.floats() | st.floats(width=32) | st.integers(),
    "double precision": st.floats() | st.integers() | st.decimals(places=3),
    "numeric": st.decimals() | st.floats() | st.integers(),
    "numeric(10,2)": st.decimals(-(10**9), 10**9) | st.floats(-1e9, 1e9),
    "text": st.text() | st.integers() | st.booleans(),
    "varchar(5)": st.text(max_size=7),
    "bytea": st.binary() | st.text(max_size=5),
    "timestamp": st.datetimes() | st.dates() | st.datetimes(timezones=st.timezones()),
    "timestamptz": st.datetimes(timezones=st.timezones()) | st.datetimes(),
    "interval": st.timedeltas(),
    "jsonb": st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3)),
}


@given(st.data())
@settings(max_examples=60)
def test_rows_of_any_mixture_are_those_that_insert_would_store(pg, data):
    columns = data.draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=3))
    names = [f"c{number}" for number in range(len(columns))]
    rows = data.draw(st.lists(st.tuples(*map(CELLS.__getitem__, columns)), min_size=1, max_size=8))
    rows *= ROWS // len(rows) + 1
    pg.execute(f"SET timezone = '{data.draw(st.sampled_from(('UTC', 'America/New_York')))}'")
    with nothing_stays(pg):
        declared = ", ".join(map(" ".join, zip(names, columns, strict=True)))
        pg.execute(f"CREATE TABLE one ({declared}); CREATE TABLE other ({declared})")
        failed, expected = [], one_by_one(pg, "one", rows)
        load(
            "other",
            pg,
            [dict(zip(names, row, strict=True)) for row in rows],
            on_error=failed.extend,
        )
        assert [tuple(row.row.values()) for row in failed] == expected
        contents = [
            pg.execute(f"SELECT t::text FROM {table} t").fetchall() for table in ("one", "other")
        ]
        assert contents[0] == contents[1]


def one_by_one(conn, table, rows):
    """Insert each of *rows* that the server takes, and give the others."""
    refused, cursor = [], conn.cursor()
    for kind, dumper in own_dumpers(conn):
        cursor.adapters.register_dumper(kind, dumper)
    marks = ", ".join(["%s"] * len(rows[0]))
    for row in rows:
        try:
            with conn.transaction():
                cursor.execute(f"INSERT INTO {table} VALUES ({marks})", row)
        except Exception:  # noqa: BLE001 - of the server or of psycopg
            refused.append(row)
    return refused


# Which road was taken.


@pytest.fixture
def table(pg):
    """A table `roads`, and a function that says how its rows came: each COPY is one statement."""
    pg.execute("DROP TABLE IF EXISTS roads, plain CASCADE")
    pg.execute('CREATE TABLE roads (id integer, "Name it" text, road text)')
    pg.execute(
        "CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN NEW.road := left(current_query(), 6); RETURN NEW; END$$"
    )
    pg.execute("CREATE TRIGGER note BEFORE INSERT ON roads FOR EACH ROW EXECUTE FUNCTION note()")
    return pg


def roads(conn, table="roads"):
    return {road for (road,) in conn.execute(f"SELECT road FROM {table}").fetchall()}


MANY = [(n, str(n)) for n in range(ROWS)]


def test_load_goes_by_copy(table):
    load("roads", table, [{"id": n} for n, _ in MANY])
    assert roads(table) == {"COPY r"}


@pytest.mark.parametrize(
    "query",
    [
        'INSERT INTO roads (id, "Name it") VALUES (%s, %s)',
        "INSERT INTO roads VALUES (%s, %s)",
        'insert into public.roads ("id","road") values (%s,%s);',
        'INSERT INTO "public" . "roads" ("id", ROAD)\n VALUES ( %s , %s )',
    ],
)
def test_a_plain_insert_goes_by_copy(table, query):
    assert executemany(query, table, MANY) == (ROWS, 0)
    assert {road[:4] for road in roads(table)} == {"COPY"}


def test_a_plain_insert_with_names_goes_by_copy_in_the_order_of_its_columns(table):
    query = "INSERT INTO roads (road, id) VALUES (%(b)s, %(a)s)"
    rows = [{"a": n, "b": text, "more": None} for n, text in MANY]
    assert executemany(query, table, rows) == (ROWS, 0)
    assert roads(table) == {"COPY r"}
    assert [id_ for (id_,) in table.execute("SELECT id FROM roads")] == list(range(ROWS))


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO roads (id, road) VALUES (%s, lower(%s))",
        "INSERT INTO roads (id, road) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        "INSERT INTO roads (id, road) VALUES (%s::integer, %s)",
        "INSERT INTO roads (id, road) SELECT %s::integer, %s::text",
        "INSERT INTO roads (id, road) VALUES (%s, %s) RETURNING id",
        "INSERT INTO roads AS r (id, road) VALUES (%s, %s)",
    ],
)
def test_any_other_statement_is_executed_as_it_is(table, query):
    assert executemany(query, table, MANY) == (ROWS, 0)
    assert roads(table) == {"INSERT"}


def test_a_few_rows_are_inserted(table):
    load("roads", table, [{"id": 1}])
    assert roads(table) == {"INSERT"}


def test_rows_are_inserted_in_a_pipeline_of_the_users(table):
    with table.pipeline():
        assert load("roads", table, [{"id": n} for n, _ in MANY]) == (ROWS, 0)
    assert roads(table) == {"INSERT"}


# Tables that are not copied into.

NOTED = "CREATE TRIGGER note BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION note();"
COUNTS = """
CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO roads SELECT count(*) FROM plain; RETURN NULL; END$$;
"""
NOT_COPIED = {
    "a view": "CREATE VIEW plain AS SELECT * FROM roads",
    "a rule": """
        CREATE TABLE plain (LIKE roads);
        CREATE RULE r AS ON INSERT TO plain DO INSTEAD INSERT INTO roads VALUES (NEW.id)
    """,
    "row-level security": f"""
        CREATE TABLE plain (LIKE roads); {NOTED} ALTER TABLE plain ENABLE ROW LEVEL SECURITY
    """,
    "a reference to the table itself": f"""
        CREATE TABLE plain (LIKE roads, PRIMARY KEY (id), FOREIGN KEY (id) REFERENCES plain);
        {NOTED}
    """,
    "a trigger of the statement": f"""
        CREATE TABLE plain (LIKE roads); {COUNTS}
        CREATE TRIGGER once AFTER INSERT ON plain EXECUTE FUNCTION counts()
    """,
    "a trigger after each row": f"""
        CREATE TABLE plain (LIKE roads); {COUNTS}
        CREATE TRIGGER after AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION counts()
    """,
    "such a trigger of a partition": f"""
        CREATE TABLE plain (LIKE roads) PARTITION BY RANGE (id);
        CREATE TABLE part PARTITION OF plain DEFAULT; {COUNTS}
        CREATE TRIGGER after AFTER INSERT ON part FOR EACH ROW EXECUTE FUNCTION counts()
    """,
}


@pytest.mark.parametrize("what", NOT_COPIED)
def test_a_table_where_copy_is_no_insert_is_inserted_into(table, what):
    with nothing_stays(table):
        table.execute(NOT_COPIED[what])
        load("plain", table, [{"id": n} for n, _ in MANY])
        seen = "plain" if NOTED in NOT_COPIED[what] else "roads"
        assert roads(table, seen) == {"INSERT"}
        assert len(table.execute(f"SELECT DISTINCT id FROM {seen}").fetchall()) == ROWS


@pytest.mark.parametrize(
    "kind",
    ["integer GENERATED ALWAYS AS IDENTITY", "integer GENERATED ALWAYS AS (id + 1) STORED"],
)
def test_a_column_that_is_always_generated_refuses_a_value_as_ever(pg, kind):
    with nothing_stays(pg):
        pg.execute(f"CREATE TABLE always (id integer, g {kind})")
        with pytest.raises(InsertError, match="non-DEFAULT value into column") as caught:
            load("always", pg, [{"id": n, "g": n} for n, _ in MANY])
        assert caught.value.__cause__.sqlstate == "428C9"
        assert load("always", pg, [{"id": n} for n, _ in MANY]) == (ROWS, 0)
        assert fetchall("SELECT count(g) AS n FROM always", pg) == [{"n": ROWS}]


def test_a_partitioned_table_is_copied_into(table):
    with nothing_stays(table):
        table.execute("CREATE TABLE plain (LIKE roads) PARTITION BY RANGE (id)")
        for low in (0, 20):
            part = f"CREATE TABLE plain_{low} PARTITION OF plain FOR VALUES"
            table.execute(f"{part} FROM ({low}) TO ({low + 20})")
        table.execute(
            "CREATE TRIGGER note BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION note()"
        )
        failed = []
        load("plain", table, [{"id": n} for n, _ in MANY], on_error=failed.extend)
        assert [row.row["id"] for row in failed] == list(range(40, ROWS))
        assert roads(table, "plain") <= {"COPY p", "INSERT"}


@pytest.fixture(params=["of the connection", "of all connections"])
def register(request, postgresql):
    """Register a dumper of str, and give a connection that has it."""
    with contextlib.ExitStack() as stack:

        def register(dumper):
            if request.param == "of all connections":
                usual = psycopg.adapters.get_dumper(str, psycopg.adapt.PyFormat.AUTO)
                stack.callback(psycopg.adapters.register_dumper, str, usual)
                psycopg.adapters.register_dumper(str, dumper)
            conn = stack.enter_context(closing(connect(postgresql.url)))
            conn.adapters.register_dumper(str, dumper)
            return conn

        yield register


def test_a_dumper_of_the_user_is_used(register):
    class Shouted(psycopg.adapt.Dumper):
        def dump(self, obj):
            return str(obj).upper().encode()

    conn = register(Shouted)
    execute("CREATE TEMP TABLE own (v text)", conn)
    load("own", conn, [{"v": "a"}] * ROWS)
    assert fetchall("SELECT DISTINCT v FROM own", conn) == [{"v": "A"}]


def test_a_dumper_of_psycopg_that_the_user_chose_is_used(register):
    conn = register(StrDumper)  # which says that its values are of the type text
    execute("CREATE TEMP TABLE own (v integer)", conn)
    with pytest.raises(InsertError, match="type integer but expression is of type text"):
        load("own", conn, [{"v": "1"}] * ROWS)
