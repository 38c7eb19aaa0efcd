"""The requests of a client, read into values."""

import re
from dataclasses import dataclass, field
from typing import Any

from .packets import ClosedError
from .ttc import MAX_STRING, Function, Lob, Message, Option, Reader, UnsupportedError
from .values import BLOB, CLOB, DECODERS

_ARRAY = 0x40
_ROW_COUNTS = 0x4000
_SCROLLABLE = 0x02
_NATIONAL = 2
_PLACEHOLDER = re.compile(r"""'[^']*'|"[^"]*"|--[^\n]*|/\*.*?\*/|:"?(\w+)""", re.DOTALL)
_RETURNING = re.compile(r"\breturning\b.*\binto\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Locator:
    """A LOB that a bind refers to."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BindType:
    """
    What the client says of a bind, or of a column that it wants in another type.

    Attributes:
        is_long: its value comes after the others of the row.
    """

    code: int
    form: int
    is_long: bool

    def decoder(self, reader):
        """Give a function that reads a value of this type; None for NULL."""
        if self.code in {CLOB, BLOB}:
            read, decode = reader.twice_counted, Locator
        elif self.code in DECODERS:
            read, decode = reader.counted, DECODERS[self.code]
        else:
            raise UnsupportedError(f"binds of type {self.code}")
        if self.form == _NATIONAL and decode is not Locator:
            decode = lambda data: data.decode("utf-16-be")
        return lambda: None if (data := read()) is None else decode(data)


@dataclass(slots=True)
class Execute:
    """
    Run a statement.

    Attributes:
        sql: None for a cursor that is known.
        rows: how many rows a query's answer may have.
        binds: one list a row.
        defines: the types that the columns of a query with LOBs are wanted in.
        row_counts: whether each row of binds wants its count.
    """

    function: Function
    cursor: int
    options: Option = field(default_factory=Option)
    sql: str | None = None
    rows: int = 0
    bind_types: list[BindType] | None = None
    binds: list[list[Any]] = field(default_factory=list)
    defines: list[BindType] | None = None
    row_counts: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    function: Function
    cursor: int
    rows: int


@dataclass(frozen=True, slots=True)
class LobCall:
    """An operation on a LOB; offsets count from 1, amounts are characters or bytes."""

    function: Function
    operation: Lob
    locator: bytes
    offset: int
    kind: int
    amount: int | None
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Simple:
    """COMMIT, ROLLBACK, PING or LOGOFF."""

    function: Function


def names_of(sql):
    """Give the names of the placeholders of a statement, in order."""
    return [match[1] for match in _PLACEHOLDER.finditer(sql) if match[1]]


def read_request(reader: Reader, bind_types_of, close):
    """
    Read the next request.

    Args:
        bind_types_of: gives the bind types of a cursor and whether it is a query.
        close: is called with each cursor that the client has done with.
    """
    number, is_piggyback = _read_function(reader)
    while is_piggyback:
        _read_piggyback(number, reader, close)
        number, is_piggyback = _read_function(reader)
    request = _read_body(number, reader, bind_types_of)
    if not reader.is_done:
        raise UnsupportedError(f"what follows {request.function.name}")
    return request


def _read_function(reader):
    """Read up to the number of the next function; give it, and whether it is a piggyback."""
    message = reader.ub1()
    if message not in {Message.FUNCTION, Message.PIGGYBACK}:
        raise UnsupportedError(f"messages of type {message}")
    number = reader.ub1()
    reader.skip("pu")  # sequence number, token
    return number, message == Message.PIGGYBACK


def _read_body(number, reader, bind_types_of):
    if number == Function.EXECUTE:
        return _read_execute(reader)
    if number in {Function.REEXECUTE, Function.REEXECUTE_AND_FETCH}:
        return _read_reexecute(Function(number), reader, bind_types_of)
    if number == Function.FETCH:
        return Fetch(Function.FETCH, reader.ub(), reader.ub())
    if number == Function.LOB_OP:
        return _read_lob_call(reader)
    if number in {Function.COMMIT, Function.ROLLBACK, Function.PING, Function.LOGOFF}:
        return Simple(Function(number))
    raise UnsupportedError(f"function {number}")


def _read_piggyback(number, reader, close):
    if number == Function.CLOSE_CURSORS:
        reader.ub1()
        for _ in range(reader.ub()):
            close(reader.ub())
    elif number == Function.LOB_OP:
        call = _read_lob_call(reader)
        if call.operation != Lob.FREE_TEMP:
            raise UnsupportedError(f"LOB operation {call.operation} on the way")
    elif number == Function.SET_SCHEMA:
        reader.ub1()
        reader.twice_counted()
    elif number == Function.SET_END_TO_END_ATTR:
        _read_end_to_end(reader)
    elif number == Function.PIPELINE_BEGIN:
        raise ClosedError  # an error would have to be answered many times
    else:
        raise UnsupportedError(f"piggyback {number}")


def _read_end_to_end(reader):
    """Skip what says who works for whom, on what: lengths first, then texts."""
    reader.skip("ppu")
    lengths = []
    for unused in ("", "", "pupu", "pupu", ""):
        reader.ub1()
        lengths.append(reader.ub())
        reader.skip(unused)
    for length in lengths:
        if length:
            reader.counted()


def _read_execute(reader):
    request = Execute(Function.EXECUTE, cursor=0, options=Option(reader.ub()))
    request.cursor = reader.ub()
    reader.skip("pupuppu")  # SQL and its length, al8i4 and its length, al8o4, its length, buffer
    request.rows = reader.ub()
    reader.skip("up")  # longest LONG, binds
    bind_count = reader.ub()
    reader.skip("ppppp")  # al8app, al8txn, al8txl, al8kv, al8kvl
    reader.ub1()
    define_count = reader.ub()
    reader.skip("upppupuu")  # registration, objects, their length, blv, dnam, registration
    reader.skip("pup")  # row counts, their number
    reader.skip("pupuppu")  # signature, SQL id, chunk ids
    if request.options & Option.PARSE:
        request.sql = reader.counted().decode()
    al8i4 = [reader.ub() for _ in range(13)]
    executions, is_query, flags = al8i4[1], al8i4[7], al8i4[9]
    request.row_counts = bool(flags & _ROW_COUNTS)
    if flags & _SCROLLABLE:
        raise UnsupportedError("scrollable cursors")
    if define_count:
        request.defines = [_read_bind_type(reader) for _ in range(define_count)]
    else:
        _read_binds(request, reader, bind_count, 1 if is_query else executions)
    return request


def _read_binds(request, reader, count, executions):
    """Read the types of binds, and then their values."""
    if request.sql and _RETURNING.search(request.sql):
        raise UnsupportedError("RETURNING INTO")
    longs_last = not request.options & Option.PLSQL_BIND
    types = [_read_bind_type(reader, longs_last=longs_last) for _ in range(count)]
    request.bind_types = types or None
    request.binds = _read_bind_rows(reader, types, executions)


def _read_reexecute(function, reader, bind_types_of):
    request = Execute(function, reader.ub(), Option.EXECUTE)
    count = reader.ub()
    reader.ub()
    if reader.ub() & 1:
        request.options |= Option.COMMIT
    types, is_query = bind_types_of(request.cursor)
    if function == Function.REEXECUTE_AND_FETCH:
        request.rows = count
        request.options |= Option.FETCH
    request.binds = _read_bind_rows(reader, types or [], 1 if is_query else count)
    return request


def _read_bind_type(reader, *, longs_last=True):
    code, flags = reader.ub1(), reader.ub1()
    if flags & _ARRAY:
        raise UnsupportedError("PL/SQL arrays")
    reader.skip("pp")  # precision, scale
    size = reader.ub()
    reader.skip("uu")  # array elements, flags
    if reader.ub():
        raise UnsupportedError("binds of an object type")
    reader.skip("uu")  # version, character set
    form = reader.ub1()
    reader.skip("uu")  # LOB prefetch, column id
    return BindType(code, form, longs_last and size > MAX_STRING)


def _read_bind_rows(reader, types, count):
    if not types:
        return [[] for _ in range(count)]
    decoders = [kind.decoder(reader) for kind in types]
    order = sorted(range(len(types)), key=lambda at: types[at].is_long)
    rows = []
    for _ in range(count):
        if reader.ub1() != Message.ROW_DATA:
            raise UnsupportedError("binds that are no rows")
        row = [None] * len(types)
        for at in order:
            row[at] = decoders[at]()
        rows.append(row)
    return rows


def _read_lob_call(reader):
    reader.ub1()
    size = reader.ub()
    reader.skip("puuuppp")  # destination, short offsets, character set, short amount, NULL
    operation = reader.ub() & 0xFFFF
    reader.skip("pp")  # SCN
    offset, kind = reader.ub(), reader.ub()
    has_amount = reader.ub1()
    reader.raw(6)
    locator = reader.raw(size)
    data = None
    if operation == Lob.CREATE_TEMP:
        reader.ub()  # character set
    elif operation == Lob.WRITE:
        reader.ub1()
        data = reader.counted()
    amount = reader.ub() if has_amount else None
    if operation not in set(Lob):
        raise UnsupportedError(f"LOB operation {operation}")
    return LobCall(Function.LOB_OP, Lob(operation), locator, offset, kind, amount, data)
