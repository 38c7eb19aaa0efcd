"""Where and with what the benchmarks ran."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENVIRONMENTS = Path(__file__).parents[1] / "build" / "peers"
PACKAGES = (
    "rowferry",
    "aiohttp",
    "requests",
    "httpx",
    "elasticsearch",
    "opensearch-py",
    "orjson",
    "uvloop",
    "httptools",
    "msgspec",
    "psycopg",
)
APART = {"niquests": "niquests", "dlt": "dlt", "drt": "drt-core"}
PROGRAMS = {"nginx": ["nginx", "-v"], "wrk": ["wrk", "-v"]}


def describe(
    postgresql: str | None,
    packages: Sequence[str] = PACKAGES,
    programs: Mapping[str, list[str]] = PROGRAMS,
    apart: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """
    Give the date, the machine, and the versions, with that of the server *postgresql*.

    Args:
        apart: packages by the environments of their own that they are in.
    """
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "cpu": _line("/proc/cpuinfo", r"model name\s*: (.+)"),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(int(_line("/proc/meminfo", r"MemTotal:\s+(\d+)")) / 2**20),
            "load_before": os.getloadavg()[0],
        },
        "versions": {
            "Python": platform.python_version(),
            "PostgreSQL": postgresql,
            **{name: _program(command) for name, command in programs.items()},
            **{name: _package(name) for name in packages},
            **{name: _package_apart(name, package) for name, package in (apart or {}).items()},
        },
    }


def _line(file: str, pattern: str) -> str:
    found = re.search(pattern, Path(file).read_text())
    return found[1] if found else "0"


def _program(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else None


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _package_apart(environment: str, name: str) -> str | None:
    folders = map(str, ENVIRONMENTS.glob(f"{environment}/lib/*/site-packages"))
    return next((found.version for found in distributions(name=name, path=[*folders])), None)
