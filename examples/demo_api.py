"""
The API of the demo: takes a record in 20 ms, and remembers every one.

    POST /<way>            one JSON record; answered with 201 after 20 ms
    GET  /<way>/summary    {"records": in all, "distinct": airports, "max_in_flight": requests}
    GET  /<way>/records    all of them, in the order of their arrival

A way is sequential, recipe or rowferry. `demo.py` starts this server in a process of its own, for
a server in the same process would take its CPU time from the client that is measured. By hand:

    python examples/demo_api.py

It prints its URL, and runs until its standard input ends (Ctrl-D) or Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import dataclass, field
from typing import Any

import httptools
import uvloop

DELAY = 0.020
"""Seconds until an answer: what an API takes that looks something up and writes something down."""

KEY = "icao"
"""The field that tells one airport from another."""

FAULTS = {"lose": 0, "double": 2}
"""How often the API keeps the first record of each way, to show that the demo would notice."""


@dataclass
class Way:
    """What came in at one endpoint."""

    first_copies: int = 1
    records: list[Any] = field(default_factory=list)
    posts: int = 0
    in_flight: int = 0
    max_in_flight: int = 0

    def begin(self, record: Any) -> None:
        """Remember *record*, whose request is now in flight."""
        self.records += [record] * (1 if self.posts else self.first_copies)
        self.posts += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def summary(self) -> dict[str, int]:
        """Give the counts."""
        return {
            "records": len(self.records),
            "distinct": len({record[KEY] for record in self.records}),
            "max_in_flight": self.max_in_flight,
        }


class Connection(asyncio.Protocol):
    """
    One connection: the event loop calls it with what arrives, and nothing here ever waits.

    httptools, the HTTP parser of Node.js, turns the bytes into calls of the `on_…` methods.
    """

    def __init__(self, ways: dict[str, Way]) -> None:
        self._ways = ways
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._path = self._body = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keep the way back to the client."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Parse a piece of a request: some of it, all of it, or more than one."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self._path = self._body = b""

    def on_url(self, piece: bytes) -> None:
        """Take a piece of the path."""
        self._path += piece

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        self._body += piece

    def on_message_complete(self) -> None:
        """Do what the request asks for."""
        name, _, question = self._path.decode().strip("/").partition("/")
        way = self._ways.get(name)
        match self._parser.get_method(), question:
            case _ if way is None:
                self._answer(404)
            case b"POST", "":
                self._take(way)
            case b"GET", "summary":
                self._answer(200, way.summary())
            case b"GET", "records":
                self._answer(200, way.records)
            case _:
                self._answer(404)

    def _take(self, way: Way) -> None:
        try:
            record = json.loads(self._body)
            record[KEY]
        except (ValueError, TypeError, KeyError):
            self._answer(400, {"error": f"not a JSON object with {KEY!r}"})
            return
        way.begin(record)
        # A time.sleep here would stop the server for all its clients. The loop calls back instead.
        self._loop.call_later(DELAY, self._end, way)

    def _end(self, way: Way) -> None:
        way.in_flight -= 1
        self._answer(201)

    def _answer(self, status: int, content: Any = None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        head = f"HTTP/1.1 {status} \r\nContent-Type: application/json\r\n"
        self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def serve(first_copies: int) -> None:
    """Listen on a free port of this machine only; print the URL; serve until input ends."""
    ways = {name: Way(first_copies) for name in ("sequential", "recipe", "rowferry")}
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(ways), "127.0.0.1", 0, backlog=1024
    )
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    # The input is a pipe from the demo. However the demo ends, the pipe ends with it.
    await asyncio.to_thread(sys.stdin.buffer.read)


def main() -> None:
    """Serve what the command line asks for."""
    parser = argparse.ArgumentParser(description="The API of the demo.")
    parser.add_argument("--fault", choices=FAULTS, help="lose or double the first of each way")
    fault = parser.parse_args().fault
    # There is nothing to save: Ctrl-C may end the process as it stands.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(FAULTS.get(fault, 1)))


if __name__ == "__main__":
    main()
