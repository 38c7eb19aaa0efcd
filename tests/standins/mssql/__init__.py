"""
A protocol stand-in for SQL Server: TDS 7.4 on a loopback socket, for the real drivers.

It answers scripted statements; it knows no SQL. Source: [MS-TDS], the protocol's document.
"""

from .columns import Column, columns
from .process import in_a_process
from .script import Affected, Cut, Pause, Result, SQLError, Statement, query
from .server import SQLServer
from .tables import Table

__all__ = [
    "Affected",
    "Column",
    "Cut",
    "Pause",
    "Result",
    "SQLError",
    "SQLServer",
    "Statement",
    "Table",
    "columns",
    "in_a_process",
    "query",
]
