"""
A task for Airflow, Prefect, Kubernetes or systemd.

A scheduler starts a task, stops it with SIGTERM, and starts it again where it failed. It has to
know one thing of each end: whether starting the same again can help. The exit code says it.

| exit code | what the scheduler should do |
| --- | --- |
| 0 | go on |
| 3, with dead letters | go on, and tell somebody: starting it again changes nothing |
| 4, database or API down, a deadline; 6, another run; 143, stopped | start the same again, later |
| 1, 2, 5, 7: a bug, configuration, credentials, the disk | fail at once, and call somebody |

Allow a few retries and not any number: not every driver tells a query that is wrong (2) from one
that the database could not run just now (4).

* **systemd**: `RestartForceExitStatus=4 6`. **Kubernetes**: a `podFailurePolicy` that fails the job
  `onExitCodes` 1, 2, 5 and 7. **Airflow**: raise `AirflowFailException` for what cannot help, any
  other exception to be started again. **Prefect**: a task's `retry_condition_fn`.
* **SIGTERM** ends a Python process on the spot. rowferry installs no signal handler; with the one
  below a SIGTERM is a Ctrl-C: nothing more is read or sent, and what is in flight may finish for
  `grace` seconds, fewer than the scheduler waits before it kills (30 in Kubernetes). Killed without
  a word, the task goes on as well; then what was in flight may arrive twice, and is counted.
* **The journal** lies where the next start finds it: on a persistent volume of block storage, not
  in the container, and not on a file system of a network.
* **`deadline`** ends the task before the scheduler's own time limit does.

Where a scheduler calls functions on a thread of its own, leave the handler out: only the main
thread may set one.
"""

import signal
import sys
from pathlib import Path

import rowferry as etl

START_AGAIN = {4, 6, 128 + signal.SIGTERM}
"""Exit codes after which the same task, started later, may come further."""


def task(database: str, api: str | etl.Api, journal: Path) -> int:
    """Send the orders, from where the last start ended; give the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report = etl.copy_to_api(
            "SELECT * FROM orders",
            database,
            api,
            key="id",
            journal=etl.Journal(journal),
            budget=etl.Budget(deadline=3600, grace=20),
        )
    except KeyboardInterrupt:
        return 128 + signal.SIGTERM
    except etl.exceptions.RowferryError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(report)
    return report.exit_code


# Below is a run of it: a database, an API, and what arrived.

import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import closing

from rowferry.testing import Answer, FakeApi

ORDERS = 2_000


def scheduler(arguments: list[str], api: FakeApi) -> None:
    """Start the task, stop it in the middle, and start it again as long as that can help."""
    code = stopped_in_the_middle(arguments, api)
    print("Stopped; exit code", code)
    while code in START_AGAIN:
        code = start(arguments).wait()
        print("Started again; exit code", code)


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start the task in a process of its own."""
    return subprocess.Popen([sys.executable, __file__, *arguments])


def stopped_in_the_middle(arguments: list[str], api: FakeApi) -> int:
    """Start the task, and stop it once half of the orders have come."""
    running = start(arguments)
    while len(api.received) < ORDERS // 2:
        time.sleep(0.01)
    running.terminate()
    return running.wait()


def main() -> None:
    """Be the scheduler of a task with an API that takes its time."""
    with tempfile.TemporaryDirectory() as folder, FakeApi(Answer(delay=0.01)) as api:
        database = Path(folder) / "orders.db"
        with closing(sqlite3.connect(database)) as conn:
            rows = ({"id": number, "amount": number % 100} for number in range(ORDERS))
            etl.load("orders", conn, rows, create=True, key="id")
        scheduler([f"sqlite:///{database}", api.url, f"{folder}/orders.journal"], api)
        sent = Counter(record["id"] for record in api.records)
        print(f"{len(sent):,} orders at the API, {sent.total() - len(sent)} of them twice")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(task(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
    main()
