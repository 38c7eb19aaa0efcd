"""
What a row costs, counted and not timed: calls, memory and system calls, which no busy machine adds.

Each figure is what a longer transfer took more than a shorter one, a row: what happens once in a
run does not show. The bounds are what was counted on Python 3.11 and 3.13, which agree, and half a
call or half a block more: one more a row fails. One that is needed has its reason in the commit
that raises the bound.
"""

import contextlib
import gc
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from pathlib import Path

import pytest

import servers
from rowferry import Api, Journal, Limits, copy_to_api, per_row
from rowferry.testing import FakeApi

SELECT = "SELECT * FROM item"
FEW, MANY = 1000, 3000
IN_FLIGHT = 8


@contextlib.contextmanager
def table(rows):
    """Give a connection to a table with so many rows."""
    with contextlib.closing(sqlite3.connect(":memory:")) as conn:
        conn.execute(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT, price REAL, active INT)"
        )
        cells = ((1000 + n, f"C{n}", n + 0.25, n % 2) for n in range(rows))
        conn.executemany("INSERT INTO item VALUES (?, ?, ?, ?)", cells)
        conn.commit()
        yield conn


def transfer(conn, api, *, path="", body_format="json", batch_size=None, **options):
    limits = Limits(concurrency=IN_FLIGHT)  # a fixed number: what an adaptive one tries varies
    api = Api(api.url + path, limits=limits, body_format=body_format, batch_size=batch_size)
    return copy_to_api(SELECT, conn, api, **options)


def counted(rows, *, delivery=True, **options):
    """
    Give the calls of a transfer, by name: those of Python and those of C.

    Args:
        delivery: whether the event loop's thread is counted as well as the reading one.
    """
    python, c = Counter(), Counter()

    def note(frame, event, argument):
        if event == "call":
            python[f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname}"] += 1
        elif event == "c_call":
            c[argument.__qualname__] += 1

    with table(rows) as conn, FakeApi() as api:
        threading.setprofile(note if delivery else None)
        sys.setprofile(note)
        try:
            report = transfer(conn, api, **options)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    assert report.delivered == rows
    return python, c


def differ(few, many, count):
    """
    Give how often each name was called more, for each of *count*, where it was every second or so.

    What a clock drives (timeouts, heartbeats) and what is done for a chunk is called less often.
    """
    rates = {name: (many[name] - few[name]) / count for name in many}
    return {name: round(rate, 2) for name, rate in rates.items() if rate >= 0.5}


def told(calls):
    return "\n".join(f"{rate:5.2f} {name}" for name, rate in sorted(calls.items()))


# one row a request

ADDED = 0.5
ADDED_OF_C = 1.15
COMPREHENSION = sys.version_info < (3, 12)
"""Whether a dict comprehension is a call: it is one in 3.11."""


@pytest.mark.parametrize(
    ("way", "most", "most_of_c"),
    [
        ({}, 10, 7),
        ({"key": "id"}, 10, 12),  # idempotency keys: a hash a row, and no call of Python
        ({"path": "/{id}"}, 10, 8),
        ({"key": "id", "journal": True}, 11, 16),
        ({"transform": per_row(dict)}, 13 + COMPREHENSION, 13),
    ],
    ids=["plain", "key", "path", "journal", "per_row"],
)
def test_a_row_takes_so_many_calls_where_it_has_a_request_of_its_own(
    way, most, most_of_c, tmp_path
):
    found = []
    for rows in (FEW, MANY):
        here = way | ({"journal": Journal(tmp_path / f"{rows}.db")} if "journal" in way else {})
        found.append(counted(rows, **here))
    python, c = (differ(few, many, MANY - FEW) for few, many in zip(*found, strict=True))
    assert most - 1 < sum(python.values()) < most + ADDED, told(python)
    assert sum(c.values()) < most_of_c * ADDED_OF_C, told(c)


# many rows a request

BATCH = 100
SOME, LOTS = 10_000, 30_000


@pytest.mark.parametrize("body_format", ["ndjson", "json_array"])
def test_no_call_is_made_for_each_row_of_a_batch(body_format):
    (few, _), (many, _) = (
        counted(rows, body_format=body_format, batch_size=BATCH) for rows in (SOME, LOTS)
    )
    calls = {name: round((many[name] - few[name]) / (LOTS - SOME), 4) for name in many}
    assert sum(calls.values()) < ADDED, told(calls)


