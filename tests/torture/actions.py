"""What is done to the program while it runs: signals, a second start, a full disk, a clock."""

import contextlib
import signal
import subprocess
import time
from dataclasses import dataclass, field

from torture.world import FAKETIME, GRACE, wait

_FAKED = 10
"""Seconds beyond the grace to end in, under a clock that jumps: libfaketime prolongs some waits."""

HANGS = 60
"""Seconds after which a run has to have ended."""


@dataclass
class Run:
    """
    A run of the program, and what came of it.

    Attributes:
        codes: exit codes that the story allows, beside those that the judge's faults explain.
        problems: what was wrong at once.
        waited: whether something outside made it wait.
    """

    process: object
    story: str
    code: int | None = None
    codes: set = field(default_factory=set)
    problems: list = field(default_factory=list)
    waited: bool = False

    def end(self, *codes):
        self.codes |= set(codes)
        self.code = wait(self.process, HANGS)
        if self.code is None:
            self.problems.append(f"I13: the program hangs ({self.story})")


# how a run begins


def plainly(world, dice):
    return Run(world.start(), "plain")


def with_a_clock_that_jumps(world, dice):
    """Start under a clock of its own, which jumps a day at some request."""
    if FAKETIME is None:
        return plainly(world, dice)
    clock = world.folder / "clock"
    clock.write_text("+0\n")
    env = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    run = Run(world.start(env=env), "clock")
    world.judge.arm(run.process.pid, 0, _requests(world, dice), "received")
    if world.judge.wait_until_fired(run.process):
        clock.write_text(dice.choice(["+1d\n", "-1d\n"]))
    return run


def on_a_disk_that_fills(world, dice):
    """Start where no file can grow beyond a few KiB more than there are."""
    sizes = [file.stat().st_size for file in world.journal.parent.iterdir()]
    most = max([*sizes, 0]) + dice.randint(4, 64) * 1024
    run = Run(world.start(most_bytes=most), "disk")
    run.codes |= {7}
    return run


def stopped_for_a_while(world, dice):
    run = Run(world.start(), "stopped")
    world.judge.arm(run.process.pid, signal.SIGSTOP, _requests(world, dice), "received")
    if world.judge.wait_until_fired(run.process):
        time.sleep(dice.choice([0.05, 0.3, 1.2]))
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGCONT)
    return run


def started_twice(world, dice):
    """Start a second one meanwhile, which has to go away at once."""
    run = Run(world.start(), "twice")
    world.judge.arm(run.process.pid, 0, _requests(world, dice), "received")
    if world.judge.wait_until_fired(run.process) and run.process.poll() is None:
        run.process.send_signal(signal.SIGSTOP)  # so that it holds the journal all the time
        second = world.start()
        code = wait(second, 20)
        run.process.send_signal(signal.SIGCONT)
        if code != 6:
            run.problems.append(f"I11: a second run exits with {code}, not 6")
    return run


def without_its_database(world, dice):
    """Take the source away in mid-run: reset, its backend ended, or the server restarted."""
    if world.plan.source != "postgresql":
        return plainly(world, dice)
    run = Run(world.start(), "source", waited=True)
    world.judge.arm(run.process.pid, 0, _requests(world, dice), "received")
    if world.judge.wait_until_fired(run.process):
        dice.choice([world.proxy.reset, world.end_backends, world.server.restart])()
    run.codes |= {4}
    return run


BEGINNINGS = {
    plainly: 8,
    with_a_clock_that_jumps: 1,
    on_a_disk_that_fills: 1,
    stopped_for_a_while: 1,
    started_twice: 1,
    without_its_database: 1.5,
}


# how it ends


def killed_when_received(world, dice, run):
    world.judge.arm(run.process.pid, signal.SIGKILL, _requests(world, dice), "received")
    run.end(-9)


def killed_when_answered(world, dice, run):
    world.judge.arm(run.process.pid, signal.SIGKILL, _requests(world, dice), "answered")
    run.end(-9)


def killed_at_any_time(world, dice, run):
    """Kill it at any time, its first moments included; but before it has done too much."""
    world.judge.arm(run.process.pid, signal.SIGKILL, _requests(world, dice), "received")
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.process.wait(dice.random() * 0.9)
    if run.process.poll() is None:
        run.process.kill()
    run.end(-9)


def terminated(world, dice, run):
    world.judge.arm(run.process.pid, signal.SIGTERM, _requests(world, dice), "received")
    if world.judge.wait_until_fired(run.process):
        began = time.monotonic()
        most = GRACE + (_FAKED if run.story == "clock" else 2)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.process.wait(most)
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGUSR1)  # to say in its log where it is
        run.end(143)
        if (took := time.monotonic() - began) > most + 0.5:
            run.problems.append(f"I11: {took:.1f} s from SIGTERM to the end")
    else:
        run.end()


def terminated_then_killed(world, dice, run):
    world.judge.arm(run.process.pid, signal.SIGTERM, _requests(world, dice), "received")
    if world.judge.wait_until_fired(run.process):
        time.sleep(dice.random() * 0.02)
        if run.process.poll() is None:
            run.process.kill()
    run.end(-9, 143)


ENDINGS = {
    killed_when_received: 4,
    killed_when_answered: 4,
    killed_at_any_time: 3,
    terminated: 1,
    terminated_then_killed: 1,
}


def draw(dice, actions):
    return dice.choices(list(actions), list(actions.values()))[0]


def _requests(world, dice):
    """Draw after how many requests something is to happen: so that the kills share the rows."""
    plan = world.plan
    each = plan.rows / plan.batch_size / (plan.kills + 1)
    return dice.randint(1, max(1, round(1.5 * each)))
