"""The first requests of a transfer, byte for byte, without sending them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowferry.lanes import Lane
from rowferry.pipeline import Run

if TYPE_CHECKING:
    from rowferry.batches import Batch
    from rowferry.transfer_spec import Transfer


def first_requests(transfer: Transfer) -> list[bytes]:
    """
    Give the requests of a transfer that reads few rows: see its `limit`.

    The rows are read and go through all that they would go through, but for the network.

    Raises:
        SourceError: the source cannot be read.
        ConfigError, RejectedError: what would end the transfer, too.
    """
    return _Dry(transfer).requests()


class _Dry(Run):
    """A run that keeps its batches, instead of handing them to an event loop."""

    def __init__(self, transfer: Transfer) -> None:
        super().__init__(transfer)
        self._kept: list[Batch] = []

    def _put(self, batches: list[Batch]) -> None:
        self._kept += batches

    def _make_room(self) -> bool:
        return False  # nothing is ever freed here: the limit is what bounds it

    def requests(self) -> list[bytes]:
        """Read all, and give what would be sent."""
        self._read_all()
        lane, delivery = Lane(), self._delivery
        return [delivery.request(lane, batch) for batch in self._kept]
