"""Options of the command line, made of those of the library; and the job that they ask for."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rowferry.api import Api
from rowferry.config.job import Destination, Job, Source
from rowferry.config.options import Option, options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_ELSEWHERE = {"source", "api", "destination", "columns", "url", "file"}
"""What is an argument, or has its own options."""


class Given(NamedTuple):
    """
    An option of a command.

    Attributes:
        place: of the value in the table of a job.
        option: of the library.
    """

    place: tuple[str, ...]
    option: Option

    @property
    def flag(self) -> str:
        """How it is written."""
        return f"--{self.place[-1].replace('_', '-')}"


def given_options() -> dict[str, Given]:
    """Give every option that a job can have on the command line, by its name in Python."""
    found: dict[str, Given] = {}
    for place, table in ((("source",), Source), (("destination",), Destination), ((), Job)):
        for given in _options(place, table):
            found.setdefault(given.place[-1], given)
    for given in _options(("api",), Api):
        found.setdefault(given.place[-1], given)
    # `table` is that of the source; where rows go is the library's target
    found["target"] = Given(("destination", "table"), options_of(Destination)["table"])
    return found


def _options(place: tuple[str, ...], table: type) -> Iterator[Given]:
    for option in options_of(table).values():
        if option.name in _ELSEWHERE:
            continue
        if len(option.kind.tables) == 1 and not option.kind.scalars:
            yield from _options((*place, option.name), option.kind.tables[0])
        else:
            yield Given((*place, option.name), option)


def with_job_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a job."""
    for name, given in reversed(given_options().items()):
        flag = "--target" if name == "target" else given.flag
        names = [name, flag, *(["--header", "-H"] if name == "headers" else [])]
        function = click.option(*names, **_declared(given.option))(function)
    return function


def _declared(option: Option) -> dict[str, Any]:
    """Say to click how an option is written."""
    kind = option.kind
    declared: dict[str, Any] = {"default": None, "help": _help(option)}
    if kind.values or len(kind.tables) > 1:
        return declared | {"multiple": True, "metavar": "NAME=VALUE"}
    if kind.scalars == {bool}:
        return declared | {"is_flag": True, "flag_value": "true"}
    if kind.items:
        return declared | {"multiple": True, "metavar": _metavar(option)}
    if kind.words and not kind.scalars:
        return declared | {"metavar": "|".join(kind.words)}
    return declared | {"metavar": _metavar(option)}


def _metavar(option: Option) -> str:
    kind = option.kind.items or option.kind
    for scalar, metavar in ((float, "NUMBER"), (int, "N")):
        if scalar in kind.scalars:
            return "|".join([metavar, *kind.words])
    return "MODULE:FUNCTION" if kind.code else "TEXT"


def _help(option: Option) -> str:
    doc = option.doc.replace("`", "").rstrip(".")
    default = option.default
    if default is None or default in ((), {}, False):
        return doc
    words = " ".join(map(str, default)) if isinstance(default, tuple) else default
    return f"{doc} [{words}]"


def table_of(source: str, destination: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """
    Give the table of a job for the arguments of a command, as a job file would have it.

    Raises:
        UsageError: a value that should have a name has none.
    """
    table: dict[str, Any] = {"source": _of_source(source)}
    goes_to = "api" if destination.startswith(("http://", "https://")) else "destination"
    table[goes_to] = {"url": destination}
    for name, given in given_options().items():
        value = values.get(name)
        if value is None or value == ():
            continue
        *way, last = given.place
        place = table
        for step in way:
            place = place.setdefault(step, {})
        place[last] = _written(given, value)
    return table


def _of_source(source: str) -> dict[str, Any]:
    if "://" in source or source.startswith("${"):
        return {"url": source}
    return {"file": source}


def _written(given: Given, value: Any) -> Any:
    """Give a value as a job file would have it."""
    kind = given.option.kind
    if not isinstance(value, tuple):
        return value
    named = kind.values and (not kind.items or "=" in value[0])
    if named or len(kind.tables) > 1:
        separator = ":" if given.place[-1] == "headers" else "="
        return dict(_named(given, item, separator) for item in value)
    if kind.scalars and len(value) == 1:
        return value[0]
    return [_scalar(item) for item in value] if kind.values else list(value)


def _named(given: Given, text: str, separator: str) -> tuple[str, Any]:
    name, found, value = text.partition(separator)
    if not found and separator == ":":
        name, found, value = text.partition("=")
    if not found or not name.strip():
        raise click.UsageError(f"{given.flag} {text!r}: expected NAME{separator}VALUE")
    kind = given.option.kind.values
    return name.strip(), _scalar(value.strip()) if kind and kind.anything else value.strip()


def _scalar(text: str) -> Any:
    """Give a number or truth that *text* is in TOML; else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def flag_of(path: str) -> str:
    """Give how the value at a path is written on the command line."""
    parts = tuple(path.removeprefix("$").replace("[", ".[").strip(".").split("."))
    if parts[:1] in {("source",), ("api",), ("destination",)} and parts[-1] in {"url", "file"}:
        return "SOURCE" if parts[0] == "source" else "DESTINATION"
    for name, given in given_options().items():
        if parts[: len(given.place)] == given.place:
            inner = ".".join(parts[len(given.place) :])
            flag = "--target" if name == "target" else given.flag
            return f"{flag} {inner}".strip()
    names: Sequence[str] = [part for part in parts if part]
    return {"source": "SOURCE", "destination": "DESTINATION", "api": "DESTINATION"}.get(
        names[0] if names else "", "the command"
    )
