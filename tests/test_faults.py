"""
Every fault that an API, a proxy or a network can have, over real sockets.

What each leads to is the table of docs/retries-and-limits.md; that everything is counted once, and
that every record ends in exactly one way, is checked in each case.
"""

# ruff: noqa: SIM117 - the server is one thing, the error expected of it another

import ast
import asyncio
import contextlib
import email.utils
import gc
import itertools
import json
import math
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rowferry
from rowferry import Api, Budget, Journal, Limits, Retry, apost_rows, dead_letters, post_rows
from rowferry.exceptions import (
    ConfigError,
    ExhaustedError,
    RejectedError,
    TransferError,
)
from rowferry.pipeline import Run
from rowferry.running import of_rows
from rowferry.splitting import halves
from rowferry.testing import FAULTS, Answer, FakeApi, RandomFaults
from scripted import LONG, auntil, until

QUICK = Retry(initial_backoff=0.001, max_backoff=0.01)
ROWS = 40


def rows_of(count):
    return [{"id": number} for number in range(count)]


class Outcome(NamedTuple):
    """
    What came of a transfer.

    Attributes:
        receipts: how often each record was received.
        failed: by id, the errors of those that were given to `on_error`.
    """

    report: object
    error: Exception | None
    receipts: Counter
    failed: dict


def sent_to(api, rows=ROWS, *, retry=QUICK, limits=None, timeout=LONG, budget=None, **options):
    """Send rows to *api*; check that each record ends in one way, and that all are counted."""
    target = Api(
        api.url,
        retry=retry,
        limits=limits or Limits(max_in_flight=8),
        request_timeout=timeout,
        **options,
    )
    failed, error = [], None
    try:
        report = post_rows(
            rows_of(rows), target, key="id", on_error=failed.extend, budget=budget or Budget()
        )
    except TransferError as raised:
        error, report = raised, raised.report
    receipts = Counter(
        record["id"] for record in api.records if isinstance(record, dict) and "id" in record
    )
    errors = {row["id"]: problem for row, problem in failed}
    assert report.records == report.delivered + report.dead + report.pending
    assert len(failed) == len(errors) == report.dead
    if error is None:
        assert (report.records, report.pending) == (rows, 0)
    until(lambda: not api.open_connections, "the end of all connections")
    return Outcome(report, error, receipts, errors)


def first_time(answer, then=201):
    return lambda request: answer if request.attempt == 1 else then


OK = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
NO_LENGTH = b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n1"
CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
MANY_HEADERS = b"HTTP/1.1 201 Created\r\n" + b"X-Many: 1\r\n" * 10_000

REFUSED, AMBIGUOUS = False, True


