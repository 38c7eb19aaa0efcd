"""The command line for tests: fixtures that run it, and a folder with a job to run."""

import json
import logging
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest

import rowferry as rowferry_module
from rowferry.cli.main import run as run_here
from rowferry.logs import logger

ROWFERRY = (sys.executable, "-m", "rowferry")


def environ(**variables):
    """Give an environment in which the command is the one that is tested."""
    sources = str(Path(rowferry_module.__file__).parent.parent)
    return os.environ | {"PYTHONPATH": sources} | variables


@pytest.fixture(name="folder")
def a_folder(tmp_path, monkeypatch):
    """A folder to be in, with a table of five sensors."""
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("sensors.db")) as conn:
        conn.execute("CREATE TABLE sensor (id INTEGER PRIMARY KEY, code TEXT, depth NUMERIC)")
        conn.executemany(
            "INSERT INTO sensor VALUES (?, ?, ?)", [(i, f"c{i}", i / 2) for i in range(1, 6)]
        )
        conn.commit()
    return tmp_path


@pytest.fixture(name="rowferry")
def rowferry_here(monkeypatch, capsys):
    """Run the command to its end within this process, where what it does as one does not matter."""

    def call(*arguments, env=None):
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        code = run_here(list(map(str, arguments)))
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    yield call
    for handler in list(logger.handlers[1:]):
        logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def process(*arguments, env=None, **options):
    """Run the command to its end, as a process."""
    options = {"capture_output": True, "text": True, "timeout": 60} | options
    return subprocess.run(
        [*ROWFERRY, *map(str, arguments)], env=environ(**(env or {})), check=False, **options
    )


@pytest.fixture
def started():
    """Start the command; it is not left running, whatever the test says."""
    processes = []

    def start(*arguments, env):
        process = subprocess.Popen(
            [*arguments],
            env=environ(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def last_line(done):
    return json.loads(done.stdout.splitlines()[-1])


def wait_until(happened, seconds=20):
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def rows_in(file, table):
    with closing(sqlite3.connect(file)) as conn:
        return conn.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


@pytest.fixture(name="job")
def a_job(folder):
    """Write a job file whose API is given as ${API}; more lines may follow."""

    def write(more="", name="sensors"):
        (folder / "job.toml").write_text(
            dedent(f"""
                [jobs.{name}]
                key = "id"
                source.url = "sqlite:///sensors.db"
                source.query = "SELECT * FROM sensor ORDER BY id"
                api.url = "${{API}}"
            """)
            + dedent(more)
        )
        return folder / "job.toml"

    return write
