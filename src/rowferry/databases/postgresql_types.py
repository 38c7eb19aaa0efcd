"""Column types of PostgreSQL, in its words and in those of all databases."""

from __future__ import annotations

import re

from rowferry.column_types import TEXT, ColumnType, Kind

_KINDS: dict[str, Kind] = {
    "boolean": "boolean",
    "smallint": "smallint",
    "integer": "integer",
    "bigint": "bigint",
    "oid": "bigint",
    "numeric": "decimal",
    "real": "real",
    "double precision": "double",
    "character": "text",
    "character varying": "text",
    "text": "text",
    "bytea": "binary",
    "date": "date",
    "time without time zone": "time",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "interval": "interval",
    "json": "json",
    "jsonb": "json",
    "uuid": "uuid",
}
"""What format_type writes, sizes left out; arrays are JSON elsewhere, all others text."""

_NAMES: dict[Kind, str] = {
    "boolean": "boolean",
    "smallint": "smallint",
    "integer": "integer",
    "bigint": "bigint",
    "decimal": "numeric",
    "real": "real",
    "double": "double precision",
    "text": "text",
    "binary": "bytea",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "interval": "interval",
    "json": "jsonb",
    "uuid": "uuid",
}

_SIZES = re.compile(r"\((\d+)(?:,(-?\d+))?\)")


def column_type(declared: str) -> ColumnType:
    """Give what a column holds whose type format_type writes as *declared*."""
    if declared.endswith("[]"):
        return ColumnType("json")
    if declared.startswith("interval "):  # and some of its fields
        return ColumnType("interval")
    kind = _KINDS.get(_SIZES.sub("", declared))
    if kind not in {"text", "decimal"}:
        return ColumnType(kind) if kind else TEXT
    sizes = _SIZES.search(declared)
    if sizes is None:
        return ColumnType(kind)
    size, scale = sizes.groups()
    return ColumnType(kind, int(size), None if scale is None else int(scale))


def declaration(column_type: ColumnType) -> str:
    """Give the type of PostgreSQL that holds the same."""
    kind, size, scale = column_type
    if kind == "text" and size is not None:
        return f"varchar({size})"
    if kind == "decimal" and size is not None:
        return f"numeric({size})" if scale is None else f"numeric({size},{scale})"
    return _NAMES[kind]
