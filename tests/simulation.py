"""
Clients and an HTTP server in virtual time: no clock, no sleep, one heap of events.

A server is a function of the time, the requests in flight (the new one among them) and the dice,
that says when and what it answers. A client asks as the docstring of `Refusals` says.
"""

import heapq
import random
from bisect import bisect_left
from dataclasses import dataclass
from itertools import count
from math import inf
from statistics import mean

from rowferry.adaptive import AdaptiveLimit
from rowferry.refusals import Refusals

DELIVERED, REFUSED, FAILED = "delivered", "refused", "failed"
REFUSAL = 0.005  # seconds that a refusal takes

# servers: (now, in_flight, dice) -> (time of the answer, what it is, seconds of Retry-After)


def any_number(latency):
    """Any number at once, each in latency(now, dice) seconds."""

    def serve(now, in_flight, dice):
        return now + latency(now, dice), DELIVERED, None

    return serve


def workers(number, latency):
    """So many at once; the others wait, first come first served."""
    free = [0.0] * number

    def serve(now, in_flight, dice):
        done = max(now, free[0]) + latency(now, dice)
        heapq.heapreplace(free, done)
        return done, DELIVERED, None

    return serve


def in_turn(plan):
    """From each time of *plan* on another server."""

    def serve(now, in_flight, dice):
        server = [server for begin, server in plan if begin <= now][-1]
        return server(now, in_flight, dice)

    return serve


def slower(latency, factor):
    """The latency times factor(in_flight)."""

    def serve(now, in_flight, dice):
        return now + latency(now, dice) * factor(in_flight), DELIVERED, None

    return serve


def rate_limited(latency, rate, burst, retry_after=None, refusal=REFUSAL):
    """Refuses past *rate* a second, beyond a burst (a token bucket)."""
    tokens, at = burst, 0.0

    def serve(now, in_flight, dice):
        nonlocal tokens, at
        tokens, at = min(burst, tokens + (now - at) * rate), now
        if tokens < 1:
            return now + refusal, REFUSED, retry_after
        tokens -= 1
        return now + latency(now, dice), DELIVERED, None

    return serve


def crowded(latency, most):
    """Refuses where more than *most* are in flight."""

    def serve(now, in_flight, dice):
        if in_flight > most:
            return now + REFUSAL, REFUSED, None
        return now + latency(now, dice), DELIVERED, None

    return serve


def refusing(latency, share):
    """Refuses a share at random."""

    def serve(now, in_flight, dice):
        if dice.random() < share:
            return now + REFUSAL, REFUSED, None
        return now + latency(now, dice), DELIVERED, None

    return serve


def down(latency, begin, end, outcome=REFUSED, retry_after=None):
    """Serves nobody from *begin* to *end*."""

    def serve(now, in_flight, dice):
        if begin <= now < end:
            return now + REFUSAL, outcome, retry_after
        return now + latency(now, dice), DELIVERED, None

    return serve


def pausing(latency, every, length):
    """Nothing moves for *length* seconds after each *every*."""

    def serve(now, in_flight, dice):
        done, number = now + latency(now, dice), int(now / every)
        for pause in (number * every, (number + 1) * every):
            if pause and now < pause + length and done > pause:
                done += pause + length - max(now, pause)
        return done, DELIVERED, None

    return serve


def counting(latency, most, every, retry_after=None):
    """Refuses after *most* in each window of *every* seconds."""
    window = used = 0

    def serve(now, in_flight, dice):
        nonlocal window, used
        if int(now / every) != window:
            window, used = int(now / every), 0
        if used >= most:
            return now + REFUSAL, REFUSED, retry_after
        used += 1
        return now + latency(now, dice), DELIVERED, None

    return serve


# latencies: (now, dice) -> seconds


def always(seconds):
    return lambda now, dice: seconds


def lognormal(median, sigma):
    return lambda now, dice: median * dice.lognormvariate(0, sigma)


def about(seconds):
    return lognormal(seconds, 0.05)


# clients


