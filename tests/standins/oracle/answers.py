"""The messages of the server that are no rows."""

from dataclasses import dataclass

from .ttc import NULL, Message, counted, ub

NO_DATA_FOUND = 1403
ARRAY_DML_ERRORS = 24381

_END_OF_CALL = 1
_IN_TRANSACTION = 2
_CHUNKED = b"\xfe"


@dataclass(frozen=True, slots=True)
class BatchError:
    """What one row of binds came to: its number, from 0, and the error."""

    row: int
    error: Exception


def row_header(rows):
    return bytes([Message.ROW_HEADER, 0x22]) + ub(1) + NULL + ub(rows) + NULL * 3


def status(*, in_transaction):
    return bytes([Message.STATUS]) + _call_status(in_transaction) + ub(0)


def outcome(*, cursor=0, rows=0, error=None, failed=(), in_transaction=False):
    """
    Say how a call ended.

    Args:
        rows: those changed, or fetched so far.
        error: an OracleError.
        failed: BatchErrors, which are no error of the call.
    """
    code, text, position = (error.code, str(error), error.position) if error else (0, "", 0)
    return b"".join(
        (
            bytes([Message.ERROR]),
            _call_status(in_transaction),
            ub(0),  # sequence number
            ub(rows & 0xFFFFFFFF),
            ub(code & 0xFFFF),
            NULL * 2,  # row of the array that failed
            ub(cursor),
            ub(position),
            bytes(6),  # type of SQL, fatal, flags, cursor options, UPI parameter, warnings
            NULL * 2 + bytes(1) + NULL * 2,  # rowid
            NULL,  # error of the system
            bytes(2),  # numbers of statement and call
            NULL,  # padding
            NULL,  # iterations that succeeded
            NULL,  # logical rowid
            _batch_errors(failed),
            ub(code),
            ub(rows),
            NULL * 2,  # type of SQL, checksum
            counted(text.encode()) if code else b"",
        )
    )


def row_counts(counts):
    """Say how many rows each row of binds has changed."""
    head = bytes([Message.PARAMETER]) + NULL * 4
    return head + ub(len(counts)) + b"".join(map(ub, counts))


def _call_status(in_transaction):
    return ub(_END_OF_CALL | (_IN_TRANSACTION if in_transaction else 0))


def _batch_errors(failed):
    """Three arrays: codes, rows, texts."""
    if not failed:
        return NULL * 3
    count = ub(len(failed))
    codes = (ub(each.error.code) for each in failed)
    rows = (ub(each.row) for each in failed)
    texts = (str(each.error).encode() for each in failed)
    arrays = [
        count + _CHUNKED + b"".join(ub(len(item)) + item for item in items) + NULL
        for items in (codes, rows)
    ]
    said = b"".join(ub(len(text)) + counted(text) + bytes(2) for text in texts)
    return b"".join(arrays) + count + b"\x00" + said
