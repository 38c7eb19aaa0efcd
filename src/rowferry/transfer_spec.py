"""What a run is asked to do, checked where it is gathered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rowferry.budget import Budget
from rowferry.checks import whole
from rowferry.exceptions import ConfigError
from rowferry.row_source import Journaled

if TYPE_CHECKING:
    from rowferry.api import Api
    from rowferry.records import Observer, OnError
    from rowferry.row_source import Source
    from rowferry.transforms import Transform


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """
    All that a run is asked to do.

    Attributes:
        source: where rows come from; with a journal that keeps how far the transfer is, or without
            one: then a run that is cut short begins anew.
        api: where records go.
        transform: rows to records; None sends the rows as they are.
        key: the columns that tell one row from another; None where nobody needs to know.
        name: of the transfer; a part of its idempotency keys.
        ordering_key: a column of the row; records with one value of it are sent one after another.
        on_error: takes the rows that failed, and the run goes on; None stops the run at the first.
        limit: rows to read, at most; None means all.
        budget: what the run may cost.
        chunk_size: rows to fetch at once, at most.
        observer: takes progress events; None where nobody looks.
        total: rows that there are, where that is known.
        rows_as_read: whether records are dicts by column name, just as the source gave them.
    """

    source: Source | Journaled
    api: Api
    transform: Transform | None = None
    key: tuple[str, ...] | None = None
    name: str | None = None
    ordering_key: str | None = None
    on_error: OnError | None = None
    limit: int | None = None
    budget: Budget = field(default_factory=Budget)
    chunk_size: int = 5000
    observer: Observer | None = None
    total: int | None = None
    rows_as_read: bool = False

    def __post_init__(self) -> None:
        """Check every value; raise ConfigError."""
        whole("chunk_size", self.chunk_size, 1)
        if self.limit is not None:
            whole("limit", self.limit, 0)
        _check_text("name", self.name)
        self._check_order()
        self._check_key()
        if not isinstance(self.budget, Budget):
            raise ConfigError("budget must be a Budget(…)")
        for option, value in (
            ("transform", self.transform),
            ("on_error", self.on_error),
            ("progress", self.observer),
        ):
            if value is not None and not callable(value):
                raise ConfigError(f"{option} must be callable, not {value!r}")

    def _check_order(self) -> None:
        _check_text("ordering_key", self.ordering_key)
        if self.ordering_key and self.api.records_per_request > 1:
            raise ConfigError(
                f"ordering_key needs one record a request, but batch_size is "
                f"{self.api.records_per_request}: batch_size=1 does"
            )

    def _check_key(self) -> None:
        if self.key is None and getattr(self.api.format, "needs_key", False):
            raise ConfigError(
                f"body_format {self.api.format.name!r} makes ids of the key: key= names its "
                "columns, id= other ones, and id=None lets the API make ids (a record that is sent "
                "again may then be there twice)"
            )

    @property
    def goes_on(self) -> bool:
        """Whether a record that the API will not take leaves the run going."""
        return self.on_error is not None or isinstance(self.source, Journaled)


def _check_text(name: str, value: Any) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigError(f"{name} must be text that is not empty, not {value!r}")