def now_plus(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


# C4, C6-C10, C12-C15: met once by each record, and then not again

ONCE = {
    "C4 429": (429, REFUSED),
    "C4 429 Retry-After 0": (Answer(status=429, headers={"Retry-After": "0"}), REFUSED),
    "C4 429 Retry-After -5": (Answer(status=429, headers={"Retry-After": "-5"}), REFUSED),
    "C4 429 Retry-After garbage": (Answer(status=429, headers={"Retry-After": "soon"}), REFUSED),
    "C4 429 Retry-After of the past": (
        Answer(status=429, headers={"Retry-After": now_plus(-60)}),
        REFUSED,
    ),
    "C4 429 Retry-After twice": (
        Answer(status=429, headers={"Retry-After": "0", "retry-after": "0"}),
        REFUSED,
    ),
    "C6 503": (503, AMBIGUOUS),
    "C6 503 Retry-After": (Answer(status=503, headers={"Retry-After": "0"}), REFUSED),
    "C7 500": (500, AMBIGUOUS),
    "C7 502": (502, AMBIGUOUS),
    "C7 504": (504, AMBIGUOUS),
    "C8 408": (408, REFUSED),
    "C8 421": (421, REFUSED),
    "C8 425": (425, REFUSED),
    "C9 reset": (Answer(cut="reset"), AMBIGUOUS),
    "C9 reset in the answer": (Answer(raw=OK[:30], cut="reset"), AMBIGUOUS),
    "C10 close without an answer": (Answer(raw=b"", cut="close"), AMBIGUOUS),
    "C12 hang": (None, AMBIGUOUS),
    "C13 a byte a second": (Answer(drip=1.0), AMBIGUOUS),
    "C13 a slow body": (Answer(raw=OK[:-4] + b"9\r\n\r\n", drip=0.05), AMBIGUOUS),
    "C14 garbage": (Answer(raw=b"\x00\xff\r\n\r\n", cut="close"), AMBIGUOUS),
    "C14 HTTP/0.9": (Answer(raw=b"<html>hello</html>", cut="close"), AMBIGUOUS),
    "C14 a bad status": (Answer(raw=b"HTTP/1.1 999 Any\r\n\r\n", cut="close"), AMBIGUOUS),
    "C14 a bad chunk": (Answer(raw=CHUNKED + b"zz\r\n", cut="close"), AMBIGUOUS),
    "C14 64 KiB of a header": (
        Answer(raw=b"HTTP/1.1 201 Created\r\nX: " + b"x" * 70_000),
        AMBIGUOUS,
    ),
    "C14 10,000 headers": (Answer(raw=MANY_HEADERS), AMBIGUOUS),
    "C14 100 Continue for ever": (
        Answer(raw=b"", endless=b"HTTP/1.1 100 Continue\r\n\r\n" * 20),
        AMBIGUOUS,
    ),
    "C15 a cut answer": (Answer(raw=NO_LENGTH, cut="close"), AMBIGUOUS),
    "C15 a cut chunk": (Answer(raw=CHUNKED + b"5\r\nab", cut="close"), AMBIGUOUS),
}


@pytest.mark.parametrize("case", ONCE)
def test_a_record_survives(case):
    fault, ambiguous = ONCE[case]
    slow = case.startswith(("C12", "C13"))
    with FakeApi(first_time(fault)) as api:
        came = sent_to(api, 12, timeout=0.5 if slow else LONG)
    assert (came.report.delivered, len(came.receipts)) == (12, 12)
    assert min(came.receipts.values()) >= 2
    if not slow:  # else a good answer may be late as well, on a busy machine
        assert (max(came.receipts.values()), came.report.retries) == (2, 12)
    assert came.report.maybe_duplicated == (came.report.retries if ambiguous else 0)


def test_c10_a_connection_is_left_before_the_api_closes_it():
    def rows():
        for row in rows_of(3):
            yield row
            time.sleep(0.8)

    kept_for_a_second = Answer(headers={"Keep-Alive": "timeout=1"})
    with FakeApi(kept_for_a_second) as api:
        one = Limits(max_in_flight=1, concurrency=1)
        report = post_rows(rows(), Api(api.url, limits=one), chunk_size=1)
        assert (report.delivered, report.retries, api.connections) == (3, 0, 3)


# C16, C25-C27, C31: an answer is an answer

TAKEN = {
    "C16 a body that never ends": Answer(
        raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", endless=b"x" * 65536
    ),
    "C16 chunks that never end": Answer(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        endless=b"4\r\nabcd\r\n" * 4000,
    ),
    "C16 a bomb in gzip": Answer(
        headers={"Content-Encoding": "gzip"}, body=b"\x1f\x8b" + b"\0" * 500
    ),
    "C25 202": 202,
    "C25 204": 204,
    "C26 a page to log in": Answer(status=200, body=b"<html>please log in</html>"),
    "C31 a cookie": Answer(headers={"Set-Cookie": "a=b"}),
    "an interim answer": Answer(raw=b"HTTP/1.1 100 Continue\r\n\r\n" + OK),
    "a connection that closes, as it says": Answer(headers={"Connection": "close"}, cut="close"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_record_is_delivered_once_by(case):
    with FakeApi(TAKEN[case]) as api:
        came = sent_to(api, 12)
        assert not any("cookie" in request.headers for request in api.received)
        assert not any("accept-encoding" in request.headers for request in api.received)
    assert set(came.receipts.values()) == {1}
    assert (came.report.delivered, came.report.retries) == (12, 0)


def test_c26_a_page_for_people_is_warned_of_once(caplog):
    page = Answer(status=200, headers={"Content-Type": "text/html; charset=utf-8"}, body=b"<html>")
    with FakeApi(lambda request: page if request.number else 201) as api:
        came = sent_to(api, 12)
    assert came.report.delivered == 12
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "answered 200 with a page of HTML" in warning


# C17-C20: what every record would meet

STOPS = {
    "C17 301": (Answer(status=301, headers={"Location": "/elsewhere"}), 2, "to /elsewhere"),
    "C17 302": (Answer(status=302, headers={"Location": "/elsewhere"}), 2, "to /elsewhere"),
    "C17 307": (Answer(status=307, headers={"Location": "/elsewhere"}), 2, "to /elsewhere"),
    "C17 308 without a place": (308, 2, "a redirect, and"),
    "C17 304": (304, 2, "a redirect"),
    "C19 401": (401, 5, "does not accept the credentials"),
    "407": (407, 2, "a proxy wants credentials"),
    "an unexpected 2xx": (206, 2, "not in success_status"),
    "207 without item_results": (207, 2, "item_results= tells how to read them"),
    "C4 Retry-After 1e9": (
        Answer(status=429, headers={"Retry-After": "1000000000"}),
        4,
        "wants no requests for 1000000000 s",
    ),
    "C4 Retry-After of tomorrow": (
        # the date is made with the answer: this list is made long before the test runs
        lambda request: Answer(status=503, headers={"Retry-After": now_plus(86_400)}),
        4,
        "wants no requests for 86",
    ),
    "C20 403 to all": (403, 4, "max_dead_from_start=100"),
    "C20 404 to all": (404, 4, "are url and method right?"),
}


@pytest.mark.parametrize("case", STOPS)
def test_the_run_stops_and_nothing_is_dead_after(case):
    answer, exit_code, words = STOPS[case]
    with FakeApi(answer) as api:
        came = sent_to(api, 500)
        assert len(api.received) <= 130  # 100, and what was in flight
    assert words in str(came.error)
    assert came.error.exit_code == exit_code
    assert (came.report.delivered, came.report.dead, came.report.pending) == (
        0,
        0,
        came.report.records,
    )


def test_c18_a_redirect_elsewhere_is_named_by_its_host_and_meets_nobody():
    with FakeApi() as elsewhere:
        location = f"{elsewhere.url}?token=s3cret"
        with FakeApi(Answer(status=302, headers={"Location": location})) as api:
            came = sent_to(api, 5, headers={"Authorization": "Bearer s3cret"})
        assert elsewhere.connections == 0
    assert f"to http://127.0.0.1:{elsewhere.port}, and" in str(came.error)
    assert "s3cret" not in str(came.error)


# C1-C3: no connection


@pytest.mark.parametrize("concurrency", ["adaptive", 8])
def test_c1_an_api_that_crashes_and_comes_back_loses_nothing(concurrency):
    with FakeApi(Answer(delay=0.002)) as api:
        limits = Limits(max_in_flight=8, concurrency=concurrency)
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(sent_to, api, 800, limits=limits, timeout=LONG)
            until(lambda: len(api.received) >= 100)
            api.refuse_connections()
            time.sleep(1.0)
            api.listen()
            came = running.result()
    assert (came.report.delivered, len(came.receipts)) == (800, 800)
    doubled = sum(came.receipts.values()) - 800
    assert doubled <= came.report.maybe_duplicated


def test_c1_a_full_backlog_is_waited_for():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        waiting = [socket.create_connection(listener.getsockname()) for _ in range(1)]
        retry = Retry(max_retries=1000, initial_backoff=0.01, max_backoff=0.01)
        target = Api(url, connect_timeout=0.2, retry=retry, limits=Limits(max_in_flight=2))
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(post_rows, rows_of(1), target, budget=Budget(deadline=LONG))
            time.sleep(0.3)
            for each in waiting:
                each.close()
            answering = threading.Thread(target=_answer_all, args=(listener,), daemon=True)
            answering.start()
            assert running.result().delivered == 1
        listener.close()


def _answer_all(listener):
    """Take every connection, and answer what comes on it."""
    while True:
        try:
            client, _ = listener.accept()
            with client:
                if client.recv(65536):
                    client.sendall(OK)
        except OSError:
            return


def test_c2_a_name_that_does_not_exist_is_a_matter_of_configuration():
    with pytest.raises(TransferError) as caught:
        post_rows(rows_of(1), Api("http://no-such-host.invalid/", retry=Retry(max_retries=0)))
    assert caught.value.report.requests == 0


def test_c2_a_name_that_is_lost_on_the_way_is_asked_for_again(monkeypatch):
    with FakeApi(first_time(Answer(cut="reset"))) as api:
        real, asked = asyncio.base_events.socket.getaddrinfo, itertools.count()

        def flaky(host, *rest, **options):
            if host == "localhost" and next(asked) == 1:
                raise socket.gaierror(socket.EAI_AGAIN, "try again")
            return real(host, *rest, **options)

        monkeypatch.setattr(socket, "getaddrinfo", flaky)

        async def transfer():  # asyncio's own loop asks Python's resolver
            target = Api(f"http://localhost:{api.port}/", retry=QUICK)
            return await apost_rows(rows_of(1), target)

        assert asyncio.run(transfer()).delivered == 1
        assert next(asked) >= 3


def _authority(tmp_path, *names, **options):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context, {"ca": str(tmp_path / "ca.pem")}


def test_c3_a_handshake_that_is_cut_is_tried_again(tmp_path):
    context, tls = _authority(tmp_path, "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve():
            client, _ = listener.accept()
            client.recv(1024)
            client.close()  # in the middle of the handshake
            client, _ = listener.accept()
            with context.wrap_socket(client, server_side=True) as secure:
                secure.recv(65536)
                secure.sendall(OK)

        with ThreadPoolExecutor(1) as pool:
            serving = pool.submit(serve)
            target = Api(f"https://127.0.0.1:{port}/", tls=tls, retry=QUICK)
            report = post_rows(rows_of(1), target)
            serving.result(LONG)
    assert (report.delivered, report.maybe_duplicated) == (1, 0)


@pytest.mark.parametrize("name", ["other.example", "127.0.0.2"])
def test_c3_a_certificate_that_fails_stops_the_run(tmp_path, name):
    context, tls = _authority(tmp_path, name)
    with FakeApi(tls=context) as api:
        came = sent_to(api, 5, tls=tls)
        assert api.received == []
    assert (came.error.exit_code, came.report.pending) == (2, 5)


# C4, C5: what the API says of its pace


def test_c4_a_date_is_waited_for():
    times = []

    def behave(request):
        times.append(time.time())
        if request.number == 0:
            return Answer(status=429, headers={"Retry-After": now_plus(2)})
        return 201

    with FakeApi(behave) as api:
        sent_to(api, 3, limits=Limits(max_in_flight=1), timeout=LONG)
    assert times[1] >= int(times[0]) + 1.99  # a date has no fractions


@pytest.mark.parametrize("status", [429, 503])
def test_c4_all_requests_pause_and_not_only_the_one(status):
    times = []

    def behave(request):
        times.append(time.monotonic())
        if request.number == 20:
            return Answer(status=status, headers={"Retry-After": "1"})
        return Answer(delay=0.002)

    with FakeApi(behave) as api:
        came = sent_to(api, 60, limits=Limits(max_in_flight=4, concurrency=4))
    assert came.report.delivered == 60
    in_the_pause = [at for at in times if times[20] + 0.6 < at < times[20] + 0.95]
    assert in_the_pause == []


def test_c5_what_is_left_of_a_quota_is_spread_over_its_time():
    def behave(request):
        left = max(0, 10 - request.number)
        return Answer(headers={"RateLimit": f'"default";r={left};t=1'})

    with FakeApi(behave) as api:
        began = time.monotonic()
        came = sent_to(api, 11, limits=Limits(concurrency=1), timeout=LONG)
    assert came.report.delivered == 11
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("value", ["", "plenty", "r=;t=", "r=0;t=-5", "\xff" * 99])
def test_c5_a_quota_that_makes_no_sense_is_ignored(value):
    with FakeApi(Answer(headers={"RateLimit": value, "X-RateLimit-Remaining": "x"})) as api:
        assert sent_to(api, 50).report.delivered == 50


# C12: a request has its time for itself


def test_c12_waiting_for_a_place_is_no_part_of_a_requests_time():
    with FakeApi(Answer(delay=0.1)) as api:
        came = sent_to(api, 12, timeout=0.5, limits=Limits(concurrency=1))
    assert (came.report.delivered, came.report.retries) == (12, 0)
    assert came.report.seconds > 1.0


@pytest.mark.parametrize("answer", [503, None, Answer(status=429, headers={"Retry-After": "500"})])
def test_every_wait_ends_at_once_where_the_run_is_to_stop(answer):
    with FakeApi(answer) as api:
        began = time.monotonic()
        came = sent_to(api, retry=Retry(), timeout=LONG, budget=Budget(deadline=0.5, grace=0.1))
        assert time.monotonic() - began < LONG / 2
    assert "deadline=0.5 s is over" in str(came.error)
    assert came.report.pending == ROWS


# C11: nothing is sent behind one's back


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_c11_what_is_received_is_what_is_counted(method):
    with FakeApi(lambda request: Answer(cut="reset") if request.number % 3 == 0 else 201) as api:
        came = sent_to(api, 30, method=method)
        assert len(api.received) == came.report.requests
    assert sum(came.receipts.values()) == 30 + came.report.retries


# C21: single records


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 418, 422, 501, 505])
def test_c21_a_record_that_is_not_taken_is_dead_with_what_was_said(status):
    body = b"no: " + b"x" * 5000

    def behave(request):
        return Answer(status=status, body=body) if request.json()["id"] % 10 == 3 else 201

    with FakeApi(behave) as api:
        came = sent_to(api)
    assert set(came.failed) == {3, 13, 23, 33}
    assert set(came.receipts.values()) == {1}
    for number, error in came.failed.items():
        assert type(error) is RejectedError
        assert (error.key, error.status) == ((number,), status)
        assert (len(error.answer), error.answer[:4]) == (2048, "no: ")


def test_c21_a_409_after_a_doubtful_try_is_asked_once_more_a_second_later():
    def behave(request):
        return [500, 409, 201 if request.json()["id"] else 409][min(request.attempt, 3) - 1]

    with FakeApi(lambda request: behave(request) if request.json()["id"] < 2 else 201) as api:
        began = time.monotonic()
        came = sent_to(api)
        assert time.monotonic() - began >= 1
    assert (came.receipts[0], came.receipts[1]) == (3, 3)
    assert set(came.failed) == {0}
    assert came.failed[0].status == 409


def test_c21_a_404_to_a_delete_that_may_have_been_done_is_delivered():
    with FakeApi(first_time(500, then=404)) as api:
        came = sent_to(api, 5, method="DELETE")
    assert (came.report.delivered, came.report.dead) == (5, 0)


# C22-C24: batches


def items(answer):
    return [item["status"] for item in answer.json()["items"]]


def itemized(status_of, answer=200):
    """Give the behaviour of an API that answers with an item a record."""

    def behave(request):
        statuses = [{"status": status_of(record, request)} for record in request.records()]
        return Answer(status=answer, body=json.dumps({"items": statuses}).encode())

    return behave


BATCHES = {"body_format": "ndjson", "batch_size": 20, "item_results": items}


@pytest.mark.parametrize("answer", [200, 207])
def test_c22_each_item_is_judged_by_itself(answer):
    def status_of(record, request):
        return 400 if record["id"] % 10 == 3 else 201

    with FakeApi(itemized(status_of, answer)) as api:
        came = sent_to(api, 100, **BATCHES)
        assert len(api.received) == came.report.requests == 5
    assert set(came.failed) == set(range(3, 100, 10))
    assert all(error.status == 400 for error in came.failed.values())
    assert set(came.receipts.values()) == {1}


def test_c22_each_rejected_item_has_what_the_api_said_of_it_and_no_secret(tmp_path):
    def answer(request):
        told = [(422, f"{row['id']} ? hunter2hunter2 {'x' * 3000}") for row in request.records()]
        return Answer(status=207, body=json.dumps(told).encode())

    with FakeApi(answer) as server:
        api = Api(
            server.url,
            headers={"Authorization": "Bearer hunter2hunter2"},
            body_format="json_array",
            item_results=lambda answer: map(tuple, answer.json()),
        )
        rows = [{"id": number} for number in range(5)]
        report = post_rows(rows, api, key="id", journal=Journal(tmp_path / "j"))
    assert report.dead == 5
    for letter in dead_letters(tmp_path / "j"):
        assert letter["answer"].startswith(f"{letter['key']} ? ")
        assert "hunter2hunter2" not in letter["answer"] + letter["message"]
        assert len(letter["answer"]) == 2048


def test_c23_only_the_items_that_can_be_retried_go_again():
    tries = Counter()

    def status_of(record, request):
        tries[record["id"]] += 1
        if record["id"] % 10 == 3:
            return 400
        if record["id"] % 10 in {4, 5} and tries[record["id"]] == 1:
            return 429 if record["id"] % 10 == 4 else 503
        return 201

    with FakeApi(itemized(status_of)) as api:
        came = sent_to(api, 100, **BATCHES)
    assert (came.report.delivered, came.report.dead) == (90, 10)
    assert {number for number, count in came.receipts.items() if count == 2} == {
        number for number in range(100) if number % 10 in {4, 5}
    }
    assert max(came.receipts.values()) == 2
    assert came.report.maybe_duplicated == 10  # the 503, not the 429


@pytest.mark.parametrize(
    "first",
    [
        Answer(status=200, body=b'{"items": [{"status": 201}]}'),
        Answer(status=200, body=b'{"items": []}'),
        Answer(status=200, body=b"<html>please log in</html>"),
        Answer(status=200, body=b'{"took": 5}'),
        Answer(status=200, body=json.dumps({"items": [{"status": 201}] * 21}).encode()),
        Answer(status=200, body=json.dumps({"items": [{"status": "201"}] * 20}).encode()),
    ],
    ids=["one item", "none", "C26 a page", "no items", "one more", "text"],
)
def test_c22_items_that_do_not_fit_leave_all_of_a_batch_in_doubt(first):
    seen = Counter()

    def behave(request):
        seen[request.body] += 1
        return first if seen[request.body] == 1 else itemized(lambda *_: 201)(request)

    with FakeApi(behave) as api:
        came = sent_to(api, 60, **BATCHES)
    assert (came.report.delivered, came.report.retries) == (60, 3)
    assert came.report.maybe_duplicated == 60


def test_c22_an_answer_with_many_items_is_read_whole():
    def behave(request):
        many = [{"status": 201, "why": "x" * 1000} for _ in request.records()]
        return Answer(status=200, body=json.dumps({"items": many}).encode())

    with FakeApi(behave) as api:
        came = sent_to(api, 500, **BATCHES | {"batch_size": 500}, timeout=LONG)
        assert len(api.received) == 1
    assert came.report.delivered == 500


def test_items_that_are_all_refused_are_a_refusal_with_its_pause():
    def behave(request):
        refused = itemized(lambda *_: 429)(request)
        return Answer(status=200, headers={"Retry-After": "1000000"}, body=refused.body)

    with FakeApi(behave) as api:
        came = sent_to(api, 20, **BATCHES)
        assert len(api.received) == 1
    assert "wants no requests for 1000000 s" in str(came.error)
    assert came.report.pending == 20


def test_items_of_which_some_are_refused_are_a_pause_too():
    def behave(request):
        some = itemized(lambda record, _: 429 if record["id"] == 7 else 201)(request)
        return Answer(status=200, headers={"Retry-After": "1000000"}, body=some.body)

    with FakeApi(behave) as api:
        came = sent_to(api, 40, **BATCHES, limits=Limits(concurrency=1))
        assert len(api.received) == 1
    assert "wants no requests for 1000000 s" in str(came.error)
    assert (came.report.delivered, came.report.pending) == (19, came.report.records - 19)


def test_a_batch_is_no_larger_than_all_that_may_wait():
    with FakeApi() as api:
        limits = Limits(max_buffer_bytes=100)
        came = sent_to(api, 200, limits=limits, body_format="ndjson", batch_size=200)
        assert max(len(request.body) for request in api.received) <= 100
    assert came.report.delivered == 200


def test_room_is_what_it_was_when_all_is_settled():
    api = Api("http://h/", body_format="ndjson", batch_size=40)
    run = Run(of_rows(rows_of(200), api))
    handoff, settling = run._handoff, run._delivery._settling
    bodies = [b"x" * number for number in range(1, 201)]
    batches = handoff.batch(bodies, [])
    settling.unsettled += len(batches)
    for batch in batches:
        opened = batch.opened(api.format.split)
        pieces = [piece for half in halves(opened) for piece in halves(half)]
        settling.divided(len(pieces))
        for piece in pieces:
            settling.deliver(piece)
    assert handoff._put_bytes == handoff._settled_bytes
    assert (run._ledger.pending, settling.unsettled) == (0, 0)


def test_an_item_that_always_fails_is_poison_and_its_neighbours_are_not():
    def status_of(record, request):
        return 503 if record["id"] == 7 else 201

    with FakeApi(itemized(status_of)) as api:
        came = sent_to(api, 60, **BATCHES)
    assert set(came.failed) == {7}
    assert type(came.failed[7]) is ExhaustedError
    assert came.receipts.pop(7) in {6, 7}  # once more, where nothing was sent after it
    assert sum(came.receipts.values()) == 60 - 1


def too_large(most):
    return lambda request: 413 if len(request.body) > most else 201


def test_c24_a_batch_that_is_too_large_is_halved_and_the_size_is_learnt():
    with FakeApi(too_large(100)) as api:
        came = sent_to(api, 2000, body_format="ndjson", batch_size=100)
        refused = [request for request in api.received if len(request.body) > 100]
    assert came.report.delivered == 2000
    assert len(refused) < 8 * 2 * 8  # those in flight, halved a few times; not each of all batches
    assert came.report.maybe_duplicated == 0


def test_c24_a_single_record_that_is_too_large_is_dead_and_not_sent_for_ever():
    rows = [{"id": n, "text": "x" * (5000 if n == 7 else 1)} for n in range(40)]
    failed = []
    with FakeApi(too_large(2000)) as api:
        target = Api(api.url, body_format="json_array", batch_size=20, retry=QUICK)
        report = post_rows(rows, target, on_error=failed.extend, key="id")
        alone = [r for r in api.received if len(r.records()) == 1 and len(r.body) > 2000]
    assert (report.delivered, report.dead) == (39, 1)
    assert [error.key for _, error in failed] == [(7,)]
    assert len(alone) == 1


class Lines:
    """A format of one's own, whose bodies nobody can take apart again."""

    name, content_type, batch_size, max_batch_size = "lines", "application/x-ndjson", 50, None

    def join(self, records):
        return b"\n".join(records) + b"\n"


@pytest.mark.parametrize(
    "body_format", ["json_array", "ndjson", Lines()], ids=["array", "lines", "own"]
)
@pytest.mark.parametrize("status", [400, 422])
def test_a_batch_that_is_rejected_as_a_whole_is_bisected_down_to_the_bad_records(
    status, body_format
):
    bad = {3, 57, 58}

    def behave(request):
        return status if any(record["id"] in bad for record in request.records()) else 201

    with FakeApi(behave) as api:
        came = sent_to(api, 200, body_format=body_format, batch_size=50)
    assert set(came.failed) == bad
    assert all(error.status == status for error in came.failed.values())
    taken = Counter(r["id"] for q in api.received if behave(q) == 201 for r in q.records())
    assert set(taken.values()) == {1}
    assert len(api.received) <= 4 + 2 * 3 * 6


def test_a_batch_that_is_rejected_for_another_reason_is_not_divided():
    with FakeApi(lambda request: 403 if request.number == 1 else 201) as api:
        came = sent_to(api, 60, body_format="ndjson", batch_size=20, limits=Limits(concurrency=1))
        assert len(api.received) == 3
    assert came.report.dead == 20


# C28: without dedupe at the API, no more doubles than are counted


@pytest.mark.parametrize("seed", range(3))
def test_c28_doubles_are_counted(seed):
    applied = Counter()

    def take(request):
        applied[request.json()["id"]] += 1
        return 201

    def behave(request):  # a fault may come before or after the record was taken
        fault = RandomFaults(0.3, seed=seed, faults=["fault"], then=None)(request)
        if fault is None:
            return take(request)
        kind = (request.json()["id"] * 7 + request.attempt + seed) % 4
        if kind % 2:
            take(request)
        return [500, 500, Answer(cut="reset"), Answer(cut="reset")][kind]

    with FakeApi(behave) as api:
        came = sent_to(
            api, 300, retry=Retry(initial_backoff=0.001, max_backoff=0.01, max_retries=20)
        )
    assert came.report.delivered == 300
    assert set(applied) == set(range(300))
    assert sum(applied.values()) - 300 <= came.report.maybe_duplicated


# C30: the environment


def test_c30_proxies_and_netrc_of_the_environment_are_not_asked(monkeypatch, tmp_path):
    with FakeApi() as proxy, FakeApi() as api:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        came = sent_to(api, 5)
        assert not any("authorization" in request.headers for request in api.received)
        assert proxy.connections == 0
    assert came.report.delivered == 5


# what is asked: on_ambiguous, retry_on_status, max_dead_from_start


@pytest.mark.parametrize("fault", [500, Answer(cut="reset"), None], ids=repr)
def test_at_most_once_if_asked(fault):
    with FakeApi(lambda request: fault if request.json()["id"] % 10 == 3 else 201) as api:
        came = sent_to(api, on_ambiguous="dead_letter", timeout=LONG if fault else 1.0)
    assert set(came.receipts.values()) == {1}
    assert set(came.failed) == {3, 13, 23, 33}
    assert all("on_ambiguous" in str(error) for error in came.failed.values())
    assert came.report.maybe_duplicated == 0


def test_at_most_once_is_asked_again_where_the_api_cannot_have_it():
    with FakeApi(first_time(429)) as api:
        came = sent_to(api, on_ambiguous="dead_letter")
    assert came.report.delivered == ROWS


def test_an_outage_from_the_start_is_stopped_early_where_nothing_is_sent_again():
    with FakeApi(500) as api:
        limits = Limits(concurrency=8)
        came = sent_to(
            api,
            100,
            on_ambiguous="dead_letter",
            limits=limits,
            budget=Budget(max_dead_from_start=10),
        )
    assert "max_dead_from_start=10" in str(came.error)
    assert set(came.receipts.values()) == {1}
    assert came.report.dead == len(came.receipts)


def test_what_is_sent_again_is_for_the_user_to_say():
    def behave(request):
        number = request.json()["id"]
        return {3: 500, 4: 404}.get(number, 201) if request.attempt == 1 else 201

    with FakeApi(behave) as api:
        came = sent_to(api, retry_on_status={404})
    assert (came.receipts[3], came.receipts[4]) == (1, 2)
    assert set(came.failed) == {3}


def test_rejections_from_the_start_are_given_out_with_the_first_delivery():
    with FakeApi(lambda request: 422 if request.json()["id"] < 30 else 201) as api:
        came = sent_to(api, limits=Limits(concurrency=1))
    assert (set(came.failed), came.report.delivered) == (set(range(30)), 10)


def test_rejections_from_the_start_are_given_out_at_the_end_of_the_source():
    with FakeApi(422) as api:
        came = sent_to(api, 99)
    assert (len(came.failed), came.report.dead, came.error) == (99, 99, None)


@pytest.mark.parametrize("limits", [Limits(max_in_flight=1), Limits(max_buffer_bytes=20)])
def test_rejections_from_the_start_leave_room_for_what_may_be_delivered(limits):
    rows = ({"id": number} for number in range(60))
    with FakeApi(lambda request: 422 if request.json()["id"] < 50 else 201) as api:
        target = Api(api.url, limits=limits)
        report = post_rows(rows, target, on_error=lambda failed: None, chunk_size=1)
    assert (report.delivered, report.dead) == (10, 50)


def test_rejections_from_the_start_do_not_hold_up_their_followers():
    rows = [{"id": number, "of": number % 2} for number in range(40)]
    with FakeApi(lambda request: 422 if request.json()["id"] < 30 else 201) as api:
        report = post_rows(rows, api.url, on_error=lambda failed: None, ordering_key="of")
    assert (report.delivered, report.dead) == (10, 30)


def test_any_number_of_rejections_from_the_start_is_for_the_user_to_allow():
    with FakeApi(422) as api:
        came = sent_to(api, 300, budget=Budget(max_dead_from_start=None))
    assert (came.report.dead, came.error) == (300, None)


def test_what_is_allowed_in_any_number_is_not_held_back():
    failed, told_late = [], []

    def rows():
        for number in range(300):
            told_late.append(number - len(failed))
            yield {"id": number}

    with FakeApi(422) as api:
        target = Api(api.url, limits=Limits(max_in_flight=1))
        budget = Budget(max_dead_from_start=None)
        post_rows(rows(), target, on_error=failed.extend, budget=budget, chunk_size=1)
    assert len(failed) == 300
    assert max(told_late) <= 20


def test_rejections_from_the_start_count_where_the_first_delivery_gives_them_out():
    def rows():
        yield from rows_of(2)
        until(lambda: len(api.received) == 2)
        yield from [{"id": math.nan}] * 2
        yield from rows_of(50)[2:]

    with FakeApi(lambda request: 422 if request.json()["id"] < 2 else 201) as api:
        target = Api(api.url, limits=Limits(concurrency=1))
        budget = Budget(max_dead=3)
        with pytest.raises(TransferError, match="4 records were not taken, more than max_dead=3"):
            post_rows(rows(), target, on_error=lambda _: None, budget=budget, chunk_size=1)


def test_a_long_answer_is_read_once_and_not_for_each_record_of_its_batch():
    failed = []

    def behave(request):
        answer = itemized(lambda *_: 400)(request)
        return Answer(status=200, body=answer.body + b" " * 4_000_000)

    with FakeApi(behave) as api:
        target = Api(api.url, headers={"X-Key": "s3cret"}, **BATCHES | {"batch_size": 500})
        budget = Budget(max_dead_from_start=None)
        post_rows(rows_of(500), target, on_error=failed.extend, budget=budget)
    assert len(failed) == 500
    assert len({id(row.exception.answer) for row in failed}) == 1


def test_a_run_that_is_stopped_drops_the_rejections_that_were_held_back():
    with FakeApi(lambda request: 422 if request.number < 5 else None) as api:
        came = sent_to(api, limits=Limits(concurrency=1), budget=Budget(deadline=0.3, grace=0))
    assert (came.report.dead, came.report.pending) == (0, ROWS)


# idempotency keys


def key_of(request):
    return request.headers.get("idempotency-key")


def test_a_record_has_one_key_for_all_of_its_tries_and_no_other_has_it():
    with FakeApi(RandomFaults(0.5, faults=[500, 429])) as api:
        sent_to(api, 60, retry=Retry(initial_backoff=0.001, max_backoff=0.01, max_retries=50))
        keys = {}
        for request in api.received:
            keys.setdefault(request.json()["id"], set()).add(key_of(request))
    assert all(len(mine) == 1 for mine in keys.values())
    assert len(set.union(*keys.values())) == 60
    assert all(len(key) == 32 for key in set.union(*keys.values()))


def test_another_call_has_other_keys():
    with FakeApi() as api:
        for _ in range(2):
            post_rows(rows_of(3), api.url, key="id", name="nightly")
        assert len({key_of(request) for request in api.received}) == 6


def test_records_of_one_row_have_keys_of_their_own():
    with FakeApi() as api:
        transform = rowferry.per_row(lambda row: [row, row, row])
        post_rows(rows_of(3), api.url, key="id", transform=transform)
        assert len({key_of(request) for request in api.received}) == 9


@pytest.mark.parametrize(
    "options",
    [
        {"key": None},
        {"idempotency_header": None},
        {"body_format": "ndjson"},
        {"body_format": "json_array", "batch_size": 2},
    ],
)
def test_where_there_is_no_key_or_more_than_a_record_there_is_none(options):
    options = {"key": "id"} | options
    with FakeApi() as api:
        key = options.pop("key")
        post_rows(rows_of(3), Api(api.url, **options), key=key)
        assert {key_of(request) for request in api.received} == {None}


def test_batches_of_one_record_have_keys():
    with FakeApi() as api:
        post_rows(rows_of(3), Api(api.url, body_format="json_array", batch_size=1), key="id")
        assert len({key_of(request) for request in api.received}) == 3


def test_the_header_of_the_keys_may_be_another():
    with FakeApi() as api:
        post_rows(rows_of(1), Api(api.url, idempotency_header="X-Request-Id"), key="id")
        assert len(api.received[0].headers["x-request-id"]) == 32
        assert key_of(api.received[0]) is None


# D: the pipeline


def test_d1_an_error_in_the_middle_of_a_run_is_raised_and_every_record_is_somewhere():
    class Lines:
        name, content_type, batch_size, max_batch_size = "lines", "text/x-lines", 2, None

        def join(self, records):
            if b'{"id":30}' in records:
                raise LookupError("mine")
            return b"\n".join(records)

    with FakeApi() as api:
        with pytest.raises(LookupError, match="mine") as caught:
            post_rows(rows_of(1000), Api(api.url, body_format=Lines()))
        until(lambda: not api.open_connections)
    assert "the transfer ended early: " in caught.value.__notes__[-1]


def test_d2_nothing_that_a_run_needs_is_collected():
    stop = threading.Event()

    def collect():
        while not stop.wait(0.001):
            gc.collect()

    collecting = threading.Thread(target=collect)
    collecting.start()
    try:
        with FakeApi(Answer(delay=0.01)) as api:
            assert sent_to(api, 100).report.delivered == 100
    finally:
        stop.set()
        collecting.join()


def test_d3_what_is_cancelled_while_it_is_sent_is_pending_and_not_lost():
    async def cancelled(api):
        target = Api(api.url, limits=Limits(concurrency=8))
        running = asyncio.ensure_future(
            apost_rows(rows_of(100), target, key="id", budget=Budget(grace=0))
        )
        await auntil(lambda: api.in_flight == 8)
        running.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await running
        return caught.value

    with FakeApi(None) as api:
        error = asyncio.run(cancelled(api))
    assert "0 delivered, 100 pending, 0 dead" in error.__notes__[0]


def test_d4_a_source_that_blocks_does_not_hold_up_what_is_in_flight():
    with FakeApi(Answer(delay=0.001)) as api:

        def rows():
            yield from rows_of(100)
            until(lambda: len(api.received) == 100 and not api.in_flight, "all answers")
            yield {"id": 100}

        assert post_rows(rows(), api.url).delivered == 101


def test_d5_what_waits_is_bounded_while_one_record_is_tried_for_long():
    read = itertools.count()

    def behave(request):
        return 429 if request.json()["id"] == 0 and next(blocked) < 40 else 201

    blocked = itertools.count()
    limits = Limits(concurrency=4, max_buffer_bytes=100_000)
    with FakeApi(behave) as api:
        target = Api(api.url, limits=limits, retry=QUICK)
        report = post_rows(({"id": next(read)} for _ in range(3000)), target)
        assert report.delivered == 3000


def test_d8_an_outage_is_no_storm():
    down = threading.Event()

    def behave(request):
        return 503 if down.is_set() else Answer(delay=0.001)

    with FakeApi(behave) as api:
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(sent_to, api, 3000, limits=Limits(concurrency=8), timeout=LONG)
            until(lambda: len(api.received) >= 500)
            down.set()
            time.sleep(1.0)
            before = len(api.received)
            time.sleep(1.5)
            during = len(api.received) - before
            down.clear()
            came = running.result()
    assert came.report.delivered == 3000
    assert during <= 3
    assert came.report.requests <= 1.1 * 3000


def test_d9_a_run_begins_with_one_connection_and_few_requests():
    with FakeApi() as api:
        api.hold()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(post_rows, rows_of(500), api.url)
            until(lambda: api.in_flight == 8)
            time.sleep(0.1)
            assert api.in_flight == 8
            api.release()
            assert running.result().delivered == 500


@pytest.mark.parametrize("faulty", [False, True])
def test_d11_records_of_one_value_arrive_in_their_order_and_others_overtake(faulty):
    rows = [{"id": n, "of": None if n % 7 == 0 else n % 7} for n in range(300)]
    arrived, under_way = {}, Counter()

    def behave(request):
        record = request.json()
        fault = RandomFaults(0.3 if faulty else 0, faults=[500, 429, 400])(request)
        if fault in {201, 400}:
            arrived.setdefault(record["of"], []).append(record["id"])
        under_way[record["of"]] += 1
        return Answer(status=fault, delay=0.001 * (record["id"] % 5))

    with FakeApi(behave) as api:
        retry = Retry(initial_backoff=0.001, max_backoff=0.01, max_retries=20)
        report = post_rows(
            rows, Api(api.url, retry=retry), on_error=lambda failed: None, ordering_key="of"
        )
        assert api.most_in_flight > 1 or faulty
    assert report.delivered + report.dead == 300
    assert len(arrived) == 7
    for mine in arrived.values():
        assert mine == sorted(mine)
    assert [row["id"] for row in rows] != [
        n for request in api.received for n in [request.json()["id"]]
    ]


def test_d11_the_turn_is_the_rows_also_behind_a_transform():
    arrived = []

    def behave(request):
        arrived.append(request.json()["n"])
        return Answer(delay=0.002)

    transform = rowferry.per_row(lambda row: [{"n": row["id"]}, {"n": row["id"] + 0.5}])
    with FakeApi(behave) as api:
        rows = [{"id": n, "of": 1} for n in range(20)]
        post_rows(rows, api.url, transform=transform, ordering_key="of")
        assert api.most_in_flight == 1
    assert arrived == sorted(arrived)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ordering_key": "nope"}, "no ordering_key nope in a row; there are: id"),
        ({"ordering_key": ""}, "ordering_key must be text that is not empty"),
        ({"ordering_key": 5}, "ordering_key must be text that is not empty, not 5"),
        ({"name": ""}, "name must be text that is not empty, not ''"),
        ({"name": 5}, "name must be text that is not empty, not 5"),
    ],
)
def test_an_ordering_key_or_a_name_that_cannot_work(options, words):
    with FakeApi() as api, pytest.raises(ConfigError, match=words):
        post_rows(rows_of(3), api.url, **options)
    assert api.received == []


