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
        deadline: seconds from the call on after which reading and new requests stop. None: never.
        grace: seconds that requests in flight have to finish once a run is to stop.
    """

    max_dead: int | None = None
    deadline: float | None = None
    grace: float = 30.0

    def __post_init__(self) -> None:
        """Check the bounds; raise ConfigError."""
        if self.max_dead is not None:
            whole("max_dead", self.max_dead, 0)
        if self.deadline is not None:
            above_zero("deadline", self.deadline)
        at_least("grace", self.grace, 0)
