"""Batches to smaller ones: no record lost, none twice, in order."""

import http
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.batches import Attempts, Batch, Fate, Origin, Response
from rowferry.splitting import halves, no_larger_than, sorted_out
from rowferry.verdict import Rules, judge_items

RULES = Rules(frozenset({200, 201}))


def batch_of(sizes):
    parts = tuple(b"%d:" % number + b"x" * size for number, size in enumerate(sizes))
    origins = tuple(Origin((number,)) for number in range(len(parts)))
    return Batch(b"", sum(map(len, parts)), len(parts), origins, None, parts)


def whole(batches):
    """Give all records of *batches*, each checked to fit together."""
    for batch in batches:
        assert batch.count == len(batch.parts) == len(batch.origins)
        assert batch.size == sum(map(len, batch.parts))
    return [
        (part, origin)
        for batch in batches
        for part, origin in zip(batch.parts, batch.origins, strict=True)
    ]


sizes = st.lists(st.integers(0, 50), min_size=2, max_size=40)


@given(sizes)
def test_halves_are_the_whole(sizes):
    batch = batch_of(sizes)
    first, second = halves(batch)
    assert whole([first, second]) == whole([batch])
    assert abs(first.count - second.count) <= 1


@given(sizes, st.integers(1, 200))
def test_pieces_are_no_larger_unless_they_are_one_record(sizes, most):
    batch = batch_of(sizes)
    pieces = no_larger_than(most, batch)
    assert whole(pieces) == whole([batch])
    assert all(piece.size <= most or piece.count == 1 for piece in pieces)


@given(st.lists(st.sampled_from([200, 201, 400, 429, 500, 503, 302, 401]), min_size=1))
def test_each_record_of_a_batch_becomes_one_thing(statuses):
    batch = batch_of([1] * len(statuses))
    pieces = sorted_out(batch, Response(200), lambda answer: statuses, RULES)
    split = [*([pieces.delivered] if pieces.delivered else [])]
    split += [piece for piece, _ in pieces.rejected] + [piece for piece, _ in pieces.again]
    assert pieces.batches == len(split)
    assert sorted(whole(split)) == sorted(whole([batch]))
    by_key = {
        origin.key[0]: status for (_, origin), status in zip(whole([batch]), statuses, strict=True)
    }
    for piece, status in pieces.rejected:
        assert {by_key[origin.key[0]] for origin in piece.origins} == {status} <= {400, 302, 401}
    for piece, fate in pieces.again:
        expected = {429} if fate is Fate.REFUSED else {500, 503}
        assert {by_key[origin.key[0]] for origin in piece.origins} <= expected


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        ([200], "1 items for 2 records"),
        ([], "0 items for 2 records"),
        ([200, 200, 200], "more than 2 items for 2 records"),
        (None, "item_results gave None"),
        (5, "item_results gave 5"),
        (["200", "200"], "'200' for item 0, which is no status"),
        ([200, True], "True for item 1"),
        ([200, 99], "99 for item 1"),
        ([200, 600], "600 for item 1"),
    ],
)
def test_items_that_do_not_fit_the_records_say_nothing_of_any(statuses, words):
    assert words in judge_items(RULES, statuses, 2)


def test_items_may_have_what_the_api_says_of_them():
    given = [201, (422, "no name"), (503, "busy"), (200, "fine"), (422, "")]
    items = judge_items(RULES, given, 5)
    assert items.delivered == 2
    assert items.rejected == {1: 422, 4: 422}
    assert items.again == {Fate.AMBIGUOUS: [2]}
    assert items.said == {1: "no name", 2: "busy"}


@pytest.mark.parametrize("item", [(422,), (422, None), (422, "a", "b"), ("a", 422), (True, "a")])
def test_a_pair_that_is_none_says_nothing_of_any(item):
    assert "for item 0, which is no status" in judge_items(RULES, [item], 1)


def test_items_that_cannot_be_read_say_nothing_of_any():
    answer = Response(200, body=b"<html>")
    said = sorted_out(batch_of([1, 1]), answer, lambda answer: answer.json()["items"], RULES)
    assert said.reason.startswith("item_results raised ")
    assert isinstance(said.error, ValueError)
    assert said.reason.endswith(" on an answer 200")


def test_items_may_be_given_one_by_one():
    def lazily(answer):
        yield http.HTTPStatus.CREATED
        yield from answer.json()

    batch = batch_of([1, 1])
    assert sorted_out(batch, Response(200, body=b"[201]"), lazily, RULES).delivered == batch
    assert sorted_out(batch, Response(200, body=b"<"), lazily, RULES).reason.startswith(
        "item_results raised "
    )


def test_items_without_end_are_too_many():
    said = sorted_out(batch_of([1, 1]), Response(200), lambda _: itertools.repeat(200), RULES)
    assert "more than 2 items for 2 records" in said.reason


def test_an_item_that_an_earlier_try_may_have_left_there_is_asked_for_once_more():
    doubtful = Attempts(since=0.0, delivered_before=0, ambiguous=1, ever_doubtful=True)
    batch = batch_of([1, 1, 1]).again(doubtful)
    pieces = sorted_out(batch, Response(200), lambda _: [201, 409, 404], RULES)
    assert [(piece.parts, fate) for piece, fate in pieces.again] == [
        (batch.parts[1:2], Fate.CONFLICT)
    ]
    assert [status for _, status in pieces.rejected] == [404]
    deleting = Rules(frozenset({200}), method="DELETE")
    assert sorted_out(batch, Response(200), lambda _: [200, 404, 404], deleting).batches == 1


def test_a_request_is_delivered_if_any_of_its_records_is_settled():
    def fate(*statuses):
        batch = batch_of([1] * len(statuses))
        return sorted_out(batch, Response(200), lambda answer: statuses, RULES).fate

    assert fate(200, 429) is fate(400, 500) is Fate.DELIVERED
    assert fate(429, 500) is Fate.REFUSED
    assert fate(500) is Fate.AMBIGUOUS
