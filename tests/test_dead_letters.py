"""What an API would not take is kept, shown, and sent again: the same, or corrected."""

import datetime as dt
import os
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

import rowferry
from rowferry import (
    Api,
    Journal,
    RawJSON,
    Retry,
    dead_letters,
    exceptions,
    per_row,
    post_rows,
    retry_dead_letters,
)
from rowferry.batches import Batch, Origin
from rowferry.letters import texts_of
from rowferry.testing import Answer, FakeApi

ROWS = [{"id": number, "price": Decimal("1.10")} for number in range(1, 11)]
IMPATIENT = Retry(max_retries=1, initial_backoff=0.01)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def refuse_even(request):
    return Answer(status=422, body=b"odd ones only") if request.json()["id"] % 2 == 0 else 201


@pytest.fixture
def with_letters(path):
    """A journal in which the even ones of ten records are dead."""
    with FakeApi(refuse_even) as api:
        report = post_rows(ROWS, api.url, key="id", journal=Journal(path))
    assert (report.delivered, report.dead) == (5, 5)
    return path


def test_dead_letters_are_rows_with_the_reason_the_answer_and_the_record(with_letters):
    letters = dead_letters(with_letters)
    assert sorted(letter["key"] for letter in letters) == ["10", "2", "4", "6", "8"]
    letter = next(letter for letter in letters if letter["key"] == "2")
    assert (letter["state"], letter["reason"], letter["status"]) == ("dead", "rejected", 422)
    assert (letter["answer"], letter["ambiguous"]) == ("odd ones only", False)
    assert letter["record"] == {"id": 2, "price": Decimal("1.10")}
    assert letter["at"].tzinfo is not None


def test_they_are_sent_again_as_they_were_under_new_idempotency_keys(with_letters):
    before = {letter["key"]: letter["idempotency_key"] for letter in dead_letters(with_letters)}
    with FakeApi() as api:
        report = retry_dead_letters(with_letters, api.url)
        assert sorted(request.body for request in api.received) == [
            b'{"id":%d,"price":1.10}' % number for number in (10, 2, 4, 6, 8)
        ]
        keys = {request.headers["idempotency-key"] for request in api.received}
        assert len(keys) == 5
        assert not keys & set(before.values())
        assert (report.delivered, report.dead, report.maybe_duplicated) == (5, 0, 0)
        assert retry_dead_letters(with_letters, api.url).delivered == 0
        assert len(api.received) == 5
    assert {letter["state"] for letter in dead_letters(with_letters)} == {"delivered"}


@pytest.mark.parametrize(
    "corrected",
    [
        per_row(lambda record: record | {"id": record["id"] + 100}),
        lambda chunk: [record | {"price": str(record["price"])} for record in reversed(chunk)],
    ],
)
def test_they_are_sent_again_corrected(with_letters, corrected):
    with FakeApi() as api:
        report = retry_dead_letters(with_letters, api.url, transform=corrected)
        assert report.delivered == 5
        sent = {str(record["id"] % 100): record for record in api.records}
    assert sorted(sent) == ["10", "2", "4", "6", "8"]
    assert {letter["state"] for letter in dead_letters(with_letters)} == {"delivered"}


def test_one_for_which_a_transform_gives_nothing_is_skipped_and_one_that_raises_stays(with_letters):
    def odd(record):
        if record["id"] == 4:
            raise ValueError("four")
        return None if record["id"] == 2 else record

    with FakeApi() as api:
        report = retry_dead_letters(with_letters, api.url, transform=per_row(odd))
    assert (report.delivered, report.dead, report.skipped) == (3, 1, 1)
    states = {letter["key"]: letter for letter in dead_letters(with_letters)}
    assert states["2"]["state"] == "skipped"
    assert (states["4"]["state"], states["4"]["reason"]) == ("dead", "transform")
    assert states["4"]["message"] == "ValueError: four"


def test_one_that_is_refused_again_stays_with_the_latest_answer(with_letters):
    with FakeApi(lambda request: 201 if request.json()["id"] > 2 else 409) as api:
        report = retry_dead_letters(with_letters, api.url)
    assert (report.delivered, report.dead, report.exit_code) == (4, 1, 3)
    (letter,) = [one for one in dead_letters(with_letters) if one["state"] == "dead"]
    assert (letter["key"], letter["status"]) == ("2", 409)


