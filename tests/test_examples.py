"""The examples run, and say the truth about what the API got."""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

for needed in ("aiohttp", "airportsdata", "requests"):
    pytest.importorskip(needed)

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "examples" / "demo.py"
FEW = ("--rows", "300", "--sequential", "20")


@pytest.fixture
def start(tmp_path):
    """Start the demo as users do; its temporary files go to `tmp_path`."""
    started = []

    def start(*options):
        path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": path, "TMPDIR": str(tmp_path), "COLUMNS": "80"}
        demo = subprocess.Popen(
            [sys.executable, DEMO, *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(demo)
        return demo

    yield start
    for demo in started:
        demo.kill()
        demo.communicate()


def test_the_demo_sends_all_rows_in_each_way(start, tmp_path):
    demo = start(*FEW)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, output
    numbers = r" +(\d+) +(\d+) +[\d.]+ +[\d.]+ +[\d,]+ +\d+ *$"
    table = {
        name: tuple(map(int, re.search(f"^ *{name}{numbers}", output, re.MULTILINE).groups()))
        for name in ("Requests", "ETLHelper's recipe", "rowferry")
    }
    assert {name: rows for name, (_, rows) in table.items()} == {
        "Requests": 20,
        "ETLHelper's recipe": 300,
        "rowferry": 300,
    }
    assert table["Requests"][0] == 1  # in flight
    assert 1 < table["rowferry"][0] <= 100
    assert output.count("each row exactly once") == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fault", "records", "said"),
    [("lose", 299, "missing"), ("double", 301, "there more than once")],
)
def test_the_demo_fails_if_the_api_has_a_row_not_exactly_once(start, fault, records, said):
    demo = start(*FEW, "--fault", fault)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1, output
    assert f"/rowferry: {records} records: 1 {said}, such as 00AA" in output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_however_the_demo_ends_its_api_ends_too(start, number, code):
    demo = start()
    port = int(re.search(r"127\.0\.0\.1:(\d+)", demo.stdout.readline())[1])
    assert listens(port)
    demo.send_signal(number)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == code
    assert "Traceback" not in output
    end = time.monotonic() + 10
    while listens(port) and time.monotonic() < end:
        time.sleep(0.05)
    assert not listens(port)


def test_the_demo_compares_content_in_any_order():
    spec = importlib.util.spec_from_file_location("demo", DEMO)
    demo = importlib.util.module_from_spec(spec)
    sys.modules["demo"] = demo  # dataclasses look their module up
    try:
        spec.loader.exec_module(demo)
    finally:
        del sys.modules["demo"]
    a, b = {"icao": "AAAA", "lat": 1.5}, {"icao": "BBBB", "lat": None}
    assert demo.differences([a, b], [b, a]) == []
    assert demo.differences([a, b], [b, a | {"lat": 1.25}]) == ["1 changed, such as AAAA"]
    assert demo.differences([a], [a, b]) == ["1 never sent, such as BBBB"]
    assert demo.differences([a, b], []) == ["2 missing, such as AAAA"]


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_oracle_to_elasticsearch_leaves_every_document_as_its_row(es9):
    example = ROOT / "examples" / "oracle_to_elasticsearch.py"
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "ROWFERRY_ELASTICSEARCH_URL": es9.url}
    environment.pop("ROWFERRY_ORACLE_URL", None)
    done = subprocess.run(
        [sys.executable, example, "--rows", "1000", "--sequential", "20"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("every document is its row") == 3
    assert "1,009 delivered, 0 dead" in done.stdout
    assert [es9.count(f"airports-{number}") for number in range(3)] == [20, 1009, 1009]


def test_oracle_to_elasticsearch_tells_what_is_not_as_its_row(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    example = importlib.import_module("oracle_to_elasticsearch")
    rows = example.rows_of_the_table(3)
    documents = {row["ICAO"]: example.as_json(row) for row in rows}
    assert example.differences(rows, documents) == []
    document = documents["ZZ03"]
    assert example.differences(
        rows, documents | {"ZZ03": document | {"fee": 1.2345678901234568e16}}
    )
    assert example.differences(rows[1:], documents) == ["1 never sent, such as 00AA"]
    del documents["ZZ09"]
    assert example.differences(rows, documents) == ["1 missing, such as ZZ09"]
