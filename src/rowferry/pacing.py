"""Letting the gate know what came back, so that it tells when more may be sent."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from rowferry.batches import Fate
from rowferry.http.headers import is_page
from rowferry.logs import logger
from rowferry.quota import told_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.api import Api
    from rowferry.batches import Response
    from rowferry.gate import Gate
    from rowferry.lanes import Lane
    from rowferry.ledger import Ledger
    from rowferry.verdict import Verdict
    from rowferry.waiting import Timers, Waiting


class Pacing:
    """
    Lets the gate know of answers, but for plain successes, and frees the places of requests.

    Args:
        api: for what its answers mean.
        ledger: notes how long they took.
        gate: is told.
        waiting: is woken where an outage begins.
        timers: wait until a place is freed.
        on_ready: called when it is.
    """

    def __init__(
        self,
        api: Api,
        ledger: Ledger,
        gate: Gate,
        waiting: Waiting,
        timers: Timers,
        on_ready: Callable[[], None],
    ) -> None:
        self._api = api
        self._ledger = ledger
        self._gate = gate
        self._waiting = waiting
        self._timers = timers
        self._on_ready = on_ready
        self._warned = False

    def passed(self, lane: Lane, verdict: Verdict, now: float) -> None:
        """Note what came back of a request, or that nothing did."""
        gate, was_probing = self._gate, self._gate.probing
        if verdict.fate is Fate.DELIVERED and lane.connection:
            self._ledger.latencies.append(now - lane.connection.sent_at)
            gate.delivered(lane.connection.sent_at, now)
            return
        if verdict.fate is Fate.REFUSED:
            keep = gate.refused(now, verdict.retry_after)
        elif verdict.fate in {Fate.AMBIGUOUS, Fate.NOT_SENT}:
            keep = gate.failed(now)
        else:
            gate.answered(now)
            return
        self._free_place_after(keep)
        if gate.probing and not was_probing:
            self._waiting.wake()  # they are what to ask with, and go on once it is over

    def passed_in_part(self, sent_at: float, now: float, pause: float | None) -> None:
        """Note a request of which some records were taken and others refused."""
        self._free_place_after(self._gate.taken_in_part(sent_at, now, pause))

    def _free_place_after(self, seconds: float) -> None:
        if not self._waiting.stopped:
            self._timers.after(seconds, self._free_place)

    def _free_place(self) -> None:
        self._gate.free_place()
        self._on_ready()

    def heed(self, response: Response, now: float) -> None:
        """Lower the pace to what the API tells of its quota; warn once of a page for people."""
        told = told_by(response, time())
        if told:
            self._gate.told(told, now)
        if not self._warned and not self._api.reads_items:
            self._warn_of_page(response)

    def _warn_of_page(self, response: Response) -> None:
        success = response.status in self._api.rules.success_status
        if success and any(is_page(*header) for header in response.headers):
            self._warned = True
            logger.warning(
                "%s answered %s with a page of HTML, which counts as delivered: is it the API, or "
                "a proxy that wants a login? item_results= can look at the answers",
                self._api,
                response.status,
            )
