"""What clients ask: SQL batches, RPCs and transaction requests (MS-TDS 2.2.6)."""

from enum import IntEnum
from typing import Any, NamedTuple

from .datatypes import read_type
from .script import SQLError
from .wire import Reader

PROCEDURES = {
    10: "sp_executesql",
    11: "sp_prepare",
    12: "sp_execute",
    13: "sp_prepexec",
    14: "sp_prepexecrpc",
    15: "sp_unprepare",
}
"""Procedures that have a number, ProcID; those of cursors are left out."""
_BY_NUMBER = 0xFFFF
_BATCH_FLAG, _NO_EXEC_FLAG, _OLD_BATCH_FLAG = 0xFF, 0xFE, 0x80
_BEGINS_ANOTHER = 0x01


class RPC(NamedTuple):
    """A call of a procedure, with its parameters' values in order."""

    procedure: str
    parameters: tuple[Any, ...]


class Action(IntEnum):
    """The types of a transaction manager request."""

    BEGIN = 5
    COMMIT = 7
    ROLLBACK = 8


class TransactionRequest(NamedTuple):
    """Begin or end a transaction; *begins* another one at once."""

    action: Action
    begins: bool = False


def read_batch(payload):
    """Give the text of an SQL batch."""
    reader = _past_headers(payload)
    return reader.text(reader.left // 2)


def read_rpcs(payload):
    """
    Yield each call: an array of parameters comes as many calls in one message.

    Raises:
        SQLError: 8023, a value that its type cannot have.
    """
    reader = _past_headers(payload)
    while reader.left:
        yield _read_rpc(reader)


def _read_rpc(reader):
    length = reader.number("H")
    if length == _BY_NUMBER:
        number = reader.number("H")
        name = PROCEDURES.get(number, f"procedure {number}")
    else:
        name = reader.text(length).replace("[", "").replace("]", "").removeprefix("sys.")
    reader.number("H")  # option flags: recompile, no metadata; metadata are always sent
    parameters = []
    while reader.left:
        if reader.peek() in (_BATCH_FLAG, _NO_EXEC_FLAG, _OLD_BATCH_FLAG):
            reader.take(1)
            break
        parameters.append(_read_parameter(reader, len(parameters) + 1))
    return RPC(name.lower(), tuple(parameters))


def _read_parameter(reader, number):
    name = reader.b_varchar()  # not needed: parameters come in order
    reader.number("B")  # by reference, default
    of = read_type(reader)
    try:
        return of.read(reader)
    except (ValueError, OverflowError) as problem:
        raise SQLError(
            8023,
            "The incoming tabular data stream (TDS) remote procedure call (RPC) protocol stream is "
            f'incorrect. Parameter {number} ("{name}"): The supplied value is not a valid instance '
            f"of data type {of.base}.",
            level=16,
        ) from problem


def read_transaction_request(payload):
    """Read one. Raises ValueError for those of distributed transactions, and for savepoints."""
    reader = _past_headers(payload)
    action = Action(reader.number("H"))
    if action == Action.BEGIN:
        return TransactionRequest(action)  # an isolation level and a name follow
    reader.b_varbyte()  # the name
    return TransactionRequest(action, bool(reader.number("B") & _BEGINS_ANOTHER))


def _past_headers(payload):
    """Skip ALL_HEADERS, which have their own length in front."""
    reader = Reader(payload)
    reader.take(reader.number("I") - 4)
    return reader
