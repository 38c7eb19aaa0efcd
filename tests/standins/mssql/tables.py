"""Tables in memory, and what a transaction has made of them."""

import threading

from .columns import columns
from .conversion import convert
from .script import Affected, Result, SQLError, Statement

_LOCK_TIMEOUT = 10.0
"""Seconds that a writer waits for another one."""


class Table:
    """
    A table: its columns, and the rows that are committed.

    One transaction at a time writes to it, others wait; readers see what was committed, as
    under READ_COMMITTED_SNAPSHOT.
    """

    def __init__(self, name, definition, rows=()):
        self.name = name
        self.columns = columns(definition)
        self.rows = list(rows)
        self.writer = threading.Lock()

    def select(self):
        """Give the statement that selects all."""
        return Statement(lambda transaction: Result(self.columns, list(transaction.rows(self))))

    def count(self):
        return Statement(
            lambda transaction: Result("n int NOT NULL", [(len(transaction.rows(self)),)])
        )

    def insert(self, *names):
        """Give the statement that inserts one row of these columns; of all, if none is named."""
        into = [self._at(name) for name in names or [column.name for column in self.columns]]
        types = tuple(replace_name(self.columns[at], f"P{n}") for n, at in enumerate(into, 1))

        def run(transaction, *values):
            row = [None] * len(self.columns)
            for at, value in zip(into, values, strict=True):
                row[at] = value
            transaction.insert(self, row)
            return Affected(1)

        return Statement(run, types)

    def delete(self):
        """Give the statement that deletes all rows."""

        def run(transaction):
            count = len(transaction.rows(self))
            transaction.change(self).replace([])
            return Affected(count)

        return Statement(run)

    def update(self, change, parameters):
        """
        Give the statement that changes rows.

        *change* is called with each row and the parameters, and gives the new row or None.
        """

        def run(transaction, *values):
            made = [(row, change(row, *values)) for row in transaction.rows(self)]
            transaction.change(self).replace([row if new is None else new for row, new in made])
            return Affected(sum(new is not None for _, new in made))

        return Statement(run, columns(parameters))

    def _at(self, name):
        return [column.name for column in self.columns].index(name)


def replace_name(column, name):
    return column._replace(name=name, nullable=True, key=False)


class _Change:
    """The rows of one table as a transaction sees them, once it has written."""

    def __init__(self, table):
        self._key = [at for at, column in enumerate(table.columns) if column.key]
        self.replace(list(table.rows))

    def replace(self, rows):
        self.rows = rows
        self._keys = {self._key_of(row) for row in rows} if self._key else set()

    def add(self, table, row):
        """Add one. Raises SQLError for a key that is there."""
        key = self._key_of(row)
        if self._key and key in self._keys:
            raise _duplicate(table, key)
        self._keys.add(key)
        self.rows.append(row)

    def _key_of(self, row):
        return tuple(row[at] for at in self._key)


class Transaction:
    """What one session has done and not yet committed."""

    def __init__(self):
        self._changes = {}
        self._savepoints = {}

    def rows(self, table):
        """Give the rows of *table* as this transaction sees them."""
        return self._changes[table].rows if table in self._changes else table.rows

    def change(self, table):
        """Give the rows to write to; wait for another writer. Raises SQLError 1222."""
        if table not in self._changes:
            if not table.writer.acquire(timeout=_LOCK_TIMEOUT):
                raise SQLError(1222, "Lock request time out period exceeded.", state=45)
            self._changes[table] = _Change(table)
        return self._changes[table]

    def insert(self, table, row):
        """Convert a row as the columns want it, and add it. Raises SQLError."""
        made = tuple(
            convert(value, column, table.name)
            for value, column in zip(row, table.columns, strict=True)
        )
        self.change(table).add(table, made)

    def save(self, name):
        """Remember this point under *name*."""
        self._savepoints[name] = {table: list(one.rows) for table, one in self._changes.items()}

    def back_to(self, name):
        """Undo what came after `save`. Raises SQLError 3908 for a name that is not there."""
        if name not in self._savepoints:
            text = f"Cannot roll back {name}. No transaction or savepoint of that name was found."
            raise SQLError(6401, text)
        saved = self._savepoints[name]
        for table, change in self._changes.items():
            change.replace(list(saved.get(table, table.rows)))

    def commit(self):
        for table, change in self._changes.items():
            table.rows = change.rows
        self.rollback()

    def rollback(self):
        for table in self._changes:
            table.writer.release()
        self._changes, self._savepoints = {}, {}


def _duplicate(table, key):
    shown = ", ".join(str(value) for value in key)
    return SQLError(
        2627,
        f"Violation of PRIMARY KEY constraint 'PK_{table.name}'. Cannot insert duplicate key in "
        f"object 'dbo.{table.name}'. The duplicate key value is ({shown}).",
        level=14,
    )
