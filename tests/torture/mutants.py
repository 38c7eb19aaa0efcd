"""
The judge is judged: mistakes are planted in a copy of the sources, and each has to be found.

    python -m torture.mutants [TEXT]        those whose name has TEXT

A mistake replaces text that must be there exactly once. Where it no longer is, that is a failure:
the sources have moved on, and the mistake has to follow.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from torture import actions, driver, points
from torture.campaign import ROOT
from torture.driver import run_seed
from torture.mistakes import MISTAKES
from torture.world import environment

_SEEDS = 4
"""Seeds that a tier tries before it gives up; one of them where there is no mistake."""

_HANGS = 10
"""Seconds after which a run hangs, here."""


def noisy(code, **fixed):
    """Run seeds with all faults until one fails; give what is wrong with it."""
    fixed = {"profile": "single", "noise": 0.25, "rows": 400, "kills": 3} | fixed
    return _seeds(code, **fixed)


def batches(code):
    return noisy(code, profile="batch", batch_size=7, menu=("fewer items", "partial"))


def poisoned(code):
    """Let records that the API never takes run out of attempts while others get through."""
    return noisy(code, noise=0.0, rows=3000, kills=1, outages=())


def killed(code):
    """Run seeds that meet no fault but are killed, until one fails."""
    fixed = {"profile": "single", "noise": 0.0, "rows": 400, "kills": 5, "in_flight": 16}
    return _seeds(code, outages=(), **fixed)


def slow_disk(code):
    """Kill while commits take long, soon after each start."""
    return points.slowly(8, code=code)


def redirected(code):
    return noisy(code, menu=("302 here", "302 elsewhere"), noise=0.05)


def order(code):
    """Look at the order of disk and network in a trace."""
    return points.measured(code=code)[0]


def buried(code):
    """Kill between any two commits, when many of the records are refused."""
    at = [points.Point("fdatasync", files=True, number=number) for number in range(4, 28)]
    return points.strike(at, code=code, refused=0.3)[0]


def copies(code):
    """Kill copies between databases."""
    test = "killed_again_and_again and sqlite3"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", test]
    done = subprocess.run(
        [*command, "tests/test_checkpoint.py"],
        cwd=ROOT,
        env=environment(code) | {"ROWFERRY_CODE": str(code)},
        capture_output=True,
        text=True,
        check=False,
    )
    wrong = [line for line in done.stdout.splitlines() if line.startswith("E ")]
    return wrong or ["no test ran"] if done.returncode else []


TIERS = {
    tier.__name__: tier
    for tier in (noisy, poisoned, redirected, batches, killed, slow_disk, order, buried, copies)
}


def _seeds(code, **fixed):
    seeds = _SEEDS if Path(code) != ROOT / "src" else 1
    for seed in range(101, 101 + seeds):
        problems = run_seed(seed, code=code, source="sqlite", **fixed)["problems"]
        if problems:
            return problems
    return []


def planted(mistake, folder):
    """
    Copy the sources into *folder*, with the mistake; give where they are.

    Raises:
        LookupError: what is to be replaced is not there, or not once.
    """
    code = Path(folder) / "src"
    shutil.copytree(ROOT / "src", code, ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in mistake.changes:
        path = code / "rowferry" / file
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            found = text.count(old)
            raise LookupError(f"{mistake.name}: {file} has {found} times, not once:\n{old}")
        path.write_text(text.replace(old, new), encoding="utf-8")
    return code


def caught(mistake):
    """Plant a mistake and run its tier; give what was found."""
    with tempfile.TemporaryDirectory(prefix="rf-mutant-") as folder:
        return TIERS[mistake.tier](planted(mistake, folder))


def main(text=""):
    actions.HANGS, driver.FINAL = _HANGS, _HANGS + 5
    chosen = [mistake for mistake in MISTAKES if text in mistake.name]
    wrong = 0
    for name in sorted({mistake.tier for mistake in chosen}):
        problems = TIERS[name](ROOT / "src")
        wrong += bool(problems)
        print(f"no mistake ({name}): {problems[:1] or 'nothing found, as it should be'}")
    for mistake in chosen:
        began = time.monotonic()
        problems = caught(mistake) or caught(mistake)  # when a kill strikes is luck
        wrong += not problems
        words = f"caught: {problems[0][:150]!r}" if problems else "NOT CAUGHT"
        took = time.monotonic() - began
        print(f"{mistake.name} ({mistake.tier}, {took:.1f} s): {words}", flush=True)
    print(f"{len(chosen)} mistakes; {wrong} not as it should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
