"""What a look at a job's needs finds."""

from __future__ import annotations

from typing import NamedTuple

UNREACHABLE = 4
CONFIGURATION = 2
AUTHENTICATION = 5
DISK = 7


class Finding(NamedTuple):
    """
    What was found.

    Attributes:
        what: was looked at.
        says: what is there; or what is wrong, and what to do.
        exit_code: 0 where all is well.
    """

    what: str
    says: str
    exit_code: int = 0


class Trouble(Exception):  # noqa: N818 (it is a finding, no error)
    """Ends a part of the check-up: what comes after it cannot be looked at."""

    def __init__(self, says: str, exit_code: int) -> None:
        super().__init__(says)
        self.exit_code = exit_code
