"""
SQL values to JSON text, a chunk at a time, by fixed rules.

msgspec would write some values that JSON does not have without a word: NaN as null, bytes as
base64, a Decimal NaN as it is, two keys of one spelling twice. These are refused here. So that
this costs nothing a row, a chunk is first asked only for the set of types that it holds.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import uuid
from collections.abc import Callable, Mapping
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from rowferry.records import RawJSON
from rowferry.written_rows import WrittenRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class UnencodableError(ValueError):
    """A value that cannot be sent as it is; the message names the column and the remedy."""

    reason = "unsendable"
    """See `RejectedError`."""


class TooLargeError(UnencodableError):
    """A value whose text takes more bytes than may be in memory at once."""

    reason = "too_large"


_PLAIN = frozenset(
    {
        *(str, int, bool, type(None), uuid.UUID, RawJSON),
        *(dt.datetime, dt.date, dt.time, dt.timedelta),
    }
)
"""Types whose values are right in JSON as msgspec writes them, or raise."""

_FINITE = frozenset({float, decimal.Decimal})
"""Types of which some values are not in JSON; these show in the bytes that msgspec writes."""

_LAST_ODD_YEAR = 1972
_MINUTE = dt.timedelta(minutes=1)

_ZONED = frozenset({dt.datetime, dt.time})
_CHECKED = _FINITE | {dt.datetime}
_BINARY = (bytes, bytearray, memoryview)
_SEQUENCES = (list, tuple, set, frozenset)


def _hook(value: object) -> object:
    if isinstance(value, RawJSON):
        return msgspec.Raw(_one_line(value.text))
    raise TypeError(type(value).__name__)


def _one_line(text: str | bytes) -> bytes:
    """Give JSON text as bytes without line breaks: between tokens they are only white space."""
    raw = text.encode() if isinstance(text, str) else text
    if b"\n" in raw or b"\r" in raw:
        raw = raw.replace(b"\r", b" ").replace(b"\n", b" ")
    if not raw or raw.isspace():
        raise UnencodableError("RawJSON without any JSON in it")
    return raw


plain_text = msgspec.json.Encoder(enc_hook=_hook, decimal_format="number").encode
"""Gives the JSON text of a value of a type that msgspec writes as the rules say."""


def encode_chunk(
    values: Sequence[Any], kinds: Mapping[str, type] | None = None
) -> tuple[list[bytes], dict[int, UnencodableError]]:
    """
    Encode each of *values* as JSON text.

    Args:
        values: mappings, named tuples, sequences or plain values.
        kinds: where every value is a dict with just these names, and its cells are of these types
            or None: so the chunk need not be searched for what JSON cannot hold.

    Returns:
        One text a value, and by index the errors of those that JSON cannot hold (their text is
        empty).
    """
    if isinstance(values, WrittenRows) and (texts := values.texts()) is not None:
        return texts, {}
    bodies = _encode_plain(values) if kinds is None else _encode_known(values, kinds)
    if bodies is not None:
        return bodies, {}
    bodies, errors = [], {}
    for index, value in enumerate(values):
        try:
            bodies.append(encode_value(value))
        except UnencodableError as error:
            bodies.append(b"")
            errors[index] = error
    return bodies, errors


def encode_value(value: Any) -> bytes:
    """
    Encode one value as JSON text.

    Raises:
        UnencodableError: JSON cannot hold it.
    """
    try:
        return plain_text(_plain(value, ()))
    except RecursionError as error:
        raise UnencodableError(f"{_deep_column(value)}nested too deep for JSON text") from error


def text_of(value: Any, column: str) -> str:
    """
    Give a cell as the text that it has in JSON, without quotes: for URLs, headers and forms.

    Args:
        column: for the message of an error.

    Raises:
        UnencodableError: it is a list or an object, or JSON cannot hold it.
    """
    text = plain_text(_plain(value, (column,))).strip()
    if text[:1] in b"{[":
        problem = "holds values of its own; give one text or number in a transform"
        raise _error((column,), type(value).__name__, problem)
    if text[:1] != b'"':
        return text.decode()
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.DecodeError as error:
        raise _error((column,), "RawJSON", "holds no JSON") from error


def too_large(
    values: Sequence[Any], bodies: Sequence[bytes], most: int
) -> dict[int, UnencodableError]:
    """Give by index the errors of the *values* whose *bodies* are more than *most* bytes."""
    return {
        index: TooLargeError(
            f"{_largest(value)}{len(body):,} bytes of JSON are more than max_buffer_bytes={most:,}"
        )
        for index, (value, body) in enumerate(zip(values, bodies, strict=True))
        if len(body) > most
    }


def _deep_column(value: Any) -> str:
    """Name the column that is nested too deep."""
    for name, cell in named(value) or ():
        try:
            plain_text(_plain(cell, ()))
        except RecursionError:
            return f"column {name!r}: "
        except UnencodableError:
            continue
    return ""


def _largest(value: Any) -> str:
    """Name the column that takes most of a record."""
    pairs = named(value)
    if pairs is None:
        return ""
    name, _ = max(pairs, key=lambda pair: len(encode_value(pair[1])))
    return f"column {name!r} takes most of it: "


def _encode_plain(values: Sequence[Any]) -> list[bytes] | None:
    """Encode a chunk of flat dicts of harmless types; None where any needs a closer look."""
    try:
        if set(map(type, chain.from_iterable(values))) - {str}:  # the names
            return None
        kinds = set(map(type, chain.from_iterable(map(dict.values, values))))
        if kinds - _PLAIN - _FINITE:
            return None
        if kinds & _ZONED and not _all_zones_even(values):
            return None
        bodies = list(map(plain_text, values))
    except (TypeError, ValueError):
        return None
    return None if _shows_unfinite(bodies, kinds) else bodies


def _all_zones_even(values: Sequence[Any]) -> bool:
    """Tell whether every moment and time of day of a chunk has an offset of whole minutes."""
    cells = [*chain.from_iterable(map(dict.values, values))]
    times = any(type(cell) is dt.time and cell.tzinfo is not None for cell in cells)
    return not times and not odd_offsets(cell for cell in cells if type(cell) is dt.datetime)


def _encode_known(values: Sequence[Any], kinds: Mapping[str, type]) -> list[bytes] | None:
    """Encode dicts with cells of known types; None where any needs a closer look."""
    try:
        for name, kind in kinds.items():
            if kind in _CHECKED:
                cells = [cell for cell in map(itemgetter(name), values) if cell is not None]
                if not _all_right(cells, kind):
                    return None
        return list(map(plain_text, values))
    except (TypeError, ValueError, AttributeError):  # an Unreadable, broken text
        return None


def _all_right(cells: list[Any], kind: type) -> bool:
    """Tell whether msgspec writes all of a column's cells as they are."""
    if kind is dt.datetime:
        return not odd_offsets(cells)
    return all(map(math.isfinite if kind is float else decimal.Decimal.is_finite, cells))


