"""
An API that answers as told and remembers what it got: for rowferry's tests and for yours.

It listens on a real socket and speaks real HTTP, faults included: what a client does with a reset,
a hang or garbage is what it would do with the API itself.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from urllib.parse import parse_qsl

import httptools

if TYPE_CHECKING:
    import ssl
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Received:
    """
    A request that a FakeApi got.

    Attributes:
        number: 0 for the first one of the server.
        headers: names in lower case.
        connection: number of the connection that it came on, from 0.
        attempt: 1 where no request had this method, path and body before it; 2 for the second that
            has them, and so on.
    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    attempt: int = 1

    def plain(self) -> bytes:
        """Give the body, decompressed where it came so."""
        packed = self.headers.get("content-encoding") == "gzip"
        return gzip.decompress(self.body) if packed else self.body

    def json(self) -> Any:
        """Give the body, read as JSON."""
        return json.loads(self.plain())

    def form(self) -> dict[str, str]:
        """Give the body, read as a form."""
        return dict(parse_qsl(self.plain().decode(), keep_blank_values=True))

    def records(self) -> list[Any]:
        """
        Give the body's records: the items of an array, the lines of NDJSON, a form, or the one.

        Where there is no body there are none.
        """
        kind = self.headers.get("content-type")
        if kind == "application/x-ndjson":
            return [json.loads(line) for line in self.plain().splitlines()]
        if kind == "application/x-www-form-urlencoded":
            return [self.form()]
        value = self.json() if self.body else []
        return value if isinstance(value, list) else [value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    What a FakeApi does with a request.

    Attributes:
        status: of the answer.
        headers: besides Content-Length.
        body: of the answer.
        delay: seconds before it.
        raw: bytes to send instead of an answer made of the above.
        cut: whether to close the connection after it ("close") or reset it ("reset", where only
            `raw` is sent before).
        drip: seconds between two bytes of it; 0 sends it at once.
        endless: bytes that follow it again and again until the client closes the connection.
    """

    status: int = 201
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    raw: bytes | None = None
    cut: str | None = None
    drip: float = 0.0
    endless: bytes = b""

    def encode(self) -> bytes:
        """Give the bytes to send."""
        if self.raw is not None:
            return self.raw
        lines = [f"HTTP/1.1 {self.status} Any", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


Reply: TypeAlias = "Answer | int | None"
"""A status, an `Answer`, or None: the connection hangs without one."""

Behaviour: TypeAlias = Callable[[Received], Reply]

_STEPS = 4
"""Turns of the loop in which a connection that was accepted has come."""

FAULTS: Mapping[str, Reply] = {
    "429": Answer(status=429),
    "429 with Retry-After": Answer(status=429, headers={"Retry-After": "0"}),
    "500": 500,
    "503": 503,
    "503 with Retry-After": Answer(status=503, headers={"Retry-After": "0"}),
    "reset": Answer(cut="reset"),
    "close": Answer(raw=b"", cut="close"),
    "cut answer": Answer(raw=b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n1", cut="close"),
    "garbage": Answer(raw=b"what?\r\n\r\n", cut="close"),
    "stale": Answer(cut="close"),
}
"""
Faults that a record survives, by name. "stale" is an answer and then a connection that closes.
"""


class RandomFaults:
    """
    A behaviour: a share of the requests meets a fault, the others are taken.

    What a request meets depends on the seed, its body (its path, where it has none) and how often
    it came before, and on nothing else: not on the time, and not on the order.

    Args:
        share: of the requests, 0 to 1.
        faults: to draw from; see `FAULTS`.
        then: what becomes of the others.
    """

    def __init__(
        self,
        share: float = 0.01,
        *,
        seed: int = 0,
        faults: Sequence[Reply] = tuple(FAULTS.values()),
        then: Behaviour | Reply = 201,
    ) -> None:
        self._share = share
        self._seed = seed
        self._faults = faults
        self._then = then

    def __call__(self, request: Received) -> Reply:
        """Say what is to be done with a request."""
        what = request.body or request.path.encode()
        dice = random.Random(b"%d:%d:%b" % (self._seed, request.attempt, what))  # noqa: S311 (dice)
        if dice.random() < self._share:
            return dice.choice(self._faults)
        return self._then(request) if callable(self._then) else self._then


class FakeApi:
    """
    A server on a port of its own on loopback, in a thread of its own.

        with FakeApi() as api:
            etl.post_rows(rows, api.url)
            assert api.records == rows

    Args:
        answer: what it does with a request: a status, an `Answer`, or None, which lets the
            connection hang without an answer; or several of them in a list, one after another, the
            last for all that follow; or a function that gives one for what was received.
        tls: makes it an https server.
        port: to listen on; 0 takes one that is free.

    Attributes:
        received: all requests that were complete, in the order of their arrival.
        connections: that clients have opened so far.
        in_flight: requests that are complete and not answered yet.
        most_in_flight: the largest that number was.
    """

    def __init__(
        self,
        answer: Behaviour | Sequence[Reply] | Reply = 201,
        *,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self._seen: Counter[tuple[str, str, bytes]] = Counter()
        self._held: list[Callable[[], None]] | None = None
        self._answer = answer
        self._tls = tls
        self._port = port
        self._open: set[asyncio.BaseTransport] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-api", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens, with the path /records."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}/records"

    @property
    def port(self) -> int:
        """The port on which it listens, also once it has ended."""
        return self._port

    @property
    def records(self) -> list[Any]:
        """The records of all requests, in the order of their arrival."""
        return [record for request in list(self.received) for record in request.records()]

    @property
    def open_connections(self) -> int:
        """Connections that clients keep open now."""
        return len(self._open)

    def hold(self) -> None:
        """Keep back all answers from now on, until `release`."""
        self._held = []

    def release(self) -> None:
        """Send the answers that were kept back, and keep back no more."""
        self._loop.call_soon_threadsafe(self._release)

    def refuse_connections(self) -> None:
        """Listen no more and reset what is open, as an API that has crashed, until `listen`."""
        self._in_its_thread(self._refuse())

    def listen(self) -> None:
        """Take connections again, on the same port."""
        self._in_its_thread(self._listen(self._port))

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        await self._listen(self._port)
        self._ready.set()
        await self._end.wait()
        await self._refuse()

    async def _listen(self, port: int) -> None:
        self._server = await self._loop.create_server(
            lambda: _Connection(self), "127.0.0.1", port, ssl=self._tls, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        for listening in self._server.sockets:
            self._loop.remove_reader(listening.fileno())
        for _ in range(_STEPS):  # asyncio would lose a connection that is just coming
            await asyncio.sleep(0)
        self._server.close()
        for transport in list(self._open):
            transport.abort()  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    def _in_its_thread(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _release(self) -> None:
        held, self._held = self._held or [], None
        for send in held:
            send()

    def _take(self, request: Received) -> Answer | None:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.received.append(request)
        reply: Reply
        if callable(self._answer):
            reply = self._answer(request)
        elif isinstance(self._answer, Sequence):
            reply = self._answer[min(request.number, len(self._answer) - 1)]
        else:
            reply = self._answer
        return Answer(status=reply) if isinstance(reply, int) else reply


class _Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, api: FakeApi) -> None:
        self._api = api
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._number = api.connections
        self._unanswered = 0
        self._path = b""
        self._headers: dict[str, str] = {}
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._api.connections += 1
        self._api._open.add(transport)  # noqa: SLF001 (its other half)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's name)
        self._api._open.discard(self._transport)  # noqa: SLF001 (its other half)
        self._settle(self._unanswered)

    def _settle(self, answers: int) -> None:
        self._unanswered -= answers
        self._api.in_flight -= answers

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        path, headers, body = self._path.decode(), self._headers, self._body
        self._path, self._headers, self._body = b"", {}, b""
        number, seen = len(self._api.received), self._api._seen  # noqa: SLF001 (its other half)
        seen[method, path, body] += 1
        attempt = seen[method, path, body]
        request = Received(number, method, path, headers, body, self._number, attempt)
        self._unanswered += 1
        answer = self._api._take(request)  # noqa: SLF001 (its other half)
        if answer is None:
            return
        if answer.delay:
            asyncio.get_running_loop().call_later(answer.delay, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        if self._transport.is_closing():
            return
        if self._api._held is not None:  # noqa: SLF001 (its other half)
            self._api._held.append(functools.partial(self._send, answer))  # noqa: SLF001
            return
        self._settle(1)
        if answer.cut == "reset":
            self._reset(answer)
            return
        if answer.drip:
            self._drip(answer, answer.encode())
            return
        self._transport.write(answer.encode())
        self._finish(answer)

    def _drip(self, answer: Answer, left: bytes) -> None:
        """Send a byte, and the others later."""
        if self._transport.is_closing():
            return
        self._transport.write(left[:1])
        if len(left) > 1:
            asyncio.get_running_loop().call_later(answer.drip, self._drip, answer, left[1:])
        else:
            self._finish(answer)

    def _finish(self, answer: Answer) -> None:
        if answer.endless:
            self._go_on(answer.endless)
        elif answer.cut:
            self._transport.close()

    def _go_on(self, endless: bytes) -> None:
        """Send the same again and again, as fast as it is read."""
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() < len(endless):
            self._transport.write(endless)
        asyncio.get_running_loop().call_later(0.0005, self._go_on, endless)

    def _reset(self, answer: Answer) -> None:
        """Send what there is, then reset the connection as a crashed server does."""
        import socket  # noqa: PLC0415 (seldom needed)
        import struct  # noqa: PLC0415 (seldom needed)

        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if answer.raw:
            self._transport.write(answer.raw)
        self._transport.abort()
