"""The real drivers of SQL Server, against the protocol stand-in."""

import os
import struct
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import servers
from scripted import until
from standins.mssql import (
    Affected,
    Cut,
    Pause,
    Result,
    SQLError,
    SQLServer,
    Table,
    columns,
    demo,
    in_a_process,
    query,
)
from standins.mssql.conversion import convert
from standins.mssql.datatypes import read_type, sql_type
from standins.mssql.drivers import DRIVERS
from standins.mssql.tables import Transaction
from standins.mssql.wire import Reader

SECRET = "s3cret word; with } and ="
NEEDED = {
    "mssql-python": ("mssql_python", "pip install mssql-python, and apt-get install libltdl7"),
    "pyodbc-microsoft": ("mssql_python_odbc", "pip install pyodbc mssql-python"),
    "pyodbc-freetds": ("pyodbc", "pip install pyodbc, and apt-get install unixodbc tdsodbc"),
}


@pytest.fixture(params=DRIVERS)
def driver(request):
    """Each driver's name."""
    module, how = NEEDED[request.param]
    try:
        driver = import_module(module)
    except ImportError as problem:
        servers.missing(f"{request.param} ({problem})", how)
    if request.param == "pyodbc-freetds" and "FreeTDS" not in driver.drivers():
        servers.missing("FreeTDS", how)
    return request.param


only = lambda *names: pytest.mark.parametrize("driver", names, indirect=True)
"""Run a test with these drivers."""


@pytest.fixture
def connect(driver):
    """Connect the driver to a server; what is left open is closed after the test."""
    opened = []

    def connect(server, **options):
        opened.append(DRIVERS[driver](server, **options))
        return opened[-1]

    yield connect
    for conn in opened:
        try:
            conn.close()
        except Exception:  # noqa: BLE001 - it was cut, or closed
            opened.remove(conn)


@pytest.fixture
def serve():
    """Start servers; after the test none of them may have broken."""
    started = []

    def serve(statements, **options):
        started.append(SQLServer(statements, **options).__enter__())
        return started[-1]

    yield serve
    for server in started:
        server.__exit__()
        assert server.log.broken == []


def rows(cursor, sql, *parameters):
    return [tuple(row) for row in cursor.execute(sql, *parameters).fetchall()]


# Login


def test_a_login_is_let_in_and_says_who_it_is(serve, connect):
    server = serve({}, users={"anna": SECRET.replace("}", "")}, databases=("archive",))
    connect(server)
    login = server.log.logins[0]
    assert (login.user, login.database) == ("anna", "archive")
    assert login.tds_version == 0x74000004
    assert login.password == SECRET.replace("}", "")
    assert login.password not in repr(server.log)


@pytest.mark.parametrize("words", [{"PWD": "wrong-secret"}, {"UID": "nobody"}])
def test_a_wrong_password_and_a_wrong_user_are_18456(serve, connect, words):
    server = serve({})
    with pytest.raises(Exception, match=r"Login failed for user '(sa|nobody)'") as caught:
        connect(server, words=words)
    assert "secret" not in str(caught.value)
    until(lambda: server.sessions == 0)


def test_a_database_that_is_not_there_is_4060(serve, connect, driver):
    # FreeTDS and mssql-python tell the last error of a login only, which is 18456.
    told = {"pyodbc-microsoft": r'Cannot open database "nodb" .*\(4060\)'}
    with pytest.raises(Exception, match=told.get(driver, "Login failed for user 'sa'")):
        connect(serve({}), words={"Database": "nodb"})


ENCRYPTED = {
    "mssql-python": ({"Encrypt": "yes"}, "Encryption not supported on SQL Server"),
    "pyodbc-microsoft": ({"Encrypt": "yes"}, "Encryption not supported on SQL Server"),
    "pyodbc-freetds": ({"Encryption": "require"}, "Unable to connect"),
}


def test_a_client_that_insists_on_encryption_is_told_that_there_is_none(serve, connect, driver):
    words, message = ENCRYPTED[driver]
    with pytest.raises(Exception, match=message):
        connect(serve({}), words=words)


# Rows

