"""Full jitter, exponential, with a ceiling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry import Retry
from rowferry.batches import Attempts, Fate
from rowferry.exceptions import ConfigError


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
def test_a_wait_lies_between_nothing_and_the_highest(tries, luck, initial, highest, retries):
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
