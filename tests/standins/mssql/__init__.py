"""
A protocol stand-in for SQL Server: TDS 7.4 on a loopback socket, for the real drivers.

It answers scripted statements; it knows no SQL. Source: [MS-TDS], the protocol's document.

    readings = Table("readings", "code int PRIMARY KEY, taken datetime2(7) NOT NULL")
    statements = {
        "SELECT code, taken FROM readings": readings.select(),
        "INSERT INTO readings (code, taken) VALUES (?, ?)": readings.insert(),
        "SELECT code FROM old WHERE code > ?": lambda code: Result("code int", [(code + 1,)]),
        "SELECT code FROM nope": SQLError(208, "Invalid object name 'nope'."),
        "SELECT code FROM far": Result("code int", [(1,), (2,)], then=Cut()),
    }
    with SQLServer(statements, tables=[readings]) as server:
        conn = mssql_python.connect(server.microsoft())

Not served: encryption, logins other than by name and password, MARS, cursors of the server,
output parameters, table-valued parameters, sql_variant, transactions within transactions,
distributed ones, isolation levels (a reader sees what was committed), catalog views.
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