def test_an_ordering_key_needs_one_record_a_request():
    with FakeApi() as api, pytest.raises(ConfigError, match="batch_size is 500: batch_size=1 does"):
        post_rows(rows_of(3), Api(api.url, body_format="ndjson"), ordering_key="id")


def test_an_ordering_key_needs_values_that_can_be_compared():
    with (
        FakeApi() as api,
        pytest.raises(ConfigError, match="ordering_key id holds no plain values"),
    ):
        post_rows([{"id": []}], api.url, ordering_key="id")


def test_d12_a_generator_is_closed_however_the_run_ends():
    closed = []

    def rows():
        try:
            yield from rows_of(1000)
        finally:
            closed.append(True)

    for answer in (201, 302, 422):
        with FakeApi(answer) as api:
            with contextlib.suppress(TransferError):
                post_rows(rows(), api.url)
    assert closed == [True] * 3


@pytest.mark.parametrize("awaited", [False, True])
def test_d13_what_progress_raises_is_logged_and_the_run_goes_on(awaited, caplog):
    def progress(event):
        raise LookupError("mine")

    with FakeApi(Answer(delay=0.02)) as api:
        if awaited:
            report = asyncio.run(apost_rows(rows_of(100), api.url, progress=progress))
        else:
            report = post_rows(rows_of(100), api.url, progress=progress)
    assert report.delivered == 100
    (record,) = [each for each in caplog.records if each.exc_info]
    assert "progress= raised" in record.getMessage()


