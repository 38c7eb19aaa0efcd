"""How many bytes of answers are in memory, where the answers of batches are long."""

from __future__ import annotations

from typing import Protocol


class Reading(Protocol):
    """A connection that is reading an answer."""

    def pause(self) -> None:
        """Read no more until `resume`."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...


class LongAnswers:
    """
    Lets one connection at a time read more than its share of an answer.

    The others wait for it with what they have, so that all together keep no more than a share each
    and one whole answer. One can always go on, so none waits for ever: at most until its request's
    time is over.

    Args:
        share: bytes of an answer's body that each connection may keep.
    """

    def __init__(self, share: int) -> None:
        self._share = share
        self._reads_on: Reading | None = None
        self._waiting: dict[Reading, None] = {}

    def look(self, connection: Reading, size: int) -> None:
        """Pause a connection that has read so many bytes of an answer, where that is too much."""
        if size <= self._share or connection is self._reads_on:
            return
        if self._reads_on is None:
            self._reads_on = connection
        elif connection not in self._waiting:
            self._waiting[connection] = None
            connection.pause()

    def done(self, connection: Reading) -> None:
        """Note that a connection has an answer whole, or gave it up; let the next read on."""
        self._waiting.pop(connection, None)
        if connection is not self._reads_on:
            return
        self._reads_on = next(iter(self._waiting), None)
        if self._reads_on:
            del self._waiting[self._reads_on]
            self._reads_on.resume()
