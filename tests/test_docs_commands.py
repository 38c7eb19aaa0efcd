"""The commands of the documents do what these say, and every block of code is one that runs."""

import json
import re
import shlex
import sqlite3
from contextlib import closing

import pytest

import documents
from rowferry.testing import FakeApi
from test_docs import TABLE

RUN_ELSEWHERE = {
    ("python", None): "test_docs.py",
    ("toml", "job-files.md"): "test_docs_of_jobs.py",
    ("console", "quickstart.md"): "test_quickstart.py, with the rest of its page",
    ("console", "story.md"): "test_story.py, which runs its programs",
    ("text", "story.md"): "test_story.py, which makes the page anew",
    ("console", "job-files.md"): "test_docs_of_jobs.py, what a mistake looks like",
}
"""By language and page (None: any): the test that runs those blocks."""

NOT_RUN = {
    "pip": "fetches rowferry from a package index, where a test shall find its own",
    "make": "is what runs the tests; that there is such a target is tested",
    "$EDITOR": "is a person",
}
"""By what a command begins with: why no test runs it."""

BLOCKS = list(documents.blocks())
CONSOLE = [
    pytest.param(one.text, id=one.name)
    for one in BLOCKS
    if one.language == "console" and ("console", one.page) not in RUN_ELSEWHERE
]


def test_every_block_of_code_is_one_that_a_test_runs():
    left = [
        one.name
        for one in BLOCKS
        if one.language != "console"
        and (one.language, None) not in RUN_ELSEWHERE
        and (one.language, one.page) not in RUN_ELSEWHERE
    ]
    assert left == []
    assert CONSOLE


def commands(block):
    """Give the commands of a block, each with the lines that it is said to print."""
    for command, printed in re.findall(
        r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE
    ):
        yield shlex.split(command.replace("\\\n", ""), comments=True), printed.splitlines()


def test_every_target_of_make_is_there():
    makefile = documents.text_of(documents.ROOT / "Makefile")
    named = {
        command[1]
        for one in BLOCKS
        if one.language == "console"
        for command, _ in commands(one.text)
        if command[0] == "make"
    }
    for page in documents.PAGES:
        code = documents.code_in(documents.text_of(page))
        named |= {one.split()[1] for one in code if re.match(r"make [a-z]", one)}
    assert {"check", "test", "demo", "bench"} <= named
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    assert sorted(named - targets) == []


@pytest.fixture
def world(tmp_path, monkeypatch, request):
    """What the commands find: databases with sensors and airports, files, an API, variables."""
    monkeypatch.chdir(tmp_path)
    rows = [("A", "a barometer", "2026-02-01"), ("C", None, "2026-03-01")]
    with request.getfixturevalue("psycopg_connection") as conn:
        conn.execute(TABLE.replace("date_updated VARCHAR(10)", "date_updated DATE"))
        conn.cursor().executemany("INSERT INTO sensor VALUES (%s, %s, %s)", rows)
        conn.execute("CREATE TABLE airports AS SELECT * FROM sensor")
    with closing(sqlite3.connect("sensors.db")) as conn:
        conn.execute(TABLE)
        conn.executemany("INSERT INTO sensor VALUES (?, ?, ?)", rows)
        conn.commit()
    (tmp_path / "rows.csv").write_text("code,description\nD,\n")
    monkeypatch.setenv("PG_PASSWORD", "p")
    monkeypatch.setenv("TOKEN", "t")
    return tmp_path


@pytest.fixture
def replaced(request):
    """Put the servers of the tests in the place of those of the documents."""
    server = request.getfixturevalue("postgresql")
    with FakeApi() as api:

        def replaced(argument):
            argument = re.sub(
                r"postgresql://me(:\S+)?@localhost/gis",
                rf"postgresql://postgres\1@{server.host}:{server.port}/postgres",
                argument,
            )
            return re.sub(r"https?://(api\.example|localhost:8080)/\w+", api.url, argument)

        replaced.api = api
        yield replaced


def prepare_for_dead_letters(folder, api, rowferry):
    """Leave a job behind one of whose records the API did not take."""
    (folder / "job.toml").write_text(
        '[jobs.sensors]\nkey = "code"\n'
        'source = {url = "sqlite:///sensors.db", query = "SELECT * FROM sensor"}\n'
        f'api = "{api.url}"\n'
    )
    api._answer = lambda request: 422 if request.json()["description"] is None else 201
    assert rowferry("run", "job.toml").returncode == 3


def correct(folder):
    """Do what a person does in an editor."""
    file = folder / "letters.jsonl"
    letter = json.loads(file.read_text())
    letter["record"]["description"] = "a thermometer"
    file.write_text(json.dumps(letter))


@pytest.mark.parametrize("block", CONSOLE)
def test_commands_of_the_documents_run_and_print_what_is_said(block, world, replaced, rowferry):
    if "dead-letters list" in block:
        prepare_for_dead_letters(world, replaced.api, rowferry)
    for command, printed in commands(block):
        if command[0] == "$EDITOR":
            correct(world)
        if command[0] in NOT_RUN:
            continue
        assert command[0] == "rowferry"
        done = rowferry(*map(replaced, command[1:]))
        assert done.returncode == (3 if command[1:3] == ["dead-letters", "list"] else 0), (
            done.stderr
        )
        assert not printed or done.stdout.splitlines() == printed
