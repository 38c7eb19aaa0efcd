"""Whether many rows in one INSERT … ON CONFLICT are the same as a statement each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rowferry.databases.contract import Connection
    from rowferry.sql import PlainInsert

_CONFLICT = re.compile(r"(.*) (ON CONFLICT \(([^()?$:]+)\) DO (?:NOTHING|UPDATE SET [^?$:']+))")

_UNIQUE = """
SELECT table_name FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE')
UNION ALL SELECT table_name FROM duckdb_indexes() WHERE is_unique
"""

_COLLATED = """
SELECT current_setting('default_collation') <> '' OR EXISTS (
    SELECT 1 FROM duckdb_tables() WHERE lower(table_name) = $name AND sql ILIKE '%collate%')
"""

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}


class Conflict(NamedTuple):
    """
    What an INSERT says of rows that are there already.

    Attributes:
        clause: as it stands in the statement.
        key: the positions of the key's columns among those that are filled.
        kinds: the Python type of each, of which two values that differ are two keys.
    """

    clause: str
    key: tuple[int, ...]
    kinds: tuple[type, ...]

    def are_distinct(self, rows: Iterable[Any], values: Callable[[Any], Sequence[Any]]) -> bool:
        """
        Tell whether *rows* surely have a key each.

        Of two that have the same, one statement would take the first, many the last.
        """
        keys = [tuple([row[place] for place in self.key]) for row in map(values, rows)]
        exact = all(tuple(map(type, key)) == self.kinds for key in keys)
        return exact and len(set(keys)) == len(keys)


def parted(sql: str) -> tuple[str, str, tuple[str, ...]]:
    """Give the INSERT, its ON CONFLICT clause and the columns of its key; both empty if none."""
    found = _CONFLICT.fullmatch(sql)
    if found is None:
        return sql, "", ()
    insert, clause, key = found.groups()
    return insert, clause, tuple(key.split(", "))


def conflict(
    conn: Connection,
    insert: PlainInsert,
    name: str,
    types: Mapping[str, Any],
    clause: str,
    key: tuple[str, ...],
) -> Conflict | None:
    """
    Give what *clause* means for the table called *name*; None where a statement a row is due.

    Where the table has another unique key, or a text's collation holds different texts equal, it
    counts which row comes first.
    """
    columns = insert.columns or ()
    declared = [str(types.get(column)) for column in key]
    unique = [table for (table,) in conn.execute(_UNIQUE).fetchall() if table.lower() == name]
    if len(unique) != 1 or not {*declared} <= _INTEGERS | {"VARCHAR"}:
        return None
    if "VARCHAR" in declared and _is_collated(conn, name):
        return None
    kinds = tuple(str if each == "VARCHAR" else int for each in declared)
    return Conflict(clause, tuple(columns.index(column) for column in key), kinds)


def _is_collated(conn: Connection, name: str) -> bool:
    ((found,),) = conn.execute(_COLLATED, {"name": name}).fetchall()
    return bool(found)
