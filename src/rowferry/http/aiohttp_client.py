"""
Requests by an `aiohttp.ClientSession` of the user's own, behind the face of a `Connection`.

It is for what our connection will not do: SOCKS, TLS to a proxy, another resolver. What aiohttp
does not tell is taken for the worst: only where it could not connect is a request NOT SENT.
"""

from __future__ import annotations

import asyncio
import socket
from time import monotonic
from typing import TYPE_CHECKING, Any

from rowferry.batches import Response
from rowferry.exceptions import ConfigError
from rowferry.http.connection import ExchangeError
from rowferry.http.headers import is_limited
from rowferry.http.tls import remedy_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.exceptions import TransferError
    from rowferry.http.endpoint import Endpoint
    from rowferry.http.long_answers import LongAnswers

_OURS = {b"host", b"content-length"}  # aiohttp makes them
_THEIRS = frozenset({"accept", "accept-encoding", "content-type", "user-agent"})
_PROXY_AUTH = 407


class Client:
    """
    The session of a run, and whether it ever got through.

    Args:
        make: gives the session.
        connect_timeout: seconds for a connection; waiting for one of the session's is in it.
        max_body: bytes of an answer's body that are read.
        max_retries: how often connecting may fail before the API was reached.
        give_up: makes what stops the run of an error, some detail, an exit code, and where to.

    Raises:
        ConfigError: *make* gives something else.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        *,
        connect_timeout: float,
        max_body: int,
        max_retries: int,
        give_up: Callable[[BaseException, str, int, Endpoint], TransferError],
    ) -> None:
        import aiohttp  # noqa: PLC0415 (no dependency)

        session = make()
        if not isinstance(session, aiohttp.ClientSession):
            raise ConfigError(
                f"client() must give an aiohttp.ClientSession, not {type(session).__name__}"
            )
        self.session = session
        self.max_body = max_body
        self.timeout = aiohttp.ClientTimeout(total=None, connect=connect_timeout)
        self.reached: set[str] = set()
        self._max_retries = max_retries
        self._give_up = give_up
        self._rounds = 0
        self._failed_at = 0.0

    async def close(self) -> None:
        """Close the session."""
        await self.session.close()

    def not_sent(self, error: Exception, endpoint: Endpoint, sent_at: float) -> Exception:
        """
        Give what to raise where no connection could be had for a request that was sent then.

        Until the API was reached for the first time, what would not pass stops the run, and so do
        as many failures one after another as there are retries.
        """
        failure = ExchangeError(_words(error), handed_over=False)
        if endpoint.origin in self.reached:
            return failure
        if _for_good(error):
            return self._give_up(failure, "; client= has to see to it", 2, endpoint)
        if sent_at >= self._failed_at:  # those that failed together count once
            self._rounds += 1
            self._failed_at = monotonic()
        if self._rounds > self._max_retries:
            return self._give_up(failure, f" (tried {self._rounds} times)", 4, endpoint)
        return failure


class ClientConnection:
    """
    What sends one request at a time by a session; see `Connection`, whose face it has.

    Attributes:
        usable: until it is closed.
        follow_up: as that of `Connection`.
        long_answers: is not asked: aiohttp reads no faster than it is read from.
        sent_at: when the latest request was given to aiohttp: connecting is in its time.
    """

    def __init__(self, client: Client, endpoint: Endpoint) -> None:
        self.usable = True
        self.follow_up: Callable[[Response], bytes | None] | None = None
        self.long_answers: LongAnswers | None = None
        self.sent_at = 0.0
        self._client = client
        self._endpoint = endpoint
        self._task: asyncio.Task[Response] | None = None
        self._given_up = ""

    def send(self, request: bytes) -> asyncio.Future[Response]:
        """Send *request*, and those that follow up; give the last answer to come."""
        self._given_up = ""
        self.sent_at = monotonic()  # at once: the task begins later, and may expire before
        self._task = asyncio.get_running_loop().create_task(self._exchanges(request))
        return self._task

    def expire(self, sent_before: float, reason: str) -> None:
        """Give up the answer that is awaited if its request was sent before that time."""
        if self._task and not self._task.done() and self.sent_at < sent_before:
            self._stop(reason)

    def close(self) -> None:
        """Send nothing more; an answer still awaited fails. May be called again."""
        self.usable = False
        if self._task and not self._task.done():
            self._stop("the run ended before the answer")

    def _stop(self, reason: str) -> None:
        if self._task and not self._given_up:
            self._given_up = reason
            self._task.cancel()

    async def _exchanges(self, request: bytes) -> Response:
        """
        Send one request after another until none follows up.

        Raises:
            ExchangeError: the last one got no complete answer.
            TransferError: the API cannot be reached at all.
        """
        while True:
            try:
                response = await self._exchange(request)
            except asyncio.CancelledError:
                if self._given_up:
                    raise ExchangeError(self._given_up, handed_over=True) from None
                raise
            self._client.reached.add(self._endpoint.origin)
            following = self.follow_up(response) if self.follow_up and self.usable else None
            if following is None:
                return response
            request, self.sent_at = following, monotonic()

    async def _exchange(self, request: bytes) -> Response:
        import aiohttp  # noqa: PLC0415 (no dependency)

        try:
            return await self._ask(request)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientHttpProxyError,
            aiohttp.ServerFingerprintMismatch,
        ) as error:
            raise self._client.not_sent(error, self._endpoint, self.sent_at) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ExchangeError(_words(error), handed_over=True) from error

    async def _ask(self, request: bytes) -> Response:
        """Let aiohttp send a request as our connection would, and read its answer."""
        from yarl import URL  # noqa: PLC0415 (comes with aiohttp)

        head, _, body = request.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        method, target, _ = line.decode("latin-1").split(" ")
        pairs = [line.partition(b":")[::2] for line in lines]
        headers = [
            (name.decode("latin-1"), value.strip().decode("latin-1"))
            for name, value in pairs
            if name.lower() not in _OURS
        ]
        async with self._client.session.request(
            method,
            URL(f"{self._endpoint.origin}{target}", encoded=True),
            data=body,
            headers=headers,
            skip_auto_headers=_THEIRS,
            allow_redirects=False,
            raise_for_status=False,
            timeout=self._client.timeout,
        ) as answer:
            return await self._read(answer)

    async def _read(self, answer: Any) -> Response:
        """Read no more of the body than is wanted."""
        most, body = self._client.max_body, bytearray()
        async for part in answer.content.iter_any():
            body += part
            if len(body) > most:
                answer.close()
                break
        headers = tuple((name.lower(), value) for name, value in answer.raw_headers)
        return Response(answer.status, headers, bytes(body[:most]), is_limited(headers))


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _for_good(error: Any) -> bool:
    """Tell whether trying again would meet the same."""
    cause = getattr(error, "os_error", None)
    no_such_name = isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME
    return no_such_name or bool(remedy_for(error)) or getattr(error, "status", None) == _PROXY_AUTH
