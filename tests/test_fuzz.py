"""
Answers of all kinds, cut anywhere: held against h11 and aiohttp, and against one another.

`make fuzz` goes further, guided by coverage; what it found is in `fuzz/corpus`.
"""

import asyncio
import sys
from pathlib import Path

import pytest
from aiohttp.client_proto import ResponseHandler
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parent / "fuzz"))

from promises import check, exchange

from wire import on_a_wire

CORPUS = sorted((Path(__file__).parent / "fuzz" / "corpus").iterdir())

ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nX: a\r\nX: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: r\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n0A\r\n0123456789\r\n00\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 103 Early\r\nLink: </s>\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 500 No\r\n\r\nuntil the end",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 204 None\r\n\r\n",
    b"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nX: \x00\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 999 Any\r\nContent-Length: 0\r\n\r\n",
    b"hello\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nPRI",
    b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)
DISAGREEMENTS = {
    ANSWERS[-8]: "a version that is none of HTTP/1.1's",
    ANSWERS[-7]: "a status that is none",
    ANSWERS[-5]: "a switch of protocols that nobody asked for is no answer",
    ANSWERS[-4]: "RFC 9112 forbids servers to fold a header over two lines",
    ANSWERS[-3]: "lines end with CR and LF",
    ANSWERS[-2]: "what comes in gzip was not asked for, and nobody would undo it",
    ANSWERS[-1]: "a coding that is named twice may have been applied twice",
}
"""Where aiohttp reads an answer that is none for us, and why not. There is none the other way."""


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name[:12])
def test_what_the_fuzzer_kept_holds_all_promises(path):
    check(path.read_bytes())


# any answer, from its parts


status_lines = st.builds(
    b"HTTP/1.%b %b%b%b".__mod__,
    st.tuples(
        st.sampled_from([b"1", b"1", b"1", b"0", b"2"]),
        st.sampled_from([b"200", b"201", b"204", b"304", b"413", b"503", b"100", b"101", b"99"]),
        st.sampled_from([b" OK", b"", b" ", b" O\x00K", b" \xff"]),
        st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]),
    ),
)
headers = st.sampled_from(
    [
        b"Content-Length: 2\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: 3\r\n",
        b"content-length:2 \r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive\r\n",
        b"Keep-Alive: timeout=5\r\n",
        b"X: a\r\n b\r\n",
        b"X: \x00\r\n",
        b"Retry-After: 1\r\n",
        b"Upgrade: h2c\r\n",
        b": none\r\n",
    ]
)
bodies = st.sampled_from(
    [b"", b"hi", b"hi!", b"0\r\n\r\n", b"2\r\nhi\r\n0\r\n\r\n", b"1;a=b\r\nx\r\n0\r\nT: r\r\n\r\n"]
)
messages = st.builds(
    lambda line, head, body: line + b"".join(head) + b"\r\n" + body,
    status_lines,
    st.lists(headers, max_size=3),
    bodies,
)
streams = st.builds(
    lambda parts, junk: b"".join(parts) + junk,
    st.lists(messages, min_size=1, max_size=3),
    st.sampled_from([b"", b"", b"", b"\r\n", b"HTTP", b"\xff"]),
)


@given(st.integers(0, 255), streams, st.integers(0, 400))
@example(0x80, b"HTTP/1.1 204 None\r\n\r\n\r\n", 400)
@settings(max_examples=400)
def test_any_answer_cut_anywhere_holds_all_promises(cut, stream, end):
    check(bytes([cut]) + stream[:end])


@given(st.binary(max_size=200), st.integers(0, 255), streams, st.integers(0, 200))
@settings(max_examples=200)
def test_any_answer_with_any_bytes_in_it_holds_all_promises(noise, cut, stream, at):
    check(bytes([cut]) + stream[:at] + noise + stream[at:])


# another client


class Line(asyncio.Transport):
    """As much of a transport as aiohttp needs to read an answer."""

    def __init__(self):
        super().__init__()
        self.closed = False

    def close(self):
        self.closed = True

    abort = close

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


async def by_aiohttp(pieces):
    """Give status and body as aiohttp reads them, or why it does not."""
    handler = ResponseHandler(asyncio.get_running_loop())
    handler.connection_made(Line())
    handler.set_response_params(read_until_eof=True, auto_decompress=False)
    for piece in pieces:
        if piece:
            handler.data_received(piece)
    handler.connection_lost(None)
    try:
        status = 100
        while 100 <= status < 200 and status != 101:
            message, payload = await handler.read()
            status = message.code
        return status, await payload.read()
    except Exception as error:  # noqa: BLE001 (it has many)
        return repr(error)


def ours(pieces):
    result, _, _ = exchange(on_a_wire(), pieces)
    return result if isinstance(result, Exception) else (result.status, result.body)


async def differences(answer):
    """Give the ways to cut an answer of which aiohttp makes something else."""
    different = []
    for at in range(len(answer) + 1):
        for pieces in ([answer[:at], answer[at:]], [answer[:at]]):
            mine, theirs = ours(pieces), await by_aiohttp(pieces)
            if mine != theirs and isinstance(mine, tuple) | isinstance(theirs, tuple):
                assert isinstance(mine, Exception), (pieces, mine, theirs)
                different.append(pieces)
    return different


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: repr(answer[:24]))
def test_aiohttp_reads_the_same_wherever_an_answer_is_cut(answer):
    """Split in two at every byte, and ended after every byte."""
    different = asyncio.run(differences(answer))
    assert bool(different) == (answer in DISAGREEMENTS), different[:1]
