"""
The ways in which records become the body of a request.

A format is one file with a `FORMAT` in it, imported and listed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowferry.exceptions import ConfigError
from rowferry.formats import (
    elasticsearch,
    form,
    json,
    json_array,
    ndjson,
)

if TYPE_CHECKING:
    from rowferry.formats.contract import Format

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        json.FORMAT,
        json_array.FORMAT,
        ndjson.FORMAT,
        form.FORMAT,
        elasticsearch.FORMAT,
    )
}
"""Every format by its name."""


def format_named(name: str) -> Format:
    """
    Give the format called *name*.

    Raises:
        ConfigError: there is none; the message names those there are.
    """
    try:
        return FORMATS[name]
    except KeyError as error:
        there_are = ", ".join(FORMATS)
        raise ConfigError(f"no body_format called {name!r}; there are: {there_are}") from error
