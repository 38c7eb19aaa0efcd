"""What an API would not take: listed, shown, exported, corrected and sent again, by commands."""

import json
import signal

import pytest

from command_line import ROWFERRY, last_line, wait_until
from rowferry.testing import Answer, FakeApi


def refuses_shallow(request):
    """Refuse sensors that are not deep."""
    return Answer(status=422, body=b"too shallow") if request.json()["depth"] < 1 else 201


@pytest.fixture
def buried(job, rowferry):
    """A job with one dead letter, of the sensor 1; and its API."""
    with FakeApi(refuses_shallow) as api:
        path = job()
        assert rowferry("run", path, env={"API": api.url}).returncode == 3
        yield path, api


def test_dead_letters_are_exported_corrected_and_retried_by_commands_alone(
    buried, rowferry, folder
):
    path, api = buried
    listed = rowferry("dead-letters", "list", path)
    assert listed.returncode == 3
    assert "sensors: 1 dead letters" in listed.stdout
    assert "1  1  dead  rejected  422" in listed.stdout
    assert rowferry("dead-letters", "export", path, "-o", "letters.jsonl").returncode == 0
    letters = folder / "letters.jsonl"
    assert letters.stat().st_mode & 0o777 == 0o600
    line = json.loads(letters.read_text())
    assert line["record"] == {"id": 1, "code": "c1", "depth": 0.5}
    letters.write_text(letters.read_text().replace('"depth":0.5', '"depth":1.25'))
    done = rowferry("retry", path, "--corrected", "letters.jsonl")
    assert (done.returncode, last_line(done)["delivered"]) == (0, 1)
    assert api.received[-1].body == b'{"id":1,"code":"c1","depth":1.25}'
    assert rowferry("dead-letters", "list", path).returncode == 0
    assert "delivered" in rowferry("dead-letters", "list", path, "--all").stdout


def test_what_is_still_not_taken_stays_dead(buried, rowferry):
    path, api = buried
    done = rowferry("retry", path)
    assert (done.returncode, last_line(done)["dead"]) == (3, 1)
    assert len(api.received) == 6
    assert rowferry("dead-letters", "list", path).returncode == 3


def test_a_record_that_is_null_is_not_sent_again(buried, rowferry, folder):
    path, api = buried
    exported = rowferry("dead-letters", "export", path).stdout
    line = json.loads(exported) | {"record": None}
    (folder / "letters.jsonl").write_text(json.dumps(line))
    assert rowferry("retry", path, "--corrected", "letters.jsonl").returncode == 0
    assert len(api.received) == 5
    assert "skipped" in rowferry("dead-letters", "list", path, "--all").stdout


def test_a_function_may_correct_them(buried, rowferry, folder):
    path, _ = buried
    (folder / "deepening.py").write_text(
        "import rowferry\n\n\n@rowferry.per_row\ndef deeper(record):\n"
        "    return record | {'depth': 2}\n"
    )
    assert rowferry("retry", path, "--transform", "deepening:deeper").returncode == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no line for the dead letters 1"),
        ('{"number": 1, "record": {}}\n{"number": 2, "record": {}}', "no open dead letters"),
        ('{"number": 1, "record": {}}\n' * 2, "line 2: there is a line for 1 already"),
        ('{"number": 1}', "line 1: expected an object with number and record"),
        ("{", "line 1: expected an object"),
        ("[1]", "line 1: expected an object"),
        (None, "cannot read letters.jsonl"),
    ],
)
def test_a_file_of_corrections_that_does_not_fit_sends_nothing(
    buried, rowferry, folder, text, said
):
    path, api = buried
    if text is not None:
        (folder / "letters.jsonl").write_text(text)
    done = rowferry("retry", path, "--corrected", "letters.jsonl")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(api.received) == 5


def test_a_dead_letter_is_shown_whole(buried, rowferry):
    path, _ = buried
    done = rowferry("dead-letters", "show", path, 1)
    assert done.returncode == 0
    for text in ("reason: rejected", "status: 422", "answer: too shallow", "'code': 'c1'"):
        assert text in done.stdout
    assert rowferry("dead-letters", "show", path, 2).returncode == 2


def test_what_could_mislead_a_terminal_is_spelled_out(job, rowferry):
    with FakeApi([Answer(status=400, body=b"\x1b[2Jgone"), 201]) as api:
        path = job("api.limits.concurrency = 1\n")
        rowferry("run", path, env={"API": api.url})
    for command in (("list",), ("show",), ("export",)):
        numbers = (1,) if command == ("show",) else ()
        assert "\x1b" not in rowferry("dead-letters", *command, path, *numbers).stdout


def test_a_journal_may_be_named_instead_of_its_job(buried, rowferry, folder):
    for place in ("sensors.journal", folder / "sensors.journal"):
        assert "sensors: 1 dead" in rowferry("dead-letters", "list", place).stdout
        assert "sensors: pass 1, complete" in rowferry("status", place).stdout


def test_neither_status_nor_dead_letters_need_what_the_job_needs(buried, rowferry, monkeypatch):
    path, _ = buried
    monkeypatch.delenv("API")
    path.write_text(path.read_text() + 'api.headers = { X = "${NOT_SET_ANYWHERE}" }\n')
    assert rowferry("status", path).returncode == 0
    assert rowferry("dead-letters", "list", path).returncode == 3
    assert rowferry("retry", path).returncode == 2


def test_while_a_job_runs_its_dead_letters_are_held_and_its_status_is_not(job, rowferry, started):
    path = job("api.limits.concurrency = 1\n")
    with FakeApi(lambda request: Answer(delay=0.4)) as api:
        process = started(*ROWFERRY, "run", path, env={"API": api.url})
        wait_until(lambda: len(api.received) > 1)
        listed = rowferry("dead-letters", "list", path)
        assert listed.returncode == 6
        assert rowferry("retry", path, env={"API": api.url}).returncode == 6
        status = rowferry("status", path)
        assert status.returncode == 0
        process.send_signal(signal.SIGKILL)
        process.wait()
    rowferry("status", path)


def test_status_tells_how_far_a_job_is(buried, rowferry):
    path, _ = buried
    done = rowferry("status", path)
    assert "sensors: pass 1, complete; 0 s ago" in done.stdout
    assert "delivered        4" in done.stdout
    line = json.loads(rowferry("status", path, "--json").stdout)
    assert (line["job"], line["delivered"], line["dead"], line["state"]) == (
        "sensors",
        4,
        1,
        "complete",
    )


def test_status_of_a_job_that_was_never_run_says_so(job, rowferry):
    path = job('[jobs.other]\njournal = "elsewhere"\n[jobs.none]\njournal = false\n')
    done = rowferry("status", path)
    assert done.stdout == "sensors: never run\nother: never run\n"
    assert "the job has no journal" in rowferry("status", path, "none").stderr
    assert "there is no job nonesuch" in rowferry("status", path, "nonesuch").stderr
