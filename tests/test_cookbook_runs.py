"""Recipes of the cookbook about when and where a job runs: each as a program, and its job."""

import asyncio
import datetime as dt
import functools
import json
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

import rowferry as etl
from command_line import environ, wait_until
from cookbook import RECIPES, recipe, run  # noqa: F401 (a fixture)
from rowferry.exceptions import AuthError
from rowferry.testing import Answer, FakeApi

NOW = dt.datetime(2026, 3, 1, 2, 0, tzinfo=dt.UTC)


def ids(api):
    return sorted(record["id"] for record in api.records)


def test_nightly_incremental_tells_what_each_night_sends(run):  # noqa: F811
    lines = run("nightly_incremental")
    nights = [line for line in lines if ": exit code " in line]
    assert nights == [
        "the first: exit code 0, sent [1, 2]",
        "nothing new: exit code 0, sent []",
        "one was late: exit code 0, sent [3, 4]",
        "the API is down: exit code 4, sent []",
        "all is well again: exit code 0, sent [2, 5]",
    ]


@pytest.fixture
def night(psycopg_connection, postgresql, tmp_path):
    """Let a night's job run: give its exit code, and the ids that it sent."""
    etl.execute(
        "CREATE TABLE reading (id integer PRIMARY KEY, sensor text, depth numeric, "
        "changed timestamptz)",
        psycopg_connection,
    )
    job = recipe("nightly_incremental")

    def night(answer=201, down=False):
        with FakeApi(answer) as api:
            # A journal belongs to one URL, and each FakeApi has another port.
            night.api = etl.Api("http://api.example/readings", proxy=api.url[: -len("/records")])
            if down:
                api.refuse_connections()
            code = job.nightly(postgresql.url, night.api, tmp_path / "journal")
        return code, sorted(record["id"] for record in api.records)

    return night


def insert(conn, *rows):
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reading VALUES (%s, 'A', 1.5, %s) "
            "ON CONFLICT (id) DO UPDATE SET changed = excluded.changed",
            [(number, NOW + dt.timedelta(minutes=minutes)) for number, minutes in rows],
        )


def test_a_night_sends_what_is_new_or_changed_and_a_night_without_sends_nothing(
    night, psycopg_connection
):
    conn = psycopg_connection
    insert(conn, (1, 0), (2, 1))
    conn.commit()
    assert night() == (0, [1, 2])
    assert night() == (0, [])
    insert(conn, (3, 100), (1, 101))
    conn.commit()
    assert night() == (0, [1, 3])


def test_what_a_transaction_commits_after_the_night_is_sent_in_the_next_and_nothing_twice(
    night, psycopg_connection, postgresql
):
    insert(psycopg_connection, (1, 0))  # not committed: a transaction that takes its time
    with etl.connect(postgresql.url) as other:
        insert(other, (2, 20))
        other.commit()
        assert night() == (0, [2])
        psycopg_connection.commit()
        assert night() == (0, [1])
        assert night() == (0, [])


def test_after_a_night_without_api_the_next_sends_that_nights_rows_and_its_own(
    night, psycopg_connection, capsys
):
    conn = psycopg_connection
    insert(conn, (1, 0))
    conn.commit()
    assert night(down=True) == (4, [])
    out, err = capsys.readouterr()
    assert out == ""  # which would go into the log, where nobody looks
    assert "nothing was sent" in err
    insert(conn, (2, 100))
    conn.commit()
    assert night() == (0, [1, 2])


def test_a_night_that_breaks_off_is_gone_on_with_and_nothing_is_sent_twice(
    night, psycopg_connection
):
    conn = psycopg_connection
    insert(conn, *((number, 0) for number in range(500)))
    conn.commit()
    code, _ = night(lambda request: 201 if request.number < 200 else 401)
    assert code == 5
    code, sent = night()
    assert code == 0
    assert 0 < len(sent) <= 300
    assert night() == (0, [])


def test_a_record_that_is_refused_is_kept_and_somebody_is_told(
    night, psycopg_connection, tmp_path, capsys
):
    conn = psycopg_connection
    insert(conn, (1, 0), (2, 0))
    conn.commit()
    code, _ = night(lambda request: 422 if request.json()["id"] == 2 else 201)
    assert code == 3
    assert "1 delivered, 1 dead" in capsys.readouterr().err
    assert [letter["key"] for letter in etl.dead_letters(tmp_path / "journal")] == ["2"]


def test_scheduler_task_is_stopped_and_started_again(run):  # noqa: F811
    lines = run("scheduler_task")
    assert lines[0] == "Stopped; exit code 143"
    assert lines[-2:] == [
        "Started again; exit code 0",
        "2,000 orders at the API, 0 of them twice",
    ]


ORDERS = 1_000


@pytest.fixture
def orders(psycopg_connection, postgresql):
    """The URL of a database with orders."""
    etl.execute("CREATE TABLE orders (id integer PRIMARY KEY, amount numeric)", psycopg_connection)
    etl.load("orders", psycopg_connection, ({"id": n, "amount": n} for n in range(ORDERS)))
    return postgresql.url


