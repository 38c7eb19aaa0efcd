"""What a careful engineer puts around a request: tries again for a while, keeps what is refused."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RETRIED = {429, 500, 502, 503, 504}
WAITS = [0.1 * 2**attempt for attempt in range(8)]  # 25 s in all


async def patiently(
    send: Callable[[], Awaitable[int]], body: bytes, broken: type[Exception]
) -> None:
    """Call *send*, which gives a status or raises *broken*, until it gives one to live with."""
    for wait in WAITS:
        try:
            status = await send()
        except broken:
            status = 503
        if status not in RETRIED:
            return keep(body, status)
        await asyncio.sleep(wait * random.uniform(0.75, 1.25))
    raise SystemExit("gave up after 8 attempts")


def keep(body: bytes, status: int) -> None:
    """Write *body* to a file where the API will not have it."""
    if status >= 400:
        with Path("rejected.jsonl").open("ab") as file:
            file.write(body + b"\n")
