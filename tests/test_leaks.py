"""However a transfer ends, nothing of it is left: no task, thread, socket, cursor, transaction."""

import asyncio
import contextlib
import gc
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import rowferry
from rowferry import (
    Api,
    Budget,
    Limits,
    Retry,
    abort_etlhelper_threads,
    acopy_to_api,
    apost_rows,
    copy_to_api,
    execute,
    iter_rows,
    load,
    post_rows,
)
from rowferry.exceptions import AbortError, RejectedError, SourceError, TransferError
from rowferry.pipeline import Run
from rowferry.running import _deliver, of_rows
from rowferry.testing import Answer, FakeApi
from scripted import LONG, auntil, until

FOLDER = str(Path(rowferry.__file__).parent)


def descriptors():
    return list(Path("/proc/self/fd").iterdir())


@pytest.fixture(scope="module", autouse=True)
def warm():
    """Have uvloop open the pipe that it keeps for the whole process."""
    with FakeApi() as api:
        post_rows([], api.url)


@contextlib.contextmanager
def nothing_left(conn=None):
    """Expect that threads and descriptors are afterwards what they were, and *conn* at rest."""
    gc.collect()
    threads, before = set(threading.enumerate()), len(descriptors())
    yield
    until(lambda: set(threading.enumerate()) <= threads, "the end of all threads")
    until(lambda: len(descriptors()) <= before, "the end of all sockets")
    if conn is not None:
        assert not conn.in_transaction
        conn.execute("DROP TABLE t")  # refused while a cursor is open
        conn.commit()


@pytest.fixture
def table(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "t.db", check_same_thread=False)) as conn:
        execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", conn)
        load("t", conn, [{"id": n, "name": f"row {n}"} for n in range(1000)])
        yield conn


SELECT = "SELECT * FROM t"


def raising(error):
    def fail(*_):
        raise error

    return fail


def MIXED(request):  # noqa: N802 - it stands where a status does
    """Take the first record and no other."""
    return 422 if request.number else 201


CASES = {
    "success": (201, {}, None),
    "a limit": (201, {"limit": 150}, None),
    "a rejection": (422, {}, RejectedError),
    "rejections": (
        422,
        {"on_error": lambda failed: None, "budget": Budget(max_dead_from_start=None)},
        None,
    ),
    "rejections from the start": (422, {"on_error": lambda failed: None}, TransferError),
    "a stop": (302, {}, TransferError),
    "an outage": (500, {}, TransferError),
    "a hang": (None, {"budget": Budget(deadline=0.2, grace=0.1)}, TransferError),
    "a transform that raises": (201, {"transform": raising(LookupError())}, LookupError),
    "Ctrl-C in a transform": (201, {"transform": raising(KeyboardInterrupt())}, KeyboardInterrupt),
    "sys.exit in a transform": (201, {"transform": raising(SystemExit(3))}, SystemExit),
    "an on_error that raises": (MIXED, {"on_error": raising(LookupError())}, LookupError),
    "Ctrl-C in on_error": (MIXED, {"on_error": raising(KeyboardInterrupt())}, KeyboardInterrupt),
    "Ctrl-C in progress": (201, {"progress": raising(KeyboardInterrupt())}, KeyboardInterrupt),
    "a bad key": (201, {"key": "nope"}, rowferry.exceptions.ConfigError),
}


@pytest.mark.parametrize("awaited", [False, True], ids=["blocking", "awaited"])
@pytest.mark.parametrize("case", CASES)
def test_nothing_is_left_after(case, awaited, table):
    answer, options, error = CASES[case]
    with FakeApi(answer) as api:
        retry = Retry(max_retries=2, initial_backoff=0.001, max_retry_age=0.3)
        target = Api(api.url, retry=retry)
        with nothing_left(table):
            with pytest.raises(error) if error else contextlib.nullcontext():
                if awaited:
                    asyncio.run(left_no_tasks(acopy_to_api(SELECT, table, target, **options)))
                else:
                    copy_to_api(SELECT, table, target, **options)
            until(lambda: not api.open_connections, "the end of all connections")


