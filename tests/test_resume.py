"""Real processes, killed or interrupted at any moment, and started again: the count is true."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

import rowferry
from rowferry.testing import Answer, FakeApi, RandomFaults

ROWS = 1_200
PROGRAM = textwrap.dedent("""
    import sqlite3, sys
    import rowferry as etl
    conn = sqlite3.connect(sys.argv[1])
    retry = etl.Retry(initial_backoff=0.01)
    more = eval(sys.argv[4])
    api = etl.Api(sys.argv[3], retry=retry, **more.pop("like", {}))
    try:
        report = etl.copy_to_api(
            "SELECT * FROM t", conn, api, key="id", journal=etl.Journal(sys.argv[2]), **more
        )
    except etl.exceptions.RowferryError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    sys.exit(report.exit_code)
""")


class Judge:
    """An API that counts how often it took each record, and under which idempotency keys."""

    def __init__(self, faults=None, delay=0.003):
        self.taken = Counter()
        self.keys = {}
        self.delay = delay
        self.faults = faults or (lambda request: 201)

    def __call__(self, request):
        reply = self.faults(request)
        status = reply.status if isinstance(reply, Answer) else reply
        refused = isinstance(reply, Answer) and status in {429, 503}
        for record in request.records():
            key = request.headers.get("idempotency-key")
            self.keys.setdefault(record["id"], set()).add(key)
            self.taken[record["id"]] += not refused
        return Answer(status=reply, delay=self.delay) if isinstance(reply, int) else reply


@pytest.fixture
def job(tmp_path):
    with closing(sqlite3.connect(tmp_path / "source.db")) as conn:
        conn.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
        conn.executemany(
            "INSERT INTO t VALUES (?, ?)", [(number, "x") for number in range(1, ROWS + 1)]
        )
        conn.commit()
    started = []

    def start(api, **more):
        paths = map(str, (tmp_path / "source.db", tmp_path / "journal.db"))
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *paths, api.url, repr(more)],
                env=os.environ | {"PYTHONPATH": str(Path(rowferry.__file__).parents[1])},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for child in started:
        kill(child)


def kill(child):
    child.kill()
    child.wait()
    child.stderr.close()


def until_received(api, count, child):
    deadline = time.monotonic() + 60
    while len(api.received) < count and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def killed_again_and_again(job, api, seed, kills, **more):
    """Kill runs after a random number of requests, then let one end; give its exit code."""
    dice = random.Random(seed)
    for _ in range(kills):
        child = job(api, **more)
        until_received(api, len(api.received) + dice.randrange(20, ROWS // 8), child)
        kill(child)
    child = job(api, **more)
    _, said = child.communicate(timeout=60)
    return child.returncode, said


def journal(tmp_path, query):
    with closing(sqlite3.connect(tmp_path / "journal.db")) as conn:
        return conn.execute(query).fetchall()


def test_nothing_is_lost_and_what_may_double_is_counted_record_by_record(job, tmp_path):
    judge = Judge(RandomFaults(0.05, seed=1))
    with FakeApi(judge) as api:
        code, said = killed_again_and_again(job, api, 1, kills=4)
    assert code == 0, said
    assert set(judge.taken) == set(range(1, ROWS + 1))
    maybe = dict(journal(tmp_path, "SELECT CAST(position AS INTEGER), n FROM maybe_duplicated"))
    assert {key: n for key, n in judge.taken.items() if n - 1 > maybe.get(key, 0)} == {}
    assert {len(keys) for keys in judge.keys.values()} == {1}
    row = journal(tmp_path, "SELECT read, delivered, dead, maybe_duplicated, state FROM passes")
    assert row == [(ROWS, ROWS, 0, sum(maybe.values()), "complete")]


def test_a_batch_is_gone_on_with_record_by_record(job, tmp_path):
    judge = Judge(RandomFaults(0.05, seed=3), delay=0.02)
    batches = {"body_format": "ndjson", "batch_size": 5}
    with FakeApi(judge) as api:
        dice = random.Random(3)
        for _ in range(3):
            child = job(api, like=batches)
            until_received(api, len(api.received) + dice.randrange(10, 50), child)
            kill(child)
        child = job(api, like=batches)
        child.communicate(timeout=60)
    assert child.returncode == 0
    assert set(judge.taken) == set(range(1, ROWS + 1))
    maybe = dict(journal(tmp_path, "SELECT CAST(position AS INTEGER), n FROM maybe_duplicated"))
    assert {key: n for key, n in judge.taken.items() if n - 1 > maybe.get(key, 0)} == {}
    assert {key for keys in judge.keys.values() for key in keys} == {None}


def test_at_most_once_holds_across_kills(job, tmp_path):
    judge = Judge(RandomFaults(0.02, seed=4))
    once = {"on_ambiguous": "dead_letter"}
    with FakeApi(judge) as api:
        code, said = killed_again_and_again(job, api, 4, kills=3, like=once)
    assert code == 3, said
    assert {key: n for key, n in judge.taken.items() if n > 1} == {}
    dead = {key for (key,) in journal(tmp_path, "SELECT CAST(key AS INTEGER) FROM dead_letters")}
    assert set(range(1, ROWS + 1)) - set(judge.taken) <= dead
    reasons = {reason for (reason,) in journal(tmp_path, "SELECT reason FROM dead_letters")}
    assert "ambiguous (interrupted)" in reasons
    row = journal(tmp_path, "SELECT read, delivered + dead, maybe_duplicated FROM passes")
    assert row == [(ROWS, ROWS, 0)]


def test_a_row_that_changed_goes_as_it_is_now_under_the_same_idempotency_key(job, tmp_path):
    seen = {}

    def answer(request):
        seen.setdefault(request.headers["idempotency-key"], []).append(request.json())
        return None if request.json()["name"] == "x" else 201

    with FakeApi(answer) as api:
        child = job(api, limit=3)
        until_received(api, 3, child)
        kill(child)
        with closing(sqlite3.connect(tmp_path / "source.db")) as conn:
            conn.execute("UPDATE t SET name = 'y'")
            conn.execute("DELETE FROM t WHERE id = 2")
            conn.commit()
        child = job(api, limit=2)
        child.communicate(timeout=30)
    assert child.returncode == 0
    bodies = [[(record["id"], record["name"]) for record in records] for records in seen.values()]
    assert sorted(bodies) == [[(1, "x"), (1, "y")], [(2, "x")], [(3, "x"), (3, "y")]]


def test_the_first_interrupt_lets_what_is_in_flight_finish_and_commits_it(job, tmp_path):
    judge = Judge(delay=0.1)
    with FakeApi(judge) as api:
        child = job(api)
        until_received(api, 100, child)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
        assert "KeyboardInterrupt" in said
        assert "the transfer ended early" in said
        ((delivered, doubted),) = journal(
            tmp_path, "SELECT delivered, maybe_duplicated FROM passes"
        )
        assert (delivered, doubted) == (sum(judge.taken.values()), 0)
        judge.delay = 0
        job(api).communicate(timeout=60)
    assert set(judge.taken.values()) == {1}
    assert len(judge.taken) == ROWS


def test_the_second_interrupt_commits_what_is_known_and_ends_at_once(job, tmp_path):
    hang_after_fifty = lambda request: 201 if request.number < 50 else None
    with FakeApi(hang_after_fifty) as api:
        child = job(api)
        until_received(api, 60, child)
        child.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        begun = time.monotonic()
        child.communicate(timeout=20)
        assert time.monotonic() - begun < 15  # not the 30 s of grace
    assert journal(tmp_path, "SELECT delivered FROM passes") == [(50,)]
