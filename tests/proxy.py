"""A network between a client and a server that a test can break: a proxy on loopback."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from typing import NamedTuple

UP, DOWN = "up", "down"
"""From the client to the server, and back."""

_SIZE = 65_536


class Cut(NamedTuple):
    """Where a connection is reset: once *after* bytes went *direction*."""

    direction: str
    after: int


class Line:
    """One connection: its two ends, and the bytes that went each way."""

    def __init__(self, client, server, cut):
        self._ends = (client, server)
        self._cut = cut
        self._flows = asyncio.Event()
        self._flows.set()
        self.carried = {UP: 0, DOWN: 0}

    def admit(self, piece, direction):
        """Count *piece*; give the part of it that comes before the cut."""
        if self._cut and self._cut.direction == direction:
            piece = piece[: self._cut.after - self.carried[direction]]
        self.carried[direction] += len(piece)
        return piece

    @property
    def is_cut(self):
        return self._cut and self.carried[self._cut.direction] >= self._cut.after

    async def flows(self):
        """Wait while the line is held."""
        await self._flows.wait()

    def hold(self, holds=True):
        """Carry nothing, or go on; to be called on the loop."""
        if holds:
            self._flows.clear()
        else:
            self._flows.set()

    def reset(self):
        """Reset both ends, as a router does that has lost its table."""
        for end in self._ends:
            sock = end.get_extra_info("socket")
            if sock.fileno() < 0:
                continue  # closed by now
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.transport.abort()

    def close(self):
        for end in self._ends:
            end.close()


class Proxy:
    """
    Carries connections to a server.

    `cuts` says what becomes of the connections to come: one takes the first of it, a Cut or None;
    where it is empty, they live as long as they like. `lines` has all that there were.
    """

    def __init__(self, host, port, *, delay=0.0):
        self._to = (host, port)
        self._delay = delay  # seconds that each piece takes, in each direction
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks = set()
        self._refuses = False
        self.cuts = deque()
        self.lines = []
        self.came = 0  # connections, refused ones as well

    def __enter__(self):
        self._thread.start()
        self._server = self._wait_for(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self._wait_for(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, user="postgres", password="", path="postgres", scheme="postgresql"):
        login = f"{user}:{password}" if password else user
        return f"{scheme}://{login}@127.0.0.1:{self.port}/{path}"

    # what a test does to the network

    def pause(self):
        """Carry nothing until `resume`; connections are taken all the same."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def resume(self):
        self._loop.call_soon_threadsafe(self._flows.set)

    def hold(self, line, holds=True):
        """Carry nothing on *line* while others live on, as long as it *holds*."""
        self._loop.call_soon_threadsafe(line.hold, holds)

    def reset(self):
        """Reset every connection there is."""
        self._wait_for(self._reset_all())

    def refuse(self, refuses=True):
        """Reset new connections at once, as long as it *refuses*."""
        self._refuses = refuses

    # on the loop

    def _wait_for(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _accept(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        with contextlib.suppress(asyncio.CancelledError):
            await self._serve(reader, writer)

    async def _serve(self, reader, writer):
        self.came += 1
        if self._refuses:
            Line(writer, writer, None).reset()
            return
        cut = self.cuts.popleft() if self.cuts else None
        server_reader, server_writer = await asyncio.open_connection(*self._to)
        line = Line(writer, server_writer, cut)
        self.lines.append(line)
        ways = (
            self._carry(line, reader, server_writer, UP),
            self._carry(line, server_reader, writer, DOWN),
        )
        try:
            await asyncio.gather(*ways)
        finally:
            line.close()

    async def _carry(self, line, reader, writer, direction):
        try:
            while piece := await reader.read(_SIZE):
                await asyncio.sleep(self._delay)
                await self._flows.wait()
                await line.flows()
                writer.write(line.admit(piece, direction))
                await writer.drain()
                if line.is_cut:
                    line.reset()
                    return
            writer.write_eof()
        except OSError:
            line.reset()  # one end was: so is the other

    async def _reset_all(self):
        for line in self.lines:
            line.reset()

    async def _end(self):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
