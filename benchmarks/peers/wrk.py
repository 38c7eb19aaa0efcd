"""The limit of sending: wrk posts one row's body, made beforehand, for some seconds."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import msgspec
import psycopg
from measure import COLUMNS, Job, children_cpu, job, tell
from psycopg.rows import dict_row

SCRIPT = Path(__file__).with_name("wrk.lua")


def body(job: Job) -> bytes:
    """Encode a row from the middle of the table."""
    query = f"select {COLUMNS} from item where id = (select max(id) / 2 from item)"
    with psycopg.connect(job.dsn, row_factory=dict_row) as conn:
        row = conn.execute(query).fetchone()
    return msgspec.json.Encoder(decimal_format="number").encode(row)


def run(job: Job) -> dict[str, float]:
    """Run wrk; give what its script tells of the run."""
    wide = ["--threads", "1", "--connections", str(job.in_flight), "--duration", f"{job.seconds}s"]
    done = subprocess.run(
        ["wrk", *wide, "--timeout", "30s", "--script", str(SCRIPT), job.url],
        env={**os.environ, "BODY": body(job).decode()},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    before = children_cpu()
    told = run(job())
    if told["errors"]:
        raise SystemExit(f"wrk met {told['errors']} errors")
    cpu = children_cpu() - before
    tell(rows=told["requests"], seconds=told["microseconds"] / 1e6, cpu=cpu, rss_mib=None)
