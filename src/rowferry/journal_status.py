"""What a run tells of a journal beside it, for others to read while it holds the lock."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

from rowferry.lock import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def status_of(journal: Path) -> Path:
    """Give the file that says how far a transfer is."""
    return journal.with_name(f"{journal.name}.status.json")


def tell(place: Path, status: Mapping[str, Any]) -> None:
    """
    Write how far a transfer is, and when that was.

    It is there whole or not at all; that it cannot be written is no reason to end a run.
    """
    fresh = place.with_name(f"{place.name}.new")
    with contextlib.suppress(OSError):
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(dict(status) | {"at": time.time()}, file)
        fresh.replace(place)


def told(place: Path) -> dict[str, Any]:
    """Give what an earlier run told; empty where that cannot be read."""
    try:
        status = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}
