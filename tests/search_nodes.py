"""
Real search nodes on loopback, from the jars on Maven Central alone: no distribution, no service.

Jars are fetched once and kept in ~/.cache/rowferry-tests (or ROWFERRY_TEST_CACHE).

    with started("es9") as node:
        node.put("/airports", {"mappings": {"dynamic": "strict"}})
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent / "search_node"

KINDS = {"es7": 17, "es9": 21, "os2": 17, "os3": 21}
"""Elasticsearch 7.17 and 9, OpenSearch 2 and 3: the oldest Java that each runs on."""

_JVM = ("-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # half the start
BENCHMARK_JVM = ("-Xms1g", "-Xmx1g")
_SETTINGS = (
    *("node.name=n1", "cluster.name=test", "discovery.type=single-node"),
    *("network.host=127.0.0.1", "transport.type=netty4", "http.type=netty4"),
    "cluster.routing.allocation.disk.threshold_enabled=false",  # a full disk is no test's business
)
_START = 60.0
_FETCH = 300.0


class MissingError(Exception):
    """A node cannot be had here; the message says what is missing and how to get it."""


class NoJavaError(MissingError):
    """There is no Java that is new enough."""


class Node:
    """
    A node that runs.

    Attributes:
        url: where it listens, without a path.
    """

    def __init__(self, kind, folder, port, settings=(), jvm=_JVM):
        self.kind = kind
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._folder = Path(folder)
        self._settings = settings
        self._jvm = jvm
        self._process = None

    def start(self):
        """Start the process; it ends by itself, too, when this one ends, however that is."""
        java, jars = java_for(self.kind), prepared(self.kind)
        home = self._folder / "home"
        if not home.exists():
            shutil.copytree(jars / "home", home)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(java / "java", *self._jvm, "-cp", f"{jars}/lib/*:{jars}", "Main", home),
                    *(*_SETTINGS, f"http.port={self.port}", *self._settings),
                ],
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def wait(self):
        """Wait until it answers."""
        deadline = time.monotonic() + _START
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                self.get("/_cluster/health")
                return self
            time.sleep(0.05)
        log = (self._folder / "log").read_text(errors="replace")[-2000:]
        raise MissingError(f"{self.kind} does not start: {log}")

    def kill(self):
        """End the process as a crash does; nothing in a node is worth a tidier end."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()

    def request(self, method, path, body=None):
        """Ask the node; give its answer's status and JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, _read(response.read())
        except urllib.error.HTTPError as error:
            return error.code, _read(error.read())

    def get(self, path, body=None):
        return self._good(*self.request("GET", path, body))

    def put(self, path, body=None):
        return self._good(*self.request("PUT", path, body or {}))

    def post(self, path, body=None):
        return self._good(*self.request("POST", path, body))

    def delete(self, path):
        return self.request("DELETE", path)

    def _good(self, status, answer):
        if status >= 300:
            raise AssertionError(f"{self.kind} answered {status}: {answer}")
        return answer

    def count(self, index):
        """Give how many documents an index has, those just written included."""
        self.post(f"/{index}/_refresh")
        return self.get(f"/{index}/_count")["count"]

    def empty(self):
        """Delete all indices, and what was set for them."""
        self.put("/_cluster/settings", {"persistent": {"action.auto_create_index": None}})
        for name in self.get("/_all"):
            for block in ("read_only_allow_delete", "write", "read_only"):
                self.request("PUT", f"/{name}/_settings", {f"index.blocks.{block}": None})
            self._good(*self.delete(f"/{name}"))

    def documents(self, index):
        """Give the documents of an index by their ids; numbers with a point as exact decimals."""
        self.post(f"/{index}/_refresh")
        found = {}
        page = self.post(f"/{index}/_search?scroll=1m", {"size": 10_000, "sort": ["_doc"]})
        while page["hits"]["hits"]:
            found |= {hit["_id"]: hit["_source"] for hit in page["hits"]["hits"]}
            wanted = {"scroll": "1m", "scroll_id": page["_scroll_id"]}
            page = self.post("/_search/scroll", wanted)
        return found


def _read(text):
    return json.loads(text, parse_float=Decimal) if text.startswith((b"{", b"[")) else text.decode()


@contextlib.contextmanager
def started(kind, *settings, jvm=_JVM):
    """Start a node of a *kind* with *settings* of its own; it is gone after the block."""
    with tempfile.TemporaryDirectory(prefix=f"rf-{kind}-", dir="/tmp") as folder:
        node = Node(kind, folder, _free_port(), settings, jvm)
        try:
            yield node.start().wait()
        finally:
            node.kill()


def java_for(kind):
    """Give the folder with a `java` and a `javac` that are new enough for a kind."""
    least = KINDS[kind]
    homes = [Path(os.environ["JAVA_HOME"]) / "bin"] if "JAVA_HOME" in os.environ else []
    on_path = [Path(found).parent for found in [shutil.which("java")] if found]
    for folder in [*homes, *on_path, *sorted(Path("/usr/lib/jvm").glob("*/bin"))]:
        if (folder / "javac").exists() and _java_version(folder) >= least:
            return folder
    package = "openjdk-17-jdk-headless" if least <= 17 else "openjdk-21-jdk-headless, or Temurin's"
    raise NoJavaError(f"{kind} needs a JDK of version {least} or later: apt-get install {package}")


def _java_version(folder):
    told = subprocess.run(
        [folder / "java", "-version"], capture_output=True, text=True, check=False
    ).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found[1]) if found else 0


def prepared(kind):
    """Give the folder with the jars of a kind and our class; fetch what is not there yet."""
    cache = Path(os.environ.get("ROWFERRY_TEST_CACHE") or Path.home() / ".cache/rowferry-tests")
    recipe = b"".join((HERE / name).read_bytes() for name in ("pom.xml", "Main.java"))
    folder = cache / f"{kind}-{hashlib.sha256(recipe).hexdigest()[:12]}"
    if folder.exists():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingError("the jars of search nodes are fetched by Maven: apt-get install maven")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{kind}-", dir=cache) as made:
        goal = ("-P", kind, f"-Dto={made}/it", "generate-resources")
        _run(maven, "-q", "-B", "-Dstyle.color=never", "-f", HERE / "pom.xml", *goal)
        (Path(made) / "it/home").mkdir(exist_ok=True)
        javac = java_for(kind) / "javac"
        _run(javac, "--release", "17", "-d", f"{made}/it", HERE / "Main.java")
        with contextlib.suppress(OSError):  # another run was quicker
            (Path(made) / "it").rename(folder)
    return folder


def _run(*command):
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=_FETCH,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise MissingError(f"{' '.join(map(str, command))}: {(done.stdout + done.stderr)[-2000:]}")


def _free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]
