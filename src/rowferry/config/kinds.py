"""What a value in a job file may be, found out from the types that the library declares."""

from __future__ import annotations

import builtins
import collections.abc
import dataclasses
import datetime as dt
import operator
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any, Literal, Union, get_args, get_origin

from rowferry import auth

SCALARS: Mapping[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dt.timedelta: "a time such as '90s', '15m', '2h' or '1d'",
}


_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

SCHEMES: Mapping[str, type] = {
    name: value
    for name, value in vars(auth).items()
    if dataclasses.is_dataclass(value) and isinstance(value, type) and hasattr(value, "secrets")
}
"""What `auth` may be in a file: every scheme of the library."""


@dataclass(frozen=True, slots=True)
class Kind:
    """
    What a value may be: one of the things that are not empty here.

    Attributes:
        scalars: types of `SCALARS`.
        words: texts of which it is one.
        items: of an array.
        values: of a table whose keys are anybody's.
        tables: dataclasses, for a table whose keys are their fields. Of several a `type` in it
            tells which; see `tagged`.
        code: whether it may name a function, as `module:function`.
        anything: whether it may be whatever TOML can say.
        nothing: whether Python's None is one, for which TOML has no word: it is written `false`.
    """

    scalars: frozenset[type] = frozenset()
    words: tuple[str, ...] = ()
    items: Kind | None = None
    values: Kind | None = None
    tables: tuple[type, ...] = ()
    code: bool = False
    anything: bool = False
    nothing: bool = False

    def __or__(self, other: Kind) -> Kind:
        return Kind(
            self.scalars | other.scalars,
            self.words + other.words,
            self.items or other.items,
            self.values or other.values,
            self.tables + other.tables,
            self.code or other.code,
            self.anything or other.anything,
            self.nothing or other.nothing,
        )

    def __bool__(self) -> bool:
        """Tell whether a file can hold such a value at all."""
        return self not in {Kind(), Kind(nothing=True)}

    def __str__(self) -> str:
        """Say for people what is expected."""
        if self.anything:
            return "any value"
        parts = [repr(word) for word in self.words]
        parts += [words for scalar, words in SCALARS.items() if scalar in self.scalars]
        parts += ["a function as 'module:function'"] if self.code else []
        parts += [f"a list, each of it {self.items}"] if self.items else []
        parts += [f"a table, each value of it {self.values}"] if self.values else []
        parts += ["a table of options"] if self.tables else []
        return f"{', '.join(parts[:-1])} or {parts[-1]}" if parts[1:] else "".join(parts)


_SINGLE: Mapping[Any, Kind] = {
    Any: Kind(anything=True),
    type(None): Kind(nothing=True),
    **{scalar: Kind(frozenset({scalar})) for scalar in SCALARS},
}


def tagged(tables: Sequence[type]) -> dict[str, type]:
    """Give dataclasses by what stands for each in a file: `api_key` for ApiKey."""
    return {_CAPITAL.sub("_", table.__name__).lower(): table for table in tables}


def kind_of(hint: Any) -> Kind:
    """Give what a file may hold for a type; nothing where TOML has no such value."""
    if dataclasses.is_dataclass(hint):
        return Kind(tables=(typing.cast("type", hint),))
    if get_origin(hint) is None:
        return _SINGLE.get(hint, Kind())
    return _kind_of_parts(hint)


def _kind_of_parts(hint: Any) -> Kind:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return Kind(words=tuple(word for word in parts if isinstance(word, str)))
    if origin in {Union, types.UnionType}:
        return reduce(Kind.__or__, map(kind_of, parts))
    if origin is collections.abc.Callable:
        return Kind(code=True)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return Kind(values=kind_of(parts[1]))
    if isinstance(origin, type) and issubclass(origin, Collection):
        return Kind(items=kind_of(parts[0]))
    return Kind()


@cache
def hints(table: type) -> Mapping[str, Any]:
    """Give the types of a dataclass' fields, also of those that are imported for types only."""
    names = _Names(vars(sys.modules[table.__module__]))
    found = typing.get_type_hints(table, localns=typing.cast("dict[str, Any]", names))
    return {field.name: found[field.name] for field in dataclasses.fields(table) if field.init}


class _Foreign(type):
    """The type of what no job file can hold: whatever is asked of it, it stays that."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __getitem__(cls, parts: Any) -> type:
        del parts
        return cls


class _Unknown(metaclass=_Foreign):
    """Stands for a type that is not imported where it is named."""


class _Names(dict[str, Any]):
    """The names of a module, and something for those that it imports for type checkers only."""

    def __init__(self, module: Mapping[str, Any]) -> None:
        super().__init__((name, value) for name, value in module.items() if type(value) is not str)
        self._aliases = {name: value for name, value in module.items() if type(value) is str}

    def __missing__(self, name: str) -> Any:
        if name.startswith("__"):
            raise KeyError(name)
        if name in self._aliases:
            return eval(self._aliases[name], {}, self)  # noqa: S307 (an alias in our own source)
        if name == "Auth":
            return reduce(operator.or_, SCHEMES.values())
        if name in _FUNCTIONS:
            return Callable[..., Any]
        for place in (collections.abc, typing, builtins):
            if name in vars(place):
                return vars(place)[name]
        return _Unknown


_FUNCTIONS = frozenset({"ItemResults", "Transform"})
"""Names of types that are functions of the user's."""
