"""The lines of a `_bulk` body: what is to be done with each document, where, and the document."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from rowferry.exceptions import ConfigError
from rowferry.formats.elasticsearch_templates import MAX_ID, Template, id_of, short_enough
from rowferry.templates import MISSING, cells_of
from rowferry.values import UnencodableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rowferry.records import Key

OPS = ("index", "create", "update", "upsert", "delete")
"""What can be done with a document; "upsert" is an update that makes it where it is missing."""

_BY_ID = frozenset({"update", "upsert", "delete"})
_VERSIONED = frozenset({"index", "delete"})
_RETRY_ON_CONFLICT = 3

_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


class Actions:
    """
    Puts an action line before each document.

    Args:
        op: one of `OPS`, or a template that gives one.
        id: True: the text of the key, where one is declared; None: the node makes it; else a
            template.
        index, routing, pipeline, version: templates; None: not in the action line.

    Raises:
        ConfigError: they do not go together.
    """

    def __init__(
        self,
        *,
        op: str = "index",
        id: str | bool | None = True,  # noqa: A002 (Elasticsearch's word)
        index: str | None = None,
        routing: str | None = None,
        pipeline: str | None = None,
        version: str | None = None,
    ) -> None:
        self._op = Template("op", op)
        self._id = Template("id", id) if isinstance(id, str) else id is True
        self._index = Template("index", index) if index is not None else None
        optional = {"routing": routing, "pipeline": pipeline}
        self._optional = {
            name: Template(name, text) for name, text in optional.items() if text is not None
        }
        self._version = Template("version", version) if version is not None else None
        self._check()
        self._plain = not (self._index or self._optional or self._version) and self._id is True

    def _check(self) -> None:
        op = self._op.constant
        if op is not None and op not in OPS:
            raise ConfigError(f"op must be one of {', '.join(OPS)}, or {{column}}, not {op!r}")
        if op in _BY_ID and not self._id:
            raise ConfigError(f"op {op!r} finds documents by their id, so id cannot be {self._id}")
        if self._version and op and op not in _VERSIONED:
            raise ConfigError(f"version goes with op 'index' or 'delete', not with {op!r}")

    @property
    def needs_key(self) -> bool:
        """Whether there has to be a key to make ids of."""
        return self._id is True and self._op.constant != "create"

    @property
    def places_by_column(self) -> bool:
        """Whether a column of each row says where its document goes."""
        places = (self._index, self._optional.get("pipeline"))
        return any(place is not None and place.constant is None for place in places)

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that say where a document goes."""
        given = (self._op, self._id, self._index, *self._optional.values(), self._version)
        every = [each.columns for each in given if isinstance(each, Template)]
        return tuple(dict.fromkeys(chain.from_iterable(every)))

    def frame(
        self,
        texts: Sequence[bytes],
        records: Sequence[Any],
        rows: Sequence[Mapping[str, Any]],
        keys: Sequence[Key],
    ) -> tuple[list[bytes], dict[int, UnencodableError]]:
        """
        Put the action line before each of a chunk's JSON texts.

        Args:
            rows: one a record: what to take of its row where the record has no such column; or
                none at all.
            keys: one a record; none where no key is declared.

        Returns:
            One text a document, and by index the errors of those that have no address (their text
            is empty).

        Raises:
            ConfigError: no record has a column that is needed.
        """
        op = self._op.constant
        if self._plain and op and keys:
            ids = _plain_ids(keys)
            if ids is not None:
                return _framed(op, ids, texts), {}
        cells = self._cells(records, rows)
        framed: list[bytes] = []
        errors: dict[int, UnencodableError] = {}
        for index, text in enumerate(texts):
            own = {column: cells[column][index] for column in cells}
            try:
                framed.append(self._frame_one(text, own, keys[index] if keys else None))
            except UnencodableError as error:
                framed.append(b"")
                errors[index] = error
        return framed, errors

    def _cells(
        self, records: Sequence[Any], rows: Sequence[Mapping[str, Any]]
    ) -> dict[str, list[Any]]:
        """Give by column the cell of each record."""
        cells = {column: cells_of(records, rows, column) for column in self.columns}
        for column, of_records in cells.items():
            if of_records and all(cell is MISSING for cell in of_records):
                raise ConfigError(
                    f"the records have no column {column!r}, which is to say where they go (with "
                    "per_row the columns of the row count as well; {{ and }} are braces)"
                )
        return cells

    def _frame_one(self, text: bytes, cells: Mapping[str, Any], key: Key | None) -> bytes:
        op = self._op.fill(cells)
        if op not in OPS:
            raise UnencodableError(f"op is {op!r}; there are: {', '.join(OPS)}")
        target = self._target(op, cells, key)
        if "_id" not in target and op in _BY_ID:
            raise UnencodableError(f"op {op!r} finds documents by their id, and there is no key")
        return _line(op, _encode(target)) + _source(op, text)

    def _target(self, op: str, cells: Mapping[str, Any], key: Key | None) -> dict[str, Any]:
        """Give what the action line of a document says beside its op."""
        target: dict[str, Any] = {}
        if self._index:
            target["_index"] = _required(self._index, cells)
        if isinstance(self._id, Template):
            target["_id"] = short_enough(_required(self._id, cells))
        elif self._id and key is not None:
            target["_id"] = id_of(key)
        for name, template in self._optional.items():
            value = template.fill(cells)
            if value is not None:
                target[name] = value
        if self._version:
            if op not in _VERSIONED:
                raise UnencodableError(f"op is {op!r}, and version goes with 'index' and 'delete'")
            target["version"] = _number(_required(self._version, cells))
            target["version_type"] = "external"
        if op in {"update", "upsert"}:
            target["retry_on_conflict"] = _RETRY_ON_CONFLICT
        return target


