"""
Rows to JSON text, a column at a time.

What is done for each cell of a row costs more than what is done once for a column of a chunk: here
no row becomes a dict, and the texts are those that `values.encode_chunk` would give.
"""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from functools import lru_cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry.values import odd_offsets, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rowferry.written_rows import RowEncoder


class ColumnEncoder(NamedTuple):
    """
    What gives the JSON texts of a column's cells.

    Attributes:
        encode: raises ValueError, TypeError, LookupError or AttributeError where some cells are out
            of the common; TypeError for None, unless it encodes that as well.
        frame: what belongs before and behind each of its texts.
    """

    encode: Callable[[Sequence[Any]], Sequence[Any]]
    frame: tuple[str, str] = ("", "")


_AT_ONCE = 500
"""Rows: what a processor's cache holds; 5,000 take a third longer."""

QUOTES = '"', '"'

_BETWEEN = "\x7f"  # JSON leaves it as it is

_BOOLEANS = {True: "true", False: "false"}


def row_encoder(names: Sequence[str], encoders: Sequence[ColumnEncoder]) -> RowEncoder:
    """Give what makes JSON objects of rows with the columns *names*, at least one."""
    return partial(_rows, tuple(names), tuple(encoders))


def encoder_of(kind: type) -> ColumnEncoder:
    """Give what encodes a column whose cells are all of this type."""
    return _ENCODERS.get(kind, _OTHERS)


def _rows(
    names: tuple[str, ...],
    encoders: Sequence[ColumnEncoder],
    rows: Sequence[tuple[Any, ...]],
) -> list[bytes]:
    return list(
        chain.from_iterable(
            _some(names, encoders, rows[start : start + _AT_ONCE])
            for start in range(0, len(rows), _AT_ONCE)
        )
    )


def _some(
    names: tuple[str, ...],
    encoders: Sequence[ColumnEncoder],
    rows: Sequence[tuple[Any, ...]],
) -> Iterable[bytes]:
    columns = list(map(_column, encoders, zip(*rows, strict=True)))
    template = _row_template(names, tuple(frame for _, frame in columns))
    return map(str.encode, template(zip(*(texts for texts, _ in columns), strict=True)))


def _column(encoder: ColumnEncoder, cells: Sequence[Any]) -> tuple[Sequence[Any], tuple[str, str]]:
    """Encode cells of which some may be None; give their texts, and what belongs around them."""
    encode, (before, behind) = encoder
    try:
        return encode(cells), encoder.frame
    except TypeError:
        there = [cell for cell in cells if cell is not None]
        if len(there) == len(cells):
            raise
    texts = iter(encode(there) if there else ())
    return ["null" if cell is None else f"{before}{next(texts)}{behind}" for cell in cells], (
        "",
        "",
    )


@lru_cache(maxsize=256)
def _row_template(
    names: tuple[str, ...], frames: tuple[tuple[str, str], ...]
) -> Callable[[Any], list[str]]:
    """Compile what puts the texts of cells between the names of their columns."""
    cells = [f"c{number}" for number in range(len(names))]
    literals = [plain_text(name).decode().replace("{", "{{").replace("}", "}}") for name in names]
    members = ",".join(
        f"{name}:{before}{{{cell}}}{behind}"
        for name, cell, (before, behind) in zip(literals, cells, frames, strict=True)
    )
    # Column names enter within a string literal that repr() made, so nothing of them is code.
    source = f"lambda rows: [f{'{{' + members + '}}'!r} for {', '.join(cells)}, in rows]"
    template: Callable[[Any], list[str]] = eval(source, {"__builtins__": {}})  # noqa: S307
    return template


def _texts(cells: Sequence[str]) -> Sequence[str]:
    """Encode texts as one, and take it apart again."""
    together = _BETWEEN.join(cells)
    if together.count(_BETWEEN) != len(cells) - 1:
        return [plain_text(cell)[1:-1].decode() for cell in cells]
    return plain_text(together)[1:-1].decode().split(_BETWEEN)


def _integers(cells: Sequence[int]) -> Sequence[int]:
    if set(map(type, cells)) - {int}:
        raise TypeError
    return cells


def _booleans(cells: Sequence[bool]) -> Sequence[str]:
    return list(map(_BOOLEANS.__getitem__, cells))


def _floats(cells: Sequence[float]) -> Sequence[str]:
    if not all(map(math.isfinite, cells)):
        raise ValueError
    return _others(cells)


def _decimals(cells: Sequence[Decimal]) -> Sequence[str]:
    if not all(map(Decimal.is_finite, cells)):
        raise ValueError
    return _others(cells)


def _moments(cells: Sequence[dt.datetime]) -> Sequence[str]:
    if odd_offsets(cell for cell in cells if cell is not None):
        raise ValueError
    return _others(cells)


def _others(cells: Sequence[Any]) -> Sequence[str]:
    """Encode what has no comma in its text, as a list."""
    texts = plain_text(cells).decode()[1:-1].split(",")
    if len(texts) != len(cells):
        raise ValueError
    return texts


_OTHERS = ColumnEncoder(_others)

_ENCODERS: dict[type, ColumnEncoder] = {
    str: ColumnEncoder(_texts, QUOTES),
    int: ColumnEncoder(_integers),
    bool: ColumnEncoder(_booleans),
    float: ColumnEncoder(_floats),
    Decimal: ColumnEncoder(_decimals),
    dt.datetime: ColumnEncoder(_moments),
}
