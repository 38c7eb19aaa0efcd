"""
Poison and outage over real sockets: whether it is the record or the API, judged by the neighbours.

The sums are in test_retry.py.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rowferry import Api, Budget, Limits, Retry, post_rows
from rowferry.exceptions import ExhaustedError, RejectedError
from rowferry.testing import Answer, FakeApi
from scripted import LONG, until
from test_faults import itemized, items, rows_of, sent_to

ONE = Limits(concurrency=1)
ONCE = Retry(max_retries=0)


# an outage that is too small for the breaker


@pytest.mark.parametrize("fault", [500, Answer(cut="reset")], ids=["500", "reset"])
def test_an_api_that_goes_down_as_the_last_records_are_sent_buries_none(fault):
    """Two records times six tries are twelve, fewer than what is known for an outage."""
    down = threading.Event()

    def behave(request):
        if request.json()["id"] >= 38:
            down.set()
        return fault if down.is_set() else 201

    retry = Retry(initial_backoff=0.001, max_backoff=0.5)
    with FakeApi(behave) as api, ThreadPoolExecutor(1) as pool:
        limits = Limits(concurrency=8)
        running = pool.submit(sent_to, api, 40, retry=retry, limits=limits)
        until(lambda: len(api.received) >= 40 + 10)
        time.sleep(0.1)
        down.clear()
        api._answer = 201
        came = running.result(LONG)
    assert (came.report.delivered, came.report.dead, came.error) == (40, 0, None)


def test_what_alone_fails_at_the_end_is_given_up_after_the_longest_backoff():
    retry = Retry(initial_backoff=0.001, max_backoff=0.3)
    with FakeApi(lambda request: 500 if request.json()["id"] == 39 else 201) as api:
        came = sent_to(api, 40, retry=retry, limits=Limits(concurrency=8))
    assert set(came.failed) == {39}
    assert came.receipts[39] in {6, 7}
    assert came.failed[39].reason == "exhausted"


# nothing is sent again


def test_without_retries_one_bad_record_does_not_stop_the_run():
    with FakeApi(lambda request: 500 if request.json()["id"] in {0, 17} else 201) as api:
        came = sent_to(api, 40, retry=ONCE, limits=ONE)
    assert (came.report.delivered, set(came.failed)) == (38, {0, 17})
    assert set(came.receipts.values()) == {1}
    assert came.failed[17].reason == "exhausted"


@pytest.mark.parametrize("fault", [500, Answer(cut="reset")], ids=["500", "reset"])
def test_without_retries_an_api_that_is_down_stops_the_run_and_buries_nothing(fault):
    with FakeApi(lambda request: 201 if request.number < 20 else fault) as api:
        came = sent_to(api, 200, retry=ONCE, limits=ONE)
    assert (came.report.delivered, came.report.dead) == (20, 0)
    assert isinstance(came.error, ExhaustedError)
    assert set(came.receipts.values()) == {1}
    assert len(came.receipts) <= 20 + 20


def test_without_retries_a_last_record_that_fails_leaves_the_run_incomplete():
    with FakeApi(lambda request: 500 if request.json()["id"] == 39 else 201) as api:
        came = sent_to(api, 40, retry=ONCE, limits=ONE)
    assert (came.report.delivered, came.report.dead, came.report.pending) == (39, 0, 1)
    assert came.error.exit_code == 4


def test_without_retries_what_waits_for_its_turn_holds_nobody_up():
    rows = [{"id": number, "of": 1} for number in range(30)]
    with FakeApi(lambda request: 500 if request.json()["id"] == 5 else 201) as api:
        target = Api(api.url, retry=ONCE)
        with pytest.raises(ExhaustedError, match="nothing else got through") as caught:
            post_rows(rows, target, on_error=lambda _: None, ordering_key="of")
    assert (caught.value.report.delivered, caught.value.report.pending) == (5, 25)


def test_without_retries_what_waits_for_its_turn_does_so_until_the_others_tell():
    rows = [{"id": number, "of": number % 2} for number in range(30)]
    failed = []
    with FakeApi(lambda request: 500 if request.json()["id"] == 5 else Answer(delay=0.01)) as api:
        target = Api(api.url, retry=ONCE)
        report = post_rows(rows, target, on_error=failed.extend, ordering_key="of")
    assert (report.delivered, [row["id"] for row, _ in failed]) == (29, [5])


def test_without_retries_what_waited_for_its_turn_goes_on_when_all_others_are_done():
    """Then nothing but a timer looks at what was laid aside."""

    def behave(request):
        record = request.json()
        return 500 if record["id"] == 2 else Answer(delay=0.08 if record["of"] == 2 else 0.0)

    rows = [{"id": number, "of": 2 if number == 3 else 1} for number in range(30)]
    failed = []
    with FakeApi(behave) as api:
        target = Api(api.url, retry=ONCE)
        budget = Budget(deadline=LONG)
        report = post_rows(rows, target, on_error=failed.extend, ordering_key="of", budget=budget)
    assert (report.delivered, [row["id"] for row, _ in failed]) == (29, [2])


# an item_results that never works


@pytest.mark.parametrize("batches", [1, 30])
def test_an_item_results_that_always_raises_stops_the_run_with_what_it_raised(batches):
    def broken(answer):
        return answer.json()["itmes"]

    with FakeApi(itemized(lambda *_: 201)) as api:
        retry = Retry(initial_backoff=0.001, max_backoff=0.01)
        came = sent_to(
            api, 20 * batches, retry=retry, body_format="ndjson", batch_size=20, item_results=broken
        )
        assert len(api.received) <= 16 + 8
    assert isinstance(came.error.__cause__, KeyError)
    assert "item_results raised KeyError('itmes')" in str(came.error)
    assert "on each of the 15 before it" in str(came.error)
    assert (came.error.exit_code, came.report.dead) == (2, 0)


def test_an_item_results_that_has_worked_is_not_to_blame():
    """A page of a proxy in mid-run is an outage and no mistake in the user's code."""
    page = Answer(status=200, body=b"<html>back soon</html>")
    good = itemized(lambda *_: 201)

    def behave(request):
        return page if 5 <= request.number < 40 else good(request)

    with FakeApi(behave) as api:
        retry = Retry(initial_backoff=0.0001, max_backoff=0.001)
        limits = Limits(concurrency=8)
        target = Api(
            api.url,
            retry=retry,
            limits=limits,
            body_format="ndjson",
            batch_size=5,
            item_results=items,
        )
        api_is_back = threading.Timer(1.5, lambda: setattr(api, "_answer", good))
        api_is_back.start()
        assert post_rows(rows_of(300), target).delivered == 300
        api_is_back.join()


