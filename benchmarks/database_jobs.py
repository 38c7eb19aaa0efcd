"""The jobs of the benchmarks of databases, and who does each."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from scenarios import Kind

Place = Literal["postgresql", "link", "sqlite", "other sqlite", "mysql", "duckdb"]
"""A database that the benchmark starts; link is PostgreSQL behind a slow network."""

CHUNK = 5_000
NEEDS = {"rowferry": ("rowferry",), "etlhelper": ("etlhelper", "psycopg2"), "drivers": ()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """
    One line of a table.

    Attributes:
        library: "drivers" is what one writes by hand.
        job: a function in `peers/libraries.py` or `peers/drivers.py`.
        kind: "limit" is the fastest way that the database has.
        source_table: where it is not the scenario's.
        rows: where they are not those that the command line says.
        long: only done when asked for.
        needs: modules without which the peer is left out.
    """

    name: str
    library: Literal["rowferry", "etlhelper", "drivers"]
    job: str
    kind: Kind = "peer"
    source_table: str | None = None
    rows: int | None = None
    long: bool = False
    needs: tuple[str, ...] = ()

    def missing(self) -> str | None:
        """Name what has to be installed first, if anything."""
        needs = (*NEEDS[self.library], *self.needs)
        absent = [name for name in needs if importlib.util.find_spec(name) is None]
        return f"{self.name} needs {', '.join(absent)}" if absent else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """
    One table.

    Attributes:
        name: as asked for on the command line.
        shows: what is measured, in a sentence.
        source, target: the databases.
    """

    name: str
    shows: str
    source: Place
    target: Place
    source_table: str = "item"
    target_table: str = "target"
    peers: tuple[Peer, ...]


ours = partial(Peer, name="rowferry", library="rowferry", kind="ours")
etlhelper = partial(Peer, name="ETLHelper", library="etlhelper")
by_hand = partial(Peer, library="drivers")
limit = partial(Peer, library="drivers", kind="limit")

COPY_TEXT, COPY_BINARY = "COPY by hand, text", "COPY by hand, binary"
EXACT = "numeric and timestamptz"
CLEAN, BAD = ", clean chunks", ", a bad row in each chunk"

POSTGRESQL = (
    Scenario(
        name="postgresql-dicts",
        shows="PostgreSQL, `fetchall` as dicts",
        source="postgresql",
        target="postgresql",
        peers=(
            ours(job="fetch_dicts"),
            etlhelper(job="fetch_dicts"),
            by_hand(name="psycopg, text", job="psycopg_dicts"),
            by_hand(name="psycopg, binary", job="psycopg_binary_dicts"),
        ),
    ),
    Scenario(
        name="postgresql-tuples",
        shows="PostgreSQL, `fetchall` as tuples",
        source="postgresql",
        target="postgresql",
        peers=(
            ours(job="fetch_tuples"),
            etlhelper(job="fetch_tuples"),
            by_hand(name="psycopg, text", job="psycopg_tuples"),
            by_hand(name="psycopg, binary", job="psycopg_binary_tuples"),
        ),
    ),
    Scenario(
        name="postgresql-load",
        shows="dicts into PostgreSQL, `load`",
        source="postgresql",
        target="postgresql",
        peers=(
            ours(job="load"),
            etlhelper(job="load"),
            limit(name=COPY_TEXT, job="load_by_copy"),
            limit(name=COPY_BINARY, job="load_by_binary_copy"),
        ),
    ),
    Scenario(
        name="postgresql-postgresql",
        shows="PostgreSQL to PostgreSQL, `copy_table_rows`",
        source="postgresql",
        target="postgresql",
        peers=(
            ours(job="copy"),
            etlhelper(job="copy"),
            limit(name=COPY_TEXT, job="copy_to_copy"),
            limit(name=COPY_BINARY, job="binary_copy_to_copy"),
        ),
    ),
    Scenario(
        name="link",
        shows="the same over a network with a round trip of 10 ms",
        source="link",
        target="link",
        peers=(
            ours(job="copy"),
            etlhelper(job="copy"),
            limit(name=COPY_TEXT, job="copy_to_copy"),
        ),
    ),
    Scenario(
        name="bad-rows",
        shows="dicts into PostgreSQL, 5,000 a chunk, `load` with `on_error`",
        source="postgresql",
        target="postgresql",
        target_table="target_keyed",
        peers=(
            ours(name=f"rowferry{CLEAN}", job="load_clean", rows=10 * CHUNK),
            ours(name=f"rowferry{BAD}", job="load_bad", rows=10 * CHUNK),
            etlhelper(name=f"ETLHelper{CLEAN}", job="load_clean", rows=4 * CHUNK),
            etlhelper(name=f"ETLHelper{BAD}", job="load_bad", rows=4 * CHUNK),
        ),
    ),
)
SQLITE = (
    Scenario(
        name="sqlite-dicts",
        shows="SQLite, `fetchall` as dicts",
        source="sqlite",
        target="sqlite",
        peers=(
            ours(job="fetch_dicts"),
            etlhelper(job="fetch_dicts"),
            by_hand(name="sqlite3", job="cursor_dicts"),
        ),
    ),
    Scenario(
        name="sqlite-load",
        shows="dicts into SQLite, `load`",
        source="sqlite",
        target="sqlite",
        peers=(
            ours(job="load"),
            etlhelper(job="load"),
            limit(name="sqlite3, executemany", job="sqlite_load"),
        ),
    ),
    Scenario(
        name="sqlite-sqlite",
        shows="SQLite to SQLite, `copy_table_rows`",
        source="sqlite",
        target="other sqlite",
        peers=(
            ours(job="copy"),
            etlhelper(job="copy"),
            by_hand(name="sqlite3, executemany", job="sqlite_copy"),
            limit(name="ATTACH, INSERT … SELECT", job="sqlite_attach"),
        ),
    ),
    Scenario(
        name="sqlite-postgresql",
        shows="SQLite to PostgreSQL, `copy_table_rows`",
        source="sqlite",
        target="postgresql",
        target_table="target_int",  # SQLite has no boolean, and INSERT makes none of an integer
        peers=(
            ours(job="copy"),
            etlhelper(job="copy"),
            limit(name=COPY_TEXT, job="sqlite_to_copy"),
        ),
    ),
    Scenario(
        name="postgresql-sqlite",
        shows="PostgreSQL to SQLite, `copy_table_rows` of a view with what SQLite can store",
        source="postgresql",
        target="sqlite",
        source_table="item_plain",
        peers=(
            ours(job="copy"),
            etlhelper(job="copy"),
            by_hand(name="psycopg, sqlite3, executemany", job="psycopg_to_sqlite"),
            ours(name=f"{EXACT}: rowferry", job="copy", source_table="item"),
        ),
    ),
)
MARIADB = (
    Scenario(
        name="mariadb-dicts",
        shows="MariaDB, `fetchall` as dicts",
        source="mysql",
        target="mysql",
        peers=(ours(job="fetch_dicts"), by_hand(name="PyMySQL, DictCursor", job="pymysql_dicts")),
    ),
    Scenario(
        name="mariadb-load",
        shows="dicts into MariaDB, `load`",
        source="mysql",
        target="mysql",
        peers=(
            ours(job="load"),
            by_hand(name="PyMySQL, executemany", job="pymysql_load"),
            limit(name="LOAD DATA LOCAL from a file", job="pymysql_load_data"),
        ),
    ),
    Scenario(
        name="mariadb-mariadb",
        shows="MariaDB to MariaDB, `copy_table_rows`",
        source="mysql",
        target="mysql",
        peers=(
            ours(job="copy"),
            by_hand(name="PyMySQL, SSCursor, executemany", job="pymysql_copy"),
        ),
    ),
)
DUCKDB = (
    Scenario(
        name="duckdb-dicts",
        shows="DuckDB, `fetchall` as dicts",
        source="duckdb",
        target="duckdb",
        peers=(ours(job="fetch_dicts"), by_hand(name="duckdb", job="cursor_dicts")),
    ),
    Scenario(
        name="duckdb-load",
        shows="dicts into DuckDB, `load`",
        source="duckdb",
        target="duckdb",
        peers=(
            ours(job="load"),
            by_hand(name="duckdb, executemany", job="duckdb_load", rows=CHUNK),
            limit(name="Arrow, INSERT … SELECT", job="duckdb_load_by_arrow", needs=("pyarrow",)),
        ),
    ),
    Scenario(
        name="duckdb-duckdb",
        shows="DuckDB to DuckDB, `copy_table_rows`",
        source="duckdb",
        target="duckdb",
        peers=(ours(job="copy"), limit(name="INSERT … SELECT", job="duckdb_copy")),
    ),
)
MEMORY = Scenario(
    name="iter-rows",
    shows="peak memory of `iter_rows` against the number of rows of a PostgreSQL query",
    source="postgresql",
    target="postgresql",
    peers=(
        ours(name="rowferry, 1,000,000 rows", job="iterate", rows=1_000_000),
        ours(name="rowferry, 10,000,000 rows", job="iterate", rows=10_000_000, long=True),
        etlhelper(name="ETLHelper, 1,000,000 rows", job="iterate", rows=1_000_000),
    ),
)
SCENARIOS = (*POSTGRESQL, *SQLITE, *MARIADB, *DUCKDB, MEMORY)
