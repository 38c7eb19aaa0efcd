"""A script to measure and to show with: a table of readings, six columns."""

from datetime import datetime, timedelta
from decimal import Decimal

from .script import Result
from .server import SQLServer
from .tables import Table

READINGS = (
    "id int PRIMARY KEY, big bigint NOT NULL, name nvarchar(40), rate float, "
    "amount decimal(18,2), taken datetime2(7)"
)
SELECT = "SELECT id, big, name, rate, amount, taken FROM readings"
INSERT = "INSERT INTO copies (id, big, name, rate, amount, taken) VALUES (?, ?, ?, ?, ?, ?)"
COLUMNS = "SELECT [id], [big], [name], [rate], [amount], [taken] FROM copies WHERE 1 = 0"
COUNT = "SELECT count(*) FROM copies"
DELETE = "DELETE FROM copies"


def readings(count):
    """Give *count* rows; each seventh has no name."""
    start = datetime(2024, 1, 2, 3, 4, 5, 123456)  # of a type without a zone
    return [
        (
            *(number, number * 10**9, None if number % 7 == 0 else f"näme-{number}"),
            *(number / 3, Decimal(-number) / 100, start + timedelta(seconds=number)),
        )
        for number in range(count)
    ]


def server(count):
    """Make a server of *count* readings, and of an empty table of the same columns."""
    copies = Table("copies", READINGS)
    statements = {
        SELECT: Result(READINGS, readings(count)),
        INSERT: copies.insert(),
        COLUMNS: Result(READINGS),
        COUNT: copies.count(),
        DELETE: copies.delete(),
    }
    return SQLServer(statements, tables=[copies])
