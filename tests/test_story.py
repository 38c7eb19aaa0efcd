"""The programs of docs/story.md: all rows arrive, and what each loses when something fails."""

import importlib.util
import json
import re
import shlex
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import rowferry as etl
from command_line import environ
from rowferry.testing import Answer, FakeApi
from scripted import LONG, until

aiohttp = pytest.importorskip("aiohttp")
requests = pytest.importorskip("requests")

ROOT = Path(__file__).parent.parent
STORY = ROOT / "examples" / "story"
QUERY = "SELECT id, code FROM sensor ORDER BY id"
ROWS = [{"id": number, "code": f"S{number:03}"} for number in range(1, 601)]
CHUNK = 200
MIDDLE = 300  # the row that meets the failure; in the second chunk
WAYS = ("sequential", "chunks", "workers", "ferry")


def way(name):
    """Give a program of the story as a module."""
    spec = importlib.util.spec_from_file_location(name, STORY / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.CHUNK = CHUNK
    return module


@pytest.fixture
def database(tmp_path):
    with closing(sqlite3.connect(tmp_path / "sensors.db")) as conn:
        conn.execute("CREATE TABLE sensor (id INTEGER PRIMARY KEY, code TEXT)")
        conn.executemany("INSERT INTO sensor VALUES (:id, :code)", ROWS)
        conn.commit()
    return tmp_path / "sensors.db"


def send(name, database, api, *more):
    with closing(sqlite3.connect(database)) as conn:
        return way(name).send(QUERY, conn, api.url, *more)


def taken(api, answer):
    """Give the ids of the records that were answered with 201, as *answer* tells."""
    return [request.json()["id"] for request in api.received if answer(request) == 201]


@pytest.fixture
def report(monkeypatch):
    """What writes the page, as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("story_report")


def test_the_page_has_all_programs():
    assert {path.stem for path in STORY.glob("*.py")} == set(WAYS)
    page = (ROOT / "docs" / "story.md").read_text(encoding="utf-8")
    for name in WAYS:
        assert f"<!-- {name}.py -->\n```python\n" in page


@pytest.mark.parametrize("name", WAYS)
def test_the_command_of_the_page_runs_with_the_database_of_the_quickstart(name, tmp_path):
    quickstart = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    (make,) = re.findall(r"```python\n(# make\.py\n.*?)```", quickstart, re.DOTALL)
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True)
    page = (ROOT / "docs" / "story.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    _, query, command = re.findall(r"^\$ (.*)$", block, re.MULTILINE)
    with FakeApi() as api:
        command = command.replace("http://localhost:9200/sensors", api.url)
        python, program = map(shlex.quote, (sys.executable, str(STORY / f"{name}.py")))
        command = command.replace("python sequential.py", f"{python} {program}")
        done = subprocess.run(
            ["sh", "-c", f"{query}\n{command}"],
            cwd=tmp_path,
            env=environ(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, len(api.records)) == (0, 1000), done.stderr
        assert all(record["description"] for record in api.records)
    if name == "sequential":
        assert done.stdout == block.splitlines(keepends=True)[-1]


def test_the_page_and_its_pictures_are_those_of_the_figures_and_programs(report):
    results = json.loads(report.PUBLISHED.read_text(encoding="utf-8"))
    page = report.PAGE.read_text(encoding="utf-8")
    assert report.written(page, results) == page, "python benchmarks/story_report.py writes it anew"
    for name, picture in report.pictures(results).items():
        assert (report.PICTURES / name).read_text(encoding="utf-8") == picture
        assert f"(pictures/{name})" in page


def test_a_timeline_has_what_was_in_flight_on_average(report):
    samples = [(0.001, 2), (0.015, 4), (0.021, 8), (0.081, 6), (0.121, 0)]
    assert report.timeline(samples) == [3.0, 8.0, 8.0, 8.0, 6.0]


@pytest.mark.parametrize("name", WAYS)
def test_all_rows_arrive_once(name, database):
    with FakeApi(Answer(delay=0.001)) as api:
        done = subprocess.run(
            [sys.executable, "-W", "error", STORY / f"{name}.py", database, QUERY, api.url],
            env=environ(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{len(ROWS)} ")
        assert sorted(api.records, key=lambda record: record["id"]) == ROWS
        assert api.most_in_flight <= 64
        assert (api.most_in_flight == 1) == (name == "sequential")


PEERS = sorted((ROOT / "benchmarks" / "peers").glob("story_*.py"))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.stem)
def test_what_is_measured_are_the_programs_of_the_page(peer, tmp_path):
    with closing(sqlite3.connect(tmp_path / "items.db")) as conn, conn:
        conn.execute("CREATE TABLE item (id, code, description, price, updated, active)")
        conn.executemany("INSERT INTO item (id) VALUES (?)", [(number,) for number in range(40)])
    with FakeApi() as api:
        options = {"dsn": tmp_path / "items.db", "url": api.url, "rows": 30}
        done = subprocess.run(
            [sys.executable, peer, *(f"--{name}={value}" for name, value in options.items())],
            env=environ(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert json.loads(done.stdout)["rows"] == len(api.records) == 30


def first_row_hangs(request):
    return None if request.json()["id"] == 1 and request.attempt == 1 else 201


@contextmanager
def all_but_the_first_answered(name, database, received):
    """Let a program send until so many rows came and only the first one has no answer yet."""
    with FakeApi(first_row_hangs) as api, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, name, database, api)
        try:
            until(lambda: (len(api.received), api.in_flight) == (received, 1))
            yield api
        finally:
            api.refuse_connections()
            api.listen()
            sending.exception()


def test_a_chunk_ends_when_its_slowest_answer_is_there(database):
    with all_but_the_first_answered("chunks", database, CHUNK) as api:
        time.sleep(0.1)
        assert len(api.received) == CHUNK


@pytest.mark.parametrize("name", ["workers", "ferry"])
def test_without_chunks_a_slow_answer_holds_up_nothing_else(name, database):
    with all_but_the_first_answered(name, database, len(ROWS)):
        pass


def test_one_by_one_a_slow_answer_holds_up_everything(database):
    with all_but_the_first_answered("sequential", database, 1) as api:
        time.sleep(0.1)
        assert len(api.received) == 1


def one_503(request):
    """Answer 503 to one row in the middle, the first time that it comes."""
    return 503 if request.json()["id"] == MIDDLE and request.attempt == 1 else 201


def test_after_one_503_requests_has_sent_nothing_of_what_comes_behind(database):
    with FakeApi(one_503) as api:
        with pytest.raises(requests.HTTPError, match="503"):
            send("sequential", database, api)
        assert taken(api, one_503) == list(range(1, MIDDLE))


def test_after_one_503_a_chunk_is_left_half_done_and_nobody_knows_which_half(database):
    with FakeApi(one_503) as api:
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            send("chunks", database, api)
        arrived = set(taken(api, one_503))
    assert set(range(1, CHUNK + 1)) < arrived
    assert not arrived & set(range(2 * CHUNK + 1, len(ROWS) + 1))
    assert arrived & set(range(CHUNK + 1, MIDDLE))
    assert str(MIDDLE) not in str(caught.value)


def test_after_one_503_the_workers_stop_in_the_middle_of_what_they_do(database):
    with FakeApi(one_503) as api:
        with pytest.raises(ExceptionGroup) as caught:
            send("workers", database, api)
        arrived = set(taken(api, one_503))
    (error,) = caught.value.exceptions
    assert error.status == 503
    assert len(arrived) >= MIDDLE - 64
    assert len(ROWS) not in arrived


def test_after_one_503_rowferry_sends_that_row_again(database):
    with FakeApi(one_503) as api:
        report = send("ferry", database, api)
        assert sorted(taken(api, one_503)) == [row["id"] for row in ROWS]
        assert len(api.received) == len(ROWS) + 1
    assert (report.delivered, report.retries, report.maybe_duplicated) == (len(ROWS), 1, 1)


@contextmanager
def killed_in_the_middle():
    """An API that is killed once it has got the row in the middle, and started again."""
    reached, killed = threading.Event(), threading.Event()

    def answer(request):
        if request.json()["id"] == MIDDLE:
            reached.set()
        dying = reached.is_set() and not killed.is_set()
        return None if dying else Answer(delay=0.001)

    def kill(api):
        assert reached.wait(LONG)
        api.refuse_connections()
        killed.set()
        api.listen()

    with FakeApi(answer) as api, ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill, api)
        yield api
        killing.result()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("sequential", requests.ConnectionError),
        ("chunks", aiohttp.ClientError),
        ("workers", ExceptionGroup),
    ],
)
def test_when_the_api_is_killed_what_is_written_by_hand_ends(name, error, database):
    with killed_in_the_middle() as api:
        with pytest.raises(error):
            send(name, database, api)
        assert len({record["id"] for record in api.records}) < len(ROWS)


def test_when_the_api_is_killed_rowferry_waits_until_it_is_back(database):
    with killed_in_the_middle() as api:
        report = send("ferry", database, api)
        assert {record["id"] for record in api.records} == {row["id"] for row in ROWS}
    assert (report.delivered, report.dead, report.pending) == (len(ROWS), 0, 0)
    assert len(ROWS) <= len(api.records) <= len(ROWS) + report.maybe_duplicated


def test_killed_itself_rowferry_goes_on_where_it_was(database, tmp_path):
    journal = tmp_path / "story.journal"

    def answer(request):
        if request.number == MIDDLE:
            api.hold()
        return 201

    with FakeApi(answer) as api:
        command = [sys.executable, STORY / "ferry.py", database, QUERY, api.url, journal]
        with subprocess.Popen(command, env=environ()) as first:
            until(lambda: len(api.received) > MIDDLE and api.in_flight)
            first.kill()
        api.release()
        before = len(api.received)
        report = send("ferry", database, api, etl.Journal(journal))
        assert {record["id"] for record in api.records} == {row["id"] for row in ROWS}
        assert len(api.received) < before + len(ROWS)
        assert len(api.records) <= len(ROWS) + report.maybe_duplicated
    assert (report.delivered, report.pending) == (len(ROWS), 0)
    assert report.earlier > 0
