"""The rows of a file: CSV with a line of names, or JSON lines."""

from __future__ import annotations

import csv
import sys
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from rowferry.exceptions import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from rowferry.records import Row

FORMATS = ("csv", "jsonl")

_LARGEST_FIELD = 2**31 - 1


def rows_of_file(file: str | Path, file_format: str, *, null: str | None = None) -> Generator[Row]:
    """
    Give the rows of a file, one by one, as dicts.

    Args:
        file: its name; `-` is the standard input.
        file_format: "csv", whose values are all text, or "jsonl", one object a line, whose numbers
            keep their digits.
        null: the text that stands for None in a file of CSV; None: no text does.

    Raises:
        SourceError: the file cannot be read, or a line is not what it should be.
    """
    name = "the standard input" if str(file) == "-" else str(file)
    try:
        with _opened(file) as lines:
            yield from _csv(lines, null) if file_format == "csv" else _json_lines(lines)
    except _LineError as error:
        raise SourceError(f"{name}, line {error.number}: {error}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{name} is not UTF-8: {error.reason}") from error
    except OSError as error:
        raise SourceError(f"cannot read {name}: {error.strerror}") from error


class _LineError(Exception):
    """A line that is not what it should be; with its number, from 1."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


@contextmanager
def _opened(file: str | Path) -> Iterator[TextIO]:
    if str(file) == "-":
        sys.stdin.reconfigure(encoding="utf-8-sig", newline="")  # type: ignore[union-attr]
        yield sys.stdin
        return
    with Path(file).open(encoding="utf-8-sig", newline="") as opened:
        yield opened


def _csv(lines: Iterable[str], null: str | None) -> Iterator[Row]:
    csv.field_size_limit(_LARGEST_FIELD)
    reader = csv.reader(lines, strict=True)
    try:
        names = next(reader, [])
        if len(set(names)) < len(names) or not all(names):
            raise _LineError(
                1, f"the names of columns must be there, and differ: {', '.join(names)}"
            )
        for cells in reader:
            if len(cells) != len(names):
                if not cells:
                    continue  # an empty line
                raise _LineError(
                    reader.line_num, f"there are {len(cells)} values for {len(names)} columns"
                )
            if null is None:
                yield dict(zip(names, cells, strict=True))
            else:
                yield {
                    name: None if cell == null else cell
                    for name, cell in zip(names, cells, strict=True)
                }
    except csv.Error as error:
        raise _LineError(reader.line_num, str(error)) from error


def _json_lines(lines: Iterable[str]) -> Iterator[Row]:
    decode: Callable[[str], Any] = msgspec.json.Decoder(float_hook=Decimal).decode
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = decode(line)
        except msgspec.DecodeError as error:
            raise _LineError(number, f"no JSON: {error}") from error
        if not isinstance(row, dict):
            raise _LineError(number, f"expected an object, not {line.strip()[:40]}")
        yield row
