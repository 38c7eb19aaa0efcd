"""What is held for every answer, however strange, and however it is cut."""

import re

from references import Told, by_h11, tidied

from rowferry.batches import MAX_BODY
from rowferry.http.connection import ExchangeError
from wire import REQUEST, on_a_wire

_MANY_ZEROS = re.compile(rb"\r\n0{16,}")


def check(data):
    """Hold the promises for one input; raise AssertionError where one is broken."""
    if not data:
        return
    cut, answer = data[0], data[1:]
    whole = exchange(on_a_wire(), [answer])
    agrees(answer, whole)
    connection = on_a_wire()
    pieces = pieces_of(answer, cut)
    assert same(exchange(connection, pieces), whole, answer), (pieces, whole)
    if connection.usable and cut & 1:
        assert same(again := exchange(connection, [answer]), whole, answer), (answer, again, whole)


def pieces_of(answer, cut):
    """Cut an answer in two, or into pieces of 1 to 8 bytes."""
    if cut < 0x80:
        at = cut * len(answer) // 0x80
        return [answer[:at], answer[at:]]
    size = cut % 8 + 1
    return [answer[at : at + size] for at in range(0, len(answer), size)]


def exchange(connection, pieces):
    """
    Give what comes of a request whose answer comes in *pieces*, and then the end of the input.

    Returns:
        The answer or the error; whether the end was needed; whether the connection stays usable.
    """
    future = connection.send(REQUEST)
    for piece in pieces:
        if piece:
            connection.data_received(piece)
    ended = not future.done()
    usable = connection.usable
    if ended:
        connection.eof_received()
        usable = connection.usable
    assert future.done()
    assert connection._waiting is None
    assert usable is not connection._transport.aborted
    assert len(connection._body) <= MAX_BODY + 1
    error = future.exception()
    if error is None:
        return future.result(), ended, usable
    assert isinstance(error, ExchangeError)
    assert error.handed_over
    assert not usable
    return error, ended, usable


def same(one, other, answer):
    """
    Tell whether two exchanges of an answer came to the same, but for the words of an error.

    Empty lines after an answer are passed by where they come with it, and close the connection
    where they come later.
    """
    if isinstance(one[0], ExchangeError):
        return isinstance(other[0], ExchangeError)
    return one[:2] == other[:2] and (one[2] == other[2] or answer.endswith((b"\r", b"\n")))


def agrees(answer, exchanged):
    """Hold ours against h11, where ours says that there is an answer."""
    response, ended, usable = exchanged
    if isinstance(response, ExchangeError):
        return
    told = by_h11(tidied(answer), ended=ended)
    if isinstance(told, str) and "illegal chunk header" in told:  # h11 reads up to 20 digits
        told = by_h11(_MANY_ZEROS.sub(rb"\r\n0", tidied(answer)), ended=ended)
    assert isinstance(told, Told), (response, told)
    assert told.status == response.status, (response, told)
    if len(told.body) <= MAX_BODY:
        assert told.body == response.body, (response, told)
    else:
        assert told.body[:MAX_BODY] == response.body
    if told.version != b"1.0":  # h11 keeps no connection to such a server, whatever it says
        assert told.keeps or not usable, (response, told)
