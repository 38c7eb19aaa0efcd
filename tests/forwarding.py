"""An HTTP proxy on a socket of its own: tunnels and forwards, and remembers what it was asked."""

import asyncio
import base64
import contextlib
import threading


class ForwardProxy:
    """
    A proxy that forwards requests in absolute form and opens tunnels.

    Args:
        user: "user:password" that it wants; None for anybody.
        answer: bytes that it answers every CONNECT with, instead of opening a tunnel; or a function
            that gives them, or None to open one, for the number of the request, from 0.
        route: where it connects to, (host, port), whatever it is asked for; None for what it is.

    Attributes:
        heads: of all requests that it got, as text, those inside of tunnels not among them.
        seen: all bytes that went through its tunnels from clients.
    """

    def __init__(self, user=None, *, answer=None, route=None):
        self.heads = []
        self.seen = b""
        self.port = 0
        self._user = user
        self._answer = answer
        self._route = route
        self._tasks = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def url(self):
        user = f"{self._user}@" if self._user else ""
        return f"http://{user}127.0.0.1:{self.port}"

    def __enter__(self):
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self):
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets closed transports say goodbye

    async def _take(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader, writer):
        """Serve one request; tell whether another may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        method, target, _ = head.partition("\r\n")[0].split(" ")
        length = int(head.lower().partition("content-length:")[2].partition("\r\n")[0] or 0)
        body = await reader.readexactly(length)
        if not self._allows(head):
            refusal = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
            writer.write(refusal)
            return True
        if method == "CONNECT":
            await self._tunnel(target, reader, writer)
            return False
        await self._forward(head, body, writer)
        return True

    def _allows(self, head):
        if self._user is None:
            return True
        wanted = f"Proxy-Authorization: Basic {base64.b64encode(self._user.encode()).decode()}"
        return wanted in head.split("\r\n")

    async def _tunnel(self, target, reader, writer):
        answer = self._answer
        if callable(answer):
            answer = answer(len(self.heads) - 1)
        if answer is not None:
            writer.write(answer)
            return
        host, _, port = target.rpartition(":")
        there = await asyncio.open_connection(*(self._route or (host.strip("[]"), int(port))))
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n")
        with contextlib.closing(there[1]):
            await asyncio.gather(
                self._pump(reader, there[1], seen=True), self._pump(there[0], writer, seen=False)
            )

    async def _pump(self, reader, writer, *, seen):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if seen:
                    self.seen += data
                writer.write(data)
        writer.close()

    async def _forward(self, head, body, writer):
        """Send a request on in origin form, without what was for the proxy."""
        line, *headers = head.rstrip("\r\n").split("\r\n")
        method, target, version = line.split(" ")
        assert target.startswith("http://")
        authority, _, path = target.removeprefix("http://").partition("/")
        host, _, port = authority.rpartition(":")
        kept = [each for each in headers if not each.lower().startswith("proxy-")]
        there = await asyncio.open_connection(*(self._route or (host, int(port))))
        lines = [f"{method} /{path} {version}", *kept, "Connection: close", "", ""]
        there[1].write("\r\n".join(lines).encode("latin-1") + body)
        answer = await there[0].readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        writer.write(answer + await there[0].readexactly(length))
        there[1].close()
