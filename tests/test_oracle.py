"""
Oracle by the real driver, against a protocol stand-in: never a live server.

These are the conformance tests, with a script for each statement that they say. A stand-in holds
them to what the driver asks and how often, not to what a server makes of the SQL; what only a live
server can tell is in `test_oracle_live.py`.
"""

import pytest

import oracle_names
import test_databases
from rowferry import connect as connect_to
from rowferry.databases import oracle_sql
from standins.oracle import Change, Done, Insert, Oracle, OracleError, Pause, Query, Table
from test_databases import three  # noqa: F401 - a fixture

oracledb = pytest.importorskip("oracledb", reason="no python-oracledb: pip install oracledb")

globals().update(
    (name, test) for name, test in vars(test_databases).items() if name.startswith("test_")
)


@pytest.fixture
def table():
    columns = ("CODE NUMBER(10) NOT NULL", "DESCRIPTION VARCHAR2(40) NOT NULL", "DEPTH NUMBER")
    return Table(*columns, key=("CODE",), name="SENSORS")


@pytest.fixture
def oracle(table):
    with Oracle({**queries(table), **changes(table)}) as oracle:
        for sql, script in creations(oracle).items():
            oracle.script(sql, script)
        yield oracle


CODE, DESCRIPTION, DEPTH = "CODE NUMBER(38)", "DESCRIPTION VARCHAR2(40)", "DEPTH NUMBER"
COUNT, ONE = "N NUMBER", "ONE NUMBER"
NOWHERE = OracleError(942, 'table or view "STANDIN"."NOWHERE" does not exist', 14)
INSERT = "INSERT INTO {} ({}) VALUES ({})"


class Create(Done):
    """A CREATE TABLE, after which the statements are known that use the table."""

    def __init__(self, oracle, make):
        super().__init__(commits=True)
        self._tell = lambda: [oracle.script(*pair) for pair in make().items()]

    def apply(self, binds, transaction):
        self._tell()
        return super().apply(binds, transaction)


def select(table, *columns, where=lambda row, binds: True):
    """Script a query of the first columns of a table, in the order of its rows."""
    width = len(columns)
    choose = lambda rows, binds: sorted(row[:width] for row in rows if where(row, binds))
    return Query(columns, choose, table=table)


def count(table, where=lambda row: True):
    return Query([COUNT], lambda rows, binds: [(sum(map(where, rows)),)], table=table)


def change(table, where, new=None):
    """Script an UPDATE to what *new* makes of a row, or a DELETE."""

    def apply(rows, binds):
        found = [(key, row) for key, row in rows.items() if where(row, binds)]
        for key, row in found:
            if new is None:
                del rows[key]
            else:
                rows[key] = new(row)
        return len(found)

    return Change(table, apply)


def inserts(table, name, *columns):
    """Script the INSERTs that rowferry makes for mappings and for sequences."""
    marks = [[f":{column}" for column in columns], [f":{at}" for at, _ in enumerate(columns, 1)]]
    script = Insert(table, *map(str.upper, columns))
    return {INSERT.format(name, ", ".join(columns), ", ".join(each)): script for each in marks}


def copies(*columns, key=()):
    table = Table(*columns, key=key, name="COPIES")
    scripts = {
        f"INSERT INTO copies VALUES ({mark})": Insert(table, "CODE") for mark in (":x", ":1")
    }
    scripts |= inserts(table, "copies", "code", "description")
    scripts |= inserts(table, "copies", "code", "description", "depth")
    scripts["SELECT * FROM copies"] = scripts["SELECT * FROM copies ORDER BY 1"] = Query(table)
    return scripts


def failures():
    table = Table(CODE)
    return {"SELECT code FROM failures": Query(table), **inserts(table, "failures", "code")}


def creations(oracle):
    create = "CREATE TABLE copies"
    return {
        f"{create} (code INTEGER, description VARCHAR(40))": Create(
            oracle, lambda: copies(CODE, DESCRIPTION)
        ),
        f"{create} (code INTEGER)": Create(oracle, lambda: copies(CODE)),
        f"{create} (code INTEGER, description VARCHAR(40), depth NUMERIC)": Create(
            oracle, lambda: copies(CODE, DESCRIPTION, DEPTH)
        ),
        f"{create} (code INTEGER PRIMARY KEY, description VARCHAR(40))": Create(
            oracle, lambda: copies(CODE, DESCRIPTION, key=("CODE",))
        ),
        "CREATE TABLE failures (code INTEGER)": Create(oracle, failures),
        "DROP TABLE sensors": Done(commits=True),
    }


