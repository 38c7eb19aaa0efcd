"""
Copies between databases with a checkpoint, killed in mid-chunk.

    python -m torture.copies --kills 100        so many into each database
"""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random

import servers
from rowferry import connect, execute, fetchall
from rowferry.row_factories import tuple_row_factory
from torture.world import environment

_CHILD = Path(__file__).with_name("copying.py")
_CHUNK = 100
_PIPES = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
_FURTHEST = 10
"""Chunks of a run before it is killed, at most."""


def make_source(path, rows):
    """Make a file with *rows* rows, counted from 0."""
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("CREATE TABLE source (id INTEGER PRIMARY KEY, v TEXT)")
        pairs = ((number, f"row {number}") for number in range(rows))
        conn.executemany("INSERT INTO source VALUES (?, ?)", pairs)
        conn.commit()
    return f"sqlite:///{path}"


def kill_again_and_again(source, dest, rows, dice):
    """
    Copy *source* into the empty table `made` of *dest*; kill it while it writes a chunk, and go on.

    Returns:
        How often it was killed, and what is wrong in the end.
    """
    kills, written = 0, 0
    command = [sys.executable, str(_CHILD), source, dest, str(_CHUNK)]
    while written < rows - (_FURTHEST + 5) * _CHUNK:
        code, written, said = _run(command, dice, dice.randint(2, _FURTHEST))
        if code != -signal.SIGKILL:
            return kills, [f"exit code {code}: {said[-500:]}"]
        kills += 1
    code, _, said = _run(command, dice, None)
    if code:
        return kills, [f"the last run exits with {code}: {said[-500:]}"]
    with closing(connect(dest)) as conn:
        found = fetchall("SELECT id FROM made ORDER BY id", conn, (), tuple_row_factory)
    ids = [number for (number,) in found]
    lost, twice = set(range(rows)) - set(ids), len(ids) - len(set(ids))
    wrong = [] if ids == list(range(rows)) else [f"{len(lost)} lost, {twice} twice"]
    return kills, wrong


def _run(command, dice, after):
    """Let a run go on chunk by chunk; kill it while it is at the one with number *after*."""
    written = 0
    with subprocess.Popen(command, env=environment(), **_PIPES) as child:
        for number, line in enumerate(child.stdout, 1):
            written = int(line)
            child.stdin.write(b"go on\n")
            child.stdin.flush()
            if number == after:
                time.sleep(dice.choice([0, dice.random() * 0.004]))
                os.kill(child.pid, signal.SIGKILL)
                break
        said = child.stderr.read().decode()
    return child.returncode, written, said


def main(least):
    rows, bad = 8000, 0
    with ExitStack() as stack:
        postgresql = stack.enter_context(servers.postgresql())
        mariadb = stack.enter_context(servers.mariadb())
        execute("CREATE DATABASE test", mariadb.url.replace("/test", "/mysql"))
        for name in ("sqlite", "postgresql", "mysql", "duckdb"):
            kills, seeds, began = 0, 0, time.monotonic()
            while kills < least:
                seeds += 1
                with tempfile.TemporaryDirectory(prefix="rf-copies-") as folder:
                    at = {"postgresql": postgresql.url, "mysql": mariadb.url}
                    dest = at.get(name, f"{name}:///{folder}/dest.db")
                    execute("DROP TABLE IF EXISTS made", dest)
                    execute("CREATE TABLE made (id INTEGER, v VARCHAR(40))", dest)
                    source = make_source(f"{folder}/source.db", rows)
                    more, wrong = kill_again_and_again(source, dest, rows, Random(seeds))
                kills += more
                bad += bool(wrong)
                for one in wrong:
                    print(f"{name}, seed {seeds}: {one}", flush=True)
            seconds = time.monotonic() - began
            print(f"{name}: {kills} kills, seeds 1 to {seeds}, {seconds:.0f} s", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="torture.copies")
    parser.add_argument("--kills", type=int, default=100)
    sys.exit(main(parser.parse_args().kills))
