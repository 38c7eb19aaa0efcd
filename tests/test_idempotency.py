"""Idempotency keys: one a record, the same for every try, another in each pass."""

import datetime as dt
import decimal
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from rowferry.idempotency import IdempotencyKeys

PASS = bytes(range(16))
values = st.none() | st.integers() | st.text(max_size=9) | st.binary(max_size=9) | st.booleans()


def keys_of(keys, name="mine", pass_id=PASS, columns=1):
    lines = IdempotencyKeys(name, pass_id, columns).headers("Idempotency-Key", keys)
    assert all(line.startswith(b"\r\nIdempotency-Key: ") for line in lines)
    return [line.partition(b": ")[2].decode() for line in lines]


def test_a_key_is_blake2b_of_name_pass_position_and_number_with_their_lengths():
    text = b"4:mine16:" + PASS + b"4:(7,)1:0"
    assert keys_of([(7,)]) == [hashlib.blake2b(text, digest_size=16).hexdigest()]


@given(st.lists(st.tuples(values) | st.tuples(st.integers(), st.integers(0, 20)), max_size=9))
def test_a_key_is_made_of_a_row_and_a_number_whatever_stands_beside_it(keys):
    made = keys_of(keys)
    for key, one in zip(keys, made, strict=True):
        row, number = ascii(key[:1]), str(key[1] if len(key) > 1 else 0)
        text = f"4:mine16:{PASS.decode()}{len(row)}:{row}{len(number)}:{number}"
        assert one == hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    assert keys_of([key for key in keys if type(key[0]) is int and len(key) == 1]) == [
        one for key, one in zip(keys, made, strict=True) if type(key[0]) is int and len(key) == 1
    ]


def test_a_key_is_32_hex_digits_and_always_the_same():
    (key,) = keys_of([("a\r\nb",)])
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdef")
    assert keys_of([("a\r\nb",)]) == [key]


@given(st.lists(st.tuples(values, values), unique_by=repr, max_size=20))
def test_records_of_different_keys_have_different_ones(keys):
    made = keys_of(keys, columns=2)
    assert len(set(made)) == len(keys)


def test_names_passes_and_numbers_within_a_row_tell_apart():
    made = [
        *keys_of([(1,), (1, 1), (1, 2), ("1",)]),
        *keys_of([(1, 1)], columns=2),
        *keys_of([(1,)], name="other"),
        *keys_of([(1,)], pass_id=bytes(16)),
        *keys_of([(1,)], name="min", pass_id=b"e" + PASS),
    ]
    assert len(set(made)) == len(made)


def test_any_value_of_a_database_will_do():
    row = (10**40, decimal.Decimal("NaN"), dt.date(2026, 1, 1), b"\xff", "\ud800", None, [1])
    assert len(keys_of([(value,) for value in row])) == len(row)
