"""The LOBs that a session holds locators of."""

import itertools

from .ttc import Lob, Message, counted, ub
from .values import BLOB

_SIZE = 40
_CHUNK_SIZE = 8132
_ENCODING = "utf-16-be"
"""That of a CLOB behind a locator, where the database's is UTF-8."""

_IS_BLOB = 0x01
_IS_CLOB = 0x02
_IS_UTF16 = 0x80
_IS_TEMPORARY = 0x01


class Lobs:
    """Data by locator. Text is UTF-16 here, and counted in its units, as Oracle counts it."""

    def __init__(self):
        self._numbers = itertools.count(1)
        self._data = {}

    def keep(self, value, *, temporary=False):
        """Hold a str or bytes; give a locator."""
        is_text = isinstance(value, str)
        kind = bytes([_IS_CLOB if is_text else _IS_BLOB, 0x08, _IS_UTF16 if is_text else 0])
        head = bytes([0, _SIZE - 2, 0, 4]) + kind + bytes([_IS_TEMPORARY if temporary else 0, 0, 0])
        locator = (head + next(self._numbers).to_bytes(8)).ljust(_SIZE, b"\x00")
        self._data[locator] = value.encode(_ENCODING) if is_text else value
        return locator

    def cell(self, value):
        """Encode the cell of a row: a locator of *value*, and its length."""
        if value is None:
            return ub(0)
        locator = self.keep(value)
        length = len(self._data[locator]) // _unit(locator)
        return ub(_SIZE) + ub(length) + ub(_CHUNK_SIZE) + counted(locator)

    def value(self, locator):
        """Give the str or bytes of a bind."""
        data = self._data[locator]
        return data.decode(_ENCODING) if _unit(locator) == 2 else data

    def answer(self, call):
        """Do an operation; give the messages that answer it."""
        if call.operation == Lob.CREATE_TEMP:
            locator = self.keep(b"" if call.kind == BLOB else "", temporary=True)
            return bytes([Message.PARAMETER]) + locator + ub(0) + b"\x00"
        unit = _unit(call.locator)
        data = self._data[call.locator]
        amount, said = len(data) // unit, b""
        if call.operation == Lob.READ:
            start = (call.offset - 1) * unit
            part = data[start : start + call.amount * unit]
            amount = len(part) // unit
            said = bytes([Message.LOB_DATA]) + counted(part) if part else b""
        elif call.operation == Lob.WRITE:
            start = (call.offset - 1) * unit
            rest = data[start + len(call.data) :]
            self._data[call.locator] = data[:start].ljust(start, b"\x00") + call.data + rest
        elif call.operation == Lob.TRIM:
            self._data[call.locator] = data[: call.amount * unit]
        elif call.operation == Lob.GET_CHUNK_SIZE:
            amount = _CHUNK_SIZE
        tail = b"" if call.amount is None else ub(amount)
        return said + bytes([Message.PARAMETER]) + call.locator + tail


def _unit(locator):
    return 2 if locator[6] & _IS_UTF16 else 1
