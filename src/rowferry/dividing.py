"""Batches that are sent in parts: they are too large, or some of their records are bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowferry.formats.contract import split_of
from rowferry.splitting import halves, no_larger_than

if TYPE_CHECKING:
    from rowferry.batches import Batch
    from rowferry.formats.contract import Format
    from rowferry.handoff import Handoff
    from rowferry.settling import Settling
    from rowferry.waiting import Waiting


class Dividing:
    """
    Sends batches in parts.

    Args:
        body_format: of the batches.
        handoff: makes no larger ones, once it is known how large they may be.
        waiting: takes the parts.
        settling: is told how many there are.
    """

    def __init__(
        self, body_format: Format, handoff: Handoff, waiting: Waiting, settling: Settling
    ) -> None:
        self._split = split_of(body_format)
        self._handoff = handoff
        self._waiting = waiting
        self._settling = settling
        self._largest: int | None = None

    def divide(self, batch: Batch) -> None:
        """Send both halves of a batch, before all that is new."""
        self._settling.divided(2)
        self._waiting.add_first(halves(self.opened(batch)))

    def divide_for_size(self, batch: Batch) -> None:
        """Do so, and send no batches larger than half of it from now on, but for single records."""
        size = batch.size // 2
        self._largest = min(size, self._largest or size)
        self._handoff.shrink(self._largest)
        self._divide_waiting(self._largest)
        self.divide(batch)

    def divide_new(self) -> None:
        """Divide new batches that are larger than what the API was seen to take."""
        if self._largest is not None:
            self._divide_waiting(self._largest)

    def _divide_waiting(self, largest: int) -> None:
        before = list(self._waiting.new)
        if all(batch.size <= largest for batch in before):
            return
        after = [piece for batch in before for piece in self._no_larger(largest, batch)]
        if len(after) > len(before):
            self._waiting.new.clear()
            self._waiting.new.extend(after)
            self._settling.divided(len(after) - len(before) + 1)

    def _no_larger(self, largest: int, batch: Batch) -> list[Batch]:
        return no_larger_than(largest, self.opened(batch)) if batch.size > largest else [batch]

    def opened(self, batch: Batch) -> Batch:
        """Give a batch with its parts, where it is kept without."""
        return batch.opened(self._split) if self._split else batch
