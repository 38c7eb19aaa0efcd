"""What `import rowferry` costs: against an interpreter that does nothing, in turns."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from statistics import median

COMMANDS = {"nothing": "pass", "import": "import rowferry"}
TURNS = 20


def measure() -> dict[str, object]:
    """Give the seconds of every turn, and the median difference in ms; or why there is none."""
    if not importlib.util.find_spec("rowferry"):
        return {"skipped": "rowferry is not installed"}
    for code in COMMANDS.values():
        _run(code)  # so that what is compiled and cached is so for both
    turns = [{name: _run(code) for name, code in COMMANDS.items()} for _ in range(TURNS)]
    cost = median(turn["import"] - turn["nothing"] for turn in turns)
    return {"milliseconds": cost * 1000, "turns": turns}


def _run(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begun
