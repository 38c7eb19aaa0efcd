"""What each answer to `_bulk` means, by the error's type before its status; as nodes give them."""

import inspect
import json
from pathlib import Path

import pytest

from rowferry import Api, elasticsearch
from rowferry.batches import Attempts, Fate, Response
from rowferry.formats import elasticsearch_answers
from rowferry.formats.elasticsearch_actions import OPS
from rowferry.formats.elasticsearch_answers import Item, ItemError, Reader, error_of
from rowferry.verdict import Items, Rules

RULES = Rules(frozenset({200, 201, 202, 204}))
DOUBTFUL = Attempts(since=0.0, delivered_before=0, tries=1, ambiguous=1, ever_doubtful=True)
REFUSED_ONCE = Attempts(since=0.0, delivered_before=0, tries=1)
CROSSED_ONCE = Attempts(since=0.0, delivered_before=0, tries=1, conflicts=1)

BLOCKED = "index [t1] blocked by: [%s];"
FLOOD = BLOCKED % (
    "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has "
    "read-only-allow-delete block"
)
QUEUE = (
    "rejected execution of TimedRunnable{…} on TaskExecutionTimeTrackingEsThreadPoolExecutor"
    "[name = n1/write, queue capacity = 1, …]"
)
EXISTS = "[1]: version conflict, document already exists (current version [1])"
HIGHER = "[1]: version conflict, current version [5] is higher or equal to the one provided [5]"

ITEMS = [
    ("es_rejected_execution_exception", 429, QUEUE, Fate.REFUSED, ""),
    ("rejected_execution_exception", 429, QUEUE, Fate.REFUSED, ""),
    ("circuit_breaking_exception", 429, "[parent] Data too large", Fate.REFUSED, ""),
    ("unavailable_shards_exception", 503, "primary shard is not active", Fate.REFUSED, ""),
    ("process_cluster_event_timeout_exception", 503, "failed to process", Fate.REFUSED, ""),
    ("something_new", 429, "later", Fate.REFUSED, ""),
    ("something_new", 503, "later", Fate.REFUSED, ""),
    ("something_new", 500, "a bug", Fate.AMBIGUOUS, ""),
    ("cluster_block_exception", 429, FLOOD, Fate.STOP, "free disk space"),
    (
        "cluster_block_exception",
        403,
        BLOCKED % "FORBIDDEN/8/index write (api)",
        Fate.STOP,
        "index.blocks.*",
    ),
    (
        "cluster_block_exception",
        403,
        BLOCKED % "FORBIDDEN/5/index read-only (api)",
        Fate.STOP,
        "index.blocks.*",
    ),
    (
        "cluster_block_exception",
        503,
        "blocked by: [SERVICE_UNAVAILABLE/2/no master];",
        Fate.REFUSED,
        "",
    ),
    ("index_closed_exception", 400, "closed", Fate.STOP, "POST INDEX/_open"),
    ("index_not_found_exception", 404, "no such index [nope]", Fate.STOP, "make the index"),
    (
        "illegal_argument_exception",
        400,
        "pipeline with id [nope] does not exist",
        Fate.STOP,
        "PUT _ingest/pipeline/NAME",
    ),
    (
        "invalid_index_name_exception",
        400,
        "Invalid index name [UPPER], must be lowercase",
        Fate.STOP,
        "correct index=",
    ),
    ("security_exception", 403, "action [indices:data/write/bulk[s]] …", Fate.AUTH, ""),
    ("mapper_parsing_exception", 400, "failed to parse field [id]", Fate.REJECTED, ""),
    ("document_parsing_exception", 400, "[1:7] failed to parse field", Fate.REJECTED, ""),
    ("strict_dynamic_mapping_exception", 400, "mapping set to strict", Fate.REJECTED, ""),
    ("illegal_argument_exception", 400, "Limit of total fields exceeded", Fate.REJECTED, ""),
    ("document_missing_exception", 404, "[98]: document missing", Fate.REJECTED, ""),
]


