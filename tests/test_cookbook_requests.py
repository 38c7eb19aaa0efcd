"""Recipes of the cookbook about requests: each as a program, and its job."""

import csv
import shutil
import sqlite3
from ast import literal_eval
from contextlib import closing

import pytest

import rowferry as etl
from command_line import last_line, process
from cookbook import RECIPES, recipe, run  # noqa: F401 (a fixture)
from rowferry.auth import Request
from rowferry.exceptions import AuthError, SourceError, TransferError
from rowferry.testing import Answer, FakeApi

# --- csv_to_api


def test_csv_to_api_keeps_bad_lines_of_both_kinds_of_files(run):  # noqa: F811
    lines = run("csv_to_api")
    assert lines[0].startswith("readings.csv: 2 delivered, 2 dead")
    assert lines[1].startswith("  line 4: ValueError: 'deep' is no number")
    assert lines[2].startswith("  line 5: ValueError: too many or too few cells")
    assert lines[3].startswith("more.jsonl: 1 delivered, 1 dead")
    assert lines[4].startswith("  line 2: JSONDecodeError")
    assert sorted(lines[5:]) == [
        '{"id":1,"depth":12.50,"taken":"2026-03-01"}',
        '{"id":2,"depth":null,"taken":"2026-03-01"}',
        '{"id":5,"depth":3.10}',
    ]


HEAD = "id,depth,taken\n"
LINES = [f"{number},1,2026-03-01" for number in range(300)]
PASSED = 100


