"""
Rows from Oracle to Elasticsearch, in three ways, and a look at what is there in the end.

    python examples/oracle_to_elasticsearch.py

28,000 airports, and some rows with values that are often lost on the way, go from Oracle to
Elasticsearch with the real driver and to a real node:

1. `one_after_another` puts a document, waits, puts the next.
2. `chunk_by_chunk` puts 5,000 documents at once and waits for the last: asyncio and aiohttp.
3. `with_rowferry` sends 500 documents a request, reads meanwhile, and looks at what the node says
   of each. It is the one to copy: change the query and the two places.

In the end every document is compared with its row, field by field; the exit code is 1 if one is
not the same.

ROWFERRY_ORACLE_URL names an Oracle of your own (a table AIRPORT is made there, and dropped): else a
stand-in speaks its protocol, as far as the driver needs it. ROWFERRY_ELASTICSEARCH_URL names a
cluster: else a node is started, for which Java and Maven have to be there.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import airportsdata
import msgspec
import requests

import rowferry as etl
from rowferry import elasticsearch as es

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import search_nodes
from standins.oracle import Oracle, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row: TypeAlias = dict[str, Any]

COLUMNS = {
    "ICAO": "VARCHAR2(4) NOT NULL",
    "NAME": "VARCHAR2(100)",
    "CITY": "VARCHAR2(100)",
    "COUNTRY": "VARCHAR2(2)",
    "LAT": "NUMBER(9,6)",
    "LON": "NUMBER(9,6)",
    "PASSENGERS": "NUMBER(19)",
    "FEE": "NUMBER(19,2)",
    "OPENED": "DATE",
    "SEEN": "TIMESTAMP(6) WITH TIME ZONE",
}
SEEN = """TO_CHAR(seen, 'YYYY-MM-DD"T"HH24:MI:SS.FF6TZH:TZM') AS seen"""
"""With its zone, which the driver would leave out."""

QUERY = f"SELECT {', '.join([*COLUMNS][:-1]).lower()}, {SEEN} FROM airport ORDER BY icao"


# ---- The three ways --------------------------------------------------------------------------


def as_document(row: Row) -> Row:
    """Shape a row. Oracle writes the names of columns in capital letters."""
    return {name.lower(): value for name, value in row.items()}


encode = msgspec.json.Encoder(decimal_format="number").encode
"""The standard library's `json` would refuse dates, and decimals only fit it as floats."""

JSON = {"Content-Type": "application/json"}


def one_after_another(conn: Any, url: str, index: str, rows: int) -> None:
    """Put a document, wait for the answer, put the next one."""
    with requests.Session() as session:
        for row in islice(etl.iter_rows(QUERY, conn), rows):
            where = f"{url}/{index}/_doc/{row['ICAO']}"
            response = session.put(where, data=encode(as_document(row)), headers=JSON, timeout=30)
            response.raise_for_status()


def chunk_by_chunk(conn: Any, url: str, index: str, rows: int) -> None:  # noqa: ARG001 (all)
    """Read 5,000 rows, put them all at once, and wait for the last answer; then the next 5,000."""
    for chunk in etl.iter_chunks(QUERY, conn):
        asyncio.run(put_chunk(chunk, f"{url}/{index}/_doc"))


async def put_chunk(chunk: list[Row], where: str) -> None:
    """Put all documents of *chunk*: aiohttp opens 100 connections, the others wait for one."""
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*[put(row, session, where) for row in chunk])


async def put(row: Row, session: aiohttp.ClientSession, where: str) -> None:
    """Put one document."""
    body = encode(as_document(row))
    async with session.put(f"{where}/{row['ICAO']}", data=body, headers=JSON) as response:
        response.raise_for_status()


def with_rowferry(conn: Any, url: str, index: str, rows: int) -> None:  # noqa: ARG001 (all)
    """Read, send and wait at the same time; a document that is sent twice replaces itself."""
    api = etl.Api.elasticsearch(url, index=index)
    report = etl.copy_to_api(QUERY, conn, api, key="ICAO", transform=etl.per_row(as_document))
    print(f"   {report}")


