"""Documents to `_bulk`: what the engine does with each answer, against a server that speaks so."""

import json
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

import rowferry as etl
from rowferry import Api, Limits, Retry, copy_to_api, exceptions, post_rows
from rowferry.formats.elasticsearch import Elasticsearch
from rowferry.testing import Answer, FakeApi

QUICK = Retry(initial_backoff=0.001, max_backoff=0.01)
ROWS = [{"id": number, "name": f"row {number}"} for number in range(1200)]


class Index:
    """
    A behaviour: an index that takes `_bulk` requests.

    Args:
        says: gives (status, error) for what it will not take, by the op, the id, the document, and
            how often that id came; None for what it takes.
    """

    def __init__(self, says=lambda op, id_, document, attempt: None):
        self.documents = {}
        self.seen = Counter()
        self._says = says

    def __call__(self, request):
        lines = [json.loads(line) for line in request.body.splitlines()]
        items = []
        while lines:
            ((op, target),) = lines.pop(0).items()
            document = lines.pop(0) if op != "delete" else None
            items.append({op: self._item(op, target.get("_id"), document)})
        errors = any("error" in item for each in items for item in each.values())
        body = json.dumps({"errors": errors, "items": items}, separators=(",", ":"))
        return Answer(status=200, body=body.encode())

    def _item(self, op, id_, document):
        self.seen[id_] += 1
        said = self._says(op, id_, document, self.seen[id_])
        if said is None:
            self.documents[id_] = document
            return {"status": 201}
        status, kind, reason = said
        return {"status": status, "error": {"type": kind, "reason": reason}}


def es(api, **options):
    return Api.elasticsearch(api.url, **{"index": "t", "retry": QUICK} | options)


@pytest.fixture
def table():
    with closing(sqlite3.connect(":memory:")) as conn:
        conn.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
        conn.executemany("INSERT INTO t VALUES (:id, :name)", ROWS)
        yield conn


def test_every_row_is_a_document_under_its_key(table):
    index = Index()
    with FakeApi(index) as api:
        report = copy_to_api("SELECT * FROM t", table, es(api), key="id")
        paths = {request.path.partition("?")[0] for request in api.received}
    assert (report.delivered, report.maybe_duplicated, report.retries) == (1200, 0, 0)
    assert index.documents == {str(row["id"]): row for row in ROWS}
    assert paths == {"/records/t/_bulk"}
    assert len(api.received) == 3
    assert api.received[0].headers["content-type"] == "application/x-ndjson"


def test_the_format_may_be_named_where_the_url_is_that_of_bulk():
    index = Index()
    with FakeApi(index) as api:
        post_rows(ROWS, Api(api.url, body_format="elasticsearch"), key="id")
    assert len(index.documents) == 1200


def test_without_a_key_there_is_nothing_to_make_ids_of():
    with FakeApi(Index()) as api:
        with pytest.raises(exceptions.ConfigError) as caught:
            post_rows(ROWS, es(api))
        assert "makes ids of the key: key= names its columns" in str(caught.value)
        assert api.received == []
        assert post_rows(ROWS, es(api, id=None)).delivered == 1200
        assert post_rows(ROWS, es(api, op="create")).delivered == 1200
        assert post_rows(ROWS, es(api, id="x{id}")).delivered == 1200


def test_rows_say_where_they_go_also_where_a_function_changes_them():
    def shaped(row):
        row["title"] = row.pop("name")
        del row["id"]
        return row

    index = Index()
    rows = [row | {"op": "delete" if row["id"] % 2 else "index"} for row in ROWS[:10]]
    with FakeApi(index) as api:
        post_rows(
            [dict(row) for row in rows], es(api, op="{op}"), key="id", transform=etl.per_row(shaped)
        )
    assert index.documents == {
        str(row["id"]): None if row["id"] % 2 else {"title": row["name"], "op": "index"}
        for row in rows
    }


def test_several_records_of_a_row_have_ids_of_their_own():
    index = Index()
    with FakeApi(index) as api:
        post_rows(
            ROWS[:2],
            es(api),
            key="id",
            transform=etl.per_row(lambda row: [{"part": 1}, {"part": 2}, {"part": 3}]),
        )
    assert set(index.documents) == {"0", "0/1", "0/2", "1", "1/1", "1/2"}


def test_a_row_without_a_place_is_told_of_and_the_others_go_on():
    index, failed = Index(), []
    rows = [row | {"op": "bury" if row["id"] == 7 else "index"} for row in ROWS]
    with FakeApi(index) as api:
        report = post_rows(rows, es(api, op="{op}"), key="id", on_error=failed.extend)
    assert (report.delivered, report.dead) == (1199, 1)
    assert failed[0].row["id"] == 7
    assert "op is 'bury'" in str(failed[0].exception)


# what items say

MAPPING = (400, "document_parsing_exception", "[1:7] failed to parse field [id] of type [long]")
QUEUE = (429, "es_rejected_execution_exception", "rejected execution of …")
FLOOD = (
    429,
    "cluster_block_exception",
    "index [t] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark];",
)
EXISTS = (409, "version_conflict_engine_exception", "document already exists")


