"""Bulk copy: the table described to the client, and the rows that it sends (MS-TDS 2.2.6.1)."""

import re

from .columns import Column, columns
from .datatypes import COLLATION, read_type
from .script import Result
from .wire import Reader

_COLLATIONS = columns(
    "colid int NOT NULL, name nvarchar(128), tds_collation varbinary(5), collation nvarchar(128)"
)
_COLLATION_NAME = "SQL_Latin1_General_CP1_CI_AS"
_COLMETADATA, _ROW, _NBCROW, _DONE = 0x81, 0xD1, 0xD2, 0xFD


def table_asked_for(sql):
    """Give the name of the table that a client wants described for a bulk copy, or None."""
    found = re.search(r"sp_tablecollations_100 N'([^']+)'", sql)
    return found and _bare(found[1])


def table_to_fill(sql):
    """Give the name of the table, and the columns, of an INSERT BULK; or None."""
    found = re.match(r"\s*INSERT BULK\s+(\S+)\s*\(", sql, re.IGNORECASE)
    return found and _bare(found[1])


def describe(table, open_transactions):
    """Answer with @@TRANCOUNT, the columns without a row, and their collations."""
    collations = [
        (number, column.name, COLLATION, _COLLATION_NAME)
        if "char" in column.type.base
        else (number, column.name, None, None)
        for number, column in enumerate(table.columns, 1)
    ]
    return [
        Result("n int", [(open_transactions,)]),
        Result(table.columns),
        Result(_COLLATIONS, collations),
    ]


def read_bulk_load(payload):
    """Give the columns' names, and the rows, of a bulk load."""
    reader = Reader(payload)
    assert reader.number("B") == _COLMETADATA
    described = [_read_column(reader) for _ in range(reader.number("H"))]
    types = [one.type for one in described]
    rows = []
    while (token := reader.number("B")) != _DONE:
        if token == _ROW:
            rows.append([one.read(reader) for one in types])
        elif token == _NBCROW:
            rows.append(_read_null_bitmap_row(reader, types))
        else:
            raise ValueError(f"token 0x{token:02x} in a bulk load")
    return [one.name for one in described], rows


def _read_column(reader):
    reader.number("I")  # the user type
    reader.number("H")  # flags
    of = read_type(reader)
    if of.base in ("text", "ntext", "image"):
        for _ in range(reader.number("B")):
            reader.text(reader.number("H"))
    return Column(reader.b_varchar(), of)


def _read_null_bitmap_row(reader, types):
    bits = int.from_bytes(reader.take((len(types) + 7) // 8), "little")
    return [None if bits >> at & 1 else one.read(reader) for at, one in enumerate(types)]


def _bare(name):
    return name.rpartition(".")[2].strip("[]")
