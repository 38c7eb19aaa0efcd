"""SQL Server by its real drivers, against a protocol stand-in: what ETLHelper's behaviour asks."""

import logging
import sys
import threading
from collections import namedtuple
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from uuid import UUID

import pytest

import mssql_server as script
import rowferry as etl
import servers
from rowferry.databases import database_of_type, mssql_errors, recognise
from rowferry.databases.mssql_arrays import sizes
from rowferry.databases.mssql_driver import Login
from rowferry.databases.mssql_pyodbc_arrays import Filled, stay_the_same
from rowferry.databases.mssql_types import column_type, comparable, declaration
from rowferry.databases.mssql_values import in_order, target
from rowferry.exceptions import (
    BadIdentifierError,
    ConnectError,
    DriverError,
    InsertError,
    QueryError,
    SourceError,
)
from rowferry.reader import Query, Reader
from rowferry.row_factories import list_row_factory, namedtuple_row_factory, tuple_row_factory
from rowferry.testing import FakeApi
from standins.mssql import in_a_process

WHAT_THE_STAND_IN_CANNOT_RUN = (
    "whether the server takes what rowferry writes itself: MERGE, CREATE TABLE, queries by key",
    "the columns of a real catalogue, of which table_info asks sys.columns",
    "how the server converts what is bound to the types of its columns",
    "isolation levels and locks: what a reader sees that another session has not committed",
    "SET XACT_ABORT ON, transactions within transactions, triggers",
    "encryption, logins other than by name and password, availability groups",
    "sql_variant, table-valued parameters, cursors of the server, MARS",
)
"""What nothing here says anything about, as the page on databases says."""

ODBC = "libs/linux/debian_ubuntu/*/lib/libmsodbcsql*"
DATABASE = database_of_type("MSSQL")
Sensor = namedtuple("Sensor", "code description")  # noqa: PYI024 - what users write
tuples = tuple_row_factory


def mssql_python():
    _needed("mssql_python", "pip install mssql-python, and apt-get install libltdl7")
    return {"driver": "mssql_python", "Encrypt": "no"}


def pyodbc_microsoft():
    _needed("pyodbc", "pip install pyodbc, and apt-get install unixodbc")
    wheel = _needed("mssql_python_odbc", "pip install mssql-python")
    file = next(Path(wheel.__file__).parent.glob(ODBC))
    return {"driver": "pyodbc", "Encrypt": "no", "odbc_driver": file}


def pyodbc_freetds():
    module = _needed("pyodbc", "pip install pyodbc, and apt-get install unixodbc")
    if "FreeTDS" not in module.drivers():
        servers.missing("FreeTDS", "apt-get install tdsodbc")
    return {"driver": "pyodbc", "odbc_driver": "FreeTDS", "Encryption": "off"}


def _needed(module, how):
    try:
        return import_module(module)
    except ImportError as problem:
        servers.missing(f"{module} ({problem})", how)


@pytest.fixture(
    params=[mssql_python, pyodbc_microsoft, pyodbc_freetds], ids=lambda way: way.__name__
)
def way(request):
    """What to connect each driver with."""
    return request.param()


only = lambda *ways: pytest.mark.parametrize(
    "way", ways, indirect=True, ids=lambda way: way.__name__
)
"""Run a test with these drivers."""

freetds = only(pyodbc_freetds)
"""Run a test with FreeTDS: what the others do in test_databases.py."""


@pytest.fixture(scope="module")
def server():
    """The stand-in, in a process of its own: pyodbc's arrays hold the GIL while they wait."""
    queries = [DATABASE.columns_query("sensors", schema)[0] for schema in (None, "dbo")]
    with in_a_process(script.server, queries) as started:
        yield started


@pytest.fixture
def params(server):
    login = {"user": server.user, "dbname": server.database}
    return etl.DbParams(dbtype="MSSQL", host="127.0.0.1", port=server.port, **login)


@pytest.fixture
def connect(params, server, way, monkeypatch):
    """Open connections; they are closed after the test."""
    monkeypatch.setenv("SECRET", server.password)
    opened = []

    def connect(**options):
        opened.append(etl.connect(params, "SECRET", **{**way, **options}))
        return opened[-1]

    yield connect
    for conn in opened:
        if not conn.closed:
            conn.close()


@pytest.fixture
def conn(connect):
    """A connection to the stand-in, whose tables are empty."""
    conn = connect()
    for table in ("sensors", "measured"):
        etl.execute(f"DELETE FROM {table}", conn)
    return conn


@pytest.fixture
def other(connect, conn):
    return connect()


@pytest.fixture
def three(conn):
    etl.load("sensors", conn, sensors(1, 2, 3))
    return conn


@pytest.fixture
def url(server, way):
    words = "&".join(f"{name}={value}" for name, value in way.items() if name != "driver")
    login = f"{server.user}:{server.password}@127.0.0.1:{server.port}/{server.database}"
    scheme = "mssql+pyodbc" if way["driver"] == "pyodbc" else "mssql"
    return f"{scheme}://{login}?{words}"


def sensors(*codes):
    return [{"code": code, "description": f"sensor {code}"} for code in codes]


def codes(conn):
    query = "SELECT code FROM sensors ORDER BY 1"
    return [code for (code,) in etl.fetchall(query, conn, (), tuples)]


class Counted:
    """How many messages a block has sent to the stand-in, commits among them."""

    def __init__(self, server):
        self._server = server
        self._before = server.counts

    @property
    def messages(self):
        return self._server.counts["message"] - self._before["message"]

    @property
    def commits(self):
        return self._server.counts["commit"] - self._before["commit"]


# Extraction.


