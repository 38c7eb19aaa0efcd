"""
TNS packets on a socket: the layer below TTC.

A packet is a header of 8 bytes (length, type, flags) and a body. Up to the accept packet a length
has 2 bytes, from then on 4. The body of a data packet begins with 2 bytes of flags; a request or an
answer that is larger than the session data unit (SDU) goes in several.
"""

import re
import select
import struct
from typing import NamedTuple

CONNECT = 1
ACCEPT = 2
REFUSE = 4
DATA = 6
MARKER = 12

BREAK = 1
RESET = 2
INTERRUPT = 3

VERSION = 319
HAS_FAST_AUTH = 0x10000000
HAS_END_OF_RESPONSE = 0x02000000

_END_OF_RESPONSE = 0x2000
_END_OF_FILE = 0x0040
_MAX_CONNECT_DATA = 230
_QUIET = 0.05
"""Seconds without a packet after which a request is taken to be over."""


class ClosedError(Exception):
    """The client is gone."""


class BreakError(Exception):
    """The client breaks the call that is under way."""


class Connect(NamedTuple):
    """What a connect packet asks for."""

    sdu: int
    descriptor: str

    @property
    def service(self):
        found = re.search(r"\((?:SERVICE_NAME|SID)=([^)]*)\)", self.descriptor, re.IGNORECASE)
        return found[1] if found else ""


class Packets:
    """Both directions of one connection."""

    def __init__(self, sock):
        self._sock = sock
        self._long = False
        self._room = 0

    def read_connect(self):
        """Read the first packet of a client, and the second, where a long descriptor comes."""
        kind, body = self._read()
        if kind != CONNECT:
            raise ClosedError
        size, offset = struct.unpack_from(">HH", body, 16)
        descriptor = body[offset - 8 :] if size <= _MAX_CONNECT_DATA else self._read()[1][2:]
        return Connect(struct.unpack_from(">I", body, 50)[0], descriptor.decode())

    def refuse(self, code, text):
        message = f"(DESCRIPTION=(ERR={code})(ERROR_STACK=(ERROR=(CODE={code})(TEXT={text}))))"
        self._send(REFUSE, b"\x22\x00" + struct.pack(">H", len(message)) + message.encode())

    def accept(self, sdu):
        """Agree to packets of *sdu* bytes, without urgent data for breaks."""
        body = struct.pack(">HH", VERSION, 0) + bytes(20) + struct.pack(">I", sdu) + bytes(5)
        self._send(ACCEPT, body + struct.pack(">I", HAS_FAST_AUTH | HAS_END_OF_RESPONSE))
        self._long = True
        self._room = sdu - 10

    def read_data(self):
        """
        Give the payload of the next data packet.

        Raises:
            BreakError: a marker came in its place.
            ClosedError: the client said that it sends no more, or is gone.
        """
        kind, body = self._read()
        if kind == MARKER:
            raise BreakError
        if kind != DATA or body[:2] == struct.pack(">H", _END_OF_FILE):
            raise ClosedError
        return body[2:]

    def send_data(self, payload):
        """Send an answer that is whole."""
        self._sock.sendall(b"".join(self._split(payload)))

    def send_part(self, payload):
        """Send the first half of an answer."""
        whole = b"".join(self._split(payload))
        self._sock.sendall(whole[: len(whole) // 2])

    def wait(self, seconds):
        """Wait so long; a marker that comes meanwhile raises BreakError."""
        if select.select([self._sock], [], [], seconds)[0]:
            self.read_data()
            raise ClosedError  # it speaks out of turn

    def ignore(self, seconds):
        """Wait so long, whatever the client sends, unless it closes."""
        closed = select.poll()
        closed.register(self._sock, select.POLLRDHUP)
        if closed.poll(seconds * 1000):
            raise ClosedError

    def drain(self):
        """Drop the rest of a request; the client sends no other before it has an answer."""
        while select.select([self._sock], [], [], _QUIET)[0]:
            self._read()

    def reset(self):
        """Answer a break: what the client has sent up to its reset marker is dropped."""
        self._send_marker(BREAK)
        while True:
            kind, body = self._read()
            if kind == MARKER and body[2] == RESET:
                break
        self._send_marker(RESET)

    def _split(self, payload):
        room = self._room
        last = max(len(payload) - 1, 0) // room * room
        for at in range(0, last + 1, room):
            flags = _END_OF_RESPONSE if at == last else 0
            part = payload[at : at + room]
            yield struct.pack(">IBBHH", len(part) + 10, DATA, 0, 0, flags)
            yield part

    def _send_marker(self, kind):
        self._send(MARKER, bytes([1, 0, kind]))

    def _send(self, kind, body):
        size = len(body) + 8
        length = struct.pack(">I", size) if self._long else struct.pack(">HH", size, 0)
        self._sock.sendall(length + bytes([kind, 0, 0, 0]) + body)

    def _read(self):
        head = self._exactly(8)
        size = int.from_bytes(head[: 4 if self._long else 2])
        return head[4], self._exactly(size - 8)

    def _exactly(self, count):
        parts = []
        while count:
            part = self._sock.recv(count)
            if not part:
                raise ClosedError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
