"""An API that answers as told and remembers what it got: for rowferry's tests and for yours."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias

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
    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    def json(self) -> Any:
        """Give the body, read as JSON."""
        return json.loads(self.body)

    def records(self) -> list[Any]:
        """Give the body's records: the items of an array, the lines of NDJSON, or the one."""
        if self.headers.get("content-type") == "application/x-ndjson":
            return [json.loads(line) for line in self.body.splitlines()]
        value = self.json()
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
        cut: whether to close the connection after it ("close") or reset it ("reset").
    """

    status: int = 201
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    raw: bytes | None = None
    cut: str | None = None

    def encode(self) -> bytes:
        """Give the bytes to send."""
        if self.raw is not None:
            return self.raw
        lines = [f"HTTP/1.1 {self.status} Any", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


Behaviour: TypeAlias = Callable[[Received], "Answer | int | None"]


class FakeApi:
    """
    A server on a port of its own on loopback, in a thread of its own.

        with FakeApi() as api:
            etl.post_rows(rows, api.url)
            assert api.records == rows

    Args:
        answer: a status, an `Answer`, or a function from what was received to either; a function
            that gives None lets the connection hang without an answer.
        tls: makes it an https server.

    Attributes:
        received: all requests that were complete, in the order of their arrival.
        connections: that clients have opened so far.
        in_flight: requests that are complete and not answered yet.
        most_in_flight: the largest that number was.
    """

    def __init__(
        self, answer: Behaviour | Answer | int = 201, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self._held: list[Callable[[], None]] | None = None
        self._answer = answer
        self._tls = tls
        self._port = 0
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
        server = await self._loop.create_server(
            lambda: _Connection(self), "127.0.0.1", 0, ssl=self._tls, backlog=1024
        )
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for transport in list(self._open):
            transport.abort()  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    def _release(self) -> None:
        held, self._held = self._held or [], None
        for send in held:
            send()

    def _take(self, request: Received) -> Answer | None:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.received.append(request)
        answer = self._answer(request) if callable(self._answer) else self._answer
        return Answer(status=answer) if isinstance(answer, int) else answer


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
        number = len(self._api.received)
        request = Received(number, method, path, headers, body, self._number)
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
        self._transport.write(answer.encode())
        if answer.cut:
            self._transport.close()

    def _reset(self, answer: Answer) -> None:
        """Send what there is, then reset the connection as a crashed server does."""
        import socket  # noqa: PLC0415 (seldom needed)
        import struct  # noqa: PLC0415 (seldom needed)

        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if answer.raw:
            self._transport.write(answer.raw)
        self._transport.abort()
