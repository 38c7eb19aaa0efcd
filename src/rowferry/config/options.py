"""The options of a table of a job file: the fields of a dataclass, with what its docstring says."""

from __future__ import annotations

import dataclasses
import inspect
import re
from dataclasses import MISSING, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from rowferry.config.kinds import Kind, hints, kind_of
from rowferry.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS = {"body_format": tuple(FORMATS)}
"""Options that are text to Python, of which only some words work."""

_ATTRIBUTE = re.compile(r"^ {4}(\w+): ((?:.+\n?)(?:^ {8,}.+\n?)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Option:
    """
    One option.

    Attributes:
        default: what the library takes where none is given.
        required: whether there is no default.
        doc: what it means, in the words of the library.
    """

    name: str
    kind: Kind
    default: Any
    required: bool
    doc: str


@cache
def options_of(table: type) -> Mapping[str, Option]:
    """Give the options of a dataclass by name, but for those that no file can hold."""
    types, docs = hints(table), _docs_of(table)
    options = {}
    for field in dataclasses.fields(table):
        kind = kind_of(types[field.name]) if field.init else Kind()
        if _default(field) is None:
            kind = replace(kind, nothing=False)  # to write nothing says the same
        if field.name in _WORDS:
            kind = Kind(words=_WORDS[field.name])
        if kind:
            options[field.name] = Option(
                field.name, kind, _default(field), _is_required(field), docs.get(field.name, "")
            )
    return options


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _docs_of(table: type) -> dict[str, str]:
    """Give what the docstring of a class says of each attribute, in one line."""
    # Python 3.13 takes the margin off by itself, those before do not.
    _, _, attributes = inspect.cleandoc(table.__doc__ or "").partition("Attributes:\n")
    return {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(attributes)}
