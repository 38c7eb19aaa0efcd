"""
Cells of PostgreSQL that go on as JSON: as the server writes them, where JSON has it nearly so.

psycopg's Decimal and datetime are most of what a row costs, and would only become text again.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from rowferry.databases.postgresql_values import kinds_of, load_cell
from rowferry.json_columns import ColumnEncoder, encoder_of, row_encoder
from rowferry.written_rows import Written

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from rowferry.databases.contract import Connection

_INTEGERS = {20, 21, 23, 26}
_NUMERIC, _TIMESTAMPTZ = 1700, 1184

_SMALL = "0.000000"
"""What stands in each number that Decimal writes with an exponent."""

_ZEROS = {23 + digits: "0" * (6 - digits) for digits in range(1, 6)}
"""By the length of a moment with a fraction of a second, the zeros that this lacks."""

_EVEN = {22, 29}
"""The lengths of moments without a fraction, and with six digits of one."""

_LATE = re.compile(r"\n\d{5}")
"""A year that Python does not have."""


def written(
    conn: Connection, cursor: Any, looked_at: Collection[str], *, binary: bool
) -> Written | None:
    """
    Let *cursor* give cells as the server writes them, where they can go on as JSON so.

    Args:
        looked_at: columns that have to come as Python's objects.
        binary: whether rows are read in binary, where nothing is text.

    Returns:
        What makes JSON of its rows; None where they have to be read as ever.
    """
    columns, kinds = cursor.description, kinds_of(conn, cursor)
    if binary or not kinds or len(kinds) < len(columns) or conn.info.encoding != "utf-8":
        return None
    objects = {column.type_code for column in columns if column.name in looked_at}
    texts = _types_as_text(conn) - objects
    places = {place: c.type_code for place, c in enumerate(columns) if c.type_code in texts}
    if _INTEGERS.issuperset(places.values()):  # of which psycopg makes objects as fast as text
        return None
    _load_as_text(cursor, texts)
    encoders = [
        _ENCODERS[column.type_code] if column.type_code in texts else encoder_of(kind)
        for column, kind in zip(columns, kinds.values(), strict=True)
    ]
    return Written(row_encoder(list(kinds), encoders), partial(_read, _loaders(conn, places)))


def _types_as_text(conn: Connection) -> set[int]:
    """Give the types whose text is nearly that of JSON; moments only where all are in UTC."""
    fixed = conn.info.timezone.utcoffset(None)
    return {*_INTEGERS, _NUMERIC} | ({_TIMESTAMPTZ} if fixed == dt.timedelta() else set())


def _load_as_text(cursor: Any, types: Collection[int]) -> None:
    from psycopg.types.string import TextLoader

    for type_ in types:
        cursor.adapters.register_loader(type_, TextLoader)


def _loaders(conn: Connection, places: Mapping[int, int]) -> dict[int, Callable[[Any], Any]]:
    """Give what makes objects of text, by the place of a column, for the types in *places*."""
    from psycopg.adapt import Transformer
    from psycopg.pq import Format

    known = Transformer(conn)
    return {
        place: partial(_object, known.get_loader(oid, Format.TEXT).load, oid)
        for place, oid in places.items()
    }


def _object(load: Callable[[bytes], Any], oid: int, cell: Any) -> Any:
    return load_cell(cell.encode(), load, oid, binary=False) if isinstance(cell, str) else cell


def _read(
    loaders: Mapping[int, Callable[[Any], Any]], rows: list[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """Give *rows* with the objects of cells that came as text."""
    columns = list(zip(*rows, strict=True))
    for place, load in loaders.items():
        columns[place] = tuple(map(load, columns[place]))
    return list(zip(*columns, strict=True))


def _integers(cells: Sequence[str]) -> Sequence[str]:
    "".join(cells)  # all are text
    return cells


def _numbers(cells: Sequence[str]) -> Sequence[str]:
    """Encode numbers as Decimal writes them: as they are, but for small ones."""
    together = ",".join(cells)
    if "N" in together or "n" in together:
        raise ValueError  # NaN, Infinity
    return list(map(str, map(Decimal, cells))) if _SMALL in together else cells


def _moments(cells: Sequence[str]) -> Sequence[str]:
    """Encode moments in UTC, without the zone."""
    sizes = set(map(len, cells))
    even = cells if sizes <= _EVEN else map(_padded, cells)
    together = "\n".join(["", *even, ""])
    if sizes != {min(_EVEN)} and _LATE.search(together):
        raise ValueError
    texts = together[1:].replace(" ", "T").split("+00\n")
    if texts.pop() or len(texts) != len(cells):
        raise ValueError  # before Christ, or not in UTC
    return texts


def _padded(cell: str) -> str:
    size = len(cell)
    return cell if size in _EVEN else f"{cell[:-3]}{_ZEROS[size]}{cell[-3:]}"


_ENCODERS: dict[int, ColumnEncoder] = {
    **dict.fromkeys(_INTEGERS, ColumnEncoder(_integers)),
    _NUMERIC: ColumnEncoder(_numbers),
    _TIMESTAMPTZ: ColumnEncoder(_moments, ('"', 'Z"')),
}
