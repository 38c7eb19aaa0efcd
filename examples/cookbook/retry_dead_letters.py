"""
Look at what the API refused, correct it, send it again.

With a journal a record that the API will not take becomes a [dead letter](dead-letters.md): the run
goes on, and ends with exit code 3. In the morning somebody looks, and mostly finds one reason for
all of them. So count the reasons first, then write a function that corrects a record, and let
`retry_dead_letters` send what it gives. The function is a transform: `per_row` of it takes one
record; it gives the corrected one, or `None` for a record that is not to be sent at all.

What may go wrong:

* A record that is refused again stays a dead letter, with the latest answer: look again, correct
  further.
* Where the correction raises, that record stays dead, and the others are sent.
* The same command twice sends nothing twice: only what is still dead is sent.
* While a run of the transfer is on, the journal is taken: exit code 6.

A corrected record goes under a new idempotency key, since an API that remembers keys would give the
answer of before. Without Python: `rowferry dead-letters list`, `export` into a file, an editor, and
`rowferry retry --corrected`.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import rowferry as etl


def reasons(journal: Path) -> Counter[str]:
    """Count why records are dead, as the API says it."""
    letters = etl.dead_letters(journal)
    return Counter(
        letter["answer"] or letter["message"] for letter in letters if letter["state"] == "dead"
    )


def corrected(record: dict[str, Any]) -> dict[str, Any] | None:
    """Give the record as the API wants it; None where it is not to be sent."""
    if record["unit"] == "test":
        return None
    if record["unit"] == "cm":
        return record | {"depth": record["depth"] / 100, "unit": "m"}
    return record


def send_again(journal: Path, api: str | etl.Api) -> etl.Report:
    """Send what is still dead, corrected."""
    return etl.retry_dead_letters(journal, api, transform=etl.per_row(corrected))


# Below is a run of it: a database, an API, and what arrived.

import tempfile

from rowferry.testing import Answer, FakeApi, Received

ROWS = [
    {"id": 1, "depth": 2, "unit": "m"},
    {"id": 2, "depth": 150, "unit": "cm"},
    {"id": 3, "depth": 175, "unit": "cm"},
    {"id": 4, "depth": 0, "unit": "test"},
    {"id": 5, "depth": 3, "unit": "ft"},
]


def answer(request: Received) -> int | Answer:
    """Take metres only."""
    unit = request.json()["unit"]
    return 201 if unit == "m" else Answer(status=422, body=f"no such unit: {unit}".encode())


def main() -> None:
    """Send rows of which four are refused, and correct them."""
    with tempfile.TemporaryDirectory() as folder, FakeApi(answer) as api:
        journal = Path(folder) / "readings.journal"
        report = etl.post_rows(ROWS, api.url, key="id", journal=etl.Journal(journal))
        print(f"{report}; exit code {report.exit_code}")
        print(dict(reasons(journal)))
        report = send_again(journal, api.url)
        print(f"{report}; exit code {report.exit_code}")
        for letter in etl.dead_letters(journal):
            print(f"  {letter['key']}: {letter['state']}")
        print(dict(reasons(journal)))


if __name__ == "__main__":
    main()
