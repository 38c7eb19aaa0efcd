"""Values of Oracle, as they are read: which type of Python each column's cells have."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from rowferry.exceptions import SourceError
from rowferry.logs import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_KINDS: dict[str, type] = {
    **dict.fromkeys(("VARCHAR", "NVARCHAR", "CHAR", "NCHAR", "LONG", "LONG_NVARCHAR"), str),
    **dict.fromkeys(("CLOB", "NCLOB", "ROWID", "UROWID", "XMLTYPE"), str),
    **dict.fromkeys(("RAW", "LONG_RAW", "BLOB"), bytes),
    **dict.fromkeys(("DATE", "TIMESTAMP", "TIMESTAMP_TZ", "TIMESTAMP_LTZ"), dt.datetime),
    **dict.fromkeys(("BINARY_FLOAT", "BINARY_DOUBLE"), float),
    "INTERVAL_DS": dt.timedelta,
    "BOOLEAN": bool,
}
"""By the name of the driver's type, after DB_TYPE_."""

_TEXTS = {"VARCHAR", "NVARCHAR", "CHAR", "NCHAR"}
_IN_ROWS = {"CLOB": "LONG", "NCLOB": "LONG_NVARCHAR", "BLOB": "LONG_RAW"}
"""What a LOB is fetched as, to come with its row; else each one is a round trip."""

_UNREADABLE = {
    "BFILE": "read it with DBMS_LOB in the query",
    "CURSOR": "select its rows by a query of their own",
    "OBJECT": "select its attributes, as t.column.attribute",
}
"""Types whose cells are handles on the connection, and the way around them."""


def is_text(type_code: Any) -> bool:
    """Tell whether the collation of the session orders columns of this type."""
    return _name(type_code) in _TEXTS


def check(columns: Sequence[Any]) -> None:
    """
    Accept the columns of a query, the driver's `FetchInfo`s.

    Raises:
        SourceError: the cells of one would be no values; the message names it.
    """
    for column in columns:
        name = _name(column.type_code)
        if name in _UNREADABLE:
            raise SourceError(
                f"the column {column.name} is a {name}, which cannot be read as a value: "
                f"{_UNREADABLE[name]}"
            )
    zoned = [column.name for column in columns if _name(column.type_code) == "TIMESTAMP_TZ"]
    if zoned:
        _warn_of_zones(", ".join(zoned))


@cache
def _warn_of_zones(columns: str) -> None:
    """Say it once a process: a query may be run a thousand times."""
    logger.warning(
        "python-oracledb in thin mode gives TIMESTAMP WITH TIME ZONE without its zone, as the "
        "clock there showed (%s): select SYS_EXTRACT_UTC(column) for UTC, or TO_CHAR(column, …)",
        columns,
    )


def kinds_of(columns: Sequence[Any]) -> dict[str, type] | None:
    """Give the Python type of each column's cells; None where one of them is not fixed."""
    kinds = {column.name: _kind(column) for column in columns}
    fixed = {name: kind for name, kind in kinds.items() if kind is not None}
    return fixed if len(fixed) == len(columns) else None


def _kind(column: Any) -> type | None:
    name = _name(column.type_code)
    if name != "NUMBER":
        return _KINDS.get(name)
    if not _is_bounded(column):
        return None
    return int if column.scale <= 0 else Decimal


def _is_bounded(column: Any) -> bool:
    """Tell NUMBER(p, s) from NUMBER, FLOAT and what expressions give, which may be anything."""
    return bool(column.precision) and column.scale != _FLOATING


_FLOATING = -127
"""The scale of a NUMBER that was declared without one."""


def type_handler(*, tolerant: bool) -> Callable[[Any, Any], Any]:
    """
    Give the function that tells the driver how to fetch each column.

    Numbers come exactly: int where the column has no digits after the point, Decimal where it has,
    and where it is not said which, int if the value is one. LOBs come as str and bytes.

    Args:
        tolerant: bytes that are no text come as lone surrogates.
    """
    import oracledb

    errors = "surrogateescape" if tolerant else None

    def handler(cursor: Any, column: Any) -> Any:
        name, rows = _name(column.type_code), cursor.arraysize
        if name == "NUMBER":
            if not _is_bounded(column):
                return cursor.var(Decimal, arraysize=rows, outconverter=_whole)
            return cursor.var(int if column.scale <= 0 else Decimal, arraysize=rows)
        if name in _IN_ROWS:
            wanted = getattr(oracledb, f"DB_TYPE_{_IN_ROWS[name]}")
            return cursor.var(wanted, arraysize=rows, encoding_errors=errors)
        if tolerant and name in _TEXTS:
            size = column.internal_size or 1
            return cursor.var(column.type_code, size, rows, encoding_errors=errors)
        return None

    return handler


def _whole(number: Decimal) -> int | Decimal:
    """Give *number* as an int where it is one."""
    whole = int(number)
    return whole if whole == number else number


def _name(type_code: Any) -> str:
    return str(type_code.name).removeprefix("DB_TYPE_")