U = UUID("12345678-1234-5678-1234-567812345678")
INDIA = timezone(timedelta(hours=5, minutes=30))
PACIFIC = timezone(timedelta(hours=-8))
VALUES = {
    "bit": [True, False],
    "tinyint": [0, 255],
    "smallint": [-(2**15), 2**15 - 1],
    "int": [-(2**31), 2**31 - 1],
    "bigint": [-(2**63), 2**63 - 1],
    "real": [1.5, -0.25],
    "float": [1 / 3, 1e300],
    "decimal(5,2)": [Decimal("-1.50"), Decimal("999.99")],
    "decimal(38,0)": [Decimal(10**38 - 1)],
    "numeric(38,10)": [Decimal("-1234567890123456789012345678.0123456789"), Decimal(0)],
    "money": [Decimal("-922337203685477.5808"), Decimal("12.3400")],
    "smallmoney": [Decimal("-214748.3648"), Decimal("1.0000")],
    "char(5)": ["ab   ", "äöü  "],
    "varchar(20)": ["", "äbc€"],
    "varchar(max)": ["", "x" * 100_000],
    "nchar(3)": ["a  "],
    "nvarchar(20)": ["", "ä𝄞€"],
    "nvarchar(max)": ["", "ä€𝄞" * 5000],
    "text": ["", "abc" * 5000],
    "ntext": ["", "ä€" * 5000],
    "image": [b"", b"\0\1" * 5000],
    "binary(4)": [b"\1\0\0\0"],
    "varbinary(8)": [b"", b"\0\xff"],
    "varbinary(max)": [b"", bytes(range(256)) * 400],
    "date": [date(1753, 1, 1), date(9999, 12, 31)],
    "time(7)": [time(0), time(23, 59, 59, 999_999)],
    "time(0)": [time(1, 2, 3)],
    "datetime": [datetime(1753, 1, 1), datetime(2024, 2, 29, 1, 2, 3, 997_000)],
    "datetime2(7)": [datetime(1753, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)],
    "datetime2(3)": [datetime(2024, 1, 1, 2, 3, 4, 567_000)],
    "smalldatetime": [datetime(1900, 1, 1), datetime(2024, 5, 6, 7, 8)],
    "datetimeoffset(7)": [
        datetime(2024, 1, 2, 3, 4, 5, 678_901, INDIA),
        datetime(2024, 1, 1, tzinfo=PACIFIC),
    ],
    "uniqueidentifier": [U],
    "xml": ["<a>ä</a>"],
}
"""Values of each type, NULL aside."""

PYODBC_READS_NOT = {"datetimeoffset(7)": r"type -155 is not yet supported"}
READS_NOT = {"pyodbc-microsoft": PYODBC_READS_NOT, "pyodbc-freetds": PYODBC_READS_NOT}
"""Types that a driver cannot read, and what it says."""

PYODBC_WRITES = {"time(7)": lambda value: value.replace(microsecond=0)}
WRITES = {"pyodbc-microsoft": PYODBC_WRITES, "pyodbc-freetds": PYODBC_WRITES}
"""What becomes of a value on its way into a column, where it does not stay as it is."""

SHOWN = {"pyodbc-microsoft": {"uniqueidentifier": str}, "pyodbc-freetds": {"uniqueidentifier": str}}
"""What a driver makes of a column's values by default, where it is another type."""

ODD = {"geography": [b"\1\2"], "hierarchyid": [b"\x58"]}
"""Types of the CLR: they are bytes, but for pyodbc with Microsoft's driver."""


@pytest.mark.parametrize("type_name", VALUES)
def test_values_of_each_type_are_read(serve, connect, driver, type_name):
    expected = [(value,) for value in [*VALUES[type_name], None]]
    server = serve({"SELECT v FROM t": Result(f"v {type_name}", expected)})
    cursor = connect(server).cursor()
    if message := READS_NOT.get(driver, {}).get(type_name):
        with pytest.raises(Exception, match=message):
            rows(cursor, "SELECT v FROM t")
        return
    read = rows(cursor, "SELECT v FROM t")
    show = SHOWN.get(driver, {}).get(type_name, lambda value: value)
    assert read == [(None if value is None else show(value),) for (value,) in expected]
    assert [type(value) for (value,) in read[:-1]] == [type(show(v)) for v in VALUES[type_name]]


@pytest.mark.parametrize("type_name", VALUES)
def test_values_of_each_type_are_written(serve, connect, driver, type_name):
    table = Table("t", f"v {type_name}")
    conn = connect(serve({"INSERT INTO t VALUES (?)": table.insert()}))
    cursor = conn.cursor()
    for value in [*VALUES[type_name], None]:
        cursor.execute("INSERT INTO t VALUES (?)", (value,))
    conn.commit()
    become = WRITES.get(driver, {}).get(type_name, lambda value: value)
    if type_name.startswith("datetimeoffset") and driver != "mssql-python":
        become = lambda value: value.replace(tzinfo=UTC)  # pyodbc drops the zone in silence
    assert table.rows == [(become(value),) for value in VALUES[type_name]] + [(None,)]


@pytest.mark.parametrize("type_name", ODD)
def test_types_of_the_clr_are_bytes_or_named_as_not_supported(serve, connect, driver, type_name):
    server = serve({"SELECT v FROM t": Result(f"v {type_name}", [(ODD[type_name][0],)])})
    cursor = connect(server).cursor()
    if driver == "pyodbc-microsoft":
        with pytest.raises(Exception, match="type -151 is not yet supported"):
            rows(cursor, "SELECT v FROM t")
        return
    assert rows(cursor, "SELECT v FROM t") == [(ODD[type_name][0],)]


