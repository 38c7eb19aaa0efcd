"""Action lines: where each document goes, and by which id; and the URL for what all share."""

import base64
import datetime as dt
import json
import re
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry import Api, auth, exceptions
from rowferry.formats.elasticsearch import Elasticsearch
from rowferry.formats.elasticsearch_templates import Template, id_of
from rowferry.values import encode_chunk


def framed(rows, keys=(), **options):
    texts, errors = encode_chunk(rows)
    assert not errors
    body_format = Elasticsearch(**options)
    lines, errors = body_format.frame(texts, rows, (), keys)
    return [[json.loads(line) for line in text.splitlines()] for text in lines], errors


def line(row, key=None, **options):
    ((lines,), errors) = framed([row], [key] if key else (), **options)
    assert not errors
    return lines


def astray(row, key=None, **options):
    (_, errors) = framed([row], [key] if key else (), **options)
    return str(errors[0])


ROW = {"id": 7, "icao": "EDDF", "year": 2026, "nothing": None, "op": "delete", "version": 5}


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({}, [{"index": {"_id": "7"}}, ROW]),
        ({"op": "create"}, [{"create": {"_id": "7"}}, ROW]),
        ({"op": "update"}, [{"update": {"_id": "7", "retry_on_conflict": 3}}, {"doc": ROW}]),
        (
            {"op": "upsert"},
            [
                {"update": {"_id": "7", "retry_on_conflict": 3}},
                {"doc": ROW, "doc_as_upsert": True},
            ],
        ),
        ({"op": "delete"}, [{"delete": {"_id": "7"}}]),
        ({"op": "{op}"}, [{"delete": {"_id": "7"}}]),
        ({"id": None}, [{"index": {}}, ROW]),
        ({"id": "{icao}-{year}"}, [{"index": {"_id": "EDDF-2026"}}, ROW]),
        ({"index": "logs-{year}"}, [{"index": {"_index": "logs-2026", "_id": "7"}}, ROW]),
        ({"index": "<x-{{now/d}}>"}, [{"index": {"_index": "<x-{now/d}>", "_id": "7"}}, ROW]),
        ({"routing": "{icao}"}, [{"index": {"_id": "7", "routing": "EDDF"}}, ROW]),
        ({"routing": "{nothing}"}, [{"index": {"_id": "7"}}, ROW]),
        ({"pipeline": "p{year}"}, [{"index": {"_id": "7", "pipeline": "p2026"}}, ROW]),
        (
            {"version": "{version}"},
            [{"index": {"_id": "7", "version": 5, "version_type": "external"}}, ROW],
        ),
    ],
)
def test_a_document_has_the_lines_that_its_options_say(options, lines):
    assert line(ROW, (7,), **options) == lines


def test_without_a_key_documents_have_no_ids_if_they_are_made_anew():
    assert line(ROW, op="create") == [{"create": {}}, ROW]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"op": "{icao}"}, "op is 'EDDF'; there are: index, create, update, upsert, delete"),
        ({"id": "{nothing}"}, "id cannot be made of nothing: NULL or empty"),
        ({"index": "{nothing}"}, "index cannot be made of nothing"),
        ({"version": "{icao}"}, "version is 'EDDF', which is no whole number"),
        ({"version": "{version}", "op": "{what}"}, "version goes with 'index' and 'delete'"),
    ],
)
def test_a_row_that_says_no_place_is_rejected_by_itself(options, words):
    good = ROW | {"icao": "index", "nothing": "x", "version": 6, "what": "index"}
    if "version" in options:
        good["icao"] = 8
    bad = ROW | {"what": "create"}
    lines, errors = framed([good, bad, good], [(1,), (2,), (3,)], **options)
    assert list(errors) == [1]
    assert words in str(errors[1])
    assert lines[1] == []
    assert lines[0][0] != {}


@pytest.mark.parametrize("version", [-1, "1.5", 2**63, True, "x"])
def test_a_version_is_a_whole_number(version):
    assert "no whole number" in astray({"v": version}, (1,), version="{v}")


@pytest.mark.parametrize("version", [0, 5, Decimal(5), "5", 2**63 - 1])
def test_a_version_may_be_of_any_type_that_holds_one(version):
    assert line({"v": version}, (1,), version="{v}")[0]["index"]["version"] == int(version)


