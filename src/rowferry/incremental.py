"""Reading only what is new: the column that tells it, and how long rows may commit late."""

from __future__ import annotations

import datetime as dt
import decimal
from dataclasses import dataclass
from typing import Any, TypeAlias

from rowferry.exceptions import ConfigError, SourceError

Lag: TypeAlias = "dt.timedelta | int | float | decimal.Decimal"


@dataclass(frozen=True, slots=True)
class Incremental:
    """
    Reads, after a complete pass, only the rows that come after its last one.

    Attributes:
        cursor: a column that grows: rows that are new or changed have a higher value in it than
            all that were there before. Rows with the same one are told apart by the key.
        lag: how far below the highest value rows may still appear, since their transactions commit
            late: a timedelta for moments, else a number. So much is read again each time, and what
            was sent of it is not sent again. None: they never do.
    """

    cursor: str
    lag: Lag | None = None

    def __post_init__(self) -> None:
        """Check the values; raise ConfigError."""
        if not isinstance(self.cursor, str) or not self.cursor:
            raise ConfigError(f"cursor must be the name of a column, not {self.cursor!r}")
        lag = self.lag
        if lag is None:
            return
        if isinstance(lag, bool) or not isinstance(
            lag, dt.timedelta | int | float | decimal.Decimal
        ):
            raise ConfigError(f"lag must be a timedelta or a number, not {lag!r}")
        if lag != lag or lag < type(lag)(0):  # type: ignore[operator] # noqa: PLR0124 (NaN)
            raise ConfigError(f"lag must be at least 0, not {lag!r}")

    def columns(self, key: tuple[str, ...]) -> tuple[str, ...]:
        """Give the columns of a position: the cursor, then those of the key that it is not."""
        return (self.cursor, *(column for column in key if column != self.cursor))


def lagging(cursor: Any, lag: Lag) -> Any:
    """
    Give the value of a cursor that lies *lag* below *cursor*.

    Raises:
        SourceError: it cannot be told; the message says which types it can be told of.
    """
    try:
        if isinstance(cursor, str):
            return _lagging_text(cursor, lag)  # type: ignore[arg-type] # what it is not raises
        if isinstance(cursor, decimal.Decimal) and isinstance(lag, float):
            lag = decimal.Decimal(str(lag))
        if isinstance(cursor, float) and isinstance(lag, decimal.Decimal):
            lag = float(lag)
        if isinstance(cursor, dt.date) and not isinstance(cursor, dt.datetime):
            return cursor - _whole_days(lag)
        return cursor - lag
    except OverflowError:
        return type(cursor).min.replace(tzinfo=getattr(cursor, "tzinfo", None))
    except (TypeError, ValueError) as error:
        raise SourceError(
            f"lag={lag!r} below the cursor {cursor!r} cannot be told: a timedelta goes with dates, "
            "moments and their ISO text, a number with numbers"
        ) from error


def _whole_days(lag: Any) -> dt.timedelta:
    """Give *lag* in days, rounded up: more read again does no harm."""
    return -dt.timedelta(days=(-lag).days) if isinstance(lag, dt.timedelta) else lag


def _lagging_text(cursor: str, lag: dt.timedelta) -> str:
    """Give a moment that is text, as SQLite has them, with the same digits and the same `T`."""
    moment = dt.datetime.fromisoformat(cursor)
    earlier = moment - lag
    if len(cursor) == len("2026-01-31"):
        return earlier.date().isoformat()
    zone = cursor[19:].lstrip(".0123456789")
    digits = cursor[19 : len(cursor) - len(zone)]
    text = earlier.replace(tzinfo=None).isoformat(sep=cursor[10], timespec="microseconds")
    return text[: 19 + min(len(digits), 7)] + zone
