"""Against real nodes of Elasticsearch 7 and 9 and OpenSearch 2 and 3: what they say, and then."""

import datetime as dt
import http.client
import json
import threading
import time
from decimal import Decimal

import pytest

import servers
from rowferry import Api, Limits, Retry, exceptions, post_rows
from rowferry.formats.elasticsearch import Elasticsearch

QUICK = Retry(initial_backoff=0.01, max_backoff=0.1)
STRICT = {
    "mappings": {
        "dynamic": "strict",
        "properties": {"id": {"type": "long"}, "name": {"type": "keyword"}},
    },
    "settings": {"number_of_replicas": 0},
}
ROWS = [{"id": number, "name": f"row {number}"} for number in range(1200)]


@pytest.fixture
def index(node):
    """A strict index `t` on each node."""
    node.put("/t", STRICT)
    return node


def es(node, **options):
    return Api.elasticsearch(node.url, **{"index": "t", "retry": QUICK} | options)


def failing(node, rows, **options):
    """Post rows of which some fail; give the report and what failed, by the row's id."""
    failed = []
    report = post_rows(rows, es(node, **options), key="id", on_error=failed.extend)
    return report, {row.row["id"]: row.exception for row in failed}


def stopped(node, rows=ROWS, **options):
    """Post rows where the run is stopped; give its error. No record is buried."""
    failed = []
    with pytest.raises(exceptions.TransferError) as caught:
        post_rows(rows, es(node, **options), key="id", on_error=failed.extend)
    assert not isinstance(caught.value, exceptions.RejectedError)
    assert failed == []
    assert caught.value.report.dead == 0
    assert caught.value.report.pending == caught.value.report.records
    return caught.value


# what is taken

NASTY = [
    {"text": "Ærøskøbing, Łódź, Ω, 東京, عمان"},
    {"text": "😀 \U0001f9d1‍\U0001f680 e\u0301"},
    {"text": 'quotes " and \\ and \n lines \r\n \t \x00 \x1f \u2028'},
    {"text": ""},
    {"text": None},
    {"number": 10**15 + 1},
    {"number": 2**63 - 1},
    {"number": -(2**63)},
    {"real": 0.1 + 0.2},
    {"real": 1e-320},
    {"exact": Decimal("12345678901234567.89")},
    {"exact": Decimal("0.10")},
    {"yes": True},
    {"day": dt.date(1899, 12, 31)},
    {"day": dt.date(1, 1, 1)},
    {"at": dt.datetime(1753, 1, 1, 0, 0, 0, 1)},  # columns without a zone
    {"at": dt.datetime(2026, 7, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=45)))},
    {"list": [1, "two", None, {"three": 3}]},
]


def test_nasty_values_are_there_as_they_were(node):
    node.put("/t", {"mappings": {"dynamic": False}})
    rows = [{"id": number} | row for number, row in enumerate(NASTY)]
    assert post_rows(rows, es(node), key="id").delivered == len(rows)
    documents = node.documents("t")
    assert documents.keys() == {str(row["id"]) for row in rows}
    for row in rows:
        for name, value in row.items():
            assert documents[str(row["id"])][name] == as_json(value), (name, value)


