"""
rowferry and ETLHelper, which are called alike: one import decides.

Each function makes ready what is not to be timed and gives the work itself, which gives the number
of rows that it did and, where it fetched them, the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import item

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from database_peer import Result, Work

SERIES = """
select n as id, 'C' || lpad(to_hex(n * 2654435761 %% 4294967296), 8, '0') as code,
       'Sample ' || md5(n::text) as description,
       (n * 7919 %% 1000000 / 100.0)::numeric(10, 2) as price,
       timestamptz '2020-01-01 00:00+00' + n * interval '37 seconds' as updated,
       n %% 3 <> 0 as active
from generate_series(1, %s::bigint) as n
"""


def fetch_dicts(etl: ModuleType, work: Work) -> Callable[[], Result]:
    """Fetch all rows as dicts."""

    def timed() -> Result:
        rows = etl.fetchall(f"select * from {work.source}", work.source_conn)
        return len(rows), map(dict.values, rows)

    return timed


def fetch_tuples(etl: ModuleType, work: Work) -> Callable[[], Result]:
    """Fetch all rows as tuples."""
    factory = etl.row_factories.tuple_row_factory

    def timed() -> Result:
        query = f"select * from {work.source}"
        rows = etl.fetchall(query, work.source_conn, row_factory=factory)
        return len(rows), rows

    return timed


def load(etl: ModuleType, work: Work) -> Callable[[], Result]:
    """Load dicts that are there already."""
    rows = item.dicts(work.rows, work.form)
    return lambda: (etl.load(work.target, work.target_conn, rows)[0], None)


def load_clean(etl: ModuleType, work: Work) -> Callable[[], Result]:
    """Load dicts as `load_bad` does, but none of them is bad."""
    rows = item.dicts(work.rows, work.form)
    options = {"on_error": [].extend, "chunk_size": work.chunk_size}
    return lambda: (etl.load(work.target, work.target_conn, rows, **options)[0], None)


def load_bad(etl: ModuleType, work: Work) -> Callable[[], Result]:
    """Load dicts of which one in each chunk is bad; give how many were stored."""
    rows = item.dicts(work.rows, work.form)
    item.spoil(rows, work.chunk_size)
    told: list[Any] = []
    options = {"on_error": told.extend, "chunk_size": work.chunk_size}

    def timed() -> Result:
        processed, failed = etl.load(work.target, work.target_conn, rows, **options)
        if len(told) != failed:
            raise AssertionError(f"{failed} rows failed, but on_error was given {len(told)}")
        return processed - failed, None

    return timed


def copy(etl: ModuleType, work: Work) -> Callable[[], Result]:
    """Copy the table."""
    ends = work.source_conn, work.target_conn
    return lambda: (etl.copy_table_rows(work.source, *ends, target=work.target)[0], None)


def iterate(etl: ModuleType, work: Work) -> Callable[[], Result]:
    """Go through the rows one by one, keeping none."""

    def timed() -> Result:
        count = total = 0
        for row in etl.iter_rows(SERIES, work.source_conn, (work.rows,)):
            count += 1
            total += row["id"]
        if total != work.rows * (work.rows + 1) // 2:
            raise AssertionError(f"the ids of {count:,} rows sum up to {total}")
        return count, None

    return timed
