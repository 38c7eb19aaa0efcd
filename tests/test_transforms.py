"""Rows to records, and whose key a record has (design.md, section 3)."""

import sqlite3
from collections import namedtuple
from contextlib import closing

import pytest

from rowferry import per_row
from rowferry.exceptions import ConfigError
from rowferry.transforms import key_of, records_of, shape

ROWS = [{"id": n, "name": f"row {n}"} for n in range(3)]
Row = namedtuple("Row", "id name")  # noqa: PYI024 - what a row factory makes


def test_without_a_transform_rows_are_the_records():
    shaped = shape(ROWS, None, None)
    assert (shaped.records, list(shaped.keys), shaped.skipped) == (ROWS, [], 0)


def test_without_a_transform_the_key_is_the_rows():
    assert list(shape(ROWS, None, ("id",)).keys) == [(0,), (1,), (2,)]
    assert next(iter(shape(ROWS, None, ("name", "id")).keys)) == ("row 0", 0)


def test_the_first_record_of_a_row_has_its_key_and_the_following_ones_a_number_more():
    shaped = shape(ROWS, per_row(lambda row: [row["name"]] * row["id"]), ("id",))
    assert shaped.records == ["row 1", "row 2", "row 2"]
    assert list(shaped.keys) == [(1,), (2,), (2, 1)]
    assert shaped.skipped == 1


def test_a_function_of_a_row_that_raises_takes_no_other_row_along():
    shaped = shape(ROWS, per_row(lambda row: 1 / row["id"]), ("id",))
    assert (shaped.records, list(shaped.keys)) == ([1.0, 0.5], [(1,), (2,)])
    (key, failed), *others = shaped.failed
    assert not others
    assert (key, failed.row) == ((0,), ROWS[0])
    assert isinstance(failed.exception, ZeroDivisionError)


def test_a_generator_of_a_row_that_raises_in_the_middle_gives_none_of_its_records():
    def parts(row):
        yield row["name"]
        yield 1 / row["id"]

    shaped = shape(ROWS, per_row(parts), None)
    assert shaped.records == ["row 1", 1.0, "row 2", 0.5]
    assert len(shaped.failed) == 1


def test_an_interrupt_in_a_function_of_a_row_is_no_failed_row():
    def interrupted(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shape(ROWS, per_row(interrupted), None)


@pytest.mark.parametrize(
    ("result", "records"),
    [
        (None, []),
        ({"a": 1}, [{"a": 1}]),
        ({}, [{}]),
        (Row(1, "x"), [Row(1, "x")]),
        ("text", ["text"]),
        (0, [0]),
        ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
        (({"a": 1},), [{"a": 1}]),
        pytest.param((n for n in (1, 2)), [1, 2], id="a generator"),
        ([], []),
        ([None], [None]),
    ],
    ids=repr,
)
def test_a_function_of_a_row_gives_a_record_none_or_several(result, records):
    assert records_of(result) == records


def test_per_row_is_a_transform_like_any_other():
    double = per_row(lambda row: [row, row])
    assert list(double(iter("ab"))) == list("aabb")


def test_a_chunk_transform_may_give_more_or_fewer_records_lazily():
    assert shape(ROWS, lambda rows: (row["id"] for row in rows), None).records == [0, 1, 2]
    assert shape(ROWS, lambda rows: rows[:1], None).records == ROWS[:1]
    assert shape(ROWS, lambda rows: rows * 2, None).records == ROWS * 2
    assert shape(ROWS, lambda rows: [], None).skipped == 0  # nobody can tell


def test_with_a_key_a_chunk_transform_keeps_the_key_columns():
    shaped = shape(ROWS, lambda rows: [{"id": row["id"], "x": 1} for row in rows[::-2]], ("id",))
    assert (list(shaped.keys), shaped.skipped) == ([(2,), (0,)], 1)


@pytest.mark.parametrize(
    ("transform", "problem"),
    [
        (lambda rows: None, "transform gave None"),
        (lambda rows: [{"x": 1}], "no key column id in a row; there are: x"),
        (lambda rows: ["text"], "no key column id in a row; there are: only a str"),
        (lambda rows: [{"id": 7}], r"the key \(7,\), which no row of its chunk has"),
        (lambda rows: rows + rows[:1], r"two records with the key \(0,\)"),
    ],
)
def test_a_chunk_transform_that_loses_the_key_is_told_how_to_keep_it(transform, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        shape(ROWS, transform, ("id",))
    remedies = ("per_row", "there are", "must return")
    assert any(remedy in str(caught.value) for remedy in remedies)


def test_a_row_without_the_key_column_names_those_it_has():
    with pytest.raises(ConfigError, match="no key column code in a row; there are: id, name"):
        shape(ROWS, None, ("code",))
    with pytest.raises(ConfigError, match="no key column code in a row; there are: id, name"):
        shape([Row(1, "x")], None, ("code",))


def test_a_key_that_is_no_plain_value_is_refused():
    rows = [{"id": [1]}]
    with pytest.raises(ConfigError, match="the key columns id hold no plain values"):
        shape(rows, lambda chunk: chunk, ("id",))


def test_keys_are_found_in_rows_of_every_kind():
    assert key_of(Row(1, "x"), ("name",)) == ("x",)
    with closing(sqlite3.connect(":memory:")) as conn:
        conn.row_factory = sqlite3.Row
        assert key_of(conn.execute("SELECT 5 AS id").fetchone(), ("id",)) == (5,)


def test_what_a_chunk_transform_raises_comes_through():
    def fails(rows):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        shape(ROWS, fails, None)
