"""Column types of SQLite, whose tables take any name for one."""

from __future__ import annotations

from rowferry.column_types import TEXT, ColumnType, Kind

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("BOOLEAN", "BOOL"), "smallint"),  # its values are 0 and 1
    "DATE": "date",
    "TIME": "time",
    **dict.fromkeys(("DATETIME", "TIMESTAMP"), "timestamp"),
    **dict.fromkeys(("DECIMAL", "NUMERIC", "NUMBER"), "decimal"),
    **dict.fromkeys(("JSON", "JSONB"), "json"),
    "UUID": "uuid",
}
"""Names whose meaning goes beyond what SQLite makes of them."""

_AFFINITIES: tuple[tuple[str, Kind], ...] = (
    ("INT", "bigint"),
    ("CHAR", "text"),
    ("CLOB", "text"),
    ("TEXT", "text"),
    ("BLOB", "binary"),
    ("REAL", "double"),
    ("FLOA", "double"),
    ("DOUB", "double"),
)
"""
SQLite's own rules, in their order.

Source: https://sqlite.org/datatype3.html#determination_of_column_affinity
"""

_NAMES: dict[Kind, str] = {
    "boolean": "BOOLEAN",
    "smallint": "INTEGER",
    "integer": "INTEGER",
    "bigint": "INTEGER",
    "decimal": "NUMERIC",
    "real": "REAL",
    "double": "REAL",
    "text": "TEXT",
    "binary": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TEXT",
    "interval": "TEXT",
    "json": "TEXT",
    "uuid": "TEXT",
}

_EXACT_DIGITS = 15
"""Digits of a NUMERIC that SQLite keeps as they are; past them it makes a float of a text."""


def column_type(declared: str) -> ColumnType:
    """Give what a column declared so is meant to hold; SQLite enforces no size, so none counts."""
    name = declared.upper().partition("(")[0].strip()
    if name in _KINDS:
        return ColumnType(_KINDS[name])
    return next((ColumnType(kind) for sign, kind in _AFFINITIES if sign in name), TEXT)


def declaration(column_type: ColumnType) -> str:
    """Give a type under which SQLite keeps the values as they are."""
    kind, size, _ = column_type
    if kind == "decimal" and (size is None or size > _EXACT_DIGITS):
        return "TEXT"
    return _NAMES[kind]
