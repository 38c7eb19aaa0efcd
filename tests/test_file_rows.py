"""Rows of files: what they hold comes as it is, and what is wrong is told with its line."""

from decimal import Decimal

import pytest

from rowferry.exceptions import SourceError
from rowferry.file_rows import rows_of_file


@pytest.fixture
def write(tmp_path):
    def write(data, name="rows"):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


def test_csv_is_text_by_the_names_of_its_first_line(write):
    path = write('id,text\r\n1,"a ""b"", c\nd"\r\n\r\n2,\r\n')
    assert list(rows_of_file(path, "csv")) == [
        {"id": "1", "text": 'a "b", c\nd'},
        {"id": "2", "text": ""},
    ]


def test_a_mark_of_byte_order_is_no_part_of_a_name(write):
    assert list(rows_of_file(write("\ufeffid\n1\n"), "csv")) == [{"id": "1"}]
    assert list(rows_of_file(write('\ufeff{"id":1}\n'), "jsonl")) == [{"id": 1}]


def test_a_text_may_stand_for_nothing(write):
    assert list(rows_of_file(write("a,b\n-,\n"), "csv", null="-")) == [{"a": None, "b": ""}]
    assert list(rows_of_file(write("a,b\n-,\n"), "csv", null="")) == [{"a": "-", "b": None}]


def test_json_lines_keep_the_digits_of_their_numbers(write):
    path = write('{"a": 1.10, "b": {"c": [12345678901234567890]}}\n\n  \n{"a": null}')
    assert list(rows_of_file(path, "jsonl")) == [
        {"a": Decimal("1.10"), "b": {"c": [12345678901234567890]}},
        {"a": None},
    ]


def test_a_file_without_a_row_has_none(write):
    for data, kind in (("", "csv"), ("a,b\n", "csv"), ("", "jsonl")):
        assert list(rows_of_file(write(data), kind)) == []


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        ("a,b\n1,2\n3\n", "csv", "line 3: there are 1 values for 2 columns"),
        ("a,b\n1,2,3\n", "csv", "line 2: there are 3 values for 2 columns"),
        ("a,a\n1,2\n", "csv", "line 1: the names of columns must be there, and differ"),
        ("a,\n1,2\n", "csv", "line 1: the names of columns must be there, and differ"),
        ('a\n"x\n', "csv", "line 2: unexpected end of data"),
        ("{}\n{x}\n", "jsonl", "line 2: no JSON"),
        ("{}\n[1]\n", "jsonl", r"line 2: expected an object, not \[1\]"),
        (b"a\n\xff\n", "csv", "is not UTF-8"),
        (b"{}\n\xff\n", "jsonl", "is not UTF-8"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(write, data, kind, said):
    with pytest.raises(SourceError, match=said):
        list(rows_of_file(write(data), kind))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"nowhere\.csv: No such file"):
        list(rows_of_file(tmp_path / "nowhere.csv", "csv"))
