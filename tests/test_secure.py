"""TLS between a connection and its socket: cut anywhere, ended in any way."""

import asyncio
import contextlib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from rowferry.http.connection import MAX_BODY, Connection, ExchangeError
from rowferry.http.endpoint import parse_url
from rowferry.http.opening import connect
from rowferry.http.secure import Secure
from scripted import LONG
from wire import OK, REQUEST, Answered, Wire

AUTHORITY = trustme.CA()
TRUSTING = ssl.create_default_context()
AUTHORITY.configure_trust(TRUSTING)
SERVER = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
AUTHORITY.issue_cert("127.0.0.1").configure_cert(SERVER)
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\nall of it"
BIG = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % 8_000_000 + b"x" * 8_000_000


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on each kind of loop."""

    def run(coroutine):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(asyncio.wait_for(coroutine, LONG))

    return run


@contextlib.contextmanager
def serving(serve):
    """Call *serve* with the secure socket of each client, and the plain one; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def accept():
            with contextlib.suppress(OSError):  # the listener is shut down
                while True:
                    client, _ = listener.accept()
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    with (
                        contextlib.suppress(OSError),
                        SERVER.wrap_socket(client, server_side=True) as secure,
                    ):
                        serve(secure)

        pool.submit(accept)
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def read_request(secure):
    """Read one request; give the length of its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = secure.recv(65536)
        if not more:
            raise ConnectionResetError
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    size = len(body)
    while size < length:
        size += len(secure.recv(1024 * 1024))
    return length


def ask(run, serve, request=REQUEST, *, times=1):
    """Give the answers to a request that is sent so often, and whether the connection is usable."""

    async def asking(port):
        connection = await connect(parse_url(f"https://127.0.0.1:{port}/"), TRUSTING, LONG)
        answers = [await connection.send(request) for _ in range(times)]
        usable = connection.usable
        connection.close()
        await asyncio.sleep(0)
        return answers, usable

    with serving(serve) as port:
        return run(asking(port))


# over sockets


def test_requests_and_answers_go_one_after_another(run):
    def serve(secure):
        while read_request(secure):
            secure.sendall(OK)

    answers, usable = ask(run, serve, times=50)
    assert ({answer.body for answer in answers}, len(answers), usable) == ({b"hi"}, 50, True)


def test_long_requests_and_answers_arrive_whole(run):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MAX_BODY

    def serve(secure):
        assert read_request(secure) == 8_000_000
        secure.sendall(head + b"y" * MAX_BODY)

    answers, _ = ask(run, serve, BIG)
    assert answers[0].body == b"y" * MAX_BODY


def test_an_answer_of_many_records_is_one(run):
    def serve(secure):
        read_request(secure)
        for at in range(len(OK)):
            secure.sendall(OK[at : at + 1])

    answers, usable = ask(run, serve)
    assert (answers[0].body, usable) == (b"hi", True)


def test_a_body_that_ends_with_tls_is_whole(run):
    def serve(secure):
        read_request(secure)
        secure.sendall(TO_THE_END)
        secure.unwrap()

    answers, usable = ask(run, serve)
    assert (answers[0].body, usable) == (b"all of it", False)


def test_a_body_that_ends_without_tls_having_ended_may_be_cut(run):
    def serve(secure):
        read_request(secure)
        secure.sendall(TO_THE_END)  # and closes the socket, as anybody on the way could

    with pytest.raises(ExchangeError, match="without the end that TLS has") as caught:
        ask(run, serve)
    assert caught.value.handed_over


def test_an_answer_with_an_end_of_its_own_needs_none_of_tls(run):
    def serve(secure):
        read_request(secure)
        secure.sendall(OK)

    assert ask(run, serve)[0][0].body == b"hi"


def test_what_is_no_tls_after_the_handshake_ends_the_connection(run):
    def serve(secure):
        read_request(secure)
        with socket.socket(fileno=secure.detach()) as plain:
            plain.sendall(OK)
            plain.recv(65536)

    with pytest.raises(ExchangeError, match="SSL") as caught:
        ask(run, serve)
    assert caught.value.handed_over


def test_a_413_with_a_broken_pipe_behind_it_is_a_413(run):
    def serve(secure):
        secure.recv(100)
        secure.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")  # the rest is unread

    for _ in range(5):
        assert ask(run, serve, BIG)[0][0].status == 413


def test_what_was_said_before_the_end_in_the_handshake_is_an_error_of_connecting(run):
    async def connecting(port):
        with pytest.raises(OSError, match=r"in the TLS handshake|without the end|reset"):
            await connect(parse_url(f"https://127.0.0.1:{port}/"), TRUSTING, LONG)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def close():
            client, _ = listener.accept()
            client.recv(65536)
            client.close()

        pool.submit(close)
        run(connecting(listener.getsockname()[1]))


# without sockets: any split of what comes


class Secured(Wire):
    """A wire that keeps what is written for the other end to read."""

    def __init__(self):
        super().__init__()
        self.written = []

    def write(self, data):
        self.written.append(bytes(data))

    def close(self):
        self.aborted = True


class End:
    """The API's end of TLS, on bytes."""

    def __init__(self, context=SERVER):
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)

    def shake_hands(self, data):
        self._in.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._out.read()

    def says(self, data):
        self._tls.write(data)
        return self._out.read()

    def ends(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._out.read()

    def hears(self, data):
        self._in.write(data)
        return self._tls.read(65536)


def shaken(size, context=SERVER):
    """Give a connection after a handshake in pieces of *size* bytes, its layer, wire and end."""
    connection, wire, end = Connection(Answered()), Secured(), End(context)
    ready = Answered().create_future()
    secure = Secure(connection, TRUSTING, "127.0.0.1", ready)
    secure.connection_made(wire)
    while not ready.done():
        came, wire.written = end.shake_hands(b"".join(wire.written)), []
        for at in range(0, len(came), size):
            secure.data_received(came[at : at + size])
    tickets, wire.written = end.shake_hands(b"".join(wire.written)), []
    if tickets:
        secure.data_received(tickets)
    return connection, secure, wire, end


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_handshake_may_be_split_anywhere(size, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    context.maximum_version = version
    connection, secure, wire, end = shaken(size, context)
    assert connection.usable
    answer = connection.send(REQUEST)
    assert end.hears(b"".join(wire.written)) == REQUEST
    secure.data_received(end.says(OK))
    assert answer.result().body == b"hi"


@given(st.lists(st.integers(1, 60), max_size=12), st.integers(1, 400), st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_answer_is_the_same_however_it_and_its_records_are_split(records, size, ended):
    connection, secure, wire, end = shaken(100_000)
    answer = connection.send(REQUEST)
    assert end.hears(b"".join(wire.written)) == REQUEST
    sent, left = b"", OK
    for record in records:
        if left:
            sent += end.says(left[:record])
            left = left[record:]
    sent += end.says(left) if left else b""
    sent += end.ends() if ended else b""
    for at in range(0, len(sent), size):
        secure.data_received(sent[at : at + size])
    assert answer.result().body == b"hi"
    assert connection.usable is not ended
    assert wire.aborted is ended


def test_the_loss_of_a_connection_is_told_once():
    connection, secure, _, _ = shaken(100_000)
    answer = connection.send(REQUEST)
    secure.eof_received()
    secure.connection_lost(ConnectionResetError("later"))
    assert "without the end that TLS has" in str(answer.exception())


def test_bytes_that_were_changed_on_the_way_end_the_connection():
    connection, secure, wire, end = shaken(100_000)
    answer = connection.send(REQUEST)
    came = bytearray(end.says(OK))
    came[-1] ^= 1
    secure.data_received(bytes(came))
    assert "SSL" in str(answer.exception())
    assert wire.aborted
    assert not connection.usable