def as_json(value):
    """Give a value as it is read from JSON, numbers with a point as exact decimals."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dt.date):
        return value.isoformat()
    return value


def test_documents_are_made_replaced_changed_and_deleted(index):
    rows = [{"id": number, "name": "a"} for number in range(10)]
    assert post_rows(rows, es(index), key="id").delivered == 10
    assert post_rows([{"id": 0, "name": "b"}], es(index), key="id").delivered == 1
    assert post_rows([{"id": 1, "name": "c"}], es(index, op="update"), key="id").delivered == 1
    assert post_rows([{"id": 99, "name": "d"}], es(index, op="upsert"), key="id").delivered == 1
    assert post_rows([{"id": 2}, {"id": 77}], es(index, op="delete"), key="id").delivered == 2
    named = {id_: document["name"] for id_, document in index.documents("t").items()}
    expected = {str(number): "a" for number in range(10) if number != 2}
    assert named == expected | {"0": "b", "1": "c", "99": "d"}


def test_each_row_may_say_what_is_to_be_done_and_where(node):
    node.put("/_ingest/pipeline/p", {"processors": []})
    rows = [
        {"id": 1, "op": "index", "year": 1, "way": "p", "shard": "s"},
        {"id": 2, "op": "create", "year": 1, "way": None, "shard": None},
        {"id": 3, "op": "delete", "year": 2, "way": None, "shard": "s"},
        {"id": 4, "op": "index", "year": 2, "way": None, "shard": "s"},
    ]
    api = es(node, index="x-{year}", op="{op}", pipeline="{way}", routing="{shard}", id="n{id}")
    assert post_rows(rows, api).delivered == 4
    assert set(node.documents("x-1")) == {"n1", "n2"}
    assert set(node.documents("x-2")) == {"n4"}
    assert node.get("/x-2/_doc/n4?routing=s")["_routing"] == "s"


def test_bodies_may_be_compressed(index):
    rows = [row | {"id": "x"} if row["id"] == 7 else row for row in ROWS]
    report, errors = failing(index, rows, compression="gzip")
    assert (report.delivered, list(errors), index.count("t")) == (1199, ["x"], 1199)


def test_a_pipeline_and_an_alias_may_be_the_same_for_all(index):
    index.put("/_ingest/pipeline/p", {"processors": []})
    index.put("/t/_alias/a")
    api = es(index, index="a", pipeline="p", require_alias=True)
    assert post_rows(ROWS, api, key="id").delivered == 1200
    assert index.count("t") == 1200


def test_of_two_versions_the_higher_one_stays(index):
    api = es(index, version="{id}")
    for version in (5, 4, 6, 6):
        assert post_rows([{"id": version, "name": "a"}], api, key="name").delivered == 1
    assert index.documents("t") == {"a": {"id": 6, "name": "a"}}


# what is said of one document


def test_a_document_that_does_not_fit_the_mapping_is_rejected_with_the_nodes_reason(index):
    rows = [row | {"id": "x"} if row["id"] == 7 else row for row in ROWS]
    rows += [{"id": 5000, "zz": 1}]
    report, errors = failing(index, rows)
    assert (report.delivered, report.dead, index.count("t")) == (1199, 2, 1199)
    assert errors["x"].status == 400
    assert "failed to parse field [id] of type [long]" in str(errors["x"])
    assert 'For input string: "x"' in str(errors["x"])
    assert "mapping set to strict, dynamic introduction of [zz]" in str(errors[5000])
    assert errors[5000].key == (5000,)


def test_a_document_that_is_there_already_is_not_made_again(index):
    assert post_rows([{"id": 7, "name": "first"}], es(index), key="id").delivered == 1
    report, errors = failing(index, ROWS, op="create")
    assert (report.delivered, report.dead) == (1199, 1)
    assert errors[7].status == 409
    assert "document already exists" in str(errors[7])
    assert index.documents("t")["7"]["name"] == "first"


def test_a_document_that_is_not_there_is_not_updated(index):
    report, errors = failing(index, [{"id": 98}], op="update")
    assert report.dead == 1
    assert errors[98].status == 404
    assert "document missing" in str(errors[98])


def test_an_index_whose_name_a_column_gives_wrongly_is_the_rows_own_fault(node):
    rows = [{"id": 1, "where": "good"}, {"id": 2, "where": "BAD"}, {"id": 3, "where": "good"}]
    report, errors = failing(node, rows, index="x-{where}")
    assert (report.delivered, report.dead, node.count("x-good")) == (2, 1, 2)
    assert "Invalid index name [x-BAD], must be lowercase" in str(errors[2])


# what every document would meet


def settings(node, **values):
    node.put("/t/_settings", {f"index.{name}": value for name, value in values.items()})


@pytest.mark.parametrize(
    ("block", "words", "remedy"),
    [
        ("read_only_allow_delete", "flood-stage watermark", "free disk space on the node"),
        ("write", "FORBIDDEN/8/index write (api)", "index.blocks.*"),
        ("read_only", "FORBIDDEN/5/index read-only (api)", "index.blocks.*"),
    ],
)
def test_an_index_that_takes_no_writes_stops_the_run(index, block, words, remedy):
    settings(index, **{f"blocks.{block}": True})
    error = stopped(index)
    assert words in str(error)
    assert remedy in str(error)
    settings(index, **{f"blocks.{block}": None})
    assert post_rows(ROWS, es(index), key="id").delivered == 1200


def test_a_closed_index_stops_the_run(index):
    index.post("/t/_close")
    assert "POST INDEX/_open opens it" in str(stopped(index))
    index.post("/t/_open")


def test_an_index_that_is_missing_stops_the_run_where_none_is_made_by_itself(node):
    node.put("/_cluster/settings", {"persistent": {"action.auto_create_index": "false"}})
    error = stopped(node, index="nope")
    assert "no such index [nope]" in str(error)
    assert "make the index first" in str(error)


def test_an_alias_that_is_missing_stops_the_run(index):
    assert "make the alias" in str(stopped(index, require_alias=True))


def test_a_pipeline_that_is_missing_stops_the_run(index):
    error = stopped(index, pipeline="nope")
    assert "pipeline with id [nope] does not exist" in str(error)
    assert "PUT _ingest/pipeline/NAME" in str(error)


def test_an_index_with_a_bad_name_stops_the_run(node):
    assert "Invalid index name [UPPER]" in str(stopped(node, index="UPPER"))


@pytest.mark.parametrize(
    ("path", "words"),
    [("/t/_bulk?bogus=1", "unrecognized parameter: [bogus]"), ("/t/_bulks", ""), ("/t", "method")],
)
def test_a_url_that_is_not_that_of_bulk_stops_the_run(index, path, words):
    with pytest.raises(exceptions.TransferError) as caught:
        post_rows(ROWS, Api(index.url + path, body_format="elasticsearch"), key="id")
    assert words in str(caught.value)
    assert "is url that of _bulk, and is this Elasticsearch?" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_content_type_that_is_not_taken_stops_the_run(index):
    error = stopped(index, headers={"Content-Type": "text/plain"})
    assert "Content-Type header [text/plain] is not supported" in str(error)


# sizes and counts


def test_what_is_too_large_is_halved_and_the_size_is_kept(index):
    """The nodes of these tests take 1 MiB; es9 closes the connection while it still receives."""
    rows = [{"id": number, "name": "x" * 100_000} for number in range(100)]
    api = es(
        index,
        batch_size=100_000,
        batch_bytes=50 * 2**20,
        index="big",
        limits=Limits(concurrency=1, max_buffer_bytes=100 * 2**20),
    )
    report = post_rows(rows, api, key="id")
    assert (report.delivered, index.count("big")) == (100, 100)
    assert report.requests <= 4 + 32  # 10, 5, 2.5 and 1.25 MB were too large; then of half of that


def test_a_document_that_is_too_large_alone_is_rejected(index):
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": "x" * 1_200_000}, {"id": 3, "name": "c"}]
    report, errors = failing(index, rows)
    assert (report.delivered, errors[2].status) == (2, 413)
    assert set(index.documents("t")) == {"1", "3"}


class Spoilt(Elasticsearch):
    """A format with a mistake in the action line of one document."""

    def join(self, records):
        return super().join(records).replace(b'{"index":{"_id":"7"}}', b'{"bogus":{"_id":"7"}}')


def test_action_lines_that_a_node_drops_in_silence_are_missed(index):
    url = es(index).url
    api = Api(url, body_format=Spoilt(), retry=Retry(max_retries=0))
    failed = []
    if index.kind == "es7":  # it says 200, no errors, and has one item less
        with pytest.raises(exceptions.ExhaustedError) as caught:
            post_rows(ROWS[:10], api, key="id", on_error=failed.extend)
        assert "the answer has 9 items for 10 documents" in str(caught.value)
        assert caught.value.report.pending == 10
        return
    report = post_rows(ROWS[:10], api, key="id", on_error=failed.extend)
    assert (report.delivered, report.dead) == (9, 1)
    assert failed[0].row == ROWS[7]
    assert "Malformed action/metadata line" in str(failed[0].exception)


def test_an_answer_is_no_longer_than_it_has_to_be(index):
    connection = http.client.HTTPConnection("127.0.0.1", index.port)
    api = es(index)
    records, _ = api.format.frame([b'{"id":1}', b'{"id":"x"}'], [{}, {}], (), [(1,), (2,)])
    headers = {"Content-Type": api.format.content_type}
    connection.request("POST", api.endpoint.target, api.format.join(records), headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert answer.keys() == {"errors", "items"}
    assert answer["items"][0] == {"index": {"status": 201}}
    assert answer["items"][1]["index"].keys() == {"status", "error"}


# a node that is busy, and one that dies


@pytest.mark.parametrize("kind", ["es9", "os3"])
def test_a_request_that_the_node_has_no_room_for_is_made_smaller(kind):
    with servers.search_node(kind, "indexing_pressure.memory.limit=2kb") as node:
        report, errors = failing(node, [*ROWS[:60], {"id": 5000, "name": "x" * 5000}])
        assert (report.delivered, report.dead, node.count("t")) == (60, 1, 60)
        assert errors[5000].status == 429
        assert "max_coordinating" in str(errors[5000])


def test_a_node_with_a_queue_of_one_gets_every_document():
    rows = [{"id": number, "name": f"row {number}"} for number in range(10_000)]
    with servers.search_node("es9", "node.processors=1", "thread_pool.write.queue_size=1") as node:
        node.put("/t", STRICT)
        report = post_rows(rows, es(node), key="id")
        assert (report.delivered, report.dead, report.maybe_duplicated) == (10_000, 0, 0)
        assert node.count("t") == 10_000


def test_a_node_that_is_killed_and_started_again_loses_nothing_and_doubles_nothing():
    total = 10_000
    with servers.search_node("es9") as node:
        node.put("/t", {"settings": {"number_of_replicas": 0}})
        killed = threading.Event()
        killing = threading.Thread(target=kill_and_start, args=(node, total, killed))
        killing.start()
        rows = slowly(({"id": n, "name": f"row {n}"} for n in range(total)), killed)
        try:
            report = post_rows(rows, es(node, retry=Retry()), key="id")
        finally:
            killing.join()
        assert (report.delivered, report.dead) == (total, 0)
        assert report.retries > 0
        documents = node.documents("t")
    assert documents == {str(n): {"id": n, "name": f"row {n}"} for n in range(total)}


def slowly(rows, killed):
    """Give rows at a pace that takes a few seconds, the second half once the node is *killed*."""
    for number, row in enumerate(rows):
        if number % 200 == 0:
            time.sleep(0.02)
        if number == 5000:
            assert killed.wait(60)
        yield row


def kill_and_start(node, total, killed):
    """Crash a node once it has a third of the documents, and start it again."""
    while node.count("t") < total / 3:
        time.sleep(0.05)
    node.kill()
    killed.set()
    node.start().wait()
