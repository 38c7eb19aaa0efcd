"""One seed: start the program, do something to it, look, start it again, until all is settled."""

import tempfile
import time
import traceback
from itertools import pairwise
from pathlib import Path
from random import Random

from torture import actions
from torture.actions import Run
from torture.invariants import CEILING_KIB, Tally, after_a_run, in_the_end
from torture.journal_view import view
from torture.plan import Plan
from torture.world import World, wait

FINAL = 45
"""Seconds that the last run may take, with no faults any more."""

_SILENCE = 4.0
"""Seconds without a request, at most: no answer of the judge asks for more than one."""

_MOST_RUNS = 4
"""Runs for each kill: others end for reasons of their own."""


def run_seed(seed, *, server=None, code=None, keep=None, **fixed):
    """
    Run one seed to its end; give a summary, a dict with `problems`.

    Args:
        server: a PostgreSQL; without one the source is SQLite.
        code: the folder of the sources to test.
        keep: a folder where all files of a seed that failed are left.
    """
    if server is None:
        fixed["source"] = "sqlite"
    plan = Plan.of(seed, **fixed)
    with tempfile.TemporaryDirectory(prefix=f"rf-torture-{seed}-") as folder:
        world = World(plan, folder, server, code)
        try:
            summary = _Seed(world).run()
        except Exception:  # noqa: BLE001 - a seed that ends so has failed
            summary = {"seed": seed, "kills": 0, "problems": [traceback.format_exc()]}
        finally:
            world.close()
        if summary["problems"] and keep:
            place = Path(keep) / f"seed{seed}"
            place.parent.mkdir(parents=True, exist_ok=True)
            Path(folder).rename(place)
            Path(folder).mkdir()
    return summary


def _silence(receipts):
    """Give the longest time between two requests of a run."""
    times = [receipt["t"] for receipt in receipts]
    return max((after - before for before, after in pairwise(times)), default=0.0)


class _Seed:
    def __init__(self, world):
        self.world = world
        self.plan = world.plan
        self.dice = Random(f"driver {self.plan.seed}")
        self.kills = 0
        self.runs = []
        self.problems = []
        self.seen = view(world.journal)
        self.widest = 0
        self.only_poison = False
        self.peak = 0
        self.began = time.monotonic()

    def run(self):
        most = _MOST_RUNS * max(self.plan.kills, 1)
        while self._goes_on and self.kills < self.plan.kills and len(self.runs) < most:
            self._one()
            if self.problems:
                return self._summary()
        if not self.seen.complete:
            self._last()
        tally, told = self._tally(), self.world.judge.order(do="look")
        self.problems += in_the_end(
            self.plan, tally, self.seen, elsewhere=told["elsewhere"], kills=len(self.runs)
        )
        self.problems += [f"I12: {leak}" for leak in self.world.leaks()]
        return self._summary()

    @property
    def _goes_on(self):
        return not self.seen.complete and not self.only_poison

    def _one(self):
        receipts = self.world.judge.order(do="look")["receipts"]
        run = actions.draw(self.dice, actions.BEGINNINGS)(self.world, self.dice)
        ending = actions.draw(self.dice, actions.ENDINGS)
        ending(self.world, self.dice, run)
        run.story += f", {ending.__name__}"
        self.world.judge.order(do="disarm")
        self.kills += run.code == -9
        self._look(run, receipts)

    def _last(self):
        """Let it end, now that all faults are over."""
        self.world.judge.order(do="quiet")
        run = Run(self.world.start(), "last")
        receipts = self.world.judge.order(do="look")["receipts"]
        run.code = wait(run.process, FINAL)
        if run.code is None:
            run.problems.append(f"I13: not at its end after {FINAL} s without faults")
        self._look(run, receipts)
        if run.code not in {0, 3}:
            said = self.world.said(run.process).get("error", "")
            self.problems.append(f"I13: the last run exits with {run.code}: {said[:300]}")

    def _look(self, run, receipts):
        """See what a run has left."""
        self.runs.append((run.story, run.code))
        self.problems += run.problems
        tally = self._tally()
        before, self.seen = self.seen, view(self.world.journal)
        self.widest = max(self.widest, self.seen.above)
        self.problems += after_a_run(self.plan, tally, before, self.seen)
        said = self.world.said(run.process)
        here = Tally(tally.receipts[receipts:])
        explained = run.codes | self._explained(here, said)
        if run.code is not None and run.code not in explained:
            wrong = f"{run.code}, and {sorted(explained)} would be explained"
            error = said.get("error", "") or self._traceback(run)
            self.problems.append(f"I11: exit code {wrong} ({run.story}): {error[-400:]}")
        if run.code in {0, 3} and not self.seen.complete:
            self.problems.append(f"I3: exit code {run.code} of a pass that is not complete")
        silence = _silence(here.receipts)
        if silence > _SILENCE and not run.waited:
            self.problems.append(f"I13: {silence:.1f} s without a request ({run.story})")
        self.peak = max(self.peak, run.process.peak_kib)
        if run.process.peak_kib > CEILING_KIB:
            self.problems.append(f"I9: {run.process.peak_kib} KiB at the most")
        if sessions := self.world.sessions():
            self.problems.append(f"I11: sessions of the program in the database: {sessions}")

    def _explained(self, here, said):
        """Give the exit codes for which the judge's answers give a reason."""
        codes = {3 if self.seen.dead else 0} if self.seen.complete else set()
        if here.faults["302 here"] or here.faults["302 elsewhere"]:
            codes |= {2, 4}
        if here.faults["401"]:
            codes.add(5)
        if "nothing else got through" in said.get("error", ""):
            codes.add(4)
            self.only_poison = True  # and that looks like an outage
        return codes

    def _traceback(self, run):
        error = run.process.told.with_suffix(".err")
        return error.read_text(errors="replace") if error.exists() else ""

    def _tally(self):
        return Tally(self.world.judge.receipts())

    def _summary(self):
        tally = self._tally()
        seen = set()
        again = 0
        for receipt in tally.receipts:
            again += sum(key in seen for key in receipt["keys"])
            seen.update(receipt["keys"])
        return {
            "seed": self.plan.seed,
            "source": self.plan.source,
            "profile": self.plan.profile,
            "noise": self.plan.noise,
            "in_flight": self.plan.in_flight,
            "rows": self.plan.rows,
            "kills": self.kills,
            "runs": len(self.runs),
            "stories": [f"{story}: {code}" for story, code in self.runs],
            "receipts": len(tally.receipts),
            "sent_again": again,
            "doubled": sum(count - 1 for count in tally.applied.values()),
            "maybe_duplicated": self.seen.maybe_duplicated,
            "above": self.widest,
            "peak_kib": self.peak,
            "faults": dict(tally.faults),
            "seconds": round(time.monotonic() - self.began, 1),
            "problems": self.problems,
        }
