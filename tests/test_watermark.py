"""Acknowledgements in any order: the watermark is the last row before which nothing is open."""

from itertools import accumulate, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowferry.exceptions import ConfigError
from rowferry.key_text import key_text
from rowferry.places import placed, positions_of
from rowferry.transforms import RAISED, PerRow, per_row, shape
from rowferry.watermark import Stretch, Watermark


def plain(first, *keys, **more):
    positions = [(key,) for key in keys]
    return Stretch(first, positions, positions, **more)


def settled(marks, *numbers, covered=1_000):
    found = marks.settle(numbers, covered)
    marks.advance()
    return found


def test_the_watermark_never_passes_a_gap():
    for order in permutations(range(6)):
        marks = Watermark()
        marks.add(plain(0, *"abc"))
        marks.add(plain(3, *"def"))
        done = set()
        for number in order:
            settled(marks, number)
            done.add(number)
            low = next(place for place in range(7) if place not in done)
            assert marks.low == low
            assert marks.position == (("abcdef"[low - 1],) if low else None)
            marks.forget()


def test_it_begins_with_the_position_of_the_run_before():
    marks = Watermark(("z",))
    marks.add(plain(0, "zz"))
    marks.advance()
    assert marks.position == ("z",)
    settled(marks, 0)
    assert marks.position == ("zz",)


def test_what_lies_below_the_watermark_leaves_it_where_it_is():
    marks = Watermark((50,))
    marks.add(plain(0, 40, 41, below=True))
    marks.add(plain(2, 51, 52))
    settled(marks, 0, 1)
    assert (marks.low, marks.position) == (2, (50,))
    settled(marks, 2)
    assert marks.position == (51,)


def test_a_row_is_passed_once_all_of_its_records_are_settled():
    positions = [(1,), (2,), (3,)]
    keys = [(1,), (1, 1), (2,), (3,), (3, 1), (3, 2)]
    marks = Watermark()
    marks.add(Stretch(0, positions, keys, ends=[2, 3, 6]))
    assert settled(marks, 0) == ([], 0)
    assert (marks.position, marks.floor) == (None, 0)
    assert settled(marks, 2) == ([], 1)
    assert settled(marks, 1) == ([], 1)
    assert (marks.position, marks.floor, marks.low) == ((2,), 3, 3)
    settled(marks, 3, 4)
    assert (marks.position, marks.floor, marks.low) == ((2,), 3, 5)
    assert settled(marks, 5) == ([], 1)
    assert (marks.position, marks.floor) == ((3,), 6)


def test_rows_in_another_order_are_passed_together_and_the_skipped_with_the_last():
    positions = [(1,), (2,), (3,), (4,)]
    keys = [(3,), (1,), (2,), (4,)]
    marks = Watermark()
    marks.add(Stretch(0, positions, keys, in_order=False, skipped=[2, 3]))
    assert settled(marks, 1) == ([], 1)
    assert (marks.position, marks.floor) == (None, 0)
    assert settled(marks, 0) == ([2, 3], 3)
    assert marks.position == (4,)


def test_what_is_not_covered_is_not_settled_with_others():
    marks = Watermark()
    marks.add(Stretch(0, [(1,)], [(1,)], in_order=False, skipped=[0]))
    assert settled(marks, covered=0) == ([], 0)
    assert settled(marks, covered=1) == ([0], 1)


def test_what_earlier_runs_settled_is_no_gap_and_is_not_counted():
    marks = Watermark()
    marks.add(plain(0, 1, 2, 3, known=[0, 2]))
    assert settled(marks, 1) == ([], 1)
    assert marks.position == (3,)


def test_the_position_that_covers_a_place_is_that_of_its_row_or_the_last():
    assert plain(10, "a", "b").position_of(11) == ("b",)
    several = Stretch(10, [(1,), (2,)], [(1,), (1, 1), (2,)], ends=[2, 3])
    assert [several.position_of(place) for place in (10, 11, 12)] == [(1,), (1,), (2,)]
    mixed = Stretch(10, [(1,), (2,)], [(2,), (1,)], in_order=False)
    assert mixed.position_of(10) == (2,)


def test_keys_of_stretches_that_are_settled_are_forgotten_while_the_first_is_open():
    marks = Watermark()
    for first in range(0, 4_000, 100):
        marks.add(plain(first, *range(first, first + 100)))
        settled(marks, *range(first + (first == 0), first + 100), covered=4_000)
        marks.forget()
    assert marks.low == 0
    kept = sum(len(stretch.positions) for stretch in marks._stretches)
    assert kept == 139
    settled(marks, 0, covered=4_000)
    assert (marks.low, marks.position) == (4_000, (3_999,))
    marks.forget()
    assert (len(marks._flags), len(marks._stretches)) == (0, 0)


def test_rows_that_were_passed_are_told_in_order():
    marks = Watermark()
    marks.add(plain(0, *"abc"))
    marks.add(plain(3, *"de"))
    settled(marks, 0, 3)
    assert marks.passed(0) == [("a",)]
    settled(marks, 1, 2)
    assert marks.passed(1) == [("b",), ("c",), ("d",)]


