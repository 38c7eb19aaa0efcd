"""The commands copy, run and the small ones: what they deliver, print and exit with."""

import json

import pytest

from command_line import last_line, process, rows_in
from rowferry.cli.main import COMMANDS
from rowferry.cli.main import run as run_here
from rowferry.testing import FakeApi


def test_copy_sends_a_table_to_an_api_and_prints_one_line_of_json(rowferry, folder):
    with FakeApi() as api:
        done = rowferry("copy", "sqlite:///sensors.db", api.url, "--table", "sensor")
    assert done.returncode == 0
    assert sorted(record["code"] for record in api.records) == ["c1", "c2", "c3", "c4", "c5"]
    assert len(done.stdout.splitlines()) == 1
    report = last_line(done)
    assert (report["delivered"], report["dead"], report["exit_code"]) == (5, 0, 0)
    assert "copy: all settled" in done.stderr
    assert "delivered        5" in done.stderr


def test_copy_takes_the_options_of_the_library_by_their_names(rowferry, folder):
    with FakeApi() as api:
        done = rowferry(
            *("copy", "sqlite:///sensors.db", api.url, "--quiet"),
            *("--query", "SELECT id, code FROM sensor WHERE id > :low ORDER BY id"),
            *("--parameters", "low=2", "--limit", 2, "--key", "id", "--name", "trial"),
            *("--method", "PUT", "-H", "X-Word: ${WORD}", "--body-format", "json_array"),
            *("--batch-size", 10, "--max-retries", 0, "--concurrency", 1),
            env={"WORD": "hello"},
        )
    assert (done.returncode, done.stderr) == (0, "")
    (request,) = api.received
    assert (request.method, request.headers["x-word"]) == ("PUT", "hello")
    assert request.json() == [{"id": 3, "code": "c3"}, {"id": 4, "code": "c4"}]


def test_copy_sends_a_file_of_csv_and_one_of_json_lines(rowferry, folder):
    (folder / "rows.csv").write_text('id,word\n1,"a, b"\n2,-\n')
    (folder / "rows.jsonl").write_text(
        '{"id": 3, "n": 1.10}\n\n{"id": 4, "n": 123456789012345678.9}\n'
    )
    with FakeApi() as api:
        assert rowferry("copy", "rows.csv", api.url, "--null", "-").returncode == 0
        assert rowferry("copy", "rows.jsonl", api.url).returncode == 0
        piped = process("copy", "-", api.url, "--file-format", "csv", input="id\n5\n")
        assert piped.returncode == 0
    bodies = sorted(request.body for request in api.received)
    assert bodies == [
        b'{"id":"1","word":"a, b"}',
        b'{"id":"2","word":null}',
        b'{"id":"5"}',
        b'{"id":3,"n":1.10}',
        b'{"id":4,"n":123456789012345678.9}',
    ]


def test_copy_goes_into_a_database_as_a_table_a_query_a_statement_or_from_a_file(rowferry, folder):
    there = "sqlite:///there.db"
    table = rowferry(
        "copy", "sqlite:///sensors.db", there, "--table", "sensor", "--create", "--key", "id"
    )
    assert (table.returncode, last_line(table)["delivered"]) == (0, 5)
    assert rows_in("there.db", "sensor") == rows_in("sensors.db", "sensor")
    query = rowferry(
        *("copy", "sqlite:///sensors.db", there, "--query", "SELECT id, code FROM sensor"),
        *("--target", "few", "--create", "--limit", 2),
    )
    assert (query.returncode, rows_in("there.db", "few")) == (0, [(1, "c1"), (2, "c2")])
    (folder / "more.csv").write_text("id,code\n2,new\n9,c9\n")
    file = rowferry(
        *("copy", "more.csv", there, "--target", "sensor", "--on-conflict", "update"),
        *("--key", "id"),
    )
    assert file.returncode == 0
    assert [row[:2] for row in rows_in("there.db", "sensor")][1::4] == [(2, "new"), (9, "c9")]
    statement = rowferry(
        *("copy", "sqlite:///sensors.db", there, "--query", "SELECT id + 90 AS id FROM sensor"),
        *("--insert-query", "INSERT INTO few (id) VALUES (:id)"),
    )
    assert (statement.returncode, len(rows_in("there.db", "few"))) == (0, 7)


