"""rowferry from Oracle: the real driver, against the protocol stand-in of the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import oracledb
from measure import job, measure
from ours import api

import rowferry as etl

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from standins.oracle import readings

if __name__ == "__main__":
    this = job()
    with (
        readings.process(this.rows) as dsn,
        oracledb.connect(user="scott", password="tiger", dsn=dsn) as conn,
    ):
        etl.post_rows([], api(this))  # as in ours.py: what is imported then
        measure(lambda: etl.copy_to_api(readings.SELECT, conn, api(this)).delivered)
