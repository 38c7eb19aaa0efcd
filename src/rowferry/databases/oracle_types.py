"""Column types of Oracle, in its words and in those of all databases."""

from __future__ import annotations

import re

from rowferry.column_types import TEXT, ColumnType, Kind

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("VARCHAR2", "NVARCHAR2", "CHAR", "NCHAR"), "text"),
    **dict.fromkeys(("RAW", "LONG RAW", "BLOB"), "binary"),
    "FLOAT": "decimal",
    "BINARY_FLOAT": "real",
    "BINARY_DOUBLE": "double",
    "BOOLEAN": "boolean",
    "DATE": "timestamp",  # it has a time of the day
    "TIMESTAMP": "timestamp",
    # The driver gives these without their zone.
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "TIMESTAMP WITH LOCAL TIME ZONE": "timestamp",
    "INTERVAL DAY TO SECOND": "interval",
    "JSON": "json",
}
"""Types without what is in parentheses, NUMBER aside; all others are text."""

_INTEGERS: tuple[tuple[int, Kind], ...] = ((4, "smallint"), (9, "integer"), (18, "bigint"))
"""Digits up to which every number fits."""

_NAMES: dict[Kind, str] = {
    "boolean": "NUMBER(1)",
    "smallint": "NUMBER(5)",
    "integer": "NUMBER(10)",
    "bigint": "NUMBER(19)",
    "decimal": "NUMBER",
    "real": "BINARY_FLOAT",
    "double": "BINARY_DOUBLE",
    "text": "CLOB",
    "binary": "BLOB",
    "date": "DATE",
    "time": "VARCHAR2(21)",  # as long as 23:59:59.999999+23:59
    "timestamp": "TIMESTAMP(6)",
    "timestamptz": "TIMESTAMP(6) WITH TIME ZONE",
    "interval": "INTERVAL DAY(9) TO SECOND(6)",
    "json": "CLOB",
    "uuid": "VARCHAR2(36)",
}

_IN_KEY: dict[Kind, str] = {
    "text": "VARCHAR2(255 CHAR)",
    "binary": "RAW(255)",
    "json": "VARCHAR2(255 CHAR)",
    "timestamptz": "TIMESTAMP(6)",
}
"""For what no primary key can be made of."""

_LONGEST_TEXT = 1000  # characters, of 4 bytes at most: a VARCHAR2 has 4,000
_DIGITS = 38
_SCALES = range(-84, 128)

_PARENTHESES = re.compile(r"\s*\(([^)]*)\)")
_NUMBER = re.compile(r"NUMBER\((\d+|\*)(?:,\s*(-?\d+))?\)")


def column_type(declared: str) -> ColumnType:
    """Give what a column holds whose type is *declared*, as `oracle_sql.COLUMNS` gives it."""
    declared = declared.upper()
    if declared.startswith("NUMBER"):
        return _number(declared)
    kind = _KINDS.get(_PARENTHESES.sub("", declared))
    if kind != "text":
        return ColumnType(kind) if kind else TEXT
    size = re.search(r"\d+", declared.partition("(")[2])
    return ColumnType("text", int(size[0]) if size else None)


def _number(declared: str) -> ColumnType:
    found = _NUMBER.fullmatch(declared)
    if found is None:
        return ColumnType("decimal")
    digits = _DIGITS if found[1] == "*" else int(found[1])
    scale = int(found[2] or 0)
    if scale > 0:
        return ColumnType("decimal", max(digits, scale), scale)
    digits -= scale
    kind = next((kind for most, kind in _INTEGERS if digits <= most), None)
    return ColumnType(kind) if kind else ColumnType("decimal", digits, 0)


def declaration(column_type: ColumnType, *, in_key: bool) -> str:
    """
    Give the type of Oracle that holds the same.

    Text without a bound, or with one past 1,000 characters, becomes a CLOB; in a key, which cannot
    have one, a VARCHAR2 of 255 or 1,000. A boolean becomes NUMBER(1), a time and a UUID text.
    """
    kind, size, scale = column_type
    if kind == "text" and size is not None and (in_key or size <= _LONGEST_TEXT):
        return f"VARCHAR2({min(max(size, 1), _LONGEST_TEXT)} CHAR)"
    if in_key and kind in _IN_KEY:
        return _IN_KEY[kind]
    if kind == "decimal" and size is not None and size <= _DIGITS and scale in _SCALES:
        return f"NUMBER({size},{scale})"
    return _NAMES[kind]
