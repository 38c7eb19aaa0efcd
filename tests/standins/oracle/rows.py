"""The rows of a query that is under way."""

from .columns import encode_row
from .values import BLOB, CLOB


class Rows:
    """
    Gives rows as messages, in order.

    Args:
        rows: gives them as tuples.
        defines: the types that the client wants the columns in; None for their own.
        lobs: keeps the LOBs that the client wants a locator of, and not the data.
    """

    def __init__(self, query, rows, defines, lobs):
        self.at = query.at
        self.taken = 0
        types = defines or [column.type for column in query.columns]
        as_locator = [wanted.code in {CLOB, BLOB} for wanted in types]
        fixed = None if any(as_locator) else query.fixed
        self._is_encoded = fixed is not None
        self._rows = fixed if self._is_encoded else rows()
        self._encoders = [
            lobs.cell if located else column.encoder()
            for column, located in zip(query.columns, as_locator, strict=True)
        ]

    def take(self, count):
        """Give the next rows, *count* at most."""
        part = self._rows[self.taken : self.taken + count]
        self.taken += len(part)
        return part if self._is_encoded else [encode_row(self._encoders, row) for row in part]
