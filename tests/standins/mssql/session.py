"""One client's session: from its login to its last word."""

import itertools
import re

from . import answers, bulk, catalog, login, tokens
from .calls import Calls
from .packets import Cancelled, Kind
from .requests import Action, read_batch, read_rpcs, read_transaction_request
from .script import Affected, Cut, Pause, Received, Result, SQLError, missing_statement
from .tables import Transaction
from .tokens import Status

_descriptors = itertools.count(1)
_DEADLOCK = 1205
"""The error that ends the whole transaction of its victim."""


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
        self._calls = Calls(script, self._run)
        self._filling = None

    def serve(self):
        """Let the client in and answer it until it leaves."""
        if self._let_in():
            while message := self._channel.receive():
                self.log.happened.append("message")
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
                    raise ConnectionAbortedError("cut, as the script says")
                if isinstance(piece, Pause):
                    self._channel.pause(piece.seconds)
                else:
                    self._channel.write(piece)
            self._channel.end()
        except Cancelled:
            self.log.happened.append("cancel")
            self._channel.end(tokens.done(Status.ATTENTION))

    def _answer(self, message):
        if message.reset:
            yield from self._reset()
        if message.kind == Kind.SQL_BATCH:
            yield from self._batch(read_batch(message.payload))
        elif message.kind == Kind.RPC:
            yield from self._call(message.payload)
        elif message.kind == Kind.TRANSACTION_MANAGER:
            yield from self._transact(read_transaction_request(message.payload))
        elif message.kind == Kind.BULK_LOAD:
            yield from self._load(message.payload)
        elif message.kind == Kind.ATTENTION:  # too late: the answer was complete
            yield tokens.done(Status.ATTENTION)
        else:
            raise ValueError(f"a message of an unknown type, {message.kind}")

    def _reset(self):
        self._end_transaction(commit=False)
        self._implicit = False
        self._calls.forget()
        yield tokens.connection_was_reset()

    # Batches

    def _batch(self, sql):
        for pattern, handle in _OWN:
            if found := re.fullmatch(pattern, sql.strip().rstrip(";"), re.IGNORECASE):
                self.log.received.append(Received("SQL batch", sql))
                yield from handle(self, *found.groups())
                return
        if name := bulk.table_asked_for(sql):
            yield from answers.batch(self._describe_table(name))
        elif name := bulk.table_to_fill(sql):
            self.log.received.append(Received("SQL batch", sql))
            self._filling = name
            yield tokens.done()
        else:
            yield self._begin_implicitly()
            yield from answers.batch(self._run("SQL batch", sql))

    def _run(self, how, sql, values=()):
        """Run a statement of the script; give its answers. In autocommit mode commit it."""
        self.log.received.append(Received(how, sql, tuple(values)))
        known = self.script.find(sql)
        if known is None:
            self.log.unknown.append(sql)
            return [missing_statement(sql, self.script.statements)]
        return self._atomic(lambda: answers.as_list(known.run(self.transaction, *values)))

    def _atomic(self, act):
        """Give the answers of *act*; what fails changes nothing. In autocommit mode commit."""
        try:
            made = act()
        except SQLError as problem:
            made = [problem]
        failed = [one.number for one in made if isinstance(one, SQLError)]
        if self._descriptor is None:
            (self.transaction.rollback if failed else self.transaction.commit)()
        elif _DEADLOCK in failed:
            made = [self._end_transaction(commit=False), *made]
        return made

    # Bulk copy

    def _describe_table(self, name):
        if name not in self.script.tables:
            return [SQLError(208, f"Invalid object name '{name}'.")]
        return bulk.describe(self.script.tables[name], int(self._descriptor is not None))

    def _load(self, payload):
        table = self.script.tables[self._filling]
        names, rows = bulk.read_bulk_load(payload)
        self.log.received.append(Received("bulk load", table.name, tuple(map(tuple, rows))))
        yield from answers.batch(self._atomic(lambda: [table.load(self.transaction, names, rows)]))

    # Transactions

    def _transact(self, request):
        if request.action == Action.BEGIN:
            yield self._begin()
        else:
            yield self._end_transaction(commit=request.action == Action.COMMIT)
        if request.begins:
            yield self._begin()
        yield tokens.done()

    def _begin_implicitly(self):
        """Begin a transaction where IMPLICIT_TRANSACTIONS is on and none is open."""
        return self._begin() if self._implicit and self._descriptor is None else b""

    def _begin(self):
        self._descriptor = next(_descriptors)
        return tokens.transaction_begun(self._descriptor)

    def _end_transaction(self, *, commit):
        """Commit or roll back; give the token that says so, none when there was nothing."""
        if self._descriptor is None:
            return b""
        ended, self._descriptor = self._descriptor, None
        self.log.happened.append("commit" if commit else "rollback")
        if commit:
            self.transaction.commit()
            return tokens.transaction_committed(ended)
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

    def _call(self, payload):
        try:
            calls = list(read_rpcs(payload))
        except SQLError as problem:
            yield from answers.call([problem])
            return
        yield self._begin_implicitly()
        for number, call in enumerate(calls, 1):
            more = Status.MORE if number < len(calls) else Status.FINAL
            made, handle = self._calls.answer(call)
            yield from answers.call(made, more, handle)

    # Statements of the session itself

    def _set_implicit(self, value):
        self._implicit = value.upper() == "ON"
        yield tokens.done()

    def _end_by_statement(self, if_open, word):
        word = word.upper()
        if self._descriptor is None and not if_open:
            number = 3902 if word == "COMMIT" else 3903
            text = f"The {word} TRANSACTION request has no corresponding BEGIN TRANSACTION."
            yield from answers.batch([SQLError(number, text)])
            return
        yield self._end_transaction(commit=word == "COMMIT")
        yield tokens.done()

    def _count_transactions(self):
        yield from answers.batch([Result("n int NOT NULL", [(int(self._descriptor is not None),)])])

    def _begin_by_statement(self, if_none):
        if self._descriptor is not None and if_none:
            yield tokens.done()
            return
        if self._descriptor is not None:
            text = "the stand-in knows no transactions within transactions"
            yield from answers.batch([SQLError(50000, text)])
            return
        yield self._begin()
        yield tokens.done()

    def _save(self, name):
        if self._descriptor is None:
            text = "Cannot issue SAVE TRANSACTION when there is no active transaction."
            yield from answers.batch([SQLError(628, text)])
            return
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
    (r"(IF @@TRANCOUNT = 0 )?BEGIN TRAN(?:SACTION)?", Session._begin_by_statement),
    (r"SELECT @@TRANCOUNT", Session._count_transactions),
    (
        r"(IF @@TRANCOUNT > 0 )?(COMMIT|ROLLBACK)(?: TRAN(?:SACTION)?| WORK)?",
        Session._end_by_statement,
    ),
    (r"SAVE TRAN(?:SACTION)? (\w+)", Session._save),
    (r"ROLLBACK TRAN(?:SACTION)? (\w+)", Session._back_to),
    (r"USE \[?(\w+)\]?", Session._use),
    (
        r"SET (?:TEXTSIZE|LOCK_TIMEOUT|NOCOUNT|QUOTED_IDENTIFIER|TRANSACTION ISOLATION) .*",
        Session._nothing,
    ),
    (r"(?:EXEC )?sp_datatype_info_100 (-?\d+),\d", Session._type_info),
)
"""Statements that change the session, and what they do."""
