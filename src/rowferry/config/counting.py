"""How many rows a job will read, where that can be asked for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rowferry.config.work import query_of
from rowferry.exceptions import RowferryError
from rowferry.extract import fetchone
from rowferry.keyset import as_table
from rowferry.row_factories import tuple_row_factory

if TYPE_CHECKING:
    from rowferry.config.job import Job

_log = logging.getLogger("rowferry")


def count_rows(job: Job) -> int | None:
    """
    Give how many rows a job reads; None where only reading them tells.

    A file is not counted, nor a statement that may change something.
    """
    source = job.source
    if source.url is None:
        return None
    try:
        table = as_table(query_of(source))
        statement = f"SELECT count(*) FROM ({table}) counted"  # noqa: S608 (the user's query)
        row = fetchone(statement, source.url, source.parameters, tuple_row_factory)
    except RowferryError as error:
        _log.debug("the rows cannot be counted: %s", error)
        return None
    found = int(row[0]) if row else None
    return found if job.limit is None or found is None else min(found, job.limit)
