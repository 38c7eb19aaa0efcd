"""
Measure what the command line costs: its start, and `rowferry copy` against the library, in turns.

    python benchmarks/command_line.py --rows 60000 --rounds 5

The copy is from PostgreSQL to nginx, one POST a row, with its bar on a terminal of its own; what
arrived is counted at nginx. Exits 1 when a count is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import resource
import subprocess
import sys
import threading
import time
from statistics import median

import servers

QUERY = "SELECT id, code, description, price, updated, active FROM item"

LIBRARY = """
import json, sys
import rowferry as etl
query, source, url = sys.argv[1:]
report = etl.copy_to_api(query, source, etl.Api(url, limits=etl.Limits(concurrency=64)))
print(json.dumps(report.as_dict()))
"""

STARTS = {
    "nothing": ("-c", "pass"),
    "--version": ("-m", "rowferry", "--version"),
    "--help": ("-m", "rowferry", "--help"),
    "copy --help": ("-m", "rowferry", "copy", "--help"),
}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    start_up(turns=20)
    with servers.postgresql(options.rows) as source, servers.nginx() as api:
        copies(source, api, options.rows, options.rounds)


def start_up(turns: int) -> None:
    """Print what commands take from nothing to their end, against an interpreter that does so."""
    for command in STARTS.values():
        _timed(command)  # so that what is compiled and cached is so for all
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTS}
    for _ in range(turns):
        for name, command in STARTS.items():
            times[name].append(_timed(command))
    for name in list(STARTS)[1:]:
        wall, cpu = (
            [
                1000 * (one[kind] - nothing[kind])
                for one, nothing in zip(times[name], times["nothing"], strict=True)
            ]
            for kind in (0, 1)
        )
        quietest = 1000 * (min(times[name])[0] - min(times["nothing"])[0])
        print(
            f"{name}: {median(wall):.0f} ms more than nothing ({quietest:.0f} ms in the quietest "
            f"turn of each; {median(cpu):.0f} ms of CPU)"
        )


def _timed(command: tuple[str, ...]) -> tuple[float, float]:
    """Give the seconds that a command took, and those of CPU."""
    begun, used = time.perf_counter(), _cpu()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun, _cpu() - used


def _cpu() -> float:
    """Give the seconds of CPU that processes took which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def copies(source: str, api: servers.NginxApi, rows: int, rounds: int) -> None:
    """Print rows a second and CPU by the library and by the command, in turns."""
    rates: dict[str, list[float]] = {"library": [], "command": []}
    used: dict[str, list[float]] = {"library": [], "command": []}
    for _ in range(rounds):
        for name, run in (("library", by_library), ("command", by_command)):
            api.reset()
            before = _cpu()
            report = run(source, api.url)
            used[name].append(_cpu() - before)
            if api.counts()["records"] != rows or report["delivered"] != rows:
                raise SystemExit(f"{name}: {api.counts()} of {rows} rows arrived")
            rates[name].append(report["rows_per_second"])
    for name, found in rates.items():
        print(
            f"{name}: {median(found):,.0f} rows/s ({min(found):,.0f} to {max(found):,.0f}), "
            f"{median(used[name]):.2f} s of CPU, its start included"
        )
    ratios = [
        command / library
        for command, library in zip(rates["command"], rates["library"], strict=True)
    ]
    print(f"command / library: {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def by_library(source: str, url: str) -> dict[str, float]:
    """Copy by the library, in a process of its own."""
    command = [sys.executable, "-c", LIBRARY, QUERY, source, url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def by_command(source: str, url: str) -> dict[str, float]:
    """Copy by the command, its bar on a terminal."""
    main_end, other_end = pty.openpty()
    reader = threading.Thread(target=_drain, args=(main_end,))
    reader.start()
    command = ["copy", source, url, "--query", QUERY, "--concurrency", "64"]
    done = subprocess.run(
        [sys.executable, "-m", "rowferry", *command],
        check=True,
        stdout=subprocess.PIPE,
        stderr=other_end,
        text=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(other_end)
    reader.join()
    os.close(main_end)
    return json.loads(done.stdout)


def _drain(terminal: int) -> None:
    while True:
        try:
            if not os.read(terminal, 65536):
                return
        except OSError:  # Linux: the other end was closed
            return


if __name__ == "__main__":
    main()
