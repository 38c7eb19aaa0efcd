"""Forms and compressed bodies; what each server that reads them finds."""

import datetime as dt
import decimal
import gzip
import json
import threading
import zlib
from collections import UserDict
from typing import NamedTuple
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry import Api, Limits, RawJSON, post_rows
from rowferry.batching import Batcher
from rowferry.exceptions import ConfigError
from rowferry.formats import FORMATS
from rowferry.formats.contract import encode_of, split_of
from rowferry.formats.form import FORMAT as FORM
from rowferry.formats.gzip import Gzipped, compressed
from rowferry.handoff import Handoff
from rowferry.ledger import Ledger
from rowferry.testing import Answer, FakeApi
from scripted import LONG


def form(record):
    """Give the form of a record."""
    (text,), errors = FORM.encode([record])
    assert errors == {}
    return text.decode()


def problem(record):
    texts, errors = FORM.encode([{"id": 1}, record])
    assert texts == [b"id=1", b""]
    return str(errors[1])


# forms


class Named(NamedTuple):
    a: int
    b: str


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({}, ""),
        ({"a": 1, "b": "x"}, "a=1&b=x"),
        ({"a": None, "b": ""}, "b="),
        ({"a b": "c d&e=f+g", "ä": "é"}, "a+b=c+d%26e%3Df%2Bg&%C3%A4=%C3%A9"),
        ({"a": True, "b": 1.5, "c": decimal.Decimal("12.50")}, "a=true&b=1.5&c=12.50"),
        ({"a": dt.date(2026, 1, 2), "b": RawJSON("5")}, "a=2026-01-02&b=5"),
        ({"a": "b\r\nc\0"}, "a=b%0D%0Ac%00"),
        (Named(1, "x"), "a=1&b=x"),
        (UserDict(a=1), "a=1"),
    ],
)
def test_a_record_is_a_form(record, text):
    assert form(record) == text


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"a": [1]}, "column 'a': list holds values of its own"),
        ({"a": {"b": 1}}, "column 'a': dict holds values of its own"),
        ({"a": RawJSON('{"b": 1}')}, "column 'a': RawJSON holds values of its own"),
        ({"a": b"x"}, "column 'a': bytes is binary"),
        ({"a": float("nan")}, "column 'a': nan is no number"),
        ({"a": "\ud800"}, "column 'a': the text is no valid Unicode"),
        ({"\ud800": "a"}, "the text is no valid Unicode"),
        ({1: "a"}, "the key 1 is not text"),
        ([1], "a list has no names"),
        ("text", "a str has no names"),
        (RawJSON("{}"), "a RawJSON has no names"),
    ],
)
def test_what_a_form_cannot_hold_is_rejected_and_the_column_named(record, words):
    assert words in problem(record)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.booleans() | st.none()))
def test_a_server_reads_what_was_in_the_record(record):
    def text(value):
        return str(value).lower() if isinstance(value, bool) else str(value)

    pairs = parse_qsl(form(record), keep_blank_values=True, strict_parsing=bool(form(record)))
    assert pairs == [(name, text(value)) for name, value in record.items() if value is not None]


def test_forms_are_sent_one_by_one_and_the_bad_ones_are_given_out():
    rows = [{"id": 1, "name": "a b"}, {"id": 2, "name": ["x"]}, {"id": 3, "name": None}]
    failed = []
    with FakeApi() as api:
        report = post_rows(rows, Api(api.url, body_format="form"), key="id", on_error=failed.extend)
        kinds = {request.headers["content-type"] for request in api.received}
        assert sorted(api.records, key=str) == [{"id": "1", "name": "a b"}, {"id": "3"}]
    assert kinds == {"application/x-www-form-urlencoded"}
    assert (report.delivered, report.dead) == (2, 1)
    assert "a record (key 2) cannot be sent: column 'name'" in str(failed[0].exception)


def test_a_form_holds_one_record():
    with pytest.raises(ConfigError, match="batch_size must be 1 with body_format 'form'"):
        Api("http://h/", body_format="form", batch_size=2)


# gzip


