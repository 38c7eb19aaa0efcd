"""
Row factories: what makes a row of the tuple that a driver gives.

A row factory takes a cursor and gives a function from tuple to row.
"""

from __future__ import annotations

from collections import Counter, namedtuple
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from rowferry.exceptions import InsertError, SourceError
from rowferry.records import Row

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # The type of rows follows the row factory; where none is given, they are dicts (PEP 696).
    RowT = TypeVar("RowT", default=dict[str, Any])
    GivenT = TypeVar("GivenT", default=RowT)
else:
    from typing import TypeVar

    RowT = TypeVar("RowT")
    GivenT = TypeVar("GivenT")

RowFactory: TypeAlias = Callable[[Any], Callable[[Sequence[Any]], RowT]]
"""Takes a DB-API cursor whose `description` is known, gives what makes a row of its values."""

Transform: TypeAlias = Callable[[list[RowT]], Iterable[GivenT]]
"""Takes a chunk of rows, gives the rows to use instead: more or fewer, of any type."""

ChunkMaker: TypeAlias = Callable[[list[tuple[Any, ...]]], list[Row]]
"""Makes the rows of a whole chunk at once."""


def dict_row_factory(cursor: Any) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """
    Make each row a dict, by column name.

    Raises:
        SourceError: two columns have the same name, so that one would hide the other.
    """
    names = _distinct_names(cursor)
    return lambda row: dict(zip(names, row, strict=True))


def namedtuple_row_factory(cursor: Any) -> Callable[[Sequence[Any]], Any]:
    """
    Make each row a named tuple.

    Raises:
        SourceError: two columns have the same name, or one that no attribute can have.
    """
    names = _distinct_names(cursor)
    try:
        return _namedtuple_maker(names)
    except ValueError as error:
        raise SourceError(
            f"a named tuple cannot have these columns: {error}; name them with AS"
        ) from error


def tuple_row_factory(cursor: Any) -> Callable[[Sequence[Any]], tuple[Any, ...]]:  # noqa: ARG001 - the shape of a row factory
    """Make each row a tuple."""
    return tuple


def list_row_factory(cursor: Any) -> Callable[[Sequence[Any]], list[Any]]:  # noqa: ARG001 - the shape of a row factory
    """Make each row a list."""
    return list


DICTS: Any = dict_row_factory
"""The default, of a type that lets the row type of a call follow the factory it is given."""

FACTORIES = (dict_row_factory, list_row_factory, namedtuple_row_factory, tuple_row_factory)
"""Those of rowferry, which leave cells as they are."""


def chunk_maker(row_factory: RowFactory[Any], cursor: Any) -> ChunkMaker:
    """
    Give what makes the rows of whole chunks of *cursor*, as *row_factory* would one by one.

    For dicts this is compiled for the columns at hand, as `namedtuple` does it: 0.44 us a row of
    six columns, where `dict(zip(...))` takes 1.15.

    Raises:
        SourceError: the factory's, about the columns.
    """
    if row_factory is tuple_row_factory:
        return _as_they_are
    if row_factory is dict_row_factory:
        return _dict_chunk_maker(_distinct_names(cursor))
    make = row_factory(cursor)
    return lambda rows: list(map(make, rows))


def column_names(cursor: Any) -> tuple[str, ...]:
    """Give the names of the columns of *cursor*, in order; none where it has no result."""
    return tuple(column[0] for column in cursor.description or ())


def names_of_row(row: Row) -> list[str]:
    """
    Give the column names of a mapping, a named tuple or a sqlite3.Row.

    Raises:
        InsertError: it has none.
    """
    if hasattr(row, "keys"):
        return list(row.keys())
    if hasattr(row, "_fields"):
        return list(row._fields)
    raise InsertError(
        f"a row of type {type(row).__name__} has no column names: use dicts or named tuples, "
        "or executemany() with an INSERT of your own"
    )


def _as_they_are(rows: list[tuple[Any, ...]]) -> list[Row]:
    return rows


def _distinct_names(cursor: Any) -> tuple[str, ...]:
    names = column_names(cursor)
    if len(set(names)) < len(names):
        twice = ", ".join(repr(name) for name, count in Counter(names).items() if count > 1)
        raise SourceError(
            f"the query has more than one column called {twice}; "
            "give each a name of its own with AS, or use tuple_row_factory"
        )
    return names


@lru_cache(maxsize=64)
def _namedtuple_maker(names: tuple[str, ...]) -> Callable[[Sequence[Any]], Any]:
    row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - the query's names
    make: Callable[[Sequence[Any]], Any] = row._make
    return make


@lru_cache(maxsize=64)
def _dict_chunk_maker(names: tuple[str, ...]) -> ChunkMaker:
    variables = [f"c{number}" for number in range(len(names))]
    items = ", ".join(f"{name!r}: {var}" for name, var in zip(names, variables, strict=True))
    cells = "".join(f"{var}, " for var in variables) or "_"
    source = f"lambda rows: [{{{items}}} for {cells} in rows]"
    # Column names enter as string literals by repr() only, so nothing of the query is code.
    maker: ChunkMaker = eval(source, {"__builtins__": {}})  # noqa: S307
    return maker
