"""Crash points: a kill, or an error of the disk, at a chosen call of the program."""

import tempfile
from collections import Counter
from random import Random
from typing import NamedTuple

from torture.actions import Run
from torture.invariants import Tally, after_a_run, in_the_end
from torture.journal_view import view
from torture.plan import Plan
from torture.traced import ON_FILES, ON_SOCKETS, out_of_order, traced
from torture.world import World, wait

_A_WORLD = 8
"""Points that share a source: each run goes on where the last one was killed."""


class Point(NamedTuple):
    """
    Where a run ends.

    Attributes:
        call: the system call.
        files: whether those on the journal's files are counted, or else those of a thread.
        number: which of them, from 1.
        what: what strace does there.
    """

    call: str
    files: bool
    number: int
    what: str = "signal=KILL"

    def __str__(self):
        where = "of the journal" if self.files else "of a thread"
        return f"{self.what} at {self.call} {self.number} {where}"

    def wrap(self, world):
        """Give the strace that does it."""
        inject = f"inject={self.call}:{self.what}:when={self.number}"
        # without --seccomp-bpf, with which strace 6.1 injects errors but no signals
        command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={self.call}"]
        if self.files:
            for name in (world.journal, f"{world.journal}-wal"):
                command += ["-P", str(name)]
        return [*command, "-e", inject]


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
        if not event.done and event.on.startswith("journal") and event.name in ON_FILES
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
    points = []
    for number in range(count):
        files = number % 2 == 0 or not on_sockets
        calls = on_files if files else on_sockets
        call = sorted(calls)[number // 2 % len(calls)]
        what = "signal=KILL"
        if files and number % 6 == 0:
            what = {"fdatasync": "error=EIO", "pwrite64": "error=ENOSPC"}.get(call, what)
        most = max(1, calls[call] * 2 // _A_WORLD)
        points.append(Point(call, files, dice.randint(1, most), what))
    return points


def strike(points, seed=1, code=None, **fixed):
    """Run a world through *points*, a few at a time; give what is wrong, and how many struck."""
    problems, struck = [], 0
    for start in range(0, len(points), _A_WORLD):
        chunk = points[start : start + _A_WORLD]
        chunk.sort(key=lambda point: point.call == "unlink")  # only the last run comes to that
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
    if not seen.complete:
        process = world.start(quiet=True)
        code = wait(process, 60)
        seen = view(world.journal)
        if code != 3:
            problems.append(f"the last run exits with {code}: {world.said(process).get('error')}")
    told = world.judge.order(do="look")
    problems += in_the_end(
        world.plan,
        Tally(world.judge.receipts()),
        seen,
        elsewhere=told["elsewhere"],
        kills=len(points),
    )
    return problems, struck
