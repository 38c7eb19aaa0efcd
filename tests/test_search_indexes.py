"""Indexes made from a query's columns, and reloaded behind an alias, on real nodes."""

import asyncio
import datetime as dt
import sqlite3
import threading
import uuid
from contextlib import closing
from decimal import Decimal

import pytest

from rowferry import Api, auth, copy_to_api, elasticsearch, exceptions, post_rows
from rowferry.testing import Answer, FakeApi

QUERY = "SELECT id, name, depth, active FROM t"


@pytest.fixture
def table():
    with closing(sqlite3.connect(":memory:")) as conn:
        conn.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, depth REAL, active TEXT)")
        rows = [(number, f"row {number}", number / 8, None) for number in range(2000)]
        conn.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        yield conn


KEYWORD = {"type": "keyword"}


def test_a_mapping_is_made_of_what_columns_hold(table):
    mapping = elasticsearch.mapping_of(QUERY, table, fields={"active": KEYWORD})
    assert mapping["dynamic"] == "strict"
    assert {name: field["type"] for name, field in mapping["properties"].items()} == {
        "id": "long",
        "name": "text",
        "depth": "double",
        "active": "keyword",
    }


def test_a_column_of_which_nothing_is_known_has_to_be_told(table):
    with pytest.raises(exceptions.ConfigError) as caught:
        elasticsearch.mapping_of(QUERY, table)
    assert "column 'active' is NULL in all of the first 1,000 rows" in str(caught.value)
    assert "fields={'active': {'type': 'keyword'}}" in str(caught.value)


def test_no_rows_say_nothing(table):
    with pytest.raises(exceptions.ConfigError, match="of no rows"):
        elasticsearch.mapping_of(f"{QUERY} WHERE id < ?", table, parameters=(0,))


EVERYTHING = {
    "truth": (True, "boolean"),
    "number": (2**62, "long"),
    "exact": (Decimal("1.50"), "double"),
    "real": (1.5, "double"),
    "text": ("ä", "text"),
    "day": (dt.date(1899, 12, 31), "date"),
    "time": (dt.time(1, 2, 3), "keyword"),
    "naive": (dt.datetime(1753, 1, 1, 0, 0, 0, 1), "date"),  # as columns are
    "aware": (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "date"),
    "long": (dt.timedelta(hours=30), "keyword"),
    "uuid": (uuid.UUID(int=5), "keyword"),
    "json": ({"a": {"b": [1, 2]}}, "object"),
}


def test_a_node_takes_what_the_mapping_is_made_of(node):
    row = {"id": 1} | {name: value for name, (value, _) in EVERYTHING.items()}
    mapping = elasticsearch.mapping_of_rows([row])
    fields = {name: field["type"] for name, field in mapping["properties"].items()}
    assert fields == {"id": "long"} | {name: kind for name, (_, kind) in EVERYTHING.items()}
    api = Api.elasticsearch(node.url, index="t")
    elasticsearch.create_index(api, mapping, settings={"number_of_shards": 2})
    assert post_rows([row], api, key="id").delivered == 1
    elasticsearch.refresh(api)
    query = {"query": {"range": {"day": {"lt": "1900-01-01"}}}}
    assert node.post("/t/_search", query)["hits"]["hits"][0]["_source"]["number"] == 2**62
    assert node.get("/t/_settings")["t"]["settings"]["index"]["number_of_shards"] == "2"


def test_an_index_that_is_there_is_not_made_again(node):
    api = Api.elasticsearch(node.url, index="t")
    elasticsearch.create_index(api, {"dynamic": "strict"})
    with pytest.raises(exceptions.TransferError, match="resource_already_exists_exception"):
        elasticsearch.create_index(api, {"dynamic": "strict"})


# a full reload


@pytest.fixture
def airports(table):
    mapping = elasticsearch.mapping_of(QUERY, table, fields={"active": KEYWORD})

    def load(api, query=QUERY, **options):
        return elasticsearch.reload(
            api, lambda new: copy_to_api(query, table, new, key="id", **options), mapping
        )

    return load


def test_a_reload_swaps_the_alias_once_everything_is_there(node, airports):
    api = Api.elasticsearch(node.url, index="airports")
    assert airports(api).delivered == 2000
    (first,) = node.get("/_alias/airports")
    assert node.get("/airports/_count")["count"] == 2000  # found without a refresh of ours
    assert airports(api, f"{QUERY} WHERE id < 500").delivered == 500
    (second,) = node.get("/_alias/airports")
    assert node.get("/airports/_count")["count"] == 500
    assert set(node.get("/_all")) == {second} != {first}
    index = node.get(f"/{second}/_settings")[second]["settings"]["index"]
    assert "refresh_interval" not in index


def test_readers_see_the_old_documents_until_all_new_ones_are_there(es9, airports):
    api = Api.elasticsearch(es9.url, index="airports")
    airports(api)
    counts, ended = [], threading.Event()

    def look():
        while not ended.is_set():
            status, answer = es9.request("GET", "/airports/_count")
            counts.append(answer["count"] if status == 200 else answer)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for limit in (1500, 1000):
            airports(api, f"{QUERY} WHERE id < {limit}")
    finally:
        ended.set()
        reader.join()
    assert [count for count in counts if count not in {2000, 1500, 1000}] == []


