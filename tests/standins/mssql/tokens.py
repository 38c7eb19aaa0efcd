"""The small tokens of an answer (MS-TDS 2.2.7)."""

import struct
from enum import IntFlag

from .datatypes import COLLATION, sql_type
from .wire import b_varbyte, b_varchar, sized, us_varchar

SERVER = "standin"


class Status(IntFlag):
    """What a DONE token says."""

    FINAL = 0x00
    MORE = 0x01
    ERROR = 0x02
    COUNT = 0x10
    ATTENTION = 0x20


DONE, DONEPROC, DONEINPROC = 0xFD, 0xFE, 0xFF
SELECT, INSERT, OTHER = 0xC1, 0xC3, 0xFD
"""Commands in DONE, of those that a driver looks at."""
_OUTPUT = 0x01


def done(status=Status.FINAL, count=0, token=DONE, command=OTHER):
    return struct.pack("<BHHQ", token, status, command, count)


def error(problem):
    """Write an SQLError."""
    return _message(0xAA, problem)


def info(number, text, level=0):
    """Write what is no error, such as "Changed database context to 'master'."."""
    return _message(0xAB, _Info(number, text, level))


class _Info:
    state, procedure, line = 1, "", 1

    def __init__(self, number, message, level):
        self.number, self.message, self.level = number, message, level


def _message(token, said):
    body = struct.pack("<iBB", said.number, said.state, said.level) + us_varchar(said.message)
    body += b_varchar(SERVER) + b_varchar(said.procedure) + struct.pack("<i", said.line)
    return sized(token, body)


def return_status(status):
    return struct.pack("<Bi", 0x79, status)


def return_handle(handle, ordinal=0):
    """Write RETURNVALUE of an int: the handle of a prepared statement."""
    integer = sql_type("int")
    body = struct.pack("<H", ordinal) + b_varchar("") + struct.pack("<BIH", _OUTPUT, 0, 0)
    return b"\xac" + body + integer.info + integer.write(handle)


def loginack():
    """Tell TDS 7.4, and a version as that of SQL Server 2022."""
    version = b"\x01" + struct.pack(">I", 0x74000004)
    return sized(0xAD, version + b_varchar("Microsoft SQL Server") + bytes([16, 0, 0x10, 0x99]))


FEATURES_END = b"\xae\xff"
"""FEATUREEXTACK of no feature."""

# ENVCHANGE: what has changed, the new value, the old one


def database_is(new, old="master"):
    return sized(0xE3, b"\x01" + b_varchar(new) + b_varchar(old))


def language_is(new):
    return sized(0xE3, b"\x02" + b_varchar(new) + b_varchar(""))


def packet_size_is(new, old=4096):
    return sized(0xE3, b"\x04" + b_varchar(str(new)) + b_varchar(str(old)))


def collation_is_default():
    return sized(0xE3, b"\x07" + b_varbyte(COLLATION) + b_varbyte(b""))


def transaction_begun(descriptor):
    return sized(0xE3, b"\x08" + b_varbyte(struct.pack("<Q", descriptor)) + b_varbyte(b""))


def transaction_committed(descriptor):
    return sized(0xE3, b"\x09" + b_varbyte(b"") + b_varbyte(struct.pack("<Q", descriptor)))


def transaction_rolled_back(descriptor):
    return sized(0xE3, b"\x0a" + b_varbyte(b"") + b_varbyte(struct.pack("<Q", descriptor)))


def connection_was_reset():
    return sized(0xE3, b"\x12\x00\x00")
