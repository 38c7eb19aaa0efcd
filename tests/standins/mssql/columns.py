"""Columns: from SQL's own words to COLMETADATA, and rows under them (MS-TDS 2.2.7.4)."""

import itertools
import re
import struct
from typing import NamedTuple

from .datatypes import Type, sql_type
from .wire import b_varchar, us_varchar

_COLMETADATA = 0x81
_ROW = b"\xd1"
_NBCROW = b"\xd2"
_NULLABLE, _UPDATEABLE_UNKNOWN = 0x01, 0x08
_WITH_TABLE_NAME = {"text", "ntext", "image"}
_BLOCK = 500
"""Rows that are written at once: between two blocks ATTENTION is heeded."""


class Column(NamedTuple):
    """A column of a table, or of a result."""

    name: str
    type: Type
    nullable: bool = True
    key: bool = False


def columns(text):
    """
    Make columns of what stands in a CREATE TABLE: name, type, NOT NULL, PRIMARY KEY.

        columns("code int PRIMARY KEY, description nvarchar(40) NOT NULL, rate decimal(9,4)")
    """
    return tuple(_column(one) for one in re.split(r",(?![^(]*\))", text))


def _column(text):
    found = re.fullmatch(
        r"\s*(?:\[(.+?)\]|(\S+))\s+([\w]+(?:\s*\([^)]*\))?)\s*((?:NOT )?NULL)?\s*(PRIMARY KEY)?\s*",
        text,
        re.IGNORECASE,
    )
    if not found:
        raise ValueError(f"no column: {text!r}")
    bracketed, bare, type_name, null, key = found.groups()
    nullable = not key and (null or "NULL").upper() == "NULL"
    return Column(bracketed or bare, sql_type(type_name, nullable=nullable), nullable, bool(key))


def colmetadata(columns):
    """Write the token that describes *columns*."""
    return struct.pack("<BH", _COLMETADATA, len(columns)) + b"".join(map(_metadata, columns))


def _metadata(column):
    flags = _UPDATEABLE_UNKNOWN | (_NULLABLE if column.nullable else 0)
    table = b"\x01" + us_varchar("t") if column.type.base in _WITH_TABLE_NAME else b""
    return struct.pack("<IH", 0, flags) + column.type.info + table + b_varchar(column.name)


def rows_in_blocks(columns, rows):
    """Write *rows*; yield (how many, their tokens)."""
    row = _row_writer(columns)
    rows = iter(rows)
    while block := list(itertools.islice(rows, _BLOCK)):
        yield len(block), b"".join(map(row, block))


def _row_writer(columns):
    writers = [column.type.write for column in columns]
    nulls = [len(column.type.framing.null) for column in columns]
    bitmap_size = (len(columns) + 7) // 8

    def write(row):
        if None in row:
            saved = sum(size for size, value in zip(nulls, row, strict=True) if value is None)
            if saved > bitmap_size:
                return _null_bitmap_row(writers, row)
        return _ROW + b"".join([write(value) for write, value in zip(writers, row, strict=True)])

    return write


def _null_bitmap_row(writers, row):
    """Write NBCROW: bits for the NULLs, then the other values. Done where it is shorter."""
    bits = sum(1 << at for at, value in enumerate(row) if value is None)
    values = [write(value) for write, value in zip(writers, row, strict=True) if value is not None]
    return _NBCROW + bits.to_bytes((len(row) + 7) // 8, "little") + b"".join(values)