def names(row):
    return f"{row[0]}-{row[1]}-{row[3].value}"


@pytest.mark.parametrize("row", ITEMS, ids=map(names, ITEMS))
def test_an_error_means_what_its_type_says(row):
    kind, status, reason, fate, remedy = row
    meaning = Reader(RULES).meaning("index", Item(status, ItemError(kind, reason)))
    assert meaning.fate is fate
    assert remedy in meaning.remedy
    assert bool(meaning.remedy) == bool(remedy)


@pytest.mark.parametrize("row", [row for row in ITEMS if row[3] is Fate.STOP])
def test_what_is_said_of_an_index_is_the_documents_own_fault_where_a_column_names_it(row):
    kind, status, reason, _, _ = row
    meaning = Reader(RULES, by_column=True).meaning("index", Item(status, ItemError(kind, reason)))
    assert meaning.fate is (Fate.STOP if reason == FLOOD else Fate.REJECTED)


@pytest.mark.parametrize(
    ("op", "attempts", "versioned", "fate"),
    [
        ("create", None, False, Fate.REJECTED),
        ("create", REFUSED_ONCE, False, Fate.REJECTED),
        ("create", DOUBTFUL, False, Fate.DELIVERED),
        ("index", None, True, Fate.DELIVERED),
        ("delete", None, True, Fate.DELIVERED),
        ("index", None, False, Fate.REJECTED),
        ("update", None, False, Fate.CONFLICT),
        ("update", CROSSED_ONCE, False, Fate.REJECTED),
    ],
)
def test_a_conflict_is_judged_by_the_op_and_by_what_was_sent_before(op, attempts, versioned, fate):
    conflict = ItemError("version_conflict_engine_exception", HIGHER if versioned else EXISTS)
    reader = Reader(RULES, versioned=versioned)
    assert reader.meaning(op, Item(409, conflict), attempts).fate is fate


def test_what_is_gone_is_deleted():
    reader = Reader(RULES)
    assert reader.meaning("delete", Item(404)).fate is Fate.DELIVERED
    assert reader.meaning("delete", Item(200)).fate is Fate.DELIVERED


def test_a_document_that_a_data_stream_keeps_apart_is_not_delivered():
    meaning = Reader(RULES).meaning("create", Item(201, failure_store="used"))
    assert meaning.fate is Fate.REJECTED


def test_statuses_are_retried_as_the_user_says_where_the_type_says_nothing():
    reader = Reader(Rules(frozenset({200}), frozenset({500})))
    assert reader.meaning("index", Item(503, ItemError("something_new"))).fate is Fate.REJECTED
    full = ItemError("es_rejected_execution_exception", QUEUE)
    assert reader.meaning("index", Item(429, full)).fate is Fate.REFUSED


# whole answers


def answer(status, body):
    text = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    return Response(status, (), text)


def read(status, body, count=1, **options):
    return Reader(RULES, **options).read(answer(status, body), count, None)


def refusal(kind, reason, status):
    error = {"root_cause": [{"type": kind, "reason": reason}], "type": kind, "reason": reason}
    return {"error": error, "status": status}


MIXED = (
    b'{"errors":true,"took":9,"items":[{"create":{"_index":"t1","_id":"1","_version":1,'
    b'"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":0,'
    b'"_primary_term":1,"status":201}},'
    b'{"index":{"_index":"t1","_id":"2","status":400,"error":{"type":"document_parsing_exception",'
    b'"reason":"[1:7] failed to parse field [id] of type [long] in document with id \'2\'. Preview '
    b'of field\'s value: \'x\'","caused_by":{"type":"illegal_argument_exception",'
    b'"reason":"For input string: \\"x\\""}}}},'
    b'{"index":{"_index":"t1","_id":"3","status":429,"error":{"type":'
    b'"es_rejected_execution_exception","reason":"rejected"}}},'
    b'{"delete":{"_index":"t1","_id":"4","_version":1,"result":"not_found","status":404}}]}'
)


