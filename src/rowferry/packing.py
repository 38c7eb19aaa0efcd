"""Records to what their requests are made of: a text, a line, headers, and where they come from."""

from __future__ import annotations

import secrets
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rowferry.batches import Origin
from rowferry.formats.contract import encode_of, framing_of
from rowferry.idempotency import IdempotencyKeys
from rowferry.letters import needs_records
from rowferry.recording import Sending
from rowferry.values import UnencodableError, encode_chunk, too_large

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rowferry.recording import Recorded, Recording
    from rowferry.records import Key
    from rowferry.transfer_spec import Transfer
    from rowferry.transforms import Shaped

ItemT = TypeVar("ItemT")


class Packed(NamedTuple):
    """
    What the records of a chunk make of their requests, one of each a record.

    Attributes:
        bodies: their texts; an empty one is not sent.
        lines: the first line of each request; empty where it is the same for all.
        headers: lines of its own at the end of its head; empty where none has any.
        errors: of those that cannot be sent, by index.
    """

    bodies: list[bytes]
    lines: list[bytes]
    headers: list[bytes]
    errors: Mapping[int, UnencodableError]

    @property
    def size(self) -> int:
        """Bytes of all bodies."""
        return sum(map(len, self.bodies))

    def without(self, indexes: Collection[int]) -> Packed:
        """Leave out the records with these indexes, from 0."""
        bodies, lines, headers = (_without(indexes, items) for items in self[:3])
        return Packed(bodies, lines, headers, {})

    def with_keys(self, keys: list[bytes]) -> Packed:
        """Put a line with an idempotency key before the other headers of each."""
        if not keys:
            return self
        headers = self.headers
        return self._replace(headers=list(map(bytes.__add__, keys, headers)) if headers else keys)


class Packing:
    """
    Makes of a transfer's records what its requests are made of.

    Attributes:
        columns: that say where a record goes.
    """

    def __init__(self, transfer: Transfer) -> None:
        api = transfer.api
        self._most = api.limits.max_buffer_bytes
        self._encode = encode_of(api.format)
        self._framing = framing_of(api.format)
        self._templates = api.templates
        self._keys = _idempotency_keys(transfer)
        self._header = api.idempotency_header if self._keys else None
        self._asked_for_values = transfer.on_error is not None
        self._keeps_values = self._asked_for_values or needs_records(api)
        of_requests = self._templates.columns if self._templates else ()
        self.columns = (*of_requests, *(self._framing.columns if self._framing else ()))

    def pack(self, shaped: Shaped, kinds: Mapping[str, type] | None, *, first: bool) -> Packed:
        """
        Make the texts of records, and what comes with them.

        Args:
            kinds: the types of their cells, where the source knows them; see `values`.
            first: whether these are the first records of a run.

        Raises:
            ConfigError: none of the first records has a column that is needed.
        """
        bodies, errors = self._texts(shaped, kinds)
        lines, headers = self._requests(shaped, bodies, errors, first=first)
        packed = Packed(bodies, lines, headers, errors)
        if packed.size > self._most:
            errors |= too_large(shaped.records, bodies, self._most)
        return packed

    def _texts(
        self, shaped: Shaped, kinds: Mapping[str, type] | None
    ) -> tuple[list[bytes], dict[int, UnencodableError]]:
        if self._encode:
            bodies, errors = self._encode(shaped.records)
        else:
            bodies, errors = encode_chunk(shaped.records, kinds)
        if self._framing:
            bodies, astray = self._framing.frame(bodies, shaped.records, shaped.rows, shaped.keys)
            errors = astray | errors
        return bodies, errors

    def _requests(
        self,
        shaped: Shaped,
        bodies: list[bytes],
        errors: dict[int, UnencodableError],
        *,
        first: bool,
    ) -> tuple[list[bytes], list[bytes]]:
        """Give the line and the headers that each record makes; empty a body that is not sent."""
        if self._templates is None:
            return [], []
        rendered = self._templates.render(shaped.records, shaped.rows, first=first)
        for index in rendered.bare:
            bodies[index] = b""
        for index, error in rendered.errors.items():
            errors.setdefault(index, error)
        return rendered.lines, rendered.headers

    def key_lines(
        self, shaped: Shaped, recorder: Recording | None, sending: Sending | None
    ) -> list[bytes]:
        """Give the lines with the idempotency keys of records; none where requests have none."""
        if recorder and sending:
            return recorder.headers(self._header, sending)
        return self._keys.headers(self._header, shaped.keys) if self._keys and self._header else []

    def origins(self, shaped: Shaped, numbers: Sequence[int]) -> list[Origin]:
        """Give where each record comes from; nothing where nobody may ask."""
        values = shaped.records if self._keeps_values else repeat(None)
        if numbers:
            return list(map(Origin, shaped.keys or repeat(None), values, numbers))
        if not self._asked_for_values:
            return list(map(Origin, shaped.keys))
        keys: Sequence[Key | None] = shaped.keys or [None] * len(shaped.records)
        return [Origin(key, value) for key, value in zip(keys, shaped.records, strict=True)]


def sending_of(recorded: Recorded, shaped: Shaped, unsent: Collection[int]) -> Sending:
    """Give what is sent of a chunk, without what cannot be: *shaped* has left that out."""
    numbers, places = _without(unsent, recorded.numbers), _without(unsent, recorded.places)
    return Sending(numbers, places, shaped.records)


def _without(indexes: Collection[int], items: Sequence[ItemT]) -> list[ItemT]:
    """Give *items* but for those with these indexes."""
    if not indexes and isinstance(items, list):
        return items
    return [item for index, item in enumerate(items) if index not in indexes]


def _idempotency_keys(transfer: Transfer) -> IdempotencyKeys | None:
    """Give what makes the keys of a run; None where requests carry none. A run is a pass."""
    api = transfer.api
    if transfer.key is None or api.idempotency_header is None or api.records_per_request > 1:
        return None
    return IdempotencyKeys(transfer.name or "", secrets.token_bytes(16), len(transfer.key))
