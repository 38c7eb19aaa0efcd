r"""
A file of CSV or JSON lines to an API.

A file of CSV is all text: a function makes numbers and dates of it, and raises where it cannot.
With `per_row` and a journal that makes a [dead letter](dead-letters.md) of that line alone, and the
others go on. The key is the number of the line, so that a dead letter says where to look, with a
checksum of it. The journal lies beside the file: the same call goes on where it was cut short.

What goes wrong with files:

* **A cell that is no number or date**, a line with too many or too few cells, a line that is no
  JSON: a dead letter with the reason and the text, and exit code 3.
* **A quote that is never closed** would swallow all lines after it: `strict=True` ends the run with
  an error instead.
* **A file that was changed** since a run of it was cut short: the keys of the lines that were
  passed are compared, and where one differs nothing is sent. Without the checksum a line that was
  put in between would go unnoticed, and the last one of those that were passed go twice.
* **A file that was corrected** after a run came to its end is sent as a whole, also what arrived
  the first time. So put the lines that were dead, corrected, into a file of their own.
* **Numbers**: `Decimal` keeps the digits that a float would change.
* **Semicolons**: `csv.DictReader(file, delimiter=";", strict=True)`. The command reads commas only.

On the command line, with the same function of `csv_to_api.py` in this folder. It is imported, so
what a program does when it is run belongs below `if __name__ == "__main__":`.

    rowferry copy readings.csv https://api.example/readings --key id \
        --transform csv_to_api:typed --journal readings.journal

There a cell that cannot be converted is a dead letter as well; a line with too many or too few
cells ends the run with the number of the line: correct it, and the same command goes on there. A
file whose texts are fine as they are needs no function: `rowferry copy readings.csv
https://api.example/readings`.
"""

import csv
import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TextIO
from zlib import crc32

import rowferry as etl


def reading(row: dict[str, Any]) -> dict[str, Any]:
    """Make the record of a line."""
    if None in row or None in row.values():  # as DictReader says it
        raise ValueError("too many or too few cells")
    return {
        "id": int(row["id"]),
        "depth": number(row["depth"]) if row["depth"] else None,
        "taken": dt.date.fromisoformat(row["taken"]),
    }


def number(text: str) -> Decimal:
    """Give the number that a text is, in words that help where it is none."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is no number") from None


typed = etl.per_row(reading)


def csv_rows(file: TextIO) -> Iterator[dict[str, Any]]:
    """Give the rows of a file of CSV, with their numbers and checksums."""
    reader = csv.DictReader(file, strict=True)
    for row in reader:
        yield {"line": reader.line_num, "check": crc32(str(row).encode()), **row}


def json_rows(file: TextIO) -> Iterator[dict[str, Any]]:
    """Give the lines of a file of JSON lines, unread, with their numbers and checksums."""
    for number, text in enumerate(file, 1):
        yield {"line": number, "check": crc32(text.encode()), "text": text}


def parsed(row: dict[str, Any]) -> dict[str, Any]:
    """Make the record of a line of JSON."""
    record = json.loads(row["text"], parse_float=Decimal)
    if not isinstance(record, dict):
        raise TypeError("no object")
    return record


def send_file(path: Path, api: str | etl.Api) -> etl.Report:
    """Send a file of CSV or JSON lines, a record a line."""
    is_csv = path.suffix == ".csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        return etl.post_rows(
            csv_rows(file) if is_csv else json_rows(file),
            api,
            transform=typed if is_csv else etl.per_row(parsed),
            key=("line", "check"),
            journal=etl.Journal(path.with_suffix(".journal")),
        )


# Below is a run of it: a database, an API, and what arrived.

import tempfile

from rowferry.testing import FakeApi

FILES = {
    "readings.csv": """\
id,depth,taken
1,12.50,2026-03-01
2,,2026-03-01
3,deep,2026-03-02
4,7.25
""",
    "more.jsonl": """\
{"id": 5, "depth": 3.10}
{"id": 6, "depth":
""",
}


def main() -> None:
    """Send two files, each with bad lines, and show what was kept."""
    with tempfile.TemporaryDirectory() as folder, FakeApi() as api:
        for name, text in FILES.items():
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8")
            print(f"{name}: {send_file(path, api.url)}")
            for letter in etl.dead_letters(path.with_suffix(".journal")):
                line, _, _ = letter["key"].partition("/")
                print(f"  line {line}: {letter['message']}: {letter['row']}")
        for request in api.received:
            print(request.body.decode())


if __name__ == "__main__":
    main()
