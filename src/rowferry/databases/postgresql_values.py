"""Values of PostgreSQL that its drivers do not convert, or should not: infinity, JSON, enums."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rowferry.databases.contract import Unreadable
from rowferry.records import RawJSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.databases.contract import Connection


_BYTEA = 17
_NUMERIC = {1700, 1231}  # and its array
_FLOAT4 = {700, 1021}  # and its array


def best_in_binary(conn: Connection, cursor: Any) -> bool:
    """
    Tell whether psycopg is to read the columns of *cursor* in binary.

    Enums, geometry, money, xml and the like have no loader: in binary they would be bytes, as text
    they are str. A type whose text loader the user replaced is read as text too. And psycopg makes
    a Decimal of text in half the time (0.5 us for 1.0; timestamptz is 0.2 us the other way, others
    are even): so such a column speaks for text, unless there is binary data. So does float4 in any
    case: 0.1 is 0.1 as text, but 0.10000000149011612 in binary.
    """
    types = {column.type_code for column in cursor.description or ()}
    if types & _FLOAT4 or (types & _NUMERIC and _BYTEA not in types):
        return False
    return all(_has_binary(conn, oid) for oid in types)


def _has_binary(conn: Connection, oid: int) -> bool:
    from psycopg import adapters as defaults  # noqa: PLC0415 - imported where used
    from psycopg.pq import Format  # noqa: PLC0415

    known = conn.adapters
    info = known.types.get(oid)
    return all(
        known.get_loader(kind, Format.BINARY) is not None
        and known.get_loader(kind, Format.TEXT) is defaults.get_loader(kind, Format.TEXT)
        for kind in {oid, info.oid if info else oid}  # of an array: itself and its elements
    )


_KINDS: dict[int, type] = {
    **dict.fromkeys((20, 21, 23, 26), int),
    **dict.fromkeys((18, 19, 25, 1042, 1043), str),
    **dict.fromkeys((700, 701), float),
    **dict.fromkeys((1114, 1184), dt.datetime),
    16: bool,
    1700: Decimal,
    1082: dt.date,
    1083: dt.time,
    1186: dt.timedelta,
    2950: UUID,
}
"""What psycopg makes of the types that most columns have, by their oid."""


def kinds_of(conn: Connection, cursor: Any) -> dict[str, type] | None:
    """Give the Python type of each column's cells; None where one of them is not fixed."""
    columns = cursor.description or ()
    plain = all(
        column.type_code in _KINDS and _has_binary(conn, column.type_code) for column in columns
    )
    if not plain or conn.info.encoding == "ascii":  # text of SQL_ASCII comes as bytes
        return None
    return {column.name: _KINDS[column.type_code] for column in columns}


def fetchall_tolerant(cursor: Any) -> list[tuple[Any, ...]]:
    """Give the rows of *cursor*, with `Unreadable` for what psycopg cannot convert."""
    try:
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    except Exception:  # noqa: BLE001 - a loader may raise anything; the result is there still
        return _cell_by_cell(cursor, cursor.pgresult)
    return rows


def load_tolerant(cursor: Any, result: Any, *, tolerant: bool) -> list[tuple[Any, ...]]:
    """Give the rows of *result*, of a statement of *cursor*; *tolerant* as `fetchall_tolerant`."""
    from psycopg.adapt import Transformer  # noqa: PLC0415 - imported where used

    transformer = Transformer(cursor)
    transformer.set_pgresult(result)
    try:
        rows: list[tuple[Any, ...]] = transformer.load_rows(0, result.ntuples, tuple)
    except Exception:
        if not tolerant:
            raise
        return _cell_by_cell(cursor, result)
    return rows


def _cell_by_cell(cursor: Any, result: Any) -> list[tuple[Any, ...]]:
    """Convert *result* again, so that a bad cell spoils only itself."""
    from psycopg.adapt import Transformer  # noqa: PLC0415 - imported where used

    transformer = Transformer(cursor)
    loads = [
        transformer.get_loader(result.ftype(column), result.fformat(column)).load
        for column in range(result.nfields)
    ]
    return [
        tuple(_cell(load, result.get_value(row, column)) for column, load in enumerate(loads))
        for row in range(result.ntuples)
    ]


def _cell(load: Callable[[bytes], Any], data: bytes | None) -> Any:
    if data is None:
        return None
    try:
        return load(data)
    except Exception as error:  # noqa: BLE001 - a loader may raise anything
        return Unreadable(_text_of(bytes(data)), str(error))


_INFINITIES = {
    b"\x7f\xff\xff\xff": "infinity",
    b"\x80\x00\x00\x00": "-infinity",
    b"\x7f" + b"\xff" * 7: "infinity",
    b"\x80" + b"\x00" * 7: "-infinity",
}
"""Dates and timestamps in binary that are no point in time."""


def _text_of(data: bytes) -> str:
    if data in _INFINITIES:
        return _INFINITIES[data]
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"0x{data.hex()}"
    return text if text.isprintable() else f"0x{data.hex()}"


