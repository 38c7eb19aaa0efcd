"""Recipes of the cookbook about what APIs want and answer: each as a program, and its job."""

import json
from collections import Counter
from contextlib import closing
from urllib.error import HTTPError

import pytest

import rowferry as etl
from cookbook import KillingApi, recipe, run, run_until_killed  # noqa: F401 (run is a fixture)
from rowferry.testing import Answer, FakeApi

# paging_api_with_207


@pytest.fixture
def sensors(psycopg_connection):
    """A connection to PostgreSQL, and a table of 1,000 sensors of which two have no such depth."""
    rows = [{"code": n, "depth": -n if n % 400 == 0 else n} for n in range(1, 1001)]
    etl.load("sensor", psycopg_connection, rows, create=True, key="code")
    return psycopg_connection


def test_a_mixed_page_is_settled_item_by_item(sensors, tmp_path):
    job = recipe("paging_api_with_207")
    pages = job.Pages()
    with FakeApi(pages) as api:
        report = job.send_pages(sensors, api.url, tmp_path / "journal")
        assert max(len(request.records()) for request in api.received) == 100
    assert (report.delivered, report.dead) == (998, 2)
    assert pages.taken == Counter(number for number in range(1, 1001) if number % 400)
    letters = etl.dead_letters(tmp_path / "journal")
    assert sorted((letter["key"], letter["status"], letter["answer"]) for letter in letters) == [
        ("400", 422, "-400 is no depth"),
        ("800", 422, "-800 is no depth"),
    ]


def test_a_page_whose_answer_lacks_items_is_sent_again_and_counted(sensors, tmp_path):
    job = recipe("paging_api_with_207")
    pages = job.Pages()

    def cut_first(request):
        answer = pages(request)
        if request.number:
            return answer
        items = json.loads(answer.body)["items"][1:]
        return Answer(status=207, body=json.dumps({"items": items}).encode())

    with FakeApi(cut_first) as api:
        report = job.send_pages(sensors, api.url, tmp_path / "journal")
    assert (report.delivered, report.dead) == (998, 2)
    assert max(pages.taken.values()) == 2
    assert 0 < list(pages.taken.values()).count(2) <= report.maybe_duplicated


def test_the_recipe_for_pages_runs(run):  # noqa: F811
    printed = run("paging_api_with_207")
    assert printed[0].startswith("998 delivered, 2 dead")
    assert printed[1:3] == ["Taken once: 998", "Sent again: 142"]
    assert sorted(printed[3:]) == [  # they are in the order of their answers
        "  dead: 400, 422: -400 is no depth",
        "  dead: 800, 422: -800 is no depth",
    ]


# put_by_id


@pytest.fixture
def things(psycopg_connection):
    """A connection to PostgreSQL, and the things of the recipe, with one that has no ETag."""
    rows = [*recipe("put_by_id").THINGS, {"id": "e", "name": "eyelet", "etag": None}]
    etl.load("thing", psycopg_connection, rows, create=True, key="id")
    return psycopg_connection


def test_a_thing_is_put_where_it_is_and_posted_where_it_is_not_and_conflicts_come_back(
    things, tmp_path
):
    job = recipe("put_by_id")
    api_has = job.Things()
    with FakeApi(api_has) as api:
        report = job.put_things(things, api.url, tmp_path / "journal")
        assert (report.delivered, report.dead) == (1, 4)
        assert {request.method for request in api.received} == {"PUT"}
        assert all("idempotency-key" not in request.headers for request in api.received)
        left = job.settle(api.url, tmp_path / "journal")
        (posted,) = [request for request in api.received if request.method == "POST"]
    assert api_has.there == {
        "a%2F1": ('"v2"', "anchor"),
        "b": ('"v8"', "bell buoy"),
        "c": ('"v1"', "cleat"),
        "d": ('"v1"', "locked"),
    }
    assert (posted.path, posted.json()) == ("/records", {"id": "c", "name": "cleat"})
    assert "idempotency-key" in posted.headers
    assert {letter["key"]: letter["status"] for letter in left} == {"b": 412, "d": 409, "e": None}
    (without_etag,) = job.settle(api.url, tmp_path / "journal")
    assert (without_etag["key"], without_etag["reason"]) == ("e", "unsendable")


def test_a_412_after_a_lost_answer_says_that_it_may_be_our_own_echo(things, tmp_path):
    job = recipe("put_by_id")

    def taken_but_lost(request):
        if request.path.endswith("/b"):
            return 412 if request.attempt > 1 else Answer(cut="reset")
        return 200

    with FakeApi(taken_but_lost) as api:
        job.put_things(things, api.url, tmp_path / "journal")
        letters = {letter["key"]: letter for letter in job.settle(api.url, tmp_path / "journal")}
    assert (letters["b"]["status"], letters["b"]["ambiguous"]) == (412, True)


def test_a_put_at_a_wrong_url_makes_no_dead_letters_of_a_table(sqlite, tmp_path):
    job = recipe("put_by_id")
    rows = [{"id": str(n), "name": "x", "etag": '"1"'} for n in range(300)]
    etl.load("thing", sqlite, rows, create=True, key="id")
    with FakeApi(404) as api, pytest.raises(etl.exceptions.TransferError, match="404"):
        job.put_things(sqlite, api.url, tmp_path / "journal")
    assert etl.dead_letters(tmp_path / "journal") == []


