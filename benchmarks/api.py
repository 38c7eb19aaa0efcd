"""
The API of the scenarios that nginx cannot play: it waits, counts, and answers 200.

It can also slow down past a number of requests in flight, refuse what comes past a rate, be down
for a while, and meet a share of the requests with faults of every kind. At /_bulk it answers as
Elasticsearch's `_bulk` does, an item a record, in its own media type to who speaks it.

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
BULK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n"
    b"X-Elastic-Product: Elasticsearch\r\nContent-Length: %d\r\n\r\n%b"
)
ELASTIC = b"application/vnd.elasticsearch+json;compatible-with=9"
ITEM = b'{"index":{"_index":"items","_id":"x","_version":1,"result":"created","status":201}}'
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
DOWN = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
FAULTS = (
    "429",
    "429 now",
    "503",
    "500",
    "reset",
    "close",
    "cut",
    "garbage",
    "hang",
    "taken, reset",
)
FAULTY_ANSWERS = {
    "429": REFUSED,
    "429 now": REFUSED[:-2] + b"Retry-After: 0\r\n\r\n",
    "503": DOWN,
    "500": DOWN.replace(b"503", b"500"),
    "cut": b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n1",
    "garbage": b"what?\r\n\r\n",
}
BURST = 50.0
OUTAGE_AFTER = 3.0
BIN = 0.1  # seconds, in which the pace is counted
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
        refused: requests that were refused for their rate.
        faults: requests that met a fault.
        distinct: records that were taken, each counted once; only where faults are asked for.
        in_outage: requests (or connections) that came while it was down, after its first second.
        back_after: seconds from the end of an outage to 0.2 s at 90 % of the pace before it.
        samples: seconds since the first one of them, and requests in flight then; where asked for.
    """

    requests: int = 0
    records: int = 0
    bytes: int = 0
    max_in_flight: int = 0
    refused: int = 0
    faults: int = 0
    distinct: int = 0
    in_outage: int = 0
    back_after: float = -1.0
    samples: list[tuple[float, int]] = field(default_factory=list)


@dataclass(slots=True)
class Behaviour:
    """
    How long a request takes.

    Attributes:
        delay: of a request, in seconds.
        slow_delay: of one of the unlucky ones, in seconds.
        slow_share: which part of the requests is unlucky, 0 to 1.
        slow_past: requests in flight past which each takes twice as long; 0 means never.
        rate: requests a second past which it answers 429; 0 means any number. The burst is 50.
        faults: which part of the requests meets a fault.
        outage: seconds that it is down, from 3 s after its first request on.
        outage_kind: "503" answers so; "closed" resets every connection and takes none.
        sample: seconds between two looks at how many requests are in flight; 0 looks never.
    """

    delay: float
    slow_delay: float
    slow_share: float
    slow_past: int
    rate: float
    faults: float
    outage: float
    outage_kind: str
    sample: float
    seed: int
    dice: random.Random = field(default_factory=random.Random)

    def reset(self) -> None:
        """Begin the same sequence again."""
        self.dice.seed(self.seed)

    def next_delay(self, in_flight: int) -> float:
        """Give the seconds that the next request takes, with so many in flight."""
        if self.slow_past and in_flight > self.slow_past:
            return 2 * self.delay
        if self.slow_share and self.dice.random() < self.slow_share:
            return self.slow_delay
        return self.delay