@lru_cache(maxsize=8)
def raw_json_loaders(encoding: str) -> tuple[tuple[str, type], ...]:
    """Give loaders of json and jsonb, as text and in binary, that parse nothing."""
    from psycopg.adapt import Loader  # noqa: PLC0415 - imported where used
    from psycopg.pq import Format  # noqa: PLC0415

    def raw(data: bytes) -> RawJSON:
        return RawJSON(data if encoding == "utf-8" else data.decode(encoding))

    class Text(Loader):
        def load(self, data: Any) -> RawJSON:
            return raw(bytes(data))

    class Binary(Text):
        format = Format.BINARY

    class BinaryWithVersion(Text):
        format = Format.BINARY

        def load(self, data: Any) -> RawJSON:
            return raw(bytes(data[1:]))  # one byte of version comes first

    return (("json", Text), ("jsonb", Text), ("json", Binary), ("jsonb", BinaryWithVersion))


def json_dumpers(conn: Connection) -> list[tuple[type, type]]:
    """Give dumpers for what json columns gave when they were read, unless the user has some."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - imported where used
    from psycopg.adapt import PyFormat  # noqa: PLC0415

    ours: list[tuple[type, type]] = []
    for kind, dumper in _all_json_dumpers():
        try:
            conn.adapters.get_dumper(kind, PyFormat.AUTO)
        except ProgrammingError:
            ours.append((kind, dumper))
    return ours


@lru_cache(maxsize=1)
def _all_json_dumpers() -> tuple[tuple[type, type], ...]:
    from psycopg.adapt import Dumper  # noqa: PLC0415 - imported where used
    from psycopg.postgres import types  # noqa: PLC0415
    from psycopg.types.json import JsonDumper  # noqa: PLC0415

    class RawJSONDumper(Dumper):
        oid = types["json"].oid  # PostgreSQL makes jsonb or text of it where a column is that

        def dump(self, obj: RawJSON) -> bytes:
            encoding = self.connection.info.encoding if self.connection else "utf-8"
            if encoding in {"utf-8", "ascii"}:  # the latter is any, as psycopg has it
                return obj.text if isinstance(obj.text, bytes) else obj.text.encode()
            text = obj.text.decode() if isinstance(obj.text, bytes) else obj.text
            return text.encode(encoding)

    return ((dict, JsonDumper), (RawJSON, RawJSONDumper))


@lru_cache(maxsize=1)
def psycopg2_raw_json() -> tuple[Any, ...]:
    """Give types for json and jsonb that parse nothing."""
    from psycopg2.extensions import new_type  # noqa: PLC0415 - imported where used

    def raw(value: str | None, _: Any) -> RawJSON | None:
        return None if value is None else RawJSON(value)

    return (new_type((114, 3802), "ROWFERRY_JSON", raw),)  # oids of json and jsonb


@lru_cache(maxsize=1)
def psycopg2_tolerant() -> tuple[Any, ...]:
    """Give psycopg2's own types of date and time, with `Unreadable` for what they cannot read."""
    from psycopg2.extensions import new_type, string_types  # noqa: PLC0415 - imported where used

    def tolerant(oid: int) -> Any:
        default = string_types[oid]

        def read(value: str | None, cursor: Any) -> Any:
            if value in {"infinity", "-infinity"}:
                # psycopg2 makes the last or first day of the calendar of it, which it is not.
                return Unreadable(str(value), "no point in time")
            try:
                return default(value, cursor)
            except Exception as error:  # noqa: BLE001 - whatever it raises, the cell is unreadable
                return Unreadable(str(value), str(error))

        return new_type((oid,), f"ROWFERRY_{oid}", read)

    return tuple(map(tolerant, (1082, 1083, 1114, 1184, 1266, 1186)))


@lru_cache(maxsize=1)
def psycopg2_adapt_raw_json() -> None:
    """Tell psycopg2 how to write RawJSON, which is a type of ours only; once a process."""
    from psycopg2.extensions import QuotedString, register_adapter  # noqa: PLC0415

    def quoted(value: RawJSON) -> Any:
        text = value.text
        return QuotedString(text.decode() if isinstance(text, bytes) else text)

    register_adapter(RawJSON, quoted)


def psycopg2_json(value: Any) -> Any:
    """Give what psycopg2 writes as JSON."""
    from psycopg2.extras import Json  # noqa: PLC0415 - imported where used

    return Json(value)


def psycopg2_wrapped(row: Any) -> Any:
    """Wrap the dicts and UUIDs in *row*, which psycopg2 adapts only when told to."""
    from psycopg2.extras import UUID_adapter  # noqa: PLC0415 - imported where used

    def wrapped(value: Any) -> Any:
        if isinstance(value, dict):
            return psycopg2_json(value)
        return UUID_adapter(value) if isinstance(value, UUID) else value

    values = row.values() if isinstance(row, Mapping) else row
    if not any(isinstance(value, dict | UUID) for value in values):
        return row
    if isinstance(row, Mapping):
        return {name: wrapped(value) for name, value in row.items()}
    return [wrapped(value) for value in row]
