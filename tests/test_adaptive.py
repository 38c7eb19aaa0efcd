"""
How many requests in flight: what the rule does, and how near it comes to the best fixed number.

The scenarios run in virtual time (`simulation.py`), with 10 seeds or more; `best` is what the best
fixed number from 1 to 64 delivers a second there, and its round trip.
"""

from dataclasses import dataclass
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.adaptive import AdaptiveLimit
from rowferry.limits import FixedLimit
from simulation import (
    Client,
    Run,
    about,
    always,
    any_number,
    in_turn,
    lognormal,
    measure,
    pausing,
    slower,
    workers,
)


def waves(limit, rtt, number, now=0.0):
    """Send as many as allowed at once and have all answered, again and again; give the limits."""
    seen = [limit.limit]
    for _ in range(number):
        sent, flight = now, limit.limit
        now += rtt(flight)
        for left in range(flight, 0, -1):
            limit.answered(sent, now, left)
        seen.append(limit.limit)
    return seen


# the rule


def test_the_limit_is_doubled_from_8_while_that_pays():
    assert waves(AdaptiveLimit(64), lambda flight: 0.02, 4) == [8, 16, 32, 64, 64]


def test_the_limit_begins_no_higher_than_it_may_get():
    assert AdaptiveLimit(5).limit == 5


def test_doubling_that_only_makes_a_queue_is_taken_back():
    """Of 8 workers, 16 in flight get no more: the best is near 8 again, two rounds later."""
    seen = waves(AdaptiveLimit(64), lambda flight: 0.01 * max(1, flight / 8), 40)
    assert seen[1] == 16
    assert mean(seen[3:]) < 12


def test_a_round_in_which_the_limit_was_not_reached_changes_nothing():
    limit = AdaptiveLimit(64)
    for number in range(1000):
        limit.answered(number * 0.01, number * 0.01 + 0.02, in_flight=7)
    assert limit.limit == 8
    assert limit.rtt == pytest.approx(0.02)


def test_requests_sent_in_the_tick_of_a_change_belong_to_the_old_limit():
    limit, now = AdaptiveLimit(8), 0.0
    while limit.limit == 8:
        waves(limit, lambda flight: 0.02, 1, now)
        now += 0.02
    tried = limit.limit
    for _ in range(1000):
        limit.answered(now, now + 1, in_flight=8)
    assert limit.limit == tried
    for _ in range(1000):
        limit.answered(now + 0.001, now + 1.001, in_flight=8)
    assert limit.limit != tried  # with a second each, the trial is given up


def test_requests_sent_under_another_limit_teach_nothing():
    limit = AdaptiveLimit(64)
    waves(limit, lambda flight: 0.02, 1, now=10.0)
    for _ in range(1000):
        limit.answered(9.0, 11.0, in_flight=16)
    assert limit.limit == 16


def test_one_slow_answer_among_a_hundred_says_little():
    limit = AdaptiveLimit(100, start=100)
    for number in range(100):
        limit.answered(0.0, 1.0 if number == 50 else 0.01, in_flight=100)
    assert limit.rtt < 0.0105


def test_a_round_trip_of_no_time_is_no_error():
    limit = AdaptiveLimit(64)
    for number in range(1000):
        limit.answered(float(number), float(number), limit.limit)
        limit.answered(number + 1.0, float(number), limit.limit)  # a clock that is set back
        assert 1 <= limit.limit <= 64


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("number", [1, 2, 64])
def test_few_in_flight_are_never_more_nor_none(most, number):
    server = lambda: workers(number, lognormal(0.02, 1.0))
    found = measure(server, 20, limit=lambda: AdaptiveLimit(most), seeds=3)
    assert all(client.limits <= set(range(1, most + 1)) for client in found.clients)
    assert found.worst >= 20  # one worker gives 30


@given(
    st.integers(1, 100),
    st.integers(1, 20),
    st.lists(
        st.tuples(st.floats(0, 2), st.floats(0, 0.1), st.integers(1, 100), st.integers(1, 300)),
        max_size=60,
    ),
)
def test_whatever_is_answered_in_whatever_order_the_limit_keeps_its_bounds(most, start, answers):
    limit, now = AdaptiveLimit(most, start), 0.0
    for rtt, step, in_flight, times in answers:
        for _ in range(times):
            now += step
            limit.answered(now - rtt, now, in_flight)
            assert 1 <= limit.limit <= most
            assert limit.rtt > 0


def test_a_fixed_limit_stays_and_knows_its_round_trip():
    limit = FixedLimit(7)
    assert waves(limit, lambda flight: 0.02, 20) == [7] * 21
    assert limit.rtt == pytest.approx(0.02, rel=0.01)


# how near it comes to the best fixed number


def now_and_then_a_second(now, dice):
    return 1.0 if dice.random() < 0.005 else 0.01


def of_mixed_size(now, dice):
    size = dice.random()
    return 0.006 if size < 0.7 else 0.025 if size < 0.95 else 0.205


def cliff(past):
    return slower(about(0.02), lambda flight: 2 if flight > past else 1)