@pytest.mark.parametrize(
    ("factory", "first"),
    [
        (etl.row_factories.dict_row_factory, sensors(1)[0]),
        (tuple_row_factory, (1, "sensor 1")),
        (list_row_factory, [1, "sensor 1"]),
        (namedtuple_row_factory, Sensor(1, "sensor 1")),
        (lambda cursor: lambda row: (cursor.description[0][0], row[0]), ("code", 1)),
    ],
)
@freetds
def test_mssql_row_factories_make_the_rows(three, factory, first):
    rows = etl.fetchall(script.SELECT, three, row_factory=factory)
    assert rows[0] == first
    assert len(rows) == 3
    assert etl.fetchone(script.SELECT, three, row_factory=factory) == first


@pytest.mark.parametrize("size", [1, 100, 101, 30_000])
def test_mssql_rows_come_in_chunks_of_any_size(conn, size):
    query = "SELECT code, description FROM long"
    chunks = list(etl.iter_chunks(query, conn, row_factory=tuples, chunk_size=size))
    assert [row for chunk in chunks for row in chunk] == script.LONG
    assert {len(chunk) for chunk in chunks[:-1]} <= {size}


def test_mssql_parameters_go_by_position(conn):
    assert etl.fetchall("SELECT ? AS v", conn, ("ä",)) == [{"v": "ä"}]
    assert etl.fetchall("SELECT ? AS v", conn, ["b"]) == [{"v": "b"}]
    assert etl.fetchall("SELECT ? AS v", conn, {"any": "c"}) == [{"v": "c"}]


def test_mssql_a_mapping_of_several_parameters_is_refused_as_their_order_is_not_known(conn):
    with pytest.raises(SourceError, match=r"have no names: give a tuple(?s:.)*Required|qmark"):
        etl.fetchall("SELECT ? AS v", conn, {"a": 1, "b": 2})


@freetds
def test_mssql_nothing_runs_until_the_first_row_is_asked_for(three):
    rows = etl.iter_rows(script.SELECT, three)
    etl.load("sensors", three, sensors(4))
    assert len(list(rows)) == 4


@only(mssql_python, pyodbc_microsoft)  # FreeTDS sends each commit, also of nothing
def test_mssql_a_read_is_one_message_and_its_commit_another(three, server):
    counted = Counted(server)
    assert len(etl.fetchall(script.SELECT, three)) == 3
    assert (counted.messages, counted.commits) == (2, 1)
    assert etl.fetchone(script.SELECT, three) == sensors(1)[0]
    assert counted.commits == 2


@freetds
def test_mssql_a_second_fetch_sees_what_others_wrote(three, other):
    assert codes(three) == [1, 2, 3]
    etl.load("sensors", other, sensors(4))
    assert codes(three) == [1, 2, 3, 4]


@freetds
def test_mssql_a_statement_without_rows_gives_none_and_is_committed(three, other):
    assert etl.fetchall("DELETE FROM sensors", three) == []
    assert codes(other) == []


@freetds
def test_mssql_the_transform_takes_what_was_fetched(three):
    twice = lambda chunk: (sign * row["code"] for row in chunk for sign in (1, -1))
    assert etl.fetchall(script.SELECT, three, transform=twice, chunk_size=2) == [
        1,
        -1,
        2,
        -2,
        3,
        -3,
    ]


@freetds
def test_mssql_two_columns_of_one_name_are_an_error_that_names_them(conn):
    with pytest.raises(SourceError, match=r"'a'.*AS"):
        etl.fetchall("SELECT 1 AS a, 2 AS a", conn)
    assert etl.fetchall("SELECT 1 AS a, 2 AS a", conn, (), tuples) == [(1, 2)]


def test_mssql_the_rows_of_a_batch_come_after_its_counts(conn):
    assert etl.fetchall("EXEC two_results", conn, (), tuples) == [(1,), (2,)]


def test_mssql_an_error_after_the_first_result_is_not_lost(conn):
    with pytest.raises(QueryError, match="after the first result"):
        etl.execute("EXEC late_error", conn)
    with pytest.raises(SourceError, match="after the first result"):
        etl.fetchall("EXEC late_error", conn)


def test_mssql_a_refused_query_says_what_was_asked_and_answered(conn):
    query = "SELECT a FROM nowhere"
    with pytest.raises(SourceError, match="Invalid object name 'nowhere'") as caught:
        etl.fetchall(query, conn)
    cause = caught.value.__cause__
    assert caught.value.args[0] == (
        f"SQL query raised an error.\n\n{query}\n\nRequired paramstyle: qmark\n\n{cause}\n"
    )
    assert etl.fetchall("SELECT 1 AS one", conn) == [{"one": 1}]
    with pytest.raises(QueryError, match="Invalid object name"):
        etl.execute(query, conn)


@freetds
def test_mssql_a_closed_connection_is_named_as_the_reason(connect):
    conn = connect()
    conn.close()
    for job in (
        lambda: etl.fetchall("SELECT 1 AS one", conn),
        lambda: etl.execute("SELECT 1 AS one", conn),
        lambda: etl.load("sensors", conn, sensors(1)),
    ):
        with pytest.raises((SourceError, QueryError), match="connection is closed"):
            job()


def test_mssql_a_read_that_is_left_frees_the_connection_and_keeps_what_the_user_wrote(conn, other):
    conn.cursor().execute(script.INSERT, (1, "mine")).close()
    with closing(etl.iter_rows("SELECT code, description FROM long", conn)) as rows:
        next(rows)
    assert codes(other) == []
    conn.commit()
    assert codes(other) == [1]


@freetds
def test_mssql_users_may_write_and_commit_between_the_rows_of_a_small_result(three, other):
    for code, row in enumerate(etl.iter_rows(script.SELECT, three, chunk_size=1), 1):
        assert row["code"] == code
        three.cursor().execute(script.INSERT, (code + 10, "new")).close()
        three.commit()
    assert codes(other) == [1, 2, 3, 11, 12, 13]