OPTIMIZED = """
import rowferry as etl
from rowferry.testing import FakeApi, RandomFaults
with FakeApi(RandomFaults(0.2)) as api:
    report = etl.post_rows([{"id": n} for n in range(200)], api.url)
    if report.delivered != 200 or {record["id"] for record in api.records} != set(range(200)):
        raise SystemExit("lost")
print("done")
"""


def test_d14_nothing_depends_on_asserts():
    path = str(Path(rowferry.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-O", "-c", OPTIMIZED],
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG * 2,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def test_d14_no_work_is_done_in_an_assert():
    """Under -O it would not be; the tests of the engine pass there as well."""
    sources = Path(rowferry.__file__).parent.rglob("*.py")
    found = [
        f"{source.name}:{node.lineno}"
        for source in sources
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


# every record ends in exactly one way


def test_of_5000_rows_those_that_can_arrive_do_so_once_with_nothing_set_but_on_error():
    bad = {5, 2500, 4999}

    def behave(request):
        if request.json()["id"] in bad:
            return 400
        return RandomFaults(0.01, seed=3, faults=[503])(request)

    failed = []
    with FakeApi(behave) as api:
        report = post_rows(rows_of(5000), api.url, on_error=failed.extend)
        taken = Counter(r.json()["id"] for r in api.received if behave(r) == 201)
    assert (report.delivered, report.dead, report.exit_code) == (4997, 3, 3)
    assert set(taken) == set(range(5000)) - bad
    assert set(taken.values()) == {1}
    assert {row["id"] for row, _ in failed} == bad
    assert report.retries == report.maybe_duplicated > 10


END = [201, 201, 201, 400, 422, 409]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    seed=st.integers(0, 10**6),
    share=st.sampled_from([0.0, 0.02, 0.1, 0.3]),
    faults=st.lists(
        st.sampled_from(sorted(FAULTS.keys() - {"stale"})), min_size=1, max_size=5, unique=True
    ),
    concurrency=st.sampled_from(["adaptive", 1, 5]),
    shape=st.sampled_from(["json", "json_array", "ndjson", "items", "ordered"]),
    rate=st.sampled_from([None, None, 2000]),
)
def test_each_record_ends_in_exactly_one_way(seed, share, faults, concurrency, shape, rate):
    def becomes(record):
        return END[(record["id"] * 31 + seed) % len(END)] if record["id"] % 9 == 0 else 201

    def then(request):
        statuses = [becomes(record) for record in request.records()]
        if shape == "items":
            body = json.dumps({"items": [{"status": status} for status in statuses]}).encode()
            return Answer(status=200, body=body)
        return next((400 for status in statuses if status != 201), 201)

    options = {"body_format": "ndjson" if shape == "items" else shape.replace("ordered", "json")}
    if shape == "items":
        options["item_results"] = items
    if options["body_format"] != "json":
        options["batch_size"] = 7
    behave = RandomFaults(share, seed=seed, faults=[FAULTS[name] for name in faults], then=then)
    retry = Retry(initial_backoff=0.0005, max_backoff=0.005, max_retries=1000)
    failed = []
    with FakeApi(behave) as api:
        limits = Limits(max_in_flight=16, concurrency=concurrency, requests_per_second=rate)
        target = Api(api.url, retry=retry, limits=limits, **options)
        report = post_rows(
            rows_of(120),
            target,
            key="id",
            on_error=failed.extend,
            ordering_key="id" if shape == "ordered" else None,
        )
    bad = {n for n in range(120) if becomes({"id": n}) != 201}
    assert {row["id"] for row, _ in failed} == bad
    assert (len(failed), report.dead, report.delivered) == (len(bad), len(bad), 120 - len(bad))
    assert {record["id"] for record in api.records} == set(range(120))


def test_a_rate_of_500_a_second_is_one():
    with FakeApi() as api:
        target = Api(api.url, limits=Limits(requests_per_second=500))
        report = post_rows(rows_of(750), target)
    assert report.delivered == 750
    assert report.seconds >= 749 / 500


def test_a_rate_is_kept_up_where_the_api_is_slower_than_its_gaps():
    with FakeApi(Answer(delay=0.05)) as api:
        limits = Limits(requests_per_second=200, concurrency=64)
        report = post_rows(rows_of(200), Api(api.url, limits=limits))
    assert report.seconds >= 199 / 200
    assert api.most_in_flight >= 5