@dataclass
class Scenario:
    """A server, the best there, and the bounds: shares of its throughput, times its latency."""

    server: object
    best: float
    best_rtt: float
    least: float = 0.95
    slowest: float = 1.5
    no_seed_under: float = 0.0
    seconds: float = 10
    seeds: int = 10


SCENARIOS = {
    "steady": Scenario(lambda: any_number(always(0.02)), 3200, 0.02, seeds=3),
    "long tail": Scenario(lambda: any_number(now_and_then_a_second), 4210, 0.0149),
    "noise of 0.5": Scenario(
        lambda: any_number(lognormal(0.02, 0.5)), 2822, 0.0226, no_seed_under=0.85, seeds=30
    ),
    "noise of 1.0": Scenario(
        lambda: any_number(lognormal(0.02, 1.0)), 1944, 0.0328, no_seed_under=0.85, seeds=30
    ),
    "4 workers": Scenario(lambda: workers(4, always(0.01)), 400, 0.01, slowest=2, seeds=3),
    "7 workers": Scenario(lambda: workers(7, always(0.01)), 700, 0.01, slowest=2, seeds=3),
    "16 workers": Scenario(lambda: workers(16, always(0.01)), 1600, 0.01, slowest=2, seeds=3),
    "32 workers": Scenario(lambda: workers(32, always(0.01)), 3200, 0.01, slowest=2, seeds=3),
    "16 noisy workers": Scenario(
        lambda: workers(16, lognormal(0.01, 1.0)), 977, 0.0163, 0.93, 2, seeds=20
    ),
    "cliff past 32": Scenario(lambda: cliff(32), 1597, 0.02),
    "cliff past 37": Scenario(lambda: cliff(37), 1846, 0.02),
    "cliff past 41": Scenario(lambda: cliff(41), 2046, 0.02, 0.93),
    "cliff past 49": Scenario(lambda: cliff(49), 2445, 0.02, 0.93),
    "cliff past 57": Scenario(lambda: cliff(57), 2844, 0.02, 0.93),
    "slower by the load": Scenario(
        lambda: slower(about(0.02), lambda flight: 1 + flight / 20), 758, 0.0828
    ),
    "pauses of 300 ms": Scenario(
        lambda: pausing(about(0.02), 5, 0.3), 3035, 0.0211, seconds=30, seeds=4
    ),
    "mixed sizes": Scenario(lambda: any_number(of_mixed_size), 3090, 0.0206),
    "32, 8, 32 workers": Scenario(
        lambda: in_turn(
            [
                (0, workers(32, always(0.01))),
                (10, workers(8, always(0.01))),
                (20, workers(32, always(0.01))),
            ]
        ),
        2399,
        0.0133,
        seconds=30,
        seeds=3,
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_nearly_as_much_as_with_the_best_fixed_number_and_as_fast(name):
    scenario = SCENARIOS[name]
    found = measure(scenario.server, scenario.seconds, seeds=scenario.seeds)
    assert found.throughput >= scenario.least * scenario.best
    assert found.rtt <= scenario.slowest * scenario.best_rtt
    assert found.worst >= scenario.no_seed_under * scenario.best


def test_answers_of_a_tenth_of_a_millisecond_are_as_good():
    """Here the client's CPU is the queue: 10 µs a request."""
    found = measure(lambda: any_number(lognormal(0.0001, 0.2)), 1, cpu=5e-6, seeds=4)
    assert found.throughput >= 0.95 * 99_880


def test_a_server_that_gets_slower_by_itself_is_not_taken_for_a_queue():
    def slow_for_a_while(now, dice):
        return 0.2 if 5 <= now < 20 else 0.02

    for client in measure(lambda: any_number(slow_for_a_while), 25, seeds=3).clients:
        assert client.during(0, 5) >= 0.95 * 5 * 64 / 0.02
        assert client.during(5, 20) >= 0.95 * 15 * 64 / 0.2
        assert client.during(20, 25) >= 0.95 * 5 * 64 / 0.02


def test_500_requests_take_3_round_trips_more_than_at_best():
    client = Client(AdaptiveLimit())
    run = Run(any_number(always(0.02)), [client], requests=500)
    assert run.now <= (8 + 3) * 0.02  # 500 are 8 times 64


def test_two_clients_share_a_server_and_use_it_all():
    for seed in range(100, 105):
        first, second = Client(AdaptiveLimit()), Client(AdaptiveLimit(), begins=3.0)
        Run(workers(32, about(0.02)), [first, second], seconds=30, seed=seed)
        assert len(first.delivered) + len(second.delivered) >= 0.95 * 30 * 1592
        assert first.during(15, 30) == pytest.approx(second.during(15, 30), rel=0.1)


def test_rows_that_come_slowly_are_all_sent_and_the_limit_stays():
    for client in measure(lambda: any_number(about(0.02)), supply=200).clients:
        assert client.sent >= 1999
        assert client.limits == {8}


def test_rows_that_come_as_slowly_as_the_limit_allows_do_not_raise_it_far():
    """400 a second in 20 ms are 8 in flight, which is where the limit begins."""
    for client in measure(lambda: any_number(about(0.02)), supply=400).clients:
        assert client.sent >= 3999
        assert client.limits <= {8, 16}