def queries(sensors):
    after = lambda row, binds: row[0] > min(binds.values())
    same = lambda row, binds: row[0] in binds.values()
    first = lambda row, binds: row[0] == 1
    ordered = select(sensors, CODE, DESCRIPTION)
    return {
        test_databases.SELECT: ordered,
        "SELECT * FROM sensors": Query(sensors),
        "SELECT * FROM sensors WHERE code > 99": Query(sensors, lambda rows, binds: []),
        "SELECT code FROM sensors": select(sensors, CODE),
        "SELECT code FROM sensors ORDER BY 1": select(sensors, CODE),
        "SELECT code FROM sensors WHERE code > :least": select(sensors, CODE, where=after),
        "SELECT code FROM sensors WHERE code > :x": select(sensors, CODE, where=after),
        "SELECT code FROM sensors WHERE code = :x": select(sensors, CODE, where=same),
        "SELECT code FROM sensors WHERE description LIKE '%sor 1'": select(
            sensors, CODE, where=first
        ),
        "SELECT count(*) AS n FROM sensors": count(sensors),
        "SELECT count(*) AS n FROM sensors WHERE depth = 1": count(
            sensors, lambda row: row[2] == 1
        ),
        "SELECT count(*) AS n FROM sensors WHERE description = 'new'": count(
            sensors, lambda row: row[1] == "new"
        ),
        "SELECT 1 AS one": Query([ONE], [(1,)]),
        "SELECT 1 AS a, 2 AS a": Query(["A NUMBER", "A NUMBER"], [(1, 2)]),
        "SELECT a FROM nowhere": NOWHERE,
        test_databases.ENDLESS["ORACLE"]: Query([COUNT], [(1,)], at={0: Pause(60)}),
        oracle_sql.COLUMNS: Query(CATALOGUE, catalogue),
    }


CATALOGUE = [f"{name} VARCHAR2(128)" for name in ("OWNER", "NAME", "TYPE")]
CATALOGUE += ["NOT_NULL NUMBER", "HAS_DEFAULT NUMBER"]


def catalogue(binds):
    if binds["table_name"].upper() != "SENSORS":
        return []
    return [
        ("STANDIN", "CODE", "NUMBER(*,0)", 1, 0),
        ("STANDIN", "DESCRIPTION", "VARCHAR2(40 BYTE)", 1, 0),
        ("STANDIN", "DEPTH", "NUMBER(*,0)", 0, 0),
    ]


def changes(sensors):
    same = lambda row, binds: row[0] in binds.values()
    every = lambda row, binds: True
    fixed = lambda code: lambda row, binds: row[0] == code
    percent = lambda rows, binds: sensors.insert(rows, (1, "100 %", None)) or 1
    return {
        "SAVEPOINT rowferry": Done(),
        "ROLLBACK TO SAVEPOINT rowferry": Done(),
        "DELETE FROM sensors": change(sensors, every),
        "DELETE FROM sensors WHERE code = 1": change(sensors, fixed(1)),
        "DELETE FROM sensors WHERE code = 2": change(sensors, fixed(2)),
        "DELETE FROM sensors WHERE code = :x": change(sensors, same),
        "UPDATE sensors SET depth = 1": change(sensors, every, lambda row: (*row[:2], 1)),
        "UPDATE sensors SET description = 'new' WHERE code = :code": change(
            sensors, same, lambda row: (row[0], "new", row[2])
        ),
        "INSERT INTO sensors (code, description) VALUES (1, '100 %')": Change(sensors, percent),
        "INSERT INTO nowhere VALUES (1)": NOWHERE,
        **inserts(sensors, "sensors", "code", "description"),
        **inserts(sensors, "sensors", "description", "code"),
        **inserts(sensors, "sensors", "code", "description", "depth"),
    }


@pytest.fixture
def connect(oracle):
    kind = oracle_names.connection_class(oracledb)
    opened = []

    def connect(**options):
        url = f"oracle://scott:tiger@127.0.0.1:{oracle.port}/STANDIN"
        opened.append(connect_to(url, conn_class=kind, **options))
        return opened[-1]

    yield connect
    for conn in opened:
        if conn.is_healthy():
            conn.close()


@pytest.fixture
def conn(connect):
    return connect()


@pytest.fixture
def other(connect):
    return connect()