def test_what_the_api_may_have_keeps_its_idempotency_key_unless_its_body_changes(path):
    def answer(request):
        return 500 if request.json()["id"] in {3, 4} else 201

    with FakeApi(answer) as api:
        unsure = Api(api.url, on_ambiguous="dead_letter")
        report = post_rows(ROWS, unsure, key="id", journal=Journal(path))
        first = {r.json()["id"]: r.headers["idempotency-key"] for r in api.received}
    assert report.dead == 2
    assert {letter["reason"] for letter in dead_letters(path)} == {"ambiguous"}
    change_four = per_row(lambda record: record if record["id"] == 3 else record | {"x": 1})
    with FakeApi() as api:
        report = retry_dead_letters(path, api.url, transform=change_four)
        again = {r.json()["id"]: r.headers["idempotency-key"] for r in api.received}
    assert report.maybe_duplicated == 2
    assert again[3] == first[3]
    assert again[4] != first[4]


def test_a_later_pass_that_settles_the_key_supersedes_a_dead_letter(with_letters):
    Journal(with_letters).start_over()  # since this API has another port
    with FakeApi(lambda request: 422 if request.json()["id"] == 2 else 201) as api:
        post_rows(ROWS, api.url, key="id", journal=Journal(with_letters))
    states = [(letter["key"], letter["state"]) for letter in dead_letters(with_letters)]
    assert sorted(states) == [
        *(("10", "superseded"), ("2", "dead"), ("2", "superseded"), ("4", "superseded")),
        *(("6", "superseded"), ("8", "superseded")),
    ]
    with FakeApi() as api:
        assert retry_dead_letters(with_letters, api.url).delivered == 1


def test_bodies_that_are_not_kept_are_not_sent_again_and_count_as_dead(path):
    with FakeApi(refuse_even) as api:
        post_rows(ROWS, api.url, key="id", journal=Journal(path, keep_bodies=False))
        assert {letter["record"] for letter in dead_letters(path)} == {None}
        assert b"1.10" not in path.read_bytes()
        report = retry_dead_letters(path, api.url)
        assert (report.read, report.records, report.dead, report.requests) == (5, 5, 5, 0)


