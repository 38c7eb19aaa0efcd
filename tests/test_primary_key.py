"""The columns of a table's primary key, as every database tells them."""

from contextlib import closing

import pytest

import rowferry
from conftest import HERE, PLACES
from rowferry.catalogue import primary_key

REAL = [one.driver for one in HERE if one.dbtype not in {"MSSQL", "ORACLE"}]
"""Drivers whose databases can be had here; SQL Server and Oracle have stand-ins only."""


@pytest.mark.parametrize("driver", REAL)
def test_a_primary_key_is_told_in_its_own_order(driver, request, tmp_path):
    with closing(PLACES[driver](request, tmp_path)()) as conn:
        for statement in (
            "CREATE TABLE two (a INTEGER, b VARCHAR(9), c INTEGER, PRIMARY KEY (c, a))",
            "CREATE TABLE one (a INTEGER, id INTEGER PRIMARY KEY)",
            "CREATE TABLE none (id INTEGER)",
        ):
            rowferry.execute(statement, conn)
        assert primary_key("two", conn) == ("c", "a")
        assert primary_key("one", conn) == ("id",)
        assert primary_key("none", conn) == ()
        assert primary_key("nowhere", conn) == ()


def test_the_schema_tells_which_table_is_meant(psycopg_connection):
    rowferry.execute("CREATE TABLE t (id int PRIMARY KEY)", psycopg_connection)
    rowferry.execute("CREATE SCHEMA other_one", psycopg_connection)
    try:
        rowferry.execute("CREATE TABLE other_one.t (nr int PRIMARY KEY)", psycopg_connection)
        assert primary_key("t", psycopg_connection, "other_one") == ("nr",)
        with pytest.raises(rowferry.exceptions.QueryError, match="several schemas"):
            primary_key("t", psycopg_connection)
    finally:
        rowferry.execute("DROP SCHEMA other_one CASCADE", psycopg_connection)
