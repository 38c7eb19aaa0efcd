"""The mapping of columns that a job file may have instead of a transform."""

import pytest

from rowferry.config.columns import Columns
from rowferry.exceptions import ConfigError


def record(row, **columns):
    return Columns(**columns).transform.function(row)


ROW = {"id": 1, "code": "A", "note.txt": "x"}


def test_columns_that_are_not_named_stay_as_they_are():
    assert record(ROW) == ROW


def test_columns_are_renamed_nested_dropped_and_constants_added():
    made = record(
        ROW,
        rename={"code": "about.code", "id": "number"},
        drop=["note.txt"],
        constant={"about.kind": "sensor", "version": 2},
    )
    assert made == {"number": 1, "about": {"code": "A", "kind": "sensor"}, "version": 2}


def test_each_record_has_objects_of_its_own():
    shape = Columns(rename={"id": "a.b"}, constant={"a.c": 1}).transform.function
    first, second = shape({"id": 1}), shape({"id": 2})
    assert (first, second) == ({"a": {"b": 1, "c": 1}}, {"a": {"b": 2, "c": 1}})


def test_rows_may_change_their_columns_on_the_way():
    shape = Columns(rename={"id": "nr"}).transform.function
    assert shape({"id": 1, "a": 2}) == {"nr": 1, "a": 2}
    assert shape({"id": 1, "b": 2}) == {"nr": 1, "b": 2}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"rename": {"cod": "x"}}, "no column cod in a row; there are: id, code, note.txt"),
        ({"drop": ["cod"]}, "no column cod in a row"),
        ({"rename": {"id": "code"}}, "code and code cannot both have a value"),
        ({"rename": {"id": "code.x"}}, "code.x and code cannot both have a value"),
        ({"constant": {"id": 5}}, "id and id cannot both have a value"),
    ],
)
def test_what_only_a_row_shows_is_an_error_and_no_dead_letter(columns, said):
    with pytest.raises(ConfigError, match=said):
        record(ROW, **columns)