def test_the_recipe_for_put_runs(run):  # noqa: F811
    printed = run("put_by_id")
    assert printed[0].startswith("1 delivered, 3 dead")
    assert sorted(printed[1:3]) + printed[3:] == [  # letters are in the order of their answers
        '  look at b: 412, it is "v8" now',
        "  look at d: 409, the thing is locked",
        '  the API has a%2F1: anchor, "v2"',
        '  the API has b: bell buoy, "v8"',
        '  the API has c: cleat, "v1"',
        '  the API has d: locked, "v1"',
    ]


# delete_what_is_gone

GONE_TABLES = """
    CREATE TABLE thing (id text PRIMARY KEY, name text);
    CREATE TABLE tombstone (seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, id text);
    CREATE FUNCTION bury() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO tombstone (id) VALUES (old.id); RETURN old; END $$;
    CREATE TRIGGER thing_is_gone AFTER DELETE ON thing FOR EACH ROW EXECUTE FUNCTION bury();
    INSERT INTO thing SELECT id, 'a thing' FROM unnest(ARRAY['a', 'b', 'c', 'd']) AS id;
"""


def deleted(api):
    return sorted(request.path for request in api.received if request.method == "DELETE")


def test_what_is_gone_is_deleted_once_and_a_404_is_done(psycopg_connection, tmp_path):
    job = recipe("delete_what_is_gone")
    conn, journal = psycopg_connection, tmp_path / "journal"
    conn.execute(GONE_TABLES)
    conn.execute("DELETE FROM thing")
    conn.execute("INSERT INTO thing VALUES ('b', 'a new one')")
    conn.commit()
    with FakeApi(job.Things()) as api:
        report = job.delete_gone(conn, api.url, journal)
        assert (report.delivered, report.dead) == (2, 1)
        assert deleted(api) == ["/records/a", "/records/c", "/records/d"]
        assert [request.body for request in api.received] == [b""] * 4
        (letter,) = etl.dead_letters(journal)
        assert (letter["record"]["id"], letter["status"]) == ("d", 409)
        conn.execute("DELETE FROM thing")
        conn.commit()
        assert job.delete_gone(conn, api.url, journal).delivered == 2  # b has two tombstones
        assert job.delete_gone(conn, api.url, journal).records == 0
        assert deleted(api) == [f"/records/{number}" for number in "abbcd"]


def test_a_tombstone_that_commits_late_is_found_by_the_next_run(psycopg_connection, tmp_path):
    job = recipe("delete_what_is_gone")
    conn, journal = psycopg_connection, tmp_path / "journal"
    conn.execute(GONE_TABLES)
    with FakeApi(204) as api:
        for seqs in ((11, 13), (12,)):
            for seq in seqs:
                conn.execute("INSERT INTO tombstone VALUES (%s, %s)", (seq, f"t{seq}"))
            conn.commit()
            job.delete_gone(conn, api.url, journal)
        assert deleted(api) == ["/records/t11", "/records/t12", "/records/t13"]


def test_a_wrong_url_deletes_nothing_and_leaves_all_to_do(psycopg_connection, tmp_path):
    job = recipe("delete_what_is_gone")
    psycopg_connection.execute(GONE_TABLES)
    psycopg_connection.execute("DELETE FROM thing")
    with FakeApi(404) as api:
        with pytest.raises(HTTPError):
            job.delete_gone(psycopg_connection, api.url, tmp_path / "journal")
        assert deleted(api) == []
    with FakeApi(204) as api:
        assert job.delete_gone(psycopg_connection, api.url, tmp_path / "journal").delivered == 4


def test_a_job_of_deletes_that_was_killed_goes_on(tmp_path):
    job = recipe("delete_what_is_gone")
    database = f"sqlite:///{tmp_path / 'things.db'}"
    behaviour = KillingApi(at=150, then=lambda request: 200 if request.method == "HEAD" else 404)
    with FakeApi(behaviour) as api, closing(etl.connect(database)) as conn:
        conn.executescript("CREATE TABLE thing (id); CREATE TABLE tombstone (seq, id)")
        rows = [(number, f"t{number}") for number in range(1, 301)]
        etl.executemany("INSERT INTO tombstone VALUES (?, ?)", conn, rows)
        journal = tmp_path / "journal"
        call = f"job.delete_gone(conn, {api.url!r}, {str(journal)!r})"
        run_until_killed(behaviour, "delete_what_is_gone", database, call)
        report = job.delete_gone(conn, api.url, journal)
    assert (report.delivered, report.pending) == (300, 0)
    assert set(deleted(api)) == {f"/records/{one}" for _, one in rows}
    assert len(deleted(api)) < 300 + 150


def test_the_recipe_for_deletes_runs(run):  # noqa: F811
    printed = run("delete_what_is_gone")
    assert "3 delivered, 1 dead" in printed[0]
    assert printed[1::2][:3] == [
        "  sent: ['/records/a', '/records/b', '/records/c', '/records/d']",
        "  sent: []",
        "  sent: ['/records/e']",
    ]
    assert printed[-2:] == [
        "The API has ['d']",
        "  dead: {'seq': 4, 'id': 'd'}, 409: a boat hangs in it",
    ]
