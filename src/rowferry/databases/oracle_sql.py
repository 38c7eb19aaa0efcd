"""SQL as only Oracle writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowferry import sql as sql_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COLUMNS = """
SELECT c.owner, c.column_name,
       CASE
           WHEN c.data_type IN ('VARCHAR2', 'CHAR') THEN c.data_type || '(' || c.char_length
               || CASE c.char_used WHEN 'C' THEN ' CHAR)' ELSE ' BYTE)' END
           WHEN c.data_type IN ('NVARCHAR2', 'NCHAR')
               THEN c.data_type || '(' || c.char_length || ')'
           WHEN c.data_type = 'RAW' THEN c.data_type || '(' || c.data_length || ')'
           WHEN c.data_type = 'FLOAT' THEN c.data_type || '(' || c.data_precision || ')'
           WHEN c.data_type = 'NUMBER' AND c.data_scale IS NOT NULL THEN c.data_type || '('
               || NVL(TO_CHAR(c.data_precision), '*') || ',' || c.data_scale || ')'
           ELSE c.data_type
       END,
       CASE c.nullable WHEN 'N' THEN 1 ELSE 0 END,
       CASE WHEN c.default_length IS NULL THEN 0 ELSE 1 END
FROM all_tab_columns c
WHERE (:schema_name IS NULL OR c.owner IN (:schema_name, UPPER(:schema_name)))
  AND (c.table_name = :table_name
       OR c.table_name = UPPER(:table_name) AND NOT EXISTS (
           SELECT 1 FROM all_tab_columns x WHERE x.table_name = :table_name AND x.owner = c.owner))
ORDER BY c.owner, c.column_id
"""
"""A name without quotes is in capital letters, so that is what a name in others may mean."""

KEY = """
SELECT c.owner, c.column_name
FROM all_constraints k
JOIN all_cons_columns c ON c.owner = k.owner AND c.constraint_name = k.constraint_name
WHERE k.constraint_type = 'P'
  AND (:schema_name IS NULL OR k.owner IN (:schema_name, UPPER(:schema_name)))
  AND (k.table_name = :table_name
       OR k.table_name = UPPER(:table_name) AND NOT EXISTS (
           SELECT 1 FROM all_tab_columns x WHERE x.table_name = :table_name AND x.owner = k.owner))
ORDER BY c.owner, c.position
"""

_BINARY = "NLSSORT({}, 'NLS_SORT=BINARY')"


def merge(
    table: str,
    columns: Sequence[str],
    placeholders: Sequence[str],
    key: Sequence[str],
    *,
    update: bool,
    identifier: Callable[[str], str] = str,
) -> str:
    """Give the MERGE of one row, as `Database.upsert` says; *identifier* is the database's."""
    sql_text.insert(table, columns, placeholders)  # all names are checked there
    table = sql_text.table_identifier(table, identifier)
    columns, key = list(map(identifier, columns)), list(map(identifier, key))
    given = ", ".join(f"{at} AS {name}" for name, at in zip(columns, placeholders, strict=True))
    same = " AND ".join(f"old.{name} = new.{name}" for name in key)
    others = [name for name in columns if name not in key]
    source = f"SELECT {given} FROM dual"  # noqa: S608 - names were checked, as above
    lines = [f"MERGE INTO {table} old USING ({source}) new ON ({same})"]
    if update and others:
        changes = ", ".join(f"old.{name} = new.{name}" for name in others)
        lines.append(f"WHEN MATCHED THEN UPDATE SET {changes}")
    values = ", ".join(f"new.{name}" for name in columns)
    insert = f"INSERT ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 - as above
    lines.append(f"WHEN NOT MATCHED THEN {insert}")
    return "\n".join(lines)


def create_table(table: str, lines: Sequence[str]) -> str:
    """
    Give the block that makes *table* where there is none.

    IF NOT EXISTS came with Oracle Database 23ai; ORA-00955 says that the name is taken.
    """
    statement = f"CREATE TABLE {sql_text.create_table_body(table, lines)}".replace("'", "''")
    return (
        f"BEGIN\n    EXECUTE IMMEDIATE '{statement}';\n"
        "EXCEPTION WHEN OTHERS THEN\n    IF SQLCODE != -955 THEN RAISE; END IF;\nEND;"
    )


def binary(expression: str, *, is_text: bool) -> str:
    """Give what orders and compares as *expression* by its bytes, whatever NLS_SORT says."""
    return _BINARY.format(expression) if is_text else expression


def is_binary(expression: str) -> bool:
    """Tell whether `binary` has made *expression* of a text."""
    head, _, tail = _BINARY.partition("{}")
    return expression.startswith(head) and expression.endswith(tail)
