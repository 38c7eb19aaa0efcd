"""
One HTTP/1.1 connection: one request at a time, its answer, and what is known where it fails.

The parser is httptools'. What it leaves to its user is done here: it has no call for the end of
the input, gives a 1xx as a complete message, forgets `should_keep_alive` once a message is done,
sets no limit to headers, parses answers that nobody asked for, hands trailers to `on_header`, and
takes any status and transfer coding.

Sources: RFC 9112; https://github.com/MagicStack/httptools
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

import httptools

from rowferry.batches import MAX_BODY, Response
from rowferry.http.headers import idle_limit, is_limited
from rowferry.http.leftovers import left_over
from rowferry.http.tls import remedy_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowferry.http.long_answers import LongAnswers

_MAX_HEAD = 64 * 1024
_CHUNKED = 16  # times the body, as it came: chunks of one byte are six
_FRAMING = (b"content-length", b"transfer-encoding")
_MAX_INTERIM = 100
_INTERIM = {*range(100, 200)} - {101}  # which would switch to another protocol
_FIRST_FINAL = 200
_FIRST_ERROR = 400
_VERSIONS = ("1.1", "1.0")  # the parser would take 0.9 and 2.0 as well
_STATUSES = range(_FIRST_FINAL, 600)


class ExchangeError(Exception):
    """
    A request got no complete answer.

    Attributes:
        handed_over: whether a byte of it was handed to the socket, so that the API may have it.
        remedy: what helps where every request would meet the same; "" where the next may not.
    """

    def __init__(self, reason: str, *, handed_over: bool, remedy: str = "") -> None:
        super().__init__(reason)
        self.handed_over = handed_over
        self.remedy = remedy


class Connection(asyncio.Protocol):
    """
    One connection, owned by one worker.

    Args:
        max_body: bytes of an answer's body that are read; where there is more, it is left there.

    Attributes:
        usable: whether the next request may be sent on it.
        follow_up: takes an answer that leaves the connection usable, and gives the request to send
            at once; where it gives None, the answer goes to who awaits it. None: they all do.
        long_answers: which of several connections may read a long answer; None: all.
        sent_at: when the latest request was written, in seconds of `time.monotonic` (uvloop's clock
            has milliseconds only).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_body: int = MAX_BODY) -> None:
        self.usable = False
        self.follow_up: Callable[[Response], bytes | None] | None = None
        self.long_answers: LongAnswers | None = None
        self.sent_at = 0.0
        self._idle_since = 0.0
        self._idle_limit = idle_limit(b"")
        self._loop = loop
        self._max_body = max_body
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[Response] | None = None
        self._interim = 0
        self._known_bytes = b""
        self._known: Response
        self._forget_answer()

    def _forget_answer(self) -> None:
        self._begun = False
        self._status = 0  # 0 until the headers are complete
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._received = 0
        self._framed = False
        self._keep = False
        self._trailed = False
        self._response: Response | None = None
        self._problem = ""

    # what the worker calls

    def send(self, request: bytes) -> asyncio.Future[Response]:
        """
        Send *request* and give its answer to come; only on a usable connection, one at a time.

        Where others follow up, it is the answer to the last of them. The awaited future raises
        ExchangeError where there is no complete answer.
        """
        self._waiting = answer = self._loop.create_future()
        if not self.usable:
            self._fail("the connection was closed before the request", handed_over=False)
            return answer
        self.sent_at = monotonic()
        self._transport.write(request)
        return answer

    def expire(self, sent_before: float, reason: str) -> None:
        """
        Give up the answer that is awaited if its request was sent before that time.

        Where none is awaited, close the connection if it was idle for longer than it should be.
        """
        if self._waiting is None:
            if monotonic() - self._idle_since > self._idle_limit:
                self._drop()
        elif self.sent_at < sent_before:
            self._fail(reason)

    def close(self) -> None:
        """Close the connection now; an answer still awaited fails. May be called again."""
        self._fail("the run ended before the answer")

    def pause(self) -> None:
        """Read no more until `resume`."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.usable:
            self._transport.resume_reading()

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; the connection is usable from now on."""
        self._transport = transport  # type: ignore[assignment]
        self._idle_since = monotonic()
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """
        Read a part of the answer.

        An answer that came whole and is byte for byte the one before needs no second parsing:
        many APIs answer alike but for the second in Date. That takes 2.5 us from a request of 10.
        """
        waiting = self._waiting
        if waiting is None:  # nobody asked: the next answer could not be told from this
            self._drop()
            return
        fresh = not self._received and not self._interim
        if data == self._known_bytes and fresh and not self._transport.get_write_buffer_size():
            self._hand_over(self._known)
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._response:
                self._begun = True  # what follows it is none, but the answer is
            else:
                self._problem = self._problem or f"the answer is no valid HTTP/1.1: {error}"
        self._look(data)

    def eof_received(self) -> None:
        """Take the end of the input, which ends a body that has no other end."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the loss of the connection."""
        if exc and self._waiting:
            self.usable = False  # nothing may follow up on it
            for data in left_over(self._transport):
                if self._waiting:
                    self.data_received(data)
        self._end(exc)

    def _end(self, error: Exception | None) -> None:
        # an API that refuses a body unread resets the connection; what it said of why may be cut
        ends = not error or self._status >= _FIRST_ERROR
        if self._waiting and self._status and not self._framed and ends:
            self._response = self._answer()
            self._finish()
            return
        where = "in the middle of" if self._received else "before"
        reason = f"the API closed the connection {where} its answer{f': {error}' if error else ''}"
        # in TLS 1.3 the server says only after the handshake that it wants a certificate
        self._fail(reason, remedy=remedy_for(error))

    # what the parser calls

    def on_message_begin(self) -> None:
        """Note that a message begins; a second one is one that nobody asked for."""
        self._begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers come here too and are left out, but may not frame the body."""
        if not self._status:
            self._headers.append((name.lower(), value))
        elif not self._response:
            self._trailed = True
            if name.lower() in _FRAMING:
                self._problem = f"the answer has a trailer {name.decode('latin-1')}"

    def on_headers_complete(self) -> None:
        """Read the status and how the body ends; only now does the parser know keep-alive."""
        if self._response:
            return
        self._status = self._parser.get_status_code()
        self._keep = self._parser.should_keep_alive()
        if self._parser.get_http_version() not in _VERSIONS:
            self._problem = "the answer is of another version than HTTP/1.1"
        for name, value in self._headers:
            if name == b"content-length":
                self._framed = True
            elif name == b"transfer-encoding":
                coding = value.strip().lower()
                if coding != b"chunked" or self._framed or self._status < _FIRST_FINAL:
                    self._problem = f"the answer has the transfer coding {value[:40]!r}"
                self._framed = True
            elif name == b"keep-alive":
                self._idle_limit = idle_limit(value)

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body; an interim answer has none, whatever its headers say."""
        if self._status < _FIRST_FINAL:
            self._problem = f"the answer has an interim one, {self._status}, with a body"
        if len(self._body) <= self._max_body:
            self._body += body[: self._max_body - len(self._body) + 1]

    def on_message_complete(self) -> None:
        """Take the answer, or pass by an interim one."""
        if self._response:
            return
        self._begun = False
        if self._status < _FIRST_FINAL:
            self._pass_interim()
        else:
            self._response = self._answer()

    def _pass_interim(self) -> None:
        self._interim += 1
        if self._status in _INTERIM and self._interim <= _MAX_INTERIM:
            self._headers.clear()
            self._status = 0
            self._framed = False
        else:
            self._problem = f"the answer is {self._interim} interim ones, the last {self._status}"

    # the end of an exchange

    def _look(self, data: bytes) -> None:
        """Act on what the parser made of the latest bytes."""
        if self._response:
            self._remember(data)
            self._finish()
        elif self._problem:
            self._fail(self._problem)
        elif not self._status and self._received > _MAX_HEAD:
            self._fail(f"the head of the answer is longer than {_MAX_HEAD:,} bytes")
        elif len(self._body) > self._max_body or self._received > _CHUNKED * self._max_body:
            self._response = self._answer()
            self._keep = False
            self._finish()
        elif self.long_answers:
            self.long_answers.look(self, len(self._body))

    def _remember(self, data: bytes) -> None:
        """Know the answer again, if all of it was *data* and it leaves the connection usable."""
        whole = len(data) == self._received and not self._interim
        if self._response and whole and self._keep and not self._begun and not self._problem:
            self._known_bytes, self._known = data, self._response

    def _answer(self) -> Response:
        if self._status not in _STATUSES:
            self._problem = f"the answer has the status {self._status}"
        body = bytes(self._body[: self._max_body])
        return Response(self._status, tuple(self._headers), body, is_limited(self._headers))

    def _finish(self) -> None:
        """Hand over the answer; keep the connection only where nothing is left on it."""
        if self._problem:
            self._fail(self._problem)
            return
        response = self._response
        unsent = self._transport.get_write_buffer_size()
        if not self._keep or self._begun or unsent:
            self._drop()
        elif self._trailed:  # the parser takes trailers for headers: to one, it may be closed
            self._parser = httptools.HttpResponseParser(self)
        self._interim = 0
        self._forget_answer()
        if self.long_answers:
            self.long_answers.done(self)
        if response:
            self._hand_over(response)

    def _hand_over(self, response: Response) -> None:
        """Give an answer to who awaits it, unless the next request follows up."""
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return
        try:
            request = self.follow_up(response) if self.follow_up and self.usable else None
        except BaseException as error:  # noqa: BLE001 (the event loop would take it for a loss)
            waiting.set_exception(error)
            return
        if waiting.done():  # it was cancelled meanwhile
            return
        if request is None:
            self._idle_since = monotonic()
            waiting.set_result(response)
            return
        self._waiting = waiting
        self.sent_at = monotonic()
        self._transport.write(request)

    def _fail(self, reason: str, *, handed_over: bool = True, remedy: str = "") -> None:
        self._drop()
        if self.long_answers:
            self.long_answers.done(self)
        waiting, self._waiting = self._waiting, None
        if waiting and not waiting.done():
            waiting.set_exception(ExchangeError(reason, handed_over=handed_over, remedy=remedy))

    def _drop(self) -> None:
        if self.usable:
            self.usable = False
            self._transport.abort()
