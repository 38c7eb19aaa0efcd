"""Bounds of options, checked where a value is made."""

from __future__ import annotations

import math
from typing import Any

from rowferry.exceptions import ConfigError

_MOST = 2**63 - 1
"""Past this a number of anything is a mistake, and some sums are no longer possible."""


def whole(name: str, value: Any, minimum: int, maximum: int | None = None) -> None:
    """
    Check that *value* is an integer of at least *minimum*, and at most *maximum* if there is one.

    Raises:
        ConfigError: it is not; the message names the option and what is allowed.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name} must be a whole number, not {value!r}")
    most = _MOST if maximum is None else maximum
    if minimum <= value <= most:
        return
    low = value < minimum or maximum is None
    bounds = f"at least {minimum:,}" if low else f"{minimum:,} to {maximum:,}"
    shown = f"{value:,}" if abs(value) <= _MOST else "one of more than 64 bits"
    raise ConfigError(f"{name} must be {bounds}, not {shown}")


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
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} must be a finite number, not {value!r}")
    if isinstance(value, int) and abs(value) > _MOST:
        raise ConfigError(f"{name} must be a finite number, not one of more than 64 bits")
    if not math.isfinite(value):
        raise ConfigError(f"{name} must be a finite number, not {value!r}")
