"""Keys as text, and back: the same values, of the same types."""

import datetime as dt
import ipaddress
import uuid
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rowferry import positions
from rowferry.databases.contract import Unreadable
from rowferry.exceptions import SourceError

VALUES = st.one_of(
    st.integers(),
    st.booleans(),
    st.text(st.characters()),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.binary(),
    st.uuids(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.none() | st.just(dt.timezone(dt.timedelta(seconds=-12345)))),
    st.timedeltas(),
    st.ip_addresses(),
)


@given(st.lists(VALUES, min_size=1).map(tuple))
@example((Unreadable("infinity", "no date", "PG"), ipaddress.ip_network("10.0.0.0/8")))
@example(("\ud800", "\0", 2**64, Decimal("1.50"), -0.0, uuid.UUID(int=1)))
def test_a_key_comes_back_as_it_was(key):
    text = positions.to_text(key)
    assert text.isascii()
    again = positions.from_text(text)
    assert again == key
    assert list(map(type, again)) == list(map(type, key))


def test_other_bytes_come_back_as_bytes():
    key = (bytearray(b"a"), memoryview(b"\xff"))
    assert positions.from_text(positions.to_text(key)) == (b"a", b"\xff")


def test_a_value_that_no_query_could_be_asked_with_is_refused_with_the_remedy():
    with pytest.raises(SourceError, match=r"a key with a list in it .* cannot be kept .* as text"):
        positions.to_text(([1],))
