"""What the event loop gives to be committed at once, and what holds it on the way to the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowferry.batches import Origin
    from rowferry.ledger import Counts
    from rowferry.letters import Dead
    from rowferry.watermark import Stretch


class Entry(NamedTuple):
    """
    What is committed together.

    Attributes:
        stretches: rows that were read since the last one.
        covered: the number after the last place that may be sent once this is committed.
        delivered: where the records come from that the API acknowledged, batch by batch.
        dead: records that are dead.
        doubted: records that the API may have, and that are sent again once this is committed.
        complete: whether the source was read to its end, and everything is settled.
    """

    stretches: Sequence[Stretch] = ()
    covered: int = 0
    delivered: Sequence[tuple[Origin, ...]] = ()
    dead: Sequence[Dead] = ()
    doubted: Sequence[Origin] = ()
    complete: bool = False


class Book(Protocol):
    """
    Takes entries in order, from one thread at a time.

    Attributes:
        counts: what is committed.
        low: every place with a lower number is settled, and committed so.
    """

    counts: Counts
    low: int

    def write(self, entry: Entry) -> None:
        """
        Commit an entry; on return it is on the disk.

        Raises:
            JournalError: it is not, as far as anybody knows; nothing more must be written.
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
