"""Sums on SQL text: identifiers, INSERT, what a cursor can be declared for, errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rowferry.exceptions import BadIdentifierError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_IDENTIFIER = re.compile(r"[\w$]+")

NOT_CODE = re.compile(
    r"""
      \b[eE]'(?:[^'\\]|\\.|'')*'          # a string with escapes
    | '[^']*'                             # a string; a doubled quote is two strings in a row
    | "[^"]*"                             # a quoted identifier
    | \$(?P<tag>[^\W\d]\w*|)\$.*?\$(?P=tag)\$   # a dollar-quoted string
    | --[^\n]*                            # comments
    | /\*.*?\*/
    """,
    re.VERBOSE | re.DOTALL,
)
_NAME = r'(?:[^\W\d][\w$]*|"(?:[^",]|"")+"|`[^`,]+`|\[[^\],]+\])'
_PLAIN_INSERT = re.compile(
    rf"""\s*INSERT\s+INTO\s+({_NAME}(?:\s*\.\s*{_NAME}){{0,2}})\s*
    (?:\(\s*({_NAME}(?:\s*,\s*{_NAME})*)\s*\)\s*)?
    VALUES\s*\(((?:[^()]|%\([^()]*\)s)+)\)\s*;?\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_INSERTS = re.compile(
    rf"\s*(?:INSERT|REPLACE)\b(?:\s+\w+){{0,2}}?\s+INTO\s+({_NAME}(?:\s*\.\s*{_NAME}){{0,2}})",
    re.IGNORECASE,
)
_PLACEHOLDERS = {
    "pyformat": ("%s", re.compile(r"%\(([^()%]+)\)s")),
    "qmark": ("?", re.compile(r"[:$]([^\W\d]\w*)")),
}
"""By DB-API's word for the style: the placeholder by position, and the one by name."""

_READS = re.compile(r"[\s(]*(?:SELECT|VALUES|TABLE|WITH)\b", re.IGNORECASE)
_WRITES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|INTO)\b", re.IGNORECASE)
_LOCKS = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+UPDATE|UPDATE|KEY\s+SHARE|SHARE)\b", re.IGNORECASE)


def check_column(name: str) -> None:
    """
    Accept a column name: word characters of any script, and `$`.

    Raises:
        BadIdentifierError: it has others, so it could be read as something else in SQL.
    """
    if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
        raise BadIdentifierError(
            f"{name!r} is no plain column name: letters, digits, '_' and '$' are allowed"
        )


def check_table(name: str) -> None:
    """
    Accept a table name as a column name, with one schema before it at most (`schema.table`).

    Raises:
        BadIdentifierError: it has other characters, or more parts.
    """
    parts = name.split(".") if isinstance(name, str) else []
    if not 1 <= len(parts) <= 2 or not all(map(_IDENTIFIER.fullmatch, parts)):  # noqa: PLR2004 - schema and table
        raise BadIdentifierError(
            f"{name!r} is no plain table name: letters, digits, '_' and '$' are allowed, "
            "and one schema before it"
        )


def insert(
    table: str,
    columns: Sequence[str],
    placeholders: Sequence[str],
    identifier: Callable[[str], str] = str,
) -> str:
    """
    Give the INSERT of one row into *columns* of *table*, with *placeholders* for the values.

    Args:
        identifier: gives a plain name as it is to stand in the statement.

    Raises:
        BadIdentifierError: a name is no plain identifier.
    """
    for column in columns:
        check_column(column)
    table, listed = table_identifier(table, identifier), ", ".join(map(identifier, columns))
    return f"INSERT INTO {table} ({listed}) VALUES ({', '.join(placeholders)})"  # noqa: S608 - all names were checked


def table_identifier(table: str, identifier: Callable[[str], str]) -> str:
    """
    Give a plain table name as it is to stand in a statement, each part as *identifier* gives it.

    Raises:
        BadIdentifierError: it is no plain table name.
    """
    check_table(table)
    return ".".join(map(identifier, table.split(".")))


class PlainInsert(NamedTuple):
    """
    An INSERT of one row of placeholders and nothing else.

    Attributes:
        table: as it stands in the statement, with its schema and quotes.
        columns: as they stand there; None where the statement names none.
        names: of its placeholders, one for each column; None where they go by position.
        width: how many columns are filled.
    """

    table: str
    columns: tuple[str, ...] | None
    names: tuple[str, ...] | None
    width: int


