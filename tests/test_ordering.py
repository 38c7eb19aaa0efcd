"""Batches with one turn go one after another, in order; others overtake them."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from rowferry.batches import Batch
from rowferry.ordering import Ordering

turns = st.lists(st.sampled_from([(None,), (1,), ("1",), (2,), None]), max_size=40)


@given(turns, st.randoms(use_true_random=False))
def test_each_turn_keeps_its_order_and_has_one_under_way(turns, dice):
    ordering = Ordering()
    batches = [Batch(b"%d" % n, 1, turn=turn) for n, turn in enumerate(turns)]
    coming, ready, under_way, done = deque(batches), [], [], []
    while coming or ready or under_way:
        action = dice.choice(
            ["come"] * bool(coming) + ["go"] * bool(ready) + ["end"] * bool(under_way)
        )
        if action == "come":
            batch = coming.popleft()
            if ordering.may_go(batch):
                ready.append(batch)
        elif action == "go":
            under_way.append(ready.pop(dice.randrange(len(ready))))
            now = [batch.turn for batch in under_way if batch.turn is not None]
            assert len(now) == len(set(now))
        else:
            batch = under_way.pop(dice.randrange(len(under_way)))
            done.append(batch)
            follower = ordering.settled(batch)
            if follower:
                ready.append(follower)
    assert len(done) == len(batches)
    for turn in set(turns) - {None}:
        mine = [batch for batch in done if batch.turn == turn]
        assert mine == [batch for batch in batches if batch.turn == turn]
    assert ordering._kept == {}
