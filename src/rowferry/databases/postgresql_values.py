"""Values of PostgreSQL that its drivers do not convert, or should not: infinity, JSON, enums."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rowferry.databases.contract import ADDRESSES, Unreadable
from rowferry.databases.postgresql_times import TIME, TIMETZ, text_of
from rowferry.records import RawJSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.databases.contract import Connection


_BYTEA = 17
_UNKNOWN = 705
_BETTER_AS_TEXT = {1700, 1231}  # numeric and its array
_RIGHT_AS_TEXT = {700, 1021}  # float4 and its array


def best_in_binary(conn: Connection, cursor: Any, as_text: frozenset[int]) -> bool:
    """
    Tell whether psycopg is to read the columns of *cursor* in binary.

    Enums, geometry, money, xml and the like have no loader: in binary they would be bytes, as text
    they are str. A type whose text loader the user replaced is read as text too. float4 0.1 is 0.1
    as text, but 0.10000000149011612 in binary. And psycopg makes a Decimal of text in half the time
    (0.5 us for 1.0; timestamptz is 0.2 us the other way, others are even): so a numeric column
    speaks for text, unless there is binary data.

    Args:
        as_text: types that are wanted as text.
    """
    types = {column.type_code for column in cursor.description or ()}
    if types & (_RIGHT_AS_TEXT | as_text) or (types & _BETTER_AS_TEXT and _BYTEA not in types):
        return False
    return all(_has_binary(conn, oid) for oid in types)


def _has_binary(conn: Connection, oid: int) -> bool:
    from psycopg import adapters as defaults
    from psycopg.pq import Format

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
    from psycopg.adapt import Transformer

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
    from psycopg.adapt import Transformer

    transformer = Transformer(cursor)
    types = [(result.ftype(column), result.fformat(column)) for column in range(result.nfields)]
    columns = [(transformer.get_loader(*type_).load, *type_) for type_ in types]
    return [
        tuple(_cell(result.get_value(row, place), *column) for place, column in enumerate(columns))
        for row in range(result.ntuples)
    ]


def _cell(data: bytes | None, load: Callable[[bytes], Any], oid: int, binary: bool) -> Any:
    if data is None:
        return None
    try:
        return load(data)
    except Exception as error:  # noqa: BLE001 - a loader may raise anything
        return _unreadable(bytes(data), oid if binary else None, str(error))


def _unreadable(data: bytes, oid: int | None, reason: str) -> Unreadable:
    """Stand in for *data*, which is of the type *oid* in binary, or text."""
    text = None if oid is None else text_of(oid, data)
    if text is None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = ""
        if oid is not None or not text:
            return Unreadable(text if text.isprintable() and text else f"0x{data.hex()}", reason)
    return Unreadable(text, reason, "PG")


@lru_cache(maxsize=1)
def unknown_loaders() -> tuple[tuple[int, type], ...]:
    """Give the loader of a literal in a record, `row(1, 'a')`, which is no bytes but text."""
    from psycopg.types.string import TextBinaryLoader

    return ((_UNKNOWN, TextBinaryLoader),)


@lru_cache(maxsize=8)
def raw_json_loaders(encoding: str) -> tuple[tuple[str, type], ...]:
    """Give loaders of json and jsonb, as text and in binary, that parse nothing."""
    from psycopg.adapt import Loader
    from psycopg.pq import Format

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


def own_dumpers(conn: Connection) -> list[tuple[type, type]]:
    """Give dumpers for what columns gave when they were read, unless the user has some."""
    from psycopg import ProgrammingError
    from psycopg.adapt import PyFormat

    ours: list[tuple[type, type]] = []
    for kind, dumper in _all_own_dumpers():
        try:
            conn.adapters.get_dumper(kind, PyFormat.AUTO)
        except ProgrammingError:
            ours.append((kind, dumper))
    return ours


@lru_cache(maxsize=1)
def _all_own_dumpers() -> tuple[tuple[type, type], ...]:
    from psycopg.adapt import Dumper
    from psycopg.postgres import types
    from psycopg.types.json import JsonDumper

    class RawJSONDumper(Dumper):
        oid = types["json"].oid  # PostgreSQL makes jsonb or text of it where a column is that

        def dump(self, obj: RawJSON) -> bytes:
            encoding = self.connection.info.encoding if self.connection else "utf-8"
            if encoding in {"utf-8", "ascii"}:  # the latter is any, as psycopg has it
                return obj.text if isinstance(obj.text, bytes) else obj.text.encode()
            text = obj.text.decode() if isinstance(obj.text, bytes) else obj.text
            return text.encode(encoding)

    class UnreadableDumper(Dumper):  # of the type that its place has
        def dump(self, obj: Unreadable) -> bytes:
            return obj.text_for("PG").encode()

    return ((dict, JsonDumper), (RawJSON, RawJSONDumper), (Unreadable, UnreadableDumper))


@lru_cache(maxsize=1)
def psycopg2_raw_json() -> tuple[Any, ...]:
    """Give types for json and jsonb that parse nothing."""
    from psycopg2.extensions import new_type

    def raw(value: str | None, _: Any) -> RawJSON | None:
        return None if value is None else RawJSON(value)

    return (new_type((114, 3802), "ROWFERRY_JSON", raw),)  # oids of json and jsonb


@lru_cache(maxsize=1)
def psycopg2_tolerant() -> tuple[Any, ...]:
    """Give psycopg2's own types of date and time, with `Unreadable` for what they cannot read."""
    from psycopg2.extensions import new_type, string_types

    def tolerant(oid: int) -> Any:
        default = string_types[oid]

        def read(value: str | None, cursor: Any) -> Any:
            past = oid in {TIME, TIMETZ} and value is not None and value.startswith("24:")
            if past or value in {"infinity", "-infinity"}:
                # psycopg2 makes 00:00 of it, or the last or first day of the calendar.
                return Unreadable(str(value), "Python has no such time", "PG")
            try:
                return default(value, cursor)
            except Exception as error:  # noqa: BLE001 - whatever it raises, the cell is unreadable
                return Unreadable(str(value), str(error), "PG")

        return new_type((oid,), f"ROWFERRY_{oid}", read)

    return tuple(map(tolerant, (1082, 1083, 1114, 1184, 1266, 1186)))


@lru_cache(maxsize=1)
def psycopg2_adapt_raw_json() -> None:
    """Tell psycopg2 how to write RawJSON, which is a type of ours only; once a process."""
    from psycopg2.extensions import QuotedString, register_adapter

    def quoted(value: RawJSON) -> Any:
        text = value.text
        return QuotedString(text.decode() if isinstance(text, bytes) else text)

    register_adapter(RawJSON, quoted)


_WRAPPED = (dict, UUID, Unreadable, *ADDRESSES)


def psycopg2_json(value: Any) -> Any:
    """Give what psycopg2 writes as JSON."""
    from psycopg2.extras import Json

    return Json(value)


def psycopg2_wrapped(row: Any) -> Any:
    """Wrap the values in *row* that psycopg2 adapts only when told to."""
    from psycopg2.extras import UUID_adapter

    def wrapped(value: Any) -> Any:
        if isinstance(value, dict):
            return psycopg2_json(value)
        if isinstance(value, UUID):
            return UUID_adapter(value)
        if isinstance(value, Unreadable):
            return value.text_for("PG")
        return str(value) if isinstance(value, ADDRESSES) else value

    values = row.values() if isinstance(row, Mapping) else row
    if not any(isinstance(value, _WRAPPED) for value in values):
        return row
    if isinstance(row, Mapping):
        return {name: wrapped(value) for name, value in row.items()}
    return [wrapped(value) for value in row]
