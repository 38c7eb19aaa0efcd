"""What each worker of a delivery has for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import asyncio

    from rowferry.batches import Batch
    from rowferry.http.aiohttp_client import ClientConnection
    from rowferry.http.connection import Connection


Carrier: TypeAlias = "Connection | ClientConnection"
"""What sends the requests of a worker."""


class Lane:
    """
    A worker's own.

    Attributes:
        batch: the one in flight; None once it is settled.
        sending: whether it awaits or reads an answer.
        delivered_before: records that were delivered when its batch was sent.
        head: with which its batch was sent; it tells with which credentials.
        probe: whether its batch only asks whether an outage is over.
    """

    __slots__ = ("batch", "connection", "delivered_before", "head", "probe", "sending", "task")

    def __init__(self) -> None:
        self.batch: Batch | None = None
        self.connection: Carrier | None = None
        self.delivered_before = 0
        self.head = b""
        self.probe = False
        self.sending = False
        self.task: asyncio.Task[None]
