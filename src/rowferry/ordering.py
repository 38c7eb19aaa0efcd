"""Records with one value of the ordering key, one after another."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from rowferry.batches import Batch


class Ordering:
    """
    Lets one batch a turn go, and keeps those that come after it until it is settled.

    Batches without a turn always go.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[Hashable], deque[Batch]] = {}

    def may_go(self, batch: Batch) -> bool:
        """Tell whether *batch* may be sent now; where not, keep it."""
        if batch.turn is None:
            return True
        kept = self._kept.get(batch.turn)
        if kept is None:
            self._kept[batch.turn] = deque()
            return True
        kept.append(batch)
        return False

    def settled(self, batch: Batch) -> Batch | None:
        """Give the batch that may go now that *batch* is settled; None where none waits for it."""
        if batch.turn is None:
            return None
        kept = self._kept[batch.turn]
        if kept:
            return kept.popleft()
        del self._kept[batch.turn]
        return None
