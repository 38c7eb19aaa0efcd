# ruff: noqa: T201 - it is never run
"""The public face as a typed program uses it: checked by mypy, never run."""

import asyncio
import sqlite3
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, assert_type

import rowferry as etl
from rowferry import elasticsearch as es
from rowferry import row_factories
from rowferry.exceptions import RejectedError, SourceError, TransferError

conn = sqlite3.connect(":memory:")

# databases

params = etl.DbParams(dbtype="SQLITE", filename="file.db")
etl.connect(params)
etl.connect("postgresql://h/db", "PASSWORD_VARIABLE")
assert_type(etl.get_connection_string(params), str)
assert_type(etl.get_sqlalchemy_connection_string(params), str)
Rows = dict[str, Any]
tuples = row_factories.tuple_row_factory
lists = row_factories.list_row_factory
named = row_factories.namedtuple_row_factory

# The type of rows follows the row factory …

assert_type(etl.iter_chunks("SELECT 1", conn), Iterator[list[Rows]])
for chunk in etl.iter_chunks("SELECT 1", conn):
    assert_type(len(chunk), int)
assert_type(etl.iter_rows("SELECT 1", conn), Iterator[Rows])
assert_type(etl.fetchall("SELECT 1", conn), list[Rows])
assert_type(etl.fetchone("SELECT ?", conn, (1,)), Rows | None)
assert_type(etl.fetchall("SELECT 1", conn, (), row_factories.dict_row_factory), list[Rows])
assert_type(etl.fetchall("SELECT 1", conn, (), tuples), list[tuple[Any, ...]])
assert_type(etl.fetchall("SELECT 1", conn, row_factory=lists), list[list[Any]])
assert_type(etl.fetchall("SELECT 1", conn, row_factory=named), list[Any])
assert_type(etl.iter_chunks("SELECT 1", conn, row_factory=lists), Iterator[list[list[Any]]])
assert_type(etl.iter_rows("SELECT :a", conn, {"a": 1}, tuples), Iterator[tuple[Any, ...]])
assert_type(etl.fetchone("SELECT 1", conn, row_factory=tuples), tuple[Any, ...] | None)


class Model(NamedTuple):
    """A row of one's own."""

    id: int


def models(cursor: Any) -> Callable[[Sequence[Any]], Model]:
    assert cursor.description
    return lambda row: Model(*row)


assert_type(etl.fetchall("SELECT 1", conn, row_factory=models), list[Model])
assert_type(etl.iter_rows("SELECT 1", conn, row_factory=models, key="id"), Iterator[Model])
assert_type(etl.fetchone("SELECT 1", conn, row_factory=models), Model | None)

# … and the transform.


def only_ids(chunk: list[Rows]) -> Iterator[int]:
    for row in chunk:
        yield row["id"]


def ids_of_models(chunk: list[Model]) -> list[str]:
    return [str(model.id) for model in chunk]


assert_type(etl.fetchall("SELECT 1", conn, transform=only_ids), list[int])
assert_type(etl.iter_rows("SELECT 1", conn, transform=only_ids), Iterator[int])
assert_type(etl.iter_chunks("SELECT 1", conn, transform=only_ids), Iterator[Iterable[int]])
assert_type(etl.fetchone("SELECT 1", conn, transform=only_ids), int | None)
assert_type(etl.fetchall("SELECT 1", conn, (), models, ids_of_models), list[str])

etl.execute("DELETE FROM t", conn)
etl.execute("DELETE FROM t", params)
etl.executemany("INSERT INTO t VALUES (?)", conn, [(1,)])
etl.executemany("INSERT INTO t VALUES (?)", "sqlite:///file.db", None)
assert_type(etl.load("t", conn, [{"id": 1}]), tuple[int, int])
etl.load("t", params, [Model(1)], on_conflict="update", key=["id"], create=True)
etl.load("t", conn, iter([Model(1)]), ignore_extra_keys=True, on_conflict="skip", key="id")
etl.load("t", conn, [{"id": 1}], on_conflict="replace")  # type: ignore[arg-type]
etl.copy_rows("SELECT 1", conn, "INSERT INTO t VALUES (?)", conn)
etl.copy_rows("SELECT 1", params, "INSERT INTO t VALUES (?)", conn, (), models, ids_of_models)
etl.copy_table_rows("t", conn, conn)
etl.copy_table_rows("t", params, "duckdb:///f", "u", create=True, on_conflict="skip", key="id")
etl.copy_table_rows("t", params, conn, key="id", checkpoint="checkpoints", name="nightly")
assert_type(etl.generate_insert_sql("t", {"id": 1}, conn), str)
assert_type(etl.generate_create_table_sql("t", params, conn, "u", key=("id",)), str)
assert_type(etl.generate_create_table_sql("t", [{"id": 1}], conn), str)
for column in etl.table_info("t", conn):
    assert_type(column.name, str)
etl.log_to_console()
etl.abort_etlhelper_threads()

# HTTP APIs