def plain_insert(sql: str, paramstyle: str) -> PlainInsert | None:
    """
    Read an INSERT INTO table (columns) VALUES (placeholders); None where *sql* is anything else.

    Args:
        paramstyle: "pyformat" for %s and %(name)s, "qmark" for ? and :name or $name.
    """
    found = _PLAIN_INSERT.fullmatch(sql)
    if found is None:
        return None
    table, listed, values = found.groups()
    columns = tuple(map(str.strip, listed.split(","))) if listed else None
    marks = [mark.strip() for mark in values.split(",")]
    if columns is not None and len(columns) != len(marks):
        return None
    positional, named = _PLACEHOLDERS[paramstyle]
    if set(marks) == {positional}:
        return PlainInsert(table, columns, None, len(marks))
    matches = [named.fullmatch(mark) for mark in marks]
    names = tuple(match[1] for match in matches if match)
    return PlainInsert(table, columns, names, len(marks)) if len(names) == len(marks) else None


def inserts_into(sql: str) -> str | None:
    """Give the table of an INSERT INTO or REPLACE INTO, as it stands there; None for others."""
    found = _INSERTS.match(sql)
    return found and found[1]


def on_conflict(insert: str, columns: Sequence[str], key: Sequence[str], *, update: bool) -> str:
    """Give *insert* with the ON CONFLICT clause of PostgreSQL, which SQLite and DuckDB have too."""
    new = [f"{column} = excluded.{column}" for column in columns if column not in key]
    action = f"DO UPDATE SET {', '.join(new)}" if update and new else "DO NOTHING"
    return f"{insert} ON CONFLICT ({', '.join(key)}) {action}"


def create_table_if_missing(table: str, lines: Sequence[str]) -> str:
    """Give the CREATE TABLE of *table* with *lines*, its columns and its key, if there is none."""
    return f"CREATE TABLE IF NOT EXISTS {create_table_body(table, lines)}"


def create_table_body(table: str, lines: Sequence[str]) -> str:
    """Give what follows CREATE TABLE: the name, and *lines* in parentheses."""
    inner = ",\n    ".join(lines)
    return f"{table} (\n    {inner}\n)"


def double_quoted(name: str) -> str:
    """
    Give *name* as a quoted identifier of standard SQL, whatever characters it has.

    Raises:
        BadIdentifierError: it is empty or holds a NUL or a lone surrogate, which no name can.
    """
    check_encodable(name)
    return '"' + name.replace('"', '""') + '"'


def check_encodable(name: str) -> None:
    """
    Accept a name that is some text in UTF-8 without NUL, as every database wants it.

    Raises:
        BadIdentifierError: it is not.
    """
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise BadIdentifierError(f"{name!r} is no name: it is no valid Unicode") from error
    if not encoded or b"\0" in encoded:
        raise BadIdentifierError(f"{name!r} is no name: it is empty or holds a NUL")


def select_all(table: str, identifier: Callable[[str], str]) -> str:
    """
    Give the SELECT of everything in *table*.

    Raises:
        BadIdentifierError: it is no plain table name.
    """
    return f"SELECT * FROM {table_identifier(table, identifier)}"  # noqa: S608 - the name was checked


def columns_of(sql: str) -> str:
    """Give the query that has the columns of *sql* and no row."""
    return f"SELECT * FROM (\n{sql}\n) q WHERE 1 = 0"  # noqa: S608 - the query is the user's own


def can_declare(sql: str) -> bool:
    """
    Tell whether PostgreSQL's DECLARE CURSOR takes *sql*; where unsure, say no.

    It takes one SELECT, VALUES, TABLE or WITH that writes nothing.
    """
    code = without_text(sql).strip().rstrip(";")
    if not _READS.match(code) or ";" in code:
        return False
    # A column called "into" would need quotes, so words are enough. UPDATE may stand in FOR UPDATE.
    return not _WRITES.search(_LOCKS.sub("", code))


def locks_rows(sql: str) -> bool:
    """Tell whether *sql* locks what it reads (FOR UPDATE, FOR SHARE): no held cursor can."""
    return _LOCKS.search(without_text(sql)) is not None


def without_text(sql: str) -> str:
    """Give *sql* with a space for each string, quoted identifier and comment."""
    return NOT_CODE.sub(" ", sql)


def error_text(sql: str, paramstyle: str, error: BaseException, advice: str = "") -> str:
    """Give what a failed statement's exception says: SQL, paramstyle, the driver's words."""
    text = f"SQL query raised an error.\n\n{sql}\n\nRequired paramstyle: {paramstyle}\n\n{error}\n"
    return f"{text}\n{advice}\n" if advice else text


def quoted_words(words: Iterable[object]) -> str:
    """Give *words* for people: `'a', 'b'`."""
    return ", ".join(repr(word) for word in words)