# C21: an idempotency key that came with another body


def test_c21_a_422_to_a_key_that_the_api_may_know_is_a_conflict_of_keys():
    def behave(request):
        if request.json()["id"] % 10 == 3:
            return 500 if request.attempt == 1 else Answer(status=422, body=b"another body")
        return 422 if request.json()["id"] % 10 == 4 else 201

    with FakeApi(behave) as api:
        came = sent_to(api, 40)
    reasons = {number: error.reason for number, error in came.failed.items()}
    assert reasons == {
        number: "key_conflict" if number % 10 == 3 else "rejected"
        for number in range(40)
        if number % 10 in {3, 4}
    }
    error = came.failed[3]
    assert type(error) is RejectedError
    assert (error.status, error.answer) == (422, "another body")
    assert "may know the idempotency key from an earlier try" in str(error)


@pytest.mark.parametrize(
    "options", [{"idempotency_header": None}, {"body_format": "json_array", "batch_size": 2}]
)
def test_c21_a_422_without_a_key_of_ours_is_none(options):
    with FakeApi(lambda request: 500 if request.attempt == 1 else 422) as api:
        came = sent_to(api, 10, budget=Budget(max_dead_from_start=None), **options)
    assert {error.reason for error in came.failed.values()} == {"rejected"}


def test_c21_a_422_after_a_refusal_is_none():
    """The API said that it did not process the first try."""
    with FakeApi(lambda request: 429 if request.attempt == 1 else 422) as api:
        came = sent_to(api, 10)
    assert {error.reason for error in came.failed.values()} == {"rejected"}


