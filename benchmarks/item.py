"""The rows of the benchmarks of databases: the same in every one, and known beforehand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from hashlib import md5
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

COLUMNS = ("id", "code", "description", "price", "updated", "active")
BEGIN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


class Content(NamedTuple):
    """What a table holds: how many rows, and the sum of their checksums, in any order."""

    rows: int
    checksum: int


def rows(count: int, form: str = "rich") -> Iterator[tuple[Any, ...]]:
    """
    Give the rows of the table `item` that `servers.postgresql` makes.

    Args:
        form: "rich" has Decimal and aware datetimes; "naive" has datetimes without a time zone, in
            UTC; "plain" has float and ISO 8601, which SQLite can store.
    """
    for n in range(1, count + 1):
        price, updated = n * 7919 % 1_000_000, BEGIN + n * dt.timedelta(seconds=37)
        yield (
            n,
            f"C{n * 2654435761 % 2**32:08x}",
            f"Sample {md5(b'%d' % n, usedforsecurity=False).hexdigest()}",
            price / 100 if form == "plain" else Decimal(price).scaleb(-2),
            _as(form, updated),
            n % 3 != 0,
        )


def dicts(count: int, form: str) -> list[dict[str, Any]]:
    """Give the rows as dicts."""
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows(count, form)]


def places(count: int, chunk_size: int) -> list[int]:
    """Choose one row in each chunk at random, though never the first; the same at every call."""
    dice = Random(count)
    return [dice.randrange(at + 1, at + chunk_size) for at in range(0, count, chunk_size)]


def spoil(rows: list[dict[str, Any]], chunk_size: int) -> None:
    """Spoil the rows at `places`: by turns a null, and the id of the first row of the chunk."""
    for turn, place in enumerate(places(len(rows), chunk_size)):
        first = rows[place - place % chunk_size]
        rows[place] |= {"id": first["id"]} if turn % 2 else {"code": None}


def content_but(count: int, chunk_size: int) -> Content:
    """Give the content of the rows that are not at `places`."""
    left_out = set(places(count, chunk_size))
    return content(row for at, row in enumerate(rows(count)) if at not in left_out)


def content(of: Iterable[Sequence[Any]]) -> Content:
    """Count rows and sum what is in them; the same for every form of one row."""
    count = total = 0
    for row in of:
        count += 1
        total += crc32(repr(_plain(row)).encode())
    return Content(count, total)


def _as(form: str, moment: dt.datetime) -> Any:
    if form == "plain":
        return moment.isoformat(sep=" ")
    return moment if form == "rich" else moment.replace(tzinfo=None)


def _plain(row: Sequence[Any]) -> tuple[Any, ...]:
    n, code, description, price, updated, active = row
    return n, code, description, f"{price:.2f}", _seconds(updated), int(active)


def _seconds(moment: dt.datetime | str) -> float:
    if isinstance(moment, str):
        moment = dt.datetime.fromisoformat(moment)
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
