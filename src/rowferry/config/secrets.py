"""Secrets that stand in the open: in a job file, or on a command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rowferry.config.mistakes import Mistake

SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)
_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@:]*:([^/?#@]+)@")
_URL = re.compile(r"\.(?:url|api|proxy)$")
_HEADER = re.compile(r"\.api\.headers\.([^.]+)$")
_SECRET = re.compile(r"\.api\.auth\.(?:password|token|value|client_secret)$")


def open_secrets(path: str, value: Any) -> Iterator[Mistake]:
    """Find what should not stand in a file: passwords in URLs, headers with credentials."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from open_secrets(f"{path}.{name}", inner)
    elif isinstance(value, str) and _URL.search(path) and holds_password(value):
        yield Mistake(path, "holds a password; write ${NAME} in its place, and set NAME")
    elif isinstance(value, str) and "${" not in value and _is_secret(path):
        yield Mistake(
            path, "a secret does not belong into a file; write ${NAME} in its place, and set NAME"
        )


def _is_secret(path: str) -> bool:
    """Tell whether what stands at a path is secret by its place."""
    header = _HEADER.search(path)
    return bool(_SECRET.search(path) or (header and SECRET_HEADER.search(header[1])))


def holds_password(url: Any) -> bool:
    """Tell whether a URL has a password in it, in so many words."""
    match = _PASSWORD.match(url) if isinstance(url, str) else None
    return bool(match and "${" not in match[1])