@st.composite
def histories(draw):
    """Stretches of all kinds, and an order in which their places are settled, in groups."""
    stretches, first = [], 0
    for _ in range(draw(st.integers(1, 12))):
        counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
        kind = draw(st.sampled_from(["plain", "several", "mixed"]))
        rows = [(first, row) for row in range(len(counts))]
        if kind == "several":
            keys = [
                (*row, n) for row, count in zip(rows, counts, strict=True) for n in range(count)
            ]
            stretch = Stretch(first, rows, keys, ends=list(accumulate(counts)))
        else:
            stretch = Stretch(first, rows, rows, in_order=kind == "plain")
        stretches.append(stretch)
        first = stretch.end
    order = draw(st.permutations(range(first)))
    sizes = draw(st.lists(st.integers(1, 7), min_size=1))
    return stretches, order, sizes


@given(histories())
@settings(max_examples=100, deadline=None)
def test_after_any_history_it_is_what_counting_row_by_row_would_give(history):
    stretches, order, sizes = history
    marks, waiting, done, rows_done = Watermark(), list(stretches), set(), 0
    order = list(order)
    while order:
        size = sizes[len(order) % len(sizes)]
        group, order = order[:size], order[size:]
        while waiting and waiting[0].first <= max(group):
            marks.add(waiting.pop(0))
        done.update(group)
        rows_done += settled(marks, *group)[1]
        rows = [row for stretch in stretches for row in rows_of(stretch)]
        passed = [position for position, places in rows if places <= done]
        expected = None
        for position, places in rows:
            if not places <= done:
                break
            expected = position
        assert marks.position == expected
        assert rows_done == len(passed) + bonus(stretches, done)
        marks.forget()
    assert marks.low == stretches[-1].end


def rows_of(stretch):
    """Give each row's position with the places that have to be settled before it is passed."""
    if not stretch.in_order:
        places = set(range(stretch.first, stretch.end))
        return [(position, places) for position in stretch.positions]
    ends = stretch.ends or range(1, len(stretch.positions) + 1)
    starts = [0, *ends]
    return [
        (position, set(range(stretch.first + start, stretch.first + end)))
        for position, start, end in zip(stretch.positions, starts, ends, strict=False)
    ]


def bonus(stretches, done):
    """Give the rows in another order that are settled, though not passed."""
    return sum(
        len(done & set(range(stretch.first, stretch.end)))
        for stretch in stretches
        if not stretch.in_order and not set(range(stretch.first, stretch.end)) <= done
    )


# places

ROWS = [{"id": number} for number in (1, 2, 3)]
POSITIONS = [(1,), (2,), (3,)]


def places_of(transform):
    return placed(100, POSITIONS, shape(ROWS, transform, ("id",)))


def test_rows_as_they_are_have_a_place_each():
    stretch, records, failed = places_of(None)
    assert (list(stretch.keys), stretch.ends, stretch.in_order) == (POSITIONS, None, True)
    assert (list(records), list(failed)) == ([100, 101, 102], [])


def test_records_of_a_row_follow_its_key_and_a_row_without_one_has_a_place_too():
    made = {1: [{}, {}], 2: None, 3: ValueError()}

    def function(row):
        if isinstance(made[row["id"]], Exception):
            raise made[row["id"]]
        return made[row["id"]]

    assert isinstance(per_row(function), PerRow)
    assert shape(ROWS, per_row(function), ("id",)).counts == [2, 0, RAISED]
    stretch, records, failed = places_of(per_row(function))
    assert list(stretch.keys) == [(1,), (1, 1), (2,), (3,)]
    assert (stretch.ends, list(stretch.skipped)) == ([2, 3, 4], [102])
    assert (list(records), list(failed)) == ([100, 101], [103])


def test_a_chunk_in_another_order_has_the_skipped_rows_last():
    stretch, records, _ = places_of(lambda rows: [rows[2], rows[0]])
    assert list(stretch.keys) == [(3,), (1,), (2,)]
    assert (stretch.in_order, list(stretch.skipped), list(records)) == (False, [102], [100, 101])


def test_a_chunk_in_the_order_of_its_rows_is_as_good_as_none():
    stretch, _, _ = places_of(lambda rows: [row | {"more": 1} for row in rows])
    assert (stretch.in_order, stretch.ends, list(stretch.skipped)) == (True, None, [])


def test_without_a_key_there_are_places_but_no_keys():
    stretch, records, _ = placed(0, [], shape(ROWS, lambda rows: rows[:2], None))
    assert (list(stretch.keys), list(records)) == ([(), ()], [0, 1])


def test_the_positions_of_records_are_found_by_their_keys():
    assert positions_of([("b",)], [("a",), ("b",)], [(1, "a"), (2, "b")]) == [(2, "b")]
    with pytest.raises(ConfigError, match="two rows of a chunk have the key"):
        positions_of([("a",)], [("a",), ("a",)], [(1, "a"), (2, "a")])


# keys as text


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ((7,), "7"),
        ((7, 1), "7/1"),
        (("A/B", "50%"), "A%2FB/50%25"),
        ((b"\xff",), "ff"),
    ],
)
def test_keys_as_text_can_be_told_apart(key, text):
    assert key_text(key) == text
