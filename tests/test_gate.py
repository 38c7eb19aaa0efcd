"""Whether a request may begin now, and if not, when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry import Limits
from rowferry.gate import Gate
from rowferry.quota import Told


def begun(gate, now):
    """Begin as many requests as may at *now*; give how many."""
    count = 0
    while gate.places < gate.allowed and gate.opens(now) <= now:
        gate.begin(now)
        count += 1
    return count


@pytest.mark.parametrize(("limits", "first"), [(Limits(), 8), (Limits(concurrency=20), 20)])
def test_so_many_begin_at_first(limits, first):
    gate = Gate(limits, 0.0)
    assert gate.is_open(0.0)
    assert begun(gate, 0.0) == first
    assert not gate.is_open(0.0)


def test_an_answer_frees_its_place_at_once_and_a_failure_a_round_trip_later():
    gate = Gate(Limits(concurrency=2), 0.0)
    begun(gate, 0.0)
    gate.delivered(0.0, 0.5)
    assert begun(gate, 0.5) == 1
    keep = gate.failed(0.6)
    assert keep > 0
    assert begun(gate, 0.6) == 0
    gate.free_place()
    assert begun(gate, 0.6 + keep) == 1


def test_the_rate_of_the_user_holds_with_places_left():
    gate = Gate(Limits(requests_per_second=10, burst=3), 0.0)
    assert not gate.is_open(0.0)
    assert begun(gate, 0.0) == 3
    assert gate.opens(0.0) == pytest.approx(0.1)


def test_who_was_woken_late_begins_on_time_and_the_rate_holds():
    gate, at = Gate(Limits(concurrency=64, requests_per_second=100), 0.0), 0.0
    for _ in range(50):
        at = gate.opens(at)  # the moment that was due, and not the one of waking
        gate.begin(at)
    assert at == pytest.approx(0.49)


def test_16_failures_in_a_row_are_an_outage_and_one_success_its_end():
    gate = Gate(Limits(concurrency=64), 0.0)
    assert begun(gate, 0.0) == 64
    for number in range(16):
        assert not gate.probing
        gate.failed(1.0 + number / 100)
    assert gate.probing
    assert gate.outage_since == pytest.approx(1.15)
    for _ in range(64):
        gate.free_place()
    assert begun(gate, 1.15) == 0
    assert begun(gate, 1.3) == 1
    assert gate.allowed == 1
    gate.delivered(1.3, 1.31)
    assert (gate.probing, gate.allowed) == (False, 2)


def test_a_rejection_ends_an_outage_too():
    gate = Gate(Limits(), 0.0)
    gate.begin(0.0)
    gate.close(0.0)
    assert gate.probing
    gate.answered(0.1)
    assert not gate.probing


def test_retry_after_keeps_all_back():
    gate = Gate(Limits(), 0.0)
    begun(gate, 0.0)
    gate.refused(1.0, 5.0)
    gate.free_place()
    assert begun(gate, 2.0) == 0
    assert gate.opens(2.0) >= 6.0


def test_a_quota_that_is_scarce_is_spread():
    gate = Gate(Limits(), 0.0)
    gate.told(Told(10, 5), 0.0)
    assert not gate.is_open(0.0)
    assert begun(gate, 0.0) == 1
    assert gate.opens(0.0) == pytest.approx(0.5)
    gate.told(Told(10_000, 5), 0.1)
    assert gate.is_open(0.1)


def come_back(gate, event, sent, now):
    if event == "delivered":
        gate.delivered(sent, now)
        return
    if event == "failed":
        gate.failed(now)
    else:
        gate.refused(now, 0.06 if event == "paused" else None)
    gate.free_place()


_WHAT_COMES_BACK = st.sampled_from(["delivered", "passed on"] * 8 + ["refused", "paused", "failed"])


@given(
    st.sampled_from([Limits(), Limits(concurrency=3), Limits(requests_per_second=200, burst=9)]),
    st.lists(st.tuples(_WHAT_COMES_BACK, st.sampled_from([0.0, 0.001, 0.02, 0.5])), max_size=150),
)
def test_a_place_that_is_passed_on_is_one_that_is_freed_and_taken_again(limits, events):
    gates = one, other = Gate(limits, 0.0), Gate(limits, 0.0)
    assert begun(one, 0.0) == begun(other, 0.0)
    now = 0.0
    for event, seconds in events:
        sent, now = now, now + seconds
        if event == "passed on" and one.places:
            passed = one.passes_on(sent, now)
            other.delivered(sent, now)
            assert passed == other.is_open(now)
            if passed:
                other.begin(now)
        for gate in gates:
            if gate.places and event != "passed on":
                come_back(gate, event, sent, now)
            begun(gate, now)
        assert (one.places, one.allowed, one.probing) == (
            other.places,
            other.allowed,
            other.probing,
        )
        assert one.opens(now) == other.opens(now)


def test_a_request_of_which_a_part_was_refused_keeps_its_place_and_is_no_outage():
    gate = Gate(Limits(concurrency=8), now=0.0)
    for number in range(40):  # far more than make an outage of refusals
        at = number / 100
        gate.begin(at)
        assert gate.taken_in_part(at, at + 0.001, None) > 0
        assert gate.places == 1
        gate.free_place()
        assert not gate.probing
    assert gate.proof == 0.39
    gate.taken_in_part(0.4, 0.41, 2.0)
    assert gate.opens(0.5) == 2.41
