"""Batches to smaller ones: halves, no larger than, and by what became of each record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rowferry.batches import Batch, Fate, Response
from rowferry.verdict import judge_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rowferry.verdict import Items, Rules, Verdict

ItemResults: TypeAlias = "Callable[[Response], Iterable[int | tuple[int, str]]]"
"""
Takes an answer and gives a status for each record of its request, in their order; or a pair of the
status and of what the answer says of that record.
"""


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """Give the first and the second half of a batch of two records or more."""
    middle = batch.count // 2
    return batch.of(range(middle)), batch.of(range(middle, batch.count))


def no_larger_than(size: int, batch: Batch) -> list[Batch]:
    """Give the parts of a batch, in order, each of at most *size* bytes or of one record."""
    if batch.size <= size or batch.count == 1:
        return [batch]
    return [piece for half in halves(batch) for piece in no_larger_than(size, half)]


class Unread(NamedTuple):
    """
    Why nobody knows what became of the records of a batch, so that all of them are ambiguous.

    Attributes:
        reason: for people.
        error: what `item_results` raised; None where it gave something, but nothing that fits.
    """

    reason: str
    error: Exception | None = None


class Pieces(NamedTuple):
    """
    What became of a batch whose answer has a status for each record.

    Attributes:
        delivered: those that were; None where none was.
        rejected: those that were, with their statuses.
        again: those that are sent again, with what became of them.
        said: of each of *rejected*, what the API says; empty text where it says nothing.
        problem: what it says of the first that is sent again.
        stop: why the run stops, where the answer says so.
    """

    delivered: Batch | None
    rejected: list[tuple[Batch, int]]
    again: list[tuple[Batch, Fate]]
    said: Sequence[str] = ()
    problem: str = ""
    stop: Verdict | None = None

    @property
    def batches(self) -> int:
        """How many batches it has become."""
        return (self.delivered is not None) + len(self.rejected) + len(self.again)

    @property
    def refused(self) -> bool:
        """Whether any record was refused, so that the API wants a pause."""
        return any(fate is Fate.REFUSED for _, fate in self.again)

    @property
    def fate(self) -> Fate:
        """What became of the request as a whole: delivered if any record was settled by it."""
        if self.delivered or self.rejected:
            return Fate.DELIVERED
        if self.stop:
            return self.stop.fate
        return Fate.REFUSED if self.refused else self.again[0][1]


def sorted_out(
    batch: Batch,
    response: Response,
    item_results: Callable[[Response], Any],
    rules: Rules,
    opened: Callable[[Batch], Batch] = lambda batch: batch,
) -> Pieces | Unread:
    """
    Sort the records of a batch by what the answer says of each.

    Args:
        opened: gives a batch with its parts.

    Returns:
        The pieces; or why they cannot be told.
    """
    try:
        items = judge_items(rules, item_results(response), batch.count, batch.attempts)
    except Exception as error:  # noqa: BLE001 (the answer may be anything, and the user's code too)
        reason = f"item_results raised {error!r:.200} on an answer {response.status}"
        return Unread(reason, error)
    return Unread(items) if isinstance(items, str) else pieces_of(batch, items, opened)


def pieces_of(batch: Batch, items: Items, opened: Callable[[Batch], Batch]) -> Pieces:
    """
    Divide a batch by what became of its records: one piece for all that share that.

    Args:
        opened: gives a batch with its parts.
    """
    if items.delivered == batch.count:
        return Pieces(batch, [], [])
    batch = opened(batch)
    retried = [index for group in items.again.values() for index in group]
    settled = {*items.rejected, *retried, *items.stopped}
    good = [index for index in range(batch.count) if index not in settled]
    alike: dict[tuple[int, str], list[int]] = {}
    for index, status in items.rejected.items():
        alike.setdefault((status, items.said.get(index, "")), []).append(index)
    return Pieces(
        batch.of(good) if good else None,
        [(batch.of(group), status) for (status, _), group in alike.items()],
        [(batch.of(group), fate) for fate, group in items.again.items()],
        [said for _, said in alike],
        items.said.get(retried[0], "") if retried else "",
        items.stop,
    )