async def left_no_tasks(transfer):
    """Await *transfer*; no task but this one is left in the loop."""
    try:
        return await transfer
    finally:
        assert asyncio.all_tasks() == {asyncio.current_task()}


def test_nothing_is_left_after_a_source_that_fails(table):
    table.create_function("fails_at", 1, lambda n: 1 // (n - 300) and n)
    with FakeApi() as api, nothing_left(table):
        with pytest.raises(SourceError):
            copy_to_api("SELECT fails_at(id) FROM t", table, api.url)
        until(lambda: not api.open_connections)


def test_nothing_is_left_of_a_connection_of_our_own(tmp_path, table):
    with FakeApi(422) as api, nothing_left():
        with pytest.raises(RejectedError):
            copy_to_api(SELECT, f"sqlite:///{tmp_path}/t.db", api.url)
        until(lambda: not api.open_connections)


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, LookupError, MemoryError])
def test_a_generator_of_rows_that_raises_leaves_nothing(error):
    def rows():
        yield from ({"id": n} for n in range(150))
        raise error

    with FakeApi() as api, nothing_left():
        with pytest.raises(error):
            post_rows(rows(), api.url)
        until(lambda: not api.open_connections)


def test_a_generator_is_closed_when_the_run_is_stopped():
    closed = threading.Event()

    def rows():
        try:
            for number in range(10**9):
                yield {"id": number}
        finally:
            closed.set()

    with FakeApi(422) as api, nothing_left():
        with pytest.raises(RejectedError):
            post_rows(rows(), api.url)
        assert closed.is_set()
        until(lambda: not api.open_connections)


def test_an_async_generator_is_closed_when_the_run_is_stopped():
    closed = []

    async def rows():
        try:
            number = 0
            while True:
                yield {"id": number}
                number += 1
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    async def transfer(api):
        try:
            await apost_rows(rows(), api.url)
        finally:
            assert closed
            assert asyncio.all_tasks() == {asyncio.current_task()}

    with FakeApi(422) as api, nothing_left():
        with pytest.raises(RejectedError):
            asyncio.run(transfer(api))
        until(lambda: not api.open_connections)


# cancelling


@pytest.mark.parametrize("answers", [True, False])
def test_cancelling_the_awaitable_face_leaves_nothing_and_tells_how_far_it_got(answers, table):
    async def cancelled(api):
        api.hold()
        limits = Limits(max_in_flight=8)
        grace = LONG if answers else 0
        running = asyncio.ensure_future(
            acopy_to_api(SELECT, table, Api(api.url, limits=limits), budget=Budget(grace=grace))
        )
        await auntil(lambda: api.in_flight == 8)
        running.cancel()
        if answers:
            await asyncio.sleep(0.05)
            assert not running.done()
            api.release()
        with pytest.raises(asyncio.CancelledError) as caught:
            await running
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return caught.value

    with FakeApi() as api, nothing_left(table):
        error = asyncio.run(cancelled(api))
        until(lambda: not api.open_connections)
        assert len(api.received) == 8
    delivered = 8 if answers else 0
    assert f"the transfer ended early: {delivered} delivered" in error.__notes__[0]


def test_cancelling_twice_does_not_wait_for_answers(table):
    async def cancelled(api):
        target = Api(api.url, limits=Limits(concurrency=64))
        running = asyncio.ensure_future(acopy_to_api(SELECT, table, target))
        await auntil(lambda: api.in_flight == 64)
        running.cancel()
        await asyncio.sleep(0.05)
        assert not running.done()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with FakeApi(None) as api, nothing_left(table):
        asyncio.run(cancelled(api))
        until(lambda: not api.open_connections)


def test_a_timeout_around_the_awaitable_face_is_a_timeout(table):
    async def too_long(api):
        async with asyncio.timeout(0.1):
            await acopy_to_api(SELECT, table, api.url, budget=Budget(grace=0))

    with FakeApi(None) as api, nothing_left(table):
        with pytest.raises(TimeoutError):
            asyncio.run(too_long(api))
        until(lambda: not api.open_connections)


