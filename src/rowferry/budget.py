"""What a run may cost."""

from __future__ import annotations

from dataclasses import dataclass

from rowferry.checks import above_zero, at_least, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """
    What a run may cost before it is stopped.

    Attributes:
        max_dead: records that the API may refuse to take; one more stops the run. None means any
            number. It matters with `on_error` only: without it the first one stops the run.
        max_dead_from_start: records that the API may refuse to take before it has taken the first;
            so many stop the run, none of them dead: it is the request that is wrong then, and not
            they. None means any number. It matters with `on_error` only, too.
        deadline: seconds from the call on after which reading and new requests stop. None: never.
        grace: seconds that requests in flight have to finish once a run is to stop.
    """

    max_dead: int | None = None
    max_dead_from_start: int | None = 100
    deadline: float | None = None
    grace: float = 30.0

    def __post_init__(self) -> None:
        """Check the bounds; raise ConfigError."""
        if self.max_dead is not None:
            whole("max_dead", self.max_dead, 0)
        if self.max_dead_from_start is not None:
            whole("max_dead_from_start", self.max_dead_from_start, 1)
        if self.deadline is not None:
            above_zero("deadline", self.deadline)
        at_least("grace", self.grace, 0)
