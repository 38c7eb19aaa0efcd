"""The scenarios: an API, the peers that fill it, and how many rows each does."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from machine import ENVIRONMENTS

import servers

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

Kind = Literal["ours", "peer", "limit"]

QUICK = ("ours.py", "handwritten.py", "requests_sequential.py", "wrk.py", "copy_out.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """
    One line of a table.

    Attributes:
        script: file in `peers/`.
        kind: "limit" is what no transfer can be faster than.
        rows: of the table; a slow peer does fewer, since a rate is what is compared.
        seconds: instead of `rows`, for what has no end of its own.
        in_flight: requests at a time.
        needs: module or program without which the peer is skipped.
        environment: a virtual environment of its own, in `build/peers`; empty means ours.
        concurrency: "adaptive", or empty for as many as `in_flight`.
        key: column of the idempotency keys, or empty for none.
        path: goes behind the URL, with columns in it and a bearer token along; or empty.
        surplus: how many more records than it counts the API may get; None when it sends none.
    """

    name: str
    script: str
    kind: Kind = "peer"
    rows: int = 0
    seconds: int = 0
    in_flight: int = 64
    needs: str = ""
    environment: str = ""
    concurrency: str = ""
    key: str = ""
    path: str = ""
    surplus: int | None = 0

    def missing(self) -> str | None:
        """Name what has to be installed first, if anything."""
        if self.environment:
            there = Path(self.python).exists()
            return None if there else f"{self.name} needs its environment: `make bench` makes it"
        there = importlib.util.find_spec(self.needs) or shutil.which(self.needs)
        return None if there else f"{self.name} needs {self.needs}"

    @property
    def python(self) -> str:
        """Give the interpreter that runs the script."""
        if self.environment:
            return str(ENVIRONMENTS / self.environment / "bin" / "python")
        return sys.executable

    def scaled(self, factor: float) -> Peer:
        """Do *factor* times as much."""
        rows = max(64, round(self.rows * factor)) if self.rows else 0
        seconds = max(1, round(self.seconds * factor)) if self.seconds else 0
        return replace(self, rows=rows, seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """
    One table.

    Attributes:
        name: as asked for on the command line, up to the first blank.
        shows: what is measured, in a sentence.
        api: starts the API.
        batch: records a request.
        ideal: rows a second that 64 requests in flight allow; None where nothing waits.
    """

    name: str
    shows: str
    api: Callable[[], AbstractContextManager[servers.CountingApi]]
    batch: int = 1
    ideal: float | None = None
    peers: tuple[Peer, ...]

    def scaled(self, factor: float) -> Scenario:
        """Let every peer do *factor* times as much."""
        return replace(self, peers=tuple(peer.scaled(factor) for peer in self.peers))

    def quick(self) -> Scenario:
        """Leave out all peers but the few that the main ratios are made of."""
        return replace(self, peers=tuple(peer for peer in self.peers if peer.script in QUICK))


rowferry = partial(
    Peer, name="rowferry, 64 in flight", script="ours.py", kind="ours", needs="rowferry"
)
handwritten = partial(
    Peer, name="hand-written aiohttp, 64 in flight", script="handwritten.py", needs="aiohttp"
)
recipe = partial(
    Peer,
    name="ETLHelper's recipe, 100 in flight",
    script="recipe.py",
    in_flight=100,
    needs="aiohttp",
)
recipe_64 = partial(recipe, name="ETLHelper's recipe, 64 in flight", in_flight=64)
one_by_one = partial(
    Peer,
    name="Requests, one after another",
    script="requests_sequential.py",
    in_flight=1,
    needs="requests",
)
httpx = partial(
    Peer, name="httpx, 64 in flight, a client each", script="httpx_workers.py", needs="httpx"
)
httpx_one_client = partial(
    httpx, name="httpx, 64 in flight, one client", script="httpx_one_client.py"
)
niquests = partial(
    Peer, name="Niquests, 64 in flight", script="niquests_workers.py", environment="niquests"
)
dlt = partial(Peer, name="dlt, 64 load jobs", script="dlt_destination.py", environment="dlt")
drt = partial(Peer, name="drt, rest_api", script="drt_sync.py", in_flight=1, environment="drt")
wrk = partial(Peer, name="limit: wrk", script="wrk.py", kind="limit", needs="wrk", surplus=64)
copy_out = partial(
    Peer, name="limit: COPY", script="copy_out.py", kind="limit", needs="psycopg", surplus=None
)

templated = partial(rowferry, name="rowferry, a path a row and a token", path="/{id}")
two_columns = partial(
    templated, name="rowferry, two columns in path and query", path="/{id}?c={code}"
)
adaptive = partial(rowferry, name="rowferry, adaptive", concurrency="adaptive")
everything = partial(adaptive, name="rowferry, adaptive, with idempotency keys", key="id")
bulk = partial(adaptive, script="ours_bulk.py", key="id")
keyed = partial(adaptive, name="rowferry with a key, no journal", key="id")
journaled = partial(
    adaptive, name="rowferry with a journal", script="ours_with_journal.py", key="id"
)
streaming_bulk = partial(
    Peer,
    name="elasticsearch-py streaming_bulk",
    script="streaming_bulk.py",
    in_flight=1,
    needs="elasticsearch",
)
with_ids = partial(streaming_bulk, key="id")
elasticsearch_helpers = (
    with_ids,
    partial(with_ids, name="elasticsearch-py async_bulk", script="async_bulk.py"),
    partial(
        with_ids, name="elasticsearch-py parallel_bulk", script="parallel_bulk.py", in_flight=4
    ),
)
opensearch_bulk = partial(with_ids, needs="opensearchpy")
helpers = (
    *elasticsearch_helpers,
    partial(
        opensearch_bulk, name="opensearch-py streaming_bulk", script="opensearch_streaming_bulk.py"
    ),
    partial(
        opensearch_bulk,
        name="opensearch-py async_streaming_bulk",
        script="opensearch_async_bulk.py",
    ),
)
encoded = partial(Peer, script="encoded_bulk.py", kind="limit", needs="aiohttp", key="id")


def fixed(number: int, *, rows: int) -> Peer:
    """Give rowferry with a fixed number of requests in flight."""
    return rowferry(name=f"rowferry, fixed {number}", in_flight=number, rows=rows)


def grown(*sizes: int) -> tuple[Peer, ...]:
    """Give rowferry once a size."""
    names = ["fewest rows", *(f"{size // sizes[0]:,} times as many" for size in sizes[1:])]
    return tuple(
        rowferry(name=f"rowferry, {name}", rows=size)
        for name, size in zip(names, sizes, strict=True)
    )


steady = partial(servers.own_api, delay=0.020)
numbered = partial(servers.nginx, path="/numbered")
jittery = partial(servers.own_api, delay=0.010, slow_share=0.005)

FROM_ORACLE, ORACLE = (
    "rowferry from Oracle's protocol stand-in, 64 in flight",
    "ours_from_oracle.py",
)

SCENARIOS = (
    Scenario(
        name="S1",
        shows="one POST a row to an API that takes 20 ms: overlap",
        api=steady,
        ideal=64 / 0.020,
        peers=(
            rowferry(rows=40_000),
            rowferry(name=FROM_ORACLE, script=ORACLE, needs="oracledb", rows=20_000),
            handwritten(rows=20_000),
            recipe(rows=10_000),
            recipe_64(rows=10_000),
            httpx(rows=5_000),
            httpx_one_client(rows=500),
            niquests(rows=5_000),
            dlt(rows=6_400),
            drt(rows=100),
            one_by_one(rows=100),
            wrk(seconds=6),
        ),
    ),
    Scenario(
        name="S2",
        shows="one POST a row to nginx, which answers at once: the cost of a request",
        api=servers.nginx,
        peers=(
            rowferry(rows=300_000),
            handwritten(rows=40_000),
            recipe(rows=20_000),
            httpx(rows=4_000),
            niquests(rows=4_000),
            dlt(rows=3_200),
            drt(rows=4_000),
            one_by_one(rows=2_000),
            wrk(seconds=4),
        ),
    ),
    Scenario(
        name="S2 numbered",
        shows="S2 with answers that all differ, which have to be parsed one by one",
        api=numbered,
        peers=(
            rowferry(rows=200_000),
            handwritten(rows=30_000),
            wrk(seconds=3),
        ),
    ),
    Scenario(
        name="TLS S2",
        shows="S2 over TLS: what encryption leaves of it",
        api=partial(servers.nginx, tls=True),
        peers=(
            rowferry(rows=200_000),
            handwritten(rows=30_000),
            wrk(seconds=3),
        ),
    ),
    Scenario(
        name="templated S2",
        shows="S2 with a path a row, /items/{id}, and a bearer token: what requests from rows cost",
        api=servers.nginx,
        peers=(rowferry(rows=200_000), templated(rows=200_000), two_columns(rows=200_000)),
    ),
    Scenario(
        name="S3",
        shows="500 records a POST, NDJSON, answered at once: the cost of a record",
        api=servers.own_api,
        batch=500,
        peers=(
            rowferry(rows=1_000_000),
            handwritten(rows=1_000_000),
            httpx(rows=200_000),
            niquests(rows=200_000),
            dlt(rows=320_000),
            drt(rows=50_000),
            copy_out(rows=1_000_000),
        ),
    ),
    Scenario(
        name="S5",
        shows="S3 from an API that takes 20 ms: batches in flight together",
        api=steady,
        batch=500,
        peers=(
            rowferry(rows=1_000_000),
            handwritten(rows=1_000_000),
        ),
    ),
    Scenario(
        name="S4",
        shows="one POST a row to an API that takes 10 ms, and 1 s for 0.5 % of them: no barriers",
        api=jittery,
        ideal=64 / (0.995 * 0.010 + 0.005 * 1.0),
        peers=(
            rowferry(rows=120_000),
            handwritten(rows=30_000),
            recipe(rows=10_000),
            httpx(rows=4_000),
            niquests(rows=4_000),
            dlt(rows=3_200),
            drt(rows=150),
            one_by_one(rows=150),
            wrk(seconds=10),
        ),
    ),
    Scenario(
        name="growth S2",
        shows="time a row and peak memory against the number of rows, one POST a row",
        api=servers.nginx,
        peers=grown(10_000, 100_000, 1_000_000),
    ),
    Scenario(
        name="growth S3",
        shows="time a row and peak memory against the number of rows, 500 records a POST",
        api=servers.own_api,
        batch=500,
        peers=grown(10_000, 100_000, 1_000_000, 10_000_000),
    ),
    Scenario(
        name="adaptive steady",
        shows="20 ms a request: adaptive against fixed numbers",
        api=steady,
        ideal=64 / 0.020,
        peers=(adaptive(rows=45_000), fixed(64, rows=45_000), fixed(32, rows=10_000)),
    ),
    Scenario(
        name="adaptive jittery",
        shows="10 ms a request, and 1 s for 0.5 % of them",
        api=jittery,
        ideal=64 / (0.995 * 0.010 + 0.005 * 1.0),
        peers=(adaptive(rows=60_000), fixed(64, rows=60_000), fixed(32, rows=10_000)),
    ),
    Scenario(
        name="adaptive slowing",
        shows="20 ms a request, 40 ms for those that come past 32 in flight",
        api=partial(steady, slow_past=32),
        peers=(adaptive(rows=20_000), fixed(32, rows=20_000), fixed(64, rows=20_000)),
    ),
    Scenario(
        name="adaptive refusing",
        shows="20 ms a request, and 429 past 500 a second",
        api=partial(steady, rate=500),
        peers=(
            adaptive(rows=10_000),
            fixed(9, rows=3_000),
            fixed(10, rows=3_000),
            fixed(64, rows=3_000),
        ),
    ),
    *(
        Scenario(
            name=f"outage {kind}",
            shows=f"20 ms a request, and nothing but {what} for 10 s after the first 3 s",
            api=partial(steady, outage=10, outage_kind=kind),
            peers=(adaptive(rows=20_000, surplus=64),),
        )
        for kind, what in (("503", "503"), ("closed", "connections that are reset"))
    ),
    Scenario(
        name="everything S2",
        shows="S2 with all that is on by default where there is a key",
        api=servers.nginx,
        peers=(
            rowferry(rows=200_000),
            adaptive(rows=200_000),
            everything(rows=200_000),
            handwritten(rows=50_000),
        ),
    ),
    Scenario(
        name="journal S1",
        shows="S1 with a journal, and with a key but no journal: what the journal costs",
        api=steady,
        ideal=64 / 0.020,
        peers=(keyed(rows=30_000), journaled(rows=30_000)),
    ),
    Scenario(
        name="journal S2",
        shows="S2 with a journal, and with a key but no journal: what the journal costs",
        api=servers.nginx,
        peers=(keyed(rows=300_000), journaled(rows=300_000)),
    ),
    Scenario(
        name="bulk S3",
        shows="500 records a POST: our NDJSON, answered {}, against `_bulk`, answered item by item",
        api=servers.own_api,
        batch=500,
        peers=(rowferry(rows=1_000_000), streaming_bulk(rows=200_000)),
    ),
    Scenario(
        name="_bulk",
        shows="500 documents a request, ids given, each answered: `_bulk` against `_bulk`",
        api=servers.own_api,
        batch=500,
        peers=(bulk(rows=1_000_000), *(helper(rows=100_000) for helper in helpers)),
    ),
    Scenario(
        name="_bulk20",
        shows="the same from an API that takes 20 ms",
        api=steady,
        batch=500,
        peers=(bulk(rows=1_000_000), *(helper(rows=60_000) for helper in helpers)),
    ),
    Scenario(
        name="es9",
        shows="500 documents a request to a real node of Elasticsearch 9, which shares the cores",
        api=servers.search_node,
        batch=500,
        peers=(
            bulk(rows=500_000),
            *(helper(rows=100_000) for helper in elasticsearch_helpers),
            *(
                encoded(
                    name=f"limit: encoded beforehand, {many} connections",
                    rows=100_000,
                    in_flight=many,
                )
                for many in (1, 4, 8)
            ),
        ),
    ),
    Scenario(
        name="faults",
        shows="1 % of the requests meet a fault: every kind that a record survives",
        api=partial(servers.own_api, faults=0.01),
        peers=(everything(rows=500_000, surplus=50_000),),
    ),
)