def test_mssql_a_users_commit_ends_a_longer_result_with_an_error_that_says_so(conn):
    rows = etl.iter_rows("SELECT code, description FROM long", conn, chunk_size=200)
    assert next(rows)["code"] == 0
    conn.commit()
    with pytest.raises(SourceError, match="commit or rollback ends the result"):
        list(rows)


def test_mssql_statements_of_ours_between_the_rows_have_the_rest_kept_before(conn):
    rows = etl.iter_rows("SELECT code, description FROM long", conn, (), tuples, chunk_size=200)
    for code, _ in rows:
        if code % 6000 == 0:
            etl.load("sensors", conn, sensors(code))
    assert code == 19_999
    assert codes(conn) == [0, 6000, 12_000, 18_000]


def test_mssql_every_type_is_read_as_it_is(connect):
    conn = connect()
    rows = etl.fetchall("SELECT * FROM odd", conn, (), tuples)
    assert rows == [script.ODD, (None,) * len(script.ODD)]
    assert [type(value) for value in rows[0]] == [type(value) for value in script.ODD]


@only(pyodbc_microsoft, pyodbc_freetds)
def test_mssql_a_read_leaves_the_converters_of_a_pyodbc_connection_as_they_were(connect):
    conn = connect()
    mine = lambda data: "mine"
    conn.add_output_converter(-11, mine)
    (row, _) = etl.fetchall("SELECT * FROM odd", conn)
    assert row["u"] == "mine"
    assert conn.get_output_converter(-11) is mine
    assert [conn.get_output_converter(code) for code in (-155, -151, -9)] == [None] * 3


@only(mssql_python)
def test_mssql_python_tells_the_types_of_cells(connect):
    conn = connect()
    with Reader(Query("SELECT * FROM odd", conn)) as reader:
        (row, _) = reader.fetch(2)
        assert reader.kinds == {name: type(value) for name, value in row.items()}
    conn.add_output_converter(str, lambda data: 5)
    with Reader(Query("SELECT * FROM odd", conn)) as reader:
        reader.fetch(2)
        assert reader.kinds is None


@only(pyodbc_microsoft, pyodbc_freetds)
def test_mssql_half_a_pair_is_no_end_of_a_tolerant_read_by_pyodbc(connect):
    with Reader(Query("SELECT s FROM halves", connect(), (), tuples), tolerant=True) as reader:
        assert reader.fetch(5) == [("ok",), ("a\ud800b",), ("ok",)]


@only(mssql_python)
def test_mssql_half_a_pair_is_lost_on_mssql_python_as_the_documents_say(connect):
    rows = etl.fetchall("SELECT s FROM halves", connect(), (), tuples)
    assert rows == [("ok",), ("",), ("ok",)]  # a fault of the driver: one day this fails


@pytest.mark.parametrize("query", ["SELECT sleepy", "SELECT sleepy FROM long"])
def test_mssql_a_fetch_is_interrupted_from_another_thread(connect, query):
    conn = connect()
    with Reader(Query(query, conn)) as reader:
        stop = threading.Timer(0.2, reader.interrupt)
        stop.start()
        with pytest.raises(SourceError, match="cancelled"):
            list(iter(lambda: reader.fetch(5000), []))
        stop.join()
    assert etl.fetchall("SELECT 1 AS one", conn) == [{"one": 1}]


# Loading.


@freetds
def test_mssql_load_takes_dicts_and_named_tuples(conn, other):
    assert etl.load("sensors", conn, sensors(1)) == (1, 0)
    assert etl.load("sensors", conn, [Sensor(2, "b"), Sensor(3, "c")]) == (2, 0)
    assert etl.fetchall(script.SELECT, other, (), tuples) == [(1, "sensor 1"), (2, "b"), (3, "c")]


def test_mssql_dicts_are_stored_by_name_whatever_their_order(conn):
    rows = [{"code": 1, "description": "a"}, {"description": "b", "code": 2}]
    etl.load("sensors", conn, rows)
    etl.executemany(script.INSERT, conn, [{"description": "c", "code": 3}])
    assert etl.fetchall(script.SELECT, conn, (), tuples) == [(1, "a"), (2, "b"), (3, "c")]


def test_mssql_dicts_of_several_values_are_refused_where_their_order_is_not_known(three):
    update = "UPDATE sensors SET description = 'new' WHERE code = ?"
    assert etl.executemany(update, three, [{"code": 1}, (2,)]) == (2, 0)
    assert etl.fetchall(script.SELECT, three, (), tuples)[1:] == [(2, "new"), (3, "sensor 3")]
    with pytest.raises(InsertError, match="have no names: give a tuple"):
        etl.executemany(update, three, [{"code": 1, "description": "x"}])


@freetds
def test_mssql_the_insert_has_question_marks(conn):
    assert etl.generate_insert_sql("s.t", {"a": 1, "b": 2}, conn) == (
        "INSERT INTO s.t (a, b) VALUES (?, ?)"
    )