def test_a_password_in_a_url_works_and_is_warned_of_and_never_printed(rowferry, folder):
    done = rowferry(
        "copy", "postgresql://me:h0tel@127.0.0.1:1/db", "http://127.0.0.1:1/", "--table", "t"
    )
    assert done.returncode == 4
    assert "SOURCE holds a password" in done.stderr
    assert "${PASSWORD}" in done.stderr
    assert "h0tel" not in done.stdout + done.stderr


def test_copy_tells_of_every_mistake_by_its_option(rowferry, folder):
    done = rowferry(
        *("copy", "sqlite:///sensors.db", "http://localhost:1/", "--batch-size", "many"),
        *("--max-in-flight", 0, "--requests-per-second", "-1", "--table", "sensor; drop"),
        *("--tls", "ca=nowhere", "--parameters", "a=1", "--transform", "nowhere:f"),
    )
    assert done.returncode == 2
    for flag in ("--batch-size", "--max-in-flight", "--requests-per-second", "--table", "--tls"):
        assert f"{flag}: " in done.stderr
    assert "--transform: cannot import the module nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_runs_the_jobs_of_a_file_in_their_order(rowferry, job):
    path = job("""
        [jobs.few]
        source = { url = "sqlite:///sensors.db", table = "sensor" }
        api.url = "${API}"
        key = "id"
        limit = 1
        journal = false
        columns.rename = { code = "about.code" }
        columns.drop = ["depth"]
        columns.constant = { kind = "sensor" }
    """)
    with FakeApi() as api:
        done = rowferry("run", path, env={"API": api.url})
        assert done.returncode == 0
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [(line["job"], line["delivered"]) for line in lines] == [("sensors", 5), ("few", 1)]
        assert api.records[-1] == {"id": 1, "about": {"code": "c1"}, "kind": "sensor"}
        assert rowferry("run", path, "few", env={"API": api.url}).returncode == 0
    assert len(api.records) == 7


def test_a_transform_of_a_module_beside_the_job_shapes_the_rows(job, folder):
    (folder / "shaping.py").write_text(
        "def shape(rows):\n    for row in rows:\n        yield {'n': 1 / (row['id'] - 9)}\n"
    )
    path = job("[jobs.sensors.budget]\ngrace = 5\n")
    path.write_text(path.read_text().replace('key = "id"', 'transform = "shaping:shape"'))
    with FakeApi() as api:
        done = process("run", path, env={"API": api.url})
    assert (done.returncode, len(api.records)) == (0, 5)
    (folder / "shaping.py").write_text("def shape(rows):\n    raise ValueError('no ' + 'good')\n")
    for kept in folder.glob("sensors.journal*"):
        kept.unlink()
    with FakeApi() as api:
        done = process("run", path, env={"API": api.url})
    assert done.returncode == 4
    assert "sensors: transform raised ValueError: no good" in done.stderr
    assert "Traceback" not in done.stderr


def refuses_the_third(request):
    return 400 if request.json()["id"] == 3 else 201


def test_a_record_that_is_refused_is_a_dead_letter_and_the_job_goes_on(rowferry, job):
    with FakeApi(refuses_the_third) as api:
        done = rowferry("run", job(), env={"API": api.url})
    assert done.returncode == last_line(done)["exit_code"] == 3
    assert (last_line(done)["delivered"], last_line(done)["dead"]) == (4, 1)
    assert "sensors: finished, with dead letters" in done.stderr


