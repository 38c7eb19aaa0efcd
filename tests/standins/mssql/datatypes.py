"""The data types: their TYPE_INFO, and values as bytes (MS-TDS 2.2.5.4 and 2.2.5.5)."""

import re
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from . import temporal
from .framing import BYTE_LENGTH, FIXED, LONG_LENGTH, PLP, SHORT_LENGTH, TEXT_POINTER, Framing
from .numbers import decimal_from, decimal_size, pack_decimal, pack_money, unpack_money
from .wire import b_varchar, us_varchar

COLLATION = bytes.fromhex("0904d00034")
"""SQL_Latin1_General_CP1_CI_AS: char and varchar are in code page 1252."""

MAX = 0xFFFF
"""The length of (max): values come in chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """
    A data type of SQL Server.

    Attributes:
        base: the name without its length, such as decimal.
        name: as SQL writes it, such as decimal(18,2).
        system_id: sys.types.system_type_id.
        info: TYPE_INFO; its first byte is the token.
        framing: how the length of a value is told.
        pack, unpack: a value to bytes and back.
        max_length: bytes at most; -1 is (max).
    """

    base: str
    name: str
    system_id: int
    info: bytes
    framing: Framing
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]
    max_length: int
    precision: int = 0
    scale: int = 0

    def write(self, value):
        return self.framing.null if value is None else self.framing.wrap(self.pack(value))

    def read(self, reader):
        data = self.framing.unwrap(reader)
        return None if data is None else self.unpack(bytes(data))


def sql_type(text, *, nullable=True):
    """
    Make the type that SQL names, such as "nvarchar(40)" or "varbinary(max)".

    A column that is never NULL has another token where the size of its values is fixed.
    """
    name, _, arguments = re.sub(r"\s", "", text.lower()).rstrip(")").partition("(")
    numbers = [MAX if one == "max" else int(one) for one in arguments.split(",") if one]
    if not nullable and name in _NEVER_NULL:
        return _fixed(name)
    if name in _PLAIN:
        return _plain(name)
    if name not in _MAKERS:
        raise ValueError(f"no data type called {name!r}")
    return _MAKERS[name](name, *numbers)


def read_type(reader):
    """Read a TYPE_INFO that a client sent, of a parameter or of a column of a bulk load."""
    token = reader.number("B")
    if token in _FIXED_TOKENS:
        return _fixed(_FIXED_TOKENS[token])
    if token in _SIZED_TOKENS:
        return _plain(_SIZED_TOKENS[token][reader.number("B")])
    if token in _DECIMAL_TOKENS:
        _size, precision, scale = reader.take(3)
        return _decimal(_DECIMAL_TOKENS[token], precision, scale)
    if token in _TEMPORAL_TOKENS:
        scale = () if token == 0x28 else (reader.number("B"),)
        return _MAKERS[_TEMPORAL_TOKENS[token]](_TEMPORAL_TOKENS[token], *scale)
    if token in _STRING_TOKENS:
        return _read_string_type(reader, _STRING_TOKENS[token])
    raise ValueError(f"a parameter of an unknown type, token 0x{token:02x}")


def _read_string_type(reader, name):
    if name == "xml":
        assert reader.number("B") == 0, "XML with a schema"
        return _xml(name)
    if name in _LONG:
        length = reader.number("I")
        reader.take(0 if name == "image" else 5)
        return _long(name, framing=LONG_LENGTH, length=length)
    length = reader.number("H")
    if "char" in name:
        reader.take(5)
    return _string(name, length if length == MAX or name[0] != "n" else length // 2)


# Types of fixed size: token when NULL is allowed, token when not, system id, bytes, precision, how

_number = lambda code: (struct.Struct("<" + code).pack, lambda data: _first(code, data))
_first = lambda code, data: struct.unpack("<" + code, data)[0]
_bit = (lambda value: b"\1" if value else b"\0", lambda data: data != b"\0")
_guid = (lambda value: value.bytes_le, lambda data: uuid.UUID(bytes_le=data))

_PLAIN = {
    "bit": (0x68, 0x32, 104, 1, 1, _bit),
    "tinyint": (0x26, 0x30, 48, 1, 3, _number("B")),
    "smallint": (0x26, 0x34, 52, 2, 5, _number("h")),
    "int": (0x26, 0x38, 56, 4, 10, _number("i")),
    "bigint": (0x26, 0x7F, 127, 8, 19, _number("q")),
    "real": (0x6D, 0x3B, 59, 4, 24, _number("f")),
    "float": (0x6D, 0x3E, 62, 8, 53, _number("d")),
    "smallmoney": (0x6E, 0x7A, 122, 4, 10, (lambda v: pack_money(v)[4:], unpack_money)),
    "money": (0x6E, 0x3C, 60, 8, 19, (pack_money, unpack_money)),
    "smalldatetime": (0x6F, 0x3A, 58, 4, 16, temporal.SMALLDATETIME),
    "datetime": (0x6F, 0x3D, 61, 8, 23, temporal.DATETIME),
    "uniqueidentifier": (0x24, None, 36, 16, 0, _guid),
}
_NEVER_NULL = {name for name, plain in _PLAIN.items() if plain[1] is not None}
_FIXED_TOKENS = {plain[1]: name for name, plain in _PLAIN.items() if plain[1] is not None}


_SIZED_TOKENS = {
    token: {plain[3]: name for name, plain in _PLAIN.items() if plain[0] == token}
    for token in (plain[0] for plain in _PLAIN.values())
}
"""The name by token and size."""


@cache
def _plain(name):
    token, _, system_id, size, precision, (pack, unpack) = _PLAIN[name]
    return Type(
        base=name,
        name=name,
        system_id=system_id,
        info=bytes([token, size]),
        framing=BYTE_LENGTH,
        pack=pack,
        unpack=unpack,
        max_length=size,
        precision=precision,
    )


@cache
def _fixed(name):
    _, token, system_id, size, precision, (pack, unpack) = _PLAIN[name]
    return Type(
        base=name,
        name=name,
        system_id=system_id,
        info=bytes([token]),
        framing=FIXED[size],
        pack=pack,
        unpack=unpack,
        max_length=size,
        precision=precision,
    )


# Decimals

_DECIMAL_TOKENS = {0x6A: "decimal", 0x6C: "numeric"}


@cache
def _decimal(name, precision=18, scale=0):
    size = decimal_size(precision)
    return Type(
        base=name,
        name=f"{name}({precision},{scale})",
        system_id=106 if name == "decimal" else 108,
        info=bytes([0x6A if name == "decimal" else 0x6C, size, precision, scale]),
        framing=BYTE_LENGTH,
        pack=lambda value: pack_decimal(value, size, scale),
        unpack=lambda data: decimal_from(data, scale),
        max_length=size,
        precision=precision,
        scale=scale,
    )


# Dates and times: token, system id, digits before those of the fraction, bytes beside the time

_TEMPORAL = {
    "date": (0x28, 40, 10, 3),
    "time": (0x29, 41, 8, 0),
    "datetime2": (0x2A, 42, 19, 3),
    "datetimeoffset": (0x2B, 43, 26, 5),
}
_TEMPORAL_TOKENS = {row[0]: name for name, row in _TEMPORAL.items()}


@cache
def _date(name):
    token, system_id, precision, size = _TEMPORAL[name]
    return Type(
        base=name,
        name=name,
        system_id=system_id,
        info=bytes([token]),
        framing=BYTE_LENGTH,
        pack=temporal.pack_date,
        unpack=temporal.unpack_date,
        max_length=size,
        precision=precision,
    )


@cache
def _with_time(name, scale=7):
    token, system_id, digits, size = _TEMPORAL[name]
    pack, unpack = temporal.WITH_TIME[name]
    return Type(
        base=name,
        name=f"{name}({scale})",
        system_id=system_id,
        info=bytes([token, scale]),
        framing=BYTE_LENGTH,
        pack=lambda value: pack(value, scale),
        unpack=lambda data: unpack(data, scale),
        max_length=size + temporal.time_size(scale),
        precision=digits + (scale + 1 if scale else 0),
        scale=scale,
    )


# Texts and bytes: token, system id, how

_wide = (
    lambda value: value.encode("utf-16-le", "surrogatepass"),  # half a pair is text there
    lambda data: data.decode("utf-16-le"),
)
_narrow = (lambda value: value.encode("cp1252", "replace"), lambda data: data.decode("cp1252"))
_same = (bytes, bytes)

_STRINGS = {
    "varbinary": (0xA5, 165, _same),
    "binary": (0xAD, 173, _same),
    "varchar": (0xA7, 167, _narrow),
    "char": (0xAF, 175, _narrow),
    "nvarchar": (0xE7, 231, _wide),
    "nchar": (0xEF, 239, _wide),
}
_LONG = {"text": (0x23, 35, _narrow), "ntext": (0x63, 99, _wide), "image": (0x22, 34, _same)}
_STRING_TOKENS = {row[0]: name for name, row in (_STRINGS | _LONG).items()} | {0xF1: "xml"}


@cache
def _string(name, length=1):
    """*length* counts bytes, or UTF-16 units where the name begins with n; MAX is (max)."""
    token, system_id, (pack, unpack) = _STRINGS[name]
    size = length if length == MAX or name[0] != "n" else 2 * length
    pad = {"binary": b"\0", "char": b" ", "nchar": " \0".encode("ascii")}.get(name)
    padded = pack if pad is None else lambda value: _padded(pack(value), pad, size)
    return Type(
        base=name,
        name=f"{name}({'max' if length == MAX else length})",
        system_id=system_id,
        info=bytes([token]) + struct.pack("<H", size) + (COLLATION if "char" in name else b""),
        framing=PLP if length == MAX else SHORT_LENGTH,
        pack=padded,
        unpack=unpack,
        max_length=-1 if length == MAX else size,
    )


def _padded(data, pad, size):
    return data + pad * ((size - len(data)) // len(pad))


def _long(name, *, framing=TEXT_POINTER, length=0x7FFFFFFF):
    token, system_id, (pack, unpack) = _LONG[name]
    collation = b"" if name == "image" else COLLATION
    return Type(
        base=name,
        name=name,
        system_id=system_id,
        info=bytes([token]) + struct.pack("<I", length) + collation,
        framing=framing,
        pack=pack,
        unpack=unpack,
        max_length=length,
    )


def _xml(name):
    pack, unpack = _wide
    return Type(
        base=name,
        name=name,
        system_id=241,
        info=b"\xf1\x00",
        framing=PLP,
        pack=pack,
        unpack=lambda data: unpack(data).removeprefix("\ufeff"),
        max_length=-1,
    )


def _clr(name):
    """A type of the CLR: its bytes, which no driver here makes anything of."""
    assembly = f"Microsoft.SqlServer.Types.Sql{name.capitalize()}, Microsoft.SqlServer.Types"
    names = b_varchar("master") + b_varchar("sys") + b_varchar(name) + us_varchar(assembly)
    return Type(
        base=name,
        name=name,
        system_id=240,
        info=b"\xf0\xff\xff" + names,
        framing=PLP,
        pack=bytes,
        unpack=bytes,
        max_length=-1,
    )


_MAKERS = {
    **dict.fromkeys(("decimal", "numeric"), _decimal),
    **dict.fromkeys(("time", "datetime2", "datetimeoffset"), _with_time),
    **dict.fromkeys(_STRINGS, _string),
    **dict.fromkeys(_LONG, _long),
    **dict.fromkeys(("geography", "geometry", "hierarchyid"), _clr),
    "date": _date,
    "xml": _xml,
}
