"""
What only a live Oracle can tell; collected where `ROWFERRY_ORACLE_URL` is the URL of one.

Nobody has run these yet: no server can be had where rowferry is made.
"""

import datetime as dt
import os
from contextlib import closing
from decimal import Decimal

import pytest

import rowferry as etl
from rowferry.exceptions import SourceError
from rowferry.row_factories import tuple_row_factory as tuples

URL = os.environ.get("ROWFERRY_ORACLE_URL", "")
TABLES = ("rowferry_t", "rowferry_k")


@pytest.fixture
def conn():
    with closing(etl.connect(URL)) as conn:
        for table in TABLES:
            etl.execute(
                f"BEGIN EXECUTE IMMEDIATE 'DROP TABLE {table} PURGE'; "
                "EXCEPTION WHEN OTHERS THEN IF SQLCODE != -942 THEN RAISE; END IF; END;",
                conn,
            )
        yield conn


def rows_of(conn, table="rowferry_t"):
    return etl.fetchall(f"SELECT * FROM {table} ORDER BY 1", conn, (), tuples)


def test_a_time_zone_that_has_a_name_is_refused_and_advice_says_how_to_read_it(conn):
    moment = "TIMESTAMP '2024-07-01 12:00:00 Europe/Paris'"
    with pytest.raises(SourceError, match=r"DPY-3022[\s\S]*SYS_EXTRACT_UTC"):
        etl.fetchall(f"SELECT {moment} AS t FROM dual", conn)
    utc = dt.datetime(2024, 7, 1, 10)  # as the driver gives
    assert etl.fetchone(f"SELECT SYS_EXTRACT_UTC({moment}) AS t FROM dual", conn) == {"T": utc}


def test_a_table_is_made_where_there_is_none_and_each_type_keeps_its_values(conn):
    moment = dt.datetime(2024, 1, 2, 3, 4, 5, 678901)  # as the driver gives
    values = (
        1,
        Decimal("0.10"),
        0.1,
        "é😀",
        b"\x00\xff",
        moment,
        dt.timedelta(1, 2, 3),
        "x" * 50_000,
    )
    row = dict(zip("abcdefgh", values, strict=True))
    for _ in range(2):
        etl.load("rowferry_t", conn, [row], create=True)
    assert rows_of(conn) == [values, values]


def test_merge_skips_and_updates(conn):
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": None}]
    etl.load("rowferry_t", conn, rows, create=True, key="id")
    new = [{"id": 1, "name": "b"}, {"id": 3, "name": "c"}]
    etl.load("rowferry_t", conn, new, on_conflict="skip", key="id")
    assert rows_of(conn) == [(1, "a"), (2, None), (3, "c")]
    etl.load("rowferry_t", conn, new, on_conflict="update", key="id")
    assert rows_of(conn) == [(1, "b"), (2, None), (3, "c")]


def test_a_savepoint_undoes_what_came_after_it_and_nothing_before(conn):
    etl.load("rowferry_t", conn, [{"id": 0}], create=True, key="id")
    rows = [*({"id": number} for number in range(1, 10)), {"id": object()}, {"id": 10}]
    failed = []
    etl.load("rowferry_t", conn, rows, on_error=failed.extend, commit_chunks=False, chunk_size=3)
    assert len(failed) == 1
    assert rows_of(conn) == [(number,) for number in range(11)]


@pytest.mark.parametrize("comparison", ["BINARY", "LINGUISTIC"])
def test_keys_are_read_in_binary_order_whatever_nls_sort_and_nls_comp_say(conn, comparison):
    keys = ["A", "B", "a", "b", "Ä", "ä", "ß"]
    etl.load("rowferry_k", conn, [{"k": key} for key in keys], create=True, key="k")
    etl.execute("ALTER SESSION SET NLS_SORT = GERMAN_CI", conn)
    etl.execute(f"ALTER SESSION SET NLS_COMP = {comparison}", conn)
    query = "SELECT k FROM rowferry_k"
    read = [key for (key,) in etl.iter_rows(query, conn, (), tuples, chunk_size=1, key="K")]
    assert read == sorted(keys, key=str.encode)


def test_decimal_commas_of_the_session_change_no_number(conn):
    etl.execute("ALTER SESSION SET NLS_NUMERIC_CHARACTERS = ',.'", conn)
    rows = [{"id": 1, "amount": Decimal("1234.5")}, {"id": 2, "amount": Decimal("0.001")}]
    etl.load("rowferry_t", conn, rows, create=True)
    assert rows_of(conn) == [(1, Decimal("1234.5")), (2, Decimal("0.001"))]


def test_table_info_tells_sizes_not_null_and_defaults(conn):
    etl.execute(
        "CREATE TABLE rowferry_t (id NUMBER(10) NOT NULL, name VARCHAR2(40 CHAR) DEFAULT 'x', "
        "amount NUMBER(12,2), wide NUMBER, data RAW(16), made TIMESTAMP(3))",
        conn,
    )
    assert etl.table_info("rowferry_t", conn) == [
        ("ID", "NUMBER(10,0)", True, False),
        ("NAME", "VARCHAR2(40 CHAR)", False, True),
        ("AMOUNT", "NUMBER(12,2)", False, False),
        ("WIDE", "NUMBER", False, False),
        ("DATA", "RAW(16)", False, False),
        ("MADE", "TIMESTAMP(3)", False, False),
    ]
