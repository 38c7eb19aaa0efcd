"""Messages, cut into packets with a header of eight bytes (MS-TDS 2.2.3)."""

import contextlib
import select
import socket
import struct
from enum import IntEnum
from typing import NamedTuple

_END_OF_MESSAGE = 0x01
_IGNORE_THIS_EVENT = 0x02
_RESET_CONNECTION = 0x08 | 0x10  # 0x10 keeps the transaction: no driver here asks for that
_HEADER = struct.Struct(">BBHHBB")  # Type, Status, Length, SPID, PacketID, Window
_GATHERED = 1 << 16
"""Bytes that are gathered before they are sent: a system call costs as much as 16 packets."""


class Kind(IntEnum):
    """The types of a message."""

    SQL_BATCH = 1
    RPC = 3
    TABULAR_RESULT = 4
    ATTENTION = 6
    BULK_LOAD = 7
    TRANSACTION_MANAGER = 14
    LOGIN7 = 16
    PRELOGIN = 18


class Message(NamedTuple):
    """What a client sends between two answers; *reset* asks for a session as new first."""

    kind: int
    payload: bytes
    reset: bool = False


class Cancelled(Exception):  # noqa: N818 - what the client did, no error
    """The client sent ATTENTION: it wants no more of this answer."""


class Channel:
    """A client's socket: whole messages in, tokens out."""

    def __init__(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._stream = sock.makefile("rb")
        self._waiting = bytearray()
        self._packet_id = 0
        self.packet_size = 4096

    def receive(self):
        """Read one message that is to be heeded; None when the client has left."""
        while True:
            payload, status = [], 0
            while not status & _END_OF_MESSAGE:
                header = self._stream.read(8)
                if len(header) < 8:
                    return None
                kind, one, length, *_ = _HEADER.unpack(header)
                status |= one
                payload.append(self._stream.read(length - 8))
            if not status & _IGNORE_THIS_EVENT:
                return Message(kind, b"".join(payload), bool(status & _RESET_CONNECTION))

    def write(self, tokens):
        """
        Send *tokens* with those that follow, in full packets.

        Raises:
            Cancelled: the client wants no more; `end` is still to come.
        """
        self._waiting += tokens
        if len(self._waiting) >= _GATHERED:
            self._send_full_packets()
            self.heed_attention(0)

    def end(self, tokens=b""):
        """Send *tokens* and what is left; its last packet ends the message."""
        self._waiting += tokens
        self._send_full_packets()
        self._socket.sendall(self._packet(self._waiting, _END_OF_MESSAGE))
        self._waiting.clear()
        self._packet_id = 0

    def pause(self, seconds):
        """Send what fills packets, then nothing for *seconds*. Raises as `heed_attention` does."""
        self._send_full_packets()
        self.heed_attention(seconds)

    def heed_attention(self, seconds):
        """
        Wait up to *seconds* for word of the client.

        Raises:
            Cancelled: it was ATTENTION.
            ConnectionError: it has left.
        """
        if select.select([self._socket], [], [], seconds)[0]:
            message = self.receive()
            if message is None:
                raise ConnectionAbortedError("the client left in the middle of an answer")
            if message.kind == Kind.ATTENTION:
                raise Cancelled

    def cut(self):
        """Send the full packets, then reset the connection, as a server that dies."""
        self._send_full_packets()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        """Close at once, whatever another thread does with it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)
        self._stream.close()
        self._socket.close()

    def hang_up(self):
        """Make another thread's `receive` or `write` end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _send_full_packets(self):
        # One byte stays at least, since a message ends with a packet that is not empty.
        room = self.packet_size - _HEADER.size
        full = max(len(self._waiting) - 1, 0) // room * room
        with memoryview(self._waiting) as waiting:
            packets = [self._packet(waiting[at : at + room], 0) for at in range(0, full, room)]
        if packets:
            self._socket.sendall(b"".join(packets))
            del self._waiting[:full]

    def _packet(self, body, status):
        self._packet_id = (self._packet_id + 1) % 256
        length = _HEADER.size + len(body)
        header = _HEADER.pack(Kind.TABULAR_RESULT, status, length, 0, self._packet_id, 0)
        return b"".join((header, body))
