"""
Options that cannot work: each is an error that names it, its value and what is allowed.

They are found where a value is made or a transfer is called, before a row is read or sent.
"""

import dataclasses
import math

import pytest

from rowferry import Api, Budget, Limits, Retry, copy_to_api, post_rows
from rowferry.exceptions import ConfigError
from rowferry.testing import FakeApi

URL = "http://127.0.0.1:1/"
HUGE = 10**5000
NO_NUMBERS = ["5", b"5", None, [], True, False, 1j, math.nan, math.inf, -math.inf, HUGE, -HUGE]
NO_COUNTS = [*NO_NUMBERS, 1.5, 1.0]


def of_api(**options):
    return Api(URL, **options)


# by option: who takes it, values that are out of its range, and None where that means something

NUMBERS = {
    "max_retries": (Retry, [*NO_COUNTS, -1]),
    "initial_backoff": (Retry, [*NO_NUMBERS, -0.001]),
    "max_backoff": (Retry, [*NO_NUMBERS, -0.001]),
    "max_retry_age": (Retry, [*NO_NUMBERS, -0.001]),
    "max_in_flight": (Limits, [*NO_COUNTS, 0, -1, 10_001]),
    "concurrency": (Limits, [value for value in NO_COUNTS if value != "5"] + [0, -1, "fast", ""]),
    "requests_per_second": (Limits, [*NO_NUMBERS, 0, -1, 5e-324, 0.000009]),
    "burst": (Limits, [*NO_COUNTS, 0, -1, 1_000_001]),
    "max_buffer_bytes": (Limits, [*NO_COUNTS, 0, -1]),
    "max_dead": (Budget, [*NO_COUNTS, -1]),
    "max_dead_from_start": (Budget, [*NO_COUNTS, 0, -1]),
    "deadline": (Budget, [*NO_NUMBERS, 0, -1]),
    "grace": (Budget, [*NO_NUMBERS, -0.001]),
    "batch_size": (of_api, [*NO_COUNTS, 0, -1, 100_001]),
    "batch_bytes": (of_api, [*NO_COUNTS, 0, -1]),
    "batch_linger": (of_api, [*NO_NUMBERS, -0.001]),
    "request_timeout": (of_api, [*NO_NUMBERS, 0, -1]),
    "connect_timeout": (of_api, [*NO_NUMBERS, 0, -1]),
}
NONE_TOO = {"requests_per_second", "max_dead", "max_dead_from_start", "deadline", "batch_size"}

OTHERS = {
    "method": [None, 5, "", "P ST", "HEAD", "POST\r\nX: y"],
    "headers": [None, 5, [("a", "b")], {"a": 5}, {"a b": "c"}, {"a": "b\r\nc: d"}, {5: "a"}],
    "body_format": [None, 5, "", "csv", object()],
    "retry": [None, 5, {}, Retry, Limits()],
    "limits": [None, 5, {}, Limits, Retry()],
    "success_status": [None, 200, "200", (), [True], [200.0], [199], [302], [600], ["200"]],
    "retry_on_status": [429, "429", [True], [200], [302], [600], ["429"]],
    "item_results": [5, "items", []],
    "idempotency_header": [5, "", "a b", "a\r\nb", "Content-Type", "Content-Length", b"Key"],
    "allow_plain_http": [None, 0, 1, "yes"],
    "auth": [5, "x", [], object()],
    "compression": [5, "", "br", True, False, []],
    "on_ambiguous": [None, True, "", "ignore", ["retry"]],
    "proxy": [
        5,
        "",
        "proxy.example",
        "ftp://h:1",
        "http://",
        "socks5://h:1080",
        "http://h:0",
        True,
    ],
    "client": [5, "aiohttp", True, object()],
    "tls": [None, False, 5, "ca.pem", {}, {"verify": "no"}, {"key": "k.pem"}, {"ca": "/none.pem"}],
}

TRANSFER = {
    "transform": [5, "lower", []],
    "key": [5, "", [], [""], [5], True],
    "name": [5, "", b"n", True],
    "ordering_key": [5, "", b"n", ["id"], True],
    "on_error": [5, "log", []],
    "limit": [*NO_COUNTS[:2], *NO_COUNTS[3:], -1],
    "budget": [None, 5, {}, Budget, Retry()],
    "chunk_size": [*NO_COUNTS, 0, -1],
    "progress": [5, "bar", []],
}


def shown(value):
    """Give how an error may show *value*; those that are long or hold secrets are not shown."""
    if isinstance(value, int) and abs(value) > 2**63:
        return "64 bits"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else repr(value)


