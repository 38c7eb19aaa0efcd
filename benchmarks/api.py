"""
The API of the scenarios that nginx cannot play: it waits, counts, and answers 200.

It does as little as it can, for it shares two cores with what is measured: one request at a time
on a connection, a Content-Length, no body kept. `GET /stats` tells the counts, `POST /reset`
sets them to 0 and the dice to their seed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
from dataclasses import asdict, dataclass, field

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
TAKEN = ANSWER % (2, b"{}")
BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class Counts:
    """
    What arrived since the last reset.

    Attributes:
        records: objects in the bodies: the rows sent are flat and no text in them has a brace, so
            the opening braces count them in JSON, NDJSON and JSON arrays alike.
        bytes: of the bodies.
        max_in_flight: requests received and not yet answered, at most.
    """

    requests: int = 0
    records: int = 0
    bytes: int = 0
    max_in_flight: int = 0


@dataclass(slots=True)
class Behaviour:
    """
    How long a request takes.

    Attributes:
        delay: of a request, in seconds.
        slow_delay: of one of the unlucky ones, in seconds.
        slow_share: which part of the requests is unlucky, 0 to 1.
    """

    delay: float
    slow_delay: float
    slow_share: float
    seed: int
    dice: random.Random = field(default_factory=random.Random)

    def reset(self) -> None:
        """Begin the same sequence again."""
        self.dice.seed(self.seed)

    def next_delay(self) -> float:
        """Give the seconds that the next request takes."""
        if self.slow_share and self.dice.random() < self.slow_share:
            return self.slow_delay
        return self.delay


class Api:
    """What all connections share."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.counts = Counts()
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Count from 0."""
        self.behaviour.reset()
        self.counts = Counts()

    def begin(self, records: int, size: int) -> float:
        """Count a request; give the seconds that it takes."""
        counts = self.counts
        counts.requests += 1
        counts.records += records
        counts.bytes += size
        self.in_flight += 1
        counts.max_in_flight = max(counts.max_in_flight, self.in_flight)
        return self.behaviour.next_delay()


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.loop = asyncio.get_running_loop()
        self.head = b""
        self.size = self.missing = self.records = 0
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keep the way back."""
        self.transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the request that nobody waits for."""
        if self.timer is not None:
            self.timer.cancel()
            self.api.in_flight -= 1

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request, of its body mostly."""
        if not self.missing:
            data = self.head + data
            end = data.find(b"\r\n\r\n") + 4
            if end < 4:
                self.head = data
                return
            self.head = b""
            if not self._begin(data[:end]):
                return
            data = data[end:]
        self.records += data.count(b"{")
        self.missing -= len(data)
        if self.missing == 0:
            self._take()
        elif self.missing < 0:  # pipelined, or longer than it said
            self._refuse()

    def _begin(self, head: bytes) -> bool:
        """Read the head of a request; tell whether it brings records."""
        if head.startswith((b"GET /stats", b"POST /reset")):
            self._control(head)
            return False
        _, _, length = head.lower().partition(b"\r\ncontent-length:")
        if not length:
            self._refuse()
            return False
        self.size = self.missing = int(length.partition(b"\r\n")[0])
        self.records = 0
        return True

    def _control(self, head: bytes) -> None:
        if head.startswith(b"POST"):
            self.api.reset()
        answer = json.dumps(asdict(self.api.counts)).encode()
        self.transport.write(ANSWER % (len(answer), answer))

    def _take(self) -> None:
        delay = self.api.begin(self.records, self.size)
        if delay:
            self.timer = self.loop.call_later(delay, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        self.timer = None
        self.api.in_flight -= 1
        self.transport.write(TAKEN)

    def _refuse(self) -> None:
        self.transport.write(BAD)
        self.transport.close()


async def serve(port: int, behaviour: Behaviour) -> None:
    """Listen on loopback until interrupted."""
    loop = asyncio.get_running_loop()
    api = Api(behaviour)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    server = await loop.create_server(lambda: Connection(api), "127.0.0.1", port, backlog=1024)
    async with server:
        await stop.wait()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds a request")
    parser.add_argument("--slow-delay", type=float, default=1.0, help="seconds, of a slow one")
    parser.add_argument("--slow-share", type=float, default=0.0, help="of the requests, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    behaviour = Behaviour(args.delay, args.slow_delay, args.slow_share, args.seed)
    uvloop.run(serve(args.port, behaviour))


if __name__ == "__main__":
    main()
