"""
Rows from Oracle to an HTTP API, with the real driver.

    python examples/oracle_to_api.py

There is no Oracle here: a stand-in takes its place, which speaks the protocol of one as far as the
driver needs it and knows this one query. With a server of your own, change `ORACLE_DB`.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rowferry as etl
from rowferry.testing import FakeApi

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from standins.oracle import Oracle, Query

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

QUERY = "SELECT code, description FROM bgs.dic_sen_sensor WHERE date_updated > :since"
COLUMNS = ("CODE VARCHAR2(20)", "DESCRIPTION VARCHAR2(100)")
BEGIN = datetime(2024, 1, 1)  # noqa: DTZ001 - a DATE of Oracle has no zone


def dictionary(count: int) -> Query:
    """Give the stand-in's answer to the query: sensors, of which one a minute was updated."""
    updated = [(number, BEGIN + timedelta(minutes=number)) for number in range(1, count + 1)]

    def newer(binds: dict[str, Any]) -> list[tuple[str, str]]:
        return [(f"S{n}", f"sensor {n}") for n, date in updated if date > binds["since"]]

    return Query(COLUMNS, newer)


def transform(chunk: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Shape rows as the API wants them. Oracle writes the names of columns in capital letters."""
    for row in chunk:
        yield {"sample_code": row["CODE"], "description": row["DESCRIPTION"]}


def main() -> int:
    """Deliver the rows; give the exit code."""
    parser = argparse.ArgumentParser(description="rows from Oracle (a stand-in) to an HTTP API")
    parser.add_argument("--rows", type=int, default=20_000)
    rows = parser.parse_args().rows
    os.environ["ORACLE_PASSWORD"] = "tiger"  # of the stand-in; yours is in the environment
    with Oracle({QUERY: dictionary(rows)}) as oracle, FakeApi() as api:
        ORACLE_DB = etl.DbParams(  # noqa: N806 - at the top of your script
            dbtype="ORACLE", host="127.0.0.1", port=oracle.port, dbname="STANDIN", user="scott"
        )
        with ORACLE_DB.connect("ORACLE_PASSWORD") as conn:
            report = etl.copy_to_api(
                QUERY, conn, api.url, parameters={"since": BEGIN}, transform=transform
            )
        print(report)
        print(f"the API has {len(api.records):,} of {rows:,} records")
        return 0 if len(api.records) == rows else 1


if __name__ == "__main__":
    raise SystemExit(main())
