"""The databases of the benchmarks, each by its bare driver: connect, make tables, look inside."""

from __future__ import annotations

import csv
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import item

if TYPE_CHECKING:
    from item import Content

POSTGRESQL = """
create table few (like item);
insert into few select * from item where id <= 10;
create view item_plain as
    select id, code, description, price::double precision as price, updated::text as updated, active
    from item;
create view few_plain as select * from item_plain where id <= 10;
create table target (
    id bigint not null, code text not null, description text not null,
    price numeric(10, 2) not null, updated timestamptz not null, active boolean not null);
create table target_int (like target);
alter table target_int alter column active type integer using active::integer;
create table target_keyed (like target, primary key (id));
"""
COLUMNS = {
    "sqlite": "id integer, code text, description text, price real, updated text, active integer",
    "mysql": (
        "id bigint, code varchar(9), description varchar(40), price decimal(10, 2), "
        "updated datetime, active boolean"
    ),
    "duckdb": (
        "id bigint, code text, description text, price decimal(10, 2), "
        "updated timestamp, active boolean"
    ),
}
FORMS = {"postgresql": "rich", "sqlite": "plain", "mysql": "naive", "duckdb": "naive"}
FEW = 10


@dataclass(frozen=True, slots=True)
class Store:
    """
    A database.

    Attributes:
        url: its scheme says which it is; of SQLite and DuckDB the rest is the path.
    """

    url: str

    @property
    def kind(self) -> str:
        """Name the database: the scheme of the URL."""
        return self.url.partition(":")[0]

    @property
    def form(self) -> str:
        """Name the form in which it takes rows (see `item.rows`)."""
        return FORMS[self.kind]

    def connect(self, driver: str = "psycopg") -> Any:
        """Open a connection; to PostgreSQL by *driver*: psycopg, psycopg2, or rowferry."""
        if self.kind == "postgresql":
            return __import__(driver).connect(self.url)
        if self.kind == "sqlite":
            return sqlite3.connect(self._path)
        if self.kind == "duckdb":
            return __import__("duckdb").connect(self._path)
        parts = urlsplit(self.url)
        options = {"host": parts.hostname, "port": parts.port, "user": parts.username}
        return __import__("pymysql").connect(**options, database=parts.path[1:], local_infile=True)

    def fill(self, rows: int) -> None:
        """Make the tables: item with *rows* rows (PostgreSQL has it), few with 10, target."""
        with closing(self.connect()) as conn:
            cursor = conn.cursor()
            if self.kind == "postgresql":
                cursor.execute(POSTGRESQL)
            else:
                for table in ("item", "few", "target"):
                    cursor.execute(f"create table {table} ({COLUMNS[self.kind]})")
                self._insert(cursor, rows)
                cursor.execute(f"insert into few select * from item where id <= {FEW}")
            self.commit(conn)

    def empty(self, table: str) -> None:
        """Remove all rows."""
        with closing(self.connect()) as conn:
            verb = "delete from" if self.kind == "sqlite" else "truncate"
            conn.cursor().execute(f"{verb} {table}")
            self.commit(conn)

    def commit(self, conn: Any) -> None:
        """End the transaction; DuckDB has ended it by itself, and would complain."""
        if self.kind != "duckdb":
            conn.commit()

    def content(self, table: str) -> Content:
        """Read what is in *table*."""
        with closing(self.connect()) as conn:
            cursor = conn.cursor()
            cursor.execute(f"select * from {table}")
            return item.content(cursor.fetchall())

    @property
    def _path(self) -> str:
        return self.url.partition(":")[2]

    def _insert(self, cursor: Any, rows: int) -> None:
        """Fill item: DuckDB from a file, since its `executemany` does 1,000 rows a second."""
        if self.kind == "duckdb":
            with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
                csv.writer(file).writerows(item.rows(rows, self.form))
                file.flush()
                cursor.execute(f"copy item from '{file.name}'")
            return
        mark = "?" if self.kind == "sqlite" else "%s"
        marks = ", ".join([mark] * len(item.COLUMNS))
        cursor.executemany(f"insert into item values ({marks})", list(item.rows(rows, self.form)))
