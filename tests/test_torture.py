"""The torture test's small tier: kills, crash points, the order of disk and network; its sums."""

from pathlib import Path

import pytest

import servers
from torture import points, traced
from torture.driver import run_seed
from torture.faults import BATCH_MENU, MENU, choose
from torture.invariants import Tally, after_a_run, in_the_end
from torture.journal_view import View
from torture.plan import PROFILES, TAKEN, Plan

STRACE = "apt-get install strace"
KILLS = 10


def needs_strace():
    if not traced.available:
        servers.missing("strace", STRACE)


# The real thing.


@pytest.mark.parametrize(
    ("seed", "profile", "noise"), [(1, "single", 0.0), (2, "ordered", 0.05), (3, "batch", 0.1)]
)
def test_killed_ten_times_nothing_is_lost_or_silently_doubled(seed, profile, noise, postgresql):
    source = "postgresql" if profile == "ordered" else "sqlite"
    fixed = {"source": source, "profile": profile, "noise": noise, "rows": 600, "kills": KILLS}
    summary = run_seed(seed, server=postgresql, **fixed)
    assert summary["problems"] == [], summary["stories"]
    assert summary["kills"] >= KILLS // 2


def test_no_record_is_on_its_way_before_the_disk_knows_and_every_call_may_be_the_last():
    needs_strace()
    problems, counts = points.measured()
    assert problems == []
    wrong, struck = points.strike(points.drawn(counts, 40, seed=1))
    assert wrong == []
    assert struck >= 30


# Its sums.


def test_what_a_request_meets_depends_on_seed_key_and_attempt_only():
    plan = Plan.of(5, noise=0.5, profile="single")
    met = [choose(plan, key, 1, records=1, quiet=False) for key in range(1, 500)]
    assert met == [choose(plan, key, 1, records=1, quiet=False) for key in range(1, 500)]
    assert {fault.name for fault in met} >= {"ok", "500 after", "reset before", "429"}


@pytest.mark.parametrize("records", [1, 5])
def test_every_fault_comes_and_none_after_the_noise_is_over(records):
    plan = Plan.of(5, noise=1.0)
    keys = [key for key in range(1, 6000) if plan.fate(key) == TAKEN]
    met = {choose(plan, key, 2, records=records, quiet=False).name for key in keys}
    assert met == {fault.name for fault in (MENU if records == 1 else BATCH_MENU)}
    assert {choose(plan, key, 5, records=records, quiet=False).name for key in keys} == {"ok"}
    assert {choose(plan, key, 2, records=records, quiet=True).name for key in keys} == {"ok"}


def test_a_seed_is_a_plan_and_all_kinds_of_plans_come():
    assert Plan.of(9) == Plan.of(9)
    assert {Plan.of(seed).profile for seed in range(50)} == set(PROFILES)


PLAN = Plan.of(1, source="sqlite", profile="deduped", noise=0.0, rows=16, outages=(), in_flight=4)
TAKEN_KEYS = [key for key in range(1, 17) if PLAN.fate(key) == TAKEN]


def receipt(key, **changed):
    return {
        "n": key,
        "keys": [key],
        "idem": f"i{key}",
        "applied": [True],
        "right": [True],
        "fault": "ok",
        "in_flight": 1,
        "secret": True,
    } | changed


def judged(receipts, elsewhere=0, **changed):
    dead = {key: "rejected" for key in range(1, 17) if key not in TAKEN_KEYS}
    values = {
        "complete": True,
        "watermark": 16,
        "dispatched_to": 16,
        "read": 16,
        "delivered": len(TAKEN_KEYS),
        "dead_count": len(dead),
        "dead": dead,
    }
    view = View(**values | changed)
    return [
        problem.partition(":")[0]
        for problem in in_the_end(PLAN, Tally(receipts), view, elsewhere=elsewhere, kills=0)
    ]


ALL_RIGHT = [receipt(key) for key in TAKEN_KEYS]


def test_a_run_in_which_each_row_came_once_is_right():
    assert judged(ALL_RIGHT) == []


@pytest.mark.parametrize(
    ("receipts", "changed", "broken"),
    [
        (ALL_RIGHT[1:], {}, "I1"),
        ([*ALL_RIGHT, receipt(99)], {}, "I2"),
        ([receipt(1, right=[False]), *ALL_RIGHT[1:]], {}, "I2"),
        (ALL_RIGHT, {"complete": False}, "I3"),
        (ALL_RIGHT, {"watermark": 15}, "I3"),
        (
            [*ALL_RIGHT, receipt(1, idem="another")],
            {"doubled": {1: 1}, "maybe_duplicated": 1},
            "I4",
        ),
        ([*ALL_RIGHT, receipt(1)], {}, "I5"),
        ([*ALL_RIGHT, receipt(1)], {"doubled": {2: 1}, "maybe_duplicated": 1}, "I5"),
        (ALL_RIGHT, {"elsewhere": 1}, "I6"),
        (ALL_RIGHT, {"dead": {1: "rejected"}}, "I7"),
        ([receipt(1, in_flight=5), *ALL_RIGHT[1:]], {}, "I10"),
        ([receipt(1, secret=False), *ALL_RIGHT[1:]], {}, "I12"),
    ],
)
def test_what_is_wrong_is_called_by_its_name(receipts, changed, broken):
    assert broken in judged(receipts, **changed)


def test_a_watermark_that_passed_what_nobody_has_is_seen_after_the_run():
    before, after = View(watermark=4), View(watermark=9, dispatched_to=9)
    tally = Tally([receipt(key) for key in TAKEN_KEYS if key != 7])
    problems = after_a_run(PLAN, tally, before, after)
    assert any("passed [7]" in problem for problem in problems)
    assert after_a_run(PLAN, Tally(ALL_RIGHT), after, before)[0].startswith(
        "P1: the watermark went"
    )


TRACE = """\
7 pwrite64(5</j-wal>, "open[3][9]", 10, 0) = 10
7 fdatasync(5</j-wal>)                    = 0
8 write(6<socket:[1]>, "POST {\\"id\\":9,", 5) = 5
7 pwrite64(5</j-wal>, "open[3][12]", 10, 0) = 10
7 fdatasync(5</j-wal> <unfinished ...>
8 write(6<socket:[1]>, "POST {\\"id\\":10,", 5) = 5
7 <... fdatasync resumed>)                = 0
8 write(6<socket:[1]>, "POST {\\"id\\":12,", 5) = 5
"""


class Place:
    journal = Path("/j")


def test_the_order_of_disk_and_network_is_read_from_a_trace():
    seen = list(traced.events(TRACE.split("\n"), Place))
    assert traced.out_of_order(seen) == (["10 was sent when 9 was on the disk"], 3)
    unsynced = list(traced.events(TRACE.split("\n")[:4], Place))
    assert "the last write to journal-wal was not synced" in traced.out_of_order(unsynced)[0]