def test_a_column_that_is_not_there_is_a_mistake_of_the_call():
    with pytest.raises(exceptions.ConfigError, match="the records have no column 'nope'"):
        framed([ROW], [(7,)], index="x-{nope}")


# ids

IDS = [
    ((7,), "7"),
    (("a b",), "a b"),
    (("ä/50%",), "ä%2F50%25"),
    ((7, "x/y", "z"), "7/x%2Fy/z"),
    ((True,), "true"),
    ((Decimal("1.50"),), "1.50"),
    ((Decimal("1E+3"),), "1E+3"),
    ((7.5,), "7.5"),
    ((dt.date(1899, 12, 31),), "1899-12-31"),
    ((dt.datetime(2026, 1, 2, 3, 4, 5),), "2026-01-02T03:04:05"),  # as columns are
    ((uuid.UUID(int=1),), "00000000-0000-0000-0000-000000000001"),
    ((b"\x00\xff",), "00ff"),
    (('"quoted"\n',), '"quoted"\n'),
]


@pytest.mark.parametrize(("key", "text"), IDS)
def test_an_id_is_the_text_of_the_key(key, text):
    assert id_of(key) == text
    assert line({"a": 1}, key) == [{"index": {"_id": text}}, {"a": 1}]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ((None,), "has a NULL"),
        ((1, None), "has a NULL"),
        (("",), "the id is empty"),
        (("x" * 513,), "has 513 bytes; 512 are allowed"),
        (("ä" * 257,), "has 514 bytes"),
        ((float("nan"),), "no number that JSON has"),
        (([1],), "holds values of its own"),
        (("\ud800",), "no valid Unicode"),
    ],
)
def test_a_key_that_is_no_id_rejects_its_record(key, words):
    assert words in astray({"a": 1}, key)


texts = st.text(st.sampled_from("ab/%"), min_size=1, max_size=6)


@given(st.lists(st.one_of(st.tuples(texts), st.tuples(texts, texts | st.integers(0, 9)))))
def test_different_keys_have_different_ids(keys):
    assert len({id_of(key) for key in keys}) == len(set(keys)) - sum(
        isinstance(key[-1], int) and (*key[:-1], str(key[-1])) in keys for key in set(keys)
    )


keys = st.one_of(
    st.integers(), st.text(), st.dates(), st.uuids(), st.decimals(allow_nan=False, places=2)
).map(lambda value: (value,))


@given(st.lists(keys, min_size=1))
def test_a_chunk_of_ids_is_the_same_as_one_by_one(keys):
    rows = [{"a": index, "%b": "%d"} for index in range(len(keys))]
    together = framed(rows, keys)
    one_by_one = [framed([row], [key]) for row, key in zip(rows, keys, strict=True)]
    assert together[0] == [lines for (lines,), _ in one_by_one]
    assert list(together[1]) == [index for index, (_, errors) in enumerate(one_by_one) if errors]


@given(st.lists(st.integers(0, 10**12), min_size=1), st.sampled_from(["index", "upsert", "delete"]))
def test_bodies_can_be_taken_apart_again(numbers, op):
    body_format = Elasticsearch(op=op)
    texts, _ = encode_chunk([{"n": number} for number in numbers])
    records, _ = body_format.frame(texts, texts, (), [(number,) for number in numbers])
    assert body_format.split(body_format.join(records), list(map(len, records))) == records


# what cannot work


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"op": "put"}, "op must be one of index, create, update, upsert, delete, or {column}"),
        ({"op": ""}, "op must be text that is not empty"),
        ({"op": "delete", "id": None}, "op 'delete' finds documents by their id"),
        ({"version": "{v}", "op": "create"}, "version goes with op 'index' or 'delete'"),
        ({"id": 5}, "id must be True (the key), None or text, not 5"),
        ({"id": False}, "id must be True"),
        ({"index": "x-{"}, "index has a brace that stands alone"),
        ({"index": "x-{}"}, "index has a brace that stands alone"),
        ({"pipeline": 3}, "pipeline must be text"),
    ],
)
def test_options_that_do_not_go_together(options, words):
    with pytest.raises(exceptions.ConfigError) as caught:
        Elasticsearch(**options)
    assert words in str(caught.value)


def test_a_template_knows_its_columns_and_whether_it_is_none():
    assert Template("x", "a-{b}-{c}").columns == ("b", "c")
    assert Template("x", "a").constant == "a"
    assert Template("x", "{{a}}").constant == "{a}"
    assert Template("x", "{a}").constant is None


