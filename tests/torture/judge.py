"""
The judge: an API in a process of its own that is never killed, and remembers what it got.

    python -m torture.judge PLAN LOG

It prints the ports of the API, of the origin that nobody may ever come to, and of its control,
where it takes orders as lines of JSON. Each complete request is in the log before it is answered.
"""

import asyncio
import contextlib
import gzip
import json
import os
import re
import signal
import socket
import struct
import sys
import time
from collections import Counter
from email.utils import formatdate

from torture.faults import OUTAGE, choose, status_of_item
from torture.plan import TAKEN, UNSENDABLE, Plan, draw

_ID = re.compile(rb'\{"id":(-?\d+),')
_DEAD_FOR = 0.4
"""Seconds of an outage."""


class Judge:
    def __init__(self, plan, log):
        self.plan = plan
        self.log = log
        self.attempts = Counter()
        self.receipts = 0
        self.waiting = set()
        self.quiet = False
        self.dead_until = 0.0
        self.armed = None
        self.elsewhere = 0
        self.open = set()
        self.port = 0
        self.canary_port = 0
        self.missing = {key for key in range(1, plan.rows + 1) if plan.fate(key) == TAKEN}

    @property
    def in_flight(self):
        """Requests that are not answered, of clients that are still there."""
        return sum(not reader.at_eof() for reader in self.waiting)

    # requests

    async def serve(self, reader, writer):
        self.open.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def _one(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        line, *headers = head.decode("latin-1").split("\r\n")[:-2]
        values = {name.lower(): value for name, value in (h.split(": ", 1) for h in headers)}
        body = await reader.readexactly(int(values.get("content-length", 0)))
        self.waiting.add(reader)
        try:
            entry = self._receive(line, values, body)
            self._trigger("received")
            go_on = await self._act(entry, reader, writer)
            self._trigger("answered")
        finally:
            self.waiting.discard(reader)
        return go_on

    def _receive(self, line, headers, body):
        """Judge a request, write it down, and say what it meets."""
        path = line.split(" ")[1]
        if path != "/records":
            self.elsewhere += 1
        records = body.split(b"\n") if self.plan.profile == "batch" else [body]
        records = [record for record in records if record]
        keys = [self._key(record) for record in records]
        self.attempts.update(keys)
        self.receipts += 1
        if self.receipts in self.plan.outages and not self.quiet:
            self.dead_until = time.monotonic() + _DEAD_FOR
        attempt = self.attempts[keys[0]]
        if time.monotonic() < self.dead_until:
            fault = OUTAGE
        else:
            noise = {"records": len(keys), "quiet": self.quiet, "alone": not self.missing}
            fault = choose(self.plan, keys[0], attempt, **noise)
        statuses = self._statuses(keys, fault)
        applied = [fault.applied and status == 201 for status in statuses]
        if fault.name == "fewer items":
            applied[-1] = False
        self.missing -= {key for key, had in zip(keys, applied, strict=True) if had}
        self.log.write(
            json.dumps(
                {
                    "n": self.receipts,
                    "t": round(time.time(), 4),
                    "keys": keys,
                    "attempt": attempt,
                    "idem": headers.get("idempotency-key"),
                    "applied": applied,
                    "right": [self._is_right(k, r) for k, r in zip(keys, records, strict=True)],
                    "fault": fault.name,
                    "in_flight": self.in_flight,
                    "secret": headers.get("x-api-key") == self.plan.secret(),
                }
            )
            + "\n"
        )
        self.log.flush()
        return fault, keys, statuses

    def _key(self, record):
        found = _ID.match(record)
        return int(found[1]) if found else -1

    def _is_right(self, key, record):
        known = 0 < key <= self.plan.rows and self.plan.fate(key) != UNSENDABLE
        return known and record == self.plan.body(key)

    def _statuses(self, keys, fault):
        if self.plan.profile != "batch":
            return [201]
        partial, quiet = fault.name == "partial", self.quiet or not self.missing
        return [
            status_of_item(self.plan, key, self.attempts[key], partial=partial, quiet=quiet)
            for key in keys
        ]

    # answers

    async def _act(self, entry, reader, writer):
        fault, keys, statuses = entry
        name = fault.name
        await asyncio.sleep(draw(self.plan.seed, "delay", keys[0], self.attempts[keys[0]]) * 0.004)
        if name == "outage" or name.startswith("reset"):
            return _reset(writer)
        if name.startswith("hang"):
            await reader.read(1)  # until the client has enough of it
            return False
        if name.startswith("close"):
            return False
        if name.startswith("garbage"):
            writer.write(b"what?\r\n\r\n")
            return False
        return await self._say(name, statuses, writer)

    async def _say(self, name, statuses, writer):
        success = self._success(statuses)
        if name in {"ok", "partial"}:
            writer.write(success)
        elif name == "stale":
            writer.write(success)
            return False
        elif name == "truncated":
            writer.write(
                success[:-2] if success.endswith(b"}") else success.replace(b": 0", b": 9")
            )
            return False
        elif name == "drip":
            await _drip(writer, success)
        elif name == "fewer items":
            writer.write(self._success(statuses[:-1]))
        elif name == "bomb":
            writer.write(_bomb())
            return False
        elif name.startswith("early hints"):
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")
            await asyncio.sleep(0.002)
            writer.write(_answer(500) if name.endswith("500") else success)
        elif name.startswith("302"):
            here = name == "302 here"
            where = "/blackhole" if here else f"http://127.0.0.1:{self.canary_port}/records"
            writer.write(_answer(302, Location=where))
        else:
            writer.write(_error(name))
        await writer.drain()
        return True

    def _success(self, statuses):
        if self.plan.profile != "batch":
            return _answer(201)
        return _answer(200, json.dumps({"items": statuses}).encode())

    # orders

    def _trigger(self, moment):
        """Send the signal that was ordered, once its request has come."""
        if self.armed is None or self.receipts < self.armed["at"]:
            return
        order = self.armed
        if order["moment"] != moment:
            return
        self.armed = None
        if order["signal"]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(order["pid"], order["signal"])
        order["reply"](b'{"fired": %d}\n' % self.receipts)

    async def obey(self, reader, writer):
        while line := await reader.readline():
            order = json.loads(line)
            match order["do"]:
                case "arm":
                    at = self.receipts + order["after"]
                    self.armed = order | {"at": at, "reply": writer.write}
                    continue
                case "disarm":
                    self.armed = None
                case "quiet":
                    self.quiet = True
                    self.dead_until = 0.0
            told = {
                "receipts": self.receipts,
                "elsewhere": self.elsewhere,
                "in_flight": self.in_flight,
                "open": len(self.open),
            }
            writer.write(json.dumps(told).encode() + b"\n")

    async def never_come_here(self, reader, writer):
        self.elsewhere += 1
        writer.close()


def _reset(writer):
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


def _answer(status, body=b"", **headers):
    lines = [f"HTTP/1.1 {status} Any", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _error(name):
    """Make the answer of a fault that is called by its status and what Retry-After says."""
    status, _, rest = name.partition(" ")
    status = "500" if status == "poison" else status
    after = {
        "in 0 s": "0",
        "in 1 s": "1",
        "in -5 s": "-5",
        "in garbage": "soon",
        "by date": formatdate(time.time() - 1, usegmt=True),
    }.get(rest)
    return _answer(status, b"no", **_now(), **({"Retry_After": after} if after else {}))


def _now():
    """Give the header with the time, by which a client whose clock is wrong reads others."""
    return {"Date": formatdate(time.time(), usegmt=True)}


def _bomb():
    body = gzip.compress(bytes(20_000_000))
    return _answer(201, Content_Encoding="gzip").replace(b": 0", b": %d" % len(body)) + body


async def _drip(writer, answer):
    for at in range(len(answer)):
        writer.write(answer[at : at + 1])
        await writer.drain()
        await asyncio.sleep(0.004)


async def main(plan_text, log_path):
    values = json.loads(plan_text)
    plan = Plan(**values)
    with open(log_path, "a", encoding="utf-8") as log:  # noqa: ASYNC230, PTH123 - one write a request
        judge = Judge(plan, log)
        servers = [
            await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024, limit=2**21)
            for serve in (judge.serve, judge.never_come_here, judge.obey)
        ]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        judge.port, judge.canary_port = ports[:2]
        print(json.dumps(ports), flush=True)
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, end.set)
        await end.wait()
    os._exit(0)  # connections that hang are nobody's loss


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
