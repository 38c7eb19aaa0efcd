"""
An API that allows a hundred requests a minute.

First see whether it takes more than one record a request: a hundred batches of 500 are 50,000 rows
a minute, a hundred single records are a hundred. Then say what it allows: `requests_per_second` is
the limit divided by the seconds, a little less where others use the same account, and `burst` is
how many may follow at once after a pause.

What goes wrong, and needs nothing written:

* **It says 429 with `Retry-After`**: nothing is sent until then, and then what was refused goes
  again. A 429 counts against no record; no row is dead for it.
* **It tells what is left**, in `RateLimit-Remaining` and `RateLimit-Reset` or `X-RateLimit-…`: near
  the end of the quota requests are spread over the time that is left, and with none left nothing is
  sent until the reset. These headers also help where you do not know the limit: then leave
  `requests_per_second` out.
* **It says 429 and no more**: a rate is learnt, a little below what it took, and slowly raised
  again.
* **It wants more than ten minutes** (a quota of a day): the run stops with exit code 4. With a
  journal, the next start goes on.

An answer of 429 after each hundred is no mistake, but the polite way is never to meet one: some
APIs lock out who does so too often.
"""

from pathlib import Path

import rowferry as etl


def limited(url: str, requests: int, seconds: float) -> etl.Api:
    """Give an API that takes batches, and so many requests in so many seconds."""
    return etl.Api(
        url,
        body_format="json_array",
        batch_size=50,
        limits=etl.Limits(requests_per_second=0.95 * requests / seconds, max_in_flight=4),
    )


def send_readings(database: str, api: str | etl.Api, journal: Path) -> etl.Report:
    """Send the readings as fast as the API allows."""
    return etl.copy_to_api(
        "SELECT id, depth FROM reading", database, api, key="id", journal=etl.Journal(journal)
    )


# Below is a run of it: a database, an API, and what arrived.

import sqlite3
import tempfile
import time
from contextlib import closing

from rowferry.testing import Answer, FakeApi, Received


class Quota:
    """So many requests in each window of time; the others are told when the next one begins."""

    def __init__(self, requests: int, seconds: float) -> None:
        self.requests, self.seconds = requests, seconds
        self.refused = 0
        self._left, self._ends = 0, 0.0

    def __call__(self, _: Received) -> Answer:
        """Take a request, or say 429 and when to come again."""
        now = time.monotonic()
        if now >= self._ends:
            self._left, self._ends = self.requests, now + self.seconds
        wait = str(int(self._ends - now) + 1)
        if not self._left:
            self.refused += 1
            return Answer(status=429, headers={"Retry-After": wait})
        self._left -= 1
        return Answer(status=200)


def main() -> None:
    """Send to an API of ten requests a second, without its limit and with it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with closing(sqlite3.connect(folder / "readings.db")) as conn:
            rows = ({"id": number, "depth": number % 7} for number in range(1_000))
            etl.load("reading", conn, rows, create=True, key="id")
        for name, requests in {"as fast as it goes": 1_000, "as fast as it may": 10}.items():
            quota = Quota(10, 1.0)
            with FakeApi(quota) as server:
                api = limited(server.url, requests, 1.0)
                report = send_readings(f"sqlite:///{folder}/readings.db", api, folder / name)
            print(f"{name}: {report.delivered:,} delivered, {report.dead} dead")
            print(f"  {report.requests} requests, of which {quota.refused} were refused")


if __name__ == "__main__":
    main()
