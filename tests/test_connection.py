"""One HTTP/1.1 connection against a peer that is scripted byte by byte."""

import asyncio
import contextlib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from rowferry.batches import Response
from rowferry.http.connection import MAX_BODY, ExchangeError
from rowferry.http.endpoint import parse_url
from rowferry.http.headers import idle_limit
from rowferry.http.opening import connect
from scripted import LONG, auntil, listening, pair
from wire import OK, REQUEST, on_a_wire, outcome

HI = Response(200, ((b"content-length", b"2"),), b"hi")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on each kind of loop."""

    def run(coroutine):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(asyncio.wait_for(coroutine, LONG))

    return run


def answers(run, *sent, then=None, request=REQUEST):
    """Give what one request gets for the bytes *sent*, and whether the connection stays usable."""

    async def exchange():
        async with pair() as (connection, peer):
            answer = connection.send(request)
            assert await peer.request() == request
            for data in sent:
                peer.send(data)
            if then:
                getattr(peer, then)()
            return await answer, connection.usable

    return run(exchange())


def failure(run, *sent, then=None):
    """Give the error of a request that gets no complete answer."""
    with pytest.raises(ExchangeError) as caught:
        answers(run, *sent, then=then)
    assert caught.value.handed_over
    return str(caught.value)


# an exchange as it should be


def test_an_answer_comes_back_and_leaves_the_connection_usable(run):
    assert answers(run, OK) == (HI, True)


def test_each_request_is_sent_once_and_in_order(run):
    async def exchanges():
        async with pair() as (connection, peer):
            for number in range(5):
                request = REQUEST.replace(b"{}", b"%02d" % number)
                answer = connection.send(request)
                assert await peer.request() == request
                peer.send(OK.replace(b"hi", b"%02d" % number))
                assert (await answer).body == b"%02d" % number
            connection.close()
            assert await peer.left_alone() == b""

    run(exchanges())


def test_names_of_headers_are_lower_case_and_values_as_they_came(run):
    sent = b"HTTP/1.1 429 Slow Down\r\nRetry-AFTER: 5\r\nX: A\r\nX: b \r\nContent-Length: 0\r\n\r\n"
    response, _ = answers(run, sent)
    assert response.header(b"retry-after") == b"5"
    assert [value.strip() for name, value in response.headers if name == b"x"] == [b"A", b"b"]
    assert response.header(b"none") is None


@pytest.mark.parametrize("status", [204, 304])
def test_204_and_304_have_no_body(run, status):
    response, usable = answers(run, b"HTTP/1.1 %d None\r\nServer: s\r\n\r\n" % status)
    assert (response.status, response.body, usable) == (status, b"", True)


def test_the_content_length_of_a_304_announces_no_body(run):
    response, usable = answers(run, b"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n")
    assert (response.status, response.body, usable) == (304, b"", True)


# the traps of httptools (design.md, section 6)


def test_the_end_of_input_ends_a_body_that_has_neither_length_nor_chunks(run):
    response, usable = answers(run, b"HTTP/1.1 200 OK\r\n\r\nall of", b" it", then="end")
    assert (response.body, usable) == (b"all of it", False)


def test_the_end_of_input_ends_an_empty_body_too(run):
    response, usable = answers(run, b"HTTP/1.1 500 No\r\nConnection: close\r\n\r\n", then="close")
    assert (response.status, response.body, usable) == (500, b"", False)


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfull\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfull\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        b"HTTP/1.1 2",
    ],
)
def test_the_end_of_input_does_not_complete_an_answer_that_says_where_it_ends(run, sent):
    for then in ("end", "close"):
        assert "in the middle of its answer" in failure(run, sent, then=then)


def test_the_end_of_input_after_an_interim_answer_is_no_answer(run):
    failure(run, b"HTTP/1.1 100 Continue\r\n\r\n", then="end")


@pytest.mark.parametrize("interim", [100, 102, 103, 104, 199])
def test_an_interim_answer_is_not_the_final_one(run, interim):
    before = b"HTTP/1.1 %d Wait\r\nLink: </s>\r\n\r\n" % interim
    for sent in ([before, OK], [before + OK], [before + before, OK]):
        assert answers(run, *sent) == (HI, True)


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nabcde",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_an_interim_answer_with_a_body_is_none(run, body):
    failure(run, b"HTTP/1.1 100 Continue\r\n" + body + OK)


def test_an_interim_answer_may_say_that_it_has_no_body(run):
    assert answers(run, b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + OK) == (HI, True)


def test_endless_interim_answers_are_given_up(run):
    assert "interim ones" in failure(run, b"HTTP/1.1 100 Continue\r\n\r\n" * 200)


def test_a_switch_of_protocols_is_no_answer(run):
    sent = b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nPRI"
    failure(run, sent)
    failure(run, b"HTTP/1.1 101 Switching\r\n\r\n")


@pytest.mark.parametrize(
    ("head", "usable"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nconnection: Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_keep_alive_is_read_while_the_parser_knows_it(run, head, usable):
    response, kept = answers(run, head + b"Content-Length: 2\r\n\r\nhi")
    assert (response.body, kept) == (b"hi", usable)


def test_a_head_of_more_than_64_kib_is_no_answer(run):
    for name in (b"X-Long: ", b"X: y\r\n"):
        endless = b"HTTP/1.1 200 OK\r\n" + name * (1024 * 1024 // len(name))
        assert "longer than 65,536 bytes" in failure(run, endless)


def test_a_long_head_that_ends_in_time_is_an_answer(run):
    sent = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 60_000 + b"\r\nContent-Length: 2\r\n\r\nhi"
    response, usable = answers(run, sent)
    assert (len(response.header(b"x")), response.body, usable) == (60_000, b"hi", True)


@pytest.mark.parametrize(
    "extra", [OK, OK[:20], OK[:-1], b"H", b"\x00garbage\r\n\r\n", b"{}", b"\r\n\r\nx"]
)
def test_what_follows_the_answer_closes_the_connection_and_the_answer_counts(run, extra):
    assert answers(run, OK + extra) == (HI, False)


def test_bytes_on_an_idle_connection_close_it(run):
    async def talks_first():
        async with pair() as (connection, peer):
            peer.send(OK)
            await auntil(lambda: not connection.usable)
            answer = connection.send(REQUEST)
            with pytest.raises(ExchangeError) as caught:
                await answer
            assert not caught.value.handed_over
            assert await peer.left_alone() == b""

    run(talks_first())


def test_bytes_between_two_requests_close_the_connection(run):
    async def talks_on():
        async with pair() as (connection, peer):
            answer = connection.send(REQUEST)
            await peer.request()
            peer.send(OK)
            assert await answer == HI
            assert connection.usable
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await auntil(lambda: not connection.usable)

    run(talks_on())


def test_trailers_are_no_headers(run):
    sent = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Retry-After\r\n\r\n"
        b"2\r\nhi\r\n0\r\nRetry-After: 600\r\nConnection: close\r\n\r\n"
    )
    response, usable = answers(run, sent)
    assert (response.body, usable) == (b"hi", True)
    assert [name for name, _ in response.headers] == [b"transfer-encoding", b"trailer"]


@pytest.mark.parametrize("status", [b"999", b"600", b"000", b"099", b"1000", b"20", b"-20", b"abc"])
def test_a_status_that_is_none_is_no_answer(run, status):
    failure(run, b"HTTP/1.1 %b OK\r\nContent-Length: 0\r\n\r\n" % status)


def test_what_trailers_say_of_the_connection_does_not_touch_the_next_answer():
    connection = on_a_wire()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
    for trailer in (b"Connection: close", b"Upgrade: h2c\r\nConnection: Upgrade", b"X: y"):
        for _ in range(2):
            response, usable = outcome(connection, [head + trailer + b"\r\n\r\n"])
            assert (response.body, usable) == (b"hi", True)
    assert outcome(connection, [OK]) == (HI, True)


@pytest.mark.parametrize("version", [b"HTTP/0.9", b"HTTP/2.0", b"HTTP/2", b"HTTP/1.2", b"HTTP/3.0"])
def test_an_answer_of_another_version_is_none(run, version):
    failure(run, b"%b 200 OK\r\nContent-Length: 0\r\n\r\n" % version)


def test_trailers_do_not_frame_the_body(run):
    for trailer in (b"Content-Length: 2", b"transfer-encoding: T"):
        sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n%b\r\n\r\n" % trailer
        failure(run, sent)


@pytest.mark.parametrize(
    "coding",
    [
        b"chunked\r\nTransfer-Encoding: chunked",
        b"gzip",
        b"gzip, chunked",
        b"chunked, gzip",
        b"identity",
    ],
)
def test_a_transfer_coding_other_than_chunked_is_no_answer(run, coding):
    sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %b\r\n\r\n0\r\n\r\n" % coding
    failure(run, sent, then="end")


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: folded\r\n line\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\x00\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNUL: \x00\r\n\r\n",
    ],
)
def test_garbage_is_no_answer(run, sent):
    assert "no valid HTTP/1.1" in failure(run, sent)


def test_a_chunk_of_any_announced_size_is_read_no_further_than_allowed(run):
    sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n"
    response, usable = answers(run, sent + b"x" * (MAX_BODY + 1))
    assert (response.status, len(response.body), usable) == (200, MAX_BODY, False)
    failure(run, sent + b"x", then="close")


def test_extensions_of_chunks_are_passed_by(run):
    sent = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b'2;name=value;other="quoted; text"\r\nhi\r\n0;last\r\n\r\n'
    )
    response, usable = answers(run, sent)
    assert (response.body, usable) == (b"hi", True)


def test_empty_lines_before_an_answer_are_passed_by(run):
    assert answers(run, b"\r\n\r\n" + OK) == (HI, True)


# idle connections


@pytest.mark.parametrize(
    ("keep_alive", "limit"),
    [
        (b"", 4.0),
        (b"max=100", 4.0),
        (b"timeout=soon", 4.0),
        (b"timeout=-5", 4.0),
        (b"timeout=75", 74.0),
        (b"timeout=5, max=1000", 4.0),
        (b"max=1000, Timeout = 5", 4.0),
        (b"timeout=1", 0.5),
        (b"timeout=0", 0.0),
        (b"timeout=99999999999999999999", 999998.0),
    ],
)
def test_a_connection_is_kept_idle_for_less_time_than_the_api_keeps_it(keep_alive, limit):
    assert idle_limit(keep_alive) == limit


def idle_after(connection, answer, seconds):
    """Tell whether a connection is usable so many seconds after an answer."""
    outcome(connection, [answer])
    connection._idle_since -= seconds
    connection.expire(0.0, "too late")
    return connection.usable


def test_a_connection_that_was_idle_for_too_long_is_closed_before_the_api_does():
    assert idle_after(on_a_wire(), OK, 3.5)
    assert not idle_after(on_a_wire(), OK, 4.1)
    told = OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: timeout=60\r\n\r\n")
    connection = on_a_wire()
    assert idle_after(connection, told, 58.5)
    assert idle_after(connection, OK, 58.5)  # it was said once
    assert not idle_after(connection, told, 59.5)


def test_a_connection_on_which_nothing_was_asked_is_idle_too():
    connection = on_a_wire()
    connection.expire(0.0, "too late")
    assert connection.usable
    connection._idle_since -= 4.1
    connection.expire(0.0, "too late")
    assert not connection.usable


def test_a_connection_that_awaits_an_answer_is_not_idle():
    connection = on_a_wire()
    connection.send(REQUEST)
    connection._idle_since -= 100
    connection.expire(0.0, "too late")
    assert connection.usable


# long bodies


def test_a_body_of_64_kib_is_read_whole(run):
    sent = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (MAX_BODY, b"x" * MAX_BODY)
    response, usable = answers(run, sent)
    assert (len(response.body), usable) == (MAX_BODY, True)


def test_of_a_longer_body_64_kib_are_read_and_the_connection_is_closed(run):
    sent = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * (MAX_BODY + 1)
    response, usable = answers(run, sent)
    assert (response.status, len(response.body), usable) == (200, MAX_BODY, False)


def test_a_body_without_end_ends_when_64_kib_are_read(run):
    for framing, piece in ((b"X: y", b"x"), (b"Transfer-Encoding: chunked", b"1\r\nx\r\n")):
        sent = b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (framing, piece * 3_000_000)
        response, usable = answers(run, sent)
        assert (len(response.body), usable) == (MAX_BODY, False)


def test_chunks_that_are_mostly_extensions_end_too(run):
    chunk = b"1;" + b"e" * 1000 + b"\r\nx\r\n"
    sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 4000
    response, usable = answers(run, sent)
    assert (response.status, usable) == (200, False)
    assert len(response.body) < MAX_BODY


# failures, and what is known of the request


def test_a_reset_before_the_answer_leaves_open_whether_it_was_taken(run):
    assert "before its answer" in failure(run, then="reset")


def test_a_reset_in_the_answer_leaves_open_whether_it_was_taken(run):
    async def cut():
        async with pair() as (connection, peer):
            answer = connection.send(REQUEST)
            await peer.request()
            peer.send(OK[:-1])
            await auntil(lambda: connection._received == len(OK) - 1)
            peer.reset()
            with pytest.raises(ExchangeError, match="in the middle of") as caught:
                await answer
            assert caught.value.handed_over
            assert not connection.usable

    run(cut())


def test_a_reset_does_not_complete_a_body_that_ends_with_the_input(run):
    async def cut():
        async with pair() as (connection, peer):
            answer = connection.send(REQUEST)
            await peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
            await auntil(lambda: connection._received)
            peer.reset()
            with pytest.raises(ExchangeError):
                await answer

    run(cut())


def test_a_reset_ends_what_an_error_says_where_it_has_no_other_end(run):
    async def cut():
        async with pair() as (connection, peer):
            answer = connection.send(REQUEST)
            await peer.request()
            peer.send(b"HTTP/1.1 413 No\r\n\r\ntoo la")
            await auntil(lambda: connection._received)
            peer.reset()
            assert (await answer).body == b"too la"
            assert not connection.usable

    run(cut())


@pytest.mark.parametrize("then", ["reset", "close", "end"])
def test_an_answer_counts_however_the_connection_ends_after_it(run, then):
    async def ends():
        async with pair() as (connection, peer):
            answer = connection.send(REQUEST)
            await peer.request()
            peer.send(OK)
            assert await answer == HI
            getattr(peer, then)()
            await auntil(lambda: not connection.usable)

    run(ends())


@pytest.mark.parametrize("then", ["reset", "close", "end"])
def test_a_request_on_a_connection_that_was_closed_while_idle_is_not_handed_over(run, then):
    async def idle():
        async with pair() as (connection, peer):
            getattr(peer, then)()
            await auntil(lambda: not connection.usable)
            with pytest.raises(ExchangeError) as caught:
                await connection.send(REQUEST)
            assert not caught.value.handed_over

    run(idle())


def test_a_close_that_crosses_the_request_leaves_open_whether_it_was_taken(run):
    async def crosses():
        async with pair() as (connection, peer):
            peer.close()
            answer = connection.send(REQUEST)  # before the loop can have read the close
            with pytest.raises(ExchangeError) as caught:
                await answer
            assert caught.value.handed_over

    run(crosses())


def test_an_answer_that_is_late_is_given_up_with_its_connection(run):
    async def late():
        async with pair() as (connection, peer):
            answer = connection.send(REQUEST)
            await peer.request()
            peer.send(OK[:-1])
            now = asyncio.get_running_loop().time()
            connection.expire(now - LONG, "too late")
            assert connection.usable
            assert not answer.done()
            connection.expire(now + LONG, "too late")
            with pytest.raises(ExchangeError, match="too late") as caught:
                await answer
            assert caught.value.handed_over
            await peer.left_alone()

    run(late())


def test_nothing_expires_while_nothing_is_asked(run):
    async def idle():
        async with pair() as (connection, _peer):
            connection.expire(asyncio.get_running_loop().time() + LONG, "too late")
            assert connection.usable

    run(idle())


def test_closing_fails_the_answer_that_is_awaited_and_may_be_repeated(run):
    async def closed():
        async with pair() as (connection, peer):
            answer = connection.send(REQUEST)
            await peer.request()
            connection.close()
            connection.close()
            with pytest.raises(ExchangeError) as caught:
                await answer
            assert caught.value.handed_over
            assert await peer.left_alone() == b""

    run(closed())


def test_connecting_takes_no_longer_than_allowed_handshake_included(run):
    async def silent(peer):
        await peer.left_alone()

    async def connecting():
        async with listening(silent) as port:
            endpoint = parse_url(f"https://localhost:{port}/")
            with pytest.raises(TimeoutError):
                await connect(endpoint, ssl.create_default_context(), 0.05)

    run(connecting())


def test_connecting_to_a_port_where_nobody_listens_is_an_os_error(run):
    async def refused():
        async with listening(None) as port:
            pass
        with pytest.raises(OSError, match="onnect"):
            await connect(parse_url(f"http://127.0.0.1:{port}/"), None, LONG)

    run(refused())


# an answer before the request is out

BIG = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % 32_000_000 + b"x" * 32_000_000
TOO_LARGE = b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"


def test_an_early_answer_to_a_big_body_counts_and_closes_the_connection(run):
    async def early():
        async with pair() as (connection, peer):
            answer = connection.send(BIG)
            peer.send(TOO_LARGE)  # reads nothing
            assert (await answer).status == 413
            assert not connection.usable

    run(early())


def refuse_without_reading(listener, read, framing):
    """Answer each connection 413 after *read* bytes, and close it with the rest unread."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            left = read
            while left > 0 and (data := client.recv(min(left, 65536))):
                left -= len(data)
            with contextlib.suppress(OSError):  # the client was quicker to read what came
                client.sendall(b"HTTP/1.1 413 No\r\nConnection: close\r\n%b\r\n" % framing)


