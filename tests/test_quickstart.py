"""The quickstart, from its first block to its last one, as a reader would type it."""

import json
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import ROWFERRY, environ
from scripted import until

PAGE = (Path(__file__).parent.parent / "docs" / "quickstart.md").read_text(encoding="utf-8")
INSTALL = ("python -m venv .venv", ". .venv/bin/activate", "pip install .")
KILLED = "timeout --signal=KILL 2 "
CODES = {"rowferry run job.toml --quiet": 3, "rowferry dead-letters list job.toml": 3}
"""What ends with another exit code than 0."""

VARIES = (
    (r"in [\d.]+ s \([\d,]+ rows/s, \d+ in flight\)", "in …"),
    (r"[\d,]+ delivered, [\d,]+ pending", "… pending"),
    (r"\d+ s ago", "… ago"),
    (r"^(  (?:read|delivered)) +[\d,]+$", r"\1 …"),
)
"""What is not the same each time."""


def steps():
    """Give programs as (name, text) and commands as (command, lines), in the order of the page."""
    for kind, block in re.findall(r"```(python|console)\n(.*?)```", PAGE, re.DOTALL):
        if kind == "console":
            for command, printed in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", block, re.MULTILINE):
                yield command, printed.splitlines()
        elif name := re.match(r"# (\w+\.py)\n", block):
            yield name[1], block


class Reader:
    """Does what the page says, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.port = str(free_port())
        self.running = []

    def do(self, step, what):
        if step.endswith(".py") and " " not in step:
            (self.folder / step).write_text(what.replace("9200", self.port))
        elif step == "python api.py":
            api = self.start(step)
            self.running.append(api)
            assert api.stdout.readline().replace(self.port, "9200").strip() == what[0]
        elif step.startswith(KILLED):
            with self.start(step.removeprefix(KILLED)) as process:
                until(self.has_delivered)
                process.kill()
        else:
            self.run(step, what)

    def start(self, command):
        program, *words = shlex.split(command.replace("9200", self.port))
        program = {"python": [sys.executable, "-u"], "rowferry": ROWFERRY}[program]
        return subprocess.Popen(
            [*program, *words],
            cwd=self.folder,
            env=environ(COLUMNS="100"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command, expected):
        with self.start(command) as process:
            printed, _ = process.communicate(timeout=60)
        printed = printed.replace(self.port, "9200")
        assert process.returncode == CODES.get(command, 0), printed
        assert_printed(printed.splitlines(), expected)

    def has_delivered(self):
        status = self.folder / "nightly.journal.status.json"
        return status.exists() and json.loads(status.read_text())["delivered"]


def assert_printed(printed, expected):
    if expected and expected[-1] == "…":
        expected = expected[:-1]
        printed = printed[: len(expected)]
    assert len(printed) == len(expected), printed
    for line, wanted in zip(map(steady, printed), map(steady, expected), strict=True):
        begin, cut, _ = wanted.partition(", …}")
        assert line == wanted or (cut and line.startswith(begin)), (line, wanted)


def steady(line):
    for pattern, instead in VARIES:
        line = re.sub(pattern, instead, line)
    return line


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def reader(tmp_path):
    reader = Reader(tmp_path)
    yield reader
    for process in reader.running:
        process.communicate("\n", timeout=60)
        assert process.returncode == 0


def test_everything_on_the_page_works_in_the_order_written(reader):
    todo = list(steps())
    assert [step for step, _ in todo[:3]] == list(INSTALL)
    for step, what in todo[3:]:
        reader.do(step, what)
    programs = {path.name for path in reader.folder.glob("*.py")}
    assert programs == {"make.py", "api.py", "first.py", "bad.py", "go_on.py", "nightly.py"}
    commands = [step.split()[1] for step, _ in todo if step.startswith("rowferry ")]
    assert commands == ["status", "copy", "init", "plan", "run", "dead-letters"]
