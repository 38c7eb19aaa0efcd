"""COPY in place of INSERT where that stores the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from operator import itemgetter, length_hint
from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry.databases.postgresql_copy_plan import Plan, Target, plan
from rowferry.databases.postgresql_held import Held
from rowferry.databases.postgresql_values import own_dumpers
from rowferry.sql import double_quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowferry.databases.contract import Connection
    from rowferry.sql import PlainInsert

_FEW = 40
"""Rows that an INSERT each has stored before COPY has begun."""

_SINCE = 120_000  # the server_version whose catalogue is asked here

_TABLE = """
SELECT a.attname, coalesce(nullif(t.typbasetype, 0), t.oid)::int8, t.typtype = 'd',
       greatest(a.atttypmod, t.typtypmod) >= 0, a.attgenerated <> '' OR a.attidentity = 'a',
       format_type(a.atttypid, NULL), t.typsend <> 0 AND t.typreceive <> 0 AND CASE
           WHEN t.oid < 16384 THEN t.typname !~ '^_?(reg|money)'
           ELSE t.typtype IN ('b', 'e') AND t.typcategory <> 'A' END
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE c.oid = to_regclass(%(table)s) AND (NOT %(into)s OR c.relkind IN ('r', 'p')
  AND NOT c.relhasrules AND NOT c.relrowsecurity
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint
                  WHERE conrelid = c.oid AND confrelid = c.oid)
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_trigger g
      WHERE (g.tgrelid = c.oid OR g.tgrelid IN (SELECT relid FROM pg_partition_tree(c.oid)))
        AND NOT g.tgisinternal AND g.tgtype & 4 = 4 AND g.tgtype & 3 <> 3))
ORDER BY a.attnum
"""
"""
Tables into which COPY does what INSERT does: no view, no rules, no row-level security, and of
triggers on INSERT (tgtype: 4) only those BEFORE (2) each ROW (1): the others fire at the end of the
statement, of which COPY has one for all rows. A table's references to itself are checked then, too.
Of types, those whose binary form another database reads as well: no number (oid) of a type or an
object that each database has its own, no money, which is cents or more by each one's own setting.
"""

_LINE = re.compile(r"^COPY .+?, \D+? (\d+)", re.MULTILINE)
"""`COPY t, line 3, column b: "x"`, in the server's language; what a trigger adds comes before."""


class TableColumn(NamedTuple):
    """
    A column of a table that COPY may fill.

    Attributes:
        fixed: GENERATED ALWAYS, which refuses an INSERT's value but not always COPY's.
        declared: its type without sizes.
        is_portable: its binary form means the same to another server.
    """

    name: str
    target: Target
    fixed: bool
    declared: str
    is_portable: bool


def columns_to_copy(conn: Connection, table: str, *, into: bool) -> list[TableColumn]:
    """
    Give the columns of *table*, as it stands in a statement.

    Args:
        into: it is to be copied into; none are given where that is no INSERT.
    """
    from psycopg.rows import tuple_row

    if conn.info.server_version < _SINCE:
        return []
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_TABLE, {"table": table, "into": into})
        return [
            TableColumn(name, Target(oid, is_domain, is_sized), *more)
            for name, oid, is_domain, is_sized, *more in cursor.fetchall()
        ]


