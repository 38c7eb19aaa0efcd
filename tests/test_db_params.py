"""Parameters of databases, URLs and connection strings."""

import copy
import socket
import sys
from contextlib import closing
from pickle import dumps, loads
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry import DbParams, connect, get_connection_string, get_sqlalchemy_connection_string
from rowferry.exceptions import ConfigError, ConnectError, DbParamsError, DriverError

PG = {"dbtype": "PG", "host": "localhost", "port": 5432, "dbname": "gis", "user": "me"}
NASTY = "p'a s\\s@w/o:r%d#?\""


def test_params_are_a_dict_whose_keys_are_attributes():
    params = DbParams(**PG)
    assert params == PG
    assert (params.host, params["port"], params.paramstyle) == ("localhost", 5432, "pyformat")
    params.host = params["user"] = "other"
    params.update(port=1)
    assert (params["host"], params.user, params.port) == ("other", "other", 1)
    with pytest.raises(AttributeError, match="no parameter is called 'hots'; there are: dbtype"):
        _ = params.hots
    assert "host" in dir(params)
    assert DbParams(dbtype="SQLITE", filename="x").paramstyle == "qmark"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "'' is no dbtype; there are: SQLITE, PG"),
        ({"dbtype": "X"}, "'X' is no dbtype; there are: SQLITE, PG"),
        ({"dbtype": "SQLITE"}, "'filename' not set. Required parameters are filename"),
        ({"dbtype": "PG", "host": "h", "port": 1}, "'dbname', 'user' not set"),
        ({**PG, "user": ""}, "'user' not set. Required parameters are host, port, dbname, user"),
        ({**PG, "pasword": "x"}, r"Invalid parameter\(s\): 'pasword'; PG has: host, port"),
        ({**PG, "password": "x"}, r"Invalid parameter\(s\): 'password'"),
        ({**PG, "filename": "x"}, r"Invalid parameter\(s\): 'filename'"),
    ],
)
def test_params_are_validated(params, message):
    with pytest.raises(DbParamsError, match=message):
        DbParams(**params)


@pytest.mark.parametrize(
    "change",
    [
        lambda params: setattr(params, "dbtype", "X"),
        lambda params: setattr(params, "colour", "red"),
        lambda params: params.__setitem__("host", None),
        lambda params: params.update(port=1, colour="red"),
    ],
)
def test_a_change_that_fails_changes_nothing(change):
    params = DbParams(**PG)
    with pytest.raises(DbParamsError):
        change(params)
    assert params == PG
    assert params.paramstyle == "pyformat"


def test_a_copy_is_of_its_own():
    params = DbParams(**PG)
    other = params.copy()
    other.host = "elsewhere"
    assert type(other) is DbParams
    assert params == PG


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda p: loads(dumps(p))])
def test_params_travel_to_other_processes(again):
    params = again(DbParams(**PG))
    assert type(params) is DbParams
    assert params == PG


@pytest.mark.parametrize("prefix", ["ETLHelper_", "ETLHelper", "SOURCE_"])
def test_params_from_the_environment(monkeypatch, prefix):
    for name, value in PG.items():
        monkeypatch.setenv(f"{prefix.rstrip('_')}_{name.upper()}", str(value))
    monkeypatch.setenv(f"{prefix.rstrip('_')}_PASSWORD", "secret")
    params = DbParams.from_environment(prefix)
    assert params == {**PG, "port": "5432"}


def test_the_default_prefix_and_wrong_names_of_the_environment(monkeypatch):
    monkeypatch.setenv("ETLHelper_dbtype", "SQLITE")
    monkeypatch.setenv("ETLHelper_filename", "x.db")
    assert DbParams.from_environment() == {"dbtype": "SQLITE", "filename": "x.db"}
    monkeypatch.setenv("ETLHelper_file", "x.db")
    with pytest.raises(DbParamsError, match="'file'"):
        DbParams.from_environment()