@pytest.mark.parametrize("when", range(6))
def test_cancelling_at_the_very_beginning_leaves_nothing(table, when):
    async def cancelled(api):
        running = asyncio.ensure_future(
            acopy_to_api(SELECT, table, api.url, budget=Budget(grace=0))
        )
        for _ in range(when):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(running), LONG)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with FakeApi(None) as api, nothing_left(table):
        asyncio.run(cancelled(api))
        until(lambda: not api.open_connections)


def test_an_async_source_that_waits_is_cancelled_with_the_run():
    closed = []

    async def rows():
        try:
            yield {"id": 1}
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def cancelled(api):
        running = asyncio.ensure_future(apost_rows(rows(), api.url))
        await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert closed
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with FakeApi() as api, nothing_left():
        asyncio.run(cancelled(api))
        until(lambda: not api.open_connections)


def test_cancelling_in_a_transform_ends_the_fetch_that_would_follow():
    in_transform = threading.Event()

    async def rows():
        yield {"id": 1}
        await asyncio.sleep(LONG)
        yield {"id": 2}

    def transform(chunk):
        in_transform.set()
        time.sleep(0.3)
        return chunk

    async def cancelled(api):
        running = asyncio.ensure_future(apost_rows(rows(), api.url, transform=transform))
        await auntil(in_transform.is_set)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert asyncio.all_tasks() == {asyncio.current_task()}

    began = time.monotonic()
    with FakeApi() as api, nothing_left():
        asyncio.run(cancelled(api))
        until(lambda: not api.open_connections)
    assert time.monotonic() - began < LONG / 2


@pytest.mark.parametrize("generator", [True, False])
def test_what_a_transform_raises_while_an_async_source_waits_is_what_is_raised(generator):
    closed = []

    async def rows():
        try:
            yield {"id": 1}
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    class Rows:
        """An async iterator that is no generator."""

        def __init__(self):
            self._rows = rows()

        def __aiter__(self):
            return self

        async def __anext__(self):
            return await anext(self._rows)

    async def transfer(api):
        source = rows() if generator else Rows()
        with pytest.raises(LookupError, match="mine") as caught:
            await left_no_tasks(apost_rows(source, api.url, transform=raising(LookupError("mine"))))
        assert closed
        return caught.value

    with FakeApi() as api, nothing_left():
        error = asyncio.run(transfer(api))
        until(lambda: not api.open_connections)
    assert error.__context__ is None


def test_batches_that_are_refused_during_the_grace_leave_no_timer_on_the_loop():
    async def cancelled(api):
        target = Api(api.url, limits=Limits(concurrency=64))
        running = asyncio.ensure_future(apost_rows([{"id": n} for n in range(64)], target))
        await auntil(lambda: api.in_flight == 64)
        running.cancel()
        await asyncio.sleep(0.05)
        api.release()
        with pytest.raises(asyncio.CancelledError):
            await running
        timers = asyncio.get_running_loop()._scheduled
        return [timer for timer in timers if not timer.cancelled()]

    with FakeApi(Answer(status=429, headers={"Retry-After": "300"})) as api, nothing_left():
        api.hold()
        assert asyncio.run(cancelled(api)) == []
        until(lambda: not api.open_connections)


# aborting, and leaving a loop


@pytest.mark.parametrize("answer", [201, None])
def test_an_abort_leaves_nothing(answer, table):
    limits = Limits(max_in_flight=4, max_buffer_bytes=100)
    with FakeApi(Answer(delay=0.01) if answer else None) as api, nothing_left(table):
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(
                copy_to_api, SELECT, table, Api(api.url, limits=limits), budget=Budget(grace=0.1)
            )
            until(lambda: len(api.received) >= 4)
            abort_etlhelper_threads()
            with pytest.raises(AbortError) as caught:
                running.result()
        until(lambda: not api.open_connections)
    assert "the transfer ended early: " in caught.value.__notes__[0]


