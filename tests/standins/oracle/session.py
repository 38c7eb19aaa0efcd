"""One connection of a client, from its first packet to its last."""

import secrets
from dataclasses import dataclass
from typing import Any

from . import login
from .answers import (
    ARRAY_DML_ERRORS,
    NO_DATA_FOUND,
    BatchError,
    outcome,
    row_counts,
    row_header,
    status,
)
from .columns import describe
from .lobs import Lobs
from .packets import BreakError, ClosedError
from .requests import Execute, Fetch, LobCall, Locator, names_of, read_request
from .rows import Rows
from .scripts import Cut, Once, OracleError, Pause, Query, Transaction
from .ttc import Function, Message, Option, Reader, UnsupportedError

_END = bytes([Message.END_OF_RESPONSE])


@dataclass(frozen=True, slots=True)
class Call:
    """
    A request that a client made once it was logged in: one round trip.

    Attributes:
        session: the number of its connection, from 1.
        name: that of the function: execute, reexecute, reexecute_and_fetch, fetch, lob_op, commit,
            rollback, ping or logoff.
        sql: the statement, for the first four.
        binds: a list of values for each execution, in the order of the statement.
        rows: how many rows the answer may have.
        commits: whether it is to commit, by itself or because the client is in autocommit.
    """

    session: int
    name: str
    sql: str | None = None
    binds: tuple[list[Any], ...] = ()
    rows: int = 0
    commits: bool = False


@dataclass(slots=True)
class Cursor:
    """A statement that a client keeps open, and what it said of it last."""

    number: int
    sql: str
    script: Any
    names: list[str]
    bind_types: list[Any] | None = None
    binds: dict[str, Any] | None = None
    defines: list[Any] | None = None
    rows: Rows | None = None


