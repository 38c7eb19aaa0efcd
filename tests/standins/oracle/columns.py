"""Columns, declared as in CREATE TABLE, and how they are described to a client."""

import re
from dataclasses import dataclass

from .ttc import MAX_STRING, NULL, Message, counted, sb, twice_counted, ub
from .values import BLOB, CLOB, LONG, LONG_RAW, TYPES, SqlType, Wire

_DECLARED = re.compile(
    r"(?P<name>\S+) (?P<type>[A-Z_0-9 ]+?)(?:\((?P<size>\d+)(?:, ?(?P<scale>-?\d+))?\))?"
    r"(?P<zone> WITH (?:LOCAL )?TIME ZONE)?(?P<not_null> NOT NULL)?"
)
_UTF8 = 873
_BYTES_OF_CHARACTER = 1, 4, 2
"""At most, by form."""

_FLOATING = -127
"""The scale of a NUMBER that is declared without one."""

_NULL_OF_LONG = sb(-1) + ub(1405)
_VALUE_OF_LONG = NULL + NULL
_ROW_DATA = bytes([Message.ROW_DATA])
_COUNTS = [bytes([size]) for size in range(253)]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result or a table: `Column.declared("AMOUNT NUMBER(12,2) NOT NULL")`."""

    name: str
    type: SqlType
    size: int
    precision: int
    scale: int
    nullable: bool

    @classmethod
    def declared(cls, text):
        match = _DECLARED.fullmatch(text)
        if match is None or match["type"] + (match["zone"] or "") not in TYPES:
            raise ValueError(f"no declaration of a column: {text!r}")
        sql_type = TYPES[match["type"] + (match["zone"] or "")]
        size, precision, scale = sql_type.size, 0, 0
        number = int(match["size"]) if match["size"] else None
        if match["type"] == "NUMBER":
            precision = number or 0
            scale = int(match["scale"] or 0) if precision else _FLOATING
        elif match["type"] == "TIMESTAMP":
            scale = 6 if number is None else number
        elif number:
            size = number
        return cls(match["name"], sql_type, size, precision, scale, not match["not_null"])

    @property
    def is_lob(self):
        return self.type.code in {CLOB, BLOB}

    def encoder(self):
        """Give a function from a value to its cell. A LOB goes like a LONG: with its data."""
        encode = self.type.encode or self._refuse
        is_long = self.is_lob or self.type.code in {LONG, LONG_RAW}

        def cell(value):
            if value is None:
                return NULL + _NULL_OF_LONG if is_long else NULL
            data = value if isinstance(value, Wire) else encode(value)
            if is_long:
                return counted(data) + _VALUE_OF_LONG
            return _COUNTS[len(data)] + data if len(data) < len(_COUNTS) else counted(data)

        return cell

    def _refuse(self, value):
        raise ValueError(f"{self.name}: the stand-in has only NULL for columns of its type")

    def describe(self, position):
        name = self.name.encode()
        return b"".join(
            (
                bytes([self.type.code, 0, self.precision, self.scale & 0xFF]),
                ub(min(self.size * _BYTES_OF_CHARACTER[self.type.form], MAX_STRING)),
                ub(0),  # array elements
                ub(0),  # flags
                ub(0),  # object id
                ub(0),  # version
                ub(_UTF8 if self.type.form else 0),
                bytes([self.type.form]),
                ub(self.size if self.type.form else 0),
                ub(0),  # column id
                bytes([self.nullable, len(name)]),
                twice_counted(name),
                ub(0),  # schema of its type
                ub(0),  # name of its type
                ub(position),
                ub(0),  # flags: no JSON
                ub(0),  # schema of its domain
                ub(0),  # name of its domain
                ub(0),  # annotations
                ub(0),  # dimensions of a vector
                bytes(2),  # format and flags of a vector
            )
        )


def describe(columns):
    """Give the message that describes a result."""
    size = sum(column.size for column in columns) & 0xFFFF
    described = b"".join(column.describe(at) for at, column in enumerate(columns, 1))
    head = bytes([Message.DESCRIBE_INFO]) + NULL + ub(size) + ub(len(columns)) + b"\x01"
    return head + described + ub(0) * 6


def encode_row(encoders, row):
    """Give the message of a row."""
    cells = [encode(value) for encode, value in zip(encoders, row, strict=True)]
    return _ROW_DATA + b"".join(cells)