class Api:
    """What all connections share."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.counts = Counts()
        self.in_flight = 0
        self.open: set[asyncio.Transport] = set()
        self.clock = asyncio.get_running_loop().time
        self.reset()

    def reset(self) -> None:
        """Count from 0."""
        self.behaviour.reset()
        self.counts = Counts()
        self.began = 0.0
        self.tokens, self.tokens_at = BURST, 0.0
        self.bins: dict[int, int] = {}
        self.taken = bytearray()

    def stats(self) -> bytes:
        """Give the counts as JSON."""
        self.counts.distinct = sum(self.taken)
        if self.behaviour.outage:
            self.counts.back_after = self.back_after()
        return json.dumps(asdict(self.counts)).encode()

    def back_after(self) -> float:
        """Give how soon after an outage its pace was back, in seconds; -1 where it never was."""
        start, end = OUTAGE_AFTER, OUTAGE_AFTER + self.behaviour.outage
        before = [
            self.bins.get(at, 0) for at in range(round((start - 1) / BIN), round(start / BIN))
        ]
        full = sum(before) / len(before)
        for at in range(round(end / BIN), max(self.bins, default=0)):
            if self.bins.get(at, 0) + self.bins.get(at + 1, 0) >= 2 * 0.9 * full:
                return round(at * BIN - end, 1)
        return -1.0

    def sample(self) -> None:
        """Note how many requests are in flight, from the first request on."""
        if not self.counts.requests:
            return
        self.began = self.began or self.clock()
        self.counts.samples.append((round(self.clock() - self.began, 4), self.in_flight))

    def is_down(self) -> bool:
        """Tell whether it is down now."""
        behaviour = self.behaviour
        if not behaviour.outage or not self.began:
            return False
        since = self.clock() - self.began - OUTAGE_AFTER
        if 0 <= since < behaviour.outage:
            self.counts.in_outage += since >= 1
            return True
        return False

    def refuses(self) -> bool:
        """Tell whether a request comes past the rate."""
        if not self.behaviour.rate:
            return False
        now = self.clock()
        gained = (now - self.tokens_at) * self.behaviour.rate
        self.tokens, self.tokens_at = min(BURST, self.tokens + gained), now
        if self.tokens < 1:
            self.counts.refused += 1
            return True
        self.tokens -= 1
        return False

    def fault(self) -> str:
        """Draw the fault that a request meets; mostly none."""
        dice = self.behaviour.dice
        if not self.behaviour.faults or dice.random() >= self.behaviour.faults:
            return ""
        self.counts.faults += 1
        return dice.choice(FAULTS)

    def take(self, body: bytes) -> None:
        """Count a record as taken, by the number that its body begins with."""
        number = int(body[body.index(b":") + 1 : body.index(b",")])
        if number >= len(self.taken):
            self.taken.extend(bytes(number + 1_000 - len(self.taken)))
        self.taken[number] = 1

    def begin(self, records: int, size: int) -> float:
        """Count a request; give the seconds that it takes."""
        counts = self.counts
        if self.behaviour.outage:
            self.began = self.began or self.clock()
            at = int((self.clock() - self.began) / BIN)
            self.bins[at] = self.bins.get(at, 0) + 1
        counts.requests += 1
        counts.records += records
        counts.bytes += size
        self.in_flight += 1
        counts.max_in_flight = max(counts.max_in_flight, self.in_flight)
        return self.behaviour.next_delay(self.in_flight)


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.loop = asyncio.get_running_loop()
        self.head = b""
        self.body = b""
        self.bulk = False
        self.bulk_type = b""
        self.size = self.missing = self.records = 0
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keep the way back."""
        self.transport = transport
        self.api.open.add(transport)
        if self.api.behaviour.outage_kind == "closed" and self.api.is_down():
            transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the request that nobody waits for."""
        self.api.open.discard(self.transport)
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
        self.records += data.count(b"\n") / 2 if self.bulk else data.count(b"{")
        self.missing -= len(data)
        if self.api.behaviour.faults:
            self.body += data
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
        self.records, self.body, self.bulk = 0, b"", b"/_bulk" in head[:64]
        if self.bulk:
            self.bulk_type = ELASTIC if b"vnd.elasticsearch" in head else b"application/json"
        return True

    def _control(self, head: bytes) -> None:
        if head.startswith(b"POST"):
            self.api.reset()
        answer = self.api.stats()
        self.transport.write(ANSWER % (len(answer), answer))

    def _take(self) -> None:
        api = self.api
        if api.is_down():
            self._down()
            return
        if api.refuses():
            self.transport.write(REFUSED)
            return
        fault = api.fault()
        if fault and self._fails(fault):
            return
        if api.behaviour.faults:
            api.take(self.body)
        delay = api.begin(int(self.records), self.size)
        if fault:
            self.api.in_flight -= 1
            self.transport.abort()
            return
        if delay:
            self.timer = self.loop.call_later(delay, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        self.timer = None
        self.api.in_flight -= 1
        if self.bulk:
            items = b",".join([ITEM] * int(self.records))
            body = b'{"errors":false,"took":1,"items":[%b]}' % items
            self.transport.write(BULK % (self.bulk_type, len(body), body))
            return
        self.transport.write(TAKEN)

    def _down(self) -> None:
        if self.api.behaviour.outage_kind == "503":
            self.transport.write(DOWN)
        else:
            self.transport.abort()

    def _fails(self, fault: str) -> bool:
        """Do what a fault is; False where the request is taken before."""
        if fault in FAULTY_ANSWERS:
            self.transport.write(FAULTY_ANSWERS[fault])
        if fault in {"close", "cut", "garbage"}:
            self.transport.close()
        if fault == "reset":
            self.transport.abort()
        return fault != "taken, reset"

    def _refuse(self) -> None:
        self.transport.write(BAD)
        self.transport.close()


async def _reset_when_down(api: Api) -> None:
    """Reset every connection when an outage of that kind begins."""
    while True:
        await asyncio.sleep(BIN)
        if api.behaviour.outage_kind == "closed" and api.began:
            since = api.clock() - api.began - OUTAGE_AFTER
            if 0 <= since < api.behaviour.outage:
                for transport in list(api.open):
                    transport.abort()


async def _sample(api: Api) -> None:
    """Look at the requests in flight again and again."""
    while api.behaviour.sample:
        await asyncio.sleep(api.behaviour.sample)
        api.sample()


async def serve(port: int, behaviour: Behaviour) -> None:
    """Listen on loopback until interrupted."""
    loop = asyncio.get_running_loop()
    api = Api(behaviour)
    tasks = [loop.create_task(_reset_when_down(api)), loop.create_task(_sample(api))]
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    server = await loop.create_server(lambda: Connection(api), "127.0.0.1", port, backlog=1024)
    async with server:
        await stop.wait()
    for task in tasks:
        task.cancel()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds a request")
    parser.add_argument("--slow-delay", type=float, default=1.0, help="seconds, of a slow one")
    parser.add_argument("--slow-share", type=float, default=0.0, help="of the requests, 0 to 1")
    parser.add_argument("--slow-past", type=int, default=0, help="requests in flight")
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second")
    parser.add_argument("--faults", type=float, default=0.0, help="of the requests, 0 to 1")
    parser.add_argument("--outage", type=float, default=0.0, help="seconds")
    parser.add_argument("--outage-kind", choices=("503", "closed"), default="503")
    parser.add_argument("--sample", type=float, default=0.0, help="seconds between two")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    options = vars(args)
    uvloop.run(serve(options.pop("port"), Behaviour(**options)))


if __name__ == "__main__":
    main()
