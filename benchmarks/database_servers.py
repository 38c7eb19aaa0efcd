"""MariaDB, and a slow network, for the benchmarks of databases; `servers` has the others."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from servers import (
    HERE,
    MissingServerError,
    _folder,
    _free_port,
    _kept,
    _unprivileged,
    _wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = (
    *("bind-address=127.0.0.1", "skip-name-resolve", "character-set-server=utf8mb4"),
    *("innodb-buffer-pool-size=512M", "innodb-flush-log-at-trx-commit=0", "local-infile=1"),
)
INSTALL = ("--auth-root-authentication-method=normal", "--skip-test-db")


@contextmanager
def mariadb() -> Iterator[str]:
    """Start MariaDB with an empty database `bench`; give its URL."""
    install, server = (_mariadb_program(name) for name in ("mariadb-install-db", "mariadbd"))
    user = _unprivileged()
    with _folder(user) as folder:
        port = _free_port()
        common = ["--no-defaults", f"--datadir={folder}/data"]
        rights = {"user": user, "group": user, "extra_groups": []} if user else {}
        subprocess.run(
            [install, *common, *INSTALL],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            **rights,
        )
        settings = [f"socket={folder}/socket", f"pid-file={folder}/pid", f"port={port}", *SETTINGS]
        command = [server, *common, *(f"--{setting}" for setting in settings)]
        with _kept(command, folder, user=user, stopped_by="SIGTERM"):
            _wait_for(partial(_knock, port), folder)
            _create_database(port)
            yield f"mysql://root@127.0.0.1:{port}/bench"


@contextmanager
def link(dsn: str, *, delay: float) -> Iterator[str]:
    """Start a network in which each way to the PostgreSQL at *dsn* takes *delay* seconds."""
    there = conninfo_to_dict(dsn)
    port = _free_port()
    path = f"{there['host']}/.s.PGSQL.{there.get('port', 5432)}"
    options = ["--port", str(port), "--delay", str(delay), path]
    with _folder() as folder, _kept([sys.executable, str(HERE / "link.py"), *options], folder):
        _wait_for(partial(_knock, port), folder)
        yield f"postgresql://{there['user']}@127.0.0.1:{port}/{there['dbname']}?sslmode=disable"


def round_trip(dsn: str) -> float:
    """Give the seconds that `select 1` takes: the median of 20."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        return median(_timed(conn) for _ in range(20))


def _timed(conn: psycopg.Connection) -> float:
    begun = time.perf_counter()
    conn.execute("select 1")
    return time.perf_counter() - begun


def _knock(port: int) -> None:
    socket.create_connection(("127.0.0.1", port)).close()


def _create_database(port: int) -> None:
    import pymysql  # noqa: PLC0415, an extra: without it MariaDB alone is left out

    with pymysql.connect(host="127.0.0.1", port=port, user="root") as conn:
        conn.cursor().execute("create database bench")


def _mariadb_program(name: str) -> str:
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise MissingServerError(f"{name} is not installed: apt-get install mariadb-server")
    return program