api = etl.Api(
    "https://h/records",
    method="PUT",
    headers={"Authorization": "Bearer …"},
    body_format="ndjson",
    batch_size=100,
    batch_bytes=1_000_000,
    batch_linger=0.1,
    retry=etl.Retry(max_retries=3, initial_backoff=0.1, max_backoff=1.0, max_retry_age=60.0),
    limits=etl.Limits(
        max_in_flight=8,
        concurrency=4,
        requests_per_second=500.0,
        burst=10,
        max_buffer_bytes=1_000_000,
    ),
    request_timeout=10.0,
    connect_timeout=1.0,
    success_status={200, 409},
    retry_on_status=[429, 503],
    idempotency_header="X-Request-Id",
    on_ambiguous="dead_letter",
    tls={"ca": "ca.pem"},
)
etl.Api("https://h/", item_results=lambda answer: [item["s"] for item in answer.json()])
etl.Api("https://h/", item_results=lambda answer: [(422, "no name")] if answer.body else [201])
etl.Api("https://h/", limits=etl.Limits(concurrency="adaptive"))
etl.Api("https://h/", tls=ssl.create_default_context())


class Lines:
    """A body format of one's own."""

    name = "lines"
    content_type = "text/plain"
    batch_size = 10
    max_batch_size: int | None = None

    def join(self, records: Any) -> bytes:
        return b"\n".join(records)


etl.Api("https://h/", body_format=Lines())
bulk: etl.Api = etl.Api.elasticsearch(
    "https://h",
    index="logs-{year}",
    op="{op}",
    id="{a}-{b}",
    routing="{a}",
    pipeline="p",
    version="{v}",
    require_alias=True,
    api_key=("id", "secret"),
    tls={"ca": "ca.pem"},
)
etl.Api.elasticsearch(
    cloud_id="name:…", index="t", auth=etl.auth.Basic("user", "password"), id=None
)
mapping: dict[str, Any] = es.mapping_of("SELECT 1", "sqlite://", fields={"a": {"type": "keyword"}})
reloaded: etl.Report = es.reload(bulk, lambda new: etl.post_rows([], new), mapping)


def transform(chunk: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in chunk:
        yield {"code": row["CODE"], "doc": etl.RawJSON("{}")}


def shape(row: dict[str, Any]) -> dict[str, Any] | None:
    return row or None


def on_error(failed: list[etl.FailedRow]) -> None:
    for row, error in failed:
        assert_type(error, Exception)
        print(row, error)


def progress(event: etl.Progress) -> None:
    assert_type(event.delivered, int)
    assert_type(event.rows_per_second, float)


report = etl.post_rows([{"id": 1}], "http://h/records")
assert_type(report, etl.Report)
processed, failed = report
assert_type(processed, int)
assert_type(report.exit_code, int)
etl.post_rows(iter([1, 2]), api, transform=etl.per_row(shape), limit=5, progress=True)
etl.copy_to_api(
    "SELECT * FROM t WHERE id > :id",
    conn,
    api,
    parameters={"id": 5},
    row_factory=row_factories.namedtuple_row_factory,
    transform=transform,
    key=("id",),
    name="nightly",
    on_error=on_error,
    ordering_key="customer",
    journal=etl.Journal("nightly.journal", keep_bodies=False),
    incremental=etl.Incremental("updated", lag=timedelta(minutes=5)),
    limit=100,
    budget=etl.Budget(max_dead=5, max_dead_from_start=None, deadline=60.0, grace=5.0),
    chunk_size=1000,
    progress=progress,
)
etl.copy_to_api("SELECT 1", params, "http://h/", key="id")
etl.Journal(Path("nightly.journal")).start_over()
for letter in etl.dead_letters(Path("nightly.journal")):
    print(letter["key"], letter["reason"])
assert_type(etl.retry_dead_letters("nightly.journal", api, transform=transform), etl.Report)
etl.copy_to_api("SELECT 1", "sqlite:///file.db", "http://h/")


async def rows() -> AsyncIterator[dict[str, Any]]:
    yield {"id": 1}


async def awaited() -> None:
    assert_type(await etl.apost_rows(rows(), api, on_error=on_error), etl.Report)
    await etl.apost_rows([{"id": 1}], api, key="id", progress=progress)
    assert_type(await etl.acopy_to_api("SELECT ?", params, api, parameters=(1,)), etl.Report)


try:
    asyncio.run(awaited())
except RejectedError as error:
    print(error.key, error.status, error.answer, error.report, error.exit_code)
except TransferError as error:
    if error.report:
        print(error.report.pending, error.report.as_dict())
except SourceError as error:
    print(error.report)
print(etl.__version__)


# APIs


class Signed:
    """A scheme of one's own."""

    def sign(self, request: etl.auth.Request) -> dict[str, str]:
        return {"X-Signature": f"{request.method} {request.path} {len(request.body)}"}


class Session:
    """A scheme of one's own with a token."""

    def flow(self) -> etl.auth.Flow:
        answer = yield etl.auth.Request("POST", "https://h/login", {"A": "b"}, b"me")
        return etl.auth.Token({"X-Session": answer.json()["session"]}, expires_in=5)


for scheme in (
    etl.auth.Basic("me", "secret"),
    etl.auth.Bearer("token"),
    etl.auth.ApiKey("key", query="api_key"),
    etl.auth.OAuth2ClientCredentials("https://h/token", "id", "secret", "scope"),
    Signed(),
    Session(),
):
    etl.Api("https://h/{id}", method="{op}", headers={"X": "{x}"}, auth=scheme, compression="gzip")
etl.Api("http://h/", body_format="form", auth=Signed(), allow_plain_http=True)
