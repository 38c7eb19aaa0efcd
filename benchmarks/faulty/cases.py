"""Who is put to the test of faults, with which settings, and how each is started."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from machine import ENVIRONMENTS

from faulty.api import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
PEERS = HERE.parent / "peers"
DRT_MODEL = (
    "select id, code, description, price::float8 as price, updated::text as updated, active "
    "from item"
)
PATIENT = "each request sent up to 8 times (waits of 0.1 s, then twice as long each), 400 to a file"


@dataclass(frozen=True, slots=True)
class Case:
    """
    A peer with its settings.

    Attributes:
        settings: in words.
        command: gives its words for the URLs of the database and of the API.
        prepare: writes what it needs into the folder that it is run in, for the same URLs.
        environment: as of `scenarios.Peer`.
    """

    peer: str
    settings: str
    command: Callable[[str, str], list[str]]
    prepare: Callable[[Path, str, str], None] = lambda *_: None
    environment: str = ""

    @property
    def name(self) -> str:
        """Name the peer and its settings."""
        return f"{self.peer}, {self.settings}"

    @property
    def is_missing(self) -> bool:
        """Tell whether its environment has not been made."""
        return bool(self.environment) and not (ENVIRONMENTS / self.environment).exists()


def script(path: Path, *options: str, environment: str = "") -> Callable[[str, str], list[str]]:
    """Give the command that runs a script with a job."""
    folder = ENVIRONMENTS / environment / "bin"
    python = str(folder / "python") if environment else sys.executable

    def command(dsn: str, url: str) -> list[str]:
        job = [f"--dsn={dsn}", f"--url={url}", f"--rows={ROWS}"]
        return [python, str(path), *options, *job]

    return command


def bulk_script(path: Path) -> Callable[[str, str], list[str]]:
    """Give the command that runs a script of Elasticsearch's helpers."""
    return script(path, "--batch=500", "--key=id")


def drt(*, careful: bool) -> Case:
    """Give drt, run by its command in a project of its own."""
    options = {"rate_limit": {"requests_per_second": 0}}
    idempotent = {}
    if careful:
        options |= {
            "batch_size": ROWS,
            "on_error": "skip",
            "dlq": {"enabled": True},
            "retry": {"max_attempts": 8, "initial_backoff": 0.1},
        }
        idempotent = {"native_idempotency_key": "{{ row.id }}"}

    def prepare(folder: Path, dsn: str, url: str) -> None:
        destination = {"type": "rest_api", "url": url, **idempotent}
        sync = {"name": "items", "model": DRT_MODEL, "destination": destination, "sync": options}
        socket = dsn.partition("?host=")[2].replace("%2F", "/")
        profile = {"type": "postgres", "host": socket, "dbname": "postgres", "user": "postgres"}
        for path, content in {  # JSON is YAML
            "drt_project.yml": {"name": "items", "profile": "default"},
            "syncs/items.yml": sync,
            ".drt/profiles.yml": {"default": profile},
        }.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(json.dumps(content))

    settings = "by default, but for its limit of 10 requests a second"
    if careful:
        settings = (
            "no limit a second, one batch, on_error: skip, a dead letter queue, 8 attempts from "
            "0.1 s, an idempotency key"
        )
    command = str(ENVIRONMENTS / "drt" / "bin" / "drt")
    return Case("drt", settings, lambda *_: [command, "run"], prepare, "drt")


def job_file(folder: Path, dsn: str, url: str) -> None:
    """Write a job as `rowferry init` writes it, but for its comments."""
    (folder / "job.toml").write_text(
        f'[jobs.item]\nkey = "id"\nsource = {{ url = "{dsn}", table = "item" }}\napi = "{url}"\n'
    )


CASES = (
    Case("Requests, one after another", "by default", script(PEERS / "requests_sequential.py")),
    Case(
        "Requests, one after another",
        "a session with urllib3's Retry(8), 400 to a file",
        script(HERE / "requests_careful.py"),
    ),
    Case("ETLHelper's recipe", "as it is", script(PEERS / "recipe.py", "--in-flight=100")),
    Case("ETLHelper's recipe", PATIENT, script(HERE / "recipe_careful.py", "--in-flight=100")),
    Case("hand-written aiohttp", "as it is", script(PEERS / "handwritten.py")),
    Case("hand-written aiohttp", PATIENT, script(HERE / "handwritten_careful.py")),
    Case("httpx, 64 workers", "by default", script(PEERS / "httpx_one_client.py")),
    Case("httpx, 64 workers", PATIENT, script(HERE / "httpx_careful.py")),
    Case(
        "Niquests, 64 workers",
        "by default",
        script(PEERS / "niquests_workers.py", environment="niquests"),
        environment="niquests",
    ),
    Case(
        "Niquests, 64 workers",
        "its RetryConfiguration(8), 400 to a file",
        script(HERE / "niquests_careful.py", environment="niquests"),
        environment="niquests",
    ),
    Case("elasticsearch-py streaming_bulk", "by default", bulk_script(PEERS / "streaming_bulk.py")),
    Case(
        "elasticsearch-py streaming_bulk",
        "max_retries=8 of helper and client, retry_on_status, retry_backoff, raise_on_error and "
        "raise_on_exception off, errors to a file",
        bulk_script(HERE / "streaming_bulk_careful.py"),
    ),
    Case(
        "dlt",
        "its destination by default: 10 rows a call, posted by Requests",
        script(HERE / "dlt_pipelines.py", "plain", environment="dlt"),
        environment="dlt",
    ),
    Case(
        "dlt",
        "one row a call, 64 load jobs, dlt's own Requests, which retries, 400 to a file",
        script(HERE / "dlt_pipelines.py", "careful", environment="dlt"),
        environment="dlt",
    ),
    drt(careful=False),
    drt(careful=True),
    Case(
        "rowferry, the library",
        "copy_to_api by default",
        script(HERE / "ours_by_library.py", "plain"),
    ),
    Case(
        "rowferry, the library",
        "with a key and a journal",
        script(HERE / "ours_by_library.py", "careful"),
    ),
    Case(
        "rowferry, the command",
        "a job by default, as `rowferry init` writes it",
        lambda *_: [sys.executable, "-m", "rowferry", "run", "job.toml"],
        job_file,
    ),
)
