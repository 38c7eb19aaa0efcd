"""
What another client makes of an answer: h11, which is strict, and written in Python.

Where it is stricter than llhttp, on which ours stands, in what does not touch an answer's status,
body or end, its input is changed so that it agrees; what `tidied` does are all the differences.
"""

import re
from typing import NamedTuple

import h11

_MOST = 1024 * 1024
_HEAD_LINE = re.compile(rb"(HTTP/1\.[01] (\d)\d\d)([^\r\n]*)\r\n")


class Told(NamedTuple):
    """
    A complete answer, as a client reads it.

    Attributes:
        version: "1.0" or "1.1".
        keeps: whether another request may be sent after it on the same connection.
    """

    status: int
    body: bytes
    version: bytes
    keeps: bool


def tidied(data):
    """
    Take from an answer what h11 minds and llhttp does not, and no reader could stumble over.

    That is empty lines before a status line, and what is said after a status: llhttp takes any
    characters there, and nobody reads them.
    """
    clean = b""
    while True:
        data = data.lstrip(b"\r\n")
        line = _HEAD_LINE.match(data)
        if not line:
            return clean + data
        clean += line[1] + b" Any\r\n"
        data = data[line.end() :]
        if line[2] != b"1":
            return clean + data
        head, end, data = (b"\r\n" + data).partition(b"\r\n\r\n")
        clean += (head + end)[2:]


def by_h11(data, *, ended):
    """
    Let h11 read the answer to a POST.

    Args:
        data: all that came.
        ended: whether the end of the input came after it.

    Returns:
        What it is told, or in words why there is no complete answer.
    """
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST)
    headers = [("Host", "h"), ("Content-Length", "2")]
    client.send(h11.Request(method="POST", target="/", headers=headers))
    client.send(h11.Data(data=b"{}"))
    client.send(h11.EndOfMessage())
    if data:
        client.receive_data(data)
    if ended:
        client.receive_data(b"")
    try:
        return _read(client)
    except h11.RemoteProtocolError as error:
        return str(error)


def _read(client):
    status, version, body = 0, b"", bytearray()
    while True:
        event = client.next_event()
        if isinstance(event, h11.Response):
            status, version = event.status_code, event.http_version
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            left, closed = client.trailing_data
            idle = client.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}
            keeps = idle and not left.strip(b"\r\n") and not closed
            return Told(status, bytes(body), version, keeps)
        elif not isinstance(event, h11.InformationalResponse):
            return f"no complete answer, but {event}"
