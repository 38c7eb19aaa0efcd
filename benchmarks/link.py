"""
A network between a client and a server on one machine: each direction takes as long as it is told.

    python benchmarks/link.py --port 5433 --delay 0.005 /run/postgresql/.s.PGSQL.5432

Only time is added: what is sent meanwhile is on its way at once, up to 128 MiB a direction, and so
no throughput is lost.
"""

from __future__ import annotations

import argparse
import socket
import time
from contextlib import suppress
from queue import Queue
from threading import Thread

SIZE = 65_536
PIECES = 2_048

Pieces = Queue[tuple[float, bytes]]


def main() -> None:
    """Carry each connection to the server, until stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True, help="where clients connect to")
    parser.add_argument("--delay", type=float, required=True, help="seconds, in each direction")
    parser.add_argument("server", help="the socket of the server: a path")
    args = parser.parse_args()
    with socket.create_server(("127.0.0.1", args.port)) as listener:
        while True:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.socket(socket.AF_UNIX)
            server.connect(args.server)
            carry(client, server, args.delay)
            carry(server, client, args.delay)


def carry(source: socket.socket, target: socket.socket, delay: float) -> None:
    """Start what takes all that *source* sends to *target*, each piece *delay* seconds later."""
    pieces: Pieces = Queue(PIECES)
    Thread(target=_receive, args=(source, pieces, delay), daemon=True).start()
    Thread(target=_send, args=(target, pieces), daemon=True).start()


def _receive(source: socket.socket, pieces: Pieces, delay: float) -> None:
    piece = b"begun"
    while piece:
        piece = _received(source)
        pieces.put((time.monotonic() + delay, piece))


def _received(source: socket.socket) -> bytes:
    """Give the next piece; nothing at the end, however it came."""
    try:
        return source.recv(SIZE)
    except OSError:
        return b""


def _send(target: socket.socket, pieces: Pieces) -> None:
    with suppress(OSError):  # it has gone: what follows is for nobody
        while True:
            due, piece = pieces.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not piece:
                return target.shutdown(socket.SHUT_WR)
            target.sendall(piece)


if __name__ == "__main__":
    main()