def _shows_unfinite(bodies: list[bytes], kinds: set[type]) -> bool:
    """Tell whether NaN or Infinity may have been written: as null, or as they are."""
    if not kinds & _FINITE:
        return False
    text = b"".join(bodies)
    if decimal.Decimal in kinds and (b"NaN" in text or b"Inf" in text):
        return True
    return float in kinds and b"null" in text


def _plain(value: Any, path: tuple[str, ...]) -> Any:
    """
    Give *value* in types that msgspec writes as the rules say.

    Raises:
        UnencodableError: naming *path*, where JSON cannot hold it.
    """
    kind = type(value)
    check = _CHECKS.get(kind)
    if check:
        return check(value, path)
    if kind in _PLAIN:
        return value
    return _plain_other(value, path)


def _plain_other(value: Any, path: tuple[str, ...]) -> Any:
    """Treat the types that are rarer in rows: containers, records, subclasses, what is refused."""
    cells = named(value)
    if cells is not None:
        pairs = [(_name(name, path), cell) for name, cell in cells]
        plain = {name: _plain(cell, (*path, name)) for name, cell in pairs}
        if len(plain) < len(pairs):
            twice = next(name for name, _ in pairs if [known for known, _ in pairs].count(name) > 1)
            raise _error((*path, twice), "the name", "stands twice; one would hide the other")
        return plain
    if isinstance(value, _BINARY):
        problem = "is binary, which JSON cannot hold; encode it in a transform (base64, hex)"
        raise _error(path, type(value).__name__, problem)
    if isinstance(value, _SEQUENCES):
        return [_plain(item, (*path, str(index))) for index, item in enumerate(value)]
    if isinstance(value, enum.Enum):
        return _plain(value.value, path)
    for base in (str, int, float, decimal.Decimal, dt.datetime, dt.date):
        if isinstance(value, base):
            return _plain(_as_base(base, value), path)
    problem = "is nothing that JSON can hold; turn it into text or numbers in a transform"
    raise _error(path, type(value).__name__, getattr(value, "reason", problem))