@only(mssql_python, pyodbc_microsoft)
@pytest.mark.parametrize("size", [1, 2, 3, 5000])
def test_mssql_load_commits_each_chunk(conn, other, server, size):
    counted = Counted(server)
    assert etl.load("sensors", conn, iter(sensors(1, 2, 3)), chunk_size=size) == (3, 0)
    assert counted.commits == -(-3 // size)
    assert codes(other) == [1, 2, 3]


@freetds
def test_mssql_an_error_rolls_the_chunk_back_and_keeps_those_before(conn, other):
    with pytest.raises(InsertError, match=r"INSERT INTO sensors(?s:.)*Violation of PRIMARY KEY"):
        etl.load("sensors", conn, sensors(1, 2, 3, 3), chunk_size=2)
    assert codes(other) == [1, 2]


@freetds
def test_mssql_without_commit_chunks_it_is_all_or_nothing(conn, other):
    with pytest.raises(InsertError):
        etl.load("sensors", conn, sensors(1, 2, 3, 3), commit_chunks=False, chunk_size=2)
    assert codes(other) == []
    assert etl.load("sensors", conn, sensors(1, 2), commit_chunks=False, chunk_size=1) == (2, 0)
    assert codes(other) == [1, 2]


@freetds
def test_mssql_on_error_gets_the_failed_rows_once_a_chunk(conn, other):
    calls = []
    rows = sensors(1, 1, 2, 3, 3, 4, 4, 5)
    assert etl.load("sensors", conn, rows, on_error=calls.append, chunk_size=4) == (8, 3)
    assert [[failed.row["code"] for failed in call] for call in calls] == [[1], [3, 4]]
    assert codes(other) == [1, 2, 3, 4, 5]


@freetds
def test_mssql_on_error_without_commit_chunks_keeps_the_good_rows_of_all_chunks(conn, other):
    seen = []
    rows = sensors(1, 2, 3, 3, 4, 5)
    how = {"commit_chunks": False, "chunk_size": 2}
    assert etl.load("sensors", conn, rows, on_error=seen.extend, **how) == (6, 1)
    assert len(seen) == 1
    assert codes(other) == [1, 2, 3, 4, 5]


REFUSED = {
    "Violation of PRIMARY KEY": (1, "again"),
    r"truncated|[Tt]runcation": (2, "x" * 41),
    "Cannot insert the value NULL|NULL": (3, None),
    "out of range|too big": (2**80, "x"),
    "Unsupported|Invalid parameter type|Unknown object type": (4, object()),
}


@pytest.mark.parametrize("message", REFUSED)
def test_mssql_a_row_that_is_refused_is_a_failure_of_its_row(conn, message):
    failed = []
    rows = [(1, "a"), (10, "b"), REFUSED[message], (11, "c")]
    assert etl.executemany(script.INSERT, conn, rows, on_error=failed.extend) == (4, 1)
    assert [row.row for row in failed] == [REFUSED[message]]
    assert codes(conn) == [1, 10, 11]
    with pytest.raises(InsertError, match=message):
        etl.executemany(script.INSERT, conn, [REFUSED[message]])


@freetds
def test_mssql_bisecting_finds_exactly_the_bad_rows(conn):
    bad = {0, 1, 57, 58, 64, 199}
    rows = [{"code": n, "description": None if n in bad else "x"} for n in range(200)]
    failed = []
    assert etl.load("sensors", conn, rows, on_error=failed.extend) == (200, 6)
    assert {row.row["code"] for row in failed} == bad
    assert codes(conn) == [n for n in range(200) if n not in bad]


@freetds
def test_mssql_a_row_that_lacks_a_column_is_a_failure_of_its_row(conn):
    failed = []
    rows = [*sensors(1), {"code": 2}, *sensors(3)]
    assert etl.load("sensors", conn, rows, on_error=failed.extend) == (3, 1)
    assert codes(conn) == [1, 3]


U = UUID("12345678-1234-5678-1234-567812345678")
ROW = {
    "n": -5,
    "s": "naïve € 𝄞",
    "f": 1 / 3,
    "price": Decimal("-1234.5678"),
    "blob": b"\0\xff",
    "u": U,
    "at": datetime(2024, 1, 2, 3, 4, 5, 678_901),
    "zoned": datetime(2024, 1, 2, 3, 4, 5, 678_901, script.INDIA),
    "day": date(2024, 2, 29),
    "clock": time(1, 2, 3, 456_789),
    "flag": True,
    "story": "x" * 5000,
}
MIXTURES = {
    "s": ["a long one, all ASCII", "ä€𝄞", "", "𝄞𝄞𝄞", "abcd"],
    "price": [1, Decimal("2.5"), Decimal("-99999.0001"), Decimal("1E+3"), 7],
    "f": [1, 2.5, -3],
    "at": [date(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5, 678_901)],
    "n": [True, 5, -(2**31)],
    "clock": [time(0), time(1, 2, 3, 456_789)],
    "u": [U, UUID(int=0)],
    "blob": [b"", bytearray(b"ab"), memoryview(b"abc")],
    "story": ["nul \0 within", "x" * 4001, '{"a": 1}'],
    "zoned": [ROW["zoned"], ROW["zoned"].astimezone(UTC)],
}


def test_mssql_rows_of_all_types_come_back_as_they_were(conn):
    nothing = dict.fromkeys(ROW)
    rows = [ROW, nothing, ROW | {"story": None}, nothing | {"s": "x"}]
    assert etl.load("measured", conn, rows) == (4, 0)
    assert etl.fetchall("SELECT * FROM measured", conn) == rows


@pytest.mark.parametrize("story", [None, "short"])
def test_mssql_an_array_of_whole_rows_keeps_every_value(conn, story):
    rows = [ROW | {"story": story, "n": n} for n in range(50)]
    assert etl.load("measured", conn, rows) == (50, 0)
    assert etl.fetchall("SELECT * FROM measured", conn) == rows


@pytest.mark.parametrize("name", MIXTURES)
def test_mssql_no_value_is_bound_as_another_ones_type(conn, name):
    rows = [dict.fromkeys(ROW) | {name: value} for value in [None, *MIXTURES[name]]]
    assert etl.load("measured", conn, rows) == (len(rows), 0)
    stored = [row[name] for row in etl.fetchall("SELECT * FROM measured", conn)]
    expected = [
        datetime(2024, 1, 2) if value == date(2024, 1, 2) else value for value in MIXTURES[name]
    ]
    assert stored == [None, *expected]


def test_mssql_what_has_no_type_there_becomes_text(conn):
    words = [{"a": "ä"}, [1, 2], timedelta(days=1, seconds=5)]
    etl.load("measured", conn, [dict.fromkeys(ROW) | {"s": word} for word in words])
    stored = [row["s"] for row in etl.fetchall("SELECT * FROM measured", conn)]
    assert stored == ['{"a": "ä"}', "[1, 2]", "1 day, 0:00:05"]


@only(mssql_python, pyodbc_microsoft)
def test_mssql_a_chunk_of_5000_rows_is_a_few_messages(conn, server):
    etl.load("sensors", conn, sensors(-1))
    counted = Counted(server)
    assert etl.load("sensors", conn, sensors(*range(10_000))) == (10_000, 0)
    assert counted.messages <= 2 * 5 + 1  # the one asks for the columns, once
    assert counted.commits == 2


def test_mssql_what_is_of_another_type_than_its_column_is_stored_as_a_statement_would(conn):
    values = {
        "s": [MOMENT, Decimal("1.255"), True, 5],
        "price": [Decimal("1.23456"), Decimal("1.00005")],
        "blob": ["abc", "ä"],
        "at": ["2024-01-02 03:04:05.678901", MOMENT],
    }
    for name, ones in values.items():
        etl.execute("DELETE FROM measured", conn)
        for one in ones:
            etl.load("measured", conn, [{**dict.fromkeys(ROW), name: one}])
        each = etl.fetchall("SELECT * FROM measured", conn)
        etl.execute("DELETE FROM measured", conn)
        etl.load("measured", conn, [{**dict.fromkeys(ROW), name: one} for one in ones])
        assert etl.fetchall("SELECT * FROM measured", conn) == each


@pytest.mark.parametrize("on_conflict", ["skip", "update"])
def test_mssql_rows_that_are_there_are_skipped_or_updated(three, on_conflict):
    rows = [{"code": code, "description": "new"} for code in (3, 4)]
    how = {"on_conflict": on_conflict, "key": "code"}
    assert etl.load("sensors", three, rows, **how) == (2, 0)
    third = "new" if on_conflict == "update" else "sensor 3"
    assert etl.fetchall(script.SELECT, three, (), tuples)[2:] == [(3, third), (4, "new")]


# Transactions.


def test_mssql_an_autocommit_connection_is_written_to_in_transactions(connect, conn, other):
    own = connect(autocommit=True)
    with pytest.raises(InsertError):
        etl.load("sensors", own, sensors(1, 2, 3, 3), chunk_size=2)
    assert codes(other) == [1, 2]
    assert not recognise(own)[0].in_transaction(own)
    assert len(etl.fetchall(script.SELECT, own)) == 2


def test_mssql_a_transaction_that_the_user_began_is_the_users_to_end(connect, conn, other):
    own = connect(autocommit=True)
    own.cursor().execute("BEGIN TRANSACTION").close()
    etl.load("sensors", own, sensors(1, 2))
    assert codes(own) == [1, 2]
    assert codes(other) == []
    with pytest.raises(InsertError):
        etl.load("sensors", own, sensors(3, 3))
    own.cursor().execute("COMMIT").close()
    assert codes(other) == [1, 2]


def test_mssql_a_read_in_the_middle_knows_of_the_users_transaction(connect, conn):
    own = connect(autocommit=True)
    query = "SELECT code, description FROM long"
    for begin in ("SELECT 1 AS one", "BEGIN TRANSACTION"):
        own.cursor().execute(begin).close()
        with closing(etl.iter_rows(query, own, chunk_size=200)) as rows:
            next(rows)
            database, _ = recognise(own)
            assert database.in_users_transaction(own) == (begin == "BEGIN TRANSACTION")


def test_mssql_a_result_of_the_users_that_is_open_is_named_as_the_reason(connect):
    own = connect(autocommit=True)
    with closing(own.cursor()) as cursor:
        cursor.execute("SELECT code, description FROM long").fetchone()
        with pytest.raises(SourceError, match="one open result at a time"):
            etl.fetchall("SELECT 1 AS one", own)
        with pytest.raises(InsertError, match="one open result at a time"):
            etl.load("sensors", own, sensors(1))


def test_mssql_a_deadlock_ends_the_whole_transaction_and_the_error_says_so(conn, other):
    failed = []
    rows = [{"code": 1}]
    with pytest.raises(InsertError, match=r"deadlocked|ended the whole transaction"):
        etl.load("locked", conn, rows, on_error=failed.extend)
    assert failed == []
    etl.load("sensors", conn, sensors(1))
    assert codes(other) == [1]


def test_mssql_a_cut_while_rows_are_written_is_the_error_that_is_told(conn):
    for on_error in (None, print):
        if conn.closed:
            return
        with pytest.raises(InsertError, match=r"link failure|TCP Provider|Unknown error|failed"):
            etl.load("cut", conn, [{"code": 1}], on_error=on_error)
        assert conn.closed


@freetds
def test_mssql_the_outermost_verb_commits(three, other):
    def transform(chunk):
        assert etl.fetchone("SELECT count(*) AS n FROM sensors", three)["n"] >= 3
        assert codes(other) == [1, 2, 3]
        return chunk

    how = {"commit_chunks": False, "chunk_size": 1}
    assert etl.load("sensors", three, sensors(4, 5), transform, **how) == (2, 0)
    assert codes(other) == [1, 2, 3, 4, 5]


# Copying, tables.


def test_mssql_rows_are_copied_to_sqlite_and_back(three, sqlite):
    create = {"create": True, "key": "code"}
    with pytest.raises(SourceError, match="stand-in knows no statement"):
        etl.copy_table_rows("sensors", three, sqlite, **create)  # keyed: another SELECT
    assert etl.copy_table_rows("sensors", three, sqlite, create=True) == (3, 0)
    (sql,) = sqlite.execute("SELECT sql FROM sqlite_master").fetchone()
    assert "code INTEGER NOT NULL" in sql
    etl.execute("DELETE FROM sensors", three)
    assert etl.copy_table_rows("sensors", sqlite, three) == (3, 0)
    assert codes(three) == [1, 2, 3]


def test_mssql_rows_are_copied_to_postgresql(three, psycopg_connection):
    assert etl.copy_table_rows("sensors", three, psycopg_connection, create=True) == (3, 0)
    assert etl.fetchall(script.SELECT, psycopg_connection) == sensors(1, 2, 3)


def test_mssql_copy_rows_with_parameters_and_transform(conn, sqlite):
    sqlite.execute("CREATE TABLE copies (v)")
    double = lambda chunk: ((2 * value,) for (value,) in chunk)
    insert = "INSERT INTO copies VALUES (?)"
    how = {"row_factory": tuples, "transform": double}
    assert etl.copy_rows("SELECT ? AS v", conn, insert, sqlite, ("ab",), **how) == (1, 0)
    assert sqlite.execute("SELECT v FROM copies").fetchall() == [("abab",)]


@freetds
def test_mssql_the_same_connection_reads_and_writes(three):
    rows = etl.iter_rows(script.SELECT, three, (), tuples, chunk_size=1)
    moved = ((code + 10, description) for code, description in rows)
    assert etl.executemany(script.INSERT, three, moved, chunk_size=1) == (3, 0)
    assert codes(three) == [1, 2, 3, 11, 12, 13]


def test_mssql_table_info_gives_the_columns(conn):
    for schema in (None, "dbo"):
        assert etl.table_info("sensors", conn, schema) == [
            ("code", "int", True, False),
            ("description", "nvarchar(40)", True, False),
            ("depth", "decimal(9,2)", False, False),
        ]
    with pytest.raises(QueryError, match="no table 'nothing'"):
        etl.table_info("nothing", conn)


def test_mssql_rows_go_to_an_api_and_the_report_counts_them(conn):
    with FakeApi() as api:
        report = etl.copy_to_api("SELECT code, description FROM long", conn, api.url, limit=500)
        assert report.delivered == 500
        assert api.records[0] == {"code": 0, "description": "sensor 0"}


# Keys, cuts.


def test_mssql_a_read_by_key_goes_on_after_a_cut(url, caplog):
    with caplog.at_level(logging.WARNING, logger="rowferry"):
        rows = etl.fetchall(script.FAR, url, (), tuples, key="code")
    assert rows == script.LONG
    assert "a new connection is to go on" in caplog.text


def test_mssql_a_cut_in_mid_fetch_is_an_error_of_the_source(connect, url):
    conn = connect()
    rows = etl.iter_rows(script.FAR, conn, chunk_size=1000)
    with pytest.raises(SourceError, match="the source was lost before its last row") as caught:
        list(rows)
    assert not getattr(caught.value.__cause__, "__notes__", [])
    assert conn.closed
    with pytest.raises(SourceError, match="with a DbParams or a URL"):
        etl.fetchall(script.FAR, url)


def test_mssql_text_keys_are_compared_by_their_code_points(conn):
    assert etl.fetchall(script.TEXT_KEY, conn, (), tuples, key="name") == script.WORDS


def test_mssql_keys_of_moments_are_compared_by_what_python_has_of_them(conn):
    rows = etl.fetchall(script.MOMENTS, conn, (), tuples, key=("at", "fine"))
    assert rows == script.MOMENTS_ROWS


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (script.SELECT, "takes no ORDER BY"),
        ("WITH a AS (SELECT 1 AS b) SELECT b FROM a", "no WITH"),
    ],
)
def test_mssql_what_cannot_stand_in_from_is_an_error_that_says_so(conn, query, message):
    with pytest.raises(SourceError, match=message):
        etl.fetchall(query, conn, key="code")


