"""Column types of SQL Server, in its words and in those of all databases."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from rowferry.column_types import TEXT, ColumnType, Kind

_KINDS: dict[str, Kind] = {
    "bit": "boolean",
    "tinyint": "smallint",
    "smallint": "smallint",
    "int": "integer",
    "bigint": "bigint",
    "decimal": "decimal",
    "numeric": "decimal",
    "real": "real",
    "float": "double",
    "char": "text",
    "varchar": "text",
    "nchar": "text",
    "nvarchar": "text",
    "binary": "binary",
    "varbinary": "binary",
    "image": "binary",
    "timestamp": "binary",  # a row's version, eight bytes
    "rowversion": "binary",
    "date": "date",
    "time": "time",
    "datetime": "timestamp",
    "datetime2": "timestamp",
    "smalldatetime": "timestamp",
    "datetimeoffset": "timestamptz",
    "json": "json",
    "uniqueidentifier": "uuid",
}

_MONEY = {
    "money": ColumnType("decimal", 19, 4),
    "smallmoney": ColumnType("decimal", 10, 4),
}

_NAMES: dict[Kind, str] = {
    "boolean": "bit",
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "decimal": "nvarchar(max)",
    "real": "real",
    "double": "float",
    "text": "nvarchar(max)",
    "binary": "varbinary(max)",
    "date": "date",
    "time": "time",
    "timestamp": "datetime2",
    "timestamptz": "datetimeoffset",
    "interval": "nvarchar(100)",
    "json": "nvarchar(max)",
    "uuid": "uniqueidentifier",
}

_IN_KEY = {"nvarchar(max)": "nvarchar(450)", "varbinary(max)": "varbinary(900)"}
"""A clustered key has 900 bytes at most, and text two bytes a character."""

_MOST_DIGITS = 38
_LONGEST_TEXT = 4000  # characters; beyond them it is nvarchar(max)
_LONGEST_TEXT_IN_KEY = 450

_PARTS = re.compile(r"(\w+)(?:\((\d+|max)(?:,(\d+))?\))?")


def column_type(declared: str) -> ColumnType:
    """Give what a column holds that `columns_query` writes as *declared*."""
    found = _PARTS.fullmatch(declared.lower())
    if found is None:
        return TEXT
    name, size, scale = found.groups()
    if name in _MONEY:
        return _MONEY[name]
    kind = _KINDS.get(name)
    if kind == "decimal" and size is not None:
        return ColumnType(kind, int(size), int(scale or 0))
    if kind == "text" and size is not None and size != "max":
        return ColumnType(kind, int(size))
    return ColumnType(kind) if kind else TEXT


def declaration(column_type: ColumnType, *, in_key: bool) -> str:
    """
    Give the type that holds the same.

    A decimal without bounds, or of more than 38 digits, is kept as text: there is no type that
    would not round it without a word.
    """
    kind, size, scale = column_type
    if kind == "text" and size is not None:
        return _sized_text(max(size, 1), in_key=in_key)
    if kind == "decimal" and size is not None and scale is not None:  # noqa: SIM102 - one sum each
        if size <= _MOST_DIGITS and 0 <= scale <= size:
            return f"decimal({size},{scale})"
    name = _NAMES[kind]
    return _IN_KEY.get(name, name) if in_key else name


def _sized_text(size: int, *, in_key: bool) -> str:
    if in_key:
        return f"nvarchar({min(size, _LONGEST_TEXT_IN_KEY)})"
    return f"nvarchar({size})" if size <= _LONGEST_TEXT else _NAMES["text"]


_FINEST = 7  # digits of a second that a column can have; Python has 6
_OF_DATETIME = 3
_OFFSET_FROM = 26  # characters of "2024-01-02 03:04:05 +05:30", to which the fraction comes


def comparable(column: str, kind: Any, size: int | None, digits: int | None) -> str:
    """
    Give what to order and compare *column* by, so that it is what Python has of a value.

    Text is compared by its code points, and as nvarchar, since a collation brings a code page along
    that may lack some of its letters; with pyodbc a uniqueidentifier looks like text, and is
    compared as one. A datetime is three digits of a second in Python, but thirds of hundredths on
    the server; what is finer than a microsecond loses its last digit on the way.

    Args:
        kind, size, digits: of the column's description, the latter of a second.
    """
    if kind is str:
        return f"CAST({column} AS nvarchar(max)) COLLATE Latin1_General_BIN2"
    zoned = digits is not None and (size or 0) >= _OFFSET_FROM + (digits + 1 if digits else 0)
    if kind not in {dt.datetime, dt.time} and not (kind is bytearray and zoned):
        return column
    if digits == _FINEST:
        return f"DATEADD(nanosecond, -(DATEPART(nanosecond, {column}) % 1000), {column})"
    if digits == _OF_DATETIME and kind is dt.datetime and not zoned:
        return f"CAST({column} AS datetime2(3))"
    return column
