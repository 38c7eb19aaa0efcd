"""The servers of the benchmarks: private, on loopback, gone when the benchmark is."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import item
import psycopg

import rowferry as etl

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import search_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent

TABLE = """
create unlogged table item as
select n::bigint as id,
       'C' || lpad(to_hex((n * 2654435761) %% 4294967296), 8, '0') as code,
       'Sample ' || md5(n::text) as description,
       (n * 7919 %% 1000000 / 100.0)::numeric(10, 2) as price,
       timestamptz '2020-01-01 00:00+00' + n * interval '37 seconds' as updated,
       n %% 3 <> 0 as active
from generate_series(1, %s::bigint) as n
"""

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1d;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location = /status {{ stub_status; }}
    location = /items {{ return 201; }}
    location /items/ {{ return 201; }}
    location = /numbered {{ return 201 '{{"id": "$request_id"}}'; }}
  }}
{secure}
}}
"""

SECURE = """
  ssl_certificate {folder}/cert.pem;
  ssl_certificate_key {folder}/key.pem;
  server {{
    listen 127.0.0.1:{port} ssl;
    location = /items {{ return 201; }}
  }}
"""


class MissingServerError(Exception):
    """A server is not installed, or did not start; the message says how to get it or why."""


class CountingApi(Protocol):
    """
    An API that tells what it was sent.

    Attributes:
        ca: file of the authority that verifies it; empty where it is plain http.
    """

    url: str
    ca: str

    def reset(self) -> None:
        """Count from 0."""

    def counts(self) -> dict[str, int]:
        """Give what arrived since the reset: `records`, `requests`, and what else it knows."""


class OwnApi:
    """The face of `api.py`."""

    ca = ""

    def __init__(self, root: str, path: str) -> None:
        self.url = f"{root}{path}"
        self._root = root

    def reset(self) -> None:
        """Count from 0."""
        _fetch(f"{self._root}/reset", data=b"")

    def counts(self) -> dict[str, int]:
        """Give requests, records, bytes, and requests in flight at most."""
        return json.loads(_fetch(f"{self._root}/stats"))


class NginxApi:
    """nginx, which counts requests, its status page's own among them."""

    def __init__(self, root: str, path: str) -> None:
        self.url = f"{root}{path}"
        self.ca = ""
        self._root = root
        self._before = 0

    def reset(self) -> None:
        """Count from 0."""
        self._before = self._requests()

    def counts(self) -> dict[str, int]:
        """Give the requests; each is one record."""
        requests = self._requests() - self._before - 1  # the status request itself
        return {"requests": requests, "records": requests}

    def _requests(self) -> int:
        """Read `accepts handled requests` from the third line of the status page."""
        return int(_fetch(f"{self._root}/status").splitlines()[2].split()[2])


