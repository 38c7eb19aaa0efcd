# ruff: noqa: T201 - it is never run
"""The public face as a typed program uses it: checked by mypy, never run."""

import asyncio
import sqlite3
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, assert_type

import rowferry as etl
from rowferry import row_factories
from rowferry.exceptions import RejectedError, SourceError, TransferError

conn = sqlite3.connect(":memory:")

# databases

params = etl.DbParams(dbtype="SQLITE", filename="file.db")
etl.connect(params)
etl.connect("postgresql://h/db", "PASSWORD_VARIABLE")
assert_type(etl.get_connection_string(params), str)
assert_type(etl.get_sqlalchemy_connection_string(params), str)
for chunk in etl.iter_chunks("SELECT 1", conn, chunk_size=10):
    assert_type(chunk, list[dict[str, Any]])
for tuples in etl.iter_chunks("SELECT 1", conn, (), row_factories.tuple_row_factory):
    assert_type(len(tuples), int)
for row in etl.iter_rows("SELECT :a", conn, {"a": 1}, row_factories.tuple_row_factory):
    row[0]
etl.fetchone("SELECT ?", conn, (1,))
assert_type(etl.fetchall("SELECT 1", conn), list[dict[str, Any]])
etl.execute("DELETE FROM t", conn)
etl.executemany("INSERT INTO t VALUES (?)", conn, [(1,)])
etl.load("t", conn, [{"id": 1}])
etl.copy_rows("SELECT 1", conn, "INSERT INTO t VALUES (?)", conn)
etl.copy_table_rows("t", conn, conn)
assert_type(etl.generate_insert_sql("t", {"id": 1}, conn), str)
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
    tls={"ca": "ca.pem"},
)
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


def transform(chunk: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in chunk:
        yield {"code": row["CODE"], "doc": etl.RawJSON("{}")}


for given in etl.iter_chunks("SELECT 1", conn, transform=transform):
    assert_type(given, Iterable[dict[str, Any]])


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
    on_error=on_error,
    limit=100,
    budget=etl.Budget(max_dead=5, deadline=60.0, grace=5.0),
    chunk_size=1000,
    progress=progress,
)
etl.copy_to_api("SELECT 1", params, "http://h/", key="id")
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
