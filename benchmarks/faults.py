"""
Put rowferry and its peers to the test of faults: what is delivered, lost, doubled, and said.

    python benchmarks/faults.py --only rowferry,drt

Each sends 5,000 rows to an API of `faulty/api.py`, three times: where 1 % of the requests get a 503
and three rows always a 400; where it is killed at half way and started again; and where the API
refuses connections for 10 s from half way on. What became of the rows is counted at the API.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import fault_report
import machine
from faulty.api import ROWS, Api, Fault
from faulty.cases import CASES

import servers

if TYPE_CHECKING:
    from faulty.cases import Case

HERE = Path(__file__).parent
LIMIT = 180  # seconds, after which a run is killed
PACKAGES = ("rowferry", "requests", "aiohttp", "httpx", "elasticsearch")
TELLING = re.compile(r"error|failed|delivered|dead|succe", re.IGNORECASE)

Outcome = dict[str, Any]


def main() -> None:
    """Run what the command line asks for; print it, save it."""
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by way of the servers' exits
    cases = [case for case in CASES if any(name in case.name for name in args.only.split(","))]
    with servers.postgresql(ROWS) as dsn:
        results = machine.describe(None, PACKAGES, {}, machine.APART) | {
            "rows": ROWS,
            "cases": [measure(case, dsn) for case in cases if not case.is_missing],
        }
    results["skipped"] = [case.name for case in cases if case.is_missing]
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{fault_report.render(results)}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="cases whose names hold one of these words")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "faults.json")
    return parser.parse_args()


def measure(case: Case, dsn: str) -> dict[str, Any]:
    """Let *case* meet every fault."""
    outcomes = {}
    for fault in get_args(Fault):
        with tempfile.TemporaryDirectory(prefix="rf-faults-") as folder:
            outcomes[fault] = asyncio.run(meet(case, fault, dsn, Path(folder)))
        print(f"{case.name} | {fault}: {outcomes[fault]}", flush=True)
    return {"peer": case.peer, "settings": case.settings, **outcomes}


async def meet(case: Case, fault: Fault, dsn: str, folder: Path) -> Outcome:
    """Let *case* meet one; give what became of the rows and of the process."""
    api = Api(fault)
    await api.listen()
    url = f"http://127.0.0.1:{api.port}/items"
    case.prepare(folder, dsn, url)
    begun = time.monotonic()
    if fault == "killed":
        await run(case.command(dsn, url), folder, killed_at=api.half)
    code = await run(case.command(dsn, url), folder)
    seconds = time.monotonic() - begun
    api.close()
    return api.counts() | {"exit": code, "said": said(folder, dsn), "seconds": round(seconds, 1)}


async def run(
    command: list[str], folder: Path, killed_at: asyncio.Future[None] | None = None
) -> int | None:
    """Run *command*, and kill it at that moment; give its exit code, None if it never ended."""
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=environment(folder),
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        ended = asyncio.ensure_future(process.wait())
        try:
            ends = [ended, killed_at] if killed_at else [ended]
            await asyncio.wait(ends, timeout=LIMIT, return_when=asyncio.FIRST_COMPLETED)
            return ended.result() if ended.done() else None
        finally:  # also where we are interrupted
            if not ended.done():
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


def environment(folder: Path) -> dict[str, str]:
    """Give the variables of a peer: its home is the folder that it is run in."""
    paths = [HERE / "peers", HERE / "faulty", os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "HOME": str(folder),
        "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in paths if path),
        "COLUMNS": "200",
        "NO_COLOR": "1",
        "DRT_TELEMETRY": "0",
        "DO_NOT_TRACK": "1",
    }


def said(folder: Path, dsn: str) -> str:
    """Give the last line that tells how it went, with nothing in it of this machine."""
    both = "\n".join((folder / name).read_text(errors="replace") for name in ("out", "err"))
    lines = [" ".join(line.split()).strip(" |+-─╭╮╰╯│") for line in both.splitlines()]
    telling = [line for line in lines if TELLING.search(line) and line[0] != "{"]
    return without_places(telling[-1], folder, dsn) if telling else ""


def without_places(line: str, folder: Path, dsn: str) -> str:
    """Take folders and ports out of *line*."""
    for place, word in {str(folder): ".", dsn: "postgresql://…", str(HERE.parent): "…"}.items():
        line = line.replace(place, word)
    line = re.sub(r"127\.0\.0\.1', port=\d+", "the API'", line)
    line = re.sub(r"127\.0\.0\.1:\d+", "the API", line)
    return re.sub(r"0x[0-9a-f]+", "0x…", line)[:300]


if __name__ == "__main__":
    main()