def test_columns_that_are_never_null_have_tokens_of_their_own_and_the_same_values(serve, connect):
    names = ["bit", "tinyint", "smallint", "int", "bigint", "real", "float", "money", "datetime"]
    definition = ", ".join(f"c{at} {name} NOT NULL" for at, name in enumerate(names))
    row = tuple(VALUES[name][1] for name in names)
    cursor = connect(serve({"SELECT": Result(definition, [row])})).cursor()
    assert rows(cursor, "SELECT") == [row]


def test_a_result_is_described(serve, connect):
    result = Result("code int NOT NULL, description nvarchar(40), price decimal(9,2)", [])
    cursor = connect(serve({"SELECT": result})).cursor()
    cursor.execute("SELECT")
    described = [(one[0], one[1], bool(one[6])) for one in cursor.description]
    assert described == [("code", int, False), ("description", str, True), ("price", Decimal, True)]
    assert [one[3] for one in cursor.description[1:]] == [40, 9]
    assert cursor.fetchall() == []


WIDE = ", ".join(f"c{at} int, t{at} nvarchar(10)" for at in range(9))
"""18 columns: enough for a NULL bitmap of three bytes."""


def test_rows_with_any_pattern_of_nulls_are_read(serve, connect):
    def row(pattern):
        full = [value for at in range(9) for value in (at, f"t{at}")]
        return tuple(None if pattern >> at & 1 else value for at, value in enumerate(full))

    expected = [row(pattern * 37 % 2**18) for pattern in range(3000)] + [row(2**18 - 1), row(0)]
    cursor = connect(serve({"SELECT": Result(WIDE, expected)})).cursor()
    assert rows(cursor, "SELECT") == expected


def test_a_row_of_nulls_is_sent_as_a_bitmap_where_that_is_shorter():
    [(_, bitmap)] = Result(WIDE, [(None,) * 18]).blocks()
    [(_, plain)] = Result("a int, b int", [(1, None)]).blocks()
    assert bitmap == b"\xd2\xff\xff\x03"
    assert plain == b"\xd1\x04\1\0\0\0\0"


@pytest.fixture(scope="module")
def sixty_thousand():
    made = demo.readings(60_000)
    return made, Result(demo.READINGS, made)


def test_60_000_rows_come_in_many_packets(serve, connect, sixty_thousand):
    expected, result = sixty_thousand
    server = serve({demo.SELECT: result})
    cursor = connect(server).cursor()
    cursor.execute(demo.SELECT)
    at = 0
    while chunk := cursor.fetchmany(5000):
        assert [tuple(row) for row in chunk] == expected[at : at + 5000]
        at += len(chunk)
    assert at == 60_000
    assert server.log.round_trips < 15  # what a driver asks at first and at last beside it


def test_rows_may_come_from_a_function_and_are_not_kept(serve, connect):
    server = serve({"SELECT": Result("n int", lambda: ((n,) for n in range(3000)))})
    cursor = connect(server).cursor()
    for _ in range(2):
        assert rows(cursor, "SELECT") == [(n,) for n in range(3000)]


@only("pyodbc-microsoft", "pyodbc-freetds")
def test_pyodbc_reads_zones_with_a_converter_and_writes_them_as_text(serve, connect):
    value = VALUES["datetimeoffset(7)"][0]
    table = Table("t", "at datetimeoffset(7)")
    conn = connect(serve({"INSERT INTO t VALUES (?)": table.insert(), "SELECT": table.select()}))
    conn.add_output_converter(-155, lambda data: struct.unpack("<6hI2h", data))
    conn.cursor().execute("INSERT INTO t VALUES (?)", (value.isoformat(),))
    [(read,)] = rows(conn.cursor(), "SELECT")
    assert read == (2024, 1, 2, 3, 4, 5, 678_901_000, 5, 30)


# Parameters


def test_parameters_reach_the_script_and_its_log(serve, connect):
    answer = query(lambda low, name: Result("n int", [(low + 1,)]), "low int, name nvarchar(20)")
    sql = "SELECT n FROM t\n WHERE n > ?   AND name = ?"
    server = serve({"SELECT n FROM t WHERE n > ? AND name = ?": answer})
    cursor = connect(server).cursor()
    assert rows(cursor, sql, (7, "ä")) == [(8,)]
    assert rows(cursor, sql, (8, "b")) == [(9,)]
    assert server.log.of(sql) == [(7, "ä"), (8, "b")]


def test_a_null_parameter_is_described_by_the_script(serve, connect):
    sql = "SELECT v WHERE ? IS NULL OR v < ?"
    described = query(lambda *values: Result("n int", [(1,)]), "a varbinary(10), b datetime2")
    server = serve({sql: described})
    cursor = connect(server).cursor()
    assert rows(cursor, sql, (None, datetime(2024, 1, 2, 3, 4, 5))) == [(1,)]
    assert server.log.of(sql) == [(None, datetime(2024, 1, 2, 3, 4, 5))]