def test_what_is_reachable(tmp_path):
    file = tmp_path / "x.db"
    params = DbParams(dbtype="SQLITE", filename=str(file))
    assert not params.is_reachable()
    file.touch()
    assert params.is_reachable()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        listening = DbParams(**PG | {"host": "127.0.0.1", "port": port})
        assert listening.is_reachable()
    assert not listening.is_reachable()
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / ".s.PGSQL.5432"))
        local.listen()
        assert DbParams(**PG | {"host": str(tmp_path)}).is_reachable()


def test_connecting_to_sqlite(tmp_path):
    file = tmp_path / "a b.db"
    for target in (
        DbParams(dbtype="SQLITE", filename=str(file)),
        {"dbtype": "SQLITE", "filename": str(file)},
        f"sqlite:///{file}",
        f"sqlite:///{str(file).replace(' ', '%20')}",
    ):
        with closing(connect(target, timeout=1)) as conn:
            assert conn.execute("PRAGMA database_list").fetchone()[2] == str(file)
    for url in ("sqlite://", "sqlite:///:memory:"):
        with closing(connect(url)) as conn:
            assert conn.execute("PRAGMA database_list").fetchone()[2] == ""
    with closing(DbParams(dbtype="SQLITE", filename=str(file)).connect()):
        pass


def test_a_relative_path_of_a_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(connect("sqlite:///file.db")):
        assert (tmp_path / "file.db").exists()


def test_what_cannot_be_connected_to_is_named():
    with pytest.raises(ConnectError, match=r"filename=/nowhere/x\.db: unable to open"):
        connect("sqlite:////nowhere/x.db")


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_server_that_is_not_there_is_named_without_the_password(driver):
    pytest.importorskip(driver)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"postgresql://me:s3cret@127.0.0.1:{port}/gis"
    with pytest.raises(ConnectError) as caught:
        connect(url, driver=driver, connect_timeout=2)
    message = str(caught.value)
    assert f"host=127.0.0.1 port={port} dbname=gis user=me" in message
    assert "s3cret" not in message
    assert "s3cret" not in str(caught.value.__cause__)


