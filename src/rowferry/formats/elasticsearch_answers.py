"""
What the answer to a `_bulk` request means for each of its documents, and what to do about it.

Everything here is decided by the error's type before its status: 429 is said of a queue that is
full, which passes, and of a disk that is full, which does not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from rowferry.batches import Fate
from rowferry.splitting import Unread
from rowferry.verdict import RETRYABLE, Items, Verdict

if TYPE_CHECKING:
    from rowferry.batches import Attempts, Response
    from rowferry.verdict import Rules

_TOOK = rb'(?:"(?:ingest_)?took":\d+,)*'
_GOOD = re.compile(rb'\{%b"errors":false,%b"items":\[' % (_TOOK, _TOOK))
_STATUS = b'"status":'
_FAILED_OVER = "used"
_REDIRECTS = 300
_ERRORS = 400
_FORBIDDEN = 403
_MISSING = 404
_CONFLICT = 409
_TOO_MANY = 429
_UNAVAILABLE = 503
_WRONG_REQUEST = frozenset({404, 405, 406, 410, 415})
_TELLING = _WRONG_REQUEST | {400, _FORBIDDEN, _TOO_MANY, _UNAVAILABLE}
_WRONG_URL = re.compile(r"no handler found for uri|unrecognized parameter|expecting \[_doc\]")
_ROOM = re.compile(r"operation_bytes=(?P<wanted>\d+), max_\w+_bytes=(?P<most>\d+)")
_SHOWN = 1000


class ItemError(msgspec.Struct, frozen=True):
    """The error of one document: `type` for programs, `reason` for people."""

    type: str = ""
    reason: str | None = None
    caused_by: ItemError | None = None

    def __str__(self) -> str:
        """Give type and reason, and the reason of the first cause that says more."""
        said = f"{self.type}: {self.reason}" if self.reason else self.type
        cause = self.caused_by
        if cause and cause.reason and cause.reason not in said:
            said = f"{said}; caused by {cause.type}: {cause.reason}"
        return said[:_SHOWN]


class Item(msgspec.Struct, frozen=True):
    """
    What an answer says of one document.

    Attributes:
        failure_store: "used" where a data stream keeps the document apart, as one that failed.
    """

    status: int
    error: ItemError | None = None
    failure_store: str = ""


class _Answer(msgspec.Struct, frozen=True):
    """The answer to a `_bulk` request; each of its items has the op as its only name."""

    items: list[dict[str, Item]]


class _Refusal(msgspec.Struct, frozen=True):
    """The answer to a request that was not looked into."""

    error: ItemError | str


class Meaning(msgspec.Struct, frozen=True):
    """
    What a kind of error means.

    Attributes:
        fate: of the documents.
        remedy: for people, where the run stops.
        of_index: whether it is said of an index, a pipeline or an alias; where a column names
            those, it is the document's own fault.
    """

    fate: Fate
    remedy: str = ""
    of_index: bool = False


_DELIVERED = Meaning(Fate.DELIVERED)
_REJECTED = Meaning(Fate.REJECTED)
_CROSSED = Meaning(Fate.CONFLICT)
_REFUSED = Meaning(Fate.REFUSED)
_DISK_FULL = Meaning(
    Fate.STOP,
    "free disk space on the node; Elasticsearch then lifts the block by itself, and "
    'PUT INDEX/_settings {"index.blocks.read_only_allow_delete": null} does it at once',
)
_BLOCKED = Meaning(
    Fate.STOP,
    "the index takes no writes: look at its settings index.blocks.* and at cluster.blocks.*, and "
    "set those to null",
    of_index=True,
)
_BY_TYPE = {
    "es_rejected_execution_exception": _REFUSED,
    "rejected_execution_exception": _REFUSED,
    "circuit_breaking_exception": _REFUSED,
    "unavailable_shards_exception": _REFUSED,
    "process_cluster_event_timeout_exception": _REFUSED,
    "index_closed_exception": Meaning(
        Fate.STOP, "the index is closed: POST INDEX/_open opens it", of_index=True
    ),
    "index_not_found_exception": Meaning(
        Fate.STOP,
        "make the index first (or allow it in action.auto_create_index); with require_alias, "
        "make the alias",
        of_index=True,
    ),
    "invalid_index_name_exception": Meaning(Fate.STOP, "correct index=", of_index=True),
    "security_exception": Meaning(Fate.AUTH),
}
"""What an error means by its type, whatever its status; any other is judged by its status."""

_NO_PIPELINE = Meaning(
    Fate.STOP, "make the pipeline first: PUT _ingest/pipeline/NAME, or correct pipeline=",
    of_index=True,
)  # fmt: skip
_TYPE_OF_BLOCKS = "cluster_block_exception"
_FLOOD_STAGE = re.compile(r"\[TOO_MANY_REQUESTS/12/|flood-stage watermark")
_NO_MASTER = "[SERVICE_UNAVAILABLE/"
_PIPELINE_MISSING = re.compile(r"pipeline with id \[.*\] does not exist")


def meaning_of(error: ItemError) -> Meaning | None:
    """Say what an error means by its type and words; None where its status decides."""
    reason = error.reason or ""
    if error.type == _TYPE_OF_BLOCKS:
        if _FLOOD_STAGE.search(reason):
            return _DISK_FULL
        return _REFUSED if _NO_MASTER in reason else _BLOCKED
    if error.type == "illegal_argument_exception" and _PIPELINE_MISSING.search(reason):
        return _NO_PIPELINE
    return _BY_TYPE.get(error.type)


class Reader:
    """
    Reads the answers of one transfer.

    Args:
        rules: for errors that are judged by their status.
        by_column: whether a column of each row names its index or pipeline.
        versioned: whether the documents have external versions.
    """

    def __init__(self, rules: Rules, *, by_column: bool = False, versioned: bool = False) -> None:
        self._rules = rules
        self._by_column = by_column
        self._versioned = versioned

    def read(
        self, response: Response, count: int, attempts: Attempts | None
    ) -> Items | Unread | Verdict | None:
        """
        Say what an answer means.

        Args:
            count: documents in the request.
            attempts: of them before this one; None where this was the first.

        Returns:
            What became of each document; or that it cannot be told; or what becomes of all, None
            where the status alone says that.
        """
        if response.status >= _REDIRECTS:
            return read_whole(response, count)
        body = response.body
        if _GOOD.match(body) and body.count(_STATUS) == count:  # 10 us; one by one 150
            return Items(count, {}, {})
        try:
            items = _decode(body).items
        except msgspec.MsgspecError as error:
            why = f"the answer {response.status} is none to _bulk ({error!s:.200})"
            return Unread(f"{why}: is url that of _bulk, and is this Elasticsearch?", error)
        if len(items) != count or not all(len(item) == 1 for item in items):
            return Unread(f"the answer has {len(items):,} items for {count:,} documents")
        return self._sorted_out(items, attempts)

    def _sorted_out(self, items: list[dict[str, Item]], attempts: Attempts | None) -> Items:
        again: dict[Fate, list[int]] = {}
        rejected: dict[int, int] = {}
        said: dict[int, str] = {}
        stopped: list[int] = []
        stop: Verdict | None = None
        for index, named in enumerate(items):
            ((op, item),) = named.items()
            meaning = self.meaning(op, item, attempts)
            if meaning.fate is Fate.DELIVERED:
                continue
            said[index] = str(item.error or "") or f"status {item.status}"
            if meaning.fate in RETRYABLE:
                again.setdefault(meaning.fate, []).append(index)
            elif meaning.fate is Fate.REJECTED:
                rejected[index] = item.status
            else:
                stopped.append(index)
                stop = stop or Verdict(meaning.fate, _why(item, said[index], meaning.remedy))
        return Items(len(items) - len(said), again, rejected, said, stop, stopped)

    def meaning(self, op: str, item: Item, attempts: Attempts | None = None) -> Meaning:
        """
        Say what an item of an answer means for its document.

        Args:
            op: the item's name: "index", "create", "update" or "delete".
        """
        error = item.error
        if error is None and (item.status < _ERRORS or (op, item.status) == ("delete", _MISSING)):
            return _REJECTED if item.failure_store == _FAILED_OVER else _DELIVERED
        known = meaning_of(error) if error else None
        if known:
            own = known.of_index and self._by_column
            return _REJECTED if own else known
        if item.status == _CONFLICT:
            return self._conflict(op, attempts)
        if item.status == _UNAVAILABLE and self._rules.retry_on_status is None:
            return _REFUSED
        return Meaning(self._rules.fate_of_item(item.status, attempts))

    def _conflict(self, op: str, attempts: Attempts | None) -> Meaning:
        """
        Judge a 409.

        A document that is there already may be what an earlier try made; one of a version as high
        or higher is what external versions are for; an update that others crossed goes once more.
        """
        if op == "create":
            return _DELIVERED if attempts and attempts.ever_doubtful else _REJECTED
        if op == "update":
            return _REJECTED if attempts and attempts.conflicts else _CROSSED
        return _DELIVERED if self._versioned else _REJECTED


def _why(item: Item, said: str, remedy: str) -> str:
    why = f"the API answered {item.status} for a document ({said})"
    return f"{why}; {remedy}" if remedy else why


def read_whole(response: Response, count: int) -> Verdict | None:
    """Say what an answer that has no items means; None where its status says that."""
    status = response.status
    if status not in _TELLING:
        return None
    error = error_of(response.body)
    why = f"the API answered {status} ({error})" if error.type else f"the API answered {status}"
    if status == _TOO_MANY:
        return _too_many(error, count, why)
    known = meaning_of(error)
    if known:
        return Verdict(known.fate, f"{why}; {known.remedy}" if known.remedy else why)
    if status == _FORBIDDEN:
        return Verdict(Fate.AUTH, f"{why}: the credentials do not allow this")
    if status in _WRONG_REQUEST or _WRONG_URL.search(f"{error}"):
        return Verdict(Fate.STOP, f"{why}: is url that of _bulk, and is this Elasticsearch?")
    return None


def _too_many(error: ItemError, count: int, why: str) -> Verdict | None:
    """Tell a node that is busy from a request that is larger than all that it has room for."""
    found = _ROOM.search(error.reason or "")
    if found is None or int(found["wanted"]) <= int(found["most"]):
        return None
    return Verdict(Fate.TOO_LARGE if count > 1 else Fate.REJECTED, why)


def error_of(body: bytes) -> ItemError:
    """Give the error that a body tells; an empty one where it tells none."""
    try:
        error = _decode_error(body).error
    except msgspec.MsgspecError:
        return ItemError()
    return ItemError(error) if isinstance(error, str) else error


_decode = msgspec.json.Decoder(_Answer).decode
_decode_error = msgspec.json.Decoder(_Refusal).decode