texts = st.text(st.characters(codec="utf-16-le", exclude_characters="\0"), max_size=20)
mixed_rows = st.tuples(
    st.integers(-(2**31), 2**31 - 1),
    st.none() | texts,
    st.none() | st.decimals(-(10**9), 10**9, places=4),
    st.none() | st.datetimes(datetime(1753, 1, 1), datetime(9999, 12, 31)),
    st.none() | st.binary(max_size=30),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)
MIXED = (
    "a int, b nvarchar(40), c decimal(18,4), d datetime2(7), e varbinary(30), f float, "
    "g bit NOT NULL"
)
INSERT_MIXED = "INSERT INTO m VALUES (?, ?, ?, ?, ?, ?, ?)"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_rows_go_through_a_driver_and_come_back_the_same(data, mixed):
    conn, cursor = mixed
    row = data.draw(mixed_rows)
    cursor.execute(INSERT_MIXED, row)
    assert rows(cursor, "SELECT * FROM m") == [row]
    conn.rollback()


@pytest.fixture
def mixed(serve, connect):
    table = Table("m", MIXED)
    conn = connect(serve({INSERT_MIXED: table.insert(), "SELECT * FROM m": table.select()}))
    return conn, conn.cursor()


@given(data=st.data())
def test_what_a_type_writes_it_reads(data):
    name = data.draw(st.sampled_from(sorted(ANY)))
    of, value = sql_type(name), data.draw(st.none() | ANY[name])
    written = of.info + of.write(value)
    reader = Reader(written)
    if of.base not in ("text", "ntext", "image"):  # parameters of these have no text pointer
        assert read_type(reader).read(reader) == value
        assert reader.left == 0
    reader = Reader(of.write(value))
    assert of.read(reader) == value


ANY = {
    "bit": st.booleans(),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False),
    "decimal(38,10)": st.decimals(-(10**27), 10**27, places=10),
    "money": st.decimals(-(10**14), 10**14, places=4),
    "nvarchar(40)": texts,
    "nvarchar(max)": texts,
    "ntext": texts,
    "varbinary(max)": st.binary(),
    "image": st.binary(),
    "date": st.dates(),
    "time(6)": st.times(),
    "datetime2(7)": st.datetimes(),
    "datetimeoffset(7)": st.datetimes(
        datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.sampled_from([UTC, INDIA, PACIFIC])
    ),
    "uniqueidentifier": st.uuids(),
    "xml": texts.filter(lambda text: not text.startswith("\ufeff")),
}


# Many rows at once. With FreeTDS, which cannot describe parameters, pyodbc's fast_executemany ends
# the whole process; it is not tried here.

SENSORS = "code int PRIMARY KEY, description nvarchar(10) NOT NULL"
INSERT = "INSERT INTO sensors (code, description) VALUES (?, ?)"
SELECT = "SELECT code, description FROM sensors"


def sensors(*kept, **options):
    """Give a table of sensors, and the server's script around it."""
    table = Table("sensors", SENSORS, kept, **options)
    script = {
        INSERT: table.insert(),
        SELECT: table.select(),
        "DELETE FROM sensors": table.delete(),
        "UPDATE sensors SET description = ? WHERE code = ?": table.update(
            lambda row, text, code: (code, text) if row[0] == code else None,
            "description nvarchar(10), code int",
        ),
        "SELECT count(*) FROM sensors": table.count(),
    }
    return table, script


def sensors_server():
    table, script = sensors()
    return SQLServer(script, tables=[table])


@pytest.fixture(scope="module")
def elsewhere():
    """Give a server in a process of its own, for drivers that keep the GIL while they wait."""
    with in_a_process(sensors_server) as remote:
        yield remote


@pytest.fixture
def distant(elsewhere, connect):
    """Give a connection to it; its table is empty."""
    conn = connect(elsewhere)
    conn.cursor().execute("DELETE FROM sensors")
    conn.commit()
    return conn


MANY = [(number, None if number == 17 else f"s{number}") for number in range(1000)]
ALL_BUT_17 = [row for row in MANY if row[1]]


def test_executemany_inserts_all(serve, connect):
    table, script = sensors()
    conn = connect(serve(script))
    conn.cursor().executemany(INSERT, ALL_BUT_17)
    conn.commit()
    assert table.rows == ALL_BUT_17


def test_an_array_of_1000_rows_is_one_message(elsewhere, distant, driver):
    cursor = distant.cursor()
    if driver == "pyodbc-microsoft":
        cursor.fast_executemany = True
    before = elsewhere.log.round_trips
    cursor.executemany(INSERT, ALL_BUT_17)
    made = elsewhere.log.round_trips - before
    # To prepare and to execute; pyodbc asks for the types before. FreeTDS has no arrays.
    assert made == {"mssql-python": 2, "pyodbc-microsoft": 3}.get(driver, made)
    assert made <= 3 or driver == "pyodbc-freetds"
    assert rows(cursor, SELECT) == ALL_BUT_17


