"""The documents tell the truth: their code runs, and they name every option there is."""

import dataclasses
import inspect
import os
import re
import sqlite3
import ssl
import tomllib
from contextlib import closing, contextmanager
from textwrap import dedent

import pytest
import trustme

import documents
import rowferry as etl
from conftest import PLACES
from forwarding import ForwardProxy
from rowferry import exceptions
from rowferry.databases import DATABASES
from rowferry.formats import FORMATS
from rowferry.testing import FakeApi

ROOT = documents.ROOT
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
APIS_PAGE = (ROOT / "docs" / "apis.md").read_text(encoding="utf-8")
AUTH_PAGE = (ROOT / "docs" / "auth.md").read_text(encoding="utf-8")
DATABASES_PAGE = (ROOT / "docs" / "databases.md").read_text(encoding="utf-8")


CODE = [
    pytest.param(dedent(one.text), id=one.name)
    for one in documents.blocks()
    if one.language == "python"
]

TABLE = "CREATE TABLE sensor (code VARCHAR(9), description VARCHAR(40), date_updated VARCHAR(10))"


def with_sensors(conn, rows):
    """Make the table of sensors on the connection of a server."""
    with conn.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.executemany("INSERT INTO sensor VALUES (%s, %s, %s)", rows)
    conn.commit()


def postgresql_url(request, rows):
    with_sensors(request.getfixturevalue("psycopg_connection"), rows)
    return request.getfixturevalue("postgresql").url


def mariadb_url(request, rows):
    with closing(PLACES["pymysql"](request, None)()) as conn:
        with_sensors(conn, rows)
    return request.getfixturevalue("mariadb").url


URLS = {"postgresql://": postgresql_url, "mysql://": mariadb_url}
"""For how URLs of the documents begin: what makes a server with sensors, and gives its URL."""


@pytest.fixture
def world(tmp_path, monkeypatch, request):
    """What the code of the documents finds: a table of sensors, an API where it says one is."""
    monkeypatch.chdir(tmp_path)
    rows = [("A", "a barometer", "2026-02-01"), ("B", "an anemometer", "2025-01-01")]
    with sqlite3.connect("sensors.db") as conn:
        conn.execute(TABLE)
        conn.executemany("INSERT INTO sensor VALUES (?, ?, ?)", rows)
    conn.close()

    def replaced(code):
        if "Api.elasticsearch" in code:
            code = code.replace("http://localhost:9200", request.getfixturevalue("es9").url)
        code = code.replace("http://localhost:9200", api.url.removesuffix("/records"))
        for scheme, url in URLS.items():
            if scheme in code:
                code = re.sub(rf"{scheme}[^\"]*", url(request, rows), code)
        code = code.replace("port=9200", "port=0")
        code = code.replace("http://proxy.institute.example:3128", proxy.url)
        return code.replace("Bearer …", "Bearer x")

    with (
        FakeApi() as api,
        FakeApi(tls=certificates(tmp_path)) as secure,
        ForwardProxy(route=("127.0.0.1", secure.port)) as proxy,
        restored(os.environ),
    ):
        yield (api, secure), replaced


def certificates(folder):
    """Write the files of an institute's authority and of a client; give what its API shows."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "institute-ca.pem")
    client = authority.issue_cert("client@institute.example")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    client.private_key_pem.write_to_path(folder / "client.key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.institute.example").configure_cert(context)
    return context


@contextmanager
def restored(environment):
    before = dict(environment)
    try:
        yield
    finally:
        environment.clear()
        environment.update(before)


@pytest.mark.parametrize("code", CODE)
def test_code_of_the_documents_runs(code, world, capsys):
    apis, replaced = world
    names = {"input": str}  # the API of the quickstart waits for its reader
    exec(compile(replaced(code), "document", "exec"), names)
    if "conn" in names:
        names["conn"].close()
    if "Api.elasticsearch" in code:
        assert names["report"].delivered == names["report"].records > 0
    for api in apis:
        if api.received:
            assert len(api.records) == 1
            assert "report" not in names or names["report"].delivered == 1
    assert apis[1].received or "proxy.institute.example:" not in code


def test_the_guide_names_every_option():
    options = set()
    for function in (etl.post_rows, etl.copy_to_api):
        options |= set(inspect.signature(function).parameters) - {"rows", "api"}
    for kind in (
        *(etl.Api, etl.Retry, etl.Limits, etl.Budget, etl.Report, etl.Progress),
        *(etl.Journal, etl.Incremental),
    ):
        options |= {field.name for field in dataclasses.fields(kind)}
    assert [name for name in sorted(options) if name not in GUIDE] == []


def test_the_guide_names_every_public_name():
    names = etl.__all__
    hidden = {"__version__"}
    pages = GUIDE + DATABASES_PAGE
    assert [name for name in names if name not in pages and name not in hidden] == []


def test_the_page_of_apis_names_every_option_and_format():
    options = {field.name for field in dataclasses.fields(etl.Api)}
    formats = {f'"{name}"' for name in FORMATS}
    assert [name for name in sorted(options | formats) if f"`{name}" not in APIS_PAGE] == []


def test_the_page_of_auth_names_every_scheme_and_option():
    names = set(etl.auth.MEMBERS)
    for kind in ("Basic", "Bearer", "ApiKey", "OAuth2ClientCredentials", "Request", "Token"):
        names |= {f"auth.{kind}"} | {
            field.name for field in dataclasses.fields(getattr(etl.auth, kind))
        }
    assert [name for name in sorted(names) if name not in AUTH_PAGE] == []


def test_the_page_of_databases_names_every_option_of_their_functions():
    functions = (
        *(etl.connect, etl.get_connection_string, etl.get_sqlalchemy_connection_string),
        *(etl.iter_chunks, etl.iter_rows, etl.fetchall, etl.fetchone),
        *(etl.execute, etl.executemany, etl.load, etl.copy_rows, etl.copy_table_rows),
        *(etl.generate_insert_sql, etl.generate_create_table_sql, etl.table_info),
        *(etl.log_to_console, etl.abort_etlhelper_threads, etl.DbParams.from_environment),
    )
    options = {name for function in functions for name in inspect.signature(function).parameters}
    prose = re.sub(r"```.*?```", "", DATABASES_PAGE, flags=re.DOTALL)
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]*`", prose))))
    assert sorted(options - named) == []
    assert [function.__name__ for function in functions if function.__name__ not in named] == []


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.driver)
def test_the_page_of_databases_names_how_to_reach_each(database):
    words = [f'`"{database.dbtype}"`', *(f"`{name}`" for name in database.required)]
    words += [f"`{scheme}://" for scheme in database.schemes]
    assert [word for word in [*words, database.driver] if word not in DATABASES_PAGE] == []


def test_the_page_of_databases_names_every_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [f"rowferry[{extra}]" for extra in project["optional-dependencies"]]
    assert [extra for extra in extras if extra not in DATABASES_PAGE] == []


def test_every_recipe_is_listed_with_what_it_shows():
    recipes = {path.name for path in ROOT.glob("examples/*.py")} - {"demo.py", "demo_api.py"}
    pages = "".join(page.read_text(encoding="utf-8") for page in ROOT.glob("docs/*.md"))
    assert set(re.findall(r"\(\.\./examples/(\w+\.py)\)", pages)) == recipes


def test_the_tree_of_exceptions_is_drawn_whole():
    drawn = exceptions.__doc__
    own = [
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type)
        and value.__module__ == "rowferry.exceptions"
        and not name.startswith("ETLHelper")
    ]
    assert [name for name in own if name not in drawn] == []
