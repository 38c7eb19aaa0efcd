"""The databases that rowferry knows: one file a driver, one line each in `DATABASES`."""

from __future__ import annotations

from typing import Any

from rowferry.databases.contract import (
    Column,
    Connection,
    Database,
    OpenRows,
    Reading,
    Unreadable,
)
from rowferry.databases.duckdb import DuckDB
from rowferry.databases.mssql import SQLServer
from rowferry.databases.mssql_pyodbc import Pyodbc
from rowferry.databases.mssql_python import MSSQLPython
from rowferry.databases.mysql import MySQL
from rowferry.databases.mysql_mysqlclient import MySQLdb
from rowferry.databases.mysql_pymysql import PyMySQL
from rowferry.databases.oracle import Oracle
from rowferry.databases.postgresql import Psycopg
from rowferry.databases.postgresql_psycopg2 import Psycopg2
from rowferry.databases.sqlite import SQLite
from rowferry.exceptions import DriverError

DATABASES: tuple[Database, ...] = (
    SQLite(),
    Psycopg(),
    Psycopg2(),
    SQLServer(MSSQLPython()),
    SQLServer(Pyodbc()),
    DuckDB(),
    MySQL(PyMySQL()),
    MySQL(MySQLdb()),
    Oracle(),
)

_WRAPPED_IN = ("dbapi_connection", "driver_connection", "connection")
"""Attributes under which SQLAlchemy's and pools' wrappers keep the driver's connection."""

_MAX_WRAPPERS = 4


def recognise(conn: Any) -> tuple[Database, Connection]:
    """
    Give the database that *conn* is connected to, and the driver's own connection in it.

    Raises:
        DriverError: no driver here has connections of this type.
    """
    inner = conn
    for _ in range(_MAX_WRAPPERS):
        for database in DATABASES:
            if database.owns(inner):
                return database, inner
        inner = next((found for name in _WRAPPED_IN if (found := getattr(inner, name, None))), None)
    kind = f"{type(conn).__module__}.{type(conn).__qualname__}"
    drivers = ", ".join(database.driver for database in DATABASES)
    raise DriverError(f"no driver here has connections of type {kind}; there are: {drivers}")


def database_of_type(dbtype: str, driver: str | None = None) -> Database:
    """
    Give the database called *dbtype*, with *driver* where it has several.

    Raises:
        DriverError: there is none, or not with that driver.
    """
    found = [database for database in DATABASES if database.dbtype == dbtype]
    if not found:
        raise DriverError(f"no database is called {dbtype!r}; there are: {', '.join(dbtypes())}")
    return _with_driver(found, driver)


def database_of_scheme(scheme: str, driver: str | None = None) -> Database:
    """
    Give the database of URLs that begin with *scheme*; `postgresql+psycopg2` names a driver too.

    Raises:
        DriverError: there is none, or not with that driver.
    """
    name, _, named_driver = scheme.partition("+")
    found = [database for database in DATABASES if name in database.schemes]
    if not found:
        known = ", ".join(f"{first}://" for first in _schemes())
        raise DriverError(f"no database has URLs of {scheme}://; there are: {known}")
    return _with_driver(found, driver or named_driver or None)


def dbtypes() -> tuple[str, ...]:
    """Give the names of all types of databases, each once."""
    return tuple(dict.fromkeys(database.dbtype for database in DATABASES))


def _schemes() -> tuple[str, ...]:
    return tuple(dict.fromkeys(scheme for database in DATABASES for scheme in database.schemes))


def _with_driver(found: list[Database], driver: str | None) -> Database:
    if driver is None:
        return found[0]
    for database in found:
        if database.driver.lower() == driver.lower():  # as the scheme of a URL comes
            return database
    drivers = ", ".join(database.driver for database in found)
    raise DriverError(f"{found[0].dbtype} has no driver {driver!r}; there are: {drivers}")


__all__ = [
    "DATABASES",
    "Column",
    "Connection",
    "Database",
    "OpenRows",
    "Reading",
    "Unreadable",
    "database_of_scheme",
    "database_of_type",
    "dbtypes",
    "recognise",
]
