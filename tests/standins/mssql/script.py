"""What a test says: the statements that the stand-in knows, and their answers."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .columns import Column, colmetadata, columns, rows_in_blocks


@dataclass
class SQLError(Exception):
    """
    An error as SQL Server words it: an answer, or what a function of a script raises.

    *level* is its class, from 11 to 25.
    """

    number: int
    message: str
    state: int = 1
    level: int = 16
    line: int = 1
    procedure: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection breaks here."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing comes for *seconds*, or until the client cancels."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Affected:
    """*count* rows were changed; None is a statement that counts none, such as SET."""

    count: int | None = None


class Result:
    """
    Rows under columns.

    Attributes:
        columns: `Column`s, or text as in CREATE TABLE.
        rows: tuples, or a function that gives them anew, for a result too long to be kept.
        then: what comes after the rows: an SQLError, a Cut or a Pause.
    """

    def __init__(self, columns_, rows=(), then=None):
        self.columns = columns(columns_) if isinstance(columns_, str) else tuple(columns_)
        self.then = then
        self._rows = rows if callable(rows) else list(rows)
        self._encoded = None

    @property
    def metadata(self):
        return colmetadata(self.columns)

    def blocks(self):
        """Yield (count of rows, their tokens); rows that are kept are encoded only once."""
        if callable(self._rows):
            return rows_in_blocks(self.columns, self._rows())
        if self._encoded is None:
            self._encoded = list(rows_in_blocks(self.columns, self._rows))
        return self._encoded


Answer = Result | Affected | SQLError | Cut | Pause
"""A list of them is an answer too: several results."""


@dataclass(frozen=True, slots=True)
class Statement:
    """
    A statement that the stand-in knows.

    Attributes:
        run: a function from (transaction, *parameters) to an answer; it may raise SQLError.
        parameters: the types of the parameters, as the server would describe them.
        answer: what it always gives, if it does.
    """

    run: Callable[..., Any]
    parameters: tuple[Column, ...] = ()
    answer: Any = None


def statement(sql, entry):
    """
    Make the statement that an entry of a script means: a Statement, an answer or a function.

    Parameters of which nothing is said are described as nvarchar(4000).
    """
    if isinstance(entry, Statement):
        return entry
    described = columns("P nvarchar(4000)") * normal(sql).count("?")
    if callable(entry):
        return Statement(lambda transaction, *values: entry(*values), described)
    return Statement(lambda transaction, *values: entry, described, entry)


def query(function, parameters):
    """Answer with *function* of the parameters, whose types are text as in CREATE TABLE."""
    return Statement(lambda transaction, *values: function(*values), columns(parameters))


def normal(sql):
    """Give what two texts of one statement have in common: markers as ?, white space as one."""
    return " ".join(re.sub(r"@P\d+\b", "?", sql, flags=re.IGNORECASE).split()).rstrip(" ;")


@dataclass(frozen=True, slots=True)
class Received:
    """What the client asked: how (SQL batch, sp_prepexec …), the statement and its values."""

    how: str
    sql: str
    parameters: tuple[Any, ...] = ()


@dataclass(slots=True)
class Log:
    """
    What the stand-in got, over all connections.

    Attributes:
        happened: "message" for each that was answered after a login, "commit" and "rollback" for
            each transaction that was open, "cancel" for each answer that was not wanted to the
            end. (A list, since many threads add to it.)
        unknown: statements that the script does not hold.
        broken: errors of the stand-in itself, or of a script's function.
    """

    received: list[Received] = field(default_factory=list)
    logins: list[Any] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    broken: list[Exception] = field(default_factory=list)

    @property
    def round_trips(self):
        return self.happened.count("message")

    @property
    def commits(self):
        return self.happened.count("commit")

    @property
    def rollbacks(self):
        return self.happened.count("rollback")

    @property
    def cancels(self):
        return self.happened.count("cancel")

    def of(self, sql):
        """Give the parameters of each execution of *sql*, in order."""
        wanted = normal(sql)
        return [one.parameters for one in self.received if normal(one.sql) == wanted]


def missing_statement(sql: str, known: Iterable[str]) -> SQLError:
    names = "; ".join(known)
    return SQLError(50000, f"the stand-in knows no statement {sql!r}; it knows: {names}")
