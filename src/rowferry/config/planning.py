"""What a job would do: how much, with which guarantees, in what time at least."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rowferry import running
from rowferry.config.counting import count_rows
from rowferry.config.work import options_of_transfer, query_of, rows_of
from rowferry.exceptions import ConfigError
from rowferry.keyset import as_table
from rowferry.preview import first_requests

if TYPE_CHECKING:
    from rowferry.api import Api
    from rowferry.config.job import Destination, Job
    from rowferry.records import Row

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What a job would do.

    Attributes:
        rows: that it reads; None where only reading them tells.
        requests: the first ones, as they would be sent; none where rows go into a database.
        records: that are in those requests.
        first: the first rows, as they are read; only where rows go into a database.
        guarantees: what holds for it, a sentence each.
        latency: seconds that a connection to the API took; None where it could not be had.
        problem: why not.
    """

    rows: int | None
    requests: tuple[bytes, ...] = ()
    first: tuple[Row, ...] = ()
    guarantees: tuple[str, ...] = ()
    latency: float | None = None
    problem: str = ""


def plan_of(job: Job, count: int) -> Plan:
    """
    Look what a job would do; nothing is sent, and nothing written.

    Args:
        count: rows to look at.

    Raises:
        ConfigError: its query may change data: that is not tried out.
        SourceError: the source cannot be read.
        TransferError: what would end the job, too.
    """
    if job.source.url is not None:
        try:
            as_table(query_of(job.source))
        except ConfigError as error:
            raise ConfigError(
                "the query may change data, and is not run to see what would become of it; "
                "a plan is made of one SELECT, WITH or VALUES"
            ) from error
    few = replace(
        job,
        journal=False,
        incremental=None,
        limit=count if job.limit is None else min(count, job.limit),
    )
    if job.destination is not None:
        return Plan(
            rows=count_rows(job),
            first=tuple(rows_of(few)),
            guarantees=tuple(_of_a_copy(job, job.destination)),
        )
    latency, problem = _latency(job.to_api)
    return Plan(
        rows=count_rows(job),
        requests=tuple(_requests(few)),
        guarantees=tuple(_of_an_api(job, job.to_api)),
        latency=latency,
        problem=problem,
    )


def _requests(job: Job) -> list[bytes]:
    options = options_of_transfer(job)
    source = job.source
    if source.file is not None:
        return first_requests(running.of_rows(rows_of(job), job.to_api, **options))
    return first_requests(
        running.of_query(
            query_of(source), source.url, job.to_api, parameters=source.parameters, **options
        )
    )


def _latency(api: Api) -> tuple[float | None, str]:
    """
    Give the seconds that a connection takes, or why nobody knows.

    No byte of a request is sent on it.
    """
    if api.proxy is not None or api.client is not None:
        return None, "the API is not reached directly, so that the time is not estimated"
    endpoint = api.endpoint
    best: float | None = None
    for _ in range(_TRIES):
        began = time.monotonic()
        try:
            address = (endpoint.host, endpoint.port)
            socket.create_connection(address, timeout=api.connect_timeout).close()
        except OSError as error:
            return None, f"the API cannot be reached now: {error.strerror or error}"
        took = time.monotonic() - began
        best = took if best is None else min(best, took)
    return best, ""


def seconds_at_least(job: Job, requests: int, latency: float) -> float:
    """Give the time that so many requests take if nothing but the network takes any."""
    limits = job.to_api.limits
    seconds = requests * latency / limits.workers
    if limits.requests_per_second is not None:
        seconds = max(seconds, (requests - limits.burst) / limits.requests_per_second)
    return seconds


def _of_an_api(job: Job, api: Api) -> list[str]:
    said = ["every record ends as delivered, dead or pending, and the sum is checked"]
    if api.on_ambiguous == "dead_letter":
        said.append("at most once: a record that the API may have is not sent again, but dead")
    elif job.key and api.idempotency_header and api.records_per_request == 1:
        said.append(
            f"effectively once, where the API heeds {api.idempotency_header}, which stays the "
            "same when a record is sent again"
        )
    elif api.method.upper() in {"PUT", "DELETE"}:
        said.append(
            f"at least once; a {api.method.upper()} that comes twice leaves the same, where its "
            "URL or body names the record"
        )
    else:
        said.append(
            "at least once: a record whose answer was lost is sent again, and counted as "
            "maybe_duplicated"
        )
    if job.ordering_key:
        said.append(f"records with one {job.ordering_key} are sent one after another")
    else:
        said.append("records may overtake one another")
    return said


def _of_a_copy(job: Job, destination: Destination) -> list[str]:
    said = ["rows are committed chunk by chunk: an error undoes the chunk that it is in"]
    if destination.on_conflict == "error":
        said.append("begun again, it inserts all rows again, or is refused by a unique key")
    else:
        said.append(f"rows that are there already by {job.key}: {destination.on_conflict}")
    return said
