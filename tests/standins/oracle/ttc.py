"""
TTC: numbers and bytes as messages carry them, and the codes of messages.

An integer (ub2, ub4, ub8) is a byte that counts its bytes, then those, big end first; 0 is the one
byte 0. Bytes have their length before them in one byte up to 252; more come as 254, chunks with a
ub4 before each, and a 0.
"""

from enum import IntEnum, IntFlag

FIELD_VERSION = 24
"""The format of messages that the stand-in speaks: that of 23ai."""

FIELD_VERSION_OF_LOGIN = 13
"""The format of the first request of a login, which comes before the versions are compared."""

NULL = b"\x00"

MAX_STRING = 32767
"""Bytes of a VARCHAR2 at most; a bind that may be longer comes after the others of its row."""

_SHORT = 252
_ESCAPE = 253
_LONG = 254
_CHUNK = 32767


class Message(IntEnum):
    PROTOCOL = 1
    DATA_TYPES = 2
    FUNCTION = 3
    ERROR = 4
    ROW_HEADER = 6
    ROW_DATA = 7
    PARAMETER = 8
    STATUS = 9
    LOB_DATA = 14
    DESCRIBE_INFO = 16
    PIGGYBACK = 17
    END_OF_RESPONSE = 29
    FAST_AUTH = 34


class Function(IntEnum):
    REEXECUTE = 4
    FETCH = 5
    LOGOFF = 9
    COMMIT = 14
    ROLLBACK = 15
    REEXECUTE_AND_FETCH = 78
    EXECUTE = 94
    LOB_OP = 96
    CLOSE_CURSORS = 105
    AUTH_PHASE_TWO = 115
    AUTH_PHASE_ONE = 118
    SET_END_TO_END_ATTR = 135
    PING = 147
    SET_SCHEMA = 152
    PIPELINE_BEGIN = 199


class Option(IntFlag):
    """Options of an execute."""

    PARSE = 0x01
    BIND = 0x08
    DEFINE = 0x10
    EXECUTE = 0x20
    FETCH = 0x40
    COMMIT = 0x100
    PLSQL_BIND = 0x400
    NOT_PLSQL = 0x8000
    DESCRIBE = 0x20000
    BATCH_ERRORS = 0x80000


class Lob(IntEnum):
    """Operations on a LOB."""

    GET_LENGTH = 0x0001
    READ = 0x0002
    TRIM = 0x0020
    WRITE = 0x0040
    CREATE_TEMP = 0x0110
    FREE_TEMP = 0x0111
    GET_CHUNK_SIZE = 0x4000


class UnsupportedError(Exception):
    """The stand-in does not speak this part of the protocol."""


def ub(number):
    """Encode an unsigned integer."""
    if number == 0:
        return NULL
    size = (number.bit_length() + 7) // 8
    return bytes([size]) + number.to_bytes(size)


def sb(number):
    """Encode an integer: the count of a negative one has its high bit set."""
    if number >= 0:
        return ub(number)
    coded = ub(-number)
    return bytes([coded[0] | 0x80]) + coded[1:]


def counted(data):
    """Encode bytes behind their length; None and no bytes are both NULL."""
    if not data:
        return NULL
    if len(data) <= _SHORT:
        return bytes([len(data)]) + data
    chunks = (data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK))
    return bytes([_LONG]) + b"".join(ub(len(chunk)) + chunk for chunk in chunks) + NULL


def twice_counted(data):
    """Encode bytes behind their length, behind their length."""
    return ub(len(data)) + counted(data) if data else NULL


class Reader:
    """
    Reads a request, however many packets it comes in.

    Args:
        more: gives the payload of the next packet.
    """

    def __init__(self, more):
        self._more = more
        self._data = b""
        self._at = 0

    @property
    def is_done(self):
        return self._at == len(self._data)

    def raw(self, count):
        end = self._at + count
        while end > len(self._data):
            self._data = self._data[self._at :] + self._more()
            self._at, end = 0, count
        self._at = end
        return self._data[end - count : end]

    def ub1(self):
        return self.raw(1)[0]

    def ub(self):
        return int.from_bytes(self.raw(self.ub1()))

    def skip(self, pattern):
        """Skip fields: a `p` is a byte (mostly a pointer, set or not), a `u` an integer."""
        for field in pattern:
            if field == "p":
                self.ub1()
            else:
                self.ub()

    def counted(self):
        """Read bytes behind their length; give None for NULL."""
        size = self.ub1()
        if 0 < size <= _SHORT:
            return self.raw(size)
        if size == _ESCAPE:  # a BOOLEAN that is NULL
            self.ub1()
        return self._chunks() if size == _LONG else None

    def twice_counted(self):
        return self.counted() if self.ub() else None

    def _chunks(self):
        chunks = []
        while size := self.ub():
            chunks.append(self.raw(size))
        return b"".join(chunks)