def test_an_abort_of_before_does_not_concern_a_run(table):
    abort_etlhelper_threads()
    with FakeApi() as api:
        assert copy_to_api(SELECT, table, api.url).delivered == 1000


def test_a_break_out_of_an_iterator_leaves_nothing(table):
    with nothing_left(table):
        for row in iter_rows(SELECT, table):
            if row["id"] == 7:
                break
        del row


def test_rows_of_an_iterator_that_fail_to_be_posted_leave_nothing(table):
    with FakeApi(422) as api, nothing_left(table):
        with pytest.raises(RejectedError):
            post_rows(iter_rows(SELECT, table), api.url)
        until(lambda: not api.open_connections)


def test_many_transfers_leave_nothing(table):
    with FakeApi() as api, nothing_left(table):
        for _ in range(20):
            copy_to_api(SELECT, table, api.url, limit=30)
        until(lambda: not api.open_connections)


# Ctrl-C in a program of its own


PROGRAM = textwrap.dedent(
    """
    import os, signal, sqlite3, sys, threading, time
    import rowferry as etl

    conn = sqlite3.connect(":memory:")
    conn.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    etl.load("t", conn, [{"id": n} for n in range(5000)])
    etl.post_rows([], sys.argv[1])  # uvloop keeps a pipe for the whole process
    before = len(os.listdir("/proc/self/fd"))
    print("ready", flush=True)
    try:
        etl.copy_to_api("SELECT * FROM t", conn, sys.argv[1])
    except KeyboardInterrupt as error:
        print(error.__notes__[0])
    time.sleep(0.05)
    print([thread.name for thread in threading.enumerate()], conn.in_transaction,
          len(os.listdir("/proc/self/fd")) - before)
    conn.execute("DROP TABLE t")
    conn.close()
    """
)


def test_ctrl_c_leaves_nothing():
    with FakeApi(Answer(delay=0.02)) as api:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, api.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(FOLDER).parent)},
        )
        until(lambda: len(api.received) > 200)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LONG)
        until(lambda: not api.open_connections)
        _ready, note, rest = out.splitlines()
        assert f"{len(api.received)} delivered" in note.replace(",", "")
    assert (rest, err, process.returncode) == ("['MainThread'] False 0", "", 0)


LOOP_CLOSED = textwrap.dedent(
    """
    import asyncio, sys
    import rowferry as etl

    async def rows():
        yield {"id": 1}
        await asyncio.sleep(3600)

    loop = asyncio.new_event_loop()
    sources = [{"id": n} for n in range(10)], rows()
    api = etl.Api(sys.argv[1], limits=etl.Limits(concurrency=64))
    left = [loop.create_task(etl.apost_rows(source, api)) for source in sources]
    loop.run_until_complete(asyncio.sleep(0.5))
    loop.close()
    print("closed", flush=True)
    """
)


def test_a_loop_that_is_closed_early_does_not_hold_up_the_end_of_the_program():
    with FakeApi(None) as api:
        process = subprocess.Popen(
            [sys.executable, "-c", LOOP_CLOSED, api.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,  # asyncio says what was left
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(FOLDER).parent)},
        )
        try:
            out, _ = process.communicate(timeout=LONG / 2)
        finally:
            process.kill()
        assert len(api.received) == 11
    assert (out, process.returncode) == ("closed\n", 0)


def test_an_interrupt_before_delivery_has_begun_does_not_hang():
    class Interrupted(threading.Event):
        """Where Ctrl-C arrives while the reading thread waits for the other one."""

        def wait(self, timeout=None):
            raise KeyboardInterrupt

    with FakeApi() as api:
        run = Run(of_rows([{"id": 1}], Api(api.url)))
        run._delivering = Interrupted()
        reading = threading.Thread(target=run.read, daemon=True)
        reading.start()
        until(lambda: run._error is not None)
        delivering = threading.Thread(target=_deliver, args=(run,), daemon=True)
        delivering.start()
        reading.join(3)
        hung = reading.is_alive()
        run.stop(KeyboardInterrupt())  # ends it in any case
        assert not hung