@given(st.binary() | st.integers(1, 40_000).map(lambda count: b'{"a": 1}' * count))
def test_what_is_compressed_is_what_it_was_and_the_same_each_time(body):
    packed = compressed(body)
    assert gzip.decompress(packed) == zlib.decompress(packed, 31) == body
    assert compressed(body) == packed


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 32_768, 32_769, 5 * 1024 * 1024])
def test_bodies_of_every_size_can_be_read(size):
    body = (b'{"id": 12345, "name": "x"}' * (size // 26 + 1))[:size]
    packed = compressed(body)
    assert gzip.decompress(packed) == body
    assert size < 100 or len(packed) < size / 4


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_be_compressed_and_keeps_what_it_is(name):
    plain, packed = FORMATS[name], Gzipped(FORMATS[name])
    for member in ("name", "content_type", "batch_size", "max_batch_size"):
        assert getattr(packed, member) == getattr(plain, member)
    assert bool(split_of(packed)) == bool(split_of(plain))
    assert bool(encode_of(packed)) == bool(encode_of(plain))
    texts = [b'{"a":1}', b'{"b":22}'][: plain.max_batch_size or 2]
    body = packed.join(texts)
    assert gzip.decompress(body) == plain.join(texts)
    if split := split_of(packed):
        assert split(body, list(map(len, texts))) == texts


@pytest.mark.parametrize(
    "options", [{}, {"body_format": "ndjson"}, {"body_format": "json_array", "batch_size": 7}]
)
def test_compressed_bodies_arrive(options):
    rows = [{"id": number} for number in range(200)]
    with FakeApi() as api:
        report = post_rows(rows, Api(api.url, compression="gzip", **options))
        assert sorted(api.records, key=lambda row: row["id"]) == rows
        for request in api.received:
            assert request.headers["content-encoding"] == "gzip"
            assert int(request.headers["content-length"]) == len(request.body)
    assert report.delivered == 200


@pytest.mark.parametrize("status", [413, 422])
def test_a_compressed_batch_is_divided_down_to_the_records_that_are_bad(status):
    def answer(request):
        ids = [row["id"] for row in request.records()]
        return status if 13 in ids else 201

    rows = [{"id": number} for number in range(40)]
    failed = []
    with FakeApi(answer) as api:
        report = post_rows(
            rows,
            Api(api.url, body_format="ndjson", compression="gzip"),
            on_error=failed.extend,
        )
        assert all(request.headers["content-encoding"] == "gzip" for request in api.received)
    assert (report.delivered, report.dead) == (39, 1)
    assert failed[0].row == {"id": 13}


def test_of_compressed_batches_only_the_items_that_can_be_retried_go_again():
    def answer(request):
        ids = [row["id"] for row in request.records()]
        again = len(ids) > 1
        statuses = [503 if again and number % 5 == 0 else 201 for number in ids]
        return Answer(status=200, body=json.dumps(statuses).encode())

    rows = [{"id": number} for number in range(1, 10)]
    with FakeApi(answer) as api:
        report = post_rows(
            rows,
            Api(
                api.url,
                body_format="json_array",
                compression="gzip",
                item_results=lambda answer: answer.json(),
                limits=Limits(concurrency=1),
            ),
        )
    assert report.delivered == 9


def test_batch_bytes_counts_what_a_body_was_before():
    rows = [{"id": number, "text": "x" * 100} for number in range(100)]
    with FakeApi() as api:
        post_rows(rows, Api(api.url, body_format="ndjson", compression="gzip", batch_bytes=1200))
        sizes = [len(request.plain()) for request in api.received]
    assert max(sizes) <= 1200
    assert len(sizes) >= 10


@pytest.mark.parametrize("value", ["zip", True, "", 5])
def test_another_compression_is_refused(value):
    with pytest.raises(ConfigError, match="compression must be 'gzip' or None, not "):
        Api("http://h/", compression=value)


def test_the_header_of_the_compression_is_ours():
    with pytest.raises(ConfigError, match="Content-Encoding is what compression= sets"):
        Api("http://h/", compression="gzip", headers={"content-encoding": "br"})


def test_a_compressed_body_says_its_own_type():
    api = Api("http://h/", compression="gzip", headers={"content-type": "text/x"})
    assert b"\r\ncontent-type: text/x\r\nContent-Encoding: gzip\r\n" in api.head


def test_the_event_loop_does_not_wait_for_a_batch_that_is_being_compressed():
    begun, go_on = threading.Event(), threading.Event()

    def join(records):
        begun.set()
        go_on.wait(LONG)
        return compressed(b"".join(records))

    batcher = Batcher(join, size=2, max_bytes=10**6, splittable=True)
    handoff = Handoff(batcher, Ledger(), max_bytes=10**6, max_records=10, linger=0.0)
    assert handoff.batch([b"1"], []) == []
    reading = threading.Thread(target=handoff.batch, args=([b"2"], []))
    reading.start()
    assert begun.wait(LONG)
    assert handoff.overdue() == []
    go_on.set()
    reading.join()
