"""Locks that a connection holds until it ends: a run that is killed leaves none behind."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rowferry import transactions
from rowferry.checkpoint_table import fetched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowferry.databases.contract import Connection, Database

_PATIENCE = 5.0
"""Seconds until a server has noticed that a run was killed whose lock it keeps."""

_LOOK_EACH = 0.1
"""Seconds between two looks whether a lock is free."""


@contextmanager
def session_lock(database: Database, conn: Connection, number: int) -> Iterator[bool]:
    """Hold the lock *number* while the block lasts; give False where somebody else does."""
    if database.session_locks is None:
        yield True
        return
    take, give_back = database.session_locks
    deadline = time.monotonic() + _PATIENCE
    while not (ours := _answer(database, conn, take, number)) and time.monotonic() < deadline:
        time.sleep(_LOOK_EACH)
    try:
        yield ours
    finally:
        with transactions.unless_broken(database, conn):
            if ours and not database.is_closed(conn):
                _answer(database, conn, give_back, number)


def _answer(database: Database, conn: Connection, query: str, number: int) -> bool:
    """Ask a question about a lock, in a transaction of its own."""
    transactions.make_way(conn)
    ((answer,),) = fetched(database, conn, query, [number])
    database.commit(conn)
    return bool(answer)
