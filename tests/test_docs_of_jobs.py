"""The pages on the command line and on job files: their tables are the code's, their jobs run."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from command_line import last_line
from rowferry.cli.main import COMMANDS
from rowferry.testing import FakeApi

DOCS = Path(__file__).parent.parent / "docs"
JOBS = (DOCS / "job-files.md").read_text(encoding="utf-8")
COMMAND_LINE = (DOCS / "command-line.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("tables", DOCS / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["command-line.md", "job-files.md"])
def test_the_tables_of_options_are_those_of_the_code(tables, page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert tables.with_tables(text) == text, "python docs/tables.py writes them anew"


def test_every_table_of_a_job_file_has_a_table_in_the_page(tables):
    for name in tables.TABLES:
        assert f"<!-- options of {name} -->" in JOBS


def test_every_command_is_in_the_page():
    for name in COMMANDS:
        assert f"`rowferry {name}" in COMMAND_LINE


CASES = re.findall(r"```toml\n(.*?)```", JOBS, re.DOTALL)


@pytest.fixture
def world(folder, monkeypatch):
    """What the jobs of the page find: a table of sensors, files, a module, variables."""
    import sqlite3  # noqa: PLC0415 (the fixture's own)
    from contextlib import closing  # noqa: PLC0415 (the fixture's own)

    with closing(sqlite3.connect("sensors.db")) as conn:
        conn.execute("DROP TABLE sensor")
        conn.execute("CREATE TABLE sensor (code PRIMARY KEY, description, date_updated)")
        rows = [(code, f"sensor {code}", "2026-02-01") for code in "ABC"]
        conn.executemany("INSERT INTO sensor VALUES (?, ?, ?)", rows)
        conn.commit()
    with closing(sqlite3.connect("there.db")) as conn:
        conn.execute("CREATE TABLE sensor (code PRIMARY KEY, description, date_updated)")
        conn.commit()
    (folder / "rows.csv").write_text("code,description\nD,\n")
    (folder / "rows.jsonl").write_text('{"code": "E", "description": "x"}\n')
    (folder / "sensors.sql").write_text("SELECT code, description FROM sensor\n")
    python = next(one for one in re.findall(r"```python\n(.*?)```", JOBS, re.DOTALL))
    (folder / "shaping.py").write_text(python)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.delitem(sys.modules, "shaping", raising=False)
    monkeypatch.setenv("PG_PASSWORD", "p")
    monkeypatch.setenv("TOKEN", "t")
    return folder


@pytest.mark.parametrize("case", CASES, ids=range(1, len(CASES) + 1))
def test_the_jobs_of_the_page_run(case, world, rowferry):
    with FakeApi() as api:
        text = case.replace("https://api.example/sensors", api.url)
        text = text.replace("postgresql://me:${PG_PASSWORD}@localhost/gis", "sqlite:///sensors.db")
        names = re.findall(r"^\[jobs\.(\w+)\]", text, re.MULTILINE)
        (world / "job.toml").write_text(text)
        for name in names:
            if name == "statement":
                (world / "there.db").unlink()
                assert rowferry("run", "job.toml", "table").returncode == 0
                rowferry("copy", "sqlite:///there.db", api.url, "--query", "DELETE FROM sensor")
            if name == "table":
                (world / "there.db").unlink()
            done = rowferry("run", "job.toml", name)
            assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
            assert last_line(done)["delivered"] >= 1


def test_the_mistakes_of_the_page_are_told_so(rowferry, folder):
    (folder / "job.toml").write_text("""
        [jobs.sensors]
        chunk_sise = 5
        source = { url = "sqlite:///sensors.db", table = "sensor" }
        [jobs.sensors.api]
        url = "https://api.example/sensors"
        headers = { Authorization = "Bearer ${TOKEN}" }
        retry.max_retries = "five"
    """)
    told = rowferry("validate", "job.toml").stderr.splitlines()
    page = re.search(r"\$ rowferry validate job.toml\n(.*?)```", JOBS, re.DOTALL)[1].splitlines()
    assert sorted(told) == sorted(page)


def test_the_schema_takes_the_jobs_of_the_page(rowferry):
    schema = json.loads(rowferry("schema").stdout)
    job = schema["properties"]["jobs"]["additionalProperties"]
    for case in CASES:
        for option in re.findall(r"^(\w+) = ", case, re.MULTILINE):
            assert f'"{option}"' in json.dumps(job)