WAYS: dict[str, Callable[[Any, str, str, int], None]] = {
    "Requests, one after another": one_after_another,
    "aiohttp, chunk by chunk": chunk_by_chunk,
    "rowferry": with_rowferry,
}


# ---- The rows --------------------------------------------------------------------------------

KATHMANDU = timezone(timedelta(hours=5, minutes=45))
NASTY: list[Row] = [
    {"ICAO": "ZZ01", "NAME": "Ærøskøbing, Łódź, 東京, عمان", "CITY": 'quotes " \\ and\nlines'},
    {"ICAO": "ZZ02", "NAME": "😀 🧑‍🚀 e\u0301", "PASSENGERS": 10**15 + 1},
    {"ICAO": "ZZ03", "FEE": Decimal("12345678901234567.89"), "LAT": Decimal("0.000001")},
    {"ICAO": "ZZ04", "FEE": Decimal("-0.10"), "PASSENGERS": 2**63 - 1},
    {"ICAO": "ZZ05", "OPENED": datetime(1899, 12, 31, 23, 59, 59)},  # noqa: DTZ001 (a DATE has none)
    {"ICAO": "ZZ06", "OPENED": datetime(1, 1, 1)},  # noqa: DTZ001 (the same)
    {"ICAO": "ZZ07", "SEEN": datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=KATHMANDU)},
    {"ICAO": "ZZ08", "SEEN": datetime(1900, 1, 1, tzinfo=UTC)},
    {"ICAO": "ZZ09"},
]


def rows_of_the_table(count: int | None) -> list[Row]:
    """Give the airports, as many as asked for, and the nasty ones."""
    airports = sorted(airportsdata.load("ICAO").values(), key=lambda airport: airport["icao"])
    plain = [as_row(airport) for airport in airports[:count] if airport["icao"] < "ZZ0"]
    return plain + [dict.fromkeys(COLUMNS) | row for row in NASTY]


def as_row(airport: dict[str, Any]) -> Row:
    """Give an airport as Oracle has it, where empty text is NULL."""
    row: Row = dict.fromkeys(COLUMNS)
    for name in ("ICAO", "NAME", "CITY", "COUNTRY"):
        row[name] = airport[name.lower()] or None
    return row | {name: Decimal(f"{airport[name.lower()]:.6f}") for name in ("LAT", "LON")}


@contextmanager
def oracle(rows: list[Row]) -> Iterator[Any]:
    """Give a connection to an Oracle with the table: the one that is named, else a stand-in."""
    if url := os.environ.get("ROWFERRY_ORACLE_URL"):
        with etl.connect(url) as conn:
            declared = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
            etl.execute(f"CREATE TABLE airport ({declared})", conn)
            try:
                etl.load("airport", conn, rows)
                yield conn
            finally:
                etl.execute("DROP TABLE airport PURGE", conn)
        return
    os.environ["ORACLE_PASSWORD"] = "tiger"  # of the stand-in
    with Oracle(statements(rows)) as stand_in:
        db = etl.DbParams(
            dbtype="ORACLE", host="127.0.0.1", port=stand_in.port, dbname="STANDIN", user="scott"
        )
        with db.connect("ORACLE_PASSWORD") as conn:
            yield conn


def statements(rows: list[Row]) -> dict[str, Query]:
    """Give what the stand-in knows: the query, and the forms in which a key is read by it."""
    kinds = COLUMNS | {"SEEN": "VARCHAR2(40)"}
    columns = [f"{name} {kind}" for name, kind in kinds.items()]
    every = Query(columns, [tuple((row | seen_of(row)).values()) for row in rows])
    inner, key = f"SELECT * FROM ( {QUERY} ) q", "NLSSORT(q.\"ICAO\", 'NLS_SORT=BINARY')"
    return {
        QUERY: every,
        f"{inner} WHERE 1 = 0": Query(columns),
        f"{inner} ORDER BY {key}": every,
        f"{inner} WHERE ({key} > NLSSORT(:1, 'NLS_SORT=BINARY')) ORDER BY {key}": Query(columns),
    }


