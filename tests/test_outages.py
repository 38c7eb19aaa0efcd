"""Connections that cannot be had, how a run begins and goes on after an outage, and order."""

import contextlib
import random
import socket
import ssl
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

from rowferry import Api, Budget, Limits, Retry, post_rows
from rowferry.dialer import least_wait
from rowferry.exceptions import TransferError
from rowferry.testing import Answer, FakeApi, RandomFaults
from scripted import LONG, until
from test_faults import rows_of, sent_to

QUICK = Retry(initial_backoff=0.001, max_backoff=0.01)


# C1: an API that is not there


def test_tries_to_reach_an_api_come_once_a_second_in_the_end():
    assert [least_wait(tries) for tries in (1, 15, 16, 17, 18, 19, 20, 21, 22)] == [
        *(0.0, 0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0)
    ]
    assert least_wait(10**6) == 1.0


def test_c1_an_api_that_was_never_reached_is_not_hammered(tmp_path):
    """With a backoff of 10 ms those were a hundred connections a second."""
    knocks = []

    def slam(listener):
        with contextlib.suppress(OSError):  # it was closed
            while True:
                listener.accept()[0].close()  # in the middle of the handshake
                knocks.append(time.monotonic())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=slam, args=(listener,), daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        target = Api(url, retry=Retry(max_retries=1000, initial_backoff=0.001, max_backoff=0.01))
        with pytest.raises(TransferError, match="deadline"):
            post_rows(rows_of(100), target, budget=Budget(deadline=2.0, grace=0))
        listener.shutdown(socket.SHUT_RDWR)
    assert 16 <= len(knocks) <= 23


# C3: a certificate


def certified(*names):
    """Give a server's context, and what a client needs to trust it; and the authority."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return authority, context


def test_c3_a_certificate_that_fails_in_mid_run_is_waited_for(tmp_path):
    authority, context = certified("127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    wrong = authority.issue_cert("other.example")

    def behave(request):
        if request.number == 20:
            wrong.configure_cert(context)
            return Answer(headers={"Connection": "close"}, cut="close")
        return Answer(delay=0.002)

    with FakeApi(behave, tls=context) as api, ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            sent_to,
            api,
            200,
            retry=QUICK,
            tls={"ca": str(tmp_path / "ca.pem")},
            limits=Limits(concurrency=1),
        )
        until(lambda: len(api.received) >= 21)
        time.sleep(0.3)
        assert len(api.received) == 21
        authority.issue_cert("127.0.0.1").configure_cert(context)
        came = running.result(LONG)
    assert (came.report.delivered, came.report.dead, came.error) == (200, 0, None)
    assert came.report.maybe_duplicated == 0
    assert set(came.receipts.values()) == {1}


# C27: an API that answers in another order


class Shuffling:
    """
    Takes records after random delays, some of them not, and notes in which order it took them.

    Its own order of taking is what a load balancer with slow nodes behind it makes of ours.
    """

    def __init__(self, seed, share=0.0):
        self._dice = random.Random(seed)
        self._faults = RandomFaults(share, seed=seed, faults=[500, 429, Answer(cut="reset")])
        self.taken = []

    def __call__(self, request):
        fate = self._faults(request)
        if fate != 201:
            return fate
        self.taken.append(request.json())
        return Answer(delay=self._dice.random() * 0.02)


def test_c27_without_an_ordering_key_no_order_is_kept_and_nothing_is_lost():
    behave = Shuffling(seed=1)
    with FakeApi(behave) as api:
        came = sent_to(api, 300, limits=Limits(concurrency=16, max_in_flight=16))
    assert came.report.delivered == 300
    assert sorted(record["id"] for record in behave.taken) == list(range(300))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_c27_with_an_ordering_key_the_order_holds_within_each_value(share, seed):
    rows = [{"id": number, "of": (number * number + seed) % 17} for number in range(400)]
    behave = Shuffling(seed, share)
    with FakeApi(behave) as api:
        limits = Limits(max_in_flight=32, concurrency=32)
        retry = Retry(initial_backoff=0.001, max_backoff=0.01, max_retries=100)
        report = post_rows(rows, Api(api.url, limits=limits, retry=retry), ordering_key="of")
        most = api.most_in_flight
    assert report.delivered == 400
    by_value = defaultdict(list)
    for record in behave.taken:
        by_value[record["of"]].append(record["id"])
    for value, numbers in by_value.items():
        assert list(dict.fromkeys(numbers)) == [row["id"] for row in rows if row["of"] == value]
    assert 1 < most <= 17
    overtaken = [record["id"] for record in behave.taken]
    assert overtaken != sorted(overtaken)


# D9: how a run begins, and how it goes on after an outage


def test_d9_after_an_outage_requests_go_one_then_two_then_more_at_a_time():
    down = threading.Event()
    at_once = []

    def behave(request):
        if down.is_set():
            return 503
        at_once.append(api.in_flight)
        return Answer(delay=0.02)

    with FakeApi(behave) as api, ThreadPoolExecutor(1) as pool:
        patient = Retry(initial_backoff=0.001, max_backoff=0.3)
        running = pool.submit(sent_to, api, 1500, retry=patient, limits=Limits(concurrency=32))
        until(lambda: len(api.received) >= 200)
        down.set()
        time.sleep(1.0)
        at_once.clear()
        down.clear()
        came = running.result(LONG)
    assert came.report.delivered == 1500
    assert at_once[0] == 1
    assert max(at_once[:3]) <= 2
    assert max(at_once[:7]) <= 4
    assert max(at_once) <= 32