@pytest.fixture
def start():
    """Start the task as a scheduler does; it is not left running."""
    started = []

    def start(*arguments):
        program = [sys.executable, RECIPES / "scheduler_task.py", *map(str, arguments)]
        started.append(subprocess.Popen(program, env=environ(), stdout=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def stopped(process, api, number):
    """Send a signal to a task once a third of the orders have come; give its exit code."""
    wait_until(lambda: len(api.received) >= ORDERS // 3)
    process.send_signal(number)
    return process.wait(timeout=30)


def test_a_task_that_gets_sigterm_lets_what_is_in_flight_finish_and_goes_on_when_started_again(
    orders, start, tmp_path
):
    with FakeApi(Answer(delay=0.03)) as api:
        arguments = (orders, api.url, tmp_path / "journal")
        assert stopped(start(*arguments), api, signal.SIGTERM) == 143
        assert 143 in recipe("scheduler_task").START_AGAIN
        assert api.in_flight == 0
        assert len(api.received) < ORDERS
        assert start(*arguments).wait(timeout=30) == 0
        assert ids(api) == list(range(ORDERS))  # each once


def test_a_task_that_is_killed_loses_nothing_and_knows_what_it_may_have_sent_twice(
    orders, start, tmp_path
):
    with FakeApi(Answer(delay=0.03)) as api:
        arguments = (orders, api.url, tmp_path / "journal")
        assert stopped(start(*arguments), api, signal.SIGKILL) == -signal.SIGKILL
        assert start(*arguments).wait(timeout=30) == 0
        sent = Counter(record["id"] for record in api.records)
    assert sorted(sent) == list(range(ORDERS))
    status = json.loads((tmp_path / "journal.status.json").read_text())
    assert sent.total() - len(sent) <= status["maybe_duplicated"]


@pytest.fixture
def task():
    """The job of the recipe, called here; the handler of SIGTERM is as before afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    yield recipe("scheduler_task")
    signal.signal(signal.SIGTERM, before)


def refusing(request):
    return 422 if request.json()["id"] % 100 == 0 else 201


@pytest.mark.parametrize(
    ("answer", "code", "again"),
    [(201, 0, False), (refusing, 3, False), (401, 5, False), (301, 2, False)],
)
def test_a_task_says_whether_starting_it_again_can_help(
    orders, task, tmp_path, answer, code, again
):
    with FakeApi(answer) as api:
        ended = task.task(orders, api.url, tmp_path / "journal")
    assert ended == code
    assert (ended in task.START_AGAIN) is again


def test_a_task_whose_api_or_database_is_down_is_to_be_started_again(orders, task, tmp_path):
    with FakeApi() as api:
        url = "postgresql://nobody@127.0.0.1:1/nowhere"
        assert task.task(url, api.url, tmp_path / "journal") in task.START_AGAIN
        api.refuse_connections()
        assert task.task(orders, api.url, tmp_path / "journal") in task.START_AGAIN
        api.listen()
        assert task.task(orders, api.url, tmp_path / "journal") == 0
        assert ids(api) == list(range(ORDERS))


def test_a_task_that_is_started_twice_at_a_time_sends_nothing_twice(orders, start, task, tmp_path):
    with FakeApi() as api:
        api.hold()
        first = start(orders, api.url, tmp_path / "journal")
        wait_until(lambda: api.received)
        assert task.task(orders, api.url, tmp_path / "journal") == 6
        assert 6 in task.START_AGAIN
        api.release()
        assert first.wait(timeout=30) == 0
        assert ids(api) == list(range(ORDERS))


def test_in_a_notebook_what_was_interrupted_is_gone_on_with(run):  # noqa: F811
    assert run("in_a_notebook") == [
        "Interrupted",
        "1,000 delivered, 0 dead",
        "1,000 requests for 1,000 readings",
    ]


def test_the_cells_of_the_notebook_run_in_order_in_a_loop_that_runs(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", Path(__file__).parent / "notebooks.py"),
            RECIPES / "notebook.ipynb",
        ],
        cwd=tmp_path,
        env=environ(TMPDIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("1,000 delivered, 0 dead")
    assert 500 <= int(lines[1].split()[0]) < 1_000
    assert lines[2].startswith("1,000 delivered, 0 dead")
    assert lines[3] == "1,000 arrived in all"
    assert lines[4].startswith("100 delivered, 0 dead")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def readings(tmp_path):
    """The URL of a database with readings."""
    with closing(sqlite3.connect(tmp_path / "readings.db")) as conn:
        rows = ({"id": number, "depth": number} for number in range(300))
        etl.load("reading", conn, rows, create=True, key="id")
    return f"sqlite:///{tmp_path}/readings.db"


def in_cells(function):
    """Run a test in a loop, as the cells of a notebook."""

    @functools.wraps(function)
    def test(*args, **fixtures):
        asyncio.run(function(*args, **fixtures))

    return test


@in_cells
async def test_from_a_running_loop_readings_go_out_each_by_its_path(readings, tmp_path):
    with FakeApi() as api:
        report = await recipe("in_a_notebook").send_readings(readings, api.url, tmp_path / "j")
    assert (report.delivered, report.exit_code) == (300, 0)
    assert {request.path for request in api.received} == {f"/records/{n}" for n in range(300)}


@in_cells
async def test_a_cell_that_is_cancelled_is_gone_on_with_when_it_is_run_again(readings, tmp_path):
    job = recipe("in_a_notebook")
    with FakeApi(Answer(delay=0.02)) as api:
        task = asyncio.create_task(job.send_readings(readings, api.url, tmp_path / "j"))
        while len(api.received) < 100:  # noqa: ASYNC110 (it is another thread's)
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 100 <= len(api.received) < 300
        await job.send_readings(readings, api.url, tmp_path / "j")
    assert ids(api) == list(range(300))


@in_cells
async def test_a_cell_that_fails_says_how_far_it_got(readings, tmp_path):
    job = recipe("in_a_notebook")
    answer = lambda request: 200 if request.number < 50 else 401
    with FakeApi(answer) as api, pytest.raises(AuthError) as raised:
        await job.send_readings(readings, api.url, tmp_path / "j")
    assert raised.value.report.delivered == 50
    assert raised.value.report.pending > 0
