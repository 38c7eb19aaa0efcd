"""What an API tells of its rate limit, and the pace that leaves."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.batches import Response
from rowferry.quota import LONGEST_WAIT, Quota, Told, told_by

NOW = 1_700_000_000.0


def told(*headers):
    pairs = tuple((name.lower().encode(), value.encode()) for name, value in headers)
    return told_by(Response(200, pairs, limited=True), NOW)


@pytest.mark.parametrize(
    "headers",
    [
        [("RateLimit", '"default";r=50;t=30')],
        [("RateLimit", '"default"; r=50; t=30')],
        [("RateLimit", "limit=100, remaining=50, reset=30")],
        [("RateLimit", '"day";r=9999;t=30, "burst";r=50;t=30')],
        [("RateLimit-Remaining", "50"), ("RateLimit-Reset", "30")],
        [("X-RateLimit-Remaining", "50"), ("X-RateLimit-Reset", "30")],
        [("X-RateLimit-Remaining", "50"), ("X-RateLimit-Reset", str(int(NOW) + 30))],
        [("X-RateLimit-Remaining", "50"), ("X-RateLimit-Reset", str((int(NOW) + 30) * 1000))],
        [("X-Rate-Limit-Remaining", "50"), ("X-Rate-Limit-Reset", "30.0")],
        [("RateLimit", '"default";q=100;w=60;r=50;t=30')],
    ],
)
def test_a_rate_limit_is_read_in_the_ways_in_which_apis_tell_it(headers):
    assert told(*headers) == Told(50, 30)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("RateLimit", "")],
        [("RateLimit", "plenty")],
        [("RateLimit", '"default";r=50')],
        [("RateLimit", '"default";r=-5;t=30')],
        [("RateLimit", '"default";r=1.5;t=30')],
        [("RateLimit", '"default";r=50;t=0')],
        [("RateLimit", "\xff\x00;r=;t=")],
        [("RateLimit-Policy", '"default";q=100;w=60')],
        [("X-RateLimit-Remaining", "50")],
        [("X-RateLimit-Remaining", "many"), ("X-RateLimit-Reset", "30")],
        [("X-RateLimit-Remaining", "50"), ("X-RateLimit-Reset", "Wed, 21 Oct 2015")],
        [("X-RateLimit-Remaining", "50"), ("X-RateLimit-Reset", str(int(NOW) - 5))],
        [("X-RateLimit-Limit", "50"), ("RateLimit-Reset", "30")],
    ],
)
def test_what_makes_no_sense_tells_nothing(headers):
    assert told(*headers) is None


@given(st.text(max_size=60))
def test_whatever_the_header_holds_is_no_error(text):
    found = told_by(Response(200, ((b"ratelimit", text.encode()),)), NOW)
    assert found is None or (found.remaining >= 0 and found.seconds > 0)


def begun(quota, told, requests):
    """Give when so many requests begin, one after another as soon as they may."""
    quota.told(told, 0.0)
    now, times = 0.0, []
    for _ in range(requests):
        now = max(now, quota.next)
        quota.sent(now)
        times.append(now)
    return times


def test_what_is_scarce_is_spread_over_the_time_that_is_left():
    times = begun(Quota(256), Told(20, 10), 20)
    assert times[0] == 0.0
    assert all(b - a == pytest.approx(0.5) for a, b in itertools.pairwise(times))


def test_plenty_is_no_hurry():
    quota = Quota(256)
    assert begun(quota, Told(256, 3600), 50) == [0.0] * 50
    assert not quota.lowers


def test_where_nothing_is_left_nothing_is_sent_until_the_reset_or_10_minutes():
    assert begun(Quota(256), Told(0, 7), 1) == [7.0]
    assert begun(Quota(256), Told(0, 86_400), 1) == [LONGEST_WAIT]


@given(st.floats(1, 255), st.floats(1, 1e15))
def test_no_request_waits_longer_than_10_minutes_for_what_is_only_a_hint(remaining, seconds):
    times = begun(Quota(256), Told(remaining, seconds), 5)
    assert all(b - a <= LONGEST_WAIT for a, b in itertools.pairwise(times))


def test_a_full_quota_ends_the_pace():
    quota = Quota(256)
    begun(quota, Told(1, 100), 1)
    assert quota.next == pytest.approx(100)
    quota.told(Told(5000, 100), 1.0)
    assert quota.next < 1.0


def test_the_pace_ends_with_the_time_for_which_it_was_told():
    quota = Quota(256)
    begun(quota, Told(10, 1), 10)
    quota.sent(5.0)
    assert quota.next <= 5.0
