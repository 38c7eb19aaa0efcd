"""The recipes in examples/ run by themselves, say what they claim, and leave nothing behind."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from conftest import PLACES

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
STORIES = {"demo", "demo_api"}
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