def _required(template: Template, cells: Mapping[str, Any]) -> str:
    text = template.fill(cells)
    if not text:
        columns = ", ".join(template.columns)
        raise UnencodableError(f"{template.name} cannot be made of {columns}: NULL or empty")
    return text


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(2**63)) or int(text) >= 2**63:
        raise UnencodableError(
            f"version is {text!r:.40}, which is no whole number from 0 to 2^63 - 1"
        )
    return int(text)


# a chunk of nothing but ids


def _plain_ids(keys: Sequence[Key]) -> list[bytes] | None:
    """Give the ids of keys of one whole number or simple text, as JSON; None for any others."""
    values = list(chain.from_iterable(keys))
    kinds = set(map(type, values))
    if len(values) != len(keys) or set(map(len, keys)) != {1}:
        return None
    if kinds == {int}:
        return [b'"%b"' % digits for digits in _encoded(values)]
    if kinds != {str}:
        return None
    together = "".join(values)
    if (
        "/" in together
        or "%" in together
        or "" in values
        or len(max(values, key=len)) > MAX_ID // 4
    ):
        return None
    try:
        return _encoded(values)
    except ValueError:  # broken text
        return None


def _encoded(values: Iterable[Any]) -> list[bytes]:
    return _encode_lines(values).split(b"\n")[:-1]


def _framed(op: str, ids: list[bytes], texts: Sequence[bytes]) -> list[bytes]:
    """Give action line and document of each; a source with a percent sign is no pattern."""
    extra = b',"retry_on_conflict":%d' % _RETRY_ON_CONFLICT if op in {"update", "upsert"} else b""
    begin, middle, end = _line(op, b'{"_id":%b' + extra + b"}"), *_around(op)
    if op == "delete":
        return [begin % each for each in ids]
    pattern = begin + middle + b"%b" + end
    return [pattern % pair for pair in zip(ids, texts, strict=True)]


def _line(op: str, target: bytes) -> bytes:
    word = b"update" if op == "upsert" else op.encode()
    return b'{"%b":' % word + target + b"}"


def _around(op: str) -> tuple[bytes, bytes]:
    """Give what stands before and after a document, from the end of its action line on."""
    if op == "update":
        return b'\n{"doc":', b"}"
    if op == "upsert":
        return b'\n{"doc":', b',"doc_as_upsert":true}'
    return b"\n", b""


def _source(op: str, text: bytes) -> bytes:
    if op == "delete":
        return b""
    before, after = _around(op)
    return before + text + after