# Connections.


def test_mssql_a_wrong_password_is_an_error_without_it(params, way, monkeypatch):
    monkeypatch.setenv("SECRET", "wrong-secret}")
    with pytest.raises(ConnectError, match="Login failed for user 'sa'") as caught:
        etl.connect(params, "SECRET", **way)
    assert "secret" not in str(caught.value)


def test_mssql_a_database_that_is_not_there_is_an_error_that_names_it(
    params, way, server, monkeypatch
):
    monkeypatch.setenv("SECRET", server.password)
    params.dbname = "nodb"
    with pytest.raises(ConnectError, match=r"dbname=nodb.*(Login failed|Cannot open)"):
        etl.connect(params, "SECRET", **way)


def test_mssql_a_server_that_is_not_there_is_an_error_that_says_where(params, way):
    params.port = servers.free_port()
    assert not params.is_reachable()
    with pytest.raises(ConnectError, match=rf"port={params.port}"):
        etl.connect(params, **way, timeout=1)


def test_mssql_connections_are_recognised_and_paramstyle_is_qmark(conn, params):
    database, _ = recognise(conn)
    assert (database.dbtype, database.paramstyle) == ("MSSQL", "qmark")
    assert params.paramstyle == "qmark"
    assert params.is_reachable()


MISSING = {
    "mssql_python": ("mssql", "libltdl.so.7", "apt-get install libltdl7"),
    "pyodbc": ("pyodbc", "libodbc.so.2", "apt-get install unixodbc"),
}


