"""What surrounds the program under test: its source, the judge, its journal, its process."""

import base64
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

import psycopg

from proxy import Proxy
from rowferry import execute

TESTS = Path(__file__).parent.parent
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""Debian's package faketime; without it no clock jumps."""

_TABLE = (
    "CREATE TABLE {table} (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT, amount {number}, "
    "big BIGINT, ratio {ratio}, payload TEXT)"
)
_SESSIONS = (
    "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")  # of a process that has ended there is none
GRACE = 1.5
TIMEOUT = 0.6
"""Seconds of a request; those that hang take it."""


class Judge:
    """The judge's process, and its orders."""

    def __init__(self, plan, folder, code=None):
        self.log = Path(folder) / "judge.log"
        command = [sys.executable, "-m", "torture.judge", json.dumps(asdict(plan)), str(self.log)]
        self.process = subprocess.Popen(
            command, env=environment(code), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        self.port, self.canary, control = json.loads(self.process.stdout.readline())
        self._socket = socket.create_connection(("127.0.0.1", control))
        self._told = b""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/records"

    def order(self, **order):
        """Give an order, and what the judge says to it."""
        self._send(order)
        while True:
            told = self._line(10)
            if "receipts" in told:
                return told  # else an earlier order was carried out

    def arm(self, pid, number, after, moment):
        """Have signal *number* sent to *pid* at the request that is *after* more from now."""
        self._send({"do": "arm", "pid": pid, "signal": number, "after": after, "moment": moment})

    def wait_until_fired(self, process, seconds=20):
        """Wait for the request of the last `arm`; tell whether it came before *process* ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            if "fired" in self._line(0.05):
                return True
            if ended:
                break
        return False

    def receipts(self):
        """Give all that it has written down."""
        with self.log.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def close(self):
        self._socket.close()
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def _send(self, order):
        self._socket.sendall(json.dumps(order).encode() + b"\n")

    def _line(self, seconds):
        """Give the next line that it says; nothing where there is none for so long."""
        self._socket.settimeout(seconds)
        while b"\n" not in self._told:
            try:
                more = self._socket.recv(65_536)
            except TimeoutError:
                return {}
            if not more:
                raise EOFError("the judge has gone")
            self._told += more
        line, _, self._told = self._told.partition(b"\n")
        return json.loads(line)


def environment(code=None):
    """Give the environment in which the sources at *code* are what is imported."""
    code = code or os.environ.get("ROWFERRY_CODE", TESTS.parent / "src")
    path = {"PYTHONPATH": f"{code}:{TESTS}", "PYTHONDONTWRITEBYTECODE": "1"}
    return os.environ | path


class World:
    """
    One seed's surroundings.

    Args:
        server: the PostgreSQL to read from, where the plan says so.
        code: the folder of the sources to test; None: these.
    """

    def __init__(self, plan, folder, server=None, code=None):
        self.plan = plan
        self.folder = Path(folder)
        self.server = server
        self.code = code
        self.journal = self.folder / "journal" / "torture.journal"
        self.journal.parent.mkdir()
        self.table = f"source_{plan.seed}"
        self.proxy = None
        self.source = self._make_source()
        self.judge = Judge(plan, folder, code)
        self.runs = 0

    def settings(self, **changed):
        return {
            "url": self.judge.url,
            "secret": self.plan.secret(),
            "source": self.source,
            "query": f"SELECT * FROM {self.table}",
            "journal": str(self.journal),
            "batch_size": self.plan.batch_size,
            "in_flight": self.plan.in_flight,
            "ordering_key": "grp" if self.plan.profile == "ordered" else None,
            "max_retries": 14,  # more than the noise that a record can meet in one run
            "timeout": TIMEOUT,
            "grace": GRACE,
            "limits": {},
            "quiet": False,
        } | changed

    def start(self, *, wrap=(), env=None, most_bytes=None, **changed):
        """Start the program; its output goes to files."""
        self.runs += 1
        name = self.folder / f"run{self.runs}"
        settings = name.with_suffix(".json")
        settings.write_text(json.dumps(self.settings(**changed)))

        if most_bytes is not None:
            wrap = ("prlimit", f"--fsize={most_bytes}", *wrap)
        with (
            settings.open() as stdin,
            name.with_suffix(".out").open("wb") as out,
            name.with_suffix(".err").open("wb") as err,
        ):
            process = subprocess.Popen(
                [*wrap, sys.executable, "-m", "torture.program"],
                env=environment(self.code) | (env or {}),
                stdin=stdin,
                stdout=out if most_bytes is None else subprocess.PIPE,
                stderr=err if most_bytes is None else subprocess.DEVNULL,
            )
        process.told = name
        return process

    def said(self, process):
        """Give the report that a program printed; an empty one where it was killed."""
        if process.stdout:
            text = process.stdout.read().decode()
            process.told.with_suffix(".out").write_text(text)
            process.stdout.close()
        text = process.told.with_suffix(".out").read_text()
        lines = [line for line in text.splitlines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else {}

    def end_backends(self):
        """Have the server end the sessions of the program."""
        with psycopg.connect(self.server.url) as conn:
            conn.execute(f"SELECT pg_terminate_backend(pid) {_SESSIONS}")

    def sessions(self):
        """Give how many sessions a program that has ended still has, after a moment."""
        if self.plan.source != "postgresql":
            return 0
        with psycopg.connect(self.server.url, autocommit=True) as conn:
            for _ in range(50):
                ((count,),) = conn.execute(f"SELECT count(*) {_SESSIONS}").fetchall()
                if not count:
                    return 0
                time.sleep(0.1)
        return count

    def leaks(self):
        """Give where a secret shows that must not, and rows of the source outside the journal."""
        secret = self.plan.secret()
        forms = {secret, quote(secret), quote(secret, safe="")}
        forms.add(base64.b64encode(secret.encode()).decode())
        wanted = [form.encode() for form in forms]
        found = []
        for file in self.folder.rglob("*"):
            if not file.is_file() or (file.suffix == ".json" and file.name.startswith("run")):
                continue
            if file.name.startswith(("source", "judge")):
                continue
            text = file.read_bytes()
            found += [f"the secret in {file.name}" for form in wanted if form in text]
            if b"pii-" in text and file.parent != self.journal.parent:
                found.append(f"row data in {file.name}")
        return found

    def close(self):
        self.judge.close()
        if self.proxy:
            self.proxy.__exit__()
        if self.server and self.plan.source == "postgresql":
            with contextlib.suppress(Exception):
                execute(f"DROP TABLE {self.table}", self.server.url)

    def _make_source(self):
        if self.plan.source == "postgresql":
            return self._in_postgresql()
        path = self.folder / "source.db"
        with contextlib.closing(sqlite3.connect(path)) as conn:
            conn.execute(_TABLE.format(table=self.table, number="TEXT", ratio="REAL"))
            rows = map(self.plan.cells, range(1, self.plan.rows + 1))
            conn.executemany(f"INSERT INTO {self.table} VALUES (?,?,?,?,?,?,?)", rows)
            # every other one of the rows that JSON cannot hold has text that is no UTF-8 instead
            conn.execute(
                f"UPDATE {self.table} SET ratio = 0, name = CAST(x'ff' AS TEXT) "
                "WHERE typeof(ratio) = 'blob' AND id % 2 = 0"
            )
            conn.commit()
        return f"sqlite:///{path}"

    def _in_postgresql(self):
        with psycopg.connect(self.server.url) as conn:
            conn.execute(f"DROP TABLE IF EXISTS {self.table}")
            conn.execute(
                _TABLE.format(table=self.table, number="NUMERIC", ratio="DOUBLE PRECISION")
            )
            with conn.cursor() as cursor, cursor.copy(f"COPY {self.table} FROM STDIN") as copy:
                for key in range(1, self.plan.rows + 1):
                    copy.write_row(self.plan.cells(key))
        self.proxy = Proxy(self.server.host, self.server.port).__enter__()
        return self.proxy.url(password=quote(self.plan.secret(), safe=""))  # it asks for none


def wait(process, seconds):
    """
    Wait for a program; where it does not end, have it say where it is, and kill it.

    Its `peak_kib` is the most memory that it was seen to take.
    """
    deadline = time.monotonic() + seconds
    status = Path(f"/proc/{process.pid}/status")
    process.peak_kib = 0
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
            process.kill()
            process.wait()
            return None
        if found := _PEAK.search(status.read_text()):
            process.peak_kib = int(found[1])
        time.sleep(0.02)
    return process.returncode
