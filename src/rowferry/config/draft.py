"""The draft of a job file for a table: it runs as it is, and says what else could be set."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rowferry import connections
from rowferry import sql as sql_text
from rowferry.api import Api
from rowferry.budget import Budget
from rowferry.catalogue import primary_key, table_info
from rowferry.config.options import options_of
from rowferry.databases import recognise
from rowferry.exceptions import BadIdentifierError
from rowferry.limits import Limits
from rowferry.retry import Retry
from rowferry.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowferry.databases.contract import Column, Database

_PASSWORD = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://[^/?#@:]*:)[^/?#@]+(?=@)")
_REST_OF_A_SENTENCE = re.compile(r"[.;] .*")
_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """
    A table, as its database tells of it.

    Attributes:
        columns: in order.
        key: the columns of its primary key, in their order; none where it has none.
        query: reads what can be JSON.
        left_out: columns that cannot.
    """

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    query: str
    left_out: tuple[Column, ...]


def table_at(url: str, table: str) -> Table:
    """
    Ask a database for a table.

    Raises:
        ConnectError: it cannot be reached or refuses the login.
        QueryError: there is no such table, or one in several schemas.
        BadIdentifierError: that is no plain name of a table.
    """
    sql_text.check_table(table)
    schema, _, name = table.rpartition(".")
    with connections.opened(url) as conn:
        database, _ = recognise(conn)
        columns = tuple(table_info(name, conn, schema or None))
        key = primary_key(name, conn, schema or None)
    binary = tuple(
        column for column in columns if database.column_type(column.type).kind == "binary"
    )
    query = _query(database, table, columns, binary)
    return Table(columns=columns, key=key, query=query, left_out=binary)


def _query(
    database: Database, table: str, columns: tuple[Column, ...], left_out: tuple[Column, ...]
) -> str:
    target = sql_text.table_identifier(table, database.identifier)
    try:
        names = [_identifier(database, column) for column in columns if column not in left_out]
    except BadIdentifierError:
        return f"SELECT * FROM {target}"  # noqa: S608 (the name was checked)
    listed = ",\n       ".join(names)
    return f"SELECT {listed}\nFROM {target}"


def _identifier(database: Database, column: Column) -> str:
    sql_text.check_column(column.name)
    return database.identifier(column.name)


def draft(name: str, source: str, api: str, table: Table) -> str:
    """
    Give the text of a job file.

    Args:
        name: of the job.
        source: the URL of the database, with references and not with a password.
        api: the URL of the API.
    """
    return "\n".join(
        [*_head(name), *_job(name, table), *_source(name, source, table), *_api(name, api)]
    )


def without_password(url: str, variable: str) -> str:
    """Give a URL with a reference to *variable* in the place of its password."""
    return _PASSWORD.sub(lambda match: f"{match[1]}${{{variable}}}", url)


def _head(name: str) -> Iterator[str]:
    yield f"# Written by rowferry {__version__}."
    yield "#"
    yield "#     rowferry validate FILE    looks for mistakes"
    yield "#     rowferry plan FILE        shows the first requests, and sends nothing"
    yield "#     rowferry run FILE         runs it"
    yield "#"
    yield "# Lines that begin with # show what may be set, and what it is where it is not."
    yield "# ${NAME} is the environment variable NAME, ${file:PATH} the text of a file."
    yield ""
    yield f"[jobs.{name}]"


def _job(name: str, table: Table) -> Iterator[str]:
    if table.key:
        key = table.key[0] if len(table.key) == 1 else list(table.key)
        yield f"key = {_toml(key)}  # the primary key: it tells one row from another"
    else:
        yield "# The table has no primary key; name columns that tell one row from another:"
        yield '# key = "id"'
    yield "# limit = 10  # rows to read, at most: for a trial"
    yield f"# budget = {{ {_inline(Budget)} }}"
    yield ""
    first = next((column.name for column in table.columns), "a")
    yield f"# [jobs.{name}.columns]  # what becomes of the columns"
    yield f'# rename = {{ {_toml(first)} = "about.{first}" }}  # a dot nests'
    yield f"# drop = [{_toml(first)}]"
    yield '# constant = { kind = "sensor" }'
    yield ""


def _source(name: str, source: str, table: Table) -> Iterator[str]:
    yield f"[jobs.{name}.source]"
    yield f"url = {_toml(source)}"
    yield "# " + "; ".join(f"{column.name} {column.type}" for column in table.columns)
    for column in table.left_out:
        yield f"# {column.name} is left out: JSON has no bytes, a transform can encode them"
    yield f"query = '''\n{table.query}\n'''"
    yield "# parameters = { since = 2026-01-01 }  # for the placeholders of the query"
    yield ""


def _api(name: str, api: str) -> Iterator[str]:
    yield f"[jobs.{name}.api]"
    yield f"url = {_toml(api)}"
    yield '# headers = { Accept-Language = "en" }'
    yield '# auth = { type = "bearer", token = "${TOKEN}" }  # or basic, api_key, oauth2_…'
    yield from _options(Api, {"url", "headers", "auth"})
    for table, kind in (("retry", Retry), ("limits", Limits)):
        yield ""
        yield f"# [jobs.{name}.api.{table}]"
        yield from _options(kind, set())
    yield ""


def _options(table: type, without: set[str]) -> Iterator[str]:
    """Give what may be set, commented out, with what the library says of it."""
    for option in options_of(table).values():
        if option.name in without or option.kind.tables or option.kind.code:
            continue
        words = _REST_OF_A_SENTENCE.sub("", option.doc).rstrip(".").replace("`", "")
        words = words if len(words) <= _SHOWN else words[:_SHOWN].rpartition(" ")[0] + " …"
        if option.kind.words and not option.kind.scalars:
            words = "or ".join(f"{word} " for word in option.kind.words).strip()
        value = "" if option.default is None else _toml(option.default)
        yield f"# {option.name} = {value}  # {words}".replace("=   #", "=  #")


def _inline(table: type) -> str:
    options = options_of(table).values()
    return ", ".join(
        f"{option.name} = {_toml(option.default)}"
        for option in options
        if option.default is not None
    )


def _toml(value: Any) -> str:
    """Write a value in TOML, which takes JSON's texts, numbers and lists as they are."""
    if isinstance(value, tuple):
        value = list(value)
    return json.dumps(value, ensure_ascii=False)