@pytest.mark.parametrize("driver", MISSING)
def test_mssql_a_driver_that_is_missing_is_named_with_its_extra(driver, params, monkeypatch):
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(DriverError, match=rf"pip install 'rowferry\[{MISSING[driver][0]}\]'"):
        etl.connect(params, driver=driver)


@pytest.mark.parametrize("driver", MISSING)
def test_mssql_a_library_that_a_driver_needs_is_named_with_its_package(
    driver, params, monkeypatch, tmp_path
):
    _, library, how = MISSING[driver]
    text = f"{library}: cannot open shared object file: No such file or directory"
    (tmp_path / f"{driver}.py").write_text(f"raise ImportError({text!r})")
    monkeypatch.delitem(sys.modules, driver, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DriverError, match=rf"{library}(?s:.)*{how}"):
        etl.connect(params, driver=driver)


# Without a server.

PARAMS = {"host": "db", "port": 1433, "dbname": "gis", "user": "me"}


def test_mssql_connection_strings_hold_any_password():
    password = "a;b}c={d"
    assert DATABASE.connection_string(PARAMS, password) == (
        "Server={db,1433};Database={gis};UID={me};PWD={a;b}}c={d};"
    )
    pyodbc = database_of_type("MSSQL", "pyodbc")
    assert pyodbc.connection_string(PARAMS, None) == (
        "Driver={ODBC Driver 18 for SQL Server};Server={db,1433};Database={gis};UID={me};"
    )
    assert DATABASE.sqlalchemy_url(PARAMS, "p@ss/") == (
        "mssql+pyodbc://me:p%40ss%2F@db:1433/gis?driver=ODBC+Driver+18+for+SQL+Server"
    )
    assert "secret" not in repr(Login("secret", {"Encrypt": "no", "password": "secret"}))


