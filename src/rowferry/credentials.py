"""The credentials of a run: had before its first request, renewed while it goes on."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Generator
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from rowferry.auth import Request, Token
from rowferry.batches import Fate
from rowferry.exceptions import AuthError, ConfigError, TransferError
from rowferry.http.connection import ExchangeError
from rowferry.http.endpoint import check_headers, check_method, parse_url, request_head
from rowferry.redaction import Redaction
from rowferry.verdict import LONGEST_PAUSE, RETRYABLE, Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from rowferry.api import Api
    from rowferry.auth import Flow
    from rowferry.batches import Attempts, Batch, Response
    from rowferry.dialer import Dialer
    from rowferry.gate import Gate
    from rowferry.http.endpoint import Endpoint
    from rowferry.ledger import Ledger

_MOST_TOKENS = 5
"""Tokens that may be refused for one request, each of which others got through with."""

_REMEMBERED = 20
"""Words of tokens that are blotted out: late answers may still repeat those before."""

_SOONER = 0.1
_SOONEST, _LATEST = 60.0, 30 * 86_400.0
"""A token is renewed a tenth of its life before it ends, but no more than a minute."""

_ANSWERS = Rules(frozenset(range(200, 300)))


class Credentials:
    """
    What tells the API who asks, and whether it still does.

    Args:
        api: its scheme says how.
        ledger: tells how far the run got, and takes the latest problem.
        gate: is held while there are no credentials.
        dialer: connects to the server that gives tokens.
        start: makes a task of the run's.
        on_change: called when there are new ones.
        on_stop: called with the reason where there are none to be had.

    Attributes:
        head: of the requests that are sent now. Which one a request had tells its credentials.
        proven: whether a request got through with them.
        renewable: whether there may be others.
    """

    def __init__(
        self,
        api: Api,
        ledger: Ledger,
        gate: Gate,
        dialer: Dialer,
        *,
        start: Callable[[Coroutine[None, None, None]], asyncio.Task[None]],
        on_change: Callable[[], None],
        on_stop: Callable[[BaseException], None],
    ) -> None:
        self.head = api.head
        self._api = api
        self._ledger = ledger
        self._gate = gate
        self._dialer = dialer
        self._start = start
        self._on_change = on_change
        self._on_stop = on_stop
        self._flow: Callable[[], Flow] | None = getattr(api.scheme, "flow", None)
        self._signs: Callable[[Request], Mapping[str, str]] | None
        self._signs = getattr(api.scheme, "sign", None)
        self._issued: deque[str] = deque(maxlen=_REMEMBERED)
        self._redaction = Redaction(api.secrets)
        self._renewing: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self.renewable = self._flow is not None
        self.proven = not self.renewable
        self._begun = self.proven
        if self.renewable:
            gate.hold()

    def begin(self) -> None:
        """Get the first token, now that there is something to send."""
        if not self._begun:
            self._begun = True
            self._renew()

    def close(self) -> None:
        """Renew nothing any more."""
        for timer in self._timers:
            timer.cancel()
        if self._renewing:
            self._renewing.cancel()

    def redact(self, text: str) -> str:
        """Blot out what may be secret, should an answer repeat it."""
        return self._redaction(text)

    def refused(self, head: bytes, attempts: Attempts) -> str | None:
        """
        Note that a request was not accepted for its credentials, and see to new ones.

        Args:
            head: of that request.
            attempts: of it, the latest included.

        Returns:
            None where it may go again; else why none of the run's can.
        """
        if self._flow is None:
            return "it does not accept the credentials of auth=, headers= or url"
        if head is not self.head:  # they were replaced meanwhile
            return None
        if not self.proven and not self._renewing:
            twice = "; the same request was refused with the one before"
            more = twice if attempts.unauthorized > 1 else ""
            return f"it does not accept a new token, and nothing got through with it{more}"
        if attempts.unauthorized > _MOST_TOKENS:
            return f"for one request so {attempts.unauthorized} times, each with a new token"
        self._gate.hold()
        self._renew()
        return None

    def worked(self, head: bytes) -> None:
        """Note that a request with that head got through."""
        if head is self.head and not self.proven:
            self.proven = True
            self._on_change()

    # new ones

    def _renew(self) -> None:
        if self._flow and not self._renewing:
            self._renewing = self._start(self._get(self._flow))

    async def _get(self, flow: Callable[[], Flow]) -> None:
        """Get a token, however often that has to be tried; where there is none, stop the run."""
        try:
            token = await self._token(flow)
            self._renewing = None
            self._take(token)
        except Exception as error:  # noqa: BLE001 (the flow may be the user's)
            self._renewing = None
            if isinstance(error, TransferError):
                error.args = (self.redact(str(error)),)
            self._on_stop(error)

    def _take(self, token: Token) -> None:
        """Use a token from now on."""
        self.close()
        self.head = self._api.heads.with_credentials(token.headers)
        self.proven = False
        self._issued += _words(token.headers)
        self._redaction = Redaction((*self._api.secrets, *self._issued))
        if token.expires_in is not None:
            loop, life = asyncio.get_running_loop(), min(token.expires_in, _LATEST)
            early = life - min(life * _SOONER, _SOONEST)
            self._timers = [loop.call_later(early, self._renew), loop.call_later(life, self._end)]
        self._gate.release()
        self._on_change()

    def _end(self) -> None:
        """Let nothing be sent with a token that is over; its successor is on its way."""
        self._gate.hold()

    async def _token(self, flow: Callable[[], Flow]) -> Token:
        """
        Run the scheme's flow until it ends.

        Raises:
            AuthError: there is no token to be had.
            TransferError: there is none now, and it was waited for long enough.
        """
        retry, began, tries = self._api.retry, monotonic(), 0
        while True:
            tries += 1
            try:
                return await self._run(flow())
            except _LaterError as later:
                problem, pause = self.redact(str(later)), later.pause
            self._ledger.problem = problem
            few = tries > retry.max_retries and not self._ledger.delivered
            if few or monotonic() - began > retry.max_retry_age or pause > LONGEST_PAUSE:
                raise TransferError(f"{problem} (tried {tries} times)")
            backoff = retry.wait(tries, luck=random.random())  # noqa: S311 (jitter)
            await asyncio.sleep(max(backoff, pause))

    async def _run(self, flow: Flow) -> Token:
        """
        Run a flow once.

        Raises:
            _LaterError: a server has no final answer now.
        """
        _check_flow(flow)
        try:
            request = next(flow)
            while True:
                request = flow.send(await self._ask(request))
        except StopIteration as end:
            if not isinstance(end.value, Token):
                kind = type(end.value).__name__
                raise ConfigError(f"auth: its flow must return a Token, not {kind}") from None
            return end.value
        finally:
            flow.close()

    async def _ask(self, request: Any) -> Response:
        """Make a request of a flow; give its final answer."""
        if not isinstance(request, Request):
            raise ConfigError(f"auth: its flow must yield Requests, not {type(request).__name__}")
        endpoint = parse_url(request.url)
        self._api.check_secrecy(endpoint, "token_url")
        check_method(request.method)
        check_headers(request.headers)
        head = request_head(request.method, endpoint, request.headers)
        answer = await self._exchange(
            endpoint, b"%b%d\r\n\r\n%b" % (head, len(request.body), request.body)
        )
        verdict = _ANSWERS.judge(answer, time())
        if verdict.fate in RETRYABLE:
            reason = f"{endpoint} answered {answer.status}"
            raise _LaterError(reason, verdict.retry_after or 0.0)
        if verdict.fate is Fate.STOP:
            raise AuthError(f"no token from {endpoint}: {verdict.reason}")
        return answer

    async def _exchange(self, endpoint: Endpoint, request: bytes) -> Response:
        """Send a request on a connection of its own."""
        seconds = self._api.request_timeout
        try:
            async with asyncio.timeout(seconds):
                connection = await self._dialer.connect_to(endpoint)
                try:
                    return await connection.send(request)
                finally:
                    connection.close()
        except TimeoutError:
            raise _LaterError(f"{endpoint} gave no complete answer within {seconds:g} s") from None
        except ExchangeError as error:
            raise _LaterError(f"no answer from {endpoint}: {error}") from None

    # signatures

    def signed(self, batch: Batch, body: bytes) -> bytes:
        """Give the lines that the scheme adds to the head of a request."""
        if self._signs is None:
            return b""
        head = b"%b%b%d%b" % (batch.line, self.head, len(body), batch.header)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        added = self._signs(Request(method, f"{self._api.endpoint.origin}{target}", headers, body))
        check_headers(added)
        there = {name.lower() for name in headers}
        for name in added:
            if name.lower() in there:
                raise ConfigError(f"headers: {name} is there already, and what auth= signs adds it")
        return "".join(f"\r\n{name}: {value}" for name, value in added.items()).encode("latin-1")


class _LaterError(Exception):
    """
    A server that gives tokens has no final answer now.

    Attributes:
        pause: seconds for which it wants no requests.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


def _check_flow(flow: Any) -> None:
    if not isinstance(flow, Generator):
        raise ConfigError(f"auth: its flow must be a generator, not {type(flow).__name__}")


def _words(headers: Mapping[str, str]) -> list[str]:
    return [word for value in headers.values() for word in (value, *value.split()[1:])]
