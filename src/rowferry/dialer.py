"""The connections of a run: the first one with patience, and what makes trying vain."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import ssl
from typing import TYPE_CHECKING

from rowferry.exceptions import TransferError
from rowferry.http.connection import Connection, ExchangeError, connect
from rowferry.http.endpoint import tls_context

if TYPE_CHECKING:
    from rowferry.api import Api
    from rowferry.http.endpoint import Endpoint
    from rowferry.ledger import Ledger

_NO_CONNECTION = (OSError, TimeoutError)
_MANY = 16
_FIRST_GAP = 0.05
_LONGEST_GAP = 1.0
"""Tries after which they come more rarely, and seconds between them: as in an outage later on."""


class Dialer:
    """
    Opens the connections of a run.

    Args:
        api: where to.
        ledger: tells how far the run got, for the errors, and takes the latest problem.
    """

    def __init__(self, api: Api, ledger: Ledger) -> None:
        self._api = api
        self._ledger = ledger
        self._reached = False
        self._first = asyncio.Lock()

    async def connect(self) -> Connection:
        """
        Open a connection.

        Until the API was reached for the first time workers try one after the other, so that a
        wrong port is met by one of them and not by all.

        Raises:
            ExchangeError: it cannot be had now.
            TransferError: it cannot be had at all.
        """
        if not self._reached:
            async with self._first:
                if not self._reached:
                    return await self._reach()
        try:
            return await self._open()
        except _NO_CONNECTION as error:
            self._refuse_for_good(error)
            raise ExchangeError(_why(error), handed_over=False) from error

    async def connect_to(self, endpoint: Endpoint) -> Connection:
        """
        Open a connection to another server, one that gives tokens.

        Raises:
            ExchangeError: it cannot be had now.
            TransferError: it cannot be had at all.
        """
        api = self._api
        tls = (api.tls_context or tls_context(api.tls)) if endpoint.tls else None
        try:
            return await connect(endpoint, tls, api.connect_timeout)
        except _NO_CONNECTION as error:
            self._refuse_for_good(error, endpoint)
            raise ExchangeError(
                f"cannot connect to {endpoint.host} port {endpoint.port}: {_why(error)}",
                handed_over=False,
            ) from error

    async def _reach(self) -> Connection:
        """Open the first connection of the run; the API may be just starting."""
        retry = self._api.retry
        for tries in itertools.count(1):
            try:
                connection = await self._open()
                break
            except _NO_CONNECTION as error:
                self._refuse_for_good(error)
                self._ledger.problem = _why(error)
                if tries > retry.max_retries:
                    raise self._unreachable(error, f" (tried {tries} times)", 4) from error
                backoff = retry.wait(tries, luck=random.random())  # noqa: S311 (jitter)
                await asyncio.sleep(max(backoff, least_wait(tries)))
        self._reached = True
        return connection

    async def _open(self) -> Connection:
        api = self._api
        return await connect(
            api.endpoint, api.tls_context, api.connect_timeout, max_body=api.max_answer
        )

    def _refuse_for_good(self, error: BaseException, endpoint: Endpoint | None = None) -> None:
        """
        Raise where trying again would meet the same.

        Once the API was reached both may pass: a resolver that lost a name, a certificate that is
        being replaced; and nothing was sent.

        Raises:
            TransferError: a certificate that fails, or a name that does not exist.
        """
        if self._reached:
            return
        if isinstance(error, ssl.SSLCertVerificationError):
            remedy = "; name its authority in tls={'ca': …}"
            raise self._unreachable(error, remedy, 2, endpoint) from error
        no_such_name = isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
        if no_such_name:
            raise self._unreachable(error, "", 2, endpoint) from error

    def _unreachable(
        self,
        error: BaseException,
        detail: str,
        exit_code: int,
        endpoint: Endpoint | None = None,
    ) -> TransferError:
        endpoint = endpoint or self._api.endpoint
        sent = "" if self._ledger.requests else "; nothing was sent"
        return TransferError(
            f"cannot connect to {endpoint.host} port {endpoint.port}: {_why(error)}{detail}{sent}",
            exit_code=exit_code,
        )


def least_wait(tries: int) -> float:
    """Give the seconds to wait at least after so many tries (1 or more), all of which failed."""
    if tries < _MANY:
        return 0.0
    return float(min(_LONGEST_GAP, _FIRST_GAP * 2.0 ** min(tries - _MANY, 60)))


def _why(error: BaseException) -> str:
    """Say in words why a connection could not be had."""
    if isinstance(error, TimeoutError):
        return "it took longer than connect_timeout"
    return str(error) or type(error).__name__
