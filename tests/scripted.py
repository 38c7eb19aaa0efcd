"""A peer on a real socket that says what a test tells it to, byte by byte; and waiting."""

import asyncio
import contextlib
import socket
import struct
import time

from rowferry.http.endpoint import parse_url
from rowferry.http.opening import connect

LONG = 20.0
"""Seconds after which a test that waits has failed; nothing that works takes so long."""


def until(condition, what="the condition"):
    """Wait until *condition* holds."""
    give_up = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < give_up, f"{what} did not come about"
        time.sleep(0.002)


async def auntil(condition, what="the condition"):
    """Wait until *condition* holds, while the loop runs."""
    async with asyncio.timeout(LONG):
        while not condition():  # noqa: ASYNC110 - it may come about in any way
            await asyncio.sleep(0.002)


class Peer:
    """The API's end of a connection."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer

    async def request(self):
        """Read one request; give its bytes."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return head + await self._reader.readexactly(length)

    def send(self, data):
        self._writer.write(data)

    def end(self):
        """Send no more, orderly."""
        self._writer.write_eof()

    def close(self):
        self._writer.close()

    def reset(self):
        """Reset the connection, as a crashed process does."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def left_alone(self):
        """Wait until the other end has closed the connection; give what it said until then."""
        said = b""
        with contextlib.suppress(ConnectionError):
            while more := await self._reader.read(65536):
                said += more
        return said


@contextlib.asynccontextmanager
async def listening(take):
    """Call *take* with each Peer that connects; give the port."""
    tasks = []

    async def accept(reader, writer):
        tasks.append(asyncio.current_task())
        with contextlib.suppress(asyncio.CancelledError):
            await take(Peer(reader, writer))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def pair():
    """Give a `Connection` and the Peer at its other end."""
    came = asyncio.get_running_loop().create_future()

    async def take(peer):
        came.set_result(peer)
        await asyncio.Event().wait()

    async with listening(take) as port:
        connection = await connect(parse_url(f"http://127.0.0.1:{port}/"), None, LONG)
        try:
            yield connection, await came
        finally:
            connection.close()
            await asyncio.sleep(0)
