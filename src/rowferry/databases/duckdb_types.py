"""Column types of DuckDB, in its words and in those of all databases."""

from __future__ import annotations

import re

from rowferry.column_types import TEXT, ColumnType, Kind

_TYPES: dict[str, ColumnType] = {
    "BOOLEAN": ColumnType("boolean"),
    **dict.fromkeys(("TINYINT", "UTINYINT", "SMALLINT"), ColumnType("smallint")),
    **dict.fromkeys(("USMALLINT", "INTEGER"), ColumnType("integer")),
    **dict.fromkeys(("UINTEGER", "BIGINT"), ColumnType("bigint")),
    "UBIGINT": ColumnType("decimal", 20, 0),
    **dict.fromkeys(("HUGEINT", "UHUGEINT"), ColumnType("decimal", 39, 0)),
    "BIGNUM": ColumnType("decimal"),
    "FLOAT": ColumnType("real"),
    "DOUBLE": ColumnType("double"),
    **dict.fromkeys(("BLOB", "GEOMETRY"), ColumnType("binary")),
    "DATE": ColumnType("date"),
    **dict.fromkeys(("TIME", "TIME_NS"), ColumnType("time")),
    **dict.fromkeys(
        ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), ColumnType("timestamp")
    ),
    "TIMESTAMP WITH TIME ZONE": ColumnType("timestamptz"),
    "INTERVAL": ColumnType("interval"),
    "JSON": ColumnType("json"),
    "UUID": ColumnType("uuid"),
}
"""What has the same name in every table; an enum, BIT and the like are text elsewhere."""

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_NESTED = ("STRUCT(", "MAP(", "UNION(", "TUPLE(", "VARIANT")

_NAMES: dict[Kind, str] = {
    "boolean": "BOOLEAN",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double": "DOUBLE",
    "text": "VARCHAR",
    "binary": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "interval": "INTERVAL",
    "json": "JSON",
    "uuid": "UUID",
}

_MOST_DIGITS = 38


def column_type(declared: str) -> ColumnType:
    """Give what a column holds whose type DuckDB writes as *declared*; it bounds no text."""
    if declared.endswith("]") or declared.startswith(_NESTED):
        return ColumnType("json")
    sizes = _DECIMAL.fullmatch(declared)
    if sizes is not None:
        return ColumnType("decimal", int(sizes[1]), int(sizes[2]))
    return _TYPES.get(declared, TEXT)


def declaration(column_type: ColumnType) -> str:
    """Give a type under which DuckDB keeps the values as they are; it has no unbounded decimal."""
    kind, size, scale = column_type
    if kind != "decimal":
        return _NAMES[kind]
    if size is None or scale is None or size > _MOST_DIGITS or not 0 <= scale <= size:
        return "VARCHAR"
    return f"DECIMAL({size},{scale})"
