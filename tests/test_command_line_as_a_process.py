"""The command line as a process: signals, streams, a terminal."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from command_line import ROWFERRY, environ, process, wait_until
from rowferry.testing import Answer, FakeApi


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_first_signal_lets_what_is_in_flight_finish(job, started, number, code):
    path = job("api.limits.concurrency = 2\n")
    with FakeApi(lambda request: Answer(delay=0.5)) as api:
        process = started(*ROWFERRY, "run", path, env={"API": api.url})
        wait_until(lambda: api.in_flight == 2)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == code
    report = json.loads(out)
    assert (report["delivered"], report["pending"], report["exit_code"]) == (2, 3, code)
    assert "stopping" in err
    assert "Traceback" not in err


def test_a_second_signal_ends_at_once(job, started):
    with FakeApi(None) as api:
        process = started(*ROWFERRY, "run", job(), env={"API": api.url})
        wait_until(lambda: api.in_flight)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 143
    assert json.loads(out)["delivered"] == 0


def test_a_signal_that_was_ignored_stays_ignored(job, started):
    with FakeApi(lambda request: Answer(delay=0.3)) as api:
        ignoring = ("/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh")
        process = started(*ignoring, *ROWFERRY, "run", job(), env={"API": api.url})
        wait_until(lambda: api.in_flight)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_closed_standard_output_loses_no_row(job):
    path = job("journal = false\n")
    for redirection in (">&-", "| true"):
        with FakeApi() as api:
            done = subprocess.run(
                [
                    "/bin/bash",
                    "-c",
                    f'"$@" {redirection}; exit ${{PIPESTATUS[0]}}',
                    "bash",
                    *ROWFERRY,
                    "run",
                    str(path),
                ],
                env=environ(API=api.url),
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        assert (done.returncode, len(api.records)) == (141, 5), done.stderr
        assert "the standard output" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_full_disk_under_the_standard_output_is_told(job):
    with FakeApi() as api, Path("/dev/full").open("w") as full:
        done = process(
            "run",
            job(),
            env={"API": api.url},
            stdout=full,
            stderr=subprocess.PIPE,
            capture_output=False,
        )
    assert (done.returncode, len(api.records)) == (7, 5)
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_standard_error_loses_nothing(job):
    with FakeApi() as api:
        done = subprocess.run(
            ["/bin/bash", "-c", '"$@" 2>&- <&-', "bash", *ROWFERRY, "run", str(job())],
            env=environ(API=api.url),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, json.loads(done.stdout)["delivered"]) == (0, 5)


def on_a_terminal(*arguments, env, columns=120):
    """Run the command on a terminal of its own; give what it showed there."""
    main, other = pty.openpty()
    process = subprocess.Popen(
        [*ROWFERRY, *map(str, arguments)],
        env=environ(TERM="xterm", COLUMNS=str(columns), **env),
        stdin=other,
        stderr=other,
        stdout=subprocess.PIPE,
    )
    os.close(other)
    shown = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:  # Linux: the other end was closed
            break
        if not part:
            break
        shown += part
    os.close(main)
    out = process.communicate(timeout=30)[0]
    return process.returncode, out.decode(), shown.decode()


def test_logs_are_lines_of_json_where_that_is_asked_for(job):
    with FakeApi([503, 201]) as api:
        done = process("run", job(), "--log-format", "json", "--debug", env={"API": api.url})
    assert done.returncode == 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("{")]
    entries = [json.loads(line) for line in lines]
    assert any("requests are sent again" in entry["message"] for entry in entries)
    assert {"time", "level", "message"} <= set(entries[0])


@pytest.mark.parametrize("columns", [150, 80, 40])
def test_on_a_terminal_there_is_a_bar_as_wide_as_there_is_room(job, columns):
    with FakeApi(lambda request: Answer(delay=0.2)) as api:
        env = {"API": api.url}
        path = job("api.limits.concurrency = 1\n")
        code, out, shown = on_a_terminal("run", path, env=env, columns=columns)
    assert (code, json.loads(out)["delivered"]) == (0, 5)
    assert "delivered" in shown
    assert "\x1b[" in shown
    if columns == 150:
        for word in ("rows/s", "in flight", "p50", "p99"):
            assert word in shown


def test_no_color_is_heeded(job):
    with FakeApi(lambda request: Answer(delay=0.2)) as api:
        env = {"API": api.url, "NO_COLOR": "1"}
        code, _, shown = on_a_terminal("run", job(), env=env)
    assert code == 0
    assert "\x1b[3" not in shown


def test_a_copy_into_a_database_has_a_bar_too(folder):
    url = "sqlite:///sensors.db"
    code, out, shown = on_a_terminal(
        *("copy", url, "sqlite:///there.db", "--table", "sensor", "--create"), env={}
    )
    assert (code, json.loads(out)["delivered"]) == (0, 5)
    assert "5 delivered" in shown


@pytest.mark.parametrize("command", [("schema",), ("--help",), ("copy", "--help")])
def test_what_nobody_reads_is_no_traceback(folder, command):
    done = subprocess.run(
        ["/bin/bash", "-c", '"$@" | true; exit ${PIPESTATUS[0]}', "bash", *ROWFERRY, *command],
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in {0, 141}  # what fits into the pipe is written before it is closed
    assert "Traceback" not in done.stderr


def test_a_disk_that_is_full_under_the_journal_is_told_and_nothing_is_claimed(job):
    path = job("api.limits.concurrency = 4\n")
    with closing(sqlite3.connect("sensors.db")) as conn:
        rows = [(number, "x" * 50, 0) for number in range(6, 3000)]
        conn.executemany("INSERT INTO sensor VALUES (?, ?, ?)", rows)
        conn.commit()
    with FakeApi(lambda request: 400 if request.json()["id"] > 5 else 201) as api:
        done = subprocess.run(
            ["/bin/bash", "-c", 'ulimit -f 256; exec "$@"', "bash", *ROWFERRY, "run", str(path)],
            env=environ(API=api.url),
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
    assert done.returncode == 7
    assert "sensors: " in done.stderr
    assert "Traceback" not in done.stderr