def test_one_bad_row_of_an_array_is_an_error_and_the_others_are_there(distant, driver):
    cursor = distant.cursor()
    if driver == "pyodbc-microsoft":
        cursor.fast_executemany = True
    with pytest.raises(Exception, match="Cannot insert the value NULL into column 'description'"):
        cursor.executemany(INSERT, MANY)
    # Without arrays the rows after the bad one were never sent.
    there = ALL_BUT_17[:17] if driver == "pyodbc-freetds" else ALL_BUT_17
    assert rows(cursor, SELECT) == there
    distant.rollback()
    assert rows(cursor, SELECT) == []


@only("mssql-python")
class TestBulkCopy:
    """mssql-python's bulkcopy, which opens a session of its own."""

    def test_it_fills_a_table_outside_of_the_transaction(self, elsewhere, distant):
        cursor = distant.cursor()
        told = cursor.bulkcopy("sensors", ALL_BUT_17, batch_size=100)
        assert (told["rows_copied"], told["batch_count"]) == (999, 10)
        distant.rollback()
        assert rows(cursor, SELECT) == ALL_BUT_17
        assert [login.application for login in elsewhere.log.logins[-2:]] == [
            "MSSQL-Python",
            "mssql-python",
        ]

    def test_a_key_that_is_there_refuses_the_whole_batch(self, distant):
        cursor = distant.cursor()
        cursor.bulkcopy("dbo.sensors", [(5, "five")])
        with pytest.raises(Exception, match=r"2627.*Violation of PRIMARY KEY"):
            cursor.bulkcopy("sensors", ALL_BUT_17)
        assert rows(cursor, SELECT) == [(5, "five")]

    def test_a_table_that_is_not_there_is_208(self, distant):
        with pytest.raises(Exception, match=r"208.*Invalid object name 'nope'"):
            distant.cursor().bulkcopy("nope", ALL_BUT_17)

    def test_values_of_each_type_are_copied(self, connect):
        with in_a_process(typed_server) as server:
            cursor = connect(server).cursor()
            cursor.bulkcopy("typed", TYPED_ROWS)
            assert rows(cursor, "SELECT * FROM typed") == TYPED_ROWS
            # It writes the local time where the protocol wants UTC: the instant moves.
            cursor.bulkcopy("zoned", [(datetime(2024, 1, 2, 3, tzinfo=INDIA),)])
            moved = datetime(2024, 1, 2, 3, tzinfo=UTC).astimezone(INDIA)
            assert rows(cursor, "SELECT at FROM zoned") == [(moved,)]


COPIED = {
    name: values
    for name, values in VALUES.items()
    if name not in ("text", "ntext", "image", "datetimeoffset(7)")
}
"""Types that bulkcopy takes unchanged."""
TYPED_ROWS = [
    tuple(values[0] for values in COPIED.values()),
    tuple(values[-1] for values in COPIED.values()),
    (None,) * len(COPIED),
]


def typed_server():
    typed = Table("typed", ", ".join(f"c{at} {name}" for at, name in enumerate(COPIED)))
    zoned = Table("zoned", "at datetimeoffset(7)")
    script = {"SELECT * FROM typed": typed.select(), "SELECT at FROM zoned": zoned.select()}
    return SQLServer(script, tables=[typed, zoned])


# Transactions


def test_what_is_not_committed_is_seen_by_nobody_else(serve, connect):
    table, script = sensors()
    server = serve(script)
    one, other = connect(server), connect(server)
    one.cursor().execute(INSERT, (1, "a"))
    assert rows(one.cursor(), SELECT) == [(1, "a")]
    assert rows(other.cursor(), SELECT) == []
    one.commit()
    other.rollback()
    assert rows(other.cursor(), SELECT) == [(1, "a")]
    assert server.log.commits == 1
    assert table.rows == [(1, "a")]


def test_what_is_rolled_back_or_left_open_is_gone(serve, connect):
    table, script = sensors((1, "a"))
    server = serve(script)
    conn = connect(server)
    conn.cursor().execute("DELETE FROM sensors")
    conn.rollback()
    conn.cursor().execute(INSERT, (2, "b"))
    conn.close()
    until(lambda: server.sessions == 0)
    assert table.rows == [(1, "a")]
    assert server.log.rollbacks >= 1


def test_in_autocommit_mode_each_statement_is_committed(serve, connect):
    table, script = sensors()
    conn = connect(serve(script), autocommit=True)
    conn.cursor().execute(INSERT, (1, "a"))
    assert table.rows == [(1, "a")]
    with pytest.raises(Exception, match="PRIMARY KEY"):
        conn.cursor().execute(INSERT, (1, "b"))
    assert table.rows == [(1, "a")]