def test_without_a_journal_a_record_that_is_refused_stops_a_job_and_says_why(rowferry, job):
    with FakeApi(refuses_the_third) as api:
        path = job("journal = false\napi.limits.concurrency = 1\n")
        done = rowferry("run", path, env={"API": api.url})
    assert done.returncode == 4
    assert "400" in done.stderr
    assert last_line(done)["error"].startswith("POST ${API}: the API answered 400")


@pytest.mark.parametrize(("answer", "code"), [(401, 5), (302, 2)])
def test_the_exit_code_says_what_kind_of_end_it_was(rowferry, job, answer, code):
    with FakeApi(answer) as api:
        done = rowferry("run", job(), env={"API": api.url})
    assert done.returncode == last_line(done)["exit_code"] == code


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("SELECT *", "SELEC *", 2, "SELECT, WITH or VALUES"),
        ("FROM sensor", "FROM nowhere", 2, "no such table"),
        ("sqlite:///sensors.db", "postgresql://me@127.0.0.1:1/db", 4, "cannot connect to"),
        ("sqlite:///sensors.db", "sqlit:///sensors.db", 2, "$.jobs.sensors.source.url: "),
        ("${API}", "${NOT_SET_HERE}", 2, "the environment variable NOT_SET_HERE is not set"),
        ("${API}", "http://localhost:1/", 4, "cannot connect to localhost port 1"),
        ('key = "id"', 'key = "nr"', 2, "no key column nr"),
        ('key = "id"', 'columns.drop = ["nr"]', 2, "no column nr in a row"),
    ],
)
def test_bad_input_is_one_clear_sentence_and_an_exit_code(rowferry, job, old, new, code, said):
    path = job("api.retry.max_retries = 0\n")
    path.write_text(path.read_text().replace(old, new))
    with FakeApi() as api:
        done = rowferry("run", path, env={"API": api.url})
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_where_an_error_comes_from(job, folder):
    (folder / "shaping.py").write_text("def shape(rows):\n    raise ValueError('x')\n")
    path = job('transform = "shaping:shape"\n'.replace("transform", "jobs.sensors.transform"))
    path.write_text(
        '[jobs.x]\ntransform = "shaping:shape"\n'
        + path.read_text().split("]", 1)[1].split("jobs.s")[0]
    )
    with FakeApi() as api:
        done = process("run", path, "--debug", env={"API": api.url})
    assert done.returncode == 4
    assert "shaping.py" in done.stderr
    assert "Traceback" in done.stderr


def test_validate_tells_of_mistakes_or_that_there_are_none(rowferry, job):
    path = job()
    good = rowferry("validate", path, env={"API": "http://localhost:1/"})
    assert (good.returncode, good.stdout) == (0, f"{path}: sensors: no mistakes\n")
    path.write_text(path.read_text() + "api.batch_size = 0\nchunk_size = 'x'\n")
    bad = rowferry("validate", path, env={"API": "http://localhost:1/"})
    assert bad.returncode == 2
    assert set(bad.stderr.splitlines()) == {
        "$.jobs.sensors.chunk_size: expected a whole number, not 'x'",
        "$.jobs.sensors.api.batch_size: must be at least 1, not 0",
    }


def test_a_command_that_is_mistyped_is_guessed_at(capsys):
    assert run_here(["cpoy"]) == 2
    assert "Did you mean copy?" in capsys.readouterr().err


def test_help_says_of_every_command_what_the_command_says_itself(capsys):
    assert run_here(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, summary in COMMANDS.items():
        assert f"{name} {summary}" in shown
        assert run_here([name, "--help"]) == 0
        assert summary in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_a_shell_reads(shell, capsys):
    assert run_here(["completion", shell]) == 0
    assert "_ROWFERRY_COMPLETE" in capsys.readouterr().out


def test_commands_and_options_are_completed(monkeypatch, capsys):
    monkeypatch.setenv("_ROWFERRY_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "rowferry va")
    monkeypatch.setenv("COMP_CWORD", "1")
    run_here([])
    assert "validate" in capsys.readouterr().out


def test_schema_is_json(capsys):
    assert run_here(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "A job file of rowferry"
