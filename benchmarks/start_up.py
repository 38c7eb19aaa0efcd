"""What `import rowferry` and a first transfer cost: against doing nothing, in turns."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from statistics import median

COMMANDS = {
    "nothing": "pass",
    "import": "import rowferry",
    "transfer": "import rowferry; rowferry.post_rows([], 'http://127.0.0.1:9')",  # sends nothing
}
TURNS = 20


def measure() -> dict[str, object]:
    """Give the seconds of every turn, and the median differences in ms; or why there are none."""
    if not importlib.util.find_spec("rowferry"):
        return {"skipped": "rowferry is not installed"}
    for code in COMMANDS.values():
        _run(code)  # so that what is compiled and cached is so for both
    turns = [{name: _run(code) for name, code in COMMANDS.items()} for _ in range(TURNS)]
    costs = {
        name: median(turn[name] - turn["nothing"] for turn in turns) * 1000
        for name in ("import", "transfer")
    }
    return {
        "milliseconds": costs["import"],
        "transfer_milliseconds": costs["transfer"],
        "turns": turns,
    }


def _run(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begun
