"""The stand-in: a listener on loopback, a thread for each client."""

import contextlib
import socket
import threading

from .packets import Channel
from .script import Log, normal, statement
from .session import Session


class Script:
    """What the stand-in knows: statements, logins, databases."""

    def __init__(self, statements, users, databases):
        self.statements = {normal(sql): statement(sql, entry) for sql, entry in statements.items()}
        self.users = users
        self.databases = databases

    def find(self, sql):
        """Give the statement, or None."""
        return self.statements.get(normal(sql))


class SQLServer:
    """
    A stand-in for SQL Server on a free port of 127.0.0.1.

        with SQLServer({"SELECT 1": Result("n int", [(1,)])}) as server:
            pyodbc.connect(server.odbc("FreeTDS"))

    It speaks TDS 7.4 without encryption and answers the statements that it was told, no others.

    Attributes:
        port: where it listens, once it is entered.
        log: what it got.
    """

    user, password = "sa", "Passw0rd"

    def __init__(self, statements, *, users=None, databases=("master",)):
        self.log = Log()
        self.port = 0
        self._script = Script(statements, users or {self.user: self.password}, databases)
        self._lock = threading.Lock()
        self._channels = set()
        self._threads = []

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
        for thread in self._threads:
            thread.join()

    def url(self, user=None, password=None, database=None):
        """Give the words of a connection string for mssql-python and Microsoft's ODBC driver."""
        return (
            f"Server=127.0.0.1,{self.port};Database={database or self._script.databases[0]};"
            f"UID={user or self.user};PWD={password or self.password};"
            "Encrypt=no;TrustServerCertificate=yes;"
        )

    @property
    def sessions(self):
        """How many clients are connected."""
        return len(self._channels)

    def _start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
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
        except (OSError, ValueError) as problem:
            self.log.broken.append(problem)
        finally:
            with self._lock:
                self._channels.discard(channel)
            session.close()
