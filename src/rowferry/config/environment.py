"""What `${NAME}` and `${file:PATH}` stand for, and how it is kept out of what is shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*@")
_FILE = "file:"
_SHORTEST = 3
"""Characters of a value that is worth hiding: one or two stand everywhere."""


class MissingError(Exception):
    """Something that a text refers to is not there; the message names it, and shows no value."""


class Environment:
    """
    Fills in the references of texts, and remembers what it filled in.

    Args:
        variables: the environment's.
        base: the folder from which files are named.
    """

    def __init__(self, variables: Mapping[str, str], base: Path) -> None:
        self._variables = variables
        self._base = base
        self._filled: dict[str, str] = {}

    def fill(self, text: str) -> str:
        """
        Give *text* with what its references stand for; `$${` is a plain `${`.

        In the user and password of a URL it is percent-encoded, as it has to be there.

        Raises:
            MissingError: there is no such variable or file, or it is no reference.
        """
        login = _LOGIN.match(text)
        end_of_login = login.end() if login else 0

        def replaced(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            value = self._value(match[1])
            return quote(value, safe="") if match.start() < end_of_login else value

        return _REFERENCE.sub(replaced, text)

    def _value(self, reference: str | None) -> str:
        if reference and reference.startswith(_FILE):
            value = self._of_file(reference.removeprefix(_FILE))
        elif reference and _NAME.fullmatch(reference):
            if reference not in self._variables:
                raise MissingError(f"the environment variable {reference} is not set")
            value = self._variables[reference]
        else:
            raise MissingError("${ begins a reference: ${NAME}, ${file:PATH}, or $${ for the text")
        for shown in (value, quote(value, safe="")):
            if len(shown) >= _SHORTEST:
                self._filled[shown] = f"${{{reference}}}"
        return value

    def _of_file(self, name: str) -> str:
        try:
            return (self._base / name).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise MissingError(f"cannot read the file {name}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise MissingError(f"the file {name} is not UTF-8") from error

    def masked(self, text: str) -> str:
        """Give *text* with the names of references instead of what they stand for."""
        for value, reference in sorted(self._filled.items(), key=lambda item: -len(item[0])):
            text = text.replace(value, reference)
        return text