def test_the_reading_thread_makes_so_many_calls_for_each_batch():
    few, many = (
        counted(rows, body_format="ndjson", batch_size=BATCH, delivery=False)[0]
        for rows in (SOME, LOTS)
    )
    calls = differ(few, many, (LOTS - SOME) // BATCH)
    assert 2 < sum(calls.values()) < 3 + ADDED, told(calls)


# memory


def waiting(chunk_size, **options):
    """Give the records that wait where nothing is answered, and the blocks that there are then."""
    heard, found = [], []

    def listen(progress):
        heard.append(progress.records)
        if len(heard) > 2 and heard[-3] == heard[-1] and not found:  # there is no more room
            gc.collect()
            found.append((progress.records, sys.getallocatedblocks()))
            api.release()

    with table(5 * chunk_size) as conn, FakeApi() as api:
        api.hold()
        transfer(conn, api, chunk_size=chunk_size, progress=listen, **options)
    return found[0]


@pytest.mark.parametrize(
    ("way", "most"),
    [
        ({}, 4.33),
        ({"key": "id"}, 7.95),
        ({"body_format": "ndjson", "batch_size": BATCH}, 2.71),
    ],
    ids=["plain", "key", "batches"],
)
def test_a_record_that_waits_takes_so_many_blocks(way, most):
    waiting(300, **way)  # what is made once is there
    (few, before), (many, after) = (waiting(size, **way) for size in (500, 2000))
    assert many > 2 * few
    blocks = (after - before) / (many - few)
    assert most - 1 < blocks < most + ADDED


def left(rows, **options):
    """Give the blocks that a transfer leaves, and the objects that only a collection frees."""
    gc.collect()
    gc.disable()
    try:
        with table(rows) as conn, FakeApi() as api:
            transfer(conn, api, **options)
            garbage = gc.collect()
        del api  # which keeps what it received
        gc.collect()
        return sys.getallocatedblocks(), garbage
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "way",
    [{}, {"key": "id"}, {"body_format": "ndjson", "batch_size": BATCH}],
    ids=["plain", "key", "batches"],
)
def test_a_row_leaves_no_block_behind_and_nothing_to_collect(way):
    left(FEW, **way)
    (few, few_collected), (many, many_collected) = (left(rows, **way) for rows in (FEW, MANY))
    assert (many - few) / (MANY - FEW) < 0.1
    assert (many_collected - few_collected) / (MANY - FEW) < 0.1


# system calls

KINDS = {
    "write": ("write", "writev", "sendto", "sendmsg"),
    "read": ("read", "readv", "recvfrom", "recvmsg"),
    "wait": ("epoll_wait", "epoll_pwait"),
}
CALLS = "trace=" + ",".join(name for names in KINDS.values() for name in names)
SCRIPT = """
    import sys
    import rowferry
    url, rows = sys.argv[1], int(sys.argv[2])
    api = rowferry.Api(url, limits=rowferry.Limits(concurrency=8))
    assert rowferry.post_rows([{"id": n} for n in range(rows)], api).delivered == rows
"""


def system_calls(strace, rows, folder):
    """Give the system calls of a process that transfers so many rows."""
    place = folder / f"{rows}.txt"
    with FakeApi() as api:
        script = [sys.executable, "-c", textwrap.dedent(SCRIPT), api.url, str(rows)]
        command = [strace, "-f", "-c", "-U", "calls,name", "-e", CALLS, "-o", place, *script]
        subprocess.run(command, check=True, timeout=90)
    lines = [line.split() for line in place.read_text().splitlines()]
    numbers = {name: int(calls) for calls, name in lines if calls.isdigit()}
    return {kind: sum(numbers.get(name, 0) for name in names) for kind, names in KINDS.items()}


def test_a_request_is_one_write_one_read_and_one_wait_at_most(tmp_path):
    strace = shutil.which("strace") or servers.missing("strace", "apt-get install strace")
    few, many = (system_calls(strace, rows, tmp_path) for rows in (FEW, MANY))
    calls = {kind: (many[kind] - few[kind]) / (MANY - FEW) for kind in KINDS}
    assert 0.9 < calls["write"] < 1 + ADDED
    assert 0.9 < calls["read"] < 1 + ADDED
    assert calls["wait"] < 1 + ADDED
