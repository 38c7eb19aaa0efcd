"""SQL values to JSON text: the fixed rules, and that the fast path keeps them all."""

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import sqlite3
import string
import types
import uuid
import zoneinfo
from collections import OrderedDict, namedtuple
from contextlib import closing
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rowferry import RawJSON
from rowferry.databases.contract import Unreadable
from rowferry.formats import FORMATS
from rowferry.values import UnencodableError, encode_chunk, encode_value, too_large


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Ratio(float):
    pass


class Money(Decimal):
    pass


class Moment(dt.datetime):
    pass


class Day(dt.date):
    pass


class Bag(dict):
    pass


@dataclasses.dataclass
class Sensor:
    code: str
    depth: float | None = None


class Struct(msgspec.Struct, rename="camel"):
    some_code: str
    depth: float | None = None


class Tagged(msgspec.Struct, tag_field="kind", tag="sensor"):
    code: str


Pair = namedtuple("Pair", "code depth")  # noqa: PYI024 - what a row factory makes


def text_of(value):
    """Encode by both ways, which must agree."""
    text = encode_value(value)
    assert encode_chunk([value]) == ([text], {})
    return text.decode()


def problem_of(value):
    """Give the words with which both ways refuse *value*."""
    with pytest.raises(UnencodableError) as caught:
        encode_value(value)
    bodies, errors = encode_chunk([value])
    assert bodies == [b""]
    assert str(errors[0]) == str(caught.value)
    return str(caught.value)


# numbers