def test_rows_that_have_no_record_are_kept_as_text(path):
    rows = [{"id": 1, "x": b"\x00"}, {"id": 2, "x": 1}, {"id": 3, "x": 0}]
    inverse = per_row(lambda row: row if isinstance(row["x"], bytes) else {"id": 1 // row["x"]})
    with FakeApi() as api:
        report = post_rows(rows, api.url, key="id", transform=inverse, journal=Journal(path))
    assert (report.read, report.records, report.delivered, report.dead) == (3, 3, 1, 2)
    one, three = dead_letters(path)
    assert (one["key"], one["reason"], one["row"]) == ("1", "unsendable", repr(rows[0]))
    assert (three["key"], three["reason"], three["row"]) == ("3", "transform", repr(rows[2]))
    assert "ZeroDivisionError" in three["message"]


def test_an_answer_that_could_mislead_a_terminal_is_spelled_out_and_holds_no_secret(path):
    evil = Answer(status=422, body=b"\x1b]0;evil\x07 your token hunter2hunter2 " + b"x" * 3000)
    with FakeApi(evil) as api:
        secret = Api(api.url, headers={"Authorization": "Bearer hunter2hunter2"})
        post_rows(ROWS[:1], secret, key="id", journal=Journal(path))
    (letter,) = dead_letters(path)
    assert letter["answer"].startswith("\\x1b]0;evil\\x07 your token ***")
    assert len(letter["answer"]) <= 2100
    assert b"hunter2" not in path.read_bytes()


def test_records_of_batches_are_dead_letters_one_by_one(path):
    def answer(request):
        return 422 if any(record["id"] == 5 for record in request.records()) else 201

    with FakeApi(answer) as api:
        batches = Api(api.url, body_format="ndjson", batch_size=4)
        report = post_rows(ROWS, batches, key="id", journal=Journal(path))
        assert (report.delivered, report.dead) == (9, 1)
        (letter,) = dead_letters(path)
        assert letter["record"] == {"id": 5, "price": Decimal("1.10")}
    with FakeApi() as api:
        assert retry_dead_letters(path, Api(api.url, body_format="json_array")).delivered == 1
        assert api.records == [{"id": 5, "price": 1.10}]


def test_another_run_that_holds_the_journal_is_told(with_letters):
    held = []

    def look(request):
        for function in (dead_letters, lambda path: retry_dead_letters(path, api.url)):
            try:
                function(with_letters)
            except exceptions.JournalError as error:
                held.append(error.exit_code)
        return 201

    Journal(with_letters).start_over()  # since this API has another port
    with FakeApi(look) as api:
        post_rows(ROWS[:1], api.url, key="id", journal=Journal(with_letters))
    assert held == [6, 6]


def test_there_must_be_a_journal(tmp_path):
    for function in (dead_letters, lambda path: retry_dead_letters(path, "http://localhost/")):
        with pytest.raises(exceptions.JournalError, match="there is no journal") as none:
            function(tmp_path / "none")
        assert none.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


KILLED = """
    import sys
    from rowferry import retry_dead_letters
    retry_dead_letters(sys.argv[1], sys.argv[2])
"""


def test_a_killed_retry_goes_again_under_the_same_keys_and_is_counted(with_letters):
    with FakeApi(None) as api:
        program = [sys.executable, "-c", textwrap.dedent(KILLED), str(with_letters), api.url]
        path = str(Path(rowferry.__file__).parents[1])
        child = subprocess.Popen(program, env=os.environ | {"PYTHONPATH": path})
        while not api.received:
            assert child.poll() is None
        child.kill()
        child.wait()
        seen = {r.json()["id"]: r.headers["idempotency-key"] for r in api.received}
    with FakeApi() as api:
        report = retry_dead_letters(with_letters, api.url)
        again = {r.json()["id"]: r.headers["idempotency-key"] for r in api.received}
    assert report.delivered == 5
    assert report.maybe_duplicated >= len(seen) >= 1
    assert {number: again[number] for number in seen} == seen
    with closing(sqlite3.connect(with_letters)) as conn:
        doubted = dict(conn.execute("SELECT position, n FROM maybe_duplicated"))
    assert {str(number) for number in seen} <= set(doubted)


@pytest.mark.parametrize(
    "how",
    [
        {"method": "DELETE"},
        {"method": "PUT", "body_format": "form"},
        {"method": "PUT"},
    ],
)
def test_records_of_requests_that_are_made_of_them_are_kept_whole(path, how):
    taken = []

    def answer(request):
        if request.path.endswith("/4") and not taken:
            return 422
        return 201

    with FakeApi(answer) as api:
        items = Api(f"{api.url}/{{id}}", **how)
        report = post_rows(ROWS, items, key="id", journal=Journal(path))
        assert (report.delivered, report.dead) == (9, 1)
        (letter,) = dead_letters(path)
        assert letter["record"] == {"id": 4, "price": Decimal("1.10")}
        refused = next(one for one in api.received if one.path.endswith("/4"))
        taken.append(True)
        assert retry_dead_letters(path, items).delivered == 1
        again = api.received[-1]
    assert (again.path, again.body, again.method) == (refused.path, refused.body, refused.method)


@pytest.mark.parametrize("transform", [None, per_row(lambda record: record | {"price": 2})])
def test_a_retry_takes_from_the_key_what_its_request_needs_and_the_record_lacks(path, transform):
    rows = [{"id": f"a/{number}", "day": dt.date(2026, 1, number)} for number in (1, 2, 3)]
    without = per_row(lambda row: [{"price": 1}, {"price": row["day"].day}])
    with FakeApi(lambda request: 422 if request.path.endswith("2026-01-02") else 201) as api:
        items = Api(f"{api.url}/{{id}}?on={{day}}")
        report = post_rows(rows, items, transform=without, key=("id", "day"), journal=Journal(path))
    assert (report.delivered, report.dead) == (4, 2)
    with FakeApi() as api:
        items = Api(f"{api.url}/{{id}}?on={{day}}")
        assert retry_dead_letters(path, items, transform=transform).delivered == 2
    assert {request.path for request in api.received} == {"/records/a%2F2?on=2026-01-02"}


def test_a_retry_to_a_path_of_its_own_sends_the_same_bytes(path):
    raw = RawJSON('{"b" : 1.50,  "b": 2e400}')
    for status in (422, 201):
        with FakeApi(status) as api:
            items = Api(f"{api.url}/{{id}}", method="PUT", headers={"X-B": "{id}"})
            if status == 422:
                to_raw = per_row(lambda row: raw)
                post_rows([{"id": 7}], items, transform=to_raw, key="id", journal=Journal(path))
            else:
                assert retry_dead_letters(path, items).delivered == 1
        (request,) = api.received
        assert (request.path, request.body) == ("/records/7", raw.text.encode())


class Framed:
    """A format that writes the key of a record before it, as some APIs want."""

    name = "framed"
    content_type = "text/plain"
    batch_size = 1
    max_batch_size = 1

    def frame(self, texts, records, rows, keys):
        return [b"%a %b" % (key, text) for key, text in zip(keys, texts, strict=True)], {}

    def join(self, records):
        return records[0]


def test_a_record_is_kept_without_what_a_format_writes_around_it():
    api = Api("http://localhost/", body_format=Framed())
    batch = Batch(b"(5,) {}", 7, 1, (Origin((5,), {"id": 5}, 0),))
    assert texts_of(batch, api) == [b'{"id":5}']
    assert texts_of(batch, Api("http://localhost/")) == [b"(5,) {}"]
    whole = Api("http://localhost/", body_format="json_array")
    assert texts_of(Batch(b'[{"a":1}]', 9, 1, (Origin(),)), whole) == [b'{"a":1}']
