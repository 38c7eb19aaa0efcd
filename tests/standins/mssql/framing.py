"""How the length of a value is told, and NULL (MS-TDS 2.2.5.2)."""

import struct
from collections.abc import Callable
from typing import NamedTuple

from .wire import Reader


class Framing(NamedTuple):
    """A value's bytes to what is sent, and back; *unwrap* gives None for NULL."""

    wrap: Callable[[bytes], bytes]
    unwrap: Callable[[Reader], bytes | None]
    null: bytes


def _byte_length(data):
    return bytes((len(data),)) + data


def _from_byte_length(reader):
    return reader.take(reader.number("B")) or None


def _short_length(data):
    return len(data).to_bytes(2, "little") + data


def _from_short_length(reader):
    length = reader.number("H")
    return None if length == 0xFFFF else reader.take(length)


def _from_long_length(reader):
    length = reader.number("I")
    return None if length == 0xFFFFFFFF else reader.take(length)


def _chunks(data):
    chunk = struct.pack("<I", len(data)) + data if data else b""
    return struct.pack("<Q", len(data)) + chunk + bytes(4)


def _from_chunks(reader):
    if reader.number("Q") == 0xFFFFFFFFFFFFFFFF:
        return None
    chunks = []
    while length := reader.number("I"):
        chunks.append(reader.take(length))
    return b"".join(chunks)


def _text_pointer(data):
    return b"\x10" + b"dummy textptr\0\0\0" + b"dummyTS\0" + struct.pack("<I", len(data)) + data


def _from_text_pointer(reader):
    size = reader.number("B")
    if not size:
        return None
    reader.take(size + 8)
    return reader.take(reader.number("I"))


def _fixed(size):
    return Framing(lambda data: data, lambda reader: reader.take(size), b"")


FIXED = {size: _fixed(size) for size in (1, 2, 4, 8)}
"""No length at all: a column that is never NULL."""
BYTE_LENGTH = Framing(_byte_length, _from_byte_length, b"\0")
SHORT_LENGTH = Framing(_short_length, _from_short_length, b"\xff\xff")
LONG_LENGTH = Framing(
    lambda data: struct.pack("<I", len(data)) + data, _from_long_length, b"\xff" * 4
)
"""text, ntext and image as parameters."""
TEXT_POINTER = Framing(_text_pointer, _from_text_pointer, b"\0")
"""text, ntext and image in rows."""
PLP = Framing(_chunks, _from_chunks, b"\xff" * 8)
"""Partially length-prefixed: (max), xml and types of the CLR."""