@pytest.mark.parametrize("framing", [b"Content-Length: 0\r\n", b""], ids=["length", "none"])
@pytest.mark.parametrize("read", [1, 100_000, 3_000_000])
def test_a_413_with_a_broken_pipe_behind_it_is_a_413(run, read, framing):
    async def refused(port):
        connection = await connect(parse_url(f"http://127.0.0.1:{port}/"), None, LONG)
        assert (await connection.send(BIG)).status == 413
        assert not connection.usable

    async def all_refused():
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
            pool.submit(refuse_without_reading, listener, read, framing)
            try:
                for _ in range(10):
                    await refused(listener.getsockname()[1])
            finally:
                listener.shutdown(socket.SHUT_RDWR)

    run(all_refused())


def test_an_answer_that_is_left_when_a_write_has_failed_is_read():
    """What asyncio does where the write fails before it looks at what there is to read."""
    here, there = socket.socketpair()
    here.setblocking(False)
    with here, there:
        connection = on_a_wire()
        connection._transport.get_extra_info = {"socket": here}.get
        connection.follow_up = lambda _response: REQUEST
        answer = connection.send(REQUEST)
        there.sendall(TOO_LARGE)
        connection.connection_lost(BrokenPipeError(32, "Broken pipe"))
        assert answer.result().status == 413
        connection = on_a_wire()
        connection._transport.get_extra_info = {"socket": here}.get
        answer = connection.send(REQUEST)
        connection.connection_lost(BrokenPipeError(32, "Broken pipe"))
        assert "Broken pipe" in str(answer.exception())


