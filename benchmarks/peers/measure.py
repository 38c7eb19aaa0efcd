"""What every peer shares: its options, the rows it reads, and how it is measured."""

from __future__ import annotations

import argparse
import json
import re
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


COLUMNS = "id, code, description, price, updated, active"


@dataclass(frozen=True, slots=True)
class Job:
    """
    What a peer has to do.

    Attributes:
        dsn: URL of the database.
        url: where the rows go.
        rows: how many of the table's; 0 where `seconds` says how much to do.
        seconds: how long to go on, for what has no end of its own.
        batch: rows a request; 1 is a JSON object, more are NDJSON.
        in_flight: requests at a time, at most.
        concurrency: "adaptive", where a peer can; empty means as many as may be in flight.
        key: column for idempotency keys, where a peer can; empty means none.
        ca: file of the authority that verifies the API; empty where it is plain http.
        path: goes behind the URL, with columns in it, where a peer can; a bearer token goes along.
    """

    dsn: str
    url: str
    rows: int
    seconds: int
    batch: int
    in_flight: int
    concurrency: str = ""
    key: str = ""
    ca: str = ""
    path: str = ""

    @property
    def query(self) -> str:
        """
        Select the rows; those with a key may be asked for again, and have to be the same then.

        LIMIT without an order gives others each time: PostgreSQL begins to read a large table where
        it read last.
        """
        which = f"where id <= {self.rows}" if self.key else f"limit {self.rows}"
        return f"select {COLUMNS} from item {which}"

    @property
    def content_type(self) -> str:
        """Give the media type of the bodies."""
        return "application/json" if self.batch == 1 else "application/x-ndjson"


def job() -> Job:
    """Read the job from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--concurrency", default="")
    parser.add_argument("--key", default="")
    parser.add_argument("--ca", default="")
    parser.add_argument("--path", default="")
    return Job(**vars(parser.parse_args()))


def measure(transfer: Callable[[], int]) -> None:
    """Run *transfer*, which gives the rows it did; print what it took."""
    cpu, begun = time.process_time(), time.perf_counter()
    rows = transfer()
    seconds = time.perf_counter() - begun
    tell(rows=rows, seconds=seconds, cpu=time.process_time() - cpu, rss_mib=peak_rss())


def tell(*, rows: int, seconds: float, cpu: float, rss_mib: float | None) -> None:
    """Print the figures as the line of JSON that the benchmark reads."""
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu, "rss_mib": rss_mib}))


def peak_rss() -> float:
    """
    Give this process's peak resident memory in MiB.

    From VmHWM: ru_maxrss keeps the peak of the process that forked this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def children_cpu() -> float:
    """Give the CPU seconds, user and system, of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
