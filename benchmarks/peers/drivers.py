"""
What one writes by hand with the bare drivers: each database's own fast way, and the plain one.

Shaped as in `libraries.py`.
"""

from __future__ import annotations

import tempfile
from functools import partial
from typing import TYPE_CHECKING, Any

import item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from database_peer import Result, Work

CHUNK = 5_000
TYPES = ("int8", "text", "text", "numeric", "timestamptz", "bool")
NAMES = ", ".join(item.COLUMNS)


# PostgreSQL


def psycopg_dicts(work: Work, *, binary: bool = False) -> Callable[[], Result]:
    """Fetch psycopg's own rows of dicts."""
    from psycopg.rows import dict_row  # noqa: PLC0415, as below: only where the driver is used

    def timed() -> Result:
        cursor = work.source_conn.cursor(binary=binary, row_factory=dict_row)
        rows = cursor.execute(f"select * from {work.source}").fetchall()
        return len(rows), map(dict.values, rows)

    return timed


def psycopg_tuples(work: Work, *, binary: bool = False) -> Callable[[], Result]:
    """Fetch tuples."""

    def timed() -> Result:
        cursor = work.source_conn.cursor(binary=binary)
        rows = cursor.execute(f"select * from {work.source}").fetchall()
        return len(rows), rows

    return timed


psycopg_binary_dicts = partial(psycopg_dicts, binary=True)
psycopg_binary_tuples = partial(psycopg_tuples, binary=True)


def load_by_copy(work: Work) -> Callable[[], Result]:
    """COPY dicts as text."""
    rows = item.dicts(work.rows, work.form)
    return lambda: _copy_in(work, (tuple(row.values()) for row in rows))


def load_by_binary_copy(work: Work) -> Callable[[], Result]:
    """COPY dicts in binary, the types of the table known."""
    rows = item.dicts(work.rows, work.form)
    return lambda: _copy_in(work, (tuple(row.values()) for row in rows), types=TYPES)


def copy_to_copy(work: Work) -> Callable[[], Result]:
    """COPY out and in again as text."""
    return lambda: _copy_across(work, "")


def binary_copy_to_copy(work: Work) -> Callable[[], Result]:
    """COPY out and in again in binary."""
    return lambda: _copy_across(work, "(format binary)")


def sqlite_to_copy(work: Work) -> Callable[[], Result]:
    """COPY the rows of SQLite as they come, as text."""

    def timed() -> Result:
        return _copy_in(work, work.source_conn.execute(f"select * from {work.source}"))

    return timed


def _copy_in(work: Work, rows: Iterable[Any], types: tuple[str, ...] = ()) -> Result:
    cursor = work.target_conn.cursor()
    form = "(format binary)" if types else ""
    with cursor.copy(f"copy {work.target} ({NAMES}) from stdin {form}") as copy:
        if types:
            copy.set_types(types)
        for row in rows:
            copy.write_row(row)
    work.target_conn.commit()
    return cursor.rowcount, None


def _copy_across(work: Work, form: str) -> Result:
    out, into = work.source_conn.cursor(), work.target_conn.cursor()
    with (
        out.copy(f"copy {work.source} ({NAMES}) to stdout {form}") as source,
        into.copy(f"copy {work.target} ({NAMES}) from stdin {form}") as target,
    ):
        for piece in source:
            target.write(piece)
    work.target_conn.commit()
    return into.rowcount, None


# SQLite


def cursor_dicts(work: Work) -> Callable[[], Result]:
    """Fetch tuples and make dicts of them: SQLite, DuckDB."""

    def timed() -> Result:
        cursor = work.source_conn.cursor()
        cursor.execute(f"select * from {work.source}")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=False)) for row in cursor.fetchall()]
        return len(rows), map(dict.values, rows)

    return timed


def sqlite_load(work: Work) -> Callable[[], Result]:
    """`executemany` of dicts, in one transaction."""
    rows = item.dicts(work.rows, work.form)
    marks = ", ".join(f":{name}" for name in item.COLUMNS)

    def timed() -> Result:
        cursor = work.target_conn.executemany(f"insert into {work.target} values ({marks})", rows)
        work.target_conn.commit()
        return cursor.rowcount, None

    return timed


def sqlite_copy(work: Work) -> Callable[[], Result]:
    """`executemany` of what a cursor gives, in one transaction: from SQLite."""
    return lambda: _into_sqlite(work, work.source_conn.execute(f"select * from {work.source}"))


