"""
The stand-in in a process of its own, for drivers that hold the GIL and for measurements.

pyodbc's fast_executemany and mssql-python's bulkcopy wait for the server without giving up the
GIL: a server among the threads of their process could never answer.
"""

import multiprocessing
from collections import Counter
from contextlib import contextmanager

from .address import Address

_context = multiprocessing.get_context("spawn")
_PATIENCE = 20.0
"""Seconds for a process to start, import and encode its rows."""


class Remote(Address):
    """What another process serves: its address, and its log as of now."""

    def __init__(self, pipe, port, options):
        super().__init__(port, **options)
        self._pipe = pipe

    @property
    def log(self):
        self._pipe.send("log")
        return self._pipe.recv()

    @property
    def counts(self):
        """How often each thing has `happened`, without the log that holds every row."""
        self._pipe.send("counts")
        return self._pipe.recv()


@contextmanager
def in_a_process(make, *arguments):
    """
    Start the server that *make* gives for *arguments* in another process; yield a `Remote`.

    *make* gives an SQLServer that is not entered yet. The other process imports it, so it stands
    at the top of a module.
    """
    here, there = _context.Pipe()
    process = _context.Process(target=_serve, args=(there, make, arguments))
    process.start()
    there.close()
    try:
        if not here.poll(_PATIENCE):
            raise TimeoutError(f"the stand-in did not start within {_PATIENCE} s")
        port, names = here.recv()
        yield Remote(here, port, names)
    finally:
        here.close()  # which ends the other process
        process.join()


def _serve(pipe, make, arguments):
    with make(*arguments) as server:
        server.encode()
        names = {"user": server.user, "password": server.password, "database": server.database}
        pipe.send((server.port, names))
        try:
            while asked := pipe.recv():
                pipe.send(server.log if asked == "log" else Counter(server.log.happened))
        except EOFError:
            pass
