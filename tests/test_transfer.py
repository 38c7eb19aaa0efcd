"""End to end: rows into a FakeApi, from iterables and SQLite, by every face."""

# ruff: noqa: SIM117 - the server is one thing, the error expected of it another

import asyncio
import itertools
import json
import socket
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from rowferry import (
    Api,
    Budget,
    Limits,
    RawJSON,
    Retry,
    acopy_to_api,
    apost_rows,
    connect,
    copy_to_api,
    execute,
    load,
    per_row,
    post_rows,
)
from rowferry.exceptions import (
    AuthError,
    ConfigError,
    ExhaustedError,
    RejectedError,
    SourceError,
    TransferError,
)
from rowferry.pipeline import Run
from rowferry.reader import Query
from rowferry.row_factories import namedtuple_row_factory, tuple_row_factory
from rowferry.running import _deliver, of_query, of_rows
from rowferry.testing import Answer, FakeApi
from scripted import LONG, auntil, until

QUICK = Retry(initial_backoff=0.001, max_backoff=0.01)


def rows_of(count):
    return [{"id": n, "name": f"row {n}"} for n in range(count)]


@pytest.fixture
def api():
    with FakeApi() as api:
        yield api


@pytest.fixture
def table(sqlite):
    execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", sqlite)
    load("t", sqlite, rows_of(1000))
    return sqlite


@pytest.fixture
def database(tmp_path):
    """The URL of a SQLite file with a table of 1,000 rows."""
    with closing(sqlite3.connect(tmp_path / "t.db")) as conn:
        execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", conn)
        load("t", conn, rows_of(1000))
    return f"sqlite:///{tmp_path}/t.db"


def by_id(records):
    return sorted(records, key=lambda record: record["id"])


def refusing(ids, status=422):
    """Give the behaviour of an API that does not take some records."""
    return lambda request: (
        Answer(status=status, body=b'{"error": "no"}')
        if any(record["id"] in ids for record in request.records())
        else 201
    )


def first_time(answer, then=201):
    """Give the behaviour of an API that answers each body with *answer* first."""
    seen = set()

    def behave(request):
        if request.body in seen:
            return then
        seen.add(request.body)
        return answer

    return behave


# the faces


def test_rows_of_an_iterable_arrive(api):
    report = post_rows(rows_of(300), api.url)
    assert by_id(api.records) == rows_of(300)
    assert (report.read, report.records, report.delivered, report.requests) == (300, 300, 300, 300)
    assert (report.dead, report.pending, report.retries, report.maybe_duplicated) == (0, 0, 0, 0)
    assert report.exit_code == 0


def test_rows_of_a_query_arrive(api, table):
    report = copy_to_api("SELECT * FROM t", table, api.url)
    assert by_id(api.records) == rows_of(1000)
    assert report.delivered == 1000
    assert not table.in_transaction


def test_rows_of_a_query_with_parameters_arrive(api, table):
    sql = "SELECT * FROM t WHERE id < :most AND name <> :name"
    copy_to_api(sql, table, api.url, parameters={"most": 5, "name": "row 3"})
    assert [record["id"] for record in by_id(api.records)] == [0, 1, 2, 4]


def test_a_url_is_connected_to_and_closed_again(api, database):
    assert copy_to_api("SELECT * FROM t", database, api.url).delivered == 1000


def test_rows_may_be_awaited(api):
    report = asyncio.run(apost_rows(rows_of(300), api.url))
    assert by_id(api.records) == rows_of(300)
    assert report.delivered == 300


def test_rows_of_a_query_may_be_awaited(api, database):
    report = asyncio.run(acopy_to_api("SELECT * FROM t", database, api.url, limit=10))
    assert (report.read, report.delivered) == (10, 10)


def test_a_connection_that_may_cross_threads_may_be_awaited(api, tmp_path):
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as conn:
        asyncio.run(acopy_to_api("SELECT 1 AS id", conn, api.url))
        assert not conn.in_transaction
    assert api.records == [{"id": 1}]


def test_a_connection_that_may_not_cross_threads_is_a_source_error(api, table):
    with pytest.raises(SourceError, match="thread"):
        asyncio.run(acopy_to_api("SELECT * FROM t", table, api.url))
    assert api.received == []


def test_an_async_iterable_arrives(api):
    async def rows():
        for row in rows_of(300):
            if row["id"] % 50 == 0:
                await asyncio.sleep(0)
            yield row

    report = asyncio.run(apost_rows(rows(), api.url, chunk_size=7))
    assert by_id(api.records) == rows_of(300)
    assert report.read == 300


def test_an_async_iterable_needs_the_awaitable_face(api):
    async def rows():
        yield {}

    with pytest.raises(ConfigError, match="apost_rows"):
        post_rows(rows(), api.url)


def test_the_blocking_face_works_inside_a_running_loop(api, table):
    async def notebook():
        return copy_to_api("SELECT * FROM t", table, api.url), post_rows([{"id": 1}], api.url)

    first, second = asyncio.run(notebook())
    assert (first.delivered, second.delivered) == (1000, 1)


