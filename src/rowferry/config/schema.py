"""The JSON schema of job files, made of the same options that read them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from rowferry.config.job import Job
from rowferry.config.kinds import tagged
from rowferry.config.options import Option, options_of

if TYPE_CHECKING:
    from rowferry.config.kinds import Kind

_TYPES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dt.timedelta: "string",
}
_REFERENCE = {"type": "string", "pattern": r"\$\{"}


def schema() -> dict[str, Any]:
    """Give the schema of a job file. Source: https://json-schema.org/draft/2020-12/schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A job file of rowferry",
        "type": "object",
        "properties": {
            "jobs": {
                "type": "object",
                "description": "The jobs, by name.",
                "minProperties": 1,
                "propertyNames": {"pattern": "^[A-Za-z0-9_-]+$"},
                "additionalProperties": _table(Job),
            }
        },
        "required": ["jobs"],
        "additionalProperties": False,
    }


def _table(table: type) -> dict[str, Any]:
    options = options_of(table)
    found: dict[str, Any] = {
        "type": "object",
        "description": (table.__doc__ or "").strip().partition("\n")[0],
        "properties": {option.name: _option(option) for option in options.values()},
        "additionalProperties": False,
    }
    if required := [option.name for option in options.values() if option.required]:
        found["required"] = required
    return found


def _of_type(name: str, table: type) -> dict[str, Any]:
    found = _table(table)
    found["properties"] = {"type": {"const": name}, **found["properties"]}
    found["required"] = ["type", *found.get("required", ())]
    return found


def _option(option: Option) -> dict[str, Any]:
    described: dict[str, Any] = {"description": option.doc} if option.doc else {}
    default = option.default
    if default is not None and not dataclasses.is_dataclass(default) and default not in ((), {}):
        described["default"] = list(default) if isinstance(default, tuple) else default
    return described | _kind(option.kind)


def _kind(kind: Kind) -> dict[str, Any]:
    if kind.anything:
        return {}
    choices: list[dict[str, Any]] = []
    if kind.words:
        choices.append({"enum": list(kind.words)})
    choices += [{"type": name} for scalar, name in _TYPES.items() if scalar in kind.scalars]
    if kind.code:
        choices.append({"type": "string", "pattern": "^[A-Za-z_][\\w.]*:[A-Za-z_][\\w.]*$"})
    if kind.items:
        choices.append({"type": "array", "items": _kind(kind.items)})
    if kind.values:
        choices.append({"type": "object", "additionalProperties": _kind(kind.values)})
    choices += [_table(table) for table in kind.tables[:1] if len(kind.tables) == 1]
    if len(kind.tables) > 1:
        choices += [_of_type(name, table) for name, table in tagged(kind.tables).items()]
    if kind.nothing:
        choices.append({"const": False})
    if kind.words or kind.scalars & {int, float, bool}:
        choices.append(_REFERENCE)
    return choices[0] if len(choices) == 1 else {"anyOf": choices}
