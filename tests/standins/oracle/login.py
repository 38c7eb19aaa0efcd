"""
The login: protocol and data types, then O5LOGON with a 12c verifier.

The first request has all of it in one ("fast authentication"): the protocol, the types with their
representations, and who wants to log in. The server gives a half of a session key that only the
password opens. The client answers with its own half, and with the password, encrypted with the key
that is made of both; the server proves that it has the key too.
"""

import hashlib
import secrets
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .ttc import (
    FIELD_VERSION,
    FIELD_VERSION_OF_LOGIN,
    NULL,
    Function,
    Message,
    UnsupportedError,
    counted,
    twice_counted,
    ub,
)

VERSION = (23, 26, 1, 0, 0)
"""Of the server that the stand-in says it is."""

_BANNER = b"protocol stand-in\x00"
_UTF8 = 873
_UTF16 = 2000
_VERIFIER_12C = 0x4815
_VERIFIER_ROUNDS = 4096
_KEY_ROUNDS = 3
_LONG_STRINGS = 4


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the server sends, and what it keeps to check the answer."""

    salt: bytes
    key_salt: bytes
    half_key: bytes
    verifier: bytes

    @classmethod
    def of(cls, password):
        salt = secrets.token_bytes(16)
        stretched = hashlib.pbkdf2_hmac(
            "sha512", password, salt + b"AUTH_PBKDF2_SPEEDY_KEY", _VERIFIER_ROUNDS, 64
        )
        verifier = hashlib.sha512(stretched + salt).digest()[:32]
        return cls(salt, secrets.token_bytes(16), secrets.token_bytes(32), verifier)

    def pairs(self):
        return {
            "AUTH_SESSKEY": _hex(_encrypt(self.verifier, self.half_key)),
            "AUTH_VFR_DATA": _hex(self.salt),
            "AUTH_PBKDF2_CSK_SALT": _hex(self.key_salt),
            "AUTH_PBKDF2_VGEN_COUNT": str(_VERIFIER_ROUNDS),
            "AUTH_PBKDF2_SDER_COUNT": str(_KEY_ROUNDS),
        }

    def key(self, encrypted_half):
        """Give the key of the session, of the client's half of it."""
        half = _decrypt(self.verifier, encrypted_half)[:32]
        both = _hex(half + self.half_key).encode()
        return hashlib.pbkdf2_hmac("sha512", both, self.key_salt, _KEY_ROUNDS, 32)


def read_first(reader):
    """Read the request that begins a login; give the user and the list of data types."""
    if reader.ub1() != Message.FAST_AUTH:
        raise UnsupportedError("logins in single steps")
    reader.raw(3)  # version, flags
    if reader.raw(3) != bytes([Message.PROTOCOL, 6, 0]):
        raise UnsupportedError("protocols before 8.1")
    while reader.ub1():
        pass  # the client's name
    reader.raw(5)  # character sets
    if reader.ub1() != FIELD_VERSION_OF_LOGIN or reader.ub1() != Message.DATA_TYPES:
        raise UnsupportedError("this format of logins")
    reader.raw(5)  # character sets, encoding
    reader.counted()
    reader.counted()  # capabilities
    types = _read_data_types(reader)
    if reader.raw(2) != bytes([Message.FUNCTION, Function.AUTH_PHASE_ONE]):
        raise UnsupportedError("logins without a password")
    reader.ub1()
    return _read_auth(reader)[0], types


def read_second(reader):
    """Read the request with the client's half of the key; give its pairs."""
    if reader.raw(2) != bytes([Message.FUNCTION, Function.AUTH_PHASE_TWO]):
        raise UnsupportedError("logins of this kind")
    reader.skip("pu")
    return _read_auth(reader)[1]


def _read_data_types(reader):
    """Read the types that the client knows, as it wrote them."""
    types = b""
    while (code := reader.raw(2)) != b"\x00\x00":
        types += code
        conversion = reader.raw(2)
        types += conversion
        if conversion != b"\x00\x00":
            types += reader.raw(4)  # representation
    return types + code


def _read_auth(reader):
    has_user = reader.ub1()
    reader.skip("uup")  # length of the user, mode, pointer
    count = reader.ub()
    reader.skip("pp")
    user = reader.counted().decode() if has_user else ""
    pairs = {}
    for _ in range(count):
        name = reader.twice_counted().decode()
        pairs[name] = (reader.twice_counted() or b"").decode()
        reader.ub()  # flags
    return user, pairs


def first_answer(types, challenge):
    """Agree to the protocol and to the client's data types, and give the challenge."""
    compiled, runtime = bytearray(54), bytearray(11)
    compiled[7] = FIELD_VERSION
    runtime[6] = _LONG_STRINGS
    protocol = b"".join(
        (
            bytes([Message.PROTOCOL, 6, 0]),
            _BANNER,
            struct.pack("<HBH", _UTF8, 1, 0),
            struct.pack(">H9xH", 11, _UTF16),
            counted(bytes(compiled)),
            counted(bytes(runtime)),
        )
    )
    return protocol + bytes([Message.DATA_TYPES]) + types + _parameters(challenge.pairs())


def second_answer(pairs, challenge, password, session):
    """
    Check the client's password.

    Returns:
        The server's proof and what it says of the session; None if the password is another.
    """
    key = challenge.key(bytes.fromhex(pairs["AUTH_SESSKEY"]))
    given = _decrypt(key, bytes.fromhex(pairs["AUTH_PASSWORD"]))[16:]  # behind a salt
    if not secrets.compare_digest(given, _padded(password)):
        return None
    proof = secrets.token_bytes(16) + _padded(b"SERVER_TO_CLIENT")
    major, minor, patch, component, build = VERSION
    number = major << 24 | minor << 16 | patch << 12 | component << 4 | build
    return _parameters(
        {
            "AUTH_VERSION_STRING": "- protocol stand-in",
            "AUTH_VERSION_NO": str(number),
            "AUTH_SESSION_ID": str(session),
            "AUTH_SERIAL_NUM": "1",
            "AUTH_SC_SERVICE_NAME": "STANDIN",
            "AUTH_SC_DBUNIQUE_NAME": "STANDIN",
            "AUTH_SC_INSTANCE_NAME": "STANDIN",
            "AUTH_DBNAME": "STANDIN",
            "AUTH_MAX_OPEN_CURSORS": "300",
            "AUTH_SVR_RESPONSE": _hex(_encrypt(key, proof)),
        }
    )


def _parameters(pairs):
    message = bytes([Message.PARAMETER]) + ub(len(pairs))
    for name, value in pairs.items():
        flags = ub(_VERIFIER_12C) if name == "AUTH_VFR_DATA" else NULL
        message += twice_counted(name.encode()) + twice_counted(value.encode()) + flags
    return message


def _padded(data):
    missing = 16 - len(data) % 16
    return data + bytes([missing]) * missing


def _encrypt(key, data):
    encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def _decrypt(key, data):
    decryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def _hex(data):
    return data.hex().upper()