def sqlite_attach(work: Work) -> Callable[[], Result]:
    """INSERT … SELECT from an attached file: no row comes into Python."""
    path = work.source_conn.execute("pragma database_list").fetchone()[2]

    def timed() -> Result:
        work.target_conn.execute("attach ? as source", (path,))
        query = f"insert into main.{work.target} select * from source.{work.source}"
        rows = work.target_conn.execute(query).rowcount
        work.target_conn.commit()
        work.target_conn.execute("detach source")
        return rows, None

    return timed


def psycopg_to_sqlite(work: Work) -> Callable[[], Result]:
    """`executemany` of what a server-side cursor gives, in one transaction."""

    def timed() -> Result:
        with work.source_conn.cursor("rows", binary=True) as cursor:
            cursor.itersize = CHUNK
            return _into_sqlite(work, cursor.execute(f"select * from {work.source}"))

    return timed


def _into_sqlite(work: Work, rows: Iterable[Any]) -> Result:
    marks = ", ".join("?" * len(item.COLUMNS))
    cursor = work.target_conn.executemany(f"insert into {work.target} values ({marks})", rows)
    work.target_conn.commit()
    return cursor.rowcount, None


# MariaDB


def pymysql_dicts(work: Work) -> Callable[[], Result]:
    """Fetch with PyMySQL's own cursor of dicts."""
    from pymysql.cursors import DictCursor  # noqa: PLC0415

    def timed() -> Result:
        cursor = work.source_conn.cursor(DictCursor)
        cursor.execute(f"select * from {work.source}")
        rows = cursor.fetchall()
        return len(rows), map(dict.values, rows)

    return timed


def pymysql_load(work: Work) -> Callable[[], Result]:
    """`executemany` of dicts, of which PyMySQL makes INSERTs of many rows."""
    rows = item.dicts(work.rows, work.form)
    marks = ", ".join(f"%({name})s" for name in item.COLUMNS)

    def timed() -> Result:
        cursor = work.target_conn.cursor()
        cursor.executemany(f"insert into {work.target} ({NAMES}) values ({marks})", rows)
        work.target_conn.commit()
        return cursor.rowcount, None

    return timed


def pymysql_load_data(work: Work) -> Callable[[], Result]:
    """LOAD DATA LOCAL, from a file that is written for it."""
    rows = item.dicts(work.rows, work.form)

    def timed() -> Result:
        cursor = work.target_conn.cursor()
        with tempfile.NamedTemporaryFile("w") as file:
            for row in rows:
                values = row | {"active": int(row["active"])}
                file.write("\t".join(map(str, values.values())) + "\n")
            file.flush()
            cursor.execute(f"load data local infile '{file.name}' into table {work.target}")
        work.target_conn.commit()
        return cursor.rowcount, None

    return timed


def pymysql_copy(work: Work) -> Callable[[], Result]:
    """`executemany` of chunks of what a server-side cursor gives, in one transaction."""
    from pymysql.cursors import SSCursor  # noqa: PLC0415

    marks = ", ".join(["%s"] * len(item.COLUMNS))
    insert = f"insert into {work.target} ({NAMES}) values ({marks})"

    def timed() -> Result:
        done, target = 0, work.target_conn.cursor()
        with work.source_conn.cursor(SSCursor) as source:
            source.execute(f"select * from {work.source}")
            while rows := source.fetchmany(CHUNK):
                done += target.executemany(insert, rows)
        work.target_conn.commit()
        return done, None

    return timed


# DuckDB


def duckdb_load(work: Work) -> Callable[[], Result]:
    """`executemany`, in one transaction."""
    rows = item.dicts(work.rows, work.form)
    marks = ", ".join("?" * len(item.COLUMNS))

    def timed() -> Result:
        work.target_conn.begin()
        values = [tuple(row.values()) for row in rows]
        work.target_conn.executemany(f"insert into {work.target} values ({marks})", values)
        work.target_conn.commit()
        return len(values), None

    return timed


def duckdb_load_by_arrow(work: Work) -> Callable[[], Result]:
    """INSERT … SELECT from an Arrow table that is made of the dicts."""
    import pyarrow as pa  # noqa: PLC0415

    rows = item.dicts(work.rows, work.form)

    def timed() -> Result:
        work.target_conn.register("arrived", pa.Table.from_pylist(rows))
        work.target_conn.execute(f"insert into {work.target} select {NAMES} from arrived")
        work.target_conn.unregister("arrived")
        return len(rows), None

    return timed


def duckdb_copy(work: Work) -> Callable[[], Result]:
    """INSERT … SELECT: no row comes into Python."""

    def timed() -> Result:
        query = f"insert into {work.target} select * from {work.source}"
        return work.source_conn.execute(query).fetchone()[0], None

    return timed
