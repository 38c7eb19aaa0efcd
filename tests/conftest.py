"""Fixtures of all tests: databases to read from and write to."""

import os
import sqlite3
from contextlib import ExitStack, closing
from functools import partial

import pytest
from hypothesis import settings

import mssql_conformance
import oracle_names
import rowferry
import search_nodes
import servers
from command_line import a_folder, a_job, rowferry_here, started  # noqa: F401 (fixtures)
from rowferry.databases import DATABASES, database_of_type
from standins.mssql import in_a_process

settings.register_profile("rowferry", deadline=None)  # a busy machine is no fault
settings.load_profile("rowferry")

TABLE = (
    "CREATE TABLE sensors (code INTEGER PRIMARY KEY, description VARCHAR(40) NOT NULL, "
    "depth NUMERIC)"
)


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server of our own."""
    with servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb():
    """A MariaDB server of our own."""
    with servers.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def search_node_of():
    """Give a node of a kind, the same for all tests, started when it is first asked for."""
    nodes = {}
    with ExitStack() as stack:

        def search_node_of(kind):
            if kind not in nodes:
                nodes[kind] = stack.enter_context(servers.search_node(kind, *NODE_SETTINGS))
            return nodes[kind]

        yield search_node_of


NODE_SETTINGS = ("http.max_content_length=1mb",)


@pytest.fixture(params=search_nodes.KINDS)
def node(request, search_node_of):
    """A node of each kind, without an index."""
    node = search_node_of(request.param)
    node.empty()
    return node


@pytest.fixture
def es9(search_node_of):
    """A node of Elasticsearch 9, without an index."""
    node = search_node_of("es9")
    node.empty()
    return node


@pytest.fixture
def sqlite():
    with closing(sqlite3.connect(":memory:")) as conn:
        yield conn


@pytest.fixture
def psycopg_connection(postgresql):
    with closing(_fresh(_connect_psycopg(postgresql))) as conn:
        yield conn


@pytest.fixture
def psycopg2_connection(postgresql):
    with closing(_fresh(_connect_psycopg2(postgresql))) as conn:
        yield conn


LIVE = {"oracledb": "ROWFERRY_ORACLE_URL"}
"""Drivers of servers that cannot be had here: the variable with the URL of a live one."""

collect_ignore = [] if os.environ.get(LIVE["oracledb"]) else ["test_oracle_live.py"]

HERE = [one for one in DATABASES if one.driver not in LIVE or os.environ.get(LIVE[one.driver])]
"""The databases to test; those that are not are not collected, rather than skipped."""


def _name(database):
    return f"mssql-{database.driver}" if database.dbtype == "MSSQL" else database.driver


@pytest.fixture(params=HERE, ids=_name)
def database(request):
    """Each database that rowferry knows, and that is here."""
    return request.param


def pytest_collection_modifyitems(items):
    """Leave out what runs on a live SQL Server only: the stand-in knows one file's statements."""
    if "ROWFERRY_MSSQL_URL" not in os.environ:
        items[:] = [item for item in items if not _needs_live_mssql(item)]


def _needs_live_mssql(item):
    database = getattr(item, "callspec", None) and item.callspec.params.get("database")
    return getattr(database, "dbtype", None) == "MSSQL" and item.path.name != "test_databases.py"


@pytest.fixture
def connect(database, request, tmp_path):
    """Open connections to one database that is empty at first; they are closed after the test."""
    make = PLACES[database.driver](request, tmp_path)
    opened = []

    def connect(**options):
        opened.append(make(**options))
        return opened[-1]

    yield connect
    for conn in opened:
        if not database.is_closed(conn):
            conn.close()


FILE = "test.db"
"""Under which a database that is a file lies in the folder of a test."""


def _sqlite(request, folder):
    make = partial(sqlite3.connect, folder / FILE)
    with closing(make()) as conn:
        conn.execute("PRAGMA journal_mode = WAL")  # else a reader keeps others from committing
    return make


def _postgresql(login, request, folder):
    make = partial(login, request.getfixturevalue("postgresql"))
    with closing(make()) as conn:
        _fresh(conn)
    return make