def test_a_savepoint_is_gone_back_to(serve, connect):
    table, script = sensors()
    conn = connect(serve(script))
    cursor = conn.cursor()
    cursor.execute(INSERT, (1, "a"))
    cursor.execute("SAVE TRANSACTION here")
    cursor.execute(INSERT, (2, "b"))
    cursor.execute("ROLLBACK TRANSACTION here")
    cursor.execute(INSERT, (3, "c"))
    conn.commit()
    assert table.rows == [(1, "a"), (3, "c")]
    with pytest.raises(Exception, match="Cannot roll back there"):
        cursor.execute("ROLLBACK TRANSACTION there")


def test_transactions_by_statement(serve, connect):
    table, script = sensors()
    conn = connect(serve(script), autocommit=True)
    cursor = conn.cursor()
    for begin in ("BEGIN TRANSACTION", "SET IMPLICIT_TRANSACTIONS ON"):
        cursor.execute(begin)
        cursor.execute(INSERT, (1, "a"))
        cursor.execute("IF @@TRANCOUNT > 0 ROLLBACK TRAN")
        assert table.rows == []
        cursor.execute("SET IMPLICIT_TRANSACTIONS OFF")


def test_the_victim_of_a_deadlock_has_no_transaction_left(serve, connect, driver):
    table, script = sensors()
    victim = SQLError(1205, "was deadlocked", state=13)
    server = serve({**script, "UPDATE": victim})
    conn = connect(server)
    conn.cursor().execute(INSERT, (1, "a"))
    with pytest.raises(Exception, match="was deadlocked"):
        conn.cursor().execute("UPDATE")
    assert server.log.rollbacks == 1
    conn.cursor().execute(INSERT, (2, "b"))
    conn.commit()
    assert table.rows == [(2, "b")]


def test_statements_of_transactions_that_are_not_open_are_errors(serve, connect):
    cursor = connect(serve({}), autocommit=True).cursor()
    for statement, message in (
        ("COMMIT", "The COMMIT TRANSACTION request has no corresponding BEGIN"),
        ("ROLLBACK", "The ROLLBACK TRANSACTION request has no corresponding BEGIN"),
        ("SAVE TRANSACTION here", "Cannot issue SAVE TRANSACTION when there is no active"),
    ):
        with pytest.raises(Exception, match=message):
            cursor.execute(statement)


def test_there_are_no_transactions_within_transactions(serve, connect):
    cursor = connect(serve({})).cursor()  # in a transaction from the start
    with pytest.raises(Exception, match="knows no transactions within transactions"):
        cursor.execute("BEGIN TRANSACTION")


def test_one_writer_waits_for_another():
    table, _ = sensors(lock_timeout=0.01)
    one, other = Transaction(), Transaction()
    one.change(table)
    with pytest.raises(SQLError, match="Lock request time out"):
        other.change(table)
    one.commit()
    other.insert(table, [(1, "a")])
    other.commit()
    assert table.rows == [(1, "a")]


def test_a_pooled_connection_comes_back_as_new(serve):
    """mssql-python asks for it with the flag RESETCONNECTION."""
    mssql_python = pytest.importorskip("mssql_python")
    _, script = sensors()
    server = serve(script)
    mssql_python.pooling(enabled=True)
    try:
        with closing(mssql_python.connect(server.microsoft())) as conn:
            conn.cursor().execute(INSERT, (1, "a"))
        with closing(mssql_python.connect(server.microsoft())) as conn:
            assert rows(conn.cursor(), SELECT) == []
        assert len(server.log.logins) == 1
    finally:
        mssql_python.pooling(enabled=False)


# Counts and several results


def test_counts_of_rows_are_told(serve, connect):
    _, script = sensors((1, "a"), (2, "b"))
    cursor = connect(serve(script)).cursor()
    cursor.execute("UPDATE sensors SET description = ? WHERE code = ?", ("x", 2))
    assert cursor.rowcount == 1
    cursor.execute("DELETE FROM sensors")
    assert cursor.rowcount == 2
    assert rows(cursor, "SELECT count(*) FROM sensors") == [(0,)]


def test_several_results_follow_each_other(serve, connect):
    answers = [Result("a int", [(1,)]), Affected(3), Result("b int", [(2,)])]
    cursor = connect(serve({"EXEC report": answers})).cursor()
    assert rows(cursor, "EXEC report") == [(1,)]
    assert cursor.nextset()
    assert cursor.description is None
    assert cursor.nextset()
    assert [tuple(row) for row in cursor.fetchall()] == [(2,)]
    assert not cursor.nextset()


def test_a_stored_procedure_is_called(serve, connect):
    server = serve({"EXEC sensors_after": lambda code: Result("code int", [(code + 1,)])})
    cursor = connect(server).cursor()
    assert rows(cursor, "{CALL sensors_after (?)}", (6,)) == [(7,)]
    with pytest.raises(Exception, match="Could not find stored procedure 'nope'"):
        cursor.execute("{CALL nope (?)}", (6,))


def test_the_database_is_changed(serve, connect):
    cursor = connect(serve({"SELECT": Result("n int", [])}, databases=("a", "b"))).cursor()
    cursor.execute("USE b")
    with pytest.raises(Exception, match="Database 'c' does not exist"):
        cursor.execute("USE c")
    assert rows(cursor, "SELECT") == []


