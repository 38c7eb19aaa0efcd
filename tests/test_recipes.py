"""The recipes in examples/ run by themselves, say what they claim, and leave nothing behind."""

import datetime as dt
import os
import runpy
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from conftest import PLACES
from rowferry.auth import Request

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
STORIES = {"demo", "demo_api", "oracle_to_elasticsearch"}  # test_examples.py runs them
"""The demo has tests of its own."""

CLAIMS = {
    "extract": """
          {'name': 'Tern', 'built': 2004, 'cars': 24}
        The largest: {'name': 'Gannet', 'built': 2011, 'cars': 110}
        One of 1900: None
        Room for 182 cars
        A chunk of at most 3 rows: Heron, Tern, Gannet
        A chunk of at most 3 rows: Puffin
        Since 2004: ['Gannet', 'Puffin', 'Tern']
        By name: ['Gannet', 'Heron', 'Puffin', 'Tern']
        """,
    "transform": """
        ['HERON', 'TERN', 'GANNET', 'PUFFIN']
        4 ferries became 4 rows (0 failed):
          Heron calls at Oban
          Heron calls at Craignure
          Tern calls at Largs
          Puffin calls at Mallaig
        """,
    "load": """
        CREATE TABLE IF NOT EXISTS ferry (
            name TEXT,
            PRIMARY KEY (name)
        INSERT INTO ferry (name, built, cars) VALUES (:name, :built, :cars)
        2 rows, 0 failed
        Skipped where it was there:
          {'name': 'Tern', 'built': 2004, 'cars': 24}
          {'name': 'Puffin', 'built': 2019, 'cars': 8}
        Updated where it was there:
          {'name': 'Tern', 'built': 2004, 'cars': 30}
          {'name': 'Puffin', 'built': 2019, 'cars': 8}
        Refused: UNIQUE constraint failed: ferry.name
        Still 3 ferries
        """,
    "copy_between_databases": """
        CREATE TABLE IF NOT EXISTS rowferry_example_ferry (
            name TEXT,
        Copied: (4, 0)
        Updated: {'name': 'Tern', 'built': 2004, 'cars': 26}
        INSERT INTO rowferry_example_large (name, cars) VALUES (:name, :cars)
        Copied: (2, 0)
           {'name': 'Heron', 'cars': 40}
           {'name': 'Gannet', 'cars': 110}
        """,
    "on_error": """
        Refused: CHECK constraint failed: cars > 0
        Stored: []
        Processed, failed: (4, 2)
          {'name': 'Tern', 'cars': -1}: CHECK constraint failed: cars > 0
          {'name': 'Heron', 'cars': 12}: UNIQUE constraint failed: ferry.name
        Stored: [{'name': 'Heron', 'cars': 40}, {'name': 'Gannet', 'cars': 110}]
        name,cars,why
        Tern,-1,CHECK constraint failed: cars > 0
        Heron,12,UNIQUE constraint failed: ferry.name
        """,
    "row_factories": """
        dict_row_factory: {'name': 'Heron', 'built': 1998}
        namedtuple_row_factory: Row(name='Heron', built=1998)
        tuple_row_factory: ('Heron', 1998)
        list_row_factory: ['Heron', 1998]
        ferry_row_factory: Ferry(name='Heron', built=1998)
        The Heron is of 1998
        Refused: the query has more than one column called 'name'
        """,
    "debugging": """
        INFO Executing many (chunk_size=3)
        INFO 3 rows processed (0 failed)
        INFO 7 rows processed in total
        INFO Fetching rows (chunk_size=5000)
        INFO 7 rows returned
        Column(name='cars', type='INTEGER', not_null=False, has_default=True)
        INSERT INTO ferry (name, cars) VALUES (:name, :cars)
        A column that is not there: SQL query raised an error.
        SELECT captain FROM ferry WHERE name = :name
        Required paramstyle: qmark
        caused by OperationalError('no such column: captain')
        BadIdentifierError: 'ferry; DROP TABLE ferry' is no plain table name
        InsertError: SQL query raised an error.
        NOT NULL constraint failed: ferry.name
        """,
    "csv_to_database": """
        3 rows, 0 failed
          name: TEXT
          built: INTEGER
          length: REAL
          in_service: BOOLEAN
        {'name': 'Tern', 'built': 2004, 'length': None, 'in_service': 1}
        """,
    "database_to_api": """
        498 delivered, 2 dead
        The API got 500 requests
          MV No. 250: POST http://127.0.0.1:
          MV No. 500: POST http://127.0.0.1:
        """,
    "resume": """
        Killed
        2,000 rows read, 1,995 delivered, 5 dead
        Started again; exit code 3
        The API got 2,000 ferries; missing: 0
          2000: 422 cars must be more than 0, {'id': 2000, 'cars': 0}
        Corrected and sent: 5
        Dead letters now: ['delivered']
        """,
    "rest_api": """
        3 delivered, 0 dead
          DELETE /ferries/G-3
          PUT /ferries/H-1 {"name":"Heron","cars":40}
          PUT /ferries/T%2F2 {"name":"Tern","cars":24}
        The API has ['/ferries/H-1', '/ferries/T%2F2']
        """,
    "batch_api": """
        990 delivered, 10 dead
        True that compressed bodies are less than half as long
        Sent once: 859
        Sent again, alone: 141
        Not taken: [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
        Why: 422
        """,
    "form_api": """
          /records/1 id=1&name=Ada+%26+Sons&credit=1250.50&since=2020-01-01
          /records/2 id=2&credit=0
        1 delivered, 2 dead
          3: a record (key 3) cannot be sent: column 'since': list holds values of its own
          2: POST …/{id}: the API answered 422 to a record (key 2)
        """,
    "oauth2_api": """
        1,000 delivered, 0 dead
        5 tokens, and True that what was
        refused with an old one went again with the new one
        """,
    "sign_aws": """
        2 delivered, 0 dead
        /records/a%20b AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE 64
        /records/c AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE 64
        """,
    "oracle_to_api": """
        20,000 delivered, 0 dead
        the API has 20,000 of 20,000 records
        """,
}
"""What the lines that each recipe prints have, in order, among others."""


