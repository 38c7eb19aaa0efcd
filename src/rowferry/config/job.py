"""A job: what a table of a job file, or the arguments of a command, ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rowferry import connections
from rowferry.api import Api
from rowferry.budget import Budget
from rowferry.checks import whole
from rowferry.config.columns import Columns
from rowferry.exceptions import BadIdentifierError, ConfigError
from rowferry.incremental import Incremental
from rowferry.insert import OnConflict
from rowferry.journal import Journal
from rowferry.sql import check_table
from rowferry.transforms import Transform

_OF_A_DATABASE = ("query", "query_file", "table")
_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    Where rows come from: a query, a table, or a file.

    Attributes:
        url: of a database, such as `postgresql://me:${PASSWORD}@host/db` or `sqlite:///file.db`.
        query: in the SQL of the database; `${…}` is not filled in: parameters are for that.
        query_file: a file that holds the query.
        table: a table or view, read whole.
        parameters: fill the placeholders of the query, by name or in order.
        file: of CSV (with a line of names) or of JSON lines; `-` is the standard input.
        file_format: of the file; by default what its name ends with says it.
        null: the text that stands for no value in a file of CSV; by default none does.
    """

    url: str | None = field(default=None, repr=False)
    query: str | None = None
    query_file: str | None = None
    table: str | None = None
    parameters: Mapping[str, Any] | Sequence[Any] = ()
    file: str | None = None
    file_format: Literal["csv", "jsonl"] | None = None
    null: str | None = None

    def __post_init__(self) -> None:
        """Check what goes together; raise ConfigError."""
        if self.url is None and self.file is None:
            raise ConfigError("expected url (of a database) or file (CSV or JSON lines)")
        if self.url is not None and self.file is not None:
            raise ConfigError("file cannot be given beside url: rows come from one of them")
        if self.file is None:
            self._check_database()
        else:
            self._check_file(self.file)

    def _check_database(self) -> None:
        for name in ("file_format", "null"):
            if getattr(self, name) is not None:
                raise ConfigError(f"{name} is for files")
        _check_url("url", self.url)
        given = [name for name in _OF_A_DATABASE if getattr(self, name) is not None]
        if not given:
            raise ConfigError("expected one of query, query_file and table, to say what to read")
        if given[1:]:
            raise ConfigError(f"{given[1]} cannot be given beside {given[0]}")
        _check_name("table", self.table)
        if self.parameters and self.table:
            raise ConfigError("parameters are for a query, not for a table")

    def _check_file(self, file: str) -> None:
        for name in (*_OF_A_DATABASE, "parameters"):
            if getattr(self, name):
                raise ConfigError(f"{name} is for databases, not for a file")
        if not self.format_of_file:
            raise ConfigError(
                f"file {file}: its name does not say whether it is csv or jsonl; file_format does"
            )
        if self.null is not None and self.format_of_file != "csv":
            raise ConfigError("null is for files of CSV: JSON has its own null")

    @property
    def format_of_file(self) -> str | None:
        """What the file holds: csv or jsonl; None where nothing tells."""
        if self.file is None or self.file_format:
            return self.file_format
        return next(
            (kind for suffix, kind in _SUFFIXES.items() if self.file.lower().endswith(suffix)), None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """
    A database that rows go into.

    Attributes:
        url: of the database.
        table: that the rows are inserted into, by the names of their columns.
        insert_query: a statement that is executed once a row, instead of table.
        create: make the table first where there is none.
        on_conflict: what becomes of a row whose key is in the table already.
        checkpoint: a table there, made where there is none, that keeps how far the copy is, so that
            one that was cut short is gone on with by the next, and nothing is copied twice.
    """

    url: str = field(repr=False)
    table: str | None = None
    insert_query: str | None = None
    create: bool = False
    on_conflict: OnConflict = "error"
    checkpoint: str | None = None

    def __post_init__(self) -> None:
        """Check what goes together; raise ConfigError."""
        _check_url("url", self.url)
        if self.table is not None and self.insert_query is not None:
            raise ConfigError("insert_query cannot be given beside table")
        _check_name("table", self.table)
        _check_name("checkpoint", self.checkpoint)
        if self.insert_query is not None:
            for name in ("create", "on_conflict"):
                if getattr(self, name) not in {False, "error"}:
                    raise ConfigError(f"{name} needs table, not insert_query")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    Rows of a source to an API, or into a database.

    Attributes:
        source: where rows come from.
        api: where they go as JSON: a table of options, or a URL.
        destination: a database that they go into instead.
        key: the column, or columns, that tell one row from another.
        journal: the file that keeps how far it is, so that a run that was cut short is gone on
            with by the next, and the records that the API will not take. By default it lies beside
            the job file; false for none.
        incremental: reads only what came after the last complete pass.
        name: of the transfer, a part of its idempotency keys, by default the job's; or of a copy
            among the checkpoints.
        transform: a function that takes a list of rows and gives records; or what `per_row` makes.
        columns: renames, nests and drops columns and adds constants, instead of transform.
        ordering_key: a column; records with one value of it are sent one after another.
        limit: rows to read, at most.
        budget: what a run may cost.
        chunk_size: rows that are fetched at once, at most.
    """

    source: Source
    api: Api | str | None = None
    destination: Destination | None = None
    key: str | Sequence[str] | None = None
    journal: Journal | str | bool | None = None
    incremental: Incremental | None = None
    name: str | None = None
    transform: Transform | None = None
    columns: Columns | None = None
    ordering_key: str | None = None
    limit: int | None = None
    budget: Budget = field(default_factory=Budget)
    chunk_size: int = 5000

    def __post_init__(self) -> None:
        """Check what goes together; raise ConfigError."""
        whole("chunk_size", self.chunk_size, 1)
        if self.limit is not None:
            whole("limit", self.limit, 0)
        for name in ("name", "ordering_key", "key"):
            if getattr(self, name) in {"", ()}:
                raise ConfigError(f"{name} must not be empty")
        if self.transform is not None and self.columns is not None:
            raise ConfigError("columns cannot be given beside transform: it can do what they do")
        self._check_where()

    def _check_where(self) -> None:
        if self.api is not None and self.destination is not None:
            raise ConfigError("destination cannot be given beside api: rows go to one of them")
        if self.api is None and self.destination is None:
            raise ConfigError("expected api or destination, to say where rows go")
        if self.incremental is not None and (self.journal is False or not self.key):
            raise ConfigError("incremental needs a journal and key, to know how far it got")
        if self.destination is not None:
            self._check_copy(self.destination)
            return
        try:
            self.to_api  # noqa: B018 (made now, so that its mistakes show now)
        except ConfigError as error:
            raise ConfigError(f"api: {error}") from error
        if self.ordering_key and self.to_api.records_per_request > 1:
            raise ConfigError(
                "ordering_key needs one record a request: batch_size = 1 in the table api"
            )

    def _check_copy(self, destination: Destination) -> None:
        for name in ("ordering_key", "journal", "incremental"):
            if getattr(self, name):
                raise ConfigError(f"{name} is for APIs")
        if self.name is not None and destination.checkpoint is None:
            raise ConfigError("name is for APIs, and for copies with a checkpoint")
        if self.budget != Budget():
            raise ConfigError("budget is for APIs")
        if destination.table is None and destination.insert_query is None and not self.source.table:
            raise ConfigError("destination needs table or insert_query, to say where rows go")
        if destination.insert_query is not None and self.source.table:
            raise ConfigError("destination: insert_query needs a query in source, not a table")
        if destination.checkpoint is not None:
            self._check_checkpoint(destination)
        if destination.on_conflict != "error" and not self.key:
            raise ConfigError(
                f"destination: on_conflict = {destination.on_conflict!r} needs key, the columns by "
                "which a row is there already"
            )

    def _check_checkpoint(self, destination: Destination) -> None:
        if not self.key:
            raise ConfigError("destination: checkpoint needs key, to know what was copied")
        if self.limit is not None or not (self.source.table or destination.insert_query):
            raise ConfigError(
                "destination: checkpoint needs all rows of a table in source, or insert_query"
            )

    @property
    def to_api(self) -> Api:
        """Where records go."""
        return self.api if isinstance(self.api, Api) else Api(self.api or "")

    @property
    def kept_in(self) -> Journal | None:
        """The journal; None where there is none."""
        return self.journal if isinstance(self.journal, Journal) else None

    @property
    def shaping(self) -> Transform | None:
        """What makes records of rows; None where rows go as they are."""
        return self.columns.transform if self.columns else self.transform


def _check_url(name: str, url: Any) -> None:
    """
    Check the URL of a database.

    Raises:
        ConfigError: it is none; the message holds nothing of it.
    """
    try:
        connections.database_of(url)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error


def _check_name(name: str, table: str | None) -> None:
    if table is None:
        return
    try:
        check_table(table)
    except BadIdentifierError as error:
        raise ConfigError(f"{name}: {error}") from error


STAND_IN = Source(url="sqlite:///of-a-source-that-is-wrong", table="t")
"""With it the other options of a job can be checked."""