@pytest.fixture
def csv_file(tmp_path):
    def write(*lines):
        path = tmp_path / "readings.csv"
        path.write_text(HEAD + "".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def sent(tmp_path):
    """Send a file by the recipe; give the report, and keep the API's bodies."""

    def sent(path, answer=201):
        with FakeApi(answer) as api:
            sent.api = api
            # A journal belongs to one URL, and each FakeApi has another port.
            way = etl.Api("http://api.example/", proxy=api.url.removesuffix("/records"))
            return recipe("csv_to_api").send_file(path, way)

    return sent


def test_each_bad_line_is_a_dead_letter_that_says_where_and_why(csv_file, sent):
    path = csv_file(
        "1,0.10,2026-03-01", "2,1.5,31.12.2025", "3", "4,1,2026-03-01,more", "x,1,2026-03-01"
    )
    report = sent(path)
    assert (report.delivered, report.dead, report.exit_code) == (1, 4, 3)
    assert [request.body for request in sent.api.received] == [
        b'{"id":1,"depth":0.10,"taken":"2026-03-01"}'
    ]
    letters = etl.dead_letters(path.with_suffix(".journal"))
    assert [letter["key"].split("/")[0] for letter in letters] == ["3", "4", "5", "6"]
    assert {letter["reason"] for letter in letters} == {"transform"}
    assert "31.12.2025" in letters[0]["row"]
    assert "too many or too few" in letters[2]["message"]


def test_a_quote_that_is_never_closed_ends_the_run_with_an_error(csv_file, sent):
    path = csv_file("1,1,2026-03-01", '2,"1,2026-03-01', "3,1,2026-03-01")
    with pytest.raises(csv.Error):
        sent(path)


def test_a_file_that_was_cut_short_is_gone_on_with_and_no_line_is_sent_twice(csv_file, sent):
    path = csv_file(*LINES)
    with pytest.raises(AuthError):
        sent(path, lambda request: 201 if request.number < PASSED else 401)
    first = [request.body for request in sent.api.received[:PASSED]]
    assert sent(path).exit_code == 0
    rest = [request.body for request in sent.api.received]
    assert not set(first) & set(rest)
    assert len(first) + len(rest) == 300


@pytest.mark.parametrize(
    "changed",
    [
        ["999,7,2026-03-01", *LINES],  # one was put before
        LINES[1:],
        ["0,2,2026-03-01", *LINES[1:]],
    ],
    ids=["more", "fewer", "corrected"],
)
def test_a_file_that_was_changed_since_it_was_cut_short_is_not_gone_on_with(
    csv_file, sent, changed
):
    with pytest.raises(AuthError):
        sent(csv_file(*LINES), lambda request: 201 if request.number < PASSED else 401)
    with pytest.raises(SourceError, match="have other keys"):
        sent(csv_file(*changed))
    assert sent.api.received == []


def test_json_lines_keep_their_digits_and_what_is_no_object_is_kept(tmp_path, sent):
    path = tmp_path / "more.jsonl"
    path.write_text('{"id": 1, "depth": 0.10}\n\n[1]\n{"id": 2}\n', encoding="utf-8")
    report = sent(path)
    assert (report.delivered, report.dead) == (2, 2)
    assert b'{"id":1,"depth":0.10}' in [request.body for request in sent.api.received]
    letters = etl.dead_letters(path.with_suffix(".journal"))
    assert [letter["key"].split("/")[0] for letter in letters] == ["2", "3"]


@pytest.fixture
def command(tmp_path):
    """Run the recipe's command, with its function beside the file."""
    shutil.copy(RECIPES / "csv_to_api.py", tmp_path)

    def command(url):
        options = ("--key", "id", "--transform", "csv_to_api:typed")
        return process(
            *("copy", "readings.csv", url, *options, "--journal", "readings.journal"), cwd=tmp_path
        )

    return command


def test_the_command_converts_by_the_same_function_and_keeps_bad_cells(csv_file, command, tmp_path):
    csv_file("1,0.10,2026-03-01", "2,deep,2026-03-01")
    with FakeApi() as api:
        done = command(api.url)
    assert done.returncode == 3, done.stderr
    assert [request.body for request in api.received] == [
        b'{"id":1,"depth":0.10,"taken":"2026-03-01"}'
    ]
    (letter,) = etl.dead_letters(tmp_path / "readings.journal")
    assert (letter["key"], letter["reason"]) == ("2", "transform")


def test_the_command_ends_at_a_short_line_and_goes_on_there_once_it_is_corrected(csv_file, command):
    csv_file("1,1,2026-03-01", "2", "3,1,2026-03-01")
    with FakeApi() as api:
        done = command(api.url)
        assert done.returncode == 4
        assert "readings.csv, line 3: there are 1 values for 3 columns" in done.stderr
        csv_file("1,1,2026-03-01", "2,1,2026-03-01", "3,1,2026-03-01")
        done = command(api.url)
        assert (done.returncode, last_line(done)["delivered"]) == (0, 3)
        assert sorted(record["id"] for record in api.records) == [1, 2, 3]


# --- retry_dead_letters


def test_retry_dead_letters_shows_the_reasons_and_what_became_of_each(run):  # noqa: F811
    lines = run("retry_dead_letters")
    assert lines[0].startswith("1 delivered, 4 dead")
    assert lines[0].endswith("exit code 3")
    counted = literal_eval(lines[1])  # in the order of their answers
    assert counted == {"no such unit: cm": 2, "no such unit: test": 1, "no such unit: ft": 1}
    assert lines[2].startswith("2 delivered, 1 dead")
    assert sorted(lines[3:7]) == ["  2: delivered", "  3: delivered", "  4: skipped", "  5: dead"]
    assert lines[7] == "{'no such unit: ft': 1}"


@pytest.fixture
def letters():
    return recipe("retry_dead_letters")


@pytest.fixture
def refused(letters, psycopg_connection, tmp_path):
    """The journal of a transfer out of PostgreSQL, four of whose five rows are dead letters."""
    etl.execute("CREATE TABLE reading (id integer, depth integer, unit text)", psycopg_connection)
    etl.load("reading", psycopg_connection, letters.ROWS)
    journal = tmp_path / "journal"
    with FakeApi(letters.answer) as api:
        report = etl.copy_to_api(
            "SELECT * FROM reading",
            psycopg_connection,
            api.url,
            key="id",
            journal=etl.Journal(journal),
        )
    assert (report.delivered, report.dead) == (1, 4)
    return journal


def test_what_is_corrected_arrives_and_what_is_refused_again_stays_dead(letters, refused):
    with FakeApi(letters.answer) as api:
        report = letters.send_again(refused, api.url)
        assert (report.delivered, report.dead) == (2, 1)
        taken = [record for record in api.records if record["unit"] == "m"]
        assert sorted((one["id"], one["depth"]) for one in taken) == [(2, 1.5), (3, 1.75)]
        assert letters.reasons(refused) == {"no such unit: ft": 1}
        before = len(api.records)
        letters.send_again(refused, api.url)
        assert [record["id"] for record in api.records[before:]] == [5]


def test_a_corrected_record_goes_under_a_new_idempotency_key(letters, refused):
    old = {letter["key"]: letter["idempotency_key"] for letter in etl.dead_letters(refused)}
    with FakeApi(letters.answer) as api:
        letters.send_again(refused, api.url)
    new = {
        str(request.json()["id"]): request.headers["idempotency-key"] for request in api.received
    }
    assert {"2", "3"} <= set(new)
    assert not set(old.values()) & set(new.values())


def test_where_the_correction_raises_the_others_are_sent_all_the_same(
    letters, refused, monkeypatch
):
    corrected = letters.corrected
    monkeypatch.setattr(letters, "corrected", lambda record: corrected(record | {"depth": "deep"}))
    with FakeApi(lambda request: 201) as api:
        report = letters.send_again(refused, api.url)
    assert [record["id"] for record in api.records] == [5]  # in feet: nothing is divided there
    assert (report.delivered, report.dead) == (1, 2)


# --- hmac_signed


def test_hmac_signed_signs_what_is_sent_again_anew_and_stops_at_a_wrong_secret(run):  # noqa: F811
    sent, refused = run("hmac_signed")
    assert sent.startswith("100 delivered, ")
    assert int(sent.split()[2]) > 0
    assert refused.startswith("Exit code 5: PUT ")


@pytest.fixture
def ferries(psycopg_connection, postgresql):
    """The URL of a database with ferries."""
    etl.execute("CREATE TABLE ferry (id integer PRIMARY KEY, name text)", psycopg_connection)
    rows = ({"id": number, "name": f"MV \u00c9tretat {number}"} for number in range(100))
    etl.load("ferry", psycopg_connection, rows)
    return postgresql.url


def test_the_signature_is_that_of_openssl():
    # printf 'PUT\n/ferries/1?source=job\n1000\n{"id":1}' | openssl dgst -sha256 -hmac secret
    scheme = recipe("hmac_signed").Hmac("secret", clock=lambda: 1000.9)
    request = Request("PUT", "https://api.example/ferries/1?source=job", {}, b'{"id":1}')
    assert scheme.sign(request) == {
        "X-Timestamp": "1000",
        "X-Signature": "4233124e48db8534fc4f7f7ffb81e920ce5e4397107e8ad16e91e09733362b41",
    }


def test_an_api_that_checks_signatures_takes_every_row_also_those_sent_again(ferries):
    job = recipe("hmac_signed")
    with FakeApi(job.Checking("shared")) as api:
        report = job.send_ferries(ferries, api.url, "shared")
    assert (report.delivered, report.dead) == (100, 0)
    assert report.retries > 0
    again = next(request for request in api.received if request.attempt == 2)
    (first,) = (one for one in api.received if (one.path, one.attempt) == (again.path, 1))
    assert again.headers["idempotency-key"] == first.headers["idempotency-key"]


def test_what_is_sent_again_is_signed_with_the_moment_at_which_it_goes():
    clock = iter(range(1000, 2000))
    scheme = recipe("hmac_signed").Hmac("shared", clock=lambda: next(clock))
    with FakeApi([503, 201]) as server:
        etl.post_rows([{"id": 1}], etl.Api(server.url, auth=scheme))
    assert [request.headers["x-timestamp"] for request in server.received] == ["1000", "1001"]
    assert len({request.headers["x-signature"] for request in server.received}) == 2


def test_with_a_wrong_secret_the_run_stops_without_a_dead_row_and_without_a_word_of_the_secret(
    ferries,
):
    job = recipe("hmac_signed")
    answer = Answer(status=401, body=b"no: hunter2hunter2")
    with FakeApi(answer) as api, pytest.raises(AuthError) as raised:
        job.send_ferries(ferries, api.url, "hunter2hunter2")
    report = raised.value.report
    assert (report.delivered, report.dead, raised.value.exit_code) == (0, 0, 5)
    assert report.pending > 0
    assert "hunter2" not in str(raised.value)


# --- rate_limited_api


def test_rate_limited_api_takes_every_row_with_its_limit_and_without(run):  # noqa: F811
    lines = run("rate_limited_api")
    assert lines[0] == "as fast as it goes: 1,000 delivered, 0 dead"
    assert lines[2] == "as fast as it may: 1,000 delivered, 0 dead"


@pytest.fixture
def readings(tmp_path):
    """The URL of a database with readings."""
    with closing(sqlite3.connect(tmp_path / "readings.db")) as conn:
        rows = ({"id": number, "depth": number} for number in range(500))
        etl.load("reading", conn, rows, create=True, key="id")
    return f"sqlite:///{tmp_path}/readings.db"


def test_the_limit_is_said_a_second_and_stays_below_what_the_api_allows():
    api = recipe("rate_limited_api").limited("http://localhost/", 100, 60)
    assert 1.5 < api.limits.requests_per_second < 100 / 60


def test_what_is_refused_for_the_rate_goes_again_and_no_row_is_dead(readings, tmp_path):
    job = recipe("rate_limited_api")
    wait = Answer(status=429, headers={"Retry-After": "1"})
    with FakeApi([200, 200, wait, wait, 200]) as api:
        report = job.send_readings(readings, job.limited(api.url, 500, 1), tmp_path / "journal")
    assert (report.delivered, report.dead, report.retries) == (500, 0, 2)
    taken = [record for one in api.received if one.number not in {2, 3} for record in one.records()]
    assert sorted(record["id"] for record in taken) == list(range(500))


def test_an_api_that_wants_more_than_ten_minutes_ends_the_run_and_the_next_goes_on(
    readings, tmp_path
):
    job = recipe("rate_limited_api")
    tomorrow = Answer(status=429, headers={"Retry-After": "40000"})
    answers = iter([200, 200, 200, tomorrow])
    with FakeApi(lambda request: next(answers, 200)) as api:
        way = job.limited(api.url, 500, 1)
        with pytest.raises(TransferError) as raised:
            job.send_readings(readings, way, tmp_path / "journal")
        assert (raised.value.exit_code, raised.value.report.dead) == (4, 0)
        refused = next(request for request in api.received if request.number == 3)
        report = job.send_readings(readings, way, tmp_path / "journal")
        assert report.exit_code == 0
        taken = [record for one in api.received if one != refused for record in one.records()]
    assert sorted({record["id"] for record in taken}) == list(range(500))