def _duckdb(request, folder):
    return partial(servers.driver("duckdb").connect, folder / FILE)


@pytest.fixture(scope="session")
def mssql():
    """The URL of the SQL Server that the environment names, else of a stand-in for these tests."""
    if url := os.environ.get("ROWFERRY_MSSQL_URL"):
        yield url
        return
    query, _ = database_of_type("MSSQL").columns_query("sensors", None)
    with in_a_process(mssql_conformance.server, TABLE, query) as server:
        login = f"{server.user}:{server.password}@127.0.0.1:{server.port}"
        yield f"mssql://{login}/{server.database}?Encrypt=no"


def _mssql(driver, request, folder):
    """Connect to the server without the tables of these tests."""
    servers.driver(driver, HOW_TO_GET[driver])
    make = partial(rowferry.connect, request.getfixturevalue("mssql"), driver=driver)
    with closing(make()) as conn:
        rowferry.execute(mssql_conformance.EMPTY, conn)
    return make


def _oracle(request, folder):
    make = partial(
        rowferry.connect,
        os.environ[LIVE["oracledb"]],
        conn_class=oracle_names.connection_class(servers.driver("oracledb")),
    )
    with closing(make()) as conn, conn.cursor() as cursor:
        for table in ("sensors", "copies", "failures"):
            cursor.execute(f"DROP TABLE IF EXISTS {table} PURGE")
    return make


@pytest.fixture
def conn(connect):
    """A connection to each database, with an empty table `sensors`."""
    conn = connect()
    cursor = conn.cursor()
    cursor.execute(TABLE)
    cursor.close()
    conn.commit()
    return conn


@pytest.fixture
def other(connect, conn):
    """Another connection to the database of `conn`."""
    return connect()


def _connect_psycopg(server, **options):
    psycopg = pytest.importorskip("psycopg")
    return psycopg.connect(
        host=server.host, port=server.port, dbname="postgres", user="postgres", **options
    )


def _connect_psycopg2(server, **options):
    psycopg2 = pytest.importorskip("psycopg2")
    return psycopg2.connect(
        host=server.host, port=server.port, dbname="postgres", user="postgres", **options
    )


def _mariadb(driver, request, folder):
    server = request.getfixturevalue("mariadb")
    module = servers.driver(driver, HOW_TO_GET[driver])
    login = {"host": server.host, "port": server.port, "user": "root", "charset": "utf8mb4"}
    with closing(module.connect(**login)) as conn, closing(conn.cursor()) as cursor:
        cursor.execute("DROP DATABASE IF EXISTS test")
        cursor.execute("CREATE DATABASE test")
    return partial(module.connect, **login, database="test")


HOW_TO_GET = {
    "mssql_python": "pip install mssql-python, and apt-get install libltdl7",
    "pyodbc": "pip install pyodbc mssql-python, and apt-get install unixodbc",
    "pymysql": "pip install PyMySQL",
    "MySQLdb": "apt-get install gcc pkg-config libmariadb-dev, then pip install mysqlclient",
}

PLACES = {
    "sqlite3": _sqlite,
    "psycopg": partial(_postgresql, _connect_psycopg),
    "psycopg2": partial(_postgresql, _connect_psycopg2),
    "duckdb": _duckdb,
    "mssql_python": partial(_mssql, "mssql_python"),
    "pyodbc": partial(_mssql, "pyodbc"),
    "pymysql": partial(_mariadb, "pymysql"),
    "MySQLdb": partial(_mariadb, "MySQLdb"),
    "oracledb": _oracle,
}
"""For each driver what empties its database and gives the function that connects to it."""

ADDRESSES = {
    "PG": "SELECT '127.0.0.1' host, inet_server_port() port, current_database() dbname, "
    "current_user AS user",
    "MYSQL": "SELECT '127.0.0.1' host, @@port port, database() dbname, 'root' user",
}
"""For each server here that is no stand-in, the query of the parameters that lead to it."""


def _fresh(conn):
    """Empty the schema that all tests share."""
    with conn.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    conn.commit()
    return conn