def test_mssql_words_of_a_url_are_options_of_their_types():
    login = Login("x", {"autocommit": "true", "timeout": "3", "Encrypt": "no", "password": "y"})
    assert login.options == {"autocommit": True, "timeout": 3}
    assert login.words == {"Encrypt": "no", "PWD": "y"}


def test_mssql_urls_have_defaults():
    params = etl.db_params._target("mssql://me@/", None).params
    assert dict(params) == {
        "dbtype": "MSSQL",
        "user": "me",
        "host": "localhost",
        "port": 1433,
        "dbname": "master",
    }


@pytest.mark.parametrize(
    ("name", "quoted"), [("a", "[a]"), ("a]b", "[a]]b]"), ("x" * 128, f"[{'x' * 128}]")]
)
def test_mssql_names_are_quoted_in_brackets(name, quoted):
    assert DATABASE.quote(name) == quoted


@pytest.mark.parametrize("name", ["", "a\0", "x" * 129, "𝄞" * 65])
def test_mssql_what_can_be_no_name_is_refused(name):
    with pytest.raises(BadIdentifierError):
        DATABASE.quote(name)


def test_mssql_tables_are_made_where_there_are_none(conn):
    rows = [{"code": 1, "name": "a"}]
    assert etl.generate_create_table_sql("dbo.t", rows, conn, key="name") == (
        "IF OBJECT_ID(N'dbo.t', N'U') IS NULL CREATE TABLE dbo.t (\n"
        "    code bigint,\n    name nvarchar(450),\n    PRIMARY KEY (name)\n)"
    )


DECLARED = {
    "int": "int",
    "tinyint": "smallint",
    "decimal(9,2)": "decimal(9,2)",
    "money": "decimal(19,4)",
    "nvarchar(40)": "nvarchar(40)",
    "varchar(8000)": "nvarchar(max)",
    "nvarchar(max)": "nvarchar(max)",
    "varbinary(8)": "varbinary(max)",
    "datetime2(3)": "datetime2",
    "datetimeoffset(7)": "datetimeoffset",
    "uniqueidentifier": "uniqueidentifier",
    "float": "float",
    "bit": "bit",
    "geography": "nvarchar(max)",
    "[odd]": "nvarchar(max)",
}


@pytest.mark.parametrize("declared", DECLARED)
def test_mssql_types_of_columns_and_back(declared):
    assert declaration(column_type(declared), in_key=False) == DECLARED[declared]


def test_mssql_types_in_keys_have_a_length():
    assert declaration(column_type("nvarchar(max)"), in_key=True) == "nvarchar(450)"
    assert declaration(column_type("nvarchar(2000)"), in_key=True) == "nvarchar(450)"
    assert declaration(column_type("varbinary(max)"), in_key=True) == "varbinary(900)"


COMPARED = {
    (int, 10, 0): "q.[k]",
    (str, 40, 0): "CAST(q.[k] AS nvarchar(max)) COLLATE Latin1_General_BIN2",
    (UUID, 36, 0): "q.[k]",
    (date, 10, 0): "q.[k]",
    (bytes, 8, 0): "q.[k]",
    (bytearray, 40, 0): "q.[k]",
    (datetime, 23, 3): "CAST(q.[k] AS datetime2(3))",
    (datetime, 30, 3): "q.[k]",  # with a zone
    (datetime, 26, 6): "q.[k]",
    (datetime, 27, 7): "DATEADD(nanosecond, -(DATEPART(nanosecond, q.[k]) % 1000), q.[k])",
    (datetime, 34, 7): "DATEADD(nanosecond, -(DATEPART(nanosecond, q.[k]) % 1000), q.[k])",
    (bytearray, 34, 7): "DATEADD(nanosecond, -(DATEPART(nanosecond, q.[k]) % 1000), q.[k])",
    (time, 16, 7): "DATEADD(nanosecond, -(DATEPART(nanosecond, q.[k]) % 1000), q.[k])",
    (datetime, None, None): "q.[k]",
}


@pytest.mark.parametrize("described", COMPARED, ids=str)
def test_mssql_keys_are_compared_as_python_has_them(described):
    assert comparable("q.[k]", *described) == COMPARED[described]


