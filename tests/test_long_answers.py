"""Long answers: one at a time is read whole, the others wait with their share."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry import Api, Budget, Limits, post_rows
from rowferry.exceptions import TransferError
from rowferry.http.connection import Connection
from rowferry.http.long_answers import LongAnswers
from rowferry.testing import Answer, FakeApi
from scripted import LONG
from test_faults import items, rows_of


class Reader:
    """Reads an answer of so many bytes in steps of 10, as long as it may."""

    def __init__(self, size):
        self.size, self.read, self.paused = size, 0, False

    def pause(self):
        assert not self.paused
        self.paused = True

    def resume(self):
        assert self.paused
        self.paused = False


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=12),
    st.integers(1, 100),
    st.randoms(use_true_random=False),
)
def test_all_are_read_in_the_end_and_no_more_than_a_share_each_and_one_whole_is_kept(
    sizes, share, dice
):
    answers, readers = LongAnswers(share), [Reader(size) for size in sizes]
    while open_ := [reader for reader in readers if not reader.paused]:
        reader = dice.choice(open_)
        if reader.read >= reader.size or dice.random() < 0.02:  # it is whole, or timed out
            readers.remove(reader)
            answers.done(reader)
            continue
        reader.read += 10
        answers.look(reader, reader.read)
        kept = sorted(each.read for each in readers)
        assert all(size <= share + 10 for size in kept[:-1])
    assert readers == []


def test_one_that_waits_and_gives_up_is_not_waited_for():
    answers, readers = LongAnswers(0), [Reader(100) for _ in range(3)]
    for reader in readers:
        answers.look(reader, 10)
    assert [reader.paused for reader in readers] == [False, True, True]
    answers.done(readers[1])
    answers.done(readers[0])
    assert [reader.paused for reader in readers] == [False, True, False]


def long_items(size):
    def behave(request):
        statuses = [{"status": 201} for _ in request.records()]
        return Answer(status=200, body=json.dumps({"items": statuses}).encode() + b" " * size)

    return behave


BULK = {"body_format": "ndjson", "batch_size": 5, "item_results": items}


def test_long_answers_on_many_connections_are_read_one_after_another(monkeypatch):
    """No more than a share each (64 KiB here) and one whole are in memory."""
    kept = {}
    look = Connection._look

    def looked(connection, data):
        kept[connection] = len(connection._body)
        most.append(sorted(kept.values()))
        look(connection, data)
        kept[connection] = len(connection._body)

    most = []
    monkeypatch.setattr(Connection, "_look", looked)
    with FakeApi(long_items(2_000_000)) as api:
        limits = Limits(concurrency=8, max_buffer_bytes=100_000)
        target = Api(api.url, limits=limits, request_timeout=LONG, **BULK)
        report = post_rows(rows_of(200), target)
        assert report.max_in_flight > 1
    assert (report.delivered, report.retries) == (200, 0)
    chunk = 256 * 1024  # what uvloop reads at once
    assert max(sizes[-2] for sizes in most if len(sizes) > 1) <= 64 * 1024 + chunk


def test_a_long_answer_that_stops_in_the_middle_holds_nobody_up_for_long():
    first = []

    def behave(request):
        if request.number == 0:
            first.append(True)
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n"
            return Answer(raw=head + b" " * 1_000_000)
        return long_items(500_000)(request)

    with FakeApi(behave) as api:
        limits = Limits(concurrency=4, max_buffer_bytes=100_000)
        target = Api(api.url, limits=limits, request_timeout=1.0, **BULK)
        assert post_rows(rows_of(100), target).delivered == 100


def test_a_run_that_is_stopped_ends_with_answers_that_wait():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n"
    with FakeApi(Answer(raw=head + b" " * 500_000)) as api:
        limits = Limits(concurrency=4, max_buffer_bytes=100_000)
        target = Api(api.url, limits=limits, **BULK)
        budget = Budget(deadline=0.5, grace=0)
        with pytest.raises(TransferError, match="deadline"):
            post_rows(rows_of(100), target, budget=budget)