def test_the_blocking_face_works_off_the_main_thread_and_several_times_at_once(api):
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda n: post_rows(rows_of(n), api.url), [100, 200, 300, 400]))
    assert [report.delivered for report in reports] == [100, 200, 300, 400]


def test_awaited_transfers_run_side_by_side(api):
    async def both():
        return await asyncio.gather(*(apost_rows(rows_of(n), api.url) for n in (100, 200, 300)))

    assert [report.delivered for report in asyncio.run(both())] == [100, 200, 300]


@pytest.mark.parametrize("rows", [[], (), None, iter(())])
def test_no_rows_are_no_requests(api, rows):
    report = post_rows(rows, api.url)
    assert (report.read, report.requests, api.received) == (0, 0, [])


def test_a_generator_is_read_once_and_closed(api):
    closed = []

    def rows():
        try:
            yield from rows_of(250)
        finally:
            closed.append(threading.current_thread())

    post_rows(rows(), api.url)
    assert closed == [threading.current_thread()]


@pytest.mark.parametrize("rows", ["text", b"bytes", {"id": 1}, 5])
def test_rows_that_are_none_are_refused(api, rows):
    with pytest.raises(ConfigError, match="rows must be an iterable of rows"):
        post_rows(rows, api.url)


# rows and records


def test_rows_of_every_kind_become_objects(api, table):
    sql = "SELECT * FROM t WHERE id = 7"
    for factory in (namedtuple_row_factory, None):
        if factory:
            copy_to_api(sql, table, api.url, row_factory=factory)
        else:
            table.row_factory = sqlite3.Row
            post_rows(table.execute(sql), api.url)
    assert api.records == [{"id": 7, "name": "row 7"}] * 2


def test_tuples_become_arrays(api, table):
    copy_to_api("SELECT * FROM t WHERE id = 7", table, api.url, row_factory=tuple_row_factory)
    assert api.received[0].json() == [7, "row 7"]


def test_a_transform_may_give_more_or_fewer_records(api, table):
    def transform(chunk):
        for row in chunk:
            if row["id"] % 2:
                yield {"a": row["id"]}
                yield {"b": row["id"]}

    report = copy_to_api("SELECT * FROM t", table, api.url, transform=transform)
    assert (report.read, report.records, report.delivered) == (1000, 1000, 1000)
    assert Counter(next(iter(record)) for record in api.records) == {"a": 500, "b": 500}


def test_chunks_grow_to_the_chunk_size_and_no_further(api, table):
    sizes = []

    def transform(chunk):
        sizes.append(len(chunk))
        return ()

    copy_to_api("SELECT * FROM t", table, api.url, transform=transform, chunk_size=300)
    assert sum(sizes) == 1000
    assert (sizes[0], max(sizes)) == (100, 300)


def test_per_row_skips_and_multiplies(api):
    transform = per_row(lambda row: [row] * (row["id"] % 3))
    report = post_rows(rows_of(9), api.url, transform=transform)
    assert (report.read, report.records, report.skipped) == (9, 9, 3)
    assert Counter(record["id"] for record in api.records) == {1: 1, 2: 2, 4: 1, 5: 2, 7: 1, 8: 2}