def test_each_document_has_its_own_item():
    items = Reader(RULES).read(answer(200, MIXED), 4, None)
    assert (items.delivered, items.again, items.rejected) == (2, {Fate.REFUSED: [2]}, {1: 400})
    assert items.stop is None
    assert items.said[1] == (
        "document_parsing_exception: [1:7] failed to parse field [id] of type [long] in document "
        "with id '2'. Preview of field's value: 'x'; caused by illegal_argument_exception: For "
        'input string: "x"'
    )


FILTERED = b'{"errors":false,"items":[{"index":{"status":201}},{"index":{"status":200}}]}'
ES7 = b'{"took":3,"errors":false,"items":[{"index":{"_type":"_doc","_id":"1","status":201}},{"index":{"status":200}}]}'  # noqa: E501
ES9 = b'{"errors":false,"took":0,"items":[{"index":{"_id":"1","status":201}},{"index":{"status":200}}]}'  # noqa: E501


@pytest.mark.parametrize("body", [FILTERED, ES7, ES9], ids=["filtered", "es7", "es9"])
def test_an_answer_without_errors_is_only_counted(body, monkeypatch):
    monkeypatch.setattr("rowferry.formats.elasticsearch_answers._decode", None)
    assert Reader(RULES).read(answer(200, body), 2, None) == Items(2, {}, {})


@pytest.mark.parametrize("body", [FILTERED, ES7, ES9, MIXED])
@pytest.mark.parametrize("count", [1, 3, 500])
def test_an_answer_with_another_number_of_items_says_nothing_of_any(body, count):
    unread = Reader(RULES).read(answer(200, body), count, None)
    assert f"items for {count} documents" in unread.reason
    assert unread.error is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"<html>", b'{"errors":false}', b'{"errors":false,"items":[{"index":{}}]}'],
)
@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_success_that_is_no_answer_to_bulk_says_nothing_of_any(status, body):
    unread = Reader(RULES).read(answer(status, body), 1, None)
    assert unread.reason.startswith(f"the answer {status} is none to _bulk")
    assert unread.error


def test_an_answer_that_stops_the_run_still_tells_what_it_took():
    closed = {"type": "index_closed_exception", "reason": "closed"}
    body = {
        "errors": True,
        "items": [{"index": {"status": 201}}, {"index": {"status": 400, "error": closed}}],
    }
    items = read(200, body, 2)
    assert (items.delivered, items.rejected, items.stopped) == (1, {}, [1])
    assert items.stop.fate is Fate.STOP
    assert items.stop.reason == (
        "the API answered 400 for a document (index_closed_exception: closed); the index is "
        "closed: POST INDEX/_open opens it"
    )


ROOM = (
    "rejected execution of coordinating operation [coordinating_and_primary_bytes=0, "
    "replica_bytes=0, all_bytes=0, coordinating_operation_bytes=%d, max_coordinating_bytes=2048]"
)


def test_a_request_that_no_node_has_room_for_is_too_large_and_not_too_early():
    kind = "es_rejected_execution_exception"
    assert read(429, refusal(kind, ROOM % 55780, 429), 400).fate is Fate.TOO_LARGE
    assert read(429, refusal(kind, ROOM % 55780, 429), 1).fate is Fate.REJECTED
    assert read(429, refusal(kind, ROOM % 2000, 429), 400) is None  # the status says: refused


