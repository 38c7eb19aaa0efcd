"""
Crash points: a kill, or an error of the disk, at a chosen call of the program.

    python -m torture.points FIRST LAST         forty for each of these seeds
"""

import contextlib
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import NamedTuple

from torture.actions import Run
from torture.invariants import Tally, after_a_run, in_the_end
from torture.journal_view import View, view
from torture.plan import Plan
from torture.traced import ON_FILES, ON_SOCKETS, out_of_order, traced
from torture.world import World, wait

_A_WORLD = 8
"""Points that share a source: each run goes on where the last one was killed."""


_AT_THE_END = {"unlink", "ftruncate"}
"""Calls that a run makes as it closes the journal: a pass that comes to them may be complete."""

_ERRORS = {"fdatasync": "error=EIO", "pwrite64": "error=ENOSPC"}


class Point(NamedTuple):
    """
    Where a run ends.

    Attributes:
        call: the system call.
        files: whether those on the journal's files are counted, or else those of a thread.
        number: which of them, from 1; or "1+", all from the first.
        what: what strace does there.
    """

    call: str
    files: bool
    number: int | str
    what: str = "signal=KILL"

    def __str__(self):
        where = "of the journal" if self.files else "of a thread"
        return f"{self.what} at {self.call} {self.number} {where}"

    def wrap(self, world):
        """Give the strace that does it."""
        inject = f"inject={self.call}:{self.what}:when={self.number}"
        # without --seccomp-bpf, with which strace 6.1 injects errors but no signals
        command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={self.call}"]
        if self.files and self.call != "rename":  # which strace does not find by its paths
            command += ["-P", str(world.journal), "-P", f"{world.journal}-wal"]
        return [*command, "-e", inject]


_SLOW_DISK = Point("pwrite64", files=True, number="1+", what="delay_enter=8000")
"""
Not fdatasync: a kill leaves what was written to the kernel, synced or not.
"""


def clean_plan(seed, **fixed):
    """Give a plan without noise: what is found is no fault's."""
    values = {"rows": 150, "noise": 0.0, "outages": (), "source": "sqlite", "profile": "single"}
    return Plan.of(seed, **values | fixed)


def measured(seed=1, code=None):
    """
    Run cleanly once; give the order's problems, and all points that there are.

    Returns:
        Problems; and for each call how often a thread makes it on the journal, or at all.
    """
    with tempfile.TemporaryDirectory(prefix="rf-points-") as folder:
        plan = clean_plan(seed, in_flight=4)
        world = World(plan, folder, code=code)
        try:
            world.judge.order(do="quiet")
            status, seen = traced(world, quiet=True)
        finally:
            world.close()
    problems, sent = out_of_order(seen)
    if status != 3:
        problems.append(f"a clean run exits with {status}")
    expected = sum(plan.fate(key) != "unsendable" for key in range(1, plan.rows + 1))
    if sent < expected:
        problems.append(f"the trace has only {sent} records of {expected} on their way to the API")
    return problems, _counted(seen)


def _counted(seen):
    on_files = Counter(
        event.name
        for event in seen
        if not event.done
        and event.name in ON_FILES
        and (event.on.startswith("journal") or event.name == "rename")
    )
    threads = Counter(
        (event.thread, event.name)
        for event in seen
        if not event.done and event.on == "api" and event.name in ON_SOCKETS
    )
    on_sockets = {}
    for (_, name), count in threads.items():
        on_sockets[name] = max(count, on_sockets.get(name, 0))
    return dict(on_files), on_sockets