def test_a_password_in_the_words_of_a_driver_is_hidden():
    pytest.importorskip("psycopg")
    with pytest.raises(ConnectError) as caught:
        connect("postgresql://me:s3cret@127.0.0.1:1/gis", connect_timeout="s3cret")
    assert "***" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_variable_of_the_password_has_to_be_set(monkeypatch):
    monkeypatch.delenv("NO_PASSWORD", raising=False)
    with pytest.raises(ConnectError, match="NO_PASSWORD"):
        connect(DbParams(**PG), "NO_PASSWORD")


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("nothing", ConfigError, "no URL of a database"),
        ("postgresql://me:s3cret@host:port/db", ConfigError, "no URL of a database"),
        ("http://host/db", DriverError, "no database has URLs of http://; there are: sqlite://"),
        ("postgresql+asyncpg://h/db", DriverError, "PG has no driver 'asyncpg'; .* psycopg2"),
        ("postgresql://host/db", DbParamsError, "'user' not set"),
    ],
)
def test_urls_that_cannot_be(url, error, message):
    with pytest.raises(error, match=message) as caught:
        connect(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_urls_and_params_connect_to_postgresql(postgresql, driver, monkeypatch):
    pytest.importorskip(driver)
    monkeypatch.setenv("PG_PASSWORD", "ignored by a server that trusts")
    for open_connection in (
        lambda: connect(postgresql.url, driver=driver),
        lambda: connect(postgresql.url.replace("://", f"+{driver}://")),
        lambda: connect(DbParams(**postgresql.params), "PG_PASSWORD", driver=driver),
        lambda: DbParams(**postgresql.params).connect("PG_PASSWORD", driver=driver),
        lambda: connect(f"{postgresql.url}?application_name=r%20f", driver=driver),
    ):
        with closing(open_connection()) as conn:
            assert type(conn).__module__.split(".")[0] == driver


def test_options_go_to_the_driver(postgresql):
    with closing(connect(f"{postgresql.url}?application_name=r%20f", autocommit=True)) as conn:
        assert conn.execute("SHOW application_name").fetchone() == ("r f",)
        assert conn.autocommit


def test_psycopg_3_is_the_driver_unless_the_old_one_is_named(postgresql):
    with closing(connect(DbParams(**postgresql.params))) as conn:
        assert type(conn).__module__ == "psycopg"


def test_a_connection_string_is_understood_by_libpq(monkeypatch):
    parse = pytest.importorskip("psycopg.conninfo").conninfo_to_dict
    monkeypatch.setenv("PG_PASSWORD", NASTY)
    params = DbParams(**PG | {"dbname": "my db"})
    assert get_connection_string(params) == ("host=localhost port=5432 dbname='my db' user=me")
    assert parse(get_connection_string(params, "PG_PASSWORD")) == {
        **{name: str(value) for name, value in params.items() if name != "dbtype"},
        "password": NASTY,
    }
    assert get_connection_string("sqlite:///x.db") == "x.db"


def test_sqlalchemy_urls(monkeypatch):
    monkeypatch.setenv("PG_PASSWORD", NASTY)
    url = get_sqlalchemy_connection_string(DbParams(**PG), "PG_PASSWORD")
    parts = urlsplit(url)
    assert unquote(parts.password) == NASTY
    assert (parts.hostname, parts.port, parts.path) == ("localhost", 5432, "/gis")
    get = get_sqlalchemy_connection_string
    assert get(DbParams(**PG)) == "postgresql://me@localhost:5432/gis"
    assert get(DbParams(**PG | {"host": "::1"})) == "postgresql://me@[::1]:5432/gis"
    assert get(DbParams(**PG | {"host": "/run/pg"})) == (
        "postgresql://me@/gis?host=%2Frun%2Fpg&port=5432"
    )
    assert get("sqlite:////var/a b.db") == "sqlite:////var/a%20b.db"


@given(password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_password_comes_through_a_url(password):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PG_PASSWORD", password)
        url = get_sqlalchemy_connection_string(DbParams(**PG), "PG_PASSWORD")
        string = get_connection_string(url)
    parse = pytest.importorskip("psycopg.conninfo").conninfo_to_dict
    assert parse(string)["password"] == password


@pytest.mark.parametrize(
    ("driver", "extra"),
    [
        ("psycopg", r"rowferry\[postgresql\]"),
        ("psycopg2", r"rowferry\[psycopg2\]"),
        ("pymysql", r"rowferry\[mysql\]"),
        ("MySQLdb", r"rowferry\[mysqlclient\]"),
    ],
)
def test_a_driver_that_is_not_installed_is_named_with_its_extra(monkeypatch, driver, extra):
    monkeypatch.setitem(sys.modules, driver, None)
    dbtype = "PG" if driver.startswith("psycopg") else "MYSQL"
    with pytest.raises(DriverError, match=f"pip install '{extra}'"):
        connect(DbParams(**{**PG, "dbtype": dbtype}), driver=driver)


@pytest.mark.parametrize("login", ["me:12/s3cret", "me:12#s3cret", "me:s3/cret", "me:#s3cret"])
def test_a_password_that_is_not_encoded_is_not_taken_for_a_host(login):
    with pytest.raises(ConfigError, match="percent-encoded") as caught:
        connect(f"postgresql://{login}@127.0.0.1:1/x")
    assert "cret" not in str(caught.value)


def test_a_password_among_the_options_of_a_url_is_hidden():
    pytest.importorskip("psycopg")
    url = "postgresql://me@127.0.0.1:1/gis?password=s3cret&connect_timeout=s3cret"
    with pytest.raises(ConnectError) as caught:
        connect(url)
    assert "***" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
