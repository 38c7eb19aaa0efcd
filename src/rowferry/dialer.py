"""The connections of a run: the first one with patience, and what makes trying vain."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from typing import TYPE_CHECKING, Any

from rowferry.exceptions import TransferError
from rowferry.http.aiohttp_client import Client, ClientConnection
from rowferry.http.connection import Connection, ExchangeError
from rowferry.http.names import Resolver
from rowferry.http.opening import TunnelError, connect
from rowferry.http.proxy import proxy_for
from rowferry.http.tls import remedy_for, tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

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
        self._resolver = Resolver()
        self._client: Client | None = None

    async def close(self) -> None:
        """Close what the connections share."""
        if self._client:
            await self._client.close()

    async def connect(self) -> Connection | ClientConnection:
        """
        Open a connection.

        Until the API was reached for the first time workers try one after the other, so that a
        wrong port is met by one of them and not by all.

        Raises:
            ExchangeError: it cannot be had now.
            TransferError: it cannot be had at all.
        """
        if self._api.client:
            return self._by_client(self._api.client, self._api.endpoint)
        if not self._reached:
            async with self._first:
                if not self._reached:
                    return await self._reach()
        try:
            return await self._open()
        except _NO_CONNECTION as error:
            self._refuse_for_good(error)
            raise ExchangeError(_why(error), handed_over=False) from error

    async def connect_to(self, endpoint: Endpoint) -> Connection | ClientConnection:
        """
        Open a connection to another server, one that gives tokens.

        Raises:
            ExchangeError: it cannot be had now.
            TransferError: it cannot be had at all.
        """
        api = self._api
        if api.client:
            return self._by_client(api.client, endpoint)
        tls = (api.tls_context or tls_context(api.tls)) if endpoint.tls else None
        try:
            return await connect(
                endpoint,
                tls,
                api.connect_timeout,
                proxy=proxy_for(api.proxy, endpoint),
                resolver=self._resolver,
            )
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

    def _by_client(self, make: Callable[[], Any], endpoint: Endpoint) -> ClientConnection:
        """Give what sends by the user's own client, which is made for the first of them."""
        if self._client is None:
            self._client = Client(
                make,
                connect_timeout=self._api.connect_timeout,
                max_body=self._api.max_answer,
                max_retries=self._api.retry.max_retries,
                give_up=self._unreachable,
            )
        return ClientConnection(self._client, endpoint)

    async def _open(self) -> Connection:
        api = self._api
        return await connect(
            api.endpoint,
            api.tls_context,
            api.connect_timeout,
            max_body=api.max_answer,
            proxy=api.through,
            resolver=self._resolver,
        )

    def _refuse_for_good(self, error: BaseException, endpoint: Endpoint | None = None) -> None:
        """
        Raise where trying again would meet the same.

        Later most of this may pass: a resolver that lost a name, a certificate that is being
        replaced on one of several servers; and nothing was sent.

        Raises:
            TransferError: a proxy that wants credentials; a certificate that fails, or other TLS
                that cannot work, before anything was delivered; a name that does not exist, before
                the API was reached.
        """
        if isinstance(error, TunnelError) and error.for_good:
            raise self.given_up(error, "proxy= may hold them", endpoint) from error
        if remedy_for(error) and not self._ledger.delivered:
            raise self.given_up(error, remedy_for(error), endpoint) from error
        no_such_name = isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
        if no_such_name and not self._reached:
            raise self.given_up(error, "", endpoint) from error

    def given_up(
        self, error: BaseException, remedy: str = "", endpoint: Endpoint | None = None
    ) -> TransferError:
        """Give what stops the run where every request would meet the same."""
        exit_code = 4 if self._ledger.delivered else 2
        return self._unreachable(error, remedy and f"; {remedy}", exit_code, endpoint)

    def _unreachable(
        self,
        error: BaseException,
        detail: str,
        exit_code: int,
        endpoint: Endpoint | None = None,
    ) -> TransferError:
        endpoint = endpoint or self._api.endpoint
        proxy = proxy_for(self._api.proxy, endpoint)
        way = f" through {proxy}" if proxy else ""
        sent = "" if self._ledger.requests else "; nothing was sent"
        return TransferError(
            f"cannot connect to {endpoint.host} port {endpoint.port}{way}: "
            f"{_why(error)}{detail}{sent}",
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