class Client:
    """
    Asks a server as fast as its limit and the refusals allow, and counts.

    Args:
        limit: a Limit.
        begins: seconds after the others.
        supply: rows a second.
        cpu: seconds that a request costs it, and an answer again.
        late: seconds by which its timers are late at most.
    """

    def __init__(self, limit, *, begins=0.0, supply=inf, cpu=0.0, late=0.0):
        self.limit = limit
        self.refusals = Refusals(limit, begins)
        self.begins, self.supply, self.cpu, self.late = begins, supply, cpu, late
        self.in_flight = self.places = self.sent = 0
        self.delivered = []  # when
        self.refused = []  # when they were sent
        self.rtt_sum = 0.0
        self.limits = set()
        self._alarm = inf
        self._busy_until = 0.0

    def during(self, begin, end):
        """Count what was delivered from *begin* to *end*."""
        return bisect_left(self.delivered, end) - bisect_left(self.delivered, begin)

    def fill(self, run):
        """Send what may be sent now."""
        while self.places < self.refusals.allowed:
            at = max(self.refusals.may_send_at, self.begins + self.sent / self.supply)
            if at > run.now + 1e-12:
                self._wake(run, at)
                return
            self._send(run)

    def _wake(self, run, at):
        if at < self._alarm:
            self._alarm = at
            run.at(at + self.late * run.dice.random(), self._ring, at)

    def _ring(self, run, at):
        if at == self._alarm:
            self._alarm = inf
        self.fill(run)

    def _send(self, run):
        self.places += 1
        self.in_flight += 1
        self.sent += 1
        self.refusals.sent(run.now)
        written = self._work(run.now)
        done, outcome, retry_after = run.ask(written)
        run.at(done, self._answer, run.now, outcome, retry_after)

    def _answer(self, run, sent, outcome, retry_after):
        run.in_flight -= 1
        run.now = now = self._work(run.now)
        if outcome is DELIVERED:
            self.delivered.append(now)
            self.rtt_sum += now - sent
            self.limit.answered(sent, now, self.in_flight)
            self.limits.add(self.limit.limit)
            self.refusals.delivered(now)
            self.places -= 1
        else:
            self._note(now, sent, outcome, retry_after)
            run.at(now + self.limit.rtt, self._leave)
        self.in_flight -= 1
        self.fill(run)

    def _note(self, now, sent, outcome, retry_after):
        self.refused.append(sent)
        if outcome is REFUSED:
            self.refusals.refused(now, retry_after)
        else:
            self.refusals.failed(now)

    def _leave(self, run):
        self.places -= 1
        self.fill(run)

    def _work(self, now):
        """Give when the CPU is through with it."""
        if not self.cpu:
            return now
        self._busy_until = max(now, self._busy_until) + self.cpu
        return self._busy_until


class Run:
    """
    Clients that ask one server, for so many seconds or until one has delivered so many requests.

    Attributes:
        now: seconds; in the end, those that it took.
    """

    def __init__(self, server, clients, *, seconds=inf, requests=inf, seed=0):
        self.now = 0.0
        self.in_flight = 0
        self.dice = random.Random(seed)
        self._server = server
        self._events = []
        self._order = count()
        for client in clients:
            self.at(client.begins, client.fill)
        self._go(clients[0], seconds, requests)

    def at(self, time, do, *args):
        heapq.heappush(self._events, (time, next(self._order), do, args))

    def ask(self, time):
        """Give what the server answers to a request of *time*."""
        self.in_flight += 1
        return self._server(time, self.in_flight, self.dice)

    def _go(self, client, seconds, requests):
        events = self._events
        while events and len(client.delivered) < requests:
            self.now, _, do, args = heapq.heappop(events)
            if self.now > seconds:
                self.now = seconds
                return
            do(self, *args)


# what came of it


@dataclass
class Found:
    """
    Means over the seeds.

    Attributes:
        throughput: delivered a second.
        worst: the same, of the worst seed.
        rtt: seconds.
        refused: share of the requests.
        clients: the one of each seed.
    """

    throughput: float
    worst: float
    rtt: float
    refused: float
    clients: list


def measure(server, seconds=10, *, limit=AdaptiveLimit, seeds=10, requests=inf, **client):
    """Let a client ask a new server() with each seed."""
    clients, throughputs = [], []
    for seed in range(100, 100 + seeds):  # the rule was made with other seeds
        asking = Client(limit(), **client)
        run = Run(server(), [asking], seconds=seconds, requests=requests, seed=seed)
        clients.append(asking)
        throughputs.append(len(asking.delivered) / run.now)
    return Found(
        throughput=mean(throughputs),
        worst=min(throughputs),
        rtt=mean(one.rtt_sum / max(1, len(one.delivered)) for one in clients),
        refused=mean(len(one.refused) / one.sent for one in clients),
        clients=clients,
    )
