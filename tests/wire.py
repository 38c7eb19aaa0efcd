"""A connection without a socket or a running loop: answers in, and what comes of them."""

import asyncio

from rowferry.http.connection import Connection

REQUEST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Wire:
    """A transport without a socket, for answers that come in given pieces."""

    def __init__(self, unsent=0):
        self.aborted = False
        self.unsent = unsent

    def write(self, data):
        pass

    def abort(self):
        self.aborted = True

    def get_extra_info(self, name):
        return None

    def get_write_buffer_size(self):
        return self.unsent


class Answered(asyncio.AbstractEventLoop):
    """As much of a loop as a Connection needs, without running."""

    def create_future(self):
        return asyncio.Future(loop=self)

    def get_debug(self):
        return False

    def time(self):
        return 0.0

    def call_soon(self, callback, *args, context=None):
        pass


def on_a_wire():
    connection = Connection(Answered())
    connection.connection_made(Wire())
    return connection


def outcome(connection, pieces):
    """Give what comes of a request whose answer comes in *pieces*, and then the end of input."""
    answer = connection.send(REQUEST)
    for piece in pieces:
        connection.data_received(piece)
    usable = connection.usable
    if not answer.done():
        connection.eof_received()
        usable = connection.usable
    assert answer.done()
    assert connection._transport.aborted is not usable
    error = answer.exception()
    return (type(error) if error else answer.result()), usable
