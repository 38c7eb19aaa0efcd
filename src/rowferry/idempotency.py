"""Keys by which an API can tell a record that is sent again from another one."""

from __future__ import annotations

from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowferry.records import Key

_BYTES = 16


class IdempotencyKeys:
    """
    The keys of one pass: 32 hex digits a record, the same for every try, another in each pass.

    A key is BLAKE2b over the name of the transfer, the pass, the position of the record's row and
    the record's number within its row, each with its length before it. It is not made of the
    record's text, which may hold the time of day.

    Args:
        name: of the transfer.
        pass_id: random, and kept as long as the pass goes on.
        columns: of the row's key; what a record's key has beyond them is its number.
    """

    def __init__(self, name: str, pass_id: bytes, columns: int) -> None:
        self._begun = blake2b(digest_size=_BYTES)
        self._begun.update(_prefixed(name.encode()))
        self._begun.update(_prefixed(pass_id))
        self._columns = columns

    def headers(self, header: str, keys: Sequence[Key]) -> list[bytes]:
        """Give for each record's key the line of a request's head, its line break before it."""
        digests = self.digests(keys)
        if not digests:
            return []
        line = b"\r\n%b: " % header.encode()
        separated = b"," + b"".join(digests).hex(",", _BYTES).encode()
        return separated.replace(b",", b"," + line).split(b",")[1:]  # 0.1 us less than one by one

    def digests(self, keys: Sequence[Key]) -> list[bytes]:
        """Give for each record's key its idempotency key as 16 bytes."""
        copy = self._begun.copy
        digests = []
        for text in self._texts(keys):
            digest = copy()
            digest.update(text)
            digests.append(digest.digest())
        return digests

    def _texts(self, keys: Sequence[Key]) -> list[bytes]:
        """Give for each record what is hashed of it."""
        columns = self._columns
        if columns == 1 and _whole_numbers(keys):  # the most usual: 0.2 us each instead of 0.3
            rows = [b"(%d,)" % number for (number,) in keys]
            return [b"%d:%b1:0" % (len(row), row) for row in rows]
        split = [(key, 0) if len(key) == columns else (key[:-1], key[-1]) for key in keys]
        return [_prefixed(b"%a" % (row,)) + _prefixed(b"%d" % number) for row, number in split]


def _whole_numbers(keys: Sequence[Key]) -> bool:
    """Tell whether each key is one whole number and nothing else."""
    return set(map(len, keys)) == {1} and set(map(type, chain.from_iterable(keys))) == {int}


def _prefixed(part: bytes) -> bytes:
    return b"%d:%b" % (len(part), part)
