"""The `_bulk` request of Elasticsearch 7 to 9 and OpenSearch 1 to 3."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rowferry.exceptions import ConfigError
from rowferry.formats.contract import taken_apart
from rowferry.formats.elasticsearch_actions import Actions
from rowferry.formats.elasticsearch_answers import Reader
from rowferry.formats.elasticsearch_templates import Template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowferry.formats.contract import ReadAnswer
    from rowferry.records import Key
    from rowferry.values import UnencodableError
    from rowferry.verdict import Rules


@dataclass(frozen=True, kw_only=True)
class Elasticsearch:
    r"""
    The body is two lines a document: what to do and where, and the document itself.

    What is the same for all documents may as well stand in the URL. The others may name columns of
    the record (with `per_row`, of its row where the record has none such) in braces:
    `"logs-{year}"`; `{{` and `}}` are braces then.

    Attributes:
        index: or data stream, or alias; None where the URL names it.
        op: "index" (makes or replaces the document), "create" (where there is none yet; the only
            one that data streams take), "update" (the fields that it has), "upsert" (the same, or
            makes it), "delete", or a column with these words.
        id: True: the key as text, so that a document that is sent again replaces itself; several
            columns have "/" between them, and "/" and "%" in a value are percent-encoded. None: the
            node makes it. Or a text with columns.
        routing: to a shard; a NULL leaves it out.
        pipeline: that documents go through; a NULL leaves it out.
        version: a column with whole numbers: of two versions of a document the higher one stays.

    Raises:
        ConfigError: they do not go together.

    Source: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
    """

    index: str | None = None
    op: str = "index"
    id: str | bool | None = True
    routing: str | None = None
    pipeline: str | None = None
    version: str | None = None

    name = "elasticsearch"
    content_type = "application/x-ndjson"
    batch_size = 500
    max_batch_size = None

    def __post_init__(self) -> None:
        """Check what was given; raise ConfigError."""
        if self.id is not None and self.id is not True and not isinstance(self.id, str):
            raise ConfigError(f"id must be True (the key), None or text, not {self.id!r}")
        self._actions  # noqa: B018 (made now, so that its mistakes show now)

    @cached_property
    def _actions(self) -> Actions:
        return Actions(
            op=self.op,
            id=self.id,
            index=self.index,
            routing=self.routing,
            pipeline=self.pipeline,
            version=self.version,
        )

    @property
    def needs_key(self) -> bool:
        """Whether ids are made of a key, so that there has to be one."""
        return self._actions.needs_key

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that say where a document goes."""
        return self._actions.columns

    def frame(
        self,
        texts: list[bytes],
        records: Sequence[Any],
        rows: Sequence[Mapping[str, Any]],
        keys: Sequence[Key],
    ) -> tuple[list[bytes], dict[int, UnencodableError]]:
        """Put the action line before each of a chunk's JSON texts; see `Framing.frame`."""
        return self._actions.frame(texts, records, rows, keys)

    def join(self, records: Sequence[bytes]) -> bytes:
        """Put the lines of all documents one after another."""
        return b"\n".join(records) + b"\n"

    def split(self, body: bytes, sizes: Sequence[int]) -> list[bytes]:
        """Take a body apart again."""
        return taken_apart(body, sizes, start=0)

    def reader(self, rules: Rules) -> ReadAnswer:
        """Give what reads the answers: an item a document."""
        by_column = self._actions.places_by_column
        return Reader(rules, by_column=by_column, versioned=self.version is not None).read


FORMAT = Elasticsearch()
"""For URLs that name the index, such as http://localhost:9200/airports/_bulk."""


def constants_apart(
    *, index: str, routing: str | None, pipeline: str | None, **others: Any
) -> tuple[Elasticsearch, dict[str, str | None]]:
    """
    Give the format of documents, and by name what is the same for all: it may stand in a URL.

    Raises:
        ConfigError: they do not go together.
    """
    places = {"index": Template("index", index)}
    for name, text in (("routing", routing), ("pipeline", pipeline)):
        if text is not None:
            places[name] = Template(name, text)
    in_url = {name: place.constant for name, place in places.items()}
    varying = {name: place.text for name, place in places.items() if place.constant is None}
    return Elasticsearch(**others | varying), in_url
