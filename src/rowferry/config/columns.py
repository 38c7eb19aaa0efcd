"""Rows to records without Python: columns renamed, nested, dropped, and constants added."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from rowferry.exceptions import ConfigError
from rowferry.transforms import PerRow, per_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """
    What becomes of the columns of a row.

    A name with dots is a place: `about.text` is the value `text` of the object `about`. Columns
    that are not named stay as they are.

    Attributes:
        rename: the place of a column in the record, by its name in the row.
        drop: columns that are left out.
        constant: values that every record has, by their place.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    drop: Sequence[str] = ()
    constant: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that no two values have one place; raise ConfigError."""
        if isinstance(self.drop, str):
            raise ConfigError("drop must be a list of columns")
        for name in self.drop:
            if name in self.rename:
                raise ConfigError(f"drop: the column {name} is renamed as well")
        places = [*self.rename.values(), *self.constant]
        for place in places:
            if not all(place.split(".")):
                option = "constant" if place in self.constant else "rename"
                raise ConfigError(f"{option}: {place!r} is no place; write a or a.b")
        clash = _clash(places)
        if clash:
            option = "constant" if clash[1] in self.constant else "rename"
            raise ConfigError(f"{option}: {clash[0]} and {clash[1]} cannot both have a value")

    @property
    def transform(self) -> PerRow:
        """The transform that does so."""
        return per_row(_Shaping(self))


def _clash(places: Iterable[str]) -> tuple[str, str] | None:
    """Give two places of which one is within the other, or the same."""
    for one, other in combinations(places, 2):
        if f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}."):
            return one, other
    return None


class _Shaping:
    """Makes the record of a row; where to put what is settled once for rows with its columns."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._seen: tuple[str, ...] = ()
        self._kept: list[tuple[str, str]] = []
        self._nested: list[tuple[str, list[str]]] = []
        self._constants = [(place.split("."), value) for place, value in columns.constant.items()]

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        names = tuple(row)
        if names != self._seen:
            self._settle(names)
        record = {place: row[name] for name, place in self._kept}
        for name, place in self._nested:
            _put(record, place, row[name])
        for place, value in self._constants:
            _put(record, place, value)
        return record

    def _settle(self, names: tuple[str, ...]) -> None:
        """
        Settle where each column goes.

        Raises:
            ConfigError: a column that is named is not there, or two would have one place.
        """
        rename, drop = self._columns.rename, set(self._columns.drop)
        for name in [*rename, *drop]:
            if name not in names:
                raise ConfigError(
                    f"columns: no column {name} in a row; there are: {', '.join(names)}"
                )
        kept = [(name, rename.get(name)) for name in names if name not in drop]
        if clash := _clash(_places(kept, self._columns.constant)):
            raise ConfigError(f"columns: {clash[0]} and {clash[1]} cannot both have a value")
        self._kept = [
            (name, place or name) for name, place in kept if not place or "." not in place
        ]
        self._nested = [(name, place.split(".")) for name, place in kept if place and "." in place]
        self._seen = names


def _places(kept: list[tuple[str, str | None]], constant: Iterable[str]) -> Iterator[str]:
    yield from (place or name.replace(".", "\N{ONE DOT LEADER}") for name, place in kept)
    yield from constant


def _put(record: dict[str, Any], place: Sequence[str], value: Any) -> None:
    """Put a value in its place, making the objects on the way there."""
    *way, last = place
    for name in way:
        record = record.setdefault(name, {})
    record[last] = value
