"""Dead letters as lines of a file, and back from one in which somebody corrected them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from rowferry.exceptions import ConfigError
from rowferry.transforms import per_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rowferry.transforms import Transform

_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode
_in_order = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def line_of(letter: Mapping[str, Any]) -> str:
    """Give a dead letter as a line of JSON; its `record` is what may be corrected."""
    at = letter["at"]
    shown = {**letter, "at": at.isoformat() if isinstance(at, dt.datetime) else at}
    return _in_order(shown).decode()


def corrected(file: Path, letters: Sequence[Mapping[str, Any]]) -> Transform:
    """
    Give the transform that puts the records of *file* in the place of those that are kept.

    Args:
        file: the lines of `line_of`, with other records in them; `null` is not to be sent again.
        letters: all that would be sent again.

    Raises:
        ConfigError: the file cannot be read, or is not of these letters.
    """
    records = _records_in(file)
    missing = [str(letter["number"]) for letter in letters if letter["number"] not in records]
    if missing:
        raise ConfigError(
            f"{file} has no line for the dead letters {', '.join(missing)}; one that is not to be "
            'sent again has "record": null'
        )
    unknown = set(records) - {letter["number"] for letter in letters}
    if unknown:
        numbers = ", ".join(map(str, sorted(unknown)))
        raise ConfigError(f"{file} has lines for {numbers}, which are no open dead letters")
    replaced = {_encode(letter["record"]): records[letter["number"]] for letter in letters}
    if len(replaced) < len(letters):
        _check_same(letters, records)
    return per_row(lambda record: replaced[_encode(record)])


def _check_same(letters: Iterable[Mapping[str, Any]], records: Mapping[int, Any]) -> None:
    """
    Check that letters with the same record are corrected alike: nobody could tell them apart.

    Raises:
        ConfigError: two are not.
    """
    seen: dict[bytes, int] = {}
    for letter in letters:
        number = letter["number"]
        other = seen.setdefault(_encode(letter["record"]), number)
        if records[other] != records[number]:
            raise ConfigError(
                f"the dead letters {other} and {number} hold the same record, and are corrected "
                "in different ways"
            )


def _records_in(file: Path) -> dict[int, Any]:
    found: dict[int, Any] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8") from error
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            letter = _decode(line)
            number, record = letter["number"], letter["record"]
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{file}, line {place}: expected an object with number and record: {error}"
            ) from error
        if number in found:
            raise ConfigError(f"{file}, line {place}: there is a line for {number} already")
        found[number] = record
    return found
