"""
Values as Oracle stores and sends them.

An encoder makes the bytes of a cell, without their length, of a Python value; a decoder makes a
Python value of them. NULL is not for these: it has no bytes.

Source: "Oracle Call Interface Programmer's Guide", Data Types, for NUMBER and DATE; what
python-oracledb reads and writes, for the others.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

CLOB = 112
BLOB = 113
LONG = 8
LONG_RAW = 24

_MAX_PAIRS = 20
_UTC_HOUR = 20
_UTC_MINUTE = 60
_INTERVAL = 0x80000000


class Wire(bytes):
    """The bytes of a cell as they are, for one that no value gives."""


@dataclass(frozen=True, slots=True)
class SqlType:
    """
    A type of columns.

    Attributes:
        code: its number in TTC.
        size: bytes of a value at most.
        encode: None where the stand-in sends nothing but NULL.
        form: 0 for what is no text, 1 for text in UTF-8, 2 for national text, in UTF-16.
    """

    code: int
    size: int
    encode: Callable[..., bytes] | None
    form: int = 0


def encode_number(value):
    """
    A byte for sign and exponent, then the digits in base 100.

    Raises:
        ValueError: it has more than 40 digits, or is not below 1e126, or is below 1e-130.
    """
    digits, exponent = _digits(value)
    if not digits:
        return b"\x80"
    pairs = [int(digits[at : at + 2]) for at in range(0, len(digits), 2)]
    weight = len(pairs) - 1 + exponent // 2
    while not pairs[-1]:
        pairs.pop()
    if len(pairs) > _MAX_PAIRS or not -65 <= weight <= 62:
        raise ValueError(f"{value} is no NUMBER")
    if value > 0:
        return bytes([0xC1 + weight, *[pair + 1 for pair in pairs]])
    end = [102] if len(pairs) < _MAX_PAIRS else []
    return bytes([0x3E - weight, *[101 - pair for pair in pairs], *end])


def _digits(value):
    """Give the digits of a number, an even count of them, and the exponent of 10, even too."""
    mantissa, _, power = str(value).lstrip("-").partition("E" if "E" in str(value) else "e")
    whole, _, fraction = mantissa.partition(".")
    exponent = int(power or 0) - len(fraction)
    digits = (whole + fraction).lstrip("0")
    if digits and exponent % 2:
        digits, exponent = digits + "0", exponent - 1
    return "0" * (len(digits) % 2) + digits, exponent


def decode_number(data):
    """Give an int where it is one, else a Decimal."""
    if data == b"\x80":
        return 0
    if data[0] & 0x80:
        sign, weight, pairs = "", data[0] - 0xC1, [byte - 1 for byte in data[1:]]
    else:
        pairs = [101 - byte for byte in data[1:].removesuffix(b"\x66")]
        sign, weight = "-", 0x3E - data[0]
    digits = sign + "".join([f"{pair:02}" for pair in pairs])
    exponent = 2 * (weight + 1 - len(pairs))
    if exponent >= 0:
        return int(digits) * 10**exponent
    if digits.endswith("0"):  # half of a pair
        digits, exponent = digits[:-1], exponent + 1
    return Decimal(f"{digits}e{exponent}")


def encode_date(value):
    century, year = divmod(value.year, 100)
    head = (century + 100, year + 100, value.month, value.day)
    if not isinstance(value, datetime):
        return bytes([*head, 1, 1, 1])
    return bytes([*head, value.hour + 1, value.minute + 1, value.second + 1])


def encode_timestamp(value):
    """A DATE, and nanoseconds where there are any."""
    micros = getattr(value, "microsecond", 0)
    return encode_date(value) + (struct.pack(">I", micros * 1000) if micros else b"")


def encode_timestamp_tz(value):
    """The time in UTC, and the offset of its zone; one without a zone is in UTC."""
    offset = value.utcoffset() or timedelta()
    moment = value.replace(tzinfo=None) - offset
    minutes = offset // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    sign = -1 if minutes < 0 else 1
    zone = bytes([_UTC_HOUR + sign * hours, _UTC_MINUTE + sign * rest])
    return encode_date(moment) + struct.pack(">I", moment.microsecond * 1000) + zone


def decode_moment(data):
    """Give a datetime of a DATE or TIMESTAMP; one with a zone where there is one."""
    micros = int.from_bytes(data[7:11]) // 1000
    year = (data[0] - 100) * 100 + data[1] - 100
    moment = datetime(  # Oracle's DATE has no zone
        year, data[2], data[3], data[4] - 1, data[5] - 1, data[6] - 1, micros
    )
    if len(data) < 13:
        return moment
    offset = timedelta(hours=data[11] - _UTC_HOUR, minutes=data[12] - _UTC_MINUTE)
    return moment.replace(tzinfo=UTC).astimezone(timezone(offset))


def encode_interval(value):
    """Days, hours, minutes, seconds and nanoseconds, each with its own sign."""
    micros = value // timedelta(microseconds=1)
    sign = -1 if micros < 0 else 1
    rest, micros = divmod(abs(micros), 1_000_000)
    rest, seconds = divmod(rest, 60)
    rest, minutes = divmod(rest, 60)
    days, hours = divmod(rest, 24)
    parts = bytes(60 + sign * part for part in (hours, minutes, seconds))
    return (
        struct.pack(">I", _INTERVAL + sign * days)
        + parts
        + struct.pack(">I", _INTERVAL + sign * micros * 1000)
    )


def decode_interval(data):
    days, nanos = (int.from_bytes(part) - _INTERVAL for part in (data[:4], data[7:]))
    hours, minutes, seconds = (byte - 60 for byte in data[4:7])
    return timedelta(days, seconds, nanos // 1000, minutes=minutes, hours=hours)


def encode_binary_double(value):
    return _ordered(struct.pack(">d", value))


def encode_binary_float(value):
    return _ordered(struct.pack(">f", value))


def decode_binary(data):
    """Give the float of a BINARY_FLOAT or BINARY_DOUBLE."""
    bits = bytes([data[0] & 0x7F]) + data[1:] if data[0] & 0x80 else _inverted(data)
    return struct.unpack(">f" if len(data) == 4 else ">d", bits)[0]


def _ordered(bits):
    """Make the bytes of a float sort as it does."""
    return _inverted(bits) if bits[0] & 0x80 else bytes([bits[0] | 0x80]) + bits[1:]


def _inverted(bits):
    return bytes(byte ^ 0xFF for byte in bits)


def _encode_national(value):
    return value.encode("utf-16-be")


def _encode_boolean(value):
    return b"\x01\x01" if value else b"\x00"


TYPES = {
    "NUMBER": SqlType(2, 22, encode_number),
    "VARCHAR2": SqlType(1, 4000, str.encode, 1),
    "NVARCHAR2": SqlType(1, 4000, _encode_national, 2),
    "CHAR": SqlType(96, 2000, str.encode, 1),
    "NCHAR": SqlType(96, 2000, _encode_national, 2),
    "DATE": SqlType(12, 7, encode_date),
    "TIMESTAMP": SqlType(180, 11, encode_timestamp),
    "TIMESTAMP WITH TIME ZONE": SqlType(181, 13, encode_timestamp_tz),
    "TIMESTAMP WITH LOCAL TIME ZONE": SqlType(231, 11, encode_timestamp),
    "INTERVAL DAY TO SECOND": SqlType(183, 11, encode_interval),
    "RAW": SqlType(23, 2000, bytes),
    "BINARY_FLOAT": SqlType(100, 4, encode_binary_float),
    "BINARY_DOUBLE": SqlType(101, 8, encode_binary_double),
    "BOOLEAN": SqlType(252, 4, _encode_boolean),
    "LONG": SqlType(LONG, 0, str.encode, 1),
    "LONG RAW": SqlType(LONG_RAW, 0, bytes),
    "CLOB": SqlType(CLOB, 4000, str.encode, 1),
    "NCLOB": SqlType(CLOB, 4000, _encode_national, 2),
    "BLOB": SqlType(BLOB, 4000, bytes),
    "BFILE": SqlType(114, 530, None),
    "JSON": SqlType(119, 8200, None),
    "VECTOR": SqlType(127, 8200, None),
}

_MOMENTS = dict.fromkeys((12, 180, 181, 231), decode_moment)
_TEXTS = dict.fromkeys((1, LONG, 96), bytes.decode)
_BYTES = dict.fromkeys((23, LONG_RAW), bytes)

DECODERS = {
    2: decode_number,
    3: decode_number,
    100: decode_binary,
    101: decode_binary,
    183: decode_interval,
    252: lambda data: data == b"\x01\x01",
    **_MOMENTS,
    **_TEXTS,
    **_BYTES,
}
"""What makes a value of a bind, by the code of its type; a LOB is not bound by value."""
