"""Row factories, one row and a chunk at a time."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.exceptions import SourceError
from rowferry.row_factories import (
    chunk_maker,
    dict_row_factory,
    list_row_factory,
    namedtuple_row_factory,
    tuple_row_factory,
)

FACTORIES = [dict_row_factory, namedtuple_row_factory, tuple_row_factory, list_row_factory]


def cursor(*names):
    return SimpleNamespace(description=[(name, *[None] * 6) for name in names])


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("names", [(), ("id",), ("id", "code")])
def test_a_chunk_is_made_as_its_rows_would_be_one_by_one(factory, names):
    rows = [tuple(range(n, n + len(names))) for n in range(3)]
    make = factory(cursor(*names))
    made = chunk_maker(factory, cursor(*names))(rows)
    assert made == [make(row) for row in rows]
    assert {type(row) for row in made} == {type(make(rows[0]))}


def test_a_factory_of_a_user_makes_every_row_of_a_chunk():
    factory = lambda cursor: lambda row: (len(cursor.description), sum(row))
    assert chunk_maker(factory, cursor("a", "b"))([(1, 2), (3, 4)]) == [(2, 3), (2, 7)]


@given(st.lists(st.text(), unique=True, max_size=5))
def test_any_name_is_a_key_and_none_is_code(names):
    row = tuple(range(len(names)))
    assert chunk_maker(dict_row_factory, cursor(*names))([row]) == [
        dict(zip(names, row, strict=True))
    ]


@pytest.mark.parametrize("factory", [dict_row_factory, namedtuple_row_factory])
def test_two_columns_of_one_name_are_an_error(factory):
    for make in (factory, lambda cursor: chunk_maker(factory, cursor)):
        with pytest.raises(SourceError, match=r"called 'b', 'c'; .* AS"):
            make(cursor("a", "b", "c", "b", "c"))


def test_a_name_that_is_no_attribute_is_no_error_but_of_named_tuples():
    with pytest.raises(SourceError, match=r"count\(\*\).*AS"):
        namedtuple_row_factory(cursor("count(*)"))


def test_a_row_of_another_width_is_never_cut():
    for wrong in ((1,), (1, 2, 3)):
        with pytest.raises(ValueError):
            chunk_maker(dict_row_factory, cursor("a", "b"))([wrong])
        with pytest.raises(ValueError):
            dict_row_factory(cursor("a", "b"))(wrong)
