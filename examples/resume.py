"""
Kill a transfer, start it again, and send what the API would not take, corrected.

    python examples/resume.py

The API is a fake one that listens on this machine, takes its time, and does not like ferries
without cars. The transfer is a process of its own, so that it can be killed like any other.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import rowferry as etl
from rowferry.testing import Answer, FakeApi, Received

FERRIES = 2_000


def answer(request: Received) -> Answer:
    """Say 422 to a record that is none, and 201 to all others."""
    if request.json()["cars"]:
        return Answer(status=201, delay=0.01)
    return Answer(status=422, body=b"cars must be more than 0")


def transfer(folder: Path, url: str) -> None:
    """Send all ferries: what a job does each night, whether the night before went well or not."""
    with closing(sqlite3.connect(folder / "ferries.db")) as conn:
        report = etl.copy_to_api(
            "SELECT * FROM ferry", conn, url, key="id", journal=etl.Journal(folder / "journal.db")
        )
    print(f"{report.read:,} rows read, {report.delivered:,} delivered, {report.dead} dead")
    sys.exit(report.exit_code)


def start(folder: Path, url: str) -> subprocess.Popen[bytes]:
    """Start the transfer, as a scheduler would."""
    return subprocess.Popen([sys.executable, __file__, str(folder), url])


def corrected(record: dict[str, Any]) -> dict[str, Any]:
    """Make a record that the API takes of one that it would not take."""
    return record | {"cars": 1}


def story(folder: Path) -> None:
    """Kill the transfer once, and let it go on."""
    with closing(sqlite3.connect(folder / "ferries.db")) as conn:
        ferries = [{"id": n, "cars": n % 400} for n in range(1, FERRIES + 1)]
        etl.load("ferry", conn, ferries, create=True, key="id")
    with FakeApi(answer) as api:
        running = start(folder, api.url)
        while len(api.received) < FERRIES // 2:
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        print("Killed")

        code = start(folder, api.url).wait()
        print("Started again; exit code", code)
        sent = Counter(record["id"] for record in api.records)
        print(f"The API got {len(sent):,} ferries; missing: {FERRIES - len(sent)}")
        print(
            "Got twice, since they were on their way when it was killed:", sent.total() - len(sent)
        )

        for letter in etl.dead_letters(folder / "journal.db"):
            print(f"  {letter['key']}: {letter['status']} {letter['answer']}, {letter['record']}")
        report = etl.retry_dead_letters(
            folder / "journal.db", api.url, transform=etl.per_row(corrected)
        )
        print(f"Corrected and sent: {report.delivered}")
        states = [letter["state"] for letter in etl.dead_letters(folder / "journal.db")]
        print("Dead letters now:", sorted(set(states)))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        transfer(Path(sys.argv[1]), sys.argv[2])
    with tempfile.TemporaryDirectory() as place:
        story(Path(place))