@pytest.mark.parametrize(
    ("status", "body", "fate"),
    [
        (413, b"", None),
        (401, refusal("security_exception", "missing authentication credentials", 401), None),
        (400, refusal("illegal_argument_exception", "unknown parameter [bogus]", 400), None),
        (400, refusal("action_request_validation_exception", "id [x] is too long", 400), None),
        (500, b"", None),
        (503, b"", None),
        (503, refusal("cluster_block_exception", "[SERVICE_UNAVAILABLE/2/no master]", 503), "R"),
        (403, refusal("cluster_block_exception", "[FORBIDDEN/6/cluster read-only]", 403), "S"),
        (403, refusal("security_exception", "action is unauthorized", 403), "A"),
        (403, b"<html>", "A"),
        (404, b"", "S"),
        (405, {"error": "Incorrect HTTP method for uri [/t1]", "status": 405}, "S"),
        (406, {"error": "Content-Type header [text/plain] is not supported", "status": 406}, "S"),
        (400, {"error": "no handler found for uri [/t1/_bulks] and method [POST]"}, "S"),
        (400, refusal("illegal_argument_exception", "unrecognized parameter: [x]", 400), "S"),
    ],
)  # fmt: skip
def test_an_answer_of_the_whole(status, body, fate):
    kinds = {"R": Fate.REFUSED, "S": Fate.STOP, "A": Fate.AUTH}
    verdict = read(status, body, 2)
    assert (verdict and verdict.fate) is (fate and kinds[fate])
    if verdict and isinstance(body, dict):
        said = body["error"]
        assert (said if isinstance(said, str) else said["reason"]) in verdict.reason


def test_errors_are_told_with_what_they_were_caused_by_and_not_at_length():
    cause = ItemError("b", "so")
    assert str(ItemError("a", "why", cause)) == "a: why; caused by b: so"
    assert str(ItemError("a", "why so", cause)) == "a: why so"
    assert str(ItemError("a")) == "a"
    assert len(str(ItemError("a", "x" * 5000))) == 1000


def test_an_error_may_be_an_object_or_a_text():
    assert error_of(b'{"error":{"type":"a","reason":null}}') == ItemError("a")
    assert error_of(b'{"error":"a"}') == ItemError("a")
    assert error_of(b"") == error_of(b"<html>") == error_of(b"{}") == ItemError()


# the documents

PAGE = (Path(__file__).parent.parent / "docs" / "elasticsearch.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## What an answer leads to")[2].partition("## Speed")[0]
ENDS = {
    Fate.REFUSED: "go again alone",
    Fate.STOP: "**the run stops**",
    Fate.AUTH: "**the run stops** with AuthError",
    Fate.REJECTED: "rejected",
    Fate.AMBIGUOUS: "ambiguous",
}


def documented(kind, reason):
    """Give what the page says that an error leads to."""
    lines = [line for line in SECTION.splitlines() if f"`{kind}`" in line]
    if "SERVICE_UNAVAILABLE" in reason:
        lines = [line for line in lines if "SERVICE_UNAVAILABLE" in line]
    elif "flood-stage" in reason:
        lines = [line for line in lines if "flood stage" in line]
    elif kind == "cluster_block_exception":
        lines = [line for line in lines if "any other" in line]
    end = lines[0].split("|")[2].strip()
    above = SECTION.partition(lines[0])[0].splitlines()
    while end == "the same":
        end = above.pop().split("|")[2].strip()
    return end


@pytest.mark.parametrize("row", ITEMS, ids=map(names, ITEMS))
def test_the_page_says_what_an_error_leads_to(row):
    kind, _, reason, fate, _ = row
    if "pipeline with id" in reason:
        kind = "pipeline with id [...] does not exist"
    if f"`{kind}`" not in SECTION:
        assert fate is Fate.REJECTED or kind == "something_new"
        return
    assert ENDS[fate] in documented(kind, reason)


def test_the_page_names_every_type_that_is_known_and_every_option():
    known = [*elasticsearch_answers._BY_TYPE, elasticsearch_answers._TYPE_OF_BLOCKS]
    assert [kind for kind in known if f"`{kind}`" not in SECTION] == []
    options = set(inspect.signature(Api.elasticsearch).parameters) - {"url", "headers", "options"}
    assert [name for name in sorted(options) if f"`{name}" not in PAGE] == []
    assert [op for op in OPS if f'`"{op}"`' not in PAGE] == []
    functions = [name for name in vars(elasticsearch) if f"`{name}(" in PAGE]
    assert functions == ["mapping_of", "mapping_of_rows", "create_index", "refresh", "reload"]
