"""A table of readings, as many as wanted, and a server for it in a process of its own."""

import contextlib
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from .scripts import Done, Query

COLUMNS = (
    "ID NUMBER(10) NOT NULL",
    "NAME VARCHAR2(40)",
    "AMOUNT NUMBER(12,2)",
    "MEASURED DATE",
    "UPDATED TIMESTAMP(6)",
    "RATE BINARY_DOUBLE",
)
SELECT = "SELECT id, name, amount, measured, updated, rate FROM readings"
INSERT = (
    "INSERT INTO readings (id, name, amount, measured, updated, rate) "
    "VALUES (:id, :name, :amount, :measured, :updated, :rate)"
)

_BEGIN = datetime(2024, 1, 2, 3, 4, 5)  # Oracle's DATE has no zone


def readings(count):
    """Give rows; every seventh has no name."""
    for number in range(1, count + 1):
        yield (
            number,
            f"sensor {number} é" if number % 7 else None,
            Decimal(number * (-1 if number % 3 else 1)).scaleb(-2),
            _BEGIN + timedelta(seconds=number),
            _BEGIN + timedelta(microseconds=number * 1001),
            number / 3,
        )


def statements(count):
    """Script SELECT with so many rows, and INSERT, which keeps nothing."""
    return {SELECT: Query(COLUMNS, list(readings(count))), INSERT: Done(count=1)}


@contextlib.contextmanager
def process(count, script="standins.oracle.readings:statements"):
    """
    Run a stand-in in a process of its own; give its dsn.

    Args:
        count: what the function is called with.
        script: module and function that give the statements.
    """
    command = [sys.executable, "-m", "standins.oracle", "--rows", str(count), "--script", script]
    folder = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()