@contextmanager
def postgresql(rows: int) -> Iterator[str]:
    """Start PostgreSQL with *rows* rows in the table `item`; give its URL."""
    initdb, postgres = (_postgresql_program(name) for name in ("initdb", "postgres"))
    user = _unprivileged()
    with _folder(user) as folder:
        rights = {"user": user, "group": user, "extra_groups": []} if user else {}
        create = [initdb, "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "--no-sync"]
        subprocess.run(
            [*create, "-E", "UTF8", "--locale=C.UTF-8"],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            **rights,
        )
        settings = [
            *("fsync=off", "listen_addresses=", f"unix_socket_directories={folder}"),
            *("shared_buffers=512MB", "autovacuum=off", "timezone=UTC"),
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        url = f"postgresql://postgres@/postgres?host={quote(str(folder), safe='')}"
        with _kept([postgres, "-D", f"{folder}/data", *options], folder, user=user):
            _wait_for(partial(_fill, url, rows), folder)
            yield url


@contextmanager
def nginx(*, path: str = "/items", tls: bool = False) -> Iterator[NginxApi]:
    """
    Start nginx with one worker that answers 201 to everything.

    Args:
        path: /items, whose answers have no body, or /numbered, whose answers all differ.
        tls: whether rows go over TLS, to /items; its status page does not.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise MissingServerError("nginx is not installed: apt-get install nginx-light")
    with _folder() as folder:
        port = _free_port()
        config = folder / "nginx.conf"
        secure_port = _free_port() if tls else 0
        secure = SECURE.format(folder=folder, port=secure_port) if tls else ""
        config.write_text(NGINX.format(folder=folder, port=port, secure=secure))
        if tls:
            _certify(folder)
        command = [program, "-c", str(config), "-e", f"{folder}/error.log", "-p", str(folder)]
        with _kept(command, folder):
            api = NginxApi(f"http://127.0.0.1:{port}", path)
            if tls:
                api.url, api.ca = f"https://127.0.0.1:{secure_port}{path}", f"{folder}/ca.pem"
            _wait_for(api.reset, folder)
            yield api


def _certify(folder: Path) -> None:
    """Write ca.pem, cert.pem and key.pem: an authority, and what it says of 127.0.0.1."""
    import trustme  # noqa: PLC0415 (only where there is TLS)

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")


@contextmanager
def own_api(*, path: str = "/items", **options: float | str) -> Iterator[OwnApi]:
    """Start `api.py` with its *options*, underscores for hyphens; rows go to *path*."""
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    with _folder() as folder:
        port = _free_port()
        command = [sys.executable, str(HERE / "api.py"), f"--port={port}", *words]
        with _kept(command, folder):
            api = OwnApi(f"http://127.0.0.1:{port}", path)
            _wait_for(api.reset, folder)
            yield api


class SearchNode:
    """A real search node with one index of one shard, `items`."""

    ca = ""

    def __init__(self, node: search_nodes.Node) -> None:
        self.url = node.url
        self._node = node

    def reset(self) -> None:
        """Make the index anew."""
        self._node.delete("/items")
        self._node.put("/items", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})

    def counts(self) -> dict[str, int]:
        """Give the documents that the index has."""
        return {"requests": 0, "records": self._node.count("items")}


@contextmanager
def search_node(kind: str = "es9", *, warm_up: int = 1_000_000) -> Iterator[SearchNode]:
    """Start a search node, and fill it with so many documents: a cold one is far slower."""
    with ExitStack() as stack:
        try:
            node = stack.enter_context(search_nodes.started(kind, jvm=search_nodes.BENCHMARK_JVM))
        except search_nodes.MissingError as error:
            raise MissingServerError(str(error)) from error
        api = SearchNode(node)
        api.reset()
        rows = item.dicts(warm_up, "rich")
        etl.post_rows(rows, etl.Api.elasticsearch(node.url, index="items"), key="id")
        yield api


@contextmanager
def _kept(
    command: list[str], folder: Path, *, user: str | None = None, stopped_by: str = "SIGINT"
) -> Iterator[None]:
    """Run *command* under a keeper, which stops it when we end, however we end."""
    keeper = [sys.executable, str(HERE / "keeper.py"), "--signal", stopped_by]
    keeper += ["--user", user] if user else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*keeper, *command],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours: servers leave last
        )
    try:
        yield
    finally:
        process.stdin.close()
        process.wait()


@contextmanager
def _folder(user: str | None = None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rf-bench-", ignore_cleanup_errors=True) as name:
        if user:
            shutil.chown(name, user, user)
        yield Path(name)


def _wait_for(attempt: Callable[[], None], folder: Path, *, seconds: float = 20.0) -> None:
    """Repeat *attempt* until the server is there to answer it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except (OSError, psycopg.OperationalError) as error:
            if time.monotonic() > deadline:
                log = (folder / "log").read_text(errors="replace")[-2000:]
                raise MissingServerError(f"server did not start: {error}\n{log}") from error
            time.sleep(0.05)


def _fill(url: str, rows: int) -> None:
    with psycopg.connect(url, autocommit=True, client_encoding="utf8") as conn:
        cursor = psycopg.ClientCursor(conn)
        cursor.execute(TABLE, (rows,))
        cursor.execute("vacuum analyze item")


def _postgresql_program(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    program = shutil.which(name, path=":".join([*map(str, folders), os.environ["PATH"]]))
    if program is None:
        raise MissingServerError(
            f"PostgreSQL's {name} is not installed: apt-get install postgresql"
        )
    return program


def _version(folder: Path) -> int:
    return int(folder.parent.name)


def _unprivileged() -> str | None:
    """Name a user to run PostgreSQL, which refuses root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    names = {line.partition(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _fetch(url: str, data: bytes | None = None) -> str:
    with urllib.request.urlopen(url, data=data, timeout=5) as response:
        return response.read().decode()