# Errors

ERRORS = {
    "nope": (208, "42S02", SQLError(208, "Invalid object name 'nope'.")),
    "deadlock": (1205, "40001", SQLError(1205, "was deadlocked", level=13)),
    "syntax": (102, "42000", SQLError(102, "Incorrect syntax near 'FORM'.", level=15, line=3)),
}


FREETDS_TELLS_LESS = {"syntax"}
"""Of a prepared statement FreeTDS tells the second error only, 8180."""
FREETDS_STATES = {"deadlock": "42000"}
"""Where FreeTDS gives another SQLSTATE than Microsoft's driver."""


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("parameters", [(), (1,)], ids=["batch", "prepared"])
def test_an_error_arrives_with_its_number(serve, connect, driver, name, parameters):
    number, state, error = ERRORS[name]
    if driver == "pyodbc-freetds":
        state = FREETDS_STATES.get(name, state)
    sql = f"SELECT * FROM {name}" + " WHERE n = ?" * len(parameters)
    cursor = connect(serve({sql: error})).cursor()
    message = error.message
    if parameters and driver == "pyodbc-freetds" and name in FREETDS_TELLS_LESS:
        number, message = 8180, "could not be prepared"
    with pytest.raises(Exception, match=message) as caught:
        cursor.execute(sql, parameters)
    if driver != "mssql-python":  # which tells neither number nor state
        assert f"({number})" in str(caught.value)
        assert caught.value.args[0] == state


WRONG = [
    ((1, "again"), 2627, "Violation of PRIMARY KEY constraint 'PK_sensors'.* is (1)"),
    ((2, "x" * 11), 2628, "would be truncated in table 'master.dbo.sensors', column 'description'"),
    ((None, "x"), 515, "Cannot insert the value NULL into column 'code'"),
    ((2**31, "x"), 8115, "Arithmetic overflow error converting expression to data type int"),
    (("x", "x"), 245, "Conversion failed when converting the nvarchar value 'x' to data type int"),
]


@pytest.mark.parametrize(("row", "number", "message"), WRONG)
def test_a_row_that_does_not_fit_is_refused_with_its_number(serve, connect, row, number, message):
    table, script = sensors((1, "a"))
    conn = connect(serve(script))
    with pytest.raises(Exception, match=message.replace("(", r"\(").replace(")", r"\)")):
        conn.cursor().execute(INSERT, row)
    conn.commit()
    assert table.rows == [(1, "a")]


def test_an_error_after_some_rows_arrives(serve, connect):
    failing = Result("n int", [(n,) for n in range(5000)], then=SQLError(8134, "Divide by zero"))
    cursor = connect(serve({"SELECT": failing, "next": Result("n int", [(1,)])})).cursor()
    with pytest.raises(Exception, match="Divide by zero"):
        rows(cursor, "SELECT")
    assert rows(cursor, "next") == [(1,)]


def test_an_unknown_statement_is_an_error_that_says_so(serve, connect):
    server = serve({"SELECT 1": Result("n int", [(1,)])})
    with pytest.raises(Exception, match="the stand-in knows no statement 'SELECT 2'"):
        connect(server).cursor().execute("SELECT 2")
    assert server.log.unknown == ["SELECT 2"]


@only("pyodbc-freetds")  # it sends days before 1753 wrong; mssql-python refuses them itself
def test_a_value_that_its_type_cannot_have_is_8023(serve, connect):
    table = Table("t", "v date")
    cursor = connect(serve({"INSERT ?": table.insert()})).cursor()
    with pytest.raises(Exception, match=r"not a valid instance of data type date.*\(8023\)"):
        cursor.execute("INSERT ?", (date(1, 1, 1),))


# A cut, a pause

LONG = [(n, "x" * 30) for n in range(20_000)]


@pytest.mark.parametrize("kept", [0, 20_000])
def test_a_cut_is_an_error_and_the_connection_is_dead(serve, connect, kept):
    cut = Result("n int, t nvarchar(30)", LONG[:kept], then=Cut())
    server = serve({"SELECT": cut, "next": Affected(1)})
    cursor = connect(server).cursor()
    with pytest.raises(Exception, match=r"TCP Provider|Unknown error|link failure"):
        rows(cursor, "SELECT")
    until(lambda: server.sessions == 0)
    with pytest.raises(Exception, match=r"[Cc]onnection|link failure|Invalid cursor state"):
        cursor.execute("next")


def test_a_pause_ends_with_the_drivers_timeout(serve, connect):
    server = serve({"SELECT": Pause(60), "next": Result("n int", [(1,)])})
    check_timeout(server, connect(server))


@only("mssql-python", "pyodbc-microsoft")  # FreeTDS's timeout holds until the first row
def test_a_pause_after_rows_ends_with_the_drivers_timeout(serve, connect):
    paused = Result("n int, t nvarchar(30)", LONG, then=Pause(60))
    server = serve({"SELECT": paused, "next": Result("n int", [(1,)])})
    check_timeout(server, connect(server))


