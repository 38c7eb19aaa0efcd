"""
What an exception of SQL Server's drivers is about.

pyodbc tells the SQLSTATE, and the number within its text; mssql-python tells neither, but has fixed
words for each SQLSTATE.
"""

from __future__ import annotations

import re

_STATES = {
    "Communication link failure": "08S01",
    "Connection not open": "08003",
    "Connection failure during transaction": "08007",
    "Client unable to establish connection": "08001",
    "Serialization failure": "40001",
    "Timeout expired": "HYT00",
}
"""mssql-python's words for what matters here."""

_GONE = {"08S01", "08001", "08003", "08007"}
_GOES_ON = {"40001", "HYT00"}  # a deadlock's victim; a query that took longer than it may

_DEADLOCK = 1205  # FreeTDS has no SQLSTATE of its own for it
_NUMBER = re.compile(r"\((-?\d+)\) \(SQL\w+\)")

_LAST_WORDS = ("SHUTDOWN is in progress", "session is in the kill state")

_ENDED = (
    "the error before it has ended the whole transaction, as a deadlock does, and most errors "
    "under SET XACT_ABORT ON: nothing of it is left"
)
_RESULT_ENDED = (
    "a commit or rollback ends the result that is read on its connection: write on another one"
)
_BUSY = (
    "a connection has one open result at a time: read it to its end or close its cursor first, or "
    "use another connection"
)
_ADVICE = {
    "The ORDER BY clause is invalid": (
        "key= puts the query into FROM (…), where T-SQL takes no ORDER BY: leave it out, as the "
        "rows come in the order of the key"
    ),
    "syntax near the keyword 'WITH'": (
        "key= puts the query into FROM (…), where T-SQL takes no WITH: write its parts as "
        "subqueries, or make a view of it"
    ),
    "no corresponding BEGIN TRANSACTION": _ENDED,
    "No transaction or savepoint of that name": _ENDED,
    "cannot be committed and cannot be rolled back to a savepoint": _ENDED,
    "is busy with results": _BUSY,
    "[FreeTDS][SQL Server]Invalid cursor state": _BUSY,
    "Function sequence error": _RESULT_ENDED,
    "Associated statement is not prepared": _RESULT_ENDED,
    "ODBC SQL type -150": "it is sql_variant: CAST the column to the type that it holds",
}
"""The drivers' and the server's words, and what to do."""


def state(error: BaseException) -> str:
    """Give the SQLSTATE; an empty text where it cannot be told."""
    words = getattr(error, "driver_error", None)
    if words is not None:
        return _STATES.get(words, "")
    first = error.args[0] if error.args else None
    return first if isinstance(first, str) and len(first) == 5 else ""  # noqa: PLR2004 - of every SQLSTATE


def number(error: BaseException) -> int | None:
    """Give the server's number of an error; None where the driver does not tell."""
    found = _NUMBER.search(str(error))
    return int(found[1]) if found else None


def is_gone(error: BaseException) -> bool:
    """Tell whether the connection has broken; FreeTDS calls that an unknown error."""
    return state(error) in _GONE or "[FreeTDS][SQL Server]Unknown error" in str(error)


def goes_on(error: BaseException) -> bool:
    """Tell whether the same query may well be read over another connection."""
    if is_gone(error) or state(error) in _GOES_ON or number(error) == _DEADLOCK:
        return True
    return any(words in str(error) for words in _LAST_WORDS)


def advice(error: BaseException) -> str:
    """Say what to do about *error*; mostly an empty text."""
    words = str(error)
    return next((advice for sign, advice in _ADVICE.items() if sign in words), "")
