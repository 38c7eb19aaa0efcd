"""How often a record is sent again, and how long to wait before."""

from __future__ import annotations

from dataclasses import dataclass

from rowferry.checks import at_least, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """
    Exponential backoff with full jitter.

    Attributes:
        max_retries: times a record is sent again at most after answers that do not settle it (a
            500, a cut connection). 0 means never. An API that says that it did not take a record
            (a 429, a refused connection) is asked again until `max_retry_age`.
        initial_backoff: ceiling of the first wait, in seconds; it doubles with each further one.
        max_backoff: ceiling of every wait, in seconds; a server's Retry-After may exceed it.
        max_retry_age: how long a record is tried in all, in seconds.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    max_retries: int = 5
    initial_backoff: float = 0.1
    max_backoff: float = 30.0
    max_retry_age: float = 3600.0

    def __post_init__(self) -> None:
        """Check the bounds; raise ConfigError."""
        whole("max_retries", self.max_retries, 0)
        at_least("initial_backoff", self.initial_backoff, 0)
        at_least("max_backoff", self.max_backoff, 0)
        at_least("max_retry_age", self.max_retry_age, 0)

    def wait(self, tries: int, *, luck: float) -> float:
        """
        Give the seconds to wait after *tries* failed tries (1 or more).

        *luck* is a number from 0 to 1 drawn evenly by the caller.
        """
        ceiling = self.initial_backoff * 2.0 ** min(tries - 1, 60)
        return min(ceiling, self.max_backoff) * luck
