"""
An API that has faults, and counts by row what became of them.

It runs in the event loop of who measures: what is to happen when half of the rows have arrived is
a future to wait for. Each request takes 5 ms. A row is taken when it is answered: what an outage
cuts off was not. At /_bulk it is Elasticsearch, an item a row.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal

import httptools

if TYPE_CHECKING:
    from collections.abc import Iterator

Fault = Literal["refusals", "killed", "outage"]

ROWS = 5_000
BAD = (777, 2_500, 4_321)
FLAKY_EVERY = 100
DELAY = 0.005
OUTAGE = 10.0
REASONS = {200: "OK", 201: "Created", 400: "Bad Request", 503: "Service Unavailable"}


class Api:
    """
    The API.

    Attributes:
        port: where it listens, on 127.0.0.1.
        half: done when half of the rows have been taken.
    """

    def __init__(self, fault: Fault) -> None:
        self.loop = asyncio.get_running_loop()
        self.fault = fault
        self.half = self.loop.create_future()
        self.port = 0
        self.connections: set[Connection] = set()
        self._seen: set[int] = set()
        self._taken: dict[int, list[str | None]] = defaultdict(list)

    async def listen(self) -> None:
        """Accept connections, on the port of before if there was one."""
        self._server = await self.loop.create_server(
            lambda: Connection(self), "127.0.0.1", self.port, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Refuse connections from now on, and cut those that there are."""
        self._server.close()
        for connection in list(self.connections):
            connection.cut()

    def judge(self, number: int) -> int:
        """Give the status that a row is answered with, and count the row if it is taken."""
        first = number not in self._seen
        self._seen.add(number)
        if self.fault != "refusals":
            return 201
        if number in BAD:
            return 400
        return 503 if first and number % FLAKY_EVERY == FLAKY_EVERY // 2 else 201

    def take(self, number: int, key: str | None) -> None:
        """Count a row, with the key by which an API would know it again."""
        self._taken[number].append(key)
        if len(self._taken) == ROWS // 2 and not self.half.done():
            self.half.set_result(None)
            if self.fault == "outage":
                self.loop.create_task(self._go_down())

    def counts(self) -> dict[str, int]:
        """Give what became of the rows, those apart that nobody can deliver."""
        good = ROWS - (len(BAD) if self.fault == "refusals" else 0)
        return {
            "delivered": len(self._taken),
            "undelivered": good - len(self._taken),
            "doubled": sum(len(keys) - 1 for keys in self._taken.values()),
            "doubled_with_key": sum(map(_repeated, self._taken.values())),
        }

    async def _go_down(self) -> None:
        self.close()
        await asyncio.sleep(OUTAGE)
        await self.listen()


def _repeated(keys: list[str | None]) -> int:
    """Count the arrivals that an API could tell from new ones by their key."""
    known = [key for key in keys if key is not None]
    return len(known) - len(set(known))


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.down = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keep the way back."""
        self.transport = transport
        self.api.connections.add(self)
        self.parser = httptools.HttpRequestParser(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the connection; what it brought is worked on all the same."""
        self.api.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request."""
        self.parser.feed_data(data)

    def cut(self) -> None:
        """Drop the connection, and what was under way on it."""
        self.down = True
        self.transport.abort()

    # what the parser calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.path, self.body, self.headers = b"", b"", {}

    def on_url(self, url: bytes) -> None:
        """Take the path."""
        self.path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self.headers[name.lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Answer, after a while."""
        answer = self._bulk if b"/_bulk" in self.path else self._single
        self.api.loop.call_later(
            DELAY, self._answer, answer, self.body, self.headers.get(b"idempotency-key")
        )

    def _answer(self, answer: Any, body: bytes, key: str | None) -> None:
        if not self.down:
            status, head, text = answer(body, key)
            first = f"HTTP/1.1 {status} {REASONS[status]}\r\n{head}Content-Length: {len(text)}"
            self.transport.write(f"{first}\r\n\r\n{text}".encode())

    def _single(self, body: bytes, key: str | None) -> tuple[int, str, str]:
        number = json.loads(body)["id"]
        status = self.api.judge(number)
        if status == 201:
            self.api.take(number, key)
        return status, "Content-Type: application/json\r\n", "{}"

    def _bulk(self, body: bytes, _: str | None) -> tuple[int, str, str]:
        items = list(self._items(body))
        head = (
            "Content-Type: application/vnd.elasticsearch+json;compatible-with=9\r\n"
            "X-Elastic-Product: Elasticsearch\r\n"
        )
        errors = any(item["index"]["status"] > 299 for item in items)
        return 200, head, json.dumps({"errors": errors, "took": 1, "items": items})

    def _items(self, body: bytes) -> Iterator[dict[str, Any]]:
        """Judge each document; a node that is busy says 429, not 503. Its id is its key."""
        lines = body.splitlines()
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            number, key = json.loads(source)["id"], json.loads(action)["index"]["_id"]
            status = {503: 429}.get(judged := self.api.judge(number), judged)
            if status == 201:
                self.api.take(number, str(key))
            error = {"error": {"type": "refused", "reason": "as asked for"}} if status > 299 else {}
            yield {"index": {"_index": "items", "_id": str(key), "status": status, **error}}
