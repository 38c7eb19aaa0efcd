"""Bounds of options, checked where a value is made."""

from __future__ import annotations

import math
from typing import Any

from rowferry.exceptions import ConfigError


def whole(name: str, value: Any, minimum: int, maximum: int | None = None) -> None:
    """
    Check that *value* is an integer of at least *minimum*, and at most *maximum* if there is one.

    Raises:
        ConfigError: it is not; the message names the option and what is allowed.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name} must be a whole number, not {value!r}")
    at_least(name, value, minimum)
    if maximum is not None and value > maximum:
        raise ConfigError(f"{name} must be {minimum:,} to {maximum:,}, not {value:,}")


def at_least(name: str, value: Any, minimum: float) -> None:
    """
    Check that *value* is a finite number of at least *minimum*.

    Raises:
        ConfigError: it is not; the message names the option and what is allowed.
    """
    _number(name, value)
    if value < minimum:
        raise ConfigError(f"{name} must be at least {minimum}, not {value}")


def above_zero(name: str, value: Any) -> None:
    """
    Check that *value* is a finite number above 0.

    Raises:
        ConfigError: it is not; the message names the option and what is allowed.
    """
    _number(name, value)
    if value <= 0:
        raise ConfigError(f"{name} must be above 0, not {value}")


def _number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{name} must be a finite number, not {value!r}")
