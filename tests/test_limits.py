"""How fast, on a clock that the tests turn; and the bounds of limits and budgets."""

import heapq
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowferry import Budget, Limits
from rowferry.exceptions import ConfigError
from rowferry.limits import TokenBucket


def test_permits_come_at_their_rate():
    bucket = TokenBucket(10)
    assert [bucket.reserve(now=0.0) for _ in range(3)] == [0.0, 0.1, 0.2]


def test_a_burst_comes_at_once():
    bucket = TokenBucket(10, burst=2)
    assert [bucket.reserve(now=0.0) for _ in range(3)] == [0.0, 0.0, 0.1]


def test_after_a_pause_a_burst_and_no_more_comes_at_once():
    bucket = TokenBucket(10, burst=3)
    bucket.reserve(now=0.0)
    waits = [round(bucket.reserve(now=100.0), 6) for _ in range(5)]
    assert waits == [0.0, 0.0, 0.0, 0.1, 0.2]


def test_a_first_burst_does_not_depend_on_where_the_clock_stands():
    for now in (0.0, 5.0, 1e9):
        bucket = TokenBucket(10, burst=2)
        assert [bucket.reserve(now) for _ in range(2)] == [0.0, 0.0]
        assert bucket.reserve(now) == pytest.approx(0.1, abs=1e-6)


def test_500_a_second_for_10_seconds_are_5000():
    bucket, now, used = TokenBucket(500), 0.0, []
    while True:
        now += bucket.reserve(now)
        if now >= 10.0 - 1e-9:
            break
        used.append(now)
        now += 0.0001  # what a request takes
    assert len(used) == 5000
    assert max(later - earlier for earlier, later in itertools.pairwise(used)) < 0.00201


def test_many_workers_share_one_rate():
    bucket = TokenBucket(500)
    used = sorted(bucket.reserve(now=0.0) for _ in range(5000))
    assert used[-1] == pytest.approx(9.998)


@given(
    st.floats(0.1, 1e5),
    st.integers(1, 50),
    st.lists(st.floats(0, 10), min_size=1, max_size=60),
)
def test_no_window_holds_more_than_its_share_and_a_burst(rate, burst, steps):
    bucket, now, used = TokenBucket(rate, burst), 0.0, []
    for step in steps:
        now += step
        used.append(now + bucket.reserve(now))
    used.sort()
    for first, start in enumerate(used):
        for last in range(first, len(used)):
            share = (used[last] - start) * rate * (1 + 1e-9) + burst + 1e-6
            assert last - first + 1 <= share


@given(st.sampled_from([1, 50]), st.integers(0, 10**6), st.floats(0.001, 0.1), st.floats(0, 0.005))
@settings(max_examples=20, deadline=None)
def test_64_workers_send_500_a_second_whatever_they_take_and_however_late(burst, seed, rtt, late):
    bucket, dice, sent = TokenBucket(500, burst), random.Random(seed), 0
    free = [0.0] * 64  # when each worker asks for its next permit
    while (now := free[0]) < 10:
        at = now + bucket.reserve(now)
        sent += at < 10
        heapq.heapreplace(free, at + dice.random() * (late + rtt))
    assert 0.98 * 5000 <= sent <= 1.02 * 5000


# bounds


@pytest.mark.parametrize("option", ["max_in_flight", "concurrency", "burst", "max_buffer_bytes"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "64", True, float("nan")])
def test_a_count_that_is_none_is_refused_by_name(option, value):
    with pytest.raises(ConfigError, match=f"^{option} must be "):
        Limits(**{option: value})


@pytest.mark.parametrize("value", [0, -1, "5", float("nan"), float("inf"), True])
def test_a_rate_that_is_none_is_refused_by_name(value):
    with pytest.raises(ConfigError, match=r"^requests_per_second must be "):
        Limits(requests_per_second=value)


def test_concurrency_never_exceeds_the_hard_cap():
    assert Limits().workers == 64
    assert Limits(concurrency=8).workers == 8
    with pytest.raises(ConfigError, match="concurrency must be at most max_in_flight=10, not 100"):
        Limits(concurrency=100, max_in_flight=10)


def test_concurrency_is_a_number_or_adaptive():
    assert Limits(concurrency="adaptive") == Limits()
    with pytest.raises(ConfigError, match="concurrency must be 'adaptive' or a whole number"):
        Limits(concurrency="fast")


def test_more_connections_than_a_process_has_files_are_refused():
    with pytest.raises(ConfigError, match="max_in_flight must be 1 to 10,000, not 1,000,000"):
        Limits(max_in_flight=1_000_000)


def test_a_burst_needs_a_rate():
    with pytest.raises(ConfigError, match="burst=10 needs requests_per_second"):
        Limits(burst=10)


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("max_dead", [-1, 1.5, "1", True]),
        ("max_dead_from_start", [0, -1, 1.5, "1", True]),
        ("deadline", [0, -1, "1", float("inf"), True]),
        ("grace", [-1, None, "1", float("nan")]),
    ],
)
def test_a_budget_that_is_none_is_refused_by_name(option, values):
    for value in values:
        with pytest.raises(ConfigError, match=f"^{option} must be "):
            Budget(**{option: value})


def test_nothing_may_be_dead_and_no_grace_may_be_given():
    assert (Budget(max_dead=0).max_dead, Budget(grace=0).grace) == (0, 0)