def exactly(text):
    """Read JSON with every number as the Decimal that it is written as."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


decimals = st.decimals(allow_nan=False, allow_infinity=False)


@given(decimals)
@example(Decimal("12345678901234567.89"))
@example(Decimal("0.10"))
@example(Decimal("-0E-7"))
@example(Decimal("1E+400"))
def test_a_decimal_keeps_its_digits(number):
    back = exactly(text_of({"n": number}))["n"]
    assert back.as_tuple() == number.as_tuple()


@given(st.lists(decimals, min_size=1))
def test_decimals_keep_their_digits_wherever_they_stand(numbers):
    back = exactly(text_of({"n": numbers, "m": {"n": numbers}}))
    assert back == {"n": numbers, "m": {"n": numbers}}


@given(st.integers())
@example(2**53 + 1)
@example(-(2**64))
@example(10**4000)
def test_an_integer_keeps_its_digits(number):
    assert json.loads(text_of({"n": number})) == {"n": number}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_comes_back_as_it_was(number):
    assert json.loads(text_of({"n": number})) == {"n": number}


@pytest.mark.parametrize(
    "value",
    [
        *(math.nan, math.inf, -math.inf, Ratio("nan")),
        *map(Decimal, ("NaN", "-NaN", "sNaN", "NaN123", "Infinity", "-Infinity")),
        Money("NaN"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("nest", "column"),
    [
        (lambda value: {"a": 1, "depth": value}, "depth"),
        (lambda value: {"a": None, "depth": value}, "depth"),
        (lambda value: {"depth": [1.5, value]}, "depth.1"),
        (lambda value: {"depth": {"x": {"y": value}}}, "depth.x.y"),
        (lambda value: Pair("x", value), "depth"),
        (lambda value: Sensor("x", value), "depth"),
        (lambda value: Struct("x", value), "depth"),
        (lambda value: Bag(depth=value), "depth"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_naming_its_column(value, nest, column):
    problem = problem_of(nest(value))
    assert problem.startswith(f"column '{column}': ")
    assert "no number that JSON has" in problem


def test_an_integer_of_more_than_4300_digits_is_refused():
    assert "column 'n': the integer has more than 4,300 digits" in problem_of({"n": 10**4300})
    assert "column 'n.0'" in problem_of({"n": [10**5000]})
    assert problem_of({"n": Number(10**5000)}).startswith("column 'n'")


def test_text_that_looks_like_a_number_that_is_none_is_text():
    for word in ("NaN", "Infinity", "null"):
        value = {"a": word, "x": 1.5, "d": Decimal(1), "none": None}
        assert json.loads(text_of(value)) == {"a": word, "x": 1.5, "d": 1, "none": None}


# text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_comes_back_as_it_was(text):
    assert json.loads(text_of({text: text})) == {text: text}


def test_nul_in_text_goes_as_an_escape():
    assert text_of({"a": "x\0y"}) == '{"a":"x\\u0000y"}'


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "x\udcff"])
def test_lone_surrogates_are_refused_in_values_and_names(text):
    assert problem_of({"a": text}).startswith("column 'a': the text is no valid Unicode")
    assert problem_of({"a": [text]}).startswith("column 'a.0': ")
    assert problem_of({"a": Text(text)}).startswith("column 'a': ")
    problem = problem_of({"b": {text: 1}})
    assert problem.startswith("column")
    assert "no valid Unicode" in problem
    problem.encode()  # can be written to a log


# what has no form in JSON


@pytest.mark.parametrize("value", [b"x", b"", bytearray(b"x"), memoryview(b"x")])
def test_binary_values_are_refused_naming_the_column_and_the_remedy(value):
    for record, column in (({"blob": value}, "blob"), ({"a": [{"blob": value}]}, "a.0.blob")):
        problem = problem_of(record)
        assert problem.startswith(f"column '{column}': {type(value).__name__} is binary")
        assert "transform" in problem


@pytest.mark.parametrize(
    "name", [1, None, True, b"a", ("a",), 1.5, dt.date(2020, 1, 1), Colour.RED]
)
def test_names_that_are_no_text_are_refused(name):
    assert f"has the key {name!r}, which is not text" in problem_of({name: 1})
    assert problem_of({"a": {name: 1}}).startswith("column 'a': ")


def test_names_of_one_spelling_do_not_come_twice():
    problem_of({1: "x", "1": "y"})


@pytest.mark.parametrize("value", [object(), 1j, range(3), iter([]), Sensor, int, print])
def test_what_json_cannot_hold_is_refused_naming_column_and_type(value):
    problem = problem_of({"thing": value})
    assert problem.startswith(f"column 'thing': {type(value).__name__} ")


def test_nesting_too_deep_is_refused_and_no_crash():
    deep = flat = {}
    for _ in range(100_000):
        deep["a"] = {}
        deep = deep["a"]
    try:
        assert "too deep" in problem_of(flat)
    finally:
        while flat:  # else freeing it overflows the stack of some Pythons
            flat = flat.pop("a")


def test_what_contains_itself_is_refused():
    ring = {}
    ring["ring"] = ring
    assert "too deep" in problem_of(ring)


def test_an_unreadable_cell_is_refused_with_its_reason():
    cell = Unreadable("infinity", "could not be read: timestamp too large")
    problem = problem_of({"at": cell})
    assert problem == "column 'at': Unreadable could not be read: timestamp too large"


@pytest.mark.parametrize("kind", [dt.date, dt.datetime, dt.time, float, Decimal, str, int])
def test_an_unreadable_cell_of_a_column_of_known_type_takes_no_neighbour_along(kind):
    values = [{"at": None}, {"at": Unreadable("x", "cannot be read")}, {"at": None}]
    bodies, errors = encode_chunk(values, {"at": kind})
    assert bodies == [b'{"at":null}', b"", b'{"at":null}']
    assert [*errors] == [1]


# dates and times


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.datetime(2020, 1, 2, 3, 4, 5), "2020-01-02T03:04:05"),
        (dt.datetime(2020, 1, 2, 3, 4, 5, 6), "2020-01-02T03:04:05.000006"),
        (dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2020-01-02T03:04:05Z"),
        (
            dt.datetime(2020, 1, 2, 3, 4, tzinfo=dt.timezone(dt.timedelta(hours=-5, minutes=-30))),
            "2020-01-02T03:04:00-05:30",
        ),
        (dt.datetime.min, "0001-01-01T00:00:00"),
        (dt.datetime.max, "9999-12-31T23:59:59.999999"),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (dt.time(3, 4, 5), "03:04:05"),
        (dt.time(3, 4, 5, tzinfo=dt.UTC), "03:04:05Z"),
        (dt.timedelta(days=1, seconds=2), "P1DT2S"),
        (Moment(2020, 1, 2), "2020-01-02T00:00:00"),
        (Moment(2020, 1, 2, fold=1, tzinfo=dt.UTC), "2020-01-02T00:00:00Z"),
        (Day(2020, 1, 2), "2020-01-02"),
    ],
)
def test_dates_and_times_go_as_iso_8601_naive_as_they_are_aware_with_their_offset(value, text):
    assert json.loads(text_of({"at": value})) == {"at": text}


# what becomes an object, an array, a plain value


@pytest.mark.parametrize(
    "value",
    [
        {"code": "x", "depth": 1.5},
        OrderedDict(code="x", depth=1.5),
        types.MappingProxyType({"code": "x", "depth": 1.5}),
        Bag(code="x", depth=1.5),
        Pair("x", 1.5),
        Sensor("x", 1.5),
        {Text("code"): Text("x"), "depth": Ratio(1.5)},
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_named_cells_becomes_an_object(value):
    assert text_of(value) == '{"code":"x","depth":1.5}'
    assert text_of({"in": [value]}) == '{"in":[{"code":"x","depth":1.5}]}'


def test_a_struct_becomes_an_object_with_its_own_names():
    assert text_of(Struct("x", 1.5)) == '{"someCode":"x","depth":1.5}'


def test_a_struct_keeps_its_tag():
    assert text_of(Tagged("x")) == '{"kind":"sensor","code":"x"}'
    assert text_of({"in": [Tagged("x")]}) == '{"in":[{"kind":"sensor","code":"x"}]}'


def test_a_row_of_sqlite3_becomes_an_object():
    with closing(sqlite3.connect(":memory:")) as conn:
        conn.row_factory = sqlite3.Row
        row = conn.execute("SELECT 'x' AS code, 1.5 AS depth").fetchone()
        assert text_of(row) == '{"code":"x","depth":1.5}'
        row = conn.execute("SELECT x'00' AS blob").fetchone()
        assert problem_of(row).startswith("column 'blob'")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (5, "5"),
        ("x", '"x"'),
        ([1, "x"], '[1,"x"]'),
        ((1, "x"), '[1,"x"]'),
        ({7}, "[7]"),
        (frozenset({7}), "[7]"),
        ({}, "{}"),
        ([], "[]"),
        (Colour.RED, '"red"'),
        (Level.HIGH, "3"),
        (Text("x"), '"x"'),
        (Number(3), "3"),
        (Ratio(1.5), "1.5"),
        (Money("1.50"), "1.50"),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    ],
    ids=repr,
)
def test_every_other_value_has_one_form(value, text):
    assert text_of(value) == text
    assert text_of({"a": value}) == f'{{"a":{text}}}'


# JSON that is text already


def test_raw_json_goes_through_as_it_is():
    text = '{"a" : 1.50, "a":\t[1e5 ]}'
    assert text_of(RawJSON(text)) == text
    assert text_of({"doc": RawJSON(text.encode())}) == f'{{"doc":{text}}}'


def test_raw_json_never_breaks_a_line_of_ndjson():
    records = [RawJSON('{"a":\r\n 1}\n'), {"doc": RawJSON(b"[\n1\r]")}]
    bodies, errors = encode_chunk(records)
    assert not errors
    lines = FORMATS["ndjson"].join(bodies).splitlines()
    assert [json.loads(line) for line in lines] == [{"a": 1}, {"doc": [1]}]


@pytest.mark.parametrize("text", ["", b"", " ", "\n", b"\r\n\t", "\ud800"])
def test_raw_json_without_json_is_refused(text):
    assert "RawJSON" in problem_of(RawJSON(text))
    assert problem_of({"doc": RawJSON(text)}).startswith("column 'doc': RawJSON")
    assert problem_of({"a": {"doc": RawJSON(text)}}).startswith("column 'a.doc': RawJSON")


# a chunk

NOT_JSON = (
    *({"a": math.nan}, {"a": Decimal("NaN")}, {"a": b"x"}, {1: 1}, {"a": "\ud800"}, {"\ud800": 1}),
    *({"a": 10**5000}, {"a": object()}, {"a": RawJSON("")}, object(), {"a": [math.inf]}),
)


@pytest.mark.parametrize("bad", NOT_JSON, ids=range(len(NOT_JSON)))
def test_one_bad_value_takes_no_neighbours_along(bad):
    good = [{"a": n, "b": None, "c": n / 2} for n in range(5)]
    bodies, errors = encode_chunk([*good[:3], bad, *good[3:], bad])
    assert list(errors) == [3, 6]
    assert [json.loads(body) for body in bodies if body] == good
    assert bodies[3] == bodies[6] == b""


def test_an_empty_chunk_is_no_bodies():
    assert encode_chunk([]) == ([], {})


plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.text(string.printable),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.sampled_from([Colour.RED, Level.HIGH, RawJSON("[1, 2]"), RawJSON(""), b"x"]),
    st.builds(pow, st.just(10), st.just(5000)),
    st.builds(Money, st.decimals()),
    st.builds(Ratio, st.floats()),
    st.builds(Number, st.integers()),
    st.builds(Text, st.text()),
)
names = st.one_of(st.text(max_size=3), st.sampled_from(["a", "b", "c"]))
cells = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=4,
)
records = st.one_of(
    st.dictionaries(names, plain, max_size=4),
    st.dictionaries(names, cells, max_size=4),
    st.dictionaries(names | st.integers(), plain, max_size=3),
    st.builds(Pair, plain, plain),
    st.builds(Sensor, plain, plain),
    st.builds(Struct, plain, plain),
    st.builds(Bag, a=plain),
    cells,
)


def one_by_one(values):
    """Encode as `encode_chunk` says that it does, but each value by itself."""
    bodies, errors = [], {}
    for index, value in enumerate(values):
        try:
            bodies.append(encode_value(value))
        except UnencodableError as error:
            bodies.append(b"")
            errors[index] = str(error)
    return bodies, errors


@given(st.lists(records, max_size=6))
def test_a_chunk_is_encoded_as_its_values_one_by_one(values):
    bodies, errors = encode_chunk(values)
    assert (bodies, {index: str(error) for index, error in errors.items()}) == one_by_one(values)
    for index, body in enumerate(bodies):
        if index not in errors:
            json.loads(body, parse_int=str, parse_constant=pytest.fail)  # it is JSON


odd_zones = st.timezones() | st.builds(
    lambda seconds: dt.timezone(dt.timedelta(seconds=seconds)), st.integers(-86_000, 86_000)
)
of_kind = {
    str: st.text(),
    int: st.integers() | st.builds(pow, st.just(10), st.just(4400)),
    bool: st.booleans(),
    float: st.floats(),
    Decimal: st.decimals(),
    dt.datetime: st.datetimes() | st.datetimes(timezones=odd_zones),
    dt.date: st.dates(),
    dt.time: st.times(),
    dt.timedelta: st.timedeltas(),
    uuid.UUID: st.uuids(),
    RawJSON: st.sampled_from(["1", "[1,\n2]", "", "\ud800"]).map(RawJSON),
}


@st.composite
def columns(draw):
    """Give the kinds of some columns, and rows with cells of these kinds."""
    kinds = draw(st.dictionaries(st.text(max_size=3), st.sampled_from(list(of_kind)), max_size=4))
    cells = {name: st.none() | of_kind[kind] for name, kind in kinds.items()}
    if draw(st.booleans()):  # a cell that a driver could not convert
        cells = {name: st.builds(object) | cell for name, cell in cells.items()}
    return kinds, draw(st.lists(st.fixed_dictionaries(cells), max_size=6))


@given(columns())
def test_kinds_that_are_known_change_nothing(chunk):
    kinds, values = chunk
    bodies, errors = encode_chunk(values, kinds)
    assert (bodies, {index: str(error) for index, error in errors.items()}) == one_by_one(values)


@given(st.datetimes() | st.datetimes(timezones=odd_zones))
def test_a_moment_comes_back_as_it_was(moment):
    back = dt.datetime.fromisoformat(json.loads(text_of({"at": moment}))["at"])
    assert back.replace(tzinfo=None) == moment.replace(tzinfo=None)
    assert back.utcoffset() == moment.utcoffset()


@given(st.lists(records, min_size=1, max_size=6))
def test_bodies_hold_no_line_breaks(values):
    assert not any(b"\n" in body or b"\r" in body for body in encode_chunk(values)[0])


def test_the_context_of_decimal_does_not_touch_digits():
    with decimal.localcontext(prec=3):
        assert text_of({"n": Decimal("1.23456789")}) == '{"n":1.23456789}'
        assert text_of({"n": [Money("1.23456789")]}) == '{"n":[1.23456789]}'


# records that are too large


def test_a_record_that_is_too_large_names_its_largest_column():
    values = [{"id": 1, "text": "x" * 100}, {"id": 2, "text": "y"}, "z" * 200]
    bodies, _ = encode_chunk(values)
    errors = too_large(values, bodies, 100)
    assert list(errors) == [0, 2]
    assert str(errors[0]) == (
        "column 'text' takes most of it: 118 bytes of JSON are more than max_buffer_bytes=100"
    )
    assert str(errors[2]) == "202 bytes of JSON are more than max_buffer_bytes=100"


def test_a_record_of_just_the_size_is_not_too_large():
    assert too_large(["xx"], [b'"xx"'], 4) == {}


def test_an_offset_with_seconds_keeps_the_moment():
    amsterdam = zoneinfo.ZoneInfo("Europe/Amsterdam")
    for moment in (
        dt.datetime(1930, 1, 1, tzinfo=dt.timezone(dt.timedelta(minutes=19, seconds=32))),
        dt.datetime(1890, 1, 1, tzinfo=amsterdam),
    ):
        text = json.loads(encode_value({"at": moment}))["at"]
        assert dt.datetime.fromisoformat(text) == moment


def test_columns_of_one_name_are_not_lost_from_a_row_of_sqlite3():
    with closing(sqlite3.connect(":memory:")) as conn:
        conn.row_factory = sqlite3.Row
        row = conn.execute("SELECT 1 AS id, 2 AS id").fetchone()
        _, errors = encode_chunk([row])
        assert "id" in str(errors[0])


def test_a_name_that_is_an_enum_is_its_text():
    class Column(str, enum.Enum):  # noqa: UP042 - as older code has them
        CODE = "code"

    assert encode_value({Column.CODE: 1}) == b'{"code":1}'


def test_nesting_too_deep_names_its_column():
    deep = flat = []
    for _ in range(5000):
        deep.append([])
        deep = deep[0]
    _, errors = encode_chunk([{"id": 1, "tree": flat}])
    assert "column 'tree" in str(errors[0])


def test_a_time_of_day_keeps_an_offset_with_seconds():
    """As a datetime does; timetz in PostgreSQL."""
    time = dt.time(1, 2, 3, tzinfo=dt.timezone(dt.timedelta(minutes=19, seconds=32)))
    text = json.loads(encode_value({"at": time}))["at"]
    assert dt.time.fromisoformat(text).utcoffset() == time.utcoffset()


@pytest.mark.parametrize("year", [1900, 2020])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_offset_with_microseconds_keeps_the_moment(year, sign):
    zone = dt.timezone(sign * dt.timedelta(minutes=20, microseconds=5))
    at = dt.datetime(year, 1, 2, 3, 4, 5, tzinfo=zone)
    for kinds in (None, {"at": dt.datetime}):
        (body,), _ = encode_chunk([{"at": at}], kinds)
        assert dt.datetime.fromisoformat(json.loads(body)["at"]) == at
    time = json.loads(text_of({"at": at.timetz()}))["at"]
    assert dt.time.fromisoformat(time) == at.timetz()


@pytest.mark.parametrize("error", [AttributeError, TypeError, ValueError, LookupError])
def test_a_zone_that_has_no_offset_without_a_moment_is_a_zone(error):
    class Zone(dt.tzinfo):
        def utcoffset(self, moment):
            if moment is None:
                raise error
            return dt.timedelta(hours=1)

    at = dt.datetime(2020, 1, 2, tzinfo=Zone())
    for kinds in (None, {"at": dt.datetime}):
        bodies, errors = encode_chunk([{"at": at}, {"at": None}], kinds)
        assert bodies == [b'{"at":"2020-01-02T00:00:00+01:00"}', b'{"at":null}']
        assert errors == {}
