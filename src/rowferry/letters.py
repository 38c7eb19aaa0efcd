"""Dead letters as they are made: what the API will not take, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry import positions
from rowferry.exceptions import SourceError
from rowferry.formats.contract import encode_of
from rowferry.key_text import key_text
from rowferry.values import UnencodableError, encode_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowferry.api import Api
    from rowferry.batches import Batch
    from rowferry.records import FailedRow, Key

_ROW_SHOWN = 64 * 1024
INTERRUPTED = "ambiguous (interrupted)"
"""The reason where an earlier run may have sent a record, and it must not be sent twice."""


class DeadLetter(NamedTuple):
    """
    A record that the API will not take, as it is kept.

    Attributes:
        key: as text; what stands under `key_values` as JSON.
        reason: in a word or two, for machines.
        message: for people.
        ambiguous: whether the API may have it all the same.
        body: the record as JSON text; None where there is none.
        row: where there is no record, the row as text.
    """

    key: str
    key_values: str | None
    reason: str
    message: str
    status: int | None = None
    answer: str = ""
    ambiguous: bool = False
    body: bytes | None = None
    row: str | None = None
    idempotency_key: str | None = None


class Dead(NamedTuple):
    """A dead letter, and the place of its record."""

    number: int
    letter: DeadLetter


def of_batch(
    batch: Batch,
    api: Api,
    *,
    reason: str,
    message: str,
    status: int | None,
    answer: str,
    ambiguous: bool,
) -> list[Dead]:
    """Give the dead letters of a batch that the API will not take."""
    texts = texts_of(batch, api)
    said, answered = printable(message), printable(answer)
    dead = []
    for origin, text in zip(batch.origins, texts, strict=True):
        key = (key_text(origin.key or ()), key_values(origin.key))
        letter = DeadLetter(*key, reason, said, status, answered, ambiguous, text)
        dead.append(Dead(origin.number, letter))
    return dead


def texts_of(batch: Batch, api: Api) -> Sequence[bytes | None]:
    """Give the JSON text of each record of a batch."""
    body_format = api.format
    if needs_records(api):
        return [record_text(origin.value) for origin in batch.origins]
    if batch.parts:
        return batch.parts
    split = getattr(body_format, "split", None)
    if split is None:
        return [batch.body]
    around = len(batch.body) - batch.size if batch.sizes else len(body_format.join((b"",)))
    return split(batch.body, batch.sizes or [len(batch.body) - around])  # type: ignore[no-any-return]


def of_failed(
    number: int, key: Key | None, failed: FailedRow, *, reason: str, body: bytes | None = None
) -> Dead:
    """Give the dead letter of what cannot be sent: its row as text, where it has no *body*."""
    row = None
    if body is None and reason != "too_large":
        row = repr(failed.row)[:_ROW_SHOWN]
    error = failed.exception
    text = str(error) if reason != "transform" else f"{type(error).__name__}: {error}"
    ambiguous = reason == INTERRUPTED
    letter = DeadLetter(
        key_text(key or ()),
        key_values(key),
        reason,
        printable(text),
        None,
        "",
        ambiguous,
        body,
        row,
    )
    return Dead(number, letter)


def needs_records(api: Api) -> bool:
    """Tell whether a record cannot be had of the body that it made, and has to be kept for it."""
    return needs_values(api) or api.templates is not None


def needs_values(api: Api) -> bool:
    """Tell whether a body is made of a record's values, and not of its JSON text only."""
    return encode_of(api.format) is not None or hasattr(api.format, "frame")


def record_text(record: Any) -> bytes | None:
    """Give a record as JSON text; None where JSON cannot hold it."""
    try:
        return encode_value(record)
    except UnencodableError:
        return None


def key_values(key: Key | None) -> str | None:
    """Give a key as JSON; None where no later run could ask for it."""
    if not key:
        return None
    try:
        return positions.to_text(key)
    except SourceError:
        return None


def printable(text: str) -> str:
    """Give *text* with what could mislead a terminal spelled out."""
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() or one in "\n\t" else _escaped(one) for one in text])


def _escaped(one: str) -> Any:
    return ascii(one)[1:-1]
