"""What `rowferry plan` shows, and that it sends nothing."""

import shutil
import subprocess

import pytest

from command_line import environ, rows_in
from rowferry.testing import FakeApi


def test_plan_sends_nothing_and_writes_nothing(rowferry, job, folder):
    before = (folder / "sensors.db").read_bytes()
    there = sorted(folder.iterdir())
    path = job("""
        [jobs.there]
        source = { url = "sqlite:///sensors.db", table = "sensor" }
        destination = { url = "sqlite:///there.db", table = "sensor", create = true }
    """)
    with FakeApi() as api:
        done = rowferry("plan", path, env={"API": api.url})
        dry = rowferry("run", path, "--dry-run", env={"API": api.url})
        copied = rowferry("copy", "sqlite:///sensors.db", api.url, "--table", "sensor", "--dry-run")
        assert len(api.received) == 0
    assert done.returncode == dry.returncode == copied.returncode == 0
    assert (folder / "sensors.db").read_bytes() == before
    assert sorted(folder.iterdir()) == sorted([*there, path])
    assert "5 rows" in done.stdout


@pytest.mark.parametrize(
    "more",
    [
        "",
        'api.headers = { X-Word = "${WORD}", Accept = "text/plain" }\n',
        'api.body_format = "ndjson"\napi.batch_size = 2\n',
        'api.body_format = "json_array"\napi.method = "PUT"\n',
        'columns.rename = { code = "about.code" }\n',
    ],
)
def test_plan_shows_the_requests_as_they_are_then_sent(rowferry, job, more):
    path = job(more)
    with FakeApi() as api:
        shown = rowferry("plan", path, "--rows", 5, env={"API": api.url, "WORD": "w0rd"}).stdout
        assert rowferry("run", path).returncode == 0
    assert "w0rd" not in shown
    for request in api.received:
        assert f"{request.method} {request.path} HTTP/1.1" in shown
        assert request.body.decode() in shown
        for name, value in request.headers.items():
            if name not in {"idempotency-key", "x-word", "host"}:
                assert f"{name}: {value}" in shown.replace(name.title(), name).lower()
    assert shown.count("\ncurl ") == len(api.received)


def test_the_curl_commands_of_a_plan_send_the_same(rowferry, job):
    path = job("""
        api.headers = { Authorization = "Bearer ${TOKEN}", X-Quote = "it's \\"so\\" $HOME `x`" }
        columns.constant = { text = "it's $5 \\\\ \\"x\\" ümlaut" }
    """)
    env = {"API": "http://127.0.0.1:1/records", "TOKEN": "s3cret"}
    with FakeApi() as api:
        env["API"] = api.url
        shown = rowferry("plan", path, "--rows", 1, env=env).stdout
        command = "curl " + shown.partition("\ncurl ")[2].partition("\n\n")[0]
        if shutil.which("curl") is None:
            pytest.skip("curl is not here")
        subprocess.run(["/bin/sh", "-c", command], env=environ(**env), check=True, timeout=30)
        rowferry("run", path)
    by_curl, first = api.received[0], next(r for r in api.received[1:] if r.json()["id"] == 1)
    assert (by_curl.method, by_curl.path, by_curl.body) == (first.method, first.path, first.body)
    assert by_curl.headers["authorization"] == "Bearer s3cret"
    assert by_curl.headers["x-quote"] == first.headers["x-quote"]


def test_plan_masks_secrets_that_stand_on_the_command_line(rowferry, folder):
    done = rowferry(
        *("copy", "sqlite:///sensors.db", "http://127.0.0.1:1/?api_key=h0tel&page=1"),
        *("--table", "sensor", "--limit", 1, "--dry-run", "-H", "X-Auth-Token: t4ngo"),
    )
    assert done.returncode == 0
    assert "h0tel" not in done.stdout
    assert "t4ngo" not in done.stdout
    assert "page=1" in done.stdout


def test_plan_does_not_run_what_may_change_data(rowferry, job, folder):
    path = job()
    text = path.read_text().replace(
        "SELECT * FROM sensor ORDER BY id", "DELETE FROM sensor RETURNING *"
    )
    path.write_text(text.replace('key = "id"\n', ""))
    with FakeApi() as api:
        done = rowferry("plan", path, env={"API": api.url})
        assert (done.returncode, len(rows_in("sensors.db", "sensor"))) == (2, 5)
        assert "the query may change data" in done.stderr
        run = rowferry("run", path, env={"API": api.url})
    assert (run.returncode, len(rows_in("sensors.db", "sensor"))) == (0, 0)
    assert "the query is not a plain SELECT" in run.stderr


def test_plan_says_what_time_it_takes_at_least(rowferry, job):
    with FakeApi() as api:
        path = job("api.limits.requests_per_second = 2\n")
        done = rowferry("plan", path, env={"API": api.url})
    assert (
        "5 requests, 64 at a time: 2.0 s at least, if each takes as long as the connection did"
    ) in done.stdout


def test_what_goes_through_a_proxy_is_not_tried_past_it(rowferry, job):
    path = job('api.proxy = "http://127.0.0.1:1"\n')
    with FakeApi() as api:
        plan = rowferry("plan", path, env={"API": api.url})
        doctor = rowferry("doctor", path)
        assert api.connections == 0
    assert (plan.returncode, doctor.returncode) == (0, 0)
    assert "not reached directly" in plan.stdout
    assert "not reached directly" in doctor.stdout


def test_plan_goes_on_where_the_api_is_not_up(rowferry, job):
    done = rowferry("plan", job(), env={"API": "http://127.0.0.1:1/"})
    assert done.returncode == 0
    assert "cannot be reached now: Connection refused" in done.stdout