def test_each_rejected_document_is_told_with_the_nodes_own_reason():
    index, failed = Index(lambda op, id_, *_: MAPPING if id_ in {"3", "700"} else None), []
    with FakeApi(index) as api:
        report = post_rows(ROWS, es(api), key="id", on_error=failed.extend)
    assert (report.delivered, report.dead, report.retries) == (1198, 2, 0)
    assert sorted(row.row["id"] for row in failed) == [3, 700]
    for row in failed:
        assert row.exception.status == 400
        assert row.exception.answer == f"{MAPPING[1]}: {MAPPING[2]}"
        assert f"to a record (key {row.row['id']}): {MAPPING[1]}" in str(row.exception)


def test_by_default_the_first_rejected_document_stops_the_run():
    index = Index(lambda op, id_, *_: MAPPING if id_ == "3" else None)
    with FakeApi(index) as api, pytest.raises(exceptions.RejectedError) as caught:
        post_rows(ROWS, es(api), key="id")
    assert "failed to parse field [id]" in str(caught.value)
    assert caught.value.key == (3,)


@pytest.mark.parametrize(
    "said", [QUEUE, (503, "unavailable_shards_exception", "primary shard is not active")]
)
def test_what_a_node_refuses_goes_again_alone(said):
    refused = {"5", "6", "1100"}
    index = Index(lambda op, id_, _, attempt: said if id_ in refused and attempt < 3 else None)
    with FakeApi(index) as api:
        report = post_rows(ROWS, es(api), key="id")
        lines = [request.body.count(b"\n") // 2 for request in api.received]
    assert (report.delivered, report.dead, report.maybe_duplicated) == (1200, 0, 0)
    assert {id_: times for id_, times in index.seen.items() if times > 1} == dict.fromkeys(
        refused, 3
    )
    assert sum(lines) == 1200 + 2 * len(refused)


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (FLOOD, "free disk space on the node"),
        ((400, "index_closed_exception", "closed"), "POST INDEX/_open"),
        ((404, "index_not_found_exception", "no such index [t]"), "make the index first"),
        ((400, "illegal_argument_exception", "pipeline with id [p] does not exist"), "_ingest"),
    ],
)
def test_what_every_document_would_meet_stops_the_run_and_buries_none(said, remedy):
    failed = []
    index = Index(lambda op, id_, *_: said if int(id_) >= 600 else None)
    with FakeApi(index) as api, pytest.raises(exceptions.TransferError) as caught:
        post_rows(ROWS, es(api), key="id", on_error=failed.extend)
    report = caught.value.report
    assert not isinstance(caught.value, exceptions.RejectedError)
    assert said[2] in str(caught.value)
    assert remedy in str(caught.value)
    assert (failed, report.dead) == ([], 0)
    assert report.delivered == len(index.documents)
    assert report.pending == report.records - report.delivered > 0
    assert caught.value.exit_code == (4 if report.delivered else 2)


def test_a_node_that_does_not_allow_it_is_a_matter_of_credentials():
    says = (403, "security_exception", "action [indices:data/write/bulk] is unauthorized")
    with FakeApi(Index(lambda *_: says)) as api, pytest.raises(exceptions.AuthError) as caught:
        post_rows(ROWS, es(api, api_key="canary-of-a-key"), key="id")
    assert "is unauthorized" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_document_that_an_earlier_try_made_is_delivered():
    index = Index(lambda op, id_, _, attempt: EXISTS if id_ in index.documents else None)

    def taken_but_not_said(request):
        answer = index(request)
        return Answer(cut="reset") if request.attempt == 1 else answer

    with FakeApi(taken_but_not_said) as api:
        report = post_rows(ROWS, es(api, op="create"), key="id")
    assert (report.delivered, report.dead) == (1200, 0)
    assert set(index.seen.values()) == {2}


def test_a_document_that_somebody_else_made_is_rejected():
    index, failed = Index(lambda op, id_, *_: EXISTS if id_ == "9" else None), []
    with FakeApi(index) as api:
        report = post_rows(ROWS, es(api, op="create"), key="id", on_error=failed.extend)
    assert (report.delivered, report.dead) == (1199, 1)
    assert failed[0].row["id"] == 9


# what whole answers say


def test_an_answer_with_fewer_items_than_documents_counts_for_none():
    index = Index()

    def dropping(request):
        answer = index(request)
        if request.attempt > 1:
            return answer
        items = json.loads(answer.body)["items"][1:]
        return Answer(status=200, body=json.dumps({"errors": False, "items": items}).encode())

    with FakeApi(dropping) as api:
        report = post_rows(ROWS, es(api), key="id")
    assert (report.delivered, report.maybe_duplicated) == (1200, 1200)
    assert report.retries >= 3