def test_a_row_whose_function_raises_is_dead_and_the_others_arrive(api):
    failed = []
    transform = per_row(lambda row: {"id": 10 // row["id"]})
    report = post_rows(rows_of(4), api.url, transform=transform, on_error=failed.extend)
    assert (report.delivered, report.dead, report.records) == (3, 1, 4)
    assert [(row, type(error)) for row, error in failed] == [(rows_of(1)[0], ZeroDivisionError)]


def test_a_row_whose_function_raises_is_named_by_its_key(api):
    failed = []
    transform = per_row(lambda row: {"id": 10 // row["id"]})
    post_rows(rows_of(4), api.url, transform=transform, on_error=failed.extend, key="id")
    assert failed[0].exception.__notes__ == ["in the row with key 0"]
    with pytest.raises(ZeroDivisionError) as caught:
        post_rows(rows_of(4), api.url, transform=transform, key="id")
    assert caught.value.__notes__[0] == "in the row with key 0"


def test_a_row_whose_function_raises_stops_the_run_without_on_error(api):
    with pytest.raises(ZeroDivisionError) as caught:
        post_rows(rows_of(4), api.url, transform=per_row(lambda row: 1 / row["id"]))
    assert "the transfer ended early: " in caught.value.__notes__[-1]


def test_raw_json_goes_through_as_it_is(api):
    post_rows([RawJSON('{"a" : 1.50}')], api.url)
    assert api.received[0].body == b'{"a" : 1.50}'


def test_a_json_column_goes_through_unparsed(psycopg_connection, api):
    sql = """SELECT 1 AS id, '{"b" : 1.50,  "b": 2}'::json AS doc"""
    report = copy_to_api(sql, psycopg_connection, api.url)
    assert report.delivered == 1
    assert api.received[0].body == b'{"id":1,"doc":{"b" : 1.50,  "b": 2}}'


def test_a_json_column_is_parsed_for_a_transform(psycopg_connection, api):
    sql = """SELECT '{"b" : 1}'::json AS doc"""
    copy_to_api(sql, psycopg_connection, api.url, transform=per_row(lambda row: row["doc"]))
    assert api.records == [{"b": 1}]


def test_numeric_columns_keep_their_digits(psycopg_connection, api):
    copy_to_api("SELECT 12345678901234567.890 AS n", psycopg_connection, api.url)
    assert api.received[0].body == b'{"n":12345678901234567.890}'


def test_a_value_that_json_cannot_hold_takes_no_neighbour_along(api):
    rows = [*rows_of(50), {"id": 50, "blob": b"x"}, {"id": 51, "n": float("nan")}]
    failed = []
    report = post_rows(rows, api.url, on_error=failed.extend, key="id")
    assert by_id(api.records) == rows_of(50)
    assert (report.delivered, report.dead) == (50, 2)
    assert [row for row, _ in failed] == rows[50:]
    assert [error.key for _, error in failed] == [(50,), (51,)]
    assert "a record (key 50) cannot be sent: column 'blob'" in str(failed[0].exception)


# requests


@pytest.mark.parametrize(
    ("body_format", "body"),
    [
        ("json_array", b'[{"id":0},{"id":1}]'),
        ("ndjson", b'{"id":0}\n{"id":1}\n'),
    ],
)
def test_a_format_makes_the_body(api, body_format, body):
    post_rows([{"id": 0}, {"id": 1}], Api(api.url, body_format=body_format))
    assert [request.body for request in api.received] == [body]


def test_a_format_of_ones_own(api):
    class Lines:
        name, content_type, batch_size, max_batch_size = "lines", "text/x-lines", 2, None

        def join(self, records):
            return b"|".join(records)

    post_rows([1, 2, 3], Api(api.url, body_format=Lines()))
    assert sorted(request.body for request in api.received) == [b"1|2", b"3"]
    assert api.received[0].headers["content-type"] == "text/x-lines"


def test_what_a_format_raises_on_the_loop_stops_the_run(api):
    class Lines:
        name, content_type, batch_size, max_batch_size = "lines", "text/x-lines", 1000, None

        def join(self, records):
            raising()

    def slow():
        for number in range(400):
            yield {"id": number}
            time.sleep(0.05)

    began = time.monotonic()
    with pytest.raises(MineError, match="mine"):
        post_rows(slow(), Api(api.url, body_format=Lines()))
    assert time.monotonic() - began < LONG / 2


@pytest.mark.parametrize(("size", "requests"), [(None, 3), (1, 1100), (7, 158), (5000, 1)])
def test_records_are_batched(api, size, requests):
    rows = rows_of(1100)
    report = post_rows(rows, Api(api.url, body_format="ndjson", batch_size=size, batch_linger=LONG))
    assert by_id(api.records) == rows
    assert (len(api.received), report.requests, report.delivered) == (requests, requests, 1100)


def test_a_batch_has_so_many_bytes_at_most(api):
    target = Api(api.url, body_format="ndjson", batch_bytes=200, batch_linger=LONG)
    rows = [*rows_of(40), {"id": 40, "name": "x" * 500}, {"id": 41, "name": ""}]
    post_rows(rows, target)
    assert by_id(api.records) == rows
    large = [request.body for request in api.received if len(request.body) > 200]
    assert [json.loads(body)["id"] for body in large] == [40]


def test_batches_of_a_slow_source_do_not_wait_to_be_full(api):
    def rows():
        for row in rows_of(10):
            yield row
            if row["id"] == 4:
                until(lambda: len(api.records) >= 4, "the first records")

    target = Api(api.url, body_format="ndjson", batch_size=100, batch_linger=0.0)
    assert post_rows(rows(), target).delivered == 10


def test_waiting_for_an_async_source_without_linger_takes_no_cpu_time(api):
    async def rows():
        yield {"id": 1}
        await asyncio.sleep(1)
        yield {"id": 2}

    asyncio.run(apost_rows([], api.url))  # what is done once only
    began = time.process_time()
    report = asyncio.run(apost_rows(rows(), Api(api.url, batch_linger=0)))
    assert time.process_time() - began < 0.5
    assert report.delivered == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_method_is_the_apis(api, method):
    post_rows(rows_of(1), Api(api.url, method=method))
    assert [(request.method, request.path) for request in api.received] == [(method, "/records")]


def test_constant_headers_are_sent_and_replace_the_defaults(api):
    headers = {"Authorization": "Bearer x", "user-agent": "mine", "X-Empty": ""}
    post_rows(rows_of(2), Api(api.url + "?a=b c", headers=headers))
    for request in api.received:
        assert request.path == "/records?a=b%20c"
        assert request.headers["authorization"] == "Bearer x"
        assert request.headers["user-agent"] == "mine"
        assert request.headers["x-empty"] == ""
        assert request.headers["content-type"] == "application/json"
        assert request.headers["host"] == f"127.0.0.1:{api.port}"
        assert not {"cookie", "accept-encoding", "expect"} & set(request.headers)


def test_connections_are_kept_and_cookies_are_not(api):
    with FakeApi(Answer(headers={"Set-Cookie": "a=b"})) as other:
        report = post_rows(rows_of(500), Api(other.url, limits=Limits(max_in_flight=4)))
        assert 1 <= other.connections <= 4
        assert not any("cookie" in request.headers for request in other.received)
    assert report.max_in_flight <= 4


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_these_statuses_acknowledge(status):
    with FakeApi(status) as api:
        assert post_rows(rows_of(3), api.url).delivered == 3


def test_what_acknowledges_is_for_the_user_to_say():
    with FakeApi(404) as api:
        assert post_rows(rows_of(3), Api(api.url, success_status={404})).delivered == 3


# how much at once and how fast


@pytest.mark.parametrize(
    "limits", [Limits(max_in_flight=3), Limits(concurrency=3), Limits(max_in_flight=1)]
)
def test_never_more_than_allowed_are_in_flight(limits):
    with FakeApi(Answer(delay=0.005)) as api:
        report = post_rows(rows_of(60), Api(api.url, limits=limits))
        assert api.most_in_flight == limits.workers == report.max_in_flight


def test_so_many_are_in_flight_from_the_start_where_a_number_is_given(api):
    api.hold()
    with ThreadPoolExecutor(1) as pool:
        target = Api(api.url, limits=Limits(concurrency=64))
        running = pool.submit(post_rows, rows_of(200), target)
        until(lambda: api.in_flight == 64, "64 requests in flight")
        api.release()
        assert running.result().max_in_flight == 64
    assert api.most_in_flight == 64


def test_an_api_that_stalls_stops_the_reading(api):
    read = itertools.count()

    def endless():
        for number in read:
            yield {"id": number, "text": "x" * 1000}

    limits = Limits(max_buffer_bytes=200_000, max_in_flight=4)
    api.hold()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(post_rows, endless(), Api(api.url, limits=limits), limit=3000)
        until(lambda: api.in_flight == 4)
        before = -1
        while before != (before := next(read)) - 1:  # until nothing is read between two looks
            time.sleep(0.1)
        assert before < 1000
        api.release()
        assert running.result().delivered == 3000


def test_requests_keep_their_pace(api):
    target = Api(api.url, limits=Limits(requests_per_second=100))
    began = time.monotonic()
    report = post_rows(rows_of(30), target)
    assert report.delivered == 30
    assert time.monotonic() - began >= 29 / 100


def test_a_burst_comes_at_once_and_retries_keep_the_pace_too():
    with FakeApi(first_time(500)) as api:
        limits = Limits(requests_per_second=100, burst=10)
        began = time.monotonic()
        report = post_rows(rows_of(20), Api(api.url, limits=limits, retry=QUICK))
        assert (report.delivered, report.requests, report.retries) == (20, 40, 20)
        assert time.monotonic() - began >= 30 / 100


# answers that are no success


def test_without_on_error_the_first_rejection_stops_the_run(table):
    with FakeApi(refusing({500})) as api:
        with pytest.raises(RejectedError, match="answered 422 to a record") as caught:
            copy_to_api("SELECT * FROM t ORDER BY id", table, api.url, key="id")
        until(lambda: not api.open_connections)
    error = caught.value
    assert (error.key, error.status, error.answer) == ((500,), 422, '{"error": "no"}')
    assert "(key 500)" in str(error)
    assert str(error).endswith(': {"error": "no"}')
    report = error.report
    assert report.dead == 1
    assert 0 < report.delivered < len(api.received)
    assert report.records == report.delivered + report.dead + report.pending
    assert not table.in_transaction


def test_on_error_gets_each_bad_row_once_before_the_call_returns(table):
    bad, failed, threads = set(range(0, 1000, 24)), [], set()

    def on_error(rows):
        threads.add(threading.current_thread())
        failed.extend(rows)

    with FakeApi(refusing(bad, 400)) as api:
        report = copy_to_api("SELECT * FROM t", table, api.url, on_error=on_error, key="id")
        assert len(api.received) == 1000
    assert (report.delivered, report.dead, report.exit_code) == (958, 42, 3)
    assert sorted(row["id"] for row, _ in failed) == sorted(bad)
    assert all(error.key == (row["id"],) and error.status == 400 for row, error in failed)
    assert threads == {threading.current_thread()}


def test_on_error_gets_the_record_that_the_transform_gave():
    failed = []
    with FakeApi(422) as api:
        post_rows([1], api.url, transform=lambda rows: [{"a": 1}], on_error=failed.extend)
    assert [row for row, _ in failed] == [{"a": 1}]
    assert failed[0].exception.key is None


def test_on_error_gets_all_records_of_a_rejected_batch():
    failed = []
    with FakeApi(403) as api:
        target = Api(api.url, body_format="ndjson", batch_size=10)
        report = post_rows(rows_of(20), target, on_error=failed.extend)
        assert len(api.received) == 2
    assert by_id(row for row, _ in failed) == rows_of(20)
    assert report.dead == 20


def test_no_more_than_max_dead_are_dead():
    failed = []
    with FakeApi(lambda request: 422 if request.number else 201) as api:
        with pytest.raises(TransferError, match="more than max_dead=3") as caught:
            post_rows(
                rows_of(500),
                Api(api.url, limits=Limits(max_in_flight=1)),
                on_error=failed.extend,
                budget=Budget(max_dead=3),
            )
        assert len(api.received) == 5
    assert caught.value.report.dead == len(failed) == 4


def test_max_dead_counts_what_cannot_be_sent_too(api):
    with pytest.raises(TransferError, match="more than max_dead=0"):
        post_rows([{"a": b""}], api.url, on_error=lambda rows: None, budget=Budget(max_dead=0))


@pytest.mark.parametrize(
    ("status", "kind", "exit_code", "words"),
    [
        (301, TransferError, 2, "a redirect to /records/"),
        (308, TransferError, 2, "a redirect to /records/"),
        (401, AuthError, 5, "does not accept the credentials"),
        (407, TransferError, 2, "a proxy wants credentials"),
        (206, TransferError, 2, "not in success_status"),
    ],
)
def test_what_every_record_would_meet_stops_the_run_and_buries_nothing(
    status, kind, exit_code, words
):
    failed = []
    answer = Answer(status=status, headers={"Location": "/records/?s3cret"}, body=b"said")
    with FakeApi(answer) as api:
        target = Api(api.url, limits=Limits(max_in_flight=1))
        with pytest.raises(kind, match=words) as caught:
            post_rows(rows_of(10), target, on_error=failed.extend)
        assert len(api.received) == 1
    error = caught.value
    assert (error.exit_code, failed, error.report.dead) == (exit_code, [], 0)
    assert error.report.pending == error.report.records
    assert "s3cret" not in str(error)


def test_a_stop_after_the_first_delivery_is_incomplete():
    with FakeApi(lambda request: 201 if request.number < 5 else 302) as api:
        target = Api(api.url, limits=Limits(max_in_flight=1))
        with pytest.raises(TransferError) as caught:
            post_rows(rows_of(10), target)
    assert (caught.value.exit_code, caught.value.report.delivered) == (4, 5)


def test_a_redirect_is_never_followed(api):
    with FakeApi(Answer(status=307, headers={"Location": api.url})) as first:
        with pytest.raises(TransferError):
            post_rows(rows_of(3), Api(first.url, headers={"Authorization": "s3cret"}))
    assert api.connections == 0


def test_an_answer_that_repeats_the_credentials_is_shown_without_them():
    with (
        FakeApi(
            lambda request: Answer(status=401, body=request.headers["authorization"].encode())
        ) as api,
        pytest.raises(AuthError) as caught,
    ):
        post_rows(rows_of(1), Api(api.url, headers={"Authorization": "Bearer s3cret"}))
    assert "s3cret" not in str(caught.value)


# retries


@pytest.mark.parametrize(
    ("fault", "doubtful"),
    [
        (500, True),
        (502, True),
        (503, True),
        (504, True),
        (429, False),
        (408, False),
        (425, False),
        (Answer(status=503, headers={"Retry-After": "0"}), False),
        (Answer(status=429, headers={"Retry-After": "-5"}), False),
        (Answer(status=429, headers={"Retry-After": "soon"}), False),
        (Answer(cut="reset"), True),
        (Answer(raw=b"", cut="close"), True),
        (Answer(raw=b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n1", cut="close"), True),
        (Answer(raw=b"HTTP/1.1 201 Created\r\nContent-Len", cut="reset"), True),
        (Answer(raw=b"what?\r\n\r\n"), True),
        (None, True),
    ],
    ids=repr,
)
def test_a_record_is_sent_again_after(fault, doubtful):
    with FakeApi(first_time(fault)) as api:
        target = Api(api.url, retry=QUICK, request_timeout=0.2, limits=Limits(max_in_flight=8))
        report = post_rows(rows_of(20), target)
        assert by_id(api.records) == [row for row in rows_of(20) for _ in range(2)]
    assert (report.delivered, report.requests, report.retries) == (20, 40, 20)
    assert report.maybe_duplicated == (20 if doubtful else 0)


def test_nothing_is_sent_again_behind_ones_back():
    with FakeApi(lambda request: Answer(cut="reset") if request.number == 0 else 201) as api:
        report = post_rows(rows_of(1), Api(api.url, retry=QUICK))
        assert (report.requests, len(api.received)) == (2, 2)


def test_what_is_sent_again_after_an_api_that_was_away_may_be_doubled():
    first = socket.create_server(("127.0.0.1", 0))
    port = first.getsockname()[1]
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(post_rows, rows_of(1), Api(f"http://127.0.0.1:{port}/", retry=QUICK))
        connection, _ = first.accept()
        assert connection.recv(65536)
        first.close()
        connection.close()  # it may have been processed
        time.sleep(0.2)  # meanwhile nothing can be sent
        with socket.create_server(("127.0.0.1", port)) as second:
            connection, _ = second.accept()
            with connection:
                assert connection.recv(65536)
                connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
                report = running.result(LONG)
    assert (report.delivered, report.maybe_duplicated) == (1, 1)


def test_connections_that_the_api_closes_after_each_answer_lose_nothing():
    with FakeApi(Answer(headers={"Connection": "close"}, cut="close")) as api:
        report = post_rows(rows_of(50), Api(api.url, retry=QUICK, limits=Limits(max_in_flight=4)))
        assert (report.delivered, len(api.received)) == (50, 50)
    assert report.maybe_duplicated == 0


def test_connections_that_the_api_closes_without_saying_so_lose_nothing():
    with FakeApi(Answer(cut="close")) as api:
        report = post_rows(rows_of(50), Api(api.url, retry=QUICK, limits=Limits(max_in_flight=4)))
        assert {record["id"] for record in api.records} == set(range(50))
    assert report.delivered == 50
    assert len(api.received) - 50 <= report.maybe_duplicated


def test_retry_after_pauses_all_requests():
    times = []

    def behave(request):
        times.append(time.monotonic())
        if request.number == 0:
            return Answer(status=429, headers={"Retry-After": "1"})
        return 201

    with FakeApi(behave) as api:
        report = post_rows(rows_of(40), Api(api.url, limits=Limits(max_in_flight=1)))
        assert report.delivered == 40
    assert times[1] - times[0] >= 0.99


def test_requests_keep_their_pace_after_a_pause_too():
    times = []

    def behave(request):
        times.append(time.monotonic())
        if request.number == 0:
            return Answer(status=429, headers={"Retry-After": "1"})
        return 201

    with FakeApi(behave) as api:
        report = post_rows(rows_of(20), Api(api.url, limits=Limits(requests_per_second=20)))
    assert (report.delivered, report.requests) == (20, 21)
    resumed = next(at for at in times if at - times[0] > 0.9)
    assert sum(0 <= at - resumed < 0.2 for at in times) <= 8  # it should be 4
    assert times[-1] - resumed >= 0.7


def test_a_pause_that_is_too_long_stops_the_run():
    with FakeApi(Answer(status=429, headers={"Retry-After": "601"})) as api:
        with pytest.raises(TransferError, match="wants no requests for 601 s") as caught:
            post_rows(rows_of(3), api.url)
    assert caught.value.exit_code == 4
    assert caught.value.report.pending == 3


def test_a_record_that_fails_while_others_get_through_is_buried():
    failed = []
    with FakeApi(refusing({7}, 500)) as api:
        target = Api(api.url, retry=Retry(max_retries=2, initial_backoff=0.05))
        report = post_rows(rows_of(200), target, on_error=failed.extend, key="id")
        assert Counter(record["id"] for record in api.records)[7] == 3
    assert (report.delivered, report.dead, report.retries) == (199, 1, 2)
    ((row, error),) = failed
    assert row["id"] == 7
    assert isinstance(error, ExhaustedError)
    assert (error.status, error.key) == (500, (7,))
    assert "after 3 tries" in str(error)


def test_such_a_record_stops_the_run_without_on_error():
    with FakeApi(refusing({7}, 500)) as api:
        target = Api(api.url, retry=Retry(max_retries=1, initial_backoff=0.05))
        with pytest.raises(ExhaustedError) as caught:
            post_rows(rows_of(20), target, key="id")
    assert caught.value.key == (7,)
    assert caught.value.report.dead == 1


@pytest.mark.parametrize("on_error", [None, [].extend])
def test_an_api_that_stays_down_stops_the_run_and_buries_nothing(on_error):
    with FakeApi(500) as api:
        retry = Retry(max_retries=2, initial_backoff=0.001, max_retry_age=0.3)
        target = Api(api.url, retry=retry)
        with pytest.raises(ExhaustedError, match="nothing else got through meanwhile") as caught:
            post_rows(rows_of(50), target, on_error=on_error)
    report = caught.value.report
    assert (report.delivered, report.dead, report.pending) == (0, 0, 50)
    assert caught.value.exit_code == 4


def test_no_retries_are_no_retries():
    with FakeApi(500) as api:
        target = Api(api.url, retry=Retry(max_retries=0), limits=Limits(max_in_flight=1))
        with pytest.raises(ExhaustedError, match="after 1 tries"):
            post_rows(rows_of(50), target)
        assert len(api.received) == 1


def test_a_refusal_is_asked_again_by_age_only():
    with FakeApi(lambda request: 429 if request.number < 10 else 201) as api:
        report = post_rows(
            rows_of(1),
            Api(api.url, retry=Retry(max_retries=0, initial_backoff=0.01, max_backoff=0.01)),
        )
        assert (report.delivered, len(api.received)) == (1, 11)
    assert report.maybe_duplicated == 0


def test_a_record_grows_too_old():
    with FakeApi(429) as api:
        retry = Retry(max_retry_age=0.2, initial_backoff=0.05, max_backoff=0.05)
        with pytest.raises(ExhaustedError):
            post_rows(rows_of(1), Api(api.url, retry=retry))


# the end of a run


def test_a_limit_counts_rows(api, table):
    report = copy_to_api("SELECT * FROM t", table, api.url, limit=123)
    assert (report.read, report.delivered, len(api.received)) == (123, 123, 123)
    assert not table.in_transaction
    assert post_rows(rows_of(5), api.url, limit=0).read == 0
    assert post_rows(rows_of(5), api.url, limit=10).read == 5


def test_a_deadline_stops_the_run_with_what_is_known(api, table):
    with FakeApi(Answer(delay=0.05)) as slow:
        target = Api(slow.url, limits=Limits(max_in_flight=2))
        with pytest.raises(TransferError, match=r"deadline=0\.3 s is over") as caught:
            copy_to_api("SELECT * FROM t", table, target, budget=Budget(deadline=0.3))
        error = caught.value
        assert error.exit_code == 4
        assert error.report.delivered == len(slow.received) > 0
        assert error.report.pending == error.report.records - error.report.delivered
    assert not table.in_transaction


def test_a_deadline_that_is_not_reached_changes_nothing(api):
    assert post_rows(rows_of(5), api.url, budget=Budget(deadline=LONG)).delivered == 5


def test_grace_bounds_what_is_in_flight():
    with FakeApi(None) as api:
        began = time.monotonic()
        with pytest.raises(TransferError, match="deadline"):
            post_rows(rows_of(5), api.url, budget=Budget(deadline=0.1, grace=0.1))
        assert time.monotonic() - began < 10
        assert len(api.received) == 5


def test_a_deadline_ends_a_backoff_at_once():
    with FakeApi(Answer(status=429, headers={"Retry-After": "300"})) as api:
        with pytest.raises(TransferError, match="deadline"):
            post_rows(rows_of(5), api.url, budget=Budget(deadline=0.2))


def test_what_is_read_and_not_sent_is_pending_when_the_run_stops():
    with FakeApi(None) as api:
        target = Api(api.url, limits=Limits(max_in_flight=2))
        with pytest.raises(TransferError) as caught:
            post_rows(rows_of(90), target, budget=Budget(deadline=0.1, grace=0))
    report = caught.value.report
    assert (report.read, report.records, report.pending, report.delivered) == (90, 90, 90, 0)


# users' code


def posted(rows, url, *, awaited, **options):
    """Post by either face."""
    if awaited:
        return asyncio.run(apost_rows(rows, url, **options))
    return post_rows(rows, url, **options)


@pytest.mark.parametrize("awaited", [False, True])
def test_users_code_runs_on_one_thread_which_is_the_callers_where_there_is_one(awaited):
    threads = set()

    def note(*_):
        threads.add(threading.current_thread())

    def rows():
        note()
        yield from rows_of(50)

    def transform(chunk):
        note()
        return [*chunk, {"id": 1, "blob": b""}]

    options = {"transform": transform, "on_error": note, "progress": note}
    with FakeApi(refusing({3})) as api:
        posted(rows(), api.url, awaited=awaited, **options)
    assert len(threads) == 1
    assert (threads == {threading.current_thread()}) is not awaited


class MineError(Exception):
    """What users' code raises here."""


def raising(*_):
    raise MineError("mine")


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("where", ["rows", "transform", "on_error"])
def test_what_users_code_raises_comes_through_and_nothing_stays_open(where, awaited):
    def rows():
        yield from rows_of(200)
        if where == "rows":
            raising()

    options = {} if where == "rows" else {where: raising}
    with FakeApi(refusing({3})) as api:
        options.setdefault("on_error", lambda failed: None)
        with pytest.raises(MineError, match="mine") as caught:
            posted(rows(), api.url, awaited=awaited, **options)
        until(lambda: not api.open_connections)
    assert caught.value.__notes__[-1].startswith("the transfer ended early: ")


def test_a_transform_that_raises_names_the_first_and_last_key_of_its_chunk(api):
    with pytest.raises(MineError) as caught:
        post_rows(rows_of(7), api.url, transform=raising, key="id")
    assert "in the chunk from key (0,) to key (6,)" in caught.value.__notes__


def test_progress_is_told_as_it_goes_and_at_the_end(api, table):
    events = []
    with FakeApi(Answer(delay=0.02)) as slow:
        target = Api(slow.url, limits=Limits(max_in_flight=64))
        report = copy_to_api("SELECT * FROM t", table, target, progress=events.append)
    assert len(events) > 1
    assert [event.ended for event in events] == [False] * (len(events) - 1) + [True]
    for earlier, later in itertools.pairwise(events):
        assert earlier.delivered <= later.delivered
        assert earlier.seconds <= later.seconds
    last = events[-1]
    assert (last.read, last.delivered, last.in_flight) == (1000, 1000, 0)
    assert last.delivered == report.delivered


@pytest.mark.parametrize(
    ("rows", "limit", "total"),
    [(rows_of(5), None, 5), (rows_of(5), 3, 3), (iter(rows_of(5)), None, None), (None, None, None)],
)
def test_progress_knows_the_total_where_it_can_be_known(api, rows, limit, total):
    events = []
    post_rows(rows, api.url, limit=limit, progress=events.append)
    assert events[-1].total == total


def test_progress_is_told_the_end_of_a_run_that_fails():
    events = []
    with FakeApi(422) as api, pytest.raises(RejectedError):
        post_rows(rows_of(5), api.url, progress=events.append)
    assert events[-1].ended


def test_on_error_comes_soon_also_while_the_source_is_slow():
    told = threading.Event()

    def rows():
        yield from rows_of(1)
        for _ in range(1000):
            if told.wait(0.02):
                break
            yield {"id": -1}

    with FakeApi(refusing({0})) as api:
        post_rows(rows(), api.url, on_error=lambda failed: told.set())
    assert told.is_set()


def test_an_answer_counts_whenever_it_comes(api):
    api.hold()
    with ThreadPoolExecutor(1) as pool:
        target = Api(api.url, limits=Limits(max_in_flight=8))
        running = pool.submit(post_rows, rows_of(8), target)
        until(lambda: api.in_flight == 8)
        api.release()
        assert running.result().delivered == 8


def test_awaiting_does_not_block_the_loop(api, database):
    async def ticking():
        ticks = 0
        api.hold()
        target = Api(api.url, limits=Limits(concurrency=64))
        running = asyncio.ensure_future(acopy_to_api("SELECT * FROM t", database, target))
        await auntil(lambda: api.in_flight == 64)
        for _ in range(5):
            await asyncio.sleep(0.01)
            ticks += 1
        api.release()
        return (await running).delivered, ticks

    assert asyncio.run(ticking()) == (1000, 5)


def test_connections_are_made_with_a_db_params_too(api, database):
    conn = connect(database)
    conn.close()
    assert copy_to_api("SELECT * FROM t", database, api.url, limit=1).delivered == 1


def test_every_answer_that_the_api_gave_counts_when_the_run_is_stopped():
    with FakeApi(lambda request: 422 if request.json()["id"] == 0 else 201) as api:
        api.hold()
        with ThreadPoolExecutor(1) as pool:
            target = Api(api.url, limits=Limits(concurrency=30))
            running = pool.submit(post_rows, [{"id": n} for n in range(30)], target)
            until(lambda: api.in_flight == 30)
            api.release()
            with pytest.raises(RejectedError) as caught:
                running.result()
    assert (caught.value.report.delivered, caught.value.report.pending) == (29, 0)


def test_an_error_of_users_code_is_not_hidden_by_the_sum_that_it_spoils():
    class MineError(Exception):
        pass

    def on_error(failed):
        raise MineError

    said_no = threading.Event()

    def rows():
        yield from ({"id": n} for n in range(100))  # the first fetch
        said_no.wait(LONG)
        yield {"id": 100}
        yield {"id": 101, "blob": b""}

    with FakeApi(lambda request: 422 if request.number else 201) as api:
        target = Api(api.url, limits=Limits(max_in_flight=1))
        run = Run(of_rows(rows(), target, on_error=on_error))
        real = run._handoff.tell

        def tell(failed):  # the note of the rejection is there before the next chunk is shaped
            real(failed)
            said_no.set()

        run._handoff.tell = tell
        delivering = threading.Thread(target=_deliver, args=(run,))
        delivering.start()
        run.read()
        delivering.join()
        with pytest.raises(MineError):
            run.result()


def test_a_stop_is_not_hidden_by_records_that_could_not_be_sent():
    def rows():
        for number in range(90):
            yield {"id": number, "blob": b"" if number == 7 else "x" * 10_000}

    with FakeApi(None) as api:
        target = Api(api.url, limits=Limits(max_buffer_bytes=100_000))
        with pytest.raises(TransferError, match="deadline"):
            post_rows(
                rows(), target, on_error=lambda failed: None, budget=Budget(deadline=0.3, grace=0)
            )


def test_rows_of_an_async_source_do_not_wait_for_its_next_row():
    async def transfer():
        with FakeApi() as api:

            async def rows():
                yield {"id": 1}
                for _ in range(200):
                    if api.received:
                        break
                    await asyncio.sleep(0.01)
                arrived.append(bool(api.received))
                yield {"id": 2}

            arrived = []
            await apost_rows(rows(), api.url)
            return arrived

    assert asyncio.run(transfer()) == [True]


def test_a_redirect_on_the_same_origin_shows_the_whole_path():
    answer = Answer(status=308, headers={})
    with FakeApi(lambda request: answer) as api:
        object.__setattr__(answer, "headers", {"Location": f"{api.url}/"})
        with pytest.raises(TransferError, match="/records/, and redirects"):
            post_rows([{"id": 1}], Api(api.url, retry=Retry(max_retries=0)))


def test_a_secret_in_the_query_is_blotted_out_of_answers():
    with FakeApi(lambda request: Answer(status=422, body=request.path.encode())) as api:
        with pytest.raises(RejectedError) as caught:
            post_rows([{"id": 1}], f"{api.url}?api_key=s3cret")
    assert "s3cret" not in str(caught.value) + caught.value.answer


@pytest.mark.parametrize("cut", [1, 7, 20, 36])
def test_a_secret_within_which_an_answer_is_cut_is_blotted_out_too(cut):
    secret = "hunter2-" + "s" * 30

    def echo(request):
        begin = 2048 - cut - len("Bearer ")
        return Answer(status=422, body=b"p" * begin + request.headers["authorization"].encode())

    with FakeApi(echo) as api, pytest.raises(RejectedError) as caught:
        post_rows([{"id": 1}], Api(api.url, headers={"Authorization": f"Bearer {secret}"}))
    assert len(caught.value.answer) <= 2048
    assert caught.value.answer.strip("p*") == ""  # no part of it


def test_a_password_in_the_url_of_a_database_is_not_in_a_repr():
    url = "postgresql://me:s3cret@localhost/x"
    assert "s3cret" not in repr(Query("SELECT 1", url))
    assert "s3cret" not in repr(of_query("SELECT 1", url, "http://h/"))