# the URL


def api(url="http://localhost:9200", **options):
    return Api.elasticsearch(url, **{"index": "airports"} | options)


TAIL = "filter_path=errors,items.*.status,items.*.error,items.*.failure_store"


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({}, f"/airports/_bulk?{TAIL}"),
        ({"url": "http://h:9200/"}, f"/airports/_bulk?{TAIL}"),
        ({"url": "https://h/es/"}, f"/es/airports/_bulk?{TAIL}"),
        ({"index": "x-{year}"}, f"/_bulk?{TAIL}"),
        ({"index": "<x-{{now/d}}>"}, f"/%3Cx-%7Bnow%2Fd%7D%3E/_bulk?{TAIL}"),
        ({"pipeline": "p"}, f"/airports/_bulk?pipeline=p&{TAIL}"),
        ({"routing": "a b"}, f"/airports/_bulk?routing=a+b&{TAIL}"),
        ({"pipeline": "{p}"}, f"/airports/_bulk?{TAIL}"),
        ({"require_alias": True}, f"/airports/_bulk?require_alias=true&{TAIL}"),
    ],
)
def test_what_all_documents_share_stands_in_the_url(options, target):
    assert api(**options).endpoint.target == target


def test_what_differs_stands_in_the_action_lines():
    assert api(index="x-{year}", pipeline="p", routing="{r}").body_format == Elasticsearch(
        index="x-{year}", routing="{r}"
    )


def test_messages_may_name_a_pipeline_though_it_stands_in_the_url():
    made = api(pipeline="nightly", require_alias=True)
    assert made.redact("pipeline with id [nightly] does not exist: true") == (
        "pipeline with id [nightly] does not exist: true"
    )


def cloud(text):
    return "my-cluster:" + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("eu.example.com$abc$def", "https://abc.eu.example.com"),
        ("eu.example.com:9243$abc$def", "https://abc.eu.example.com:9243"),
        ("eu.example.com$abc$", "https://abc.eu.example.com"),
        ("eu.example.com$abc", "https://abc.eu.example.com"),
    ],
)
def test_a_cloud_id_is_a_url(text, origin):
    made = Api.elasticsearch(index="airports", cloud_id=cloud(text))
    assert made.endpoint.origin == origin
    assert made.endpoint.target.startswith("/airports/_bulk")


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({}, None),
        ({"api_key": "abc"}, b"ApiKey abc"),
        ({"api_key": ("id", "secret")}, b"ApiKey aWQ6c2VjcmV0"),
        ({"auth": auth.Basic("me", "pa:ss")}, b"Basic bWU6cGE6c3M="),
        ({"url": "http://me:pa@localhost"}, b"Basic bWU6cGE="),
        ({"headers": {"Authorization": "Bearer x"}}, b"Bearer x"),
    ],
)
def test_who_asks_is_said_in_a_header(options, header):
    found = re.search(rb"\r\nAuthorization: ([^\r]*)", api(**options).head)
    assert (found and found[1]) == header


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": None}, "give the url of the cluster, or its cloud_id"),
        ({"cloud_id": cloud("h$a")}, "give the url of the cluster, or its cloud_id"),
        ({"url": None, "cloud_id": "nonsense"}, "cloud_id is no Cloud ID"),
        ({"url": None, "cloud_id": cloud("h")}, "cloud_id is no Cloud ID"),
        ({"url": None, "cloud_id": cloud("$a")}, "names no host"),
        ({"url": "http://h/airports/_bulk"}, "url must be that of the cluster"),
        ({"url": "http://h/?pretty"}, "url must be that of the cluster"),
        ({"url": "ftp://h"}, "url must begin with http"),
        ({"url": 5}, "url must be text"),
        ({"api_key": "a", "auth": auth.Basic("b", "c")}, "not both"),
        ({"api_key": ("a", "b", "c")}, "api_key must be text, or its id and secret"),
        ({"api_key": ""}, "api_key must be text, or its id and secret"),
        ({"api_key": "a", "url": "http://example.com"}, "credentials would go unencrypted"),
        ({"index": ""}, "index must be text that is not empty"),
        ({"index": None}, "index must be text that is not empty"),
    ],
)
def test_a_cluster_that_is_not_said_clearly(options, words):
    with pytest.raises(exceptions.ConfigError) as caught:
        api(**options)
    assert words in str(caught.value)