class Session:
    """
    Args:
        oracle: the server.
        number: of the connection, from 1.
    """

    def __init__(self, oracle, packets, number):
        self._oracle = oracle
        self._packets = packets
        self._number = number
        self._cursors = {}
        self._opened = 0
        self._lobs = Lobs()
        self._transaction = Transaction()

    def serve(self):
        """Serve the client until it goes; what it has not committed is lost."""
        if self._log_in():
            while True:
                self._packets.send_data(self._next_answer() + _END)

    def _log_in(self):
        connect = self._packets.read_connect()
        if connect.service.upper() != self._oracle.service.upper():
            self._packets.refuse(12514, "TNS:listener does not know of service requested")
            return False
        self._packets.accept(connect.sdu)
        user, types = login.read_first(self._reader())
        password = self._oracle.users.get(user.upper(), secrets.token_hex()).encode()
        challenge = login.Challenge.of(password)
        self._packets.send_data(login.first_answer(types, challenge) + outcome() + _END)
        pairs = login.read_second(self._reader())
        proof = login.second_answer(pairs, challenge, password, self._number)
        denied = OracleError(1017, "invalid credential or not authorized; logon denied")
        answer = outcome(error=denied) if proof is None else proof + outcome()
        self._packets.send_data(answer + _END)
        return proof is not None

    def _reader(self):
        return Reader(self._packets.read_data)

    def _next_answer(self):
        try:
            return self._answer(read_request(self._reader(), self._bind_types_of, self._close))
        except BreakError:
            self._packets.reset()
            return self._error(OracleError(1013, "user requested cancel of current operation"))
        except UnsupportedError as error:
            self._packets.drain()
            return self._error(OracleError(3001, f"unimplemented feature: {error}"))
        except OracleError as error:
            return self._error(error)

    def _error(self, error):
        return outcome(error=error, in_transaction=self._transaction.is_open)

    def _answer(self, request):
        if isinstance(request, Execute):
            return self._execute(request)
        if isinstance(request, Fetch):
            cursor = self._cursor(request.cursor)
            self._remember(request, sql=cursor.sql, rows=request.rows)
            return self._fetch(cursor, request.rows)
        ends = request.function == Function.COMMIT
        self._remember(request, commits=ends)
        said = self._lobs.answer(request) if isinstance(request, LobCall) else b""
        if ends:
            self._transaction.commit()
        elif request.function in {Function.ROLLBACK, Function.LOGOFF}:
            self._transaction.rollback()
        return said + status(in_transaction=self._transaction.is_open)

    def _remember(self, request, **details):
        name = request.function.name.lower()
        self._oracle.calls.append(Call(self._number, name, **details))

    # cursors

    def _cursor(self, number):
        if number not in self._cursors:
            raise OracleError(1001, "invalid cursor")
        return self._cursors[number]

    def _bind_types_of(self, number):
        cursor = self._cursor(number)
        return cursor.bind_types, isinstance(cursor.script, Query)

    def _close(self, number):
        self._cursors.pop(number, None)

    def _open(self, request):
        """Give the cursor of an execute, new or known, with what the request says of it."""
        if not request.cursor:
            names = names_of(request.sql)
            if request.options & Option.PLSQL_BIND:
                names = list(dict.fromkeys(names))
            self._opened += 1
            script = self._oracle.find(request.sql)
            cursor = Cursor(self._opened, request.sql, script, names)
            self._cursors[cursor.number] = cursor
        else:
            cursor = self._cursor(request.cursor)
        cursor.bind_types = request.bind_types or cursor.bind_types
        cursor.defines = request.defines or cursor.defines
        return cursor

    # execute

    def _execute(self, request):
        cursor = self._open(request)
        binds = [self._values(row) for row in request.binds]
        commits = bool(request.options & Option.COMMIT)
        kept = tuple(binds) if self._oracle.keeps_binds else ()
        self._remember(request, sql=cursor.sql, binds=kept, rows=request.rows, commits=commits)
        if isinstance(cursor.script, OracleError):
            self._close(cursor.number)
            raise cursor.script
        if isinstance(cursor.script, Query):
            return self._query(cursor, request, binds)
        if not request.options & Option.EXECUTE:
            return self._done(cursor)
        return self._change(cursor, request, binds)

    def _values(self, row):
        if not any(isinstance(value, Locator) for value in row):
            return row
        return [
            self._lobs.value(value.data) if isinstance(value, Locator) else value for value in row
        ]

    def _query(self, cursor, request, binds):
        query = cursor.script
        if request.options & Option.EXECUTE:
            cursor.binds = dict(zip(cursor.names, binds[0] if binds else (), strict=True))
            cursor.rows = None
        said = describe(query.columns) if request.options & Option.PARSE else b""
        # Of a query with LOBs the client first says how it wants them, and fetches then.
        if request.options & Option.FETCH and request.rows and not query.has_lobs:
            return said + self._fetch(cursor, request.rows)
        return said + self._done(cursor)

    def _done(self, cursor, rows=0):
        is_open = self._transaction.is_open
        return outcome(cursor=cursor.number, rows=rows, in_transaction=is_open)

    def _change(self, cursor, request, binds):
        script, counts, failed, error = cursor.script, [], [], None
        for number, row in enumerate(binds):
            try:
                self._meet(script.at.get(number), b"")
                named = dict(zip(cursor.names, row, strict=True))
                counts.append(script.apply(named, self._transaction))
            except OracleError as refused:
                if not request.options & Option.BATCH_ERRORS:
                    error = refused
                    break
                failed.append(BatchError(number, refused))
                counts.append(0)
        if failed:
            error = OracleError(ARRAY_DML_ERRORS, "error(s) in array DML")
        elif request.options & Option.COMMIT and error is None:
            self._transaction.commit()
        said = row_counts(counts) if request.row_counts else b""
        return said + outcome(
            cursor=cursor.number,
            rows=sum(counts),
            error=error,
            failed=failed,
            in_transaction=self._transaction.is_open,
        )

    # fetch

    def _fetch(self, cursor, count):
        rows = self._rows(cursor)
        parts, end, error = [row_header(count)], rows.taken + count, None
        try:
            for at in sorted(at for at in rows.at if rows.taken <= at < end):
                parts += rows.take(at - rows.taken)
                self._meet(rows.at[at], b"".join(parts))
            parts += rows.take(end - rows.taken)
            if rows.taken < end:
                error = OracleError(NO_DATA_FOUND, "no data found")
        except OracleError as met:
            error = met
        ending = outcome(
            cursor=cursor.number,
            rows=rows.taken,
            error=error,
            in_transaction=self._transaction.is_open,
        )
        return b"".join([*parts, ending])

    def _rows(self, cursor):
        if cursor.rows is None:
            give = lambda: cursor.script.rows(cursor.binds, self._transaction)
            cursor.rows = Rows(cursor.script, give, cursor.defines, self._lobs)
        return cursor.rows

    def _meet(self, fault, said):
        """Do what a script has set here; *said* is the part of the answer that comes before."""
        if isinstance(fault, Once):
            fault = fault.take()
        if isinstance(fault, OracleError):
            raise fault
        if isinstance(fault, Pause):
            wait = self._packets.ignore if fault.deaf else self._packets.wait
            wait(fault.seconds)
        elif isinstance(fault, Cut):
            self._packets.send_part(said)
            raise ClosedError
