"""Requests by a client of the user's own: what is known of them, and what is not."""

import asyncio
import gc
import ssl
import sys
import threading
import time

import aiohttp
import pytest
import trustme

from rowferry import Api, Budget, Limits, Retry, apost_rows, auth, post_rows
from rowferry.exceptions import ConfigError, TransferError
from rowferry.http.aiohttp_client import ClientConnection
from rowferry.testing import Answer, FakeApi, RandomFaults
from scripted import LONG
from test_faults import AMBIGUOUS, ONCE, ROWS, STOPS, TAKEN, first_time, rows_of, sent_to

ONE = Limits(max_in_flight=1, concurrency=1)


def session():
    """Make one that reads bodies as they are: what is no gzip would be no answer, else."""
    return aiohttp.ClientSession(auto_decompress=False)


def by_client(api, rows=ROWS, **options):
    return sent_to(api, rows, client=session, **options)


# the catalogue, by aiohttp


@pytest.mark.parametrize("case", ONCE)
def test_a_record_survives(case):
    fault, ambiguous = ONCE[case]
    slow = case.startswith(("C12", "C13", "C14 100 Continue"))
    with FakeApi(first_time(fault)) as api:
        came = by_client(api, 12, timeout=0.5 if slow else LONG)
    assert (came.report.delivered, len(came.receipts)) == (12, 12)
    assert min(came.receipts.values()) >= 2
    if not slow:
        assert (max(came.receipts.values()), came.report.retries) == (2, 12)
    assert came.report.maybe_duplicated == (came.report.retries if ambiguous is AMBIGUOUS else 0)


@pytest.mark.parametrize("case", TAKEN)
def test_a_record_is_delivered_once_by(case):
    with FakeApi(TAKEN[case]) as api:
        came = by_client(api, 12)
        assert not any("accept-encoding" in request.headers for request in api.received)
    assert set(came.receipts.values()) == {1}
    assert (came.report.delivered, came.report.retries) == (12, 0)