def named(value: Any) -> Any:
    """Give the (name, value) pairs of what becomes a JSON object; None for anything else."""
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return zip(value._fields, value, strict=True)
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        tagged = value.__struct_config__
        tag = [(tagged.tag_field, tagged.tag)] if tagged.tag is not None else []
        return [*tag, *((name, getattr(value, field)) for name, field in names)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):  # sqlite3.Row
        return [(name, value[name]) for name in value.keys()]  # noqa: SIM118 (no __iter__ of names)
    return None


def _as_base(base: type, value: Any) -> Any:
    """Give a value of a subclass as its base class has it."""
    if base is dt.datetime:
        return dt.datetime.combine(value.date(), value.timetz())
    if base is dt.date:
        return dt.date(value.year, value.month, value.day)
    return base(value)


def _name(name: Any, path: tuple[str, ...]) -> str:
    if not isinstance(name, str):
        problem = f"has the key {name!r}, which is not text, as names in JSON are"
        raise _error(path, "it", problem)
    return _text(str.__str__(name), (*path, ascii(name)))  # of an enum too, its text


def _finite(value: float | decimal.Decimal, path: tuple[str, ...]) -> float | decimal.Decimal:
    finite = value.is_finite() if isinstance(value, decimal.Decimal) else math.isfinite(value)
    if not finite:
        raise _error(path, str(value), "is no number that JSON has; give None or text instead")
    return value


def _moment(value: dt.datetime | dt.time, _path: tuple[str, ...]) -> dt.datetime | dt.time | str:
    """Give a moment as msgspec may write it: it rounds an offset with seconds to minutes."""
    offset = value.utcoffset()
    return value.isoformat() if offset and offset % _MINUTE else value


def odd_offsets(moments: Iterable[dt.datetime]) -> bool:
    """
    Tell whether a moment may have an offset with seconds.

    Zones with rules had such only in local times of long ago; the last one ended in January 1972.
    """
    zoned = [moment for moment in moments if moment.tzinfo is not None]
    for zone in {moment.tzinfo for moment in zoned}:
        try:
            fixed = zone.utcoffset(None) if zone else None
        except Exception:  # noqa: BLE001 (a zone of users' own may want a moment)
            return True
        if fixed is None:
            if any(moment.year <= _LAST_ODD_YEAR for moment in zoned if moment.tzinfo is zone):
                return True
        elif fixed % _MINUTE:
            return True
    return False


def _text(value: str, path: tuple[str, ...]) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        at = error.start
    else:
        return value
    problem = f"is no valid Unicode (position {at}); repair it in a transform"
    raise _error(path, "the text", problem)  # not from the other: that holds the text


def _integer(value: int, path: tuple[str, ...]) -> int:
    try:
        str(value)
    except ValueError as error:
        problem = "has more than 4,300 digits; give it as text"
        raise _error(path, "the integer", problem) from error
    return value


def _raw(value: RawJSON, path: tuple[str, ...]) -> RawJSON:
    try:
        _one_line(value.text)
    except ValueError as error:
        raise _error(path, "RawJSON", "holds no JSON, or no valid Unicode") from error
    return value


def _error(path: tuple[str, ...], what: str, problem: str) -> UnencodableError:
    where = f"column {'.'.join(path)!r}: " if path else ""
    return UnencodableError(f"{where}{what} {problem}")


_CHECKS: dict[type, Callable[[Any, tuple[str, ...]], Any]] = {
    str: _text,
    int: _integer,
    float: _finite,
    decimal.Decimal: _finite,
    dt.datetime: _moment,
    dt.time: _moment,
    RawJSON: _raw,
}