@contextmanager
def cluster() -> Iterator[str]:
    """Give the URL of a cluster: the one that is named, else a node that is started for this."""
    if url := os.environ.get("ROWFERRY_ELASTICSEARCH_URL"):
        yield url.rstrip("/")
        return
    try:
        with search_nodes.started("es9") as node:
            yield node.url
    except search_nodes.MissingError as error:
        raise SystemExit(f"ROWFERRY_ELASTICSEARCH_URL names no cluster, and {error}") from error


# ---- What is there in the end ----------------------------------------------------------------


def differences(rows: list[Row], documents: dict[str, Row]) -> list[str]:
    """Tell what is wrong with the documents of an index; nothing if each is its row."""
    expected = {row["ICAO"]: as_json(row) for row in rows}
    wrong = {
        "missing": expected.keys() - documents.keys(),
        "never sent": documents.keys() - expected.keys(),
        "changed": {id_ for id_, row in expected.items() if documents.get(id_, row) != row},
    }
    return [f"{len(ids):,} {what}, such as {min(ids)}" for what, ids in wrong.items() if ids]


def as_json(row: Row) -> Row:
    """Give a row as it has to be read from the index: dates as text, numbers digit by digit."""
    return {
        name.lower(): value.isoformat() if isinstance(value, datetime) else value
        for name, value in (row | seen_of(row)).items()
    }


def seen_of(row: Row) -> Row:
    """Give when an airport was last seen, as the query does."""
    return {"SEEN": row["SEEN"] and row["SEEN"].isoformat(timespec="microseconds")}


def documents_of(url: str, index: str) -> dict[str, Row]:
    """Give all documents of an index by their ids, numbers with a point as exact decimals."""
    es.refresh(etl.Api.elasticsearch(url, index=index))
    found: dict[str, Row] = {}
    page = ask(f"{url}/{index}/_search?scroll=1m", {"size": 10_000, "sort": ["_doc"]})
    while page["hits"]["hits"]:
        found |= {hit["_id"]: hit["_source"] for hit in page["hits"]["hits"]}
        page = ask(f"{url}/_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})
    return found


def ask(url: str, body: Row) -> Any:
    """Ask the cluster."""
    response = requests.post(url, json=body, timeout=60)
    response.raise_for_status()
    return response.json(parse_float=Decimal)


def main() -> int:
    """Send the rows in each way; give the exit code."""
    parser = argparse.ArgumentParser(description="Oracle to Elasticsearch, in three ways")
    parser.add_argument("--rows", type=int, help="airports (default: all 28,000)")
    parser.add_argument("--sequential", type=int, default=500, help="of them in the first way")
    options = parser.parse_args()
    os.environ["no_proxy"] = "127.0.0.1"  # Requests would ask a company's proxy for this machine
    rows = rows_of_the_table(options.rows)
    faults = 0
    with ExitStack() as stack:
        conn = stack.enter_context(oracle(rows))
        url = stack.enter_context(cluster())
        mapping = es.mapping_of(QUERY, conn, transform=etl.per_row(as_document), fields=FIELDS)
        print(f"{len(rows):,} rows in Oracle, and an index with this mapping:\n{mapping}")
        for number, (name, send) in enumerate(WAYS.items()):
            expected = rows[: options.sequential] if send is one_after_another else rows
            index = f"airports-{number}"
            es.create_index(etl.Api.elasticsearch(url, index=index), mapping)
            begun = time.perf_counter()
            send(conn, url, index, len(expected))
            seconds = time.perf_counter() - begun
            found = differences(expected, documents_of(url, index))
            faults += len(found)
            rate = f"{len(expected):,} rows in {seconds:.1f} s, {len(expected) / seconds:,.0f}/s"
            print(f"{name}: {rate}; {'; '.join(found) or 'every document is its row'}")
    return 1 if faults else 0


FIELDS = {
    "icao": {"type": "keyword"},
    "country": {"type": "keyword"},
    "passengers": {"type": "long"},
    "fee": {"type": "double"},
    "opened": {"type": "date"},
    "seen": {"type": "date"},
}
"""What the first rows do not say of their columns: codes, and what is NULL in most."""


if __name__ == "__main__":
    raise SystemExit(main())
