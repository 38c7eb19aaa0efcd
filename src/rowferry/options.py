"""The options of a transfer, as types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowferry.budget import Budget
    from rowferry.incremental import Incremental
    from rowferry.journal import Journal
    from rowferry.records import Observer, OnError
    from rowferry.row_factories import RowFactory
    from rowferry.transforms import Transform


class PlainOptions(TypedDict, total=False):
    """The options that the pipeline takes as users give them."""

    transform: Transform | None
    name: str | None
    ordering_key: str | None
    on_error: OnError | None
    limit: int | None
    budget: Budget
    chunk_size: int


class TransferOptions(PlainOptions, total=False):
    """The options of `post_rows`, which its awaitable twin takes as well."""

    key: str | Sequence[str] | None
    journal: Journal | None
    progress: bool | Observer | None


class QueryOptions(TransferOptions, total=False):
    """The options of `copy_to_api`, which its awaitable twin takes as well."""

    parameters: Sequence[Any] | Mapping[str, Any]
    row_factory: RowFactory[Any]
    incremental: Incremental | None
