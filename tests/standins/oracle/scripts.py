"""
What a stand-in knows: for each statement what it does, and tables that remember.

    table = Table("ID NUMBER(10) NOT NULL", "NAME VARCHAR2(40)", key=("ID",))
    statements = {
        "SELECT id, name FROM t": Query(table),
        "INSERT INTO t (id, name) VALUES (:id, :name)": Insert(table),
        "SELECT sysdate FROM dual": Query(["SYSDATE DATE"], [(datetime.now(),)]),
        "SELECT * FROM nowhere": OracleError(942, 'table or view "NOWHERE" does not exist', 14),
    }

A statement is known by its text, white space apart. Nothing here reads SQL.
"""

import itertools
import threading
from functools import cached_property

from .columns import Column, encode_row


class OracleError(Exception):
    """
    What the server answers in place of a result.

    Attributes:
        position: where in the statement, in characters from 0.
    """

    def __init__(self, code, text, position=0):
        super().__init__(f"ORA-{code:05}: {text}")
        self.code = code
        self.position = position


class Cut:
    """Half of the answer is sent, then the connection ends."""


class Pause:
    """
    Nothing is sent for so many seconds.

    Attributes:
        deaf: whether the client cannot even break the call, as when the network is down.
    """

    def __init__(self, seconds, *, deaf=False):
        self.seconds = seconds
        self.deaf = deaf


class Once:
    """What *fault* is, the first time only."""

    def __init__(self, fault):
        self._fault = [fault]

    def take(self):
        return self._fault.pop() if self._fault else None


class Query:
    """
    A query.

    Args:
        columns: their declarations, or a Table, for all of its columns and rows.
        rows: tuples; or a function of the binds, a dict, that gives them.
        table: a Table; *rows* is then a function of its rows, a list of tuples, and of the binds.
        at: what happens before the row of that number (from 0) is sent: an OracleError, a Cut, a
            Pause, or Once.
    """

    def __init__(self, columns, rows=(), *, table=None, at=None):
        if isinstance(columns, Table):
            self.columns, table = columns.columns, columns
        else:
            self.columns = tuple(map(Column.declared, columns))
        self.table = table
        self.at = at or {}
        self._rows = rows

    @cached_property
    def fixed(self):
        """The rows, encoded once; None if they are not always the same."""
        if self.table or callable(self._rows):
            return None
        encoders = [column.encoder() for column in self.columns]
        return [encode_row(encoders, row) for row in self._rows]

    @property
    def has_lobs(self):
        return any(column.is_lob for column in self.columns)

    def rows(self, binds, transaction):
        """Give the rows as tuples."""
        if self.table is None:
            return list(self._rows(binds) if callable(self._rows) else self._rows)
        rows = list(transaction.rows(self.table).values())
        return list(self._rows(rows, binds)) if callable(self._rows) else rows


class Change:
    """
    A statement that changes a table.

    Args:
        change: a function of the table's rows, a dict to change in place, and of the binds, a dict;
            it gives the number of rows changed, and may raise OracleError before it changes any.
        at: what happens before the binds of that number (from 0) are used, as in a Query.
    """

    def __init__(self, table, change, at=None):
        self.table = table
        self.at = at or {}
        self._change = change

    def apply(self, binds, transaction):
        return transaction.change(self.table, lambda rows: self._change(rows, binds))


class Insert(Change):
    """
    INSERT of one row of binds, in the order of *names*, or of the table's columns.

    The table's NOT NULL, sizes and key are heeded.
    """

    def __init__(self, table, *names, at=None):
        super().__init__(table, self._insert, at)
        self._names = names or tuple(column.name for column in table.columns)

    def _insert(self, rows, binds):
        given = dict(zip(self._names, binds.values(), strict=True))
        self.table.insert(rows, tuple(given.get(column.name) for column in self.table.columns))
        return 1


class Done:
    """
    A statement that succeeds and changes nothing that can be read.

    Args:
        count: the number of rows that each set of binds is said to have changed.
        commits: whether it ends the transaction, like DDL.
    """

    def __init__(self, count=0, *, commits=False, at=None):
        self.at = at or {}
        self._count = count
        self._commits = commits

    def apply(self, binds, transaction):
        if self._commits:
            transaction.commit()
        return self._count


class Table:
    """
    Rows in memory.

    Attributes:
        rows: those that are committed, tuples by their key (or by a number, where there is no key).
    """

    def __init__(self, *columns, key=(), name="T", rows=()):
        self.columns = tuple(map(Column.declared, columns))
        self.rows = {}
        self._name = name
        self._key = [[column.name for column in self.columns].index(part) for part in key]
        self._numbers = itertools.count()
        for row in rows:
            self.insert(self.rows, row)

    def insert(self, rows, row):
        """
        Add *row* to *rows*.

        Raises:
            OracleError: it may not be there.
        """
        for column, value in zip(self.columns, row, strict=True):
            self._check(column, value)
        key = tuple(row[at] for at in self._key) if self._key else next(self._numbers)
        if key in rows:
            raise OracleError(1, f"unique constraint (STANDIN.{self._name}_PK) violated")
        rows[key] = row

    def _check(self, column, value):
        where = f'"STANDIN"."{self._name}"."{column.name}"'
        if value is None and not column.nullable:
            raise OracleError(1400, f"cannot insert NULL into ({where})")
        if isinstance(value, str) and not column.is_lob and len(value.encode()) > column.size:
            sizes = f"(actual: {len(value.encode())}, maximum: {column.size})"
            raise OracleError(12899, f"value too large for column {where} {sizes}")


_commit = threading.Lock()


class Transaction:
    """
    What one session has changed and not yet committed.

    A session sees a table as it was when it first changed it, with its own changes. A commit makes
    the same changes again to what others have committed meanwhile.
    """

    def __init__(self):
        self._changes = []
        self._seen = {}  # table -> its committed rows, and a copy of them with our changes

    @property
    def is_open(self):
        return bool(self._changes)

    def rows(self, table):
        return self._seen[table][1] if table in self._seen else table.rows

    def change(self, table, change):
        """Run a function of the rows that gives how many it changed; give that."""
        if table not in self._seen:
            self._seen[table] = table.rows, dict(table.rows)
        count = change(self._seen[table][1])
        self._changes.append((table, change))
        return count

    def commit(self):
        with _commit:
            for table, (committed, ours) in self._seen.items():
                table.rows = ours if table.rows is committed else self._again(table)
        self.rollback()

    def rollback(self):
        self._changes.clear()
        self._seen.clear()

    def _again(self, table):
        rows = dict(table.rows)
        for changed, change in self._changes:
            if changed is table:
                change(rows)
        return rows
