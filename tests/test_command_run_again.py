"""Jobs that were cut short: by a kill, a signal, another run; and what the next run does."""

import json
import signal
import sqlite3
from contextlib import closing

import pytest

from command_line import ROWFERRY, last_line, rows_in, wait_until
from rowferry.testing import Answer, FakeApi


@pytest.fixture
def many(folder):
    """More sensors than one run is let to send."""
    with closing(sqlite3.connect("sensors.db")) as conn:
        rows = [(number, f"c{number}", 0) for number in range(6, 251)]
        conn.executemany("INSERT INTO sensor VALUES (?, ?, ?)", rows)
        conn.commit()


def slow(request):
    return Answer(delay=0.02)


def ids(api):
    return [record["id"] for record in api.records]


def test_a_job_that_was_killed_is_gone_on_with_by_the_same_command(job, many, started, rowferry):
    path = job("api.limits.concurrency = 4\n")
    with FakeApi(slow) as api:
        process = started(*ROWFERRY, "run", path, env={"API": api.url})
        wait_until(lambda: len(api.received) > 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        sent = len(api.received)
        done = rowferry("run", path, env={"API": api.url})
        report = last_line(done)
        assert (done.returncode, report["delivered"]) == (0, 250)
        assert set(ids(api)) == set(range(1, 251))
        assert len(api.received) - sent < 250 - 30
        again = len(api.received) - len(set(ids(api)))
        assert again <= report["maybe_duplicated"]


def test_a_job_that_was_interrupted_is_gone_on_with_and_sends_nothing_twice(
    job, many, started, rowferry
):
    path = job("api.limits.concurrency = 4\n")
    with FakeApi(slow) as api:
        process = started(*ROWFERRY, "run", path, env={"API": api.url})
        wait_until(lambda: len(api.received) > 50)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
        assert process.returncode == json.loads(out)["exit_code"] == 143
        done = rowferry("run", path, env={"API": api.url})
        assert (done.returncode, last_line(done)["delivered"]) == (0, 250)
        assert sorted(ids(api)) == list(range(1, 251))


def test_two_runs_of_one_job_do_not_go_together(job, many, started, rowferry):
    path = job("api.limits.concurrency = 1\n")
    with FakeApi(slow) as api:
        process = started(*ROWFERRY, "run", path, env={"API": api.url})
        wait_until(lambda: api.received)
        second = rowferry("run", path, env={"API": api.url})
        assert second.returncode == last_line(second)["exit_code"] == 6
        assert "sensors: " in second.stderr
        assert "Traceback" not in second.stderr
        over = rowferry("run", path, "--start-over", env={"API": api.url})
        assert over.returncode == 6
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_without_a_key_a_job_that_was_cut_short_is_refused_until_it_may_start_over(
    job, many, started, rowferry
):
    path = job("api.limits.concurrency = 4\n")
    path.write_text(path.read_text().replace('key = "id"\n', ""))
    with FakeApi(slow) as api:
        process = started(*ROWFERRY, "run", path, env={"API": api.url})
        wait_until(lambda: len(api.received) > 20)
        process.send_signal(signal.SIGKILL)
        process.wait()
        refused = rowferry("run", path, env={"API": api.url})
        assert refused.returncode == 2
        assert "--start-over begins again" in refused.stderr
        assert "Journal(" not in refused.stderr
        done = rowferry("run", path, "--start-over", env={"API": api.url})
        assert (done.returncode, last_line(done)["delivered"]) == (0, 250)


def test_a_copy_with_a_checkpoint_copies_nothing_twice(folder, many, rowferry):
    (folder / "job.toml").write_text("""
        [jobs.copy]
        key = "id"
        chunk_size = 100
        source = { url = "sqlite:///sensors.db", table = "sensor" }
        [jobs.copy.destination]
        url = "sqlite:///there.db"
        create = true
        checkpoint = "checkpoints"
        on_conflict = "skip"
    """)
    assert last_line(rowferry("run", "job.toml"))["delivered"] == 250
    assert rowferry("run", "job.toml").returncode == 0
    assert len(rows_in("there.db", "sensor")) == 250
    assert len(rows_in("there.db", "checkpoints")) == 1


def test_a_second_run_of_a_job_with_a_cursor_sends_only_what_is_new(job, rowferry):
    path = job('incremental.cursor = "id"\n')
    with FakeApi() as api:
        assert last_line(rowferry("run", path, env={"API": api.url}))["delivered"] == 5
        assert last_line(rowferry("run", path, env={"API": api.url}))["delivered"] == 0
        with closing(sqlite3.connect("sensors.db")) as conn:
            conn.execute("INSERT INTO sensor VALUES (6, 'c6', 3)")
            conn.commit()
        assert last_line(rowferry("run", path, env={"API": api.url}))["delivered"] == 1
    assert sorted(ids(api)) == [1, 2, 3, 4, 5, 6]


def test_a_job_that_has_become_another_is_refused(job, rowferry):
    with FakeApi() as api:
        assert rowferry("run", job(), env={"API": api.url}).returncode == 0
        changed = rowferry("run", job(), env={"API": f"{api.url}/other"})
    assert changed.returncode == 2
    assert "another url" in changed.stderr


def test_a_journal_that_cannot_be_written_is_told_before_anything_is_sent(job, rowferry):
    path = job('journal = "/proc/no/where"\n')
    with FakeApi() as api:
        done = rowferry("run", path, env={"API": api.url})
    assert (done.returncode, len(api.received)) == (2, 0)
    assert "/proc/no/where" in done.stderr


def test_nothing_is_left_beside_the_job_but_its_journal(job, folder, rowferry):
    with FakeApi() as api:
        assert rowferry("run", job(), env={"API": api.url}).returncode == 0
    beside = {path.name for path in folder.iterdir()} - {"job.toml", "sensors.db"}
    assert all(name.startswith("sensors.journal") for name in beside)
    assert {(folder / "sensors.journal").stat().st_mode & 0o777} == {0o600}


def test_a_job_that_init_wrote_for_postgresql_is_killed_and_completes(
    psycopg_connection, postgresql, folder, started, rowferry
):
    psycopg_connection.execute("CREATE TABLE well (nr bigint PRIMARY KEY, depth numeric)")
    psycopg_connection.execute("INSERT INTO well SELECT n, n / 4.0 FROM generate_series(1, 2000) n")
    psycopg_connection.commit()

    def behave(request):
        return 422 if request.json()["nr"] == 1000 else Answer(delay=0.01)

    with FakeApi(behave) as api:
        assert rowferry("init", postgresql.url, api.url, "--table", "well").returncode == 0
        process = started(*ROWFERRY, "run", "job.toml", env={})
        wait_until(lambda: len(api.received) > 500)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = rowferry("run", "job.toml")
        report = last_line(done)
        assert (done.returncode, report["delivered"], report["dead"]) == (3, 1999, 1)
        assert {record["nr"] for record in api.records} == set(range(1, 2001))
        assert len(api.records) - 2000 <= report["maybe_duplicated"]
