"""The stand-in: a listener on loopback, a thread for each client."""

import contextlib
import socket
import threading

from .address import Address
from .packets import Channel
from .script import Log, Result, normal, statement
from .session import Session


class Script:
    """What the stand-in knows: statements, logins, databases, tables for bulk copy."""

    def __init__(self, statements, users, databases, tables):
        self.statements = {normal(sql): statement(sql, entry) for sql, entry in statements.items()}
        self.users = users
        self.databases = databases
        self.tables = {table.name: table for table in tables}

    def find(self, sql):
        """Give the statement, or None."""
        return self.statements.get(normal(sql))


class SQLServer(Address):
    """
    A stand-in for SQL Server on a free port of 127.0.0.1.

        with SQLServer({"SELECT 1": Result("n int", [(1,)])}) as server:
            conn = mssql_python.connect(server.microsoft())

    It speaks TDS 7.4 without encryption and answers the statements that it was told, no others.
    The first of *users* (name to password) and of *databases* are those of `Address`. *tables* are
    those that bulk copy may fill.

    Attributes:
        log: what it got.
        threads: the listener's, then one for each client.
    """

    def __init__(self, statements, *, users=None, databases=("master",), tables=()):
        users = users or {"sa": "Passw0rd"}
        user, password = next(iter(users.items()))
        super().__init__(0, user, password, databases[0])
        self.log = Log()
        self._script = Script(statements, users, databases, tables)
        self._lock = threading.Lock()
        self._channels = set()
        self.threads = []

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for channel in self._channels:
                channel.hang_up()
        for thread in self.threads:
            thread.join()

    def encode(self):
        """Encode the rows of fixed results now, so that none is encoded while one measures."""
        for known in self._script.statements.values():
            if isinstance(known.answer, Result):
                known.answer.blocks()

    @property
    def sessions(self):
        """How many clients are connected."""
        return len(self._channels)

    def _start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._start(self._serve, Channel(sock))

    def _serve(self, channel):
        with self._lock:
            self._channels.add(channel)
        session = Session(channel, self._script, self.log)
        try:
            session.serve()
        except OSError:
            pass  # the client has left, or the script cut it off
        except Exception as problem:  # noqa: BLE001 - of a thread; whoever looks at the log sees it
            self.log.broken.append(problem)
        finally:
            session.close()
            with self._lock:
                self._channels.discard(channel)