def drawn(counts, count, seed):
    """Draw *count* points: half of them of the journal, some of them errors of the disk."""
    dice = Random(f"points {seed}")
    on_files, on_sockets = counts
    amid = sorted(set(on_files) - _AT_THE_END)
    points = []
    for number in range(count):
        if number % _A_WORLD == _A_WORLD - 1:
            points.append(Point(dice.choice(sorted(_AT_THE_END & set(on_files))), True, 1))
            continue
        files = number % 2 == 0
        call = dice.choice(amid if files else sorted(on_sockets))
        what = _ERRORS[call] if call in _ERRORS and dice.random() < 0.4 else "signal=KILL"
        calls = on_files if files else on_sockets
        points.append(Point(call, files, dice.randint(1, max(1, calls[call] * 2 // 8)), what))
    return points


def slowly(kills, seed=1, code=None, **fixed):
    """
    Kill soon after each start, with a disk that takes its time for each commit.

    What leaves before its commit is in time is far ahead of it then.
    """
    plan = clean_plan(seed, in_flight=16, rows=200, kills=kills, **fixed)
    dice, problems, seen = Random(seed), [], View()
    with tempfile.TemporaryDirectory(prefix="rf-points-") as folder:
        world = World(plan, folder, code=code)
        try:
            for _ in range(kills):
                process = world.start(wrap=_SLOW_DISK.wrap(world), quiet=True)
                child = _child_of(process)
                world.judge.arm(child, signal.SIGKILL, dice.randint(1, 14), "received")
                run = Run(process, "a slow disk")
                run.end()
                world.judge.order(do="disarm")
                before, seen = seen, view(world.journal)
                tally = Tally(world.judge.receipts())
                problems += run.problems + after_a_run(plan, tally, before, seen)
                if problems or seen.complete:
                    break
            return problems or _to_the_end(world, seen)
        finally:
            world.close()


def _child_of(process):
    """Give the number of the process that strace has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        for child in children.read_text().split():
            with contextlib.suppress(OSError):  # strace has others, which try what it can do here
                words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                if b"torture.program" in words and words[0] != b"strace":
                    return int(child)
        time.sleep(0.005)
    return process.pid


def strike(points, seed=1, code=None, **fixed):
    """Run a world through *points*, a few at a time; give what is wrong, and how many struck."""
    problems, struck = [], 0
    for start in range(0, len(points), _A_WORLD):
        chunk = points[start : start + _A_WORLD]
        plan = clean_plan(seed + start, in_flight=4, rows=300, **fixed)
        with tempfile.TemporaryDirectory(prefix="rf-points-") as folder:
            world = World(plan, folder, code=code)
            try:
                world.judge.order(do="quiet")
                wrong, hits = _through(world, chunk)
            finally:
                world.close()
        problems += [f"seed {plan.seed}: {one}" for one in wrong]
        struck += hits
    return problems, struck


def _through(world, points):
    seen, struck, problems = view(world.journal), 0, []
    for point in points:
        if seen.complete:
            break
        run = Run(world.start(wrap=point.wrap(world), quiet=True), str(point))
        run.end(-9 if "KILL" in point.what else 7)
        struck += run.code in {-9, 7}
        before, seen = seen, view(world.journal)
        problems += run.problems + after_a_run(
            world.plan, Tally(world.judge.receipts()), before, seen
        )
        expected = run.codes | ({3} if seen.complete else set())
        if run.code not in expected:
            said = world.said(run.process).get("error", "")
            problems.append(f"exit code {run.code}: {said[:300]}")
        if problems:
            return [f"{point}: {problem}" for problem in problems], struck
    return _to_the_end(world, seen), struck


def _to_the_end(world, seen):
    """Let it end, and give what is wrong then."""
    problems = []
    told = world.judge.order(do="quiet")
    if not seen.complete:
        process = world.start(quiet=True)
        code = wait(process, 60)
        seen, told = view(world.journal), world.judge.order(do="look")
        if code != 3:
            problems.append(f"the last run exits with {code}: {world.said(process).get('error')}")
    tally = Tally(world.judge.receipts())
    return problems + in_the_end(
        world.plan, tally, seen, elsewhere=told["elsewhere"], kills=world.runs
    )


def main(first, last):
    wrong, counts = measured()
    print(wrong, counts)
    for seed in range(int(first), int(last) + 1):
        problems, struck = strike(drawn(counts, 40, seed), seed=seed * 1000)
        wrong += problems
        print(f"seed {seed}: {struck} points, {problems}", flush=True)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
