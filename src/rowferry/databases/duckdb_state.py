"""
What a connection of DuckDB is in the middle of: a transaction, a result.

DuckDB says neither, and BEGIN within a transaction is an error that ends it. But a statement that
is only bound, not executed, changes nothing, and `query()`, a table function, takes its text when
it is bound: so the numbers of the query and of the transaction that are open can be had as the name
of a column (0.2 ms).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from rowferry.databases.contract import Connection

_NUMBERS = (
    "SELECT * FROM query('SELECT 1 AS q' || current_query_id() || '_' || current_transaction_id())"
)
_NO_QUERY = 2**64 - 1


class State(NamedTuple):
    """
    What is open on a connection.

    Attributes:
        query: the number of the statement whose rows are still to come; None where there is none.
        transaction: the number of the transaction; where none is open, another one each time.
    """

    query: int | None
    transaction: int


class Stream(NamedTuple):
    """
    Rows of ours that are still to come on a connection.

    Attributes:
        query: the number of their statement.
        in_transaction: whether a transaction was open before; else theirs ends with them.
    """

    query: int
    in_transaction: bool


streams: MutableMapping[Any, Stream] = WeakKeyDictionary()
"""The latest stream of each connection; its query's number tells whether it is still open."""


def look(conn: Connection) -> State:
    """Give what is open on *conn*, and leave it as it is."""
    (name,) = conn.sql(_NUMBERS).columns
    query, transaction = map(int, name.removeprefix("q").split("_"))
    return State(None if query == _NO_QUERY else query, transaction)


def in_transaction(conn: Connection) -> bool:
    """
    Tell whether somebody opened a transaction on *conn* that has not ended.

    A result of the user's that is still open is run to its end, as its statement would be by any
    other statement on the connection.
    """
    state = look(conn)
    if state.query is not None:
        stream = streams.get(conn)
        if stream is not None and stream.query == state.query:
            return stream.in_transaction
        conn.complete()
        state = look(conn)
    return look(conn).transaction == state.transaction