ARRAYS = {
    "ints": ([1, None, -(2**63)], (-5, 19, 0)),
    "large ints": ([2**63], None),
    "bools and ints": ([True, 1], None),
    "texts": (["abcd", "𝄞𝄞𝄞", ""], (-9, 6, 0)),
    "no text": ([""], (-9, 1, 0)),
    "long text": (["x" * 4001], None),
    "nul in text": (["a\0"], None),
    "decimals": ([Decimal("1E+3"), Decimal("-1.25"), Decimal("0.000001")], (3, 10, 6)),
    "long decimals": ([Decimal("1" * 30), Decimal("1E-30")], None),
    "no number": ([Decimal("NaN")], None),
    "bytes": ([b"", b"ab"], (-3, 2, 0)),
    "moments": ([datetime(2024, 1, 1)], (93, 27, 7)),
    "zoned moments": ([datetime(2024, 1, 1, tzinfo=UTC)], (-155, 34, 7)),
    "both": ([datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)], None),
    "others": ([object()], None),
    "nothing": ([None], (4, 0, 0)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_mssql_a_column_of_an_array_has_one_type(name):
    values, size = ARRAYS[name]
    found = sizes([(value,) for value in values], lambda position: (4, 0, position))
    assert found == (None if size is None else [size])


def test_mssql_rows_of_different_lengths_are_no_array():
    with pytest.raises(ValueError):
        sizes([(1,), (1, 2)], lambda position: None)


MOMENT = datetime(2024, 1, 2, 3, 4, 5, 678_901)
SAME = [
    (1, (int, 10, 0), True),
    (None, (bytes, 10, 0), True),
    (True, (bool, 1, 0), True),
    (1, (bool, 1, 0), False),  # the server makes any number a bit
    (1, (float, 53, 0), True),
    (Decimal("1.25"), (Decimal, 9, 2), True),
    (1, (Decimal, 9, 2), True),
    (Decimal("1.255"), (Decimal, 9, 2), False),  # the server rounds it
    (Decimal("NaN"), (Decimal, 9, 2), False),
    (Decimal("1.25"), (str, 10, 0), False),
    ("ab", (str, 10, 0), True),
    ("ab", (bytes, 10, 0), False),  # pyodbc takes it for hexadecimal digits
    (b"ab", (str, 10, 0), False),
    (MOMENT, (datetime, 27, 7), True),
    (MOMENT, (datetime, 23, 3), False),  # the server rounds it
    (MOMENT.replace(microsecond=678_000), (datetime, 23, 3), True),
    (MOMENT, (str, 40, 0), False),  # pyodbc drops the microseconds
    (MOMENT.date(), (date, 10, 0), True),
    (MOMENT, (date, 10, 0), False),
    ("01:02:03.456789", (time, 16, 7), True),
    ("12", (time, 16, 7), False),
    ("2024-01-02 03:04:05+05:30", (bytearray, 34, 7), True),
    ("12:00:00", (bytearray, 34, 7), False),
    ("ab", (bytearray, 0, 0), False),
    pytest.param(object(), (int, 10, 0), False, id="an object"),
]


@pytest.mark.parametrize(("value", "column", "same"), SAME, ids=str)
def test_mssql_pyodbc_binds_an_array_only_where_a_row_would_be_stored_the_same(value, column, same):
    assert stay_the_same([(value,), (None,)], [Filled(*column)]) is same


TARGETS = {
    "INSERT INTO t (a, b) VALUES (?, ?)": ("t", ("a", "b"), True),
    'insert into [my].[t] ([a b], "c") values (?, ?)': ("[my].[t]", ("a b", "c"), True),
    "INSERT INTO t VALUES (?, ?)": ("t", None, True),
    "INSERT INTO t (a) VALUES (upper(?))": None,
    "INSERT INTO t (a) OUTPUT inserted.a VALUES (?)": None,
    "UPDATE t SET a = ?": None,
}


@pytest.mark.parametrize("sql", TARGETS)
def test_mssql_the_columns_of_plain_inserts_are_known(sql):
    assert target(sql) == TARGETS[sql]


@pytest.mark.parametrize("update", [True, False])
def test_mssql_the_columns_of_a_merge_of_ours_are_known(update):
    sql = DATABASE.upsert("dbo.t", ["a", "b"], ["?", "?"], ["a"], update=update)
    assert target(sql) == ("dbo.t", ("a", "b"), False)
    assert ("UPDATE SET b = new.b" in sql) == update
    assert sql.endswith(";")


def test_mssql_mappings_become_sequences():
    assert in_order([{"b": 2, "a": 1}, (3, 4)], ("a", "b")) == [(1, 2), (3, 4)]
    assert in_order([{"a": 1}], ("a",)) == [(1,)]
    with pytest.raises(KeyError):
        in_order([{"a": 1}], ("a", "b"))


class OfMicrosoft(Exception):  # noqa: N818 - as its driver has them
    def __init__(self, words):
        super().__init__(words)
        self.driver_error = words


LOST = [
    (OfMicrosoft("Communication link failure"), True, True),
    (OfMicrosoft("Serialization failure"), False, True),
    (OfMicrosoft("Syntax error or access violation"), False, False),
    (Exception("08S01", "[08S01] TCP Provider"), True, True),
    (Exception("42000", "was deadlocked (1205) (SQLExecDirectW)"), False, True),
    (Exception("42S02", "Invalid object name (208) (SQLExecDirectW)"), False, False),
    (Exception("HYT00", "Query timeout expired"), False, True),
    (Exception("HY000", "SHUTDOWN is in progress. (6005) (SQLExecDirectW)"), False, True),
    (ValueError(5), False, False),
    (ValueError(), False, False),
]


@pytest.mark.parametrize(("error", "gone", "goes_on"), LOST)
def test_mssql_errors_tell_whether_another_connection_may_go_on(error, gone, goes_on):
    assert (mssql_errors.is_gone(error), mssql_errors.goes_on(error)) == (gone, goes_on)


def test_mssql_what_the_stand_in_cannot_run_is_in_the_documents():
    page = (Path(__file__).parent.parent / "docs/databases.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## SQL Server")
    assert [line for line in WHAT_THE_STAND_IN_CANNOT_RUN if f"\n* {line}\n" not in section] == []