def check_timeout(server, conn):
    conn.timeout = 1
    with pytest.raises(Exception, match=r"[Tt]imeout expired"):
        rows(conn.cursor(), "SELECT")
    conn.timeout = 0
    assert rows(conn.cursor(), "next") == [(1,)]
    assert server.log.cancels == 1


@only("pyodbc-microsoft", "pyodbc-freetds")  # mssql-python's cursors have no cancel
def test_a_cancel_from_another_thread_ends_a_pause(serve, connect):
    server = serve({"SELECT": Pause(60), "next": Result("n int", [(1,)])})
    conn = connect(server)
    cursor = conn.cursor()
    timer = threading.Timer(0.2, cursor.cancel)
    timer.start()
    with pytest.raises(Exception, match=r"cancelled|No results"):
        rows(cursor, "SELECT")
    timer.join()
    assert rows(conn.cursor(), "next") == [(1,)]


def test_a_reader_may_leave_in_the_middle(serve, connect):
    server = serve({"SELECT": Result("n int, t nvarchar(30)", LONG), "next": Affected(1)})
    conn = connect(server)
    cursor = conn.cursor()
    assert len(cursor.execute("SELECT").fetchmany(5)) == 5
    cursor.close()
    conn.cursor().execute("next")


# The stand-in itself


def test_leaving_the_server_ends_its_clients_and_threads(connect):
    with SQLServer({"SELECT": Pause(60)}) as server:
        conn = connect(server)
        assert server.sessions == 1
    assert not any(thread.is_alive() for thread in server.threads)
    with pytest.raises(Exception, match=r"."):
        conn.cursor().execute("SELECT")


@only("mssql-python")
def test_it_is_started_as_a_command(driver):
    command = [sys.executable, "-m", "standins.mssql", "10"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as started:
        words = started.stdout.readline()
        driver = pytest.importorskip("mssql_python")
        with closing(driver.connect(words)) as conn:
            assert rows(conn.cursor(), demo.SELECT) == demo.readings(10)
        started.terminate()
    assert started.returncode == 0


def test_columns_are_read_from_sql():
    made = columns("[the code] int PRIMARY KEY, a decimal(9, 2) NOT NULL, b varbinary(max) NULL")
    assert [(one.name, one.type.name, one.nullable, one.key) for one in made] == [
        ("the code", "int", False, True),
        ("a", "decimal(9,2)", False, False),
        ("b", "varbinary(max)", True, False),
    ]
    with pytest.raises(ValueError, match="no data type called 'sensor'"):
        columns("a sensor")


CONVERSIONS = [
    ("decimal(9,2)", "12.345", Decimal("12.35")),
    ("money", "-1", Decimal("-1.0000")),
    ("nvarchar(10)", 12, "12"),
    ("date", datetime(2024, 1, 2, 3), date(2024, 1, 2)),
    ("datetime", datetime(2024, 1, 1, 0, 0, 0, 1000), datetime(2024, 1, 1)),
    ("datetime2(0)", "2024-01-02T03:04:05", datetime(2024, 1, 2, 3, 4, 5)),
    ("datetimeoffset(7)", datetime(2024, 1, 2), datetime(2024, 1, 2, tzinfo=UTC)),
    ("uniqueidentifier", str(U), U),
    ("bit", "1", True),
    ("varchar(5)", b"\xe4", "ä"),
    ("varbinary(9)", "ä", b"\xe4\0"),
    ("date", "2024-01-02", date(2024, 1, 2)),
    ("time(7)", datetime(2024, 1, 2, 3, 4), time(3, 4)),
    ("time(7)", "03:04", time(3, 4)),
    ("datetime2(7)", date(2024, 1, 2), datetime(2024, 1, 2)),
]
REFUSED = [
    ("decimal(4,2)", "123", 8115),
    ("decimal(4,2)", "abc", 8114),
    ("smallmoney", 10**6, 8115),
    ("tinyint", -1, 8115),
    ("datetime2(7)", "yesterday", 241),
    ("uniqueidentifier", "abc", 245),
    ("varbinary(2)", b"abc", 2628),
    ("int", datetime(2024, 1, 2), 206),
    ("datetimeoffset(7)", 5, 206),
]


@pytest.mark.parametrize(("type_name", "value", "expected"), CONVERSIONS)
def test_values_are_converted_as_a_column_wants_them(type_name, value, expected):
    [column] = columns(f"v {type_name}")
    assert convert(value, column, "t") == expected


@pytest.mark.parametrize(("type_name", "value", "number"), REFUSED)
def test_values_that_do_not_fit_are_refused_with_a_number(type_name, value, number):
    [column] = columns(f"v {type_name}")
    with pytest.raises(SQLError) as caught:
        convert(value, column, "t")
    assert caught.value.number == number