def test_a_big_body_that_is_read_slowly_arrives_whole(run):
    async def slowly():
        async with pair() as (connection, peer):
            answer = connection.send(BIG)
            assert await peer.request() == BIG
            peer.send(OK)
            assert await answer == HI
            assert connection.usable

    run(slowly())


# any splitting, and the memo of answers that are alike


BODIES = (
    OK,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: r\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.0 500 No\r\n\r\nuntil the end",
    b"HTTP/1.1 204 None\r\n\r\n",
)


@pytest.mark.parametrize("whole", BODIES)
def test_an_answer_is_the_same_wherever_it_is_split(whole):
    expected = outcome(on_a_wire(), [whole])
    for at in range(1, len(whole)):
        assert outcome(on_a_wire(), [whole[:at], whole[at:]]) == expected
    assert outcome(on_a_wire(), [whole[i : i + 1] for i in range(len(whole))]) == expected


heads = st.builds(
    b"%bHTTP/1.%d %d Any\r\n%b".__mod__,
    st.tuples(
        st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n"]),
        st.sampled_from([1, 1, 1, 0]),
        st.sampled_from([200, 200, 201, 204, 304, 400, 429, 503, 999]),
        st.sampled_from([b"", b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n"]),
    ),
)
bodies = st.sampled_from(
    [
        b"Content-Length: 0\r\n\r\n",
        b"Content-Length: 2\r\n\r\nhi",
        b"Content-Length: 2\r\n\r\nho",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: y\r\n\r\n",
        b"\r\nto the end",
        b"Content-Length: 9\r\n\r\ncut",
        b"\r\n",
    ]
)
extras = st.sampled_from([b"", b"", b"", b"", b"HTTP", OK, b"\xff"])
any_answer = st.builds(lambda *parts: b"".join(parts), heads, bodies, extras)


@st.composite
def split_answers(draw):
    """Give answers in a row, many of them alike, each in pieces."""
    alike = draw(st.lists(any_answer, min_size=1, max_size=3))
    row = draw(st.lists(st.sampled_from(alike), min_size=1, max_size=8))
    split = []
    for answer in row:
        cuts = sorted(draw(st.sets(st.integers(1, len(answer) - 1), max_size=3)))
        ends = [*cuts, len(answer)]
        split.append([answer[a:b] for a, b in zip([0, *cuts], ends, strict=True)])
    return split


@given(split_answers())
def test_answers_in_a_row_are_what_each_would_be_alone(split):
    connection = on_a_wire()
    for pieces in split:
        if not connection.usable:
            connection = on_a_wire()
        assert outcome(connection, pieces) == outcome(on_a_wire(), [b"".join(pieces)])


def test_an_answer_like_the_one_before_is_the_same_answer():
    connection = on_a_wire()
    assert [outcome(connection, [OK]) for _ in range(3)] == [(HI, True)] * 3


def test_an_answer_like_the_one_before_but_split_is_parsed_anew():
    connection = on_a_wire()
    outcome(connection, [OK])
    assert outcome(connection, [OK[:30], OK[30:]]) == (HI, True)
    assert outcome(connection, [OK]) == (HI, True)


def test_an_answer_with_other_bytes_is_parsed_anew():
    connection = on_a_wire()
    outcome(connection, [OK])
    other = OK.replace(b"hi", b"ho").replace(b"200", b"400")
    response, _ = outcome(connection, [other])
    assert (response.status, response.body) == (400, b"ho")
    assert outcome(connection, [OK]) == (HI, True)


def test_the_end_of_a_split_answer_is_not_taken_for_a_whole_one():
    connection = on_a_wire()
    outcome(connection, [OK])
    nested = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(OK)
    response, usable = outcome(connection, [nested, OK])
    assert (response.body, usable) == (OK, True)


def test_the_final_answer_after_an_interim_one_is_not_taken_from_memory():
    connection = on_a_wire()
    outcome(connection, [OK])
    assert outcome(connection, [b"HTTP/1.1 100 Continue\r\n\r\n", OK]) == (HI, True)
    assert outcome(connection, [OK]) == (HI, True)


def test_an_answer_that_closes_is_not_known_again():
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert outcome(on_a_wire(), [closing])[1] is False


def test_a_known_answer_on_an_idle_connection_closes_it():
    connection = on_a_wire()
    outcome(connection, [OK])
    connection.data_received(OK)
    assert not connection.usable


def test_an_answer_to_a_request_that_was_given_up_disturbs_nobody():
    for first in ([], [OK]):
        connection = on_a_wire()
        for answer in first:
            outcome(connection, [answer])
        connection.send(REQUEST).cancel()
        connection.data_received(OK)
        connection.close()
        assert not connection.usable


def test_the_loss_of_a_connection_is_told_once():
    connection = on_a_wire()
    answer = connection.send(REQUEST)
    connection.eof_received()
    connection.connection_lost(ConnectionResetError("later"))
    assert "before its answer" in str(answer.exception())
    assert "later" not in str(answer.exception())


def test_an_early_answer_closes_the_connection_also_if_it_is_like_the_one_before(run):
    async def early():
        async with pair() as (connection, peer):
            answer = connection.send(REQUEST)
            await peer.request()
            peer.send(TOO_LARGE)
            await answer
            answer = connection.send(BIG)
            peer.send(TOO_LARGE)  # reads nothing
            assert (await answer).status == 413
            assert not connection.usable

    run(early())


def following(requests):
    """Give a connection on a wire that sends *requests* one after another, and what it was told."""
    connection, told = on_a_wire(), []

    def follow_up(response):
        told.append(response.status)
        return requests.pop(0) if requests else None

    connection.follow_up = follow_up
    return connection, told


def test_requests_follow_up_until_there_is_none_and_the_last_answer_is_given():
    connection, told = following([b"second", b"third"])
    answer = connection.send(REQUEST)
    connection.data_received(OK)
    connection.data_received(OK)
    assert not answer.done()
    connection.data_received(TOO_LARGE)
    assert told == [200, 200, 413]
    assert answer.result().status == 413


def test_nothing_follows_up_on_a_connection_that_ends_or_for_one_who_gave_up():
    connection, told = following([b"second"])
    answer = connection.send(REQUEST)
    connection.data_received(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answer.result().status == 200
    connection, told_later = following([b"second"])
    connection.send(REQUEST).cancel()
    connection.data_received(OK)
    assert told == told_later == []


def test_an_error_of_what_follows_up_is_given_as_it_is_and_as_no_loss():
    connection, mistake = on_a_wire(), ZeroDivisionError("a mistake")

    def follow_up(_response):
        raise mistake

    connection.follow_up = follow_up
    answer = connection.send(REQUEST)
    connection.data_received(OK)
    assert answer.exception() is mistake


def test_the_loss_of_a_connection_is_told_also_after_requests_that_followed_up():
    connection, _ = following([b"second"])
    answer = connection.send(REQUEST)
    connection.data_received(OK)
    connection.eof_received()
    assert answer.exception().handed_over
