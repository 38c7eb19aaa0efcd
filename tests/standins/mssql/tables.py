"""Tables in memory, and what a transaction has made of them."""

import threading

from .columns import columns
from .conversion import convert
from .script import Affected, Result, SQLError, Statement


class Table:
    """
    A table: its columns, and the rows that are committed.

    One transaction at a time writes to it, others wait; readers see what was committed, as
    under READ_COMMITTED_SNAPSHOT. A writer waits *lock_timeout* seconds at most.
    """

    def __init__(self, name, definition, rows=(), lock_timeout=10.0):
        self.name = name
        self.columns = columns(definition)
        self.rows = list(rows)
        self.lock_timeout = lock_timeout
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
        into = self._places(names or [column.name for column in self.columns])
        types = tuple(self.columns[at]._replace(nullable=True, key=False) for at in into)

        def run(transaction, *values):
            transaction.insert(self, [self._row(into, values)])
            return Affected(1)

        return Statement(run, types)

    def load(self, transaction, names, rows):
        """Insert many rows of the columns *names*, all or none."""
        into = self._places(names)
        transaction.insert(self, [self._row(into, values) for values in rows])
        return Affected(len(rows))

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

    def _places(self, names):
        """Give where the columns of these names stand."""
        all_names = [column.name for column in self.columns]
        return [all_names.index(name) for name in names]

    def _row(self, into, values):
        """Give a whole row, converted, with *values* in the places *into*. Raises SQLError."""
        row = [None] * len(self.columns)
        for at, value in zip(into, values, strict=True):
            row[at] = value
        return tuple(
            convert(value, column, self.name)
            for value, column in zip(row, self.columns, strict=True)
        )


class _Change:
    """The rows of one table as a transaction sees them, once it has written."""

    def __init__(self, table):
        self._key = [at for at, column in enumerate(table.columns) if column.key]
        self.replace(list(table.rows))

    def replace(self, rows):
        self.rows = rows
        self._keys = {self._key_of(row) for row in rows} if self._key else set()

    def add(self, table, rows):
        """Add all of *rows* or none. Raises SQLError for a key that is there."""
        before = len(self.rows)
        for row in rows:
            key = self._key_of(row)
            if self._key and key in self._keys:
                self.replace(self.rows[:before])
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
            if not table.writer.acquire(timeout=table.lock_timeout):
                raise SQLError(1222, "Lock request time out period exceeded.", state=45)
            self._changes[table] = _Change(table)
        return self._changes[table]

    def insert(self, table, rows):
        """Add rows, all or none. Raises SQLError 2627 for a key that is there."""
        self.change(table).add(table, rows)

    def save(self, name):
        """Remember this point under *name*."""
        self._savepoints[name] = {table: list(one.rows) for table, one in self._changes.items()}

    def back_to(self, name):
        """Undo what came after `save`. Raises SQLError 6401 for a name that is not there."""
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