def cases(table):
    return [
        pytest.param(
            name,
            value,
            id=f"{name}={value!r:.20}" if value not in (HUGE, -HUGE) else f"{name} huge",
        )
        for name, values in table.items()
        for value in values
    ]


@pytest.mark.parametrize(
    ("option", "value"), cases({name: values for name, (_, values) in NUMBERS.items()})
)
def test_a_number_out_of_its_range_is_named_with_its_value_and_what_is_allowed(option, value):
    taker, _ = NUMBERS[option]
    if value is None and option in NONE_TOO:
        taker(**{option: None})
        return
    with pytest.raises(ConfigError, match=f"^{option} must be ") as caught:
        taker(**{option: value})
    assert shown(value) in str(caught.value)


@pytest.mark.parametrize(("option", "value"), cases(OTHERS))
def test_what_is_none_of_its_kind_is_named(option, value):
    with pytest.raises(ConfigError, match=option):
        of_api(**{option: value})


@pytest.mark.parametrize(("option", "value"), cases(TRANSFER))
def test_an_option_of_a_transfer_is_an_error_before_a_row_is_read_or_sent(option, value):
    read = []

    def rows():
        read.append(True)
        yield {"id": 1}

    with FakeApi() as api, pytest.raises(ConfigError, match=option) as caught:
        post_rows(rows(), api.url, **{option: value})
    assert (read, api.connections) == ([], 0)
    if option in {"limit", "chunk_size"}:
        assert shown(value) in str(caught.value)


def test_the_same_holds_for_a_query():
    for option, values in TRANSFER.items():
        for value in values:
            with pytest.raises(ConfigError, match=option):  # else: no driver serves an object
                copy_to_api("select 1", object(), URL, **{option: value})


# what contradicts one another: the words that an error must hold

CONTRADICTIONS = {
    "a first backoff above the longest": (
        lambda: Retry(initial_backoff=5, max_backoff=1),
        ["initial_backoff=5", "max_backoff=1", "0 to max_backoff"],
    ),
    "a longest backoff below the first one's default": (
        lambda: Retry(max_backoff=0.05),
        ["initial_backoff=0.1", "max_backoff=0.05"],
    ),
    "more at a time than in flight": (
        lambda: Limits(concurrency=65),
        ["concurrency", "at most max_in_flight=64", "65"],
    ),
    "a burst of nothing": (lambda: Limits(burst=2), ["burst=2", "requests_per_second"]),
    "a batch that is larger than all that may wait": (
        lambda: of_api(batch_bytes=1001, limits=Limits(max_buffer_bytes=1000)),
        ["batch_bytes=1,001", "max_buffer_bytes=1,000", "1 to max_buffer_bytes"],
    ),
    "many records in a format of one": (
        lambda: of_api(batch_size=2),
        ["batch_size must be 1 with body_format 'json'", "not 2"],
    ),
    "a success that is sent again": (
        lambda: of_api(success_status=[404], retry_on_status=[404]),
        ["404", "success_status", "retry_on_status"],
    ),
    "sent again, but not what the API may have": (
        lambda: of_api(retry_on_status=[429, 500], on_ambiguous="dead_letter"),
        ["500", "retry_on_status", "on_ambiguous='dead_letter'", "408, 421, 425, 429 and 503"],
    ),
    "one header with two values": (
        lambda: of_api(headers={"idempotency-key": "1"}),
        ["idempotency_header", "idempotency_header=None"],
    ),
    "order within batches": (
        lambda: post_rows([{"id": 1}], Api(URL, body_format="ndjson"), ordering_key="id"),
        ["ordering_key", "batch_size is 500", "batch_size=1 does"],
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_options_that_contradict_each_other_are_both_named(case):
    make, words = CONTRADICTIONS[case]
    with pytest.raises(ConfigError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def test_the_default_of_batch_bytes_gives_way_to_a_small_room():
    assert of_api(limits=Limits(max_buffer_bytes=1000)).batch_bytes > 1000


def test_what_is_refused_may_be_sent_again_and_never_what_the_api_may_have():
    refused = [408, 421, 425, 429, 503]
    assert of_api(retry_on_status=refused, on_ambiguous="dead_letter").rules.fate(429)


@pytest.mark.parametrize("kind", [Retry, Limits, Budget])
def test_every_number_is_in_the_table(kind):
    assert {field.name for field in dataclasses.fields(kind)} <= NUMBERS.keys()


def test_every_option_of_an_api_is_in_the_tables():
    assert {field.name for field in dataclasses.fields(Api)} - {"url"} == OTHERS.keys() | {
        name for name, (taker, _) in NUMBERS.items() if taker is of_api
    }
