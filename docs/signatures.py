"""
Shows signatures in the reference as Python has them, where their source is not what a reader wants.

An extension of Griffe, which reads the sources and does not run them. It leaves a default that is a
constant as its name, does not know of `field(kw_only=False)`, and cannot follow a `Raises:` to an
exception that the module does not import.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONSTANT = re.compile(r"\b_?[A-Z][A-Z_]+\b")
_KINDS = {
    inspect.Parameter.KEYWORD_ONLY: griffe.ParameterKind.keyword_only,
    inspect.Parameter.POSITIONAL_OR_KEYWORD: griffe.ParameterKind.positional_or_keyword,
}


class Signatures(griffe.Extension):
    """Put right what was read of a package."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Go through its modules, which find the exceptions in the package."""
        for name in pkg["exceptions"].classes:
            pkg.set_member(name, griffe.Alias(name, f"{pkg.path}.exceptions.{name}"))
        for module in modules_of(pkg):
            for function in functions_of(module):
                put_right(function)


def modules_of(module: griffe.Module) -> Iterator[griffe.Module]:
    """Give a module and those within it."""
    yield module
    for inner in module.modules.values():
        if not inner.is_alias:
            yield from modules_of(inner)


def functions_of(place: griffe.Module | griffe.Class) -> Iterator[griffe.Function]:
    """Give the functions that are written there, and those of its classes."""
    for function in place.functions.values():
        if not function.is_alias:
            yield function
            yield from function.overloads or ()
    for inner in place.classes.values():
        if not inner.is_alias:
            yield from functions_of(inner)


def put_right(function: griffe.Function) -> None:
    """Take the kinds of parameters, and defaults that are constants, from the running function."""
    if function.name.startswith("_") and function.name != "__init__":
        return
    found = running(function)
    if found is None:
        return
    for name, parameter in inspect.signature(found).parameters.items():
        if name not in function.parameters:
            continue
        read = function.parameters[name]
        read.kind = _KINDS.get(parameter.kind, read.kind)
        if _CONSTANT.search(str(read.default)):
            read.default = text_of(parameter.default) or read.default


def running(function: griffe.Function) -> Any:
    """Give the function itself; None where it is a property, or made within another one."""
    found: Any = import_module(function.module.path)
    for name in function.path.removeprefix(f"{function.module.path}.").split("."):
        found = getattr(found, name, None)
    return found if callable(found) else None


def text_of(value: Any) -> str:
    """Give what stands for a value in a signature; nothing where its name is better."""
    if inspect.isfunction(value):
        return value.__name__
    if is_dataclass(value) and value == type(value)():
        return f"{type(value).__name__}()"
    return repr(value) if isinstance(value, (int, float)) else ""
