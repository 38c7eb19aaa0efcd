"""One client's session: from its login to its last word."""

import itertools
import re

from . import answers, catalog, login, tokens
from .packets import Cancelled, Kind
from .requests import Action, read_batch, read_rpcs, read_transaction_request
from .script import Affected, Cut, Pause, Received, SQLError, missing_statement, normal
from .tables import Transaction
from .tokens import Status

_descriptors = itertools.count(1)


class Session:
    """
    A session, and the answers to what it is asked.

    Attributes:
        script: what the server knows.
        log: where it writes down what it gets.
        transaction: what is not yet committed; in autocommit mode, of one statement.
    """

    def __init__(self, channel, script, log):
        self.script = script
        self.log = log
        self.transaction = Transaction()
        self._channel = channel
        self._descriptor = None
        self._implicit = False
        self._prepared = {}
        self._handles = itertools.count(1)
        self._bulk = None

    def serve(self):
        """Let the client in and answer it until it leaves."""
        if self._let_in():
            while message := self._channel.receive():
                self.log.round_trips += 1
                self._send(self._answer(message))

    def close(self):
        self.transaction.rollback()
        self._channel.close()

    # Login

    def _let_in(self):
        message = self._channel.receive()
        if message is None or message.kind != Kind.PRELOGIN:
            return False
        self._channel.end(login.prelogin_answer())
        message = self._channel.receive()
        if message is None or message.kind != Kind.LOGIN7:
            return False  # the client insists on encryption
        wanted = login.read_login(message.payload)
        self.log.logins.append(wanted)
        errors = login.check(wanted, self.script.users, self.script.databases)
        if errors:
            self._channel.end(login.refused(errors))
            return False
        self._channel.end(login.accepted(wanted, wanted.database or self.script.databases[0]))
        self._channel.packet_size = wanted.packet_size
        return True

    # Answers

    def _send(self, pieces):
        try:
            for piece in pieces:
                if isinstance(piece, Cut):
                    self._channel.cut()
                elif isinstance(piece, Pause):
                    self._channel.pause(piece.seconds)
                else:
                    self._channel.write(piece)
            self._channel.end()
        except Cancelled:
            self.log.cancels += 1
            self._channel.end(tokens.done(Status.ATTENTION))

    def _answer(self, message):
        if message.reset:
            yield from self._reset()
        if message.kind == Kind.SQL_BATCH:
            yield from self._batch(read_batch(message.payload))
        elif message.kind == Kind.RPC:
            yield from self._calls(list(read_rpcs(message.payload)))
        elif message.kind == Kind.TRANSACTION_MANAGER:
            yield from self._transact(read_transaction_request(message.payload))
        elif message.kind == Kind.BULK_LOAD:
            yield from self._load(message.payload)
        elif message.kind == Kind.ATTENTION:
            self.log.cancels += 1
            yield tokens.done(Status.ATTENTION)
        else:
            raise ConnectionAbortedError(f"a message of an unknown type, {message.kind}")

    def _reset(self):
        self._end_transaction(commit=False)
        self._implicit = False
        self._prepared.clear()
        yield tokens.connection_was_reset()

    # Batches

    def _batch(self, sql):
        for pattern, handle in _OWN:
            if found := re.fullmatch(pattern, sql.strip().rstrip(";"), re.IGNORECASE):
                yield from handle(self, *found.groups())
                return
        yield from answers.batch(self.run("SQL batch", sql))

    def run(self, how, sql, values=()):
        """Run a statement of the script; give its answers. In autocommit mode commit it."""
        self.log.received.append(Received(how, sql, tuple(values)))
        if self._implicit and self._descriptor is None:
            self._descriptor = next(_descriptors)
        made = self._run(self.script.find(sql), sql, values)
        if self._descriptor is None:
            failed = any(isinstance(one, SQLError) for one in made)
            (self.transaction.rollback if failed else self.transaction.commit)()
        return made

    def _run(self, known, sql, values):
        if known is None:
            self.log.unknown.append(sql)
            return [missing_statement(sql, self.script.statements)]
        try:
            return answers.as_list(known.run(self.transaction, *values))
        except SQLError as problem:
            return [problem]

    # Transactions

    def _transact(self, request):
        if request.action == Action.BEGIN:
            yield self._begin()
        elif request.action == Action.SAVE:
            self.transaction.save(request.name)
        elif request.action == Action.ROLLBACK and request.name:
            yield from self._back_to(request.name)
            return
        else:
            yield self._end_transaction(commit=request.action == Action.COMMIT)
        if request.begins:
            yield self._begin()
        yield tokens.done()

    def _begin(self):
        self._descriptor = next(_descriptors)
        return tokens.transaction_begun(self._descriptor)

    def _end_transaction(self, *, commit):
        """Commit or roll back; give the token that says so, none when there was nothing."""
        if self._descriptor is None:
            return b""
        ended, self._descriptor = self._descriptor, None
        if commit:
            self.log.commits += 1
            self.transaction.commit()
            return tokens.transaction_committed(ended)
        self.log.rollbacks += 1
        self.transaction.rollback()
        return tokens.transaction_rolled_back(ended)

    def _back_to(self, name):
        try:
            self.transaction.back_to(name)
        except SQLError as problem:
            yield from answers.batch([problem])
        else:
            yield tokens.done()

    # RPCs

    def _calls(self, calls):
        for number, call in enumerate(calls, 1):
            more = Status.MORE if number < len(calls) else Status.FINAL
            made, handle = self._call(call)
            yield from answers.call(made, more, handle)

    def _call(self, call):
        """Give the answers of one call, and the handle that it gives back."""
        how, values = call
        match how:
            case "sp_executesql":
                return self.run(how, values[0], values[2:]), None
            case "sp_prepexec":
                made = self.run(how, values[2], values[3:])
                return answers.prepared_in_vain(made), self._prepare(values[2])
            case "sp_prepare":
                return [], self._prepare(values[2])
            case "sp_execute":
                return self._execute(values[0], values[1:]), None
            case "sp_unprepare":
                self._prepared.pop(values[0], None)
                return [], None
            case "sp_describe_undeclared_parameters":
                return [self._describe(values[0])], None
            case "sp_datatype_info_100":
                return [catalog.describe_type(values[0])], None
        return self._procedure(how, values), None

    def _prepare(self, sql):
        handle = next(self._handles)
        self._prepared[handle] = sql
        return handle

    def _execute(self, handle, values):
        if handle not in self._prepared:
            return [SQLError(8179, f"Could not find prepared statement with handle {handle}.")]
        return self.run("sp_execute", self._prepared[handle], values)

    def _describe(self, sql):
        known = self.script.find(sql)
        if known is None:
            return missing_statement(sql, self.script.statements)
        return catalog.describe_parameters(known.parameters)

    def _procedure(self, name, values):
        if self.script.find(f"EXEC {name}") is None:
            return [SQLError(2812, f"Could not find stored procedure '{name}'.", state=62)]
        return self.run("RPC", f"EXEC {name}", values)

    # Statements of the session itself

    def _set_implicit(self, value):
        self._implicit = value.upper() == "ON"
        yield tokens.done()

    def _commit(self):
        yield self._end_transaction(commit=True)
        yield tokens.done()

    def _rollback(self):
        yield self._end_transaction(commit=False)
        yield tokens.done()

    def _begin_by_statement(self):
        yield self._begin()
        yield tokens.done()

    def _save(self, name):
        self.transaction.save(name)
        yield tokens.done()

    def _nothing(self):
        yield from answers.batch([Affected()])

    def _use(self, database):
        if database not in self.script.databases:
            text = f"Database '{database}' does not exist. Make sure that the name is right."
            yield from answers.batch([SQLError(911, text)])
            return
        yield tokens.database_is(database)
        yield tokens.info(5701, f"Changed database context to '{database}'.")
        yield tokens.done()

    def _type_info(self, number):
        yield from answers.batch([catalog.describe_type(int(number))])


_OWN = (
    (r"SET IMPLICIT_TRANSACTIONS (ON|OFF)", Session._set_implicit),
    (r"BEGIN TRAN(?:SACTION)?", Session._begin_by_statement),
    (r"(?:IF @@TRANCOUNT > 0 )?COMMIT(?: TRAN(?:SACTION)?| WORK)?", Session._commit),
    (r"(?:IF @@TRANCOUNT > 0 )?ROLLBACK(?: TRAN(?:SACTION)?| WORK)?", Session._rollback),
    (r"SAVE TRAN(?:SACTION)? (\w+)", Session._save),
    (r"ROLLBACK TRAN(?:SACTION)? (\w+)", Session._back_to),
    (r"USE \[?(\w+)\]?", Session._use),
    (r"SET (?:TEXTSIZE|LOCK_TIMEOUT|NOCOUNT|QUOTED_IDENTIFIER|TRANSACTION ISOLATION) .*", Session._nothing),
    (r"(?:EXEC )?sp_datatype_info_100 (-?\d+),\d", Session._type_info),
)
"""Statements that change the session, and what they do."""