class CopyIn:
    """
    COPY for the chunks of one plain INSERT.

    Args:
        insert: the statement; its table is looked up once, with the first chunk that is worth it.
    """

    def __init__(self, conn: Connection, insert: PlainInsert) -> None:
        self._conn = conn
        self._insert = insert
        self._columns: list[TableColumn] | None = None
        self._usual: dict[type, bool] = {}
        self._remaining: Iterator[Any] = iter(())
        self._count = 0

    def write(self, rows: list[Any]) -> bool:
        """Copy *rows*, or tell that INSERT has to do it; raise what the driver raises."""
        chosen = self._plan(rows)
        if chosen is None:
            return False
        with self._copying(chosen) as copy:
            self._write(copy, chosen)
        return True

    def culprit(self, error: BaseException) -> int | None:
        """Give the position of the row that the server or psycopg stopped at, if either told."""
        result = getattr(error, "pgresult", None)
        if result is None:  # psycopg could not write it: it is the row that was taken last
            return self._count - length_hint(self._remaining) - 1
        context = getattr(getattr(error, "diag", None), "context", None)
        line = _LINE.search(context or "")
        return int(line[1]) - 1 if line else None

    def _plan(self, rows: list[Any]) -> Plan | None:
        if len(rows) < _FEW or self._conn.pgconn.pipeline_status:  # a pipeline takes no COPY
            return None
        tuples = _tuples(rows, self._insert)
        if tuples is None:
            return None
        if self._columns is None:
            known = columns_to_copy(self._conn, self._insert.table, into=True)
            self._columns = _filled(known, self._insert)
        if not self._columns:
            return None
        return plan(tuples, [column.target for column in self._columns], self._is_usual)

    @contextmanager
    def _copying(self, chosen: Plan) -> Iterator[Any]:
        columns = self._columns or []
        into = f"{self._insert.table} ({quoted_names(columns)})"
        how = " (FORMAT BINARY)" if chosen.binary else ""
        with self._conn.cursor() as cursor:
            for kind, dumper in own_dumpers(self._conn):
                cursor.adapters.register_dumper(kind, dumper)
            with cursor.copy(f"COPY {into} FROM STDIN{how}") as copy:
                if chosen.binary:
                    copy.set_types([column.target.oid for column in columns])
                yield copy

    def _write(self, copy: Any, chosen: Plan) -> None:
        self._count, self._remaining = len(chosen.rows), iter(chosen.rows)
        write_row = copy.write_row
        for row in self._remaining:
            write_row(row)

    def _is_usual(self, kind: type) -> bool:
        """Tell whether psycopg, not the user, says how values of *kind* are written."""
        known = self._usual.get(kind)
        if known is None:
            known = self._usual[kind] = _is_psycopgs_own(self._conn, kind)
        return known


class CopyStream(CopyIn):
    """One COPY for as many chunks as can go by it alike."""

    def __init__(self, conn: Connection, insert: PlainInsert) -> None:
        super().__init__(conn, insert)
        self._open = Held()
        self._binary = False

    def write(self, rows: list[Any]) -> bool:
        """Copy *rows*, or tell that INSERT has to do it; raise what the driver raises."""
        chosen = self._plan(rows)
        if chosen is None:
            return False
        if chosen.binary != self._binary:
            self.finish()
        self._binary = chosen.binary
        with self._open.unless_broken(lambda: self._copying(chosen)) as copy:
            self._write(copy, chosen)
        return True

    def finish(self) -> None:
        """Wait until the server has taken all rows."""
        self._open.leave()

    def abandon(self) -> None:
        """Tell the server to forget them."""
        self._open.give_up()


def _is_psycopgs_own(conn: Connection, kind: type) -> bool:
    from psycopg import ProgrammingError
    from psycopg.adapt import PyFormat

    try:
        return all(
            conn.adapters.get_dumper(kind, form) is _default_adapters().get_dumper(kind, form)
            for form in PyFormat
        )
    except ProgrammingError:
        return any(kind is ours for ours, _ in own_dumpers(conn))


@lru_cache(maxsize=1)
def _default_adapters() -> Any:
    """Give how psycopg writes values unless somebody said otherwise, for all connections or one."""
    from psycopg.adapt import AdaptersMap
    from psycopg.postgres import register_default_adapters, types

    defaults = AdaptersMap(types=types)
    register_default_adapters(defaults)
    return defaults


def _filled(columns: list[TableColumn], insert: PlainInsert) -> list[TableColumn]:
    """Give the columns that *insert* fills, in its order; none where COPY may not fill one."""
    known = {column.name: column for column in columns}
    filled = columns[: insert.width]
    if insert.columns is not None:
        filled = [known[name] for name in map(meant, insert.columns) if name in known]
    complete = len(filled) == insert.width and not any(column.fixed for column in filled)
    return filled if complete else []


def meant(identifier: str) -> str:
    """Give the name that *identifier* means: without quotes it is in small letters."""
    if identifier.startswith('"'):
        return identifier[1:-1].replace('""', '"')
    return identifier.lower() if identifier.isascii() else identifier


def quoted_names(columns: Sequence[TableColumn]) -> str:
    """Give the names of *columns* as they stand in a COPY."""
    return ", ".join(double_quoted(column.name) for column in columns)


def _tuples(rows: list[Any], insert: PlainInsert) -> Sequence[Sequence[Any]] | None:
    """Give the values of *rows* in the order of the placeholders; None where they do not fit."""
    kinds = set(map(type, rows))
    if insert.names is None:
        sequences = all(issubclass(kind, tuple | list) for kind in kinds)
        return rows if sequences and set(map(len, rows)) == {insert.width} else None
    if not all(issubclass(kind, Mapping) for kind in kinds):
        return None
    try:
        if insert.width == 1:
            return [(row[insert.names[0]],) for row in rows]
        return list(map(itemgetter(*insert.names), rows))
    except KeyError:
        return None
