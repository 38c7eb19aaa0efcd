"""Full jitter, exponential, with a ceiling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry import Retry
from rowferry.batches import Attempts, Fate
from rowferry.exceptions import ConfigError
from rowferry.retry import RetryBudget, Step


def test_the_wait_is_luck_times_a_ceiling_that_doubles_up_to_the_highest():
    retry = Retry(initial_backoff=1, max_backoff=1.5)
    assert retry.wait(2, luck=0.5) == 0.75
    assert [Retry(max_backoff=1).wait(n, luck=1.0) for n in range(1, 7)] == [
        *(0.1, 0.2, 0.4, 0.8),
        *(1.0, 1.0),
    ]


def test_no_luck_is_no_wait():
    assert Retry().wait(5, luck=0.0) == 0.0
    assert Retry(initial_backoff=0).wait(5, luck=1.0) == 0.0


@given(
    st.integers(1, 10**9), st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 9)
)
def test_a_wait_lies_between_nothing_and_the_highest(tries, luck, one, another, retries):
    initial, highest = sorted([one, another])
    retry = Retry(initial_backoff=initial, max_backoff=highest, max_retries=retries)
    assert 0 <= retry.wait(tries, luck=luck) <= highest
    assert retry.wait(tries, luck=luck) <= retry.wait(tries + 1, luck=luck)


@pytest.mark.parametrize(
    "option", ["max_retries", "initial_backoff", "max_backoff", "max_retry_age"]
)
@pytest.mark.parametrize("value", [-1, -0.1, "5", None, float("nan"), float("inf"), True])
def test_a_bound_that_is_none_is_refused_by_name(option, value):
    with pytest.raises(ConfigError, match=f"^{option} must be "):
        Retry(**{option: value})


# what happened to a batch so far


@pytest.mark.parametrize(
    ("fates", "doubtful", "ambiguous"),
    [
        ([Fate.AMBIGUOUS], True, 1),
        ([Fate.AMBIGUOUS, Fate.NOT_SENT], True, 1),
        ([Fate.AMBIGUOUS, Fate.NOT_SENT, Fate.NOT_SENT], True, 1),
        ([Fate.AMBIGUOUS, Fate.REFUSED], False, 1),
        ([Fate.AMBIGUOUS, Fate.REFUSED, Fate.NOT_SENT], False, 1),
        ([Fate.AMBIGUOUS, Fate.AMBIGUOUS], True, 2),
        ([Fate.NOT_SENT], False, 0),
        ([Fate.REFUSED], False, 0),
    ],
)
def test_doubt_lasts_until_the_batch_is_sent_again(fates, doubtful, ambiguous):
    attempts = Attempts(since=5.0, delivered_before=7)
    for fate in fates:
        attempts = attempts.after(fate, broken=True)
    assert (attempts.since, attempts.delivered_before) == (5.0, 7)
    assert (attempts.tries, attempts.ambiguous) == (len(fates), ambiguous)
    assert attempts.doubtful is doubtful
    assert attempts.broken is (fates[-1] is Fate.AMBIGUOUS)


def test_what_asks_whether_an_outage_is_over_counts_against_nobody():
    attempts = Attempts(since=5.0, delivered_before=7).after(
        Fate.AMBIGUOUS, broken=False, probe=True
    )
    assert (attempts.tries, attempts.ambiguous, attempts.doubtful) == (1, 0, True)


def test_the_backoff_begins_anew_after_an_outage():
    attempts = Attempts(since=5.0, delivered_before=7)
    seen = []
    for probe in (False, False, True, True, False, False):
        attempts = attempts.after(Fate.AMBIGUOUS, broken=False, probe=probe)
        seen.append(attempts.backoffs)
    assert seen == [1, 2, 0, 0, 1, 2]
    assert attempts.tries == 6


def test_a_409_leaves_the_doubt_and_is_counted():
    attempts = Attempts(since=5.0, delivered_before=7).after(Fate.AMBIGUOUS, broken=False)
    after = attempts.after(Fate.CONFLICT, broken=False)
    assert (after.ambiguous, after.doubtful, after.conflicts) == (1, True, 1)


# what is to be done with a batch that failed once more


@pytest.mark.parametrize(
    ("ambiguous", "age", "delivered", "outage", "step"),
    [
        (0, 0, 7, None, Step.AGAIN),
        (2, 99, 7, None, Step.AGAIN),
        (2, 99, 8, None, Step.AGAIN),
        (3, 1, 8, None, Step.POISON),  # others got through
        (3, 1, 7, None, Step.WAIT),  # nothing did
        (3, 1, 8, 0.5, Step.WAIT),  # others did before the outage
        (0, 101, 8, None, Step.POISON),
        (0, 101, 7, None, Step.STOP),
        (3, 101, 7, None, Step.STOP),
        (0, 1, 8, 101, Step.STOP),  # an outage of that length
        (0, 1, 8, 99, Step.AGAIN),
    ],
)
def test_poison_is_told_from_outage_by_the_neighbours(ambiguous, age, delivered, outage, step):
    now = 1000.0
    attempts = Attempts(since=now - age, delivered_before=7, ambiguous=ambiguous)
    retry = Retry(max_retries=2, max_retry_age=100)
    since = None if outage is None else now - outage
    seen = {"delivered": delivered, "outage": since, "proof": now, "rtt": 0.0}
    assert retry.next_step(attempts, now, **seen) is step


def test_no_retries_are_no_waiting_either():
    """It is laid aside until the others tell what it was; in an outage they have told."""
    attempts = Attempts(since=0.0, delivered_before=7, failed_at=1.0, ambiguous=1)
    retry = Retry(max_retries=0)
    for delivered in (7, 8):
        for outage, step in ((None, Step.ASIDE), (0.0, Step.STOP)):
            seen = {"delivered": delivered, "outage": outage, "proof": 0.5, "rtt": 0.0}
            assert retry.next_step(attempts, 1.0, **seen) is step


@pytest.mark.parametrize(
    ("age", "delivered", "proof", "outage", "step"),
    [
        (1, 8, -0.1, None, Step.ONCE_MORE),  # others got through, but sent before it failed
        (1, 8, 0.1, None, Step.POISON),  # one was sent later
        (30, 8, -0.1, None, Step.POISON),  # none was for so long, but it alone fails
        (30, 8, -0.1, 20, Step.WAIT),  # all do
        (101, 8, -0.1, None, Step.POISON),
        (1, 7, -0.1, None, Step.WAIT),
    ],
)
def test_what_fails_alone_at_the_end_is_asked_once_more_after_the_longest_backoff(
    age, delivered, proof, outage, step
):
    now, failed = 1000.0, 1000.0 - age
    attempts = Attempts(failed, delivered_before=7, failed_at=failed, ambiguous=3)
    retry = Retry(max_retries=2, max_retry_age=100, max_backoff=30)
    since = None if outage is None else now - outage
    seen = {"delivered": delivered, "outage": since, "proof": failed + proof, "rtt": 0.0}
    assert retry.next_step(attempts, now, **seen) is step


@pytest.mark.parametrize(("age", "step"), [(3.9, Step.ONCE_MORE), (4.0, Step.POISON)])
def test_four_round_trips_at_least_go_by_before_what_fails_alone_is_given_up(age, step):
    """Until then answers come to what was sent before the API went down."""
    attempts = Attempts(0.0, delivered_before=7, failed_at=0.0, ambiguous=3)
    retry = Retry(max_retries=2, max_backoff=0.1)
    seen = {"delivered": 8, "outage": None, "proof": -0.1, "rtt": 1.0}
    assert retry.next_step(attempts, age, **seen) is step


def test_a_first_wait_is_no_longer_than_the_longest():
    words = r"initial_backoff=5 is more than max_backoff=1, .* it must be 0 to max_backoff"
    with pytest.raises(ConfigError, match=words):
        Retry(initial_backoff=5, max_backoff=1)
    assert Retry(initial_backoff=1, max_backoff=1).wait(9, luck=1.0) == 1


# the budget of a run


def retries(budget, now, delivered):
    """Take as many as there are; give how many."""
    taken = 0
    while not budget.wait(now, delivered):
        budget.take()
        taken += 1
    return taken


def test_a_hundred_may_be_sent_again_and_then_ten_a_second():
    budget = RetryBudget(0.0)
    assert retries(budget, 0.0, 0) == 100
    assert budget.wait(0.0, 0) == pytest.approx(0.1)
    assert retries(budget, 2.0, 0) == 20


def test_four_records_delivered_are_one_more():
    budget = RetryBudget(0.0)
    retries(budget, 0.0, 0)
    assert retries(budget, 0.0, 400) == 100
    assert retries(budget, 0.0, 400) == 0


def test_what_is_saved_has_a_bound():
    assert retries(RetryBudget(0.0), 1e6, 10**9) == RetryBudget.MOST


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 1000)), max_size=30))
def test_no_more_are_sent_again_than_were_earned(steps):
    budget, now, delivered, taken = RetryBudget(0.0), 0.0, 0, 0
    for seconds, records in steps:
        now, delivered = now + seconds, delivered + records
        taken += retries(budget, now, delivered)
        assert taken <= 100 + 10 * now + delivered / 4 + 1e-6
