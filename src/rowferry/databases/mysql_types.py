"""Column types of MySQL and MariaDB, in their words and in those of all databases."""

from __future__ import annotations

import re

from rowferry.column_types import TEXT, ColumnType, Kind

_KINDS: dict[str, Kind] = {
    "tinyint": "smallint",  # BOOLEAN too, whose values come as 0 and 1
    "smallint": "smallint",
    "mediumint": "integer",
    "int": "integer",
    "bigint": "bigint",
    "bit": "bigint",
    "year": "smallint",
    "decimal": "decimal",
    "float": "real",
    "double": "double",
    "char": "text",
    "varchar": "text",
    **dict.fromkeys(("tinyblob", "blob", "mediumblob", "longblob"), "binary"),
    **dict.fromkeys(("binary", "varbinary"), "binary"),
    **dict.fromkeys(("geometry", "point", "linestring", "polygon"), "binary"),
    **dict.fromkeys(("multipoint", "multilinestring", "multipolygon"), "binary"),
    "geometrycollection": "binary",
    "date": "date",
    "time": "interval",  # up to 838 hours, and below zero
    "datetime": "timestamp",
    "timestamp": "timestamp",  # comes as the session's wall clock shows it
    "json": "json",
    "uuid": "uuid",
}
"""First words of what information_schema writes; all others are text."""

_WIDER: dict[str, ColumnType] = {
    "smallint": ColumnType("integer"),
    "int": ColumnType("bigint"),
    "bigint": ColumnType("decimal", 20, 0),
}
"""What holds an unsigned type, where its own kind does not."""

_NAMES: dict[Kind, str] = {
    "boolean": "boolean",
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "decimal": "decimal(65,30)",
    "real": "float",
    "double": "double",
    "text": "longtext",
    "binary": "longblob",
    "date": "date",
    "time": "time(6)",
    "timestamp": "datetime(6)",
    "timestamptz": "datetime(6)",
    "interval": "time(6)",
    "json": "json",
    "uuid": "char(36)",
}

_IN_KEY: dict[Kind, str] = {
    "text": "varchar(255)",
    "binary": "varbinary(255)",
    "json": "varchar(255)",
}
"""For what a key can hold only a part of, and only when told how much."""

_LONGEST_IN_KEY = 768  # characters of 4 bytes; InnoDB's keys have 3072 bytes at most
_LONGEST_VARCHAR = 4000  # several must fit into the 65,535 bytes of a row; longer ones are text
_DIGITS = 65
_SCALE = 30
_WIDEST_BIT = 63

_PARTS = re.compile(r"(\w+)(?:\((\d+)(?:,(\d+))?\))?")


def column_type(declared: str) -> ColumnType:
    """Give what a column holds whose COLUMN_TYPE in information_schema is *declared*."""
    found = _PARTS.match(declared.lower())
    if found is None:
        return TEXT
    name, size, scale = found.groups()
    kind = _KINDS.get(name)
    if kind is None:
        return TEXT
    if "unsigned" in declared.lower() and name in _WIDER:
        return _WIDER[name]
    if name == "bit" and size is not None and int(size) > _WIDEST_BIT:
        return _WIDER["bigint"]
    if kind not in {"text", "decimal"} or size is None:
        return ColumnType(kind)
    return ColumnType(kind, int(size), None if scale is None else int(scale))


def declaration(column_type: ColumnType, *, in_key: bool) -> str:
    """
    Give the type that holds the same.

    A decimal without bounds becomes decimal(65,30): 35 digits before the point, 30 after it, and a
    value that needs more before it is refused. A moment with a time zone becomes a datetime(6) as
    the session's wall clock shows it, for timestamp knows the years 1970 to 2038 only. Text without
    a bound becomes longtext, in a key varchar(255).
    """
    kind, size, scale = column_type
    if kind == "text" and size is not None:
        return _sized_text(max(size, 1), in_key=in_key)
    if kind == "decimal" and size is not None:
        return _sized_decimal(size, scale)
    if in_key and kind in _IN_KEY:
        return _IN_KEY[kind]
    return _NAMES[kind]


def _sized_text(size: int, *, in_key: bool) -> str:
    if in_key:
        return f"varchar({min(size, _LONGEST_IN_KEY)})"
    return f"varchar({size})" if size <= _LONGEST_VARCHAR else _NAMES["text"]


def _sized_decimal(size: int, scale: int | None) -> str:
    if scale is None or size > _DIGITS or not 0 <= scale <= min(size, _SCALE):
        return _NAMES["decimal"]
    return f"decimal({size},{scale})"
