"""PRELOGIN and LOGIN7: who wants in, and how (MS-TDS 2.2.6.5 and 2.2.6.4)."""

import struct
from typing import NamedTuple

from . import tokens
from .script import SQLError
from .tokens import Status

_VERSION, _ENCRYPTION, _INSTANCE, _THREAD, _MARS = range(5)
_TERMINATOR = b"\xff"
_ENCRYPT_NOT_SUP = b"\x02"
_EXTENSION = 0x10  # of OptionFlags3
_LARGEST_PACKET = 32767
_DEFAULT_PACKET = 4096


class Login(NamedTuple):
    """What a client says of itself."""

    tds_version: int
    packet_size: int
    host: str
    user: str
    password: str
    application: str
    database: str
    wants_features: bool

    def __repr__(self):
        return f"Login({self.user!r} from {self.application!r}, database {self.database!r})"


def prelogin_answer():
    """Say: a version, no encryption, no MARS."""
    options = {
        _VERSION: bytes([16, 0, 0x10, 0x99, 0, 0]),
        _ENCRYPTION: _ENCRYPT_NOT_SUP,
        _INSTANCE: b"\0",
        _THREAD: b"",
        _MARS: b"\0",
    }
    at = 5 * len(options) + len(_TERMINATOR)
    index = b""
    for option, data in options.items():
        index += struct.pack(">BHH", option, at, len(data))
        at += len(data)
    return index + _TERMINATOR + b"".join(options.values())


def read_login(data):
    """Read a LOGIN7."""
    _length, version, packet_size = struct.unpack_from("<III", data)
    text = lambda field: _text(data, field)
    return Login(
        tds_version=version,
        packet_size=min(packet_size or _DEFAULT_PACKET, _LARGEST_PACKET),
        host=text(0),
        user=text(1),
        password=_clear(_bytes(data, 2)).decode("utf-16-le"),
        application=text(3),
        database=text(8),
        wants_features=bool(data[27] & _EXTENSION),
    )


def _bytes(data, field):
    """Give one of the fields: host, user, password, application, server, …"""
    offset, length = struct.unpack_from("<HH", data, 36 + 4 * field)
    return data[offset : offset + 2 * length]


def _text(data, field):
    return _bytes(data, field).decode("utf-16-le")


def _clear(password):
    """Undo what LOGIN7 does to a password: a fixed pattern, and the halves of bytes swapped."""
    flipped = (byte ^ 0xA5 for byte in password)
    return bytes((byte << 4 | byte >> 4) & 0xFF for byte in flipped)


def check(login, users, databases):
    """Give the errors for which a login is refused, in the order in which they are told."""
    failed = SQLError(18456, f"Login failed for user '{login.user}'.", level=14)
    if login.user not in users or users[login.user] != login.password:
        return [failed]
    if login.database and login.database not in databases:
        text = f'Cannot open database "{login.database}" requested by the login. The login failed.'
        return [SQLError(4060, text, level=11), failed]
    return []


def accepted(login, database):
    """Give the tokens of a login that is let in."""
    return b"".join(
        (
            tokens.database_is(database),
            tokens.info(5701, f"Changed database context to '{database}'."),
            tokens.collation_is_default(),
            tokens.language_is("us_english"),
            tokens.info(5703, "Changed language setting to us_english."),
            tokens.loginack(),
            tokens.packet_size_is(login.packet_size),
            tokens.FEATURES_END if login.wants_features else b"",
            tokens.done(),
        )
    )


def refused(errors):
    return b"".join(map(tokens.error, errors)) + tokens.done(Status.ERROR)