def test_what_is_given_up_says_why_in_a_word():
    words = {}
    for on_ambiguous in ("retry", "dead_letter"):
        with FakeApi(lambda request: 500 if request.json()["id"] == 3 else 201) as api:
            came = sent_to(api, 40, on_ambiguous=on_ambiguous)
        words[on_ambiguous] = came.failed[3].reason
    assert words == {"retry": "exhausted", "dead_letter": "ambiguous"}


def test_what_cannot_be_sent_says_why_in_a_word():
    failed = []
    rows = [{"id": 0, "x": float("nan")}, {"id": 1, "x": "x" * 2000}, {"id": 2}]
    with FakeApi() as api:
        target = Api(api.url, limits=Limits(max_buffer_bytes=1000))
        post_rows(rows, target, on_error=failed.extend)
    assert [error.reason for _, error in failed] == ["unsendable", "too_large"]


# one among many


@pytest.mark.parametrize("body_format", ["ndjson", "json_array"])
@pytest.mark.parametrize("fault", [500, Answer(cut="reset")], ids=["500", "reset"])
def test_one_record_that_the_api_cannot_take_does_not_bury_its_batch(fault, body_format):
    def behave(request):
        return fault if any(record["id"] == 77 for record in request.records()) else 201

    retry = Retry(max_retries=2, initial_backoff=0.001, max_backoff=0.01)
    with FakeApi(behave) as api:
        came = sent_to(api, 200, retry=retry, body_format=body_format, batch_size=50)
        taken = [r["id"] for q in api.received if behave(q) == 201 for r in q.records()]
    assert set(came.failed) == {77}
    assert came.failed[77].reason == "exhausted"
    assert sorted(taken) == [number for number in range(200) if number != 77]


def test_without_retries_a_batch_is_given_up_as_a_whole():
    def behave(request):
        return 500 if any(record["id"] == 77 for record in request.records()) else 201

    with FakeApi(behave) as api:
        came = sent_to(api, 200, retry=ONCE, body_format="ndjson", batch_size=50, limits=ONE)
    assert set(came.failed) == set(range(50, 100))
    assert set(came.receipts.values()) == {1}


# many bad records at the end


def test_bad_records_that_are_left_at_the_end_are_no_outage():
    """Four of them fail more than 16 times in a row, once nothing else is left."""
    retry = Retry(max_retries=4, initial_backoff=0.05, max_backoff=0.2)
    with FakeApi(lambda request: 500 if request.json()["id"] % 25 == 0 else 201) as api:
        came = sent_to(api, 100, retry=retry, limits=Limits(concurrency=8))
    assert set(came.failed) == {0, 25, 50, 75}
    assert {error.reason for error in came.failed.values()} == {"exhausted"}
    assert came.report.delivered == 96


def test_an_outage_at_the_end_is_one_though_a_bad_record_is_left_as_well():
    down = threading.Event()

    def behave(request):
        if request.json()["id"] == 0 or down.is_set():
            return 503
        if len(api.received) >= 80:
            down.set()
        return Answer(delay=0.001)

    retry = Retry(max_retries=3, initial_backoff=0.001, max_backoff=1.0)
    with FakeApi(behave) as api, ThreadPoolExecutor(1) as pool:
        running = pool.submit(sent_to, api, 100, retry=retry, limits=Limits(concurrency=8))
        until(down.is_set)
        time.sleep(2.5)
        api._answer = lambda request: 503 if request.json()["id"] == 0 else 201
        came = running.result(LONG)
    assert came.report.delivered == 99
    assert set(came.failed) == {0}
