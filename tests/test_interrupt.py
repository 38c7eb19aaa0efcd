"""Ctrl-C in the middle of a transfer, in a program of its own."""

import linecache
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import rowferry
from rowferry import post_rows
from rowferry.testing import Answer, FakeApi
from scripted import LONG, until
from test_leaks import FOLDER

PROGRAM = textwrap.dedent(
    """
    import sys
    import rowferry as etl

    def rows():
        for number in range(100_000):
            yield {"id": number}

    etl.post_rows(rows(), etl.Api(sys.argv[1], limits=etl.Limits(concurrency=64)))
    """
)


@pytest.fixture
def start():
    """Starts the program; kills it at the end, should it still run."""
    started = []

    def start(url):
        path = str(Path(rowferry.__file__).parents[1])
        started.append(
            subprocess.Popen(
                [sys.executable, "-W", "error", "-c", PROGRAM, url],
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": path},
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ended(process):
    """Wait for the end; give the exit code, the error and the figures of its note."""
    _, err = process.communicate(timeout=LONG)
    note = re.search(r"the transfer ended early: ([\d,]+) delivered, ([\d,]+) pending", err)
    figures = [int(figure.replace(",", "")) for figure in note.groups()] if note else None
    return process.returncode, err, figures


def test_an_interrupt_lets_what_is_in_flight_finish_and_every_answer_counts(start):
    with FakeApi(Answer(delay=0.3)) as api:
        process = start(api.url)
        until(lambda: len(api.received) >= 100)
        process.send_signal(signal.SIGINT)
        interrupted = time.monotonic()
        code, err, (delivered, pending) = ended(process)
        assert time.monotonic() - interrupted < 0.3 + 2
        assert "KeyboardInterrupt" in err.splitlines()[-2]
        assert code == -signal.SIGINT
        assert delivered == len(api.received) >= 100
        assert pending > 0
        until(lambda: not api.open_connections)


def test_a_second_interrupt_ends_at_once(start):
    with FakeApi(None) as api:
        process = start(api.url)
        until(lambda: len(api.received) == 64)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None  # it waits for answers
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        code, err, (delivered, pending) = ended(process)
        assert time.monotonic() - began < 5
        assert (code, delivered) == (-signal.SIGINT, 0)
        assert pending >= 64
        assert "KeyboardInterrupt" in err


def test_an_interrupt_ends_a_pause_at_once(start):
    with FakeApi(Answer(status=429, headers={"Retry-After": "300"})) as api:
        process = start(api.url)
        until(lambda: len(api.received) >= 1)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        code, _, (delivered, _) = ended(process)
        assert time.monotonic() - began < 5
        assert (code, delivered) == (-signal.SIGINT, 0)


def test_an_interrupt_while_the_api_cannot_be_reached_ends_at_once(start):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        process = start(f"http://127.0.0.1:{reserved.getsockname()[1]}/")
        time.sleep(1)  # imports and a few tries
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        assert ended(process)[0] != 0


# Ctrl-C at any line


class InterruptedAt:
    """Raises KeyboardInterrupt in this thread at the nth line of rowferry that it runs."""

    def __init__(self, number):
        self.left = number
        self.line = ""

    def __enter__(self):
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    def _enter(self, frame, event, arg):
        return self._line if frame.f_code.co_filename.startswith(FOLDER) else None

    def _line(self, frame, event, arg):
        source = linecache.getline(frame.f_code.co_filename, frame.f_lineno).split()
        # Tracing stops at these too, where no signal ever comes.
        if event == "line" and source and source[0] not in {"with", "try:"}:
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                name = frame.f_code.co_filename.removeprefix(f"{FOLDER}/")
                self.line = f"{name}:{frame.f_lineno} {' '.join(source)}"
                raise KeyboardInterrupt
        return self._line


def small_run(url, interrupted):
    """Post a record that goes and one that does not; give what came of it."""
    rows = [{"id": 1}, {"id": 2, "blob": b""}]
    try:
        with interrupted:
            return post_rows(rows, url, on_error=lambda failed: None, key="id")
    except BaseException as error:  # noqa: BLE001 - any of them is what came of it
        return error


def what_came_of(url, interrupted):
    """Run on a thread of its own, since it may hang."""
    came = []
    thread = threading.Thread(
        target=lambda: came.append(small_run(url, interrupted)), name="reading", daemon=True
    )
    thread.start()
    thread.join(3)
    return came[0] if came else "hangs"


def test_ctrl_c_at_any_line_ends_the_run_with_ctrl_c_and_leaves_nothing():
    problems = []
    with FakeApi() as api:
        small_run(api.url, InterruptedAt(-1))
        threads = set(threading.enumerate())
        number = 0
        while len(problems) < 5:
            number += 1
            interrupted = InterruptedAt(number)
            came = what_came_of(api.url, interrupted)
            if not interrupted.line:
                break  # it was the last one
            if not isinstance(came, KeyboardInterrupt):
                problems.append(f"{interrupted.line}: {came!r}")
            elif rest := set(threading.enumerate()) - threads:
                problems.append(f"{interrupted.line}: {rest}")
            threads |= set(threading.enumerate())
        assert problems == []
        assert number > 100
        until(lambda: not api.open_connections)
