"""
Oracle by the real driver, against a protocol stand-in: never a live server.

The conformance tests run here too, as far as scripted statements go.
"""

import os
import re

import pytest

import oracle_names
import servers
import test_databases
from rowferry import connect as connect_to
from standins.oracle import Change, Done, Insert, Oracle, OracleError, Query, Table
from test_databases import three  # noqa: F401 - a fixture

oracledb = servers.driver("oracledb")

NOT_ON_A_STAND_IN = {
    "test_an_integer_that_is_too_large_is_a_failure_of_its_row": "x",
}
globals().update(
    (name, test)
    for name, test in vars(test_databases).items()
    if name.startswith("test_") and name not in NOT_ON_A_STAND_IN
)


@pytest.fixture
def table():
    columns = ("CODE NUMBER(10) NOT NULL", "DESCRIPTION VARCHAR2(40) NOT NULL", "DEPTH NUMBER")
    return Table(*columns, key=("CODE",), name="SENSORS")


@pytest.fixture
def oracle(table):
    with Oracle(statements(table)) as oracle:
        yield oracle


def statements(sensors):
    return {"SAVEPOINT rowferry": Done()}


@pytest.fixture
def connect(oracle):
    kind = oracle_names.connection_class(oracledb)
    opened = []

    def connect(**options):
        url = f"oracle://scott:tiger@127.0.0.1:{oracle.port}/STANDIN"
        opened.append(connect_to(url, conn_class=kind, **options))
        return opened[-1]

    yield connect
    for conn in opened:
        conn.close()


@pytest.fixture
def conn(connect):
    return connect()


@pytest.fixture
def other(connect):
    return connect()
