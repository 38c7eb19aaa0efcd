"""
A protocol stand-in for an Oracle server, for the real driver python-oracledb in its thin mode.

It speaks TNS and TTC as far as that driver uses them here, and knows scripted statements, not SQL.
It is no Oracle: what is tested with it is tested against a protocol stand-in.
"""

from .scripts import Change, Cut, Done, Insert, Once, OracleError, Pause, Query, Table
from .server import Oracle
from .session import Call
from .values import Wire

__all__ = [
    "Call",
    "Change",
    "Cut",
    "Done",
    "Insert",
    "Once",
    "Oracle",
    "OracleError",
    "Pause",
    "Query",
    "Table",
    "Wire",
]