def test_what_is_too_large_is_halved_and_the_size_is_kept():
    index, limit = Index(), 4000

    def small(request):
        return 413 if len(request.body) > limit else index(request)

    with FakeApi(small) as api:
        report = post_rows(ROWS, es(api, limits=Limits(concurrency=1)), key="id")
        sizes = [len(request.body) for request in api.received]
    assert report.delivered == len(index.documents) == 1200
    assert sum(size > limit for size in sizes) <= 4  # of the first batch, and its first halves


def test_a_connection_that_breaks_twice_under_a_large_request_halves_it():
    """As where a 413 is lost because the API closes while it still receives."""
    index, limit = Index(), 150_000
    rows = [{"id": number, "name": "x" * 1000} for number in range(1000)]

    def small(request):
        return Answer(cut="reset") if len(request.body) > limit else index(request)

    with FakeApi(small) as api:
        report = post_rows(rows, es(api, limits=Limits(concurrency=1)), key="id")
        sizes = [len(request.body) for request in api.received]
    assert report.delivered == len(index.documents) == 1000
    assert set(index.seen.values()) == {1}
    assert sum(size > limit for size in sizes) <= 4  # two of the first batch, and of a half
    assert max(sizes[4:]) <= limit


def test_a_connection_that_breaks_under_a_small_request_says_nothing_of_its_size():
    index = Index()

    def shaky(request):
        return Answer(cut="reset") if request.attempt < 4 else index(request)

    with FakeApi(shaky) as api:
        report = post_rows(ROWS, es(api), key="id")
        sizes = {len(request.body) for request in api.received}
    assert (report.delivered, report.requests, len(sizes)) == (1200, 12, 3)


def test_a_document_that_is_too_large_alone_is_rejected():
    index, failed = Index(), []

    def small(request):
        return 413 if len(request.body) > 4000 else index(request)

    rows = [row | {"name": "x" * 5000} if row["id"] == 700 else row for row in ROWS]
    with FakeApi(small) as api:
        report = post_rows(rows, es(api), key="id", on_error=failed.extend)
    assert (report.delivered, report.dead) == (1199, 1)
    assert (failed[0].row["id"], failed[0].exception.status) == (700, 413)


def test_a_request_that_is_refused_as_a_whole_goes_again():
    index = Index()

    def busy(request):
        return 429 if request.attempt == 1 else index(request)

    with FakeApi(busy) as api:
        report = post_rows(ROWS, es(api), key="id")
    assert (report.delivered, report.maybe_duplicated) == (1200, 0)
    assert set(index.seen.values()) == {1}


def test_a_request_that_is_not_taken_for_one_document_is_bisected():
    index, failed = Index(), []

    def fussy(request):
        return 400 if b'"row 700"' in request.body else index(request)

    with FakeApi(fussy) as api:
        report = post_rows(ROWS, es(api), key="id", on_error=failed.extend)
    assert (report.delivered, report.dead) == (1199, 1)
    assert failed[0].row["id"] == 700


def test_a_server_that_is_no_elasticsearch_stops_the_run():
    with FakeApi(405) as api, pytest.raises(exceptions.TransferError) as caught:
        post_rows(ROWS, es(api), key="id")
    assert "is url that of _bulk, and is this Elasticsearch?" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_server_that_takes_anything_is_no_elasticsearch_either():
    with FakeApi(201) as api, pytest.raises(exceptions.TransferError) as caught:
        post_rows(ROWS, es(api, batch_size=100), key="id")
    assert "the answer 201 is none to _bulk" in str(caught.value)
    assert caught.value.report.delivered == 0
    assert caught.value.exit_code == 2


def test_answers_may_be_larger_than_those_of_others():
    index = Index()

    def at_length(request):
        answer = index(request)
        padding = b'{"took":%s1,' % (b"1" * 200_000)
        return Answer(status=200, body=padding + answer.body[1:])

    with FakeApi(at_length) as api:
        assert post_rows(ROWS, es(api), key="id").delivered == 1200


def test_a_format_of_ones_own_may_read_answers_too():
    class Lines(Elasticsearch):
        """It is enough to have the members."""

    with FakeApi(Index()) as api:
        report = post_rows(ROWS, Api(api.url, body_format=Lines()), key="id")
    assert report.delivered == 1200


def test_a_dead_document_is_sent_again_from_the_journal(tmp_path):
    bad = {"3"}
    index = Index(lambda op, id_, *_: MAPPING if id_ in bad else None)
    journal = tmp_path / "journal"
    with FakeApi(index) as api:
        report = post_rows(ROWS, es(api), key="id", name="nightly", journal=etl.Journal(journal))
        assert (report.delivered, report.dead) == (1199, 1)
        (letter,) = etl.dead_letters(journal)
        assert (letter["record"], letter["status"]) == (ROWS[3], 400)
        assert MAPPING[2] in letter["answer"]
        bad.clear()
        assert etl.retry_dead_letters(journal, es(api)).delivered == 1
    assert index.documents["3"] == ROWS[3]
    assert len(index.documents) == 1200
