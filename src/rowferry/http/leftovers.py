"""
What came before a connection was lost: a broken pipe stands before the answer that explains it.

An API may answer 413 and close while a body is still being written. Where the write fails first,
asyncio looks no more at what there is to read (uvloop reads first).
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

_AT_ONCE = 64 * 1024


def left_over(transport: asyncio.BaseTransport) -> Iterator[bytes]:
    """Give what can be read from the socket of a transport that was just lost, then abort it."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    with contextlib.suppress(OSError):  # there is no more, or it is closed already
        copy = os.dup(sock.fileno())
        transport.abort()  # type: ignore[attr-defined]
        with socket.socket(fileno=copy) as left:
            while data := left.recv(_AT_ONCE):
                yield data