def test_a_reload_that_fails_leaves_everything_as_it_was(es9, airports):
    api = Api.elasticsearch(es9.url, index="airports")
    airports(api)
    before = es9.get("/_alias/airports")
    with pytest.raises(exceptions.SourceError):
        airports(api, "SELECT * FROM nowhere")
    with pytest.raises(exceptions.RejectedError):
        airports(api, "SELECT id, id AS extra FROM t")
    assert es9.get("/_alias/airports") == before
    assert set(es9.get("/_all")) == set(before)
    assert es9.get("/airports/_count")["count"] == 2000


def test_a_reload_with_dead_records_is_not_shown_to_readers(es9, airports):
    api = Api.elasticsearch(es9.url, index="airports")
    airports(api)
    before = es9.get("/_alias/airports")
    query = "SELECT CASE id WHEN 7 THEN 'x' ELSE id END AS id FROM t"
    with pytest.raises(exceptions.TransferError) as caught:
        airports(api, query, on_error=lambda failed: None)
    assert "not everything was delivered (1,999 delivered, 1 dead" in str(caught.value)
    assert caught.value.report.dead == 1
    assert es9.get("/_alias/airports") == before
    (new,) = set(es9.get("/_all")) - set(before)
    assert new in str(caught.value)
    assert es9.count(new) == 1999


def test_an_old_index_may_be_kept(es9, table):
    api = Api.elasticsearch(es9.url, index="airports")
    mapping = {"dynamic": False}
    for _ in range(2):
        elasticsearch.reload(
            api, lambda new: copy_to_api(QUERY, table, new, key="id"), mapping, keep_old=True
        )
    assert len(es9.get("/_all")) == 2
    assert len(es9.get("/_alias/airports")) == 1


def test_an_index_is_not_taken_for_an_alias(es9, airports):
    es9.put("/airports")
    with pytest.raises(exceptions.ConfigError, match="airports is an index, and an alias cannot"):
        airports(Api.elasticsearch(es9.url, index="airports"))
    assert set(es9.get("/_all")) == {"airports"}


# what cannot work


@pytest.mark.parametrize(
    "api",
    [
        Api("http://h/t/_bulk"),
        Api("http://h/", body_format="elasticsearch"),
        Api.elasticsearch("http://h", index="x-{year}"),
    ],
    ids=["another format", "another url", "an index a row"],
)
def test_an_index_has_to_be_named(api):
    with pytest.raises(exceptions.ConfigError, match="with one index for all documents"):
        elasticsearch.refresh(api)


def test_a_cluster_that_says_no_or_nothing_tells_no_secret():
    def echo(request):
        return Answer(
            status=403, body=b'{"error":"%b"}' % request.headers["authorization"].encode()
        )

    with FakeApi(echo) as fake:
        api = Api.elasticsearch(fake.url, index="t", api_key="canary-of-a-key")
        with pytest.raises(exceptions.TransferError) as caught:
            elasticsearch.refresh(api)
    assert "answered 403: ***" in str(caught.value)
    with pytest.raises(exceptions.TransferError) as caught:
        elasticsearch.refresh(api)
    assert "canary" not in str(caught.value)


class Signing:
    """A scheme that signs."""

    def __init__(self):
        self.headers = {"X-Constant": "a"}
        self.parameters = {"p": "q"}

    def sign(self, request):
        return {"X-Signed": f"{request.method} {request.url} {request.headers['X-Constant']}"}


def test_the_cluster_is_told_who_asks_as_by_a_transfer():
    with FakeApi(Answer(status=200, body=b"{}")) as fake:
        url = fake.url.removesuffix("/records")
        elasticsearch.refresh(Api.elasticsearch(url, index="t", auth=auth.Basic("me", "word")))
        elasticsearch.refresh(Api.elasticsearch(url, index="t", auth=Signing()))
    basic, signed = fake.received
    assert basic.headers["authorization"] == "Basic bWU6d29yZA=="
    assert signed.path == "/t/_refresh?p=q"
    assert signed.headers["x-signed"] == f"POST {url}/t/_refresh?p=q a"


def test_the_cluster_is_asked_through_the_proxy_of_a_transfer():
    with FakeApi(Answer(status=200, body=b"{}")) as fake:
        proxy = f"http://me:word@127.0.0.1:{fake.port}"
        elasticsearch.refresh(
            Api.elasticsearch("http://search.example:9200", index="t", proxy=proxy)
        )
    (asked,) = fake.received
    assert asked.path == "http://search.example:9200/t/_refresh"
    assert asked.headers["host"] == "search.example:9200"
    assert asked.headers["proxy-authorization"] == "Basic bWU6d29yZA=="


def test_tokens_are_not_fetched_for_indexes():
    scheme = auth.OAuth2ClientCredentials("http://127.0.0.1:1/token", "id", "secret")
    with pytest.raises(exceptions.ConfigError, match="tokens are fetched"):
        elasticsearch.refresh(Api.elasticsearch("http://127.0.0.1:1", index="t", auth=scheme))


def test_a_reload_runs_within_a_loop_too(es9):
    async def load():
        api = Api.elasticsearch(es9.url, index="a")
        rows = [{"id": 1}]
        return elasticsearch.reload(api, lambda new: post_rows(rows, new, key="id"), {})

    assert asyncio.run(load()).delivered == 1
