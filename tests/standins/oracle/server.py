"""The server: a port on loopback, a thread a connection."""

import contextlib
import itertools
import socket
import threading

from .packets import ClosedError, Packets
from .scripts import OracleError
from .session import Session


class Oracle:
    """
    A protocol stand-in for an Oracle server; it runs while it is entered.

    Args:
        statements: what each does, by its text, in which white space makes no difference: a Query,
            a Change, an Insert, a Done or an OracleError.
        users: passwords by name, whose case makes no difference.
        keep_binds: whether `calls` has the binds; a benchmark has no room for them.

    Attributes:
        calls: what clients have asked for since they logged in, in order; each is one round trip.
    """

    def __init__(self, statements, *, users=None, service="STANDIN", port=0, keep_binds=True):
        self.users = {name.upper(): word for name, word in (users or {"scott": "tiger"}).items()}
        self.service = service
        self.keeps_binds = keep_binds
        self.calls = []
        self._scripts = {}
        for sql, script in statements.items():
            self.script(sql, script)
        self._port = port
        self._listener = None
        self._open = {}
        self._numbers = itertools.count(1)

    @property
    def port(self):
        return self._listener.getsockname()[1]

    @property
    def dsn(self):
        """What python-oracledb takes as `dsn`."""
        return f"127.0.0.1:{self.port}/{self.service}"

    @property
    def open_connections(self):
        return len(self._open)

    def script(self, sql, script):
        """Say what a statement does from now on."""
        self._scripts[_plain(sql)] = script

    def find(self, sql):
        """Give what a statement does."""
        unknown = OracleError(900, f"the stand-in has no script for {_plain(sql)!r}")
        return self._scripts.get(_plain(sql), unknown)

    def count(self, *names, sql=None):
        """Count the calls of these names, or all; those of one statement, if there is *sql*."""
        return sum(
            (not names or call.name in names)
            and (sql is None or (call.sql is not None and _plain(call.sql) == _plain(sql)))
            for call in self.calls
        )

    @property
    def commits(self):
        """How many calls were to commit."""
        return sum(call.commits for call in self.calls)

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._accepting = threading.Thread(target=self._accept, name="stand-in", daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for sock, thread in list(self._open.items()):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._open[sock] = thread
                thread.start()

    def _serve(self, sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(ClosedError, OSError):
                Session(self, Packets(sock), next(self._numbers)).serve()
        finally:
            sock.close()
            del self._open[sock]


def _plain(sql):
    return " ".join(sql.split())