@pytest.fixture
def run(tmp_path):
    """Run a recipe as users do, and give what it printed; its files go to `tmp_path`."""

    def run(name, *arguments):
        path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path, "TMPDIR": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_every_recipe_is_tested():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == STORIES | set(CLAIMS)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_recipe_prints_what_it_claims_and_leaves_nothing(name, run, tmp_path):
    printed = iter(run(name).splitlines())
    for claim in dedent(CLAIMS[name]).strip().splitlines():
        assert any(claim in line for line in printed), claim
    assert list(tmp_path.iterdir()) == []


SIGNED = {
    "get-vanilla": (
        Request("GET", "https://example.amazonaws.com/"),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "post-vanilla": (
        Request("POST", "https://example.amazonaws.com/"),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "get-vanilla-query-order-key-case": (
        Request("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1"),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-vanilla-utf8-query": (
        Request("GET", "https://example.amazonaws.com/?%E1%88%B4=bar"),
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    "post-x-www-form-urlencoded": (
        Request(
            "POST",
            "https://example.amazonaws.com/",
            {"Content-Type": "application/x-www-form-urlencoded"},
            b"Param1=value1",
        ),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}
"""
Requests of AWS's own test suite and their signatures, of AKIDEXAMPLE on 2015-08-30 12:36.

Source: https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html
"""


@pytest.mark.parametrize("case", SIGNED)
def test_the_recipe_for_aws_signs_as_aws_does(case):
    request, signature = SIGNED[case]
    scheme = runpy.run_path(str(EXAMPLES / "sign_aws.py"))["SigV4"](
        "AKIDEXAMPLE",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
        service="service",
        clock=lambda: dt.datetime(2015, 8, 30, 12, 36, tzinfo=dt.UTC),
    )
    sent = {"Host": request.host, "User-Agent": "not signed", **request.headers}
    added = scheme.sign(Request(request.method, request.url, sent, request.body))
    assert added["X-Amz-Date"] == "20150830T123600Z"
    assert added["Authorization"].endswith(f", Signature={signature}")
    assert "20150830/us-east-1/service/aws4_request" in added["Authorization"]


def test_tables_are_copied_into_postgresql_which_is_left_as_it_was(
    run, postgresql, psycopg_connection
):
    printed = run("copy_between_databases", postgresql.url)
    assert "    name text,\n    built bigint,\n    cars bigint,\n" in printed
    assert "VALUES (%(name)s, %(cars)s)\nCopied: (2, 0)\n" in printed
    assert "Updated: {'name': 'Tern', 'built': 2004, 'cars': 26}\n" in printed
    tables = psycopg_connection.execute("SELECT * FROM pg_tables WHERE schemaname = 'public'")
    assert tables.fetchall() == []


def test_tables_are_copied_into_mariadb(run, request):
    PLACES["pymysql"](request, None)
    printed = run("copy_between_databases", request.getfixturevalue("mariadb").url)
    assert "    name varchar(255),\n    built bigint,\n" in printed
    assert "VALUES (%(name)s, %(cars)s)\nCopied: (2, 0)\n" in printed
    assert "Updated: {'name': 'Tern', 'built': 2004, 'cars': 26}\n" in printed


def test_tables_are_copied_into_duckdb(run):
    pytest.importorskip("duckdb")
    printed = run("copy_between_databases", "duckdb:///copy.duckdb")
    assert "    name VARCHAR,\n    built BIGINT,\n" in printed
    assert "VALUES ($name, $cars)\nCopied: (2, 0)\n" in printed
    assert "Updated: {'name': 'Tern', 'built': 2004, 'cars': 26}\n" in printed