@pytest.mark.parametrize("case", STOPS)
def test_the_run_stops_and_nothing_is_dead_after(case):
    answer, exit_code, words = STOPS[case]
    with FakeApi(answer) as api:
        came = by_client(api, 500)
    assert words in str(came.error)
    assert came.error.exit_code == exit_code
    assert (came.report.delivered, came.report.dead) == (0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_under_any_faults_each_record_ends_once_and_doubles_are_counted(seed):
    with FakeApi(RandomFaults(0.2, seed=seed)) as api:
        came = by_client(api, 300)
    assert (came.report.delivered, len(came.receipts)) == (300, 300)
    assert sum(came.receipts.values()) - 300 <= came.report.maybe_duplicated + came.report.retries


# what is sent is what our connection would send


def test_an_api_gets_the_same_from_a_client_as_from_us():
    headers = {"Authorization": "Bearer x", "X-Own": "a", "User-Agent": "mine"}
    with FakeApi() as api:
        for client in (None, aiohttp.ClientSession):
            target = Api(f"{api.url}/a%2Fb?c=d%20e", headers=headers, client=client, limits=ONE)
            post_rows([{"id": 1, "text": "ä"}], target, key="id", name="same")
        ours, theirs = api.received
    assert (ours.method, ours.path, ours.body) == (theirs.method, theirs.path, theirs.body)
    keys = [dict(request.headers) for request in (ours, theirs)]
    assert [key.pop("idempotency-key") for key in keys]
    assert keys[0] == keys[1]


def test_tokens_are_asked_for_by_the_client_too():
    token = Answer(status=200, body=b'{"access_token": "t0ken", "token_type": "bearer"}')
    made = []

    def make():
        made.append(aiohttp.ClientSession())
        return made[-1]

    with FakeApi(token) as tokens, FakeApi() as api:
        scheme = auth.OAuth2ClientCredentials(tokens.url, "me", "s3cret")
        target = Api(api.url + "/{id}", auth=scheme, client=make)
        assert post_rows(rows_of(30), target).delivered == 30
        assert len(tokens.received) == 1
        assert {request.path for request in api.received} == {f"/records/{n}" for n in range(30)}
        assert {request.headers["authorization"] for request in api.received} == {"Bearer t0ken"}
    assert [session.closed for session in made] == [True]


def test_connections_are_kept_and_requests_follow_one_another():
    with FakeApi() as api:
        by_client(api, 200, limits=Limits(max_in_flight=4, concurrency=4))
        assert api.connections <= 4


def test_a_patch_is_sent_as_one():
    with FakeApi() as api:
        by_client(api, 3, method="PATCH")
        assert {request.method for request in api.received} == {"PATCH"}


# where it is called, and what becomes of it


def test_it_is_called_on_the_runs_loop_and_closed_at_its_end():
    made = []

    def make():
        made.append((aiohttp.ClientSession(), threading.current_thread()))
        return made[-1][0]

    with FakeApi() as api:
        assert post_rows(rows_of(100), Api(api.url, client=make)).delivered == 100
        assert post_rows(rows_of(1), Api(api.url, client=make)).delivered == 1
    (first, thread), (second, _) = made
    assert first.closed
    assert second.closed
    assert thread is not threading.current_thread()


def test_it_is_closed_where_the_run_is_stopped_or_cancelled():
    made = []

    def make():
        made.append(aiohttp.ClientSession())
        return made[-1]

    async def cancelled(api):
        target = Api(api.url, client=make)
        running = asyncio.create_task(apost_rows(rows_of(10), target, budget=Budget(grace=0.01)))
        while not api.received:  # noqa: ASYNC110 (it comes from another thread)
            await asyncio.sleep(0.001)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with FakeApi(401) as api, pytest.raises(TransferError):
        post_rows(rows_of(10), Api(api.url, client=make))
    with FakeApi(None) as api:
        asyncio.run(asyncio.wait_for(cancelled(api), LONG))
    assert [session.closed for session in made] == [True, True]
    gc.collect()


@pytest.mark.parametrize("made", [None, 5, object()])
def test_what_is_no_session_is_refused(made):
    with FakeApi() as api, pytest.raises(ConfigError, match=r"client\(\) must give an aiohttp"):
        post_rows(rows_of(3), Api(api.url, client=lambda: made))


def test_its_own_errors_are_raised_as_they_are():
    def broken():
        raise ZeroDivisionError("mine")

    with FakeApi() as api, pytest.raises(ZeroDivisionError, match="mine"):
        post_rows(rows_of(3), Api(api.url, client=broken))


def test_a_request_that_has_not_begun_yet_is_not_late():
    """A worker whose request was given up before its first step would end without a word."""

    async def sent():
        connection = ClientConnection(None, None)
        answer = connection.send(b"")
        connection.expire(time.monotonic() - LONG, "too late")
        answer.cancel()
        assert not connection._given_up
        with pytest.raises(asyncio.CancelledError):
            await answer

    asyncio.run(sent())


# no connection


def test_an_api_that_is_not_there_is_tried_as_often_as_allowed():
    with FakeApi() as api:
        pass
    retry = Retry(max_retries=2, initial_backoff=0.001)
    with pytest.raises(TransferError, match=r"cannot connect to .*\(tried 3 times\)") as caught:
        post_rows(rows_of(50), Api(api.url, client=aiohttp.ClientSession, retry=retry))
    assert (caught.value.exit_code, caught.value.report.delivered) == (4, 0)
    assert caught.value.report.pending == caught.value.report.records


def test_an_api_that_is_gone_for_a_while_is_waited_for():
    with FakeApi(Answer(delay=0.002)) as api:
        seen = []

        def rows():
            for row in rows_of(300):
                if len(api.received) >= 50 and not seen:  # once
                    seen.append(row)
                    api.refuse_connections()
                    threading.Timer(0.3, api.listen).start()
                yield row

        target = Api(
            api.url,
            client=aiohttp.ClientSession,
            retry=Retry(initial_backoff=0.1, max_backoff=0.1),  # a busy port may meet itself
            limits=Limits(max_in_flight=4),
        )
        report = post_rows(rows(), target, chunk_size=10, budget=Budget(deadline=LONG))
        assert len({record["id"] for record in api.records}) == 300
    assert report.delivered == 300


def test_a_certificate_that_fails_stops_the_run(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with FakeApi(tls=context) as api:
        with pytest.raises(TransferError, match="client= has to see to it") as caught:
            post_rows(rows_of(3), Api(api.url, client=aiohttp.ClientSession))
        assert api.received == []

        def trusted():
            return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting))

        assert post_rows(rows_of(3), Api(api.url, client=trusted)).delivered == 3
    assert caught.value.exit_code == 2


def test_a_session_with_fewer_connections_than_requests_is_waited_for():
    def narrow():
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2))

    with FakeApi(Answer(delay=0.001)) as api:
        limits = Limits(max_in_flight=16, concurrency=16)
        report = post_rows(rows_of(200), Api(api.url, client=narrow, limits=limits))
        assert api.most_in_flight <= 2
    assert (report.delivered, report.retries) == (200, 0)


# what cannot work


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"client": 5}, "client must be a function that gives an aiohttp.ClientSession"),
        ({"method": "PUT"}, "method must be POST or PATCH with client=, not PUT"),
        ({"method": "DELETE"}, "aiohttp sends others again by itself"),
        ({"tls": {"ca": "x"}}, "tls cannot be set with client="),
        ({"proxy": "http://h:1"}, "proxy cannot be set with client="),
        ({"proxy": "environment"}, "proxy cannot be set with client="),
    ],
)
def test_options_that_cannot_work_with_it_are_refused(options, words):
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        Api("http://h/", **{"client": aiohttp.ClientSession} | options)


def test_a_missing_aiohttp_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ConfigError, match="client= needs aiohttp: pip install aiohttp"):
        Api("http://h/", client=lambda: None)
