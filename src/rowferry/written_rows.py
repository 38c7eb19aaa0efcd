"""
Rows that nobody has looked at: JSON texts if that can be, dicts as soon as somebody asks for one.

Most rows of a transfer without a transform are never asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, overload

if TYPE_CHECKING:
    from rowferry.records import Key, Row
    from rowferry.row_factories import ChunkMaker


RowEncoder: TypeAlias = Callable[[Sequence[tuple[Any, ...]]], list[bytes]]
"""
Gives the JSON text of each row.

It raises ValueError, TypeError, LookupError or AttributeError where some are out of the common.
"""


class Written(NamedTuple):
    """
    How the cells of a query come that nobody looks at.

    Attributes:
        encode: gives the JSON texts of rows, unless some are out of the common.
        read: gives rows with the objects that the driver makes of their cells.
    """

    encode: RowEncoder
    read: ChunkMaker


class WrittenRows(Sequence[Any]):
    """
    A chunk of rows, whose cells are as the database wrote them.

    Args:
        cells: of each row.
        names: of the columns.
        make: rows of what *written* has read.
    """

    def __init__(
        self,
        cells: list[tuple[Any, ...]],
        names: Sequence[str],
        written: Written,
        make: ChunkMaker,
    ) -> None:
        self._cells = cells
        self._names = names
        self._written = written
        self._make = make

    def texts(self) -> list[bytes] | None:
        """Give the rows as JSON texts; None where some of them have to be looked at."""
        try:
            return self._written.encode(self._cells)
        except (TypeError, ValueError, LookupError, AttributeError):  # an Unreadable, broken text
            return None

    def keys(self, columns: Sequence[str]) -> list[Key] | None:
        """Give the values of *columns*, which are read as they are; None where some are not."""
        if not set(columns) <= set(self._names):
            return None
        places = [self._names.index(column) for column in columns]
        if len(places) > 1:
            return list(map(itemgetter(*places), self._cells))
        return list(zip(map(itemgetter(*places), self._cells), strict=True))

    @cached_property
    def _rows(self) -> list[Row]:
        return self._make(self._written.read(self._cells))

    def __len__(self) -> int:
        return len(self._cells)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._rows[index]
