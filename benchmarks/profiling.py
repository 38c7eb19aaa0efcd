"""
Measure where each microsecond of a row goes, by layer.

    make profile PYTHON=python3.13 VENV=.venv-newest

`perf` looks 997 times in a second of CPU at what the client's threads run, in C, in the kernel and
in Python, whose perf trampoline names the functions (Python 3.12 and later). What a row costs is
taken from turns without `perf`; its samples only divide that up.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import layers
import machine
import profile_report
import psycopg

import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

HERE = Path(__file__).parent
FREQUENCY = 997  # a second of CPU; no multiple of what else ticks
STACK = 8192  # bytes of the stack kept with a sample: what leads from C to the Python function
TURNS = 2
PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """
    A transfer to look at.

    Attributes:
        batch: records a request.
        journal: whether it has one, and a key.
    """

    name: str
    shows: str
    api: Callable[[], AbstractContextManager[servers.CountingApi]]
    rows: int
    batch: int = 1
    journal: bool = False


PROFILES = (
    Profile(name="S2", shows="one POST a row", api=servers.nginx, rows=100_000),
    Profile(
        name="S3",
        shows="500 records a POST, NDJSON",
        api=servers.own_api,
        rows=500_000,
        batch=500,
    ),
    Profile(
        name="S2 with a journal",
        shows="with idempotency keys and a journal",
        api=servers.nginx,
        rows=100_000,
        journal=True,
    ),
)


def main() -> None:
    """Profile, print, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, default=HERE / "results" / "profile.json")
    args = parser.parse_args()
    if missing := _missing():
        raise SystemExit(missing)
    results = measure()
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(results, indent=1) + "\n")
    print(profile_report.render(results), end="")


def _missing() -> str | None:
    """Name what has to be there first, if anything."""
    if not hasattr(sys, "activate_stack_trampoline"):
        return "perf names the functions of Python 3.12 and later: PYTHON=python3.13 VENV=…"
    if shutil.which("perf") is None:
        return "perf is not installed: apt-get install linux-perf"
    if os.geteuid() and int(PARANOID.read_text()) > 1:
        return "perf may not look into the kernel: sysctl kernel.perf_event_paranoid=1"
    return None


def measure() -> dict[str, Any]:
    """Run every profile."""
    with servers.postgresql(max(profile.rows for profile in PROFILES)) as dsn:
        with closing(psycopg.connect(dsn)) as conn:
            version = conn.execute("show server_version").fetchone()[0].split()[0]
        return machine.describe(version) | {
            "frequency": FREQUENCY,
            "profiles": [_profiled(profile, dsn) for profile in PROFILES],
        }


def _profiled(profile: Profile, dsn: str) -> dict[str, Any]:
    """Run a transfer in turns, without perf and with it; give what it took and the samples."""
    runs, seen = [], Counter[str]()
    with profile.api() as api, tempfile.TemporaryDirectory(prefix="rf-perf-") as folder:
        data = Path(folder) / "perf.data"
        for _ in range(TURNS):
            runs.append(_transfer(profile, dsn, api) | {"profiled": False})
            look = partial(_perf, data)
            runs.append(_transfer(profile, dsn, api, look) | {"profiled": True})
            seen.update(map(layers.layer_of, layers.samples(_script(data))))
    told = {"name": profile.name, "shows": profile.shows, "batch": profile.batch, "runs": runs}
    return told | {"samples": {layer: seen[layer] for layer in layers.LAYERS}}


def _transfer(
    profile: Profile,
    dsn: str,
    api: servers.CountingApi,
    look: Callable[[int], AbstractContextManager[None]] | None = None,
) -> dict[str, Any]:
    """Let a process of its own transfer the rows while *look* has an eye on it."""
    options = [f"--dsn={dsn}", f"--url={api.url}", f"--rows={profile.rows}"]
    options += [f"--batch={profile.batch}", "--concurrency=adaptive"]
    options += ["--key=id"] if profile.journal else []
    trampoline = ["-X", "perf"] if look else []
    process = subprocess.Popen(
        [sys.executable, *trampoline, str(HERE / "peers" / "profiled.py"), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()  # it is warm
    if look is None:
        return json.loads(process.communicate("go\n")[0])
    with look(process.pid):
        return json.loads(process.communicate("go\n")[0])


@contextmanager
def _perf(data: Path, pid: int) -> Iterator[None]:
    """Record a process until it ends; the block begins once that has begun."""
    orders, acknowledgements = os.pipe(), os.pipe()
    control = f"--control=fd:{orders[0]},{acknowledgements[1]}"
    command = ["perf", "record", "-N", "-e", "cpu-clock", "-F", str(FREQUENCY), "-o", str(data)]
    command += ["--call-graph", f"dwarf,{STACK}", "-D", "-1", control, "-p", str(pid)]
    recording = subprocess.Popen(
        command, pass_fds=(orders[0], acknowledgements[1]), stderr=subprocess.DEVNULL
    )
    os.write(orders[1], b"enable\n")
    os.read(acknowledgements[0], 16)
    try:
        yield
    finally:
        recording.wait()
        for descriptor in (*orders, *acknowledgements):
            os.close(descriptor)


def _script(data: Path) -> str:
    """Give the samples of a recording as text; leave nothing of Python's map of functions."""
    fields = "comm,tid,ip,sym,dso"
    done = subprocess.run(
        ["perf", "script", "-i", str(data), "--no-inline", "-F", fields],
        check=True,
        capture_output=True,
        text=True,
    )
    for path in set(layers.MAP.findall(done.stdout)):
        Path(path).unlink(missing_ok=True)
    return done.stdout


if __name__ == "__main__":
    main()
