"""What rowferry means to reach, and what the results say of it."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

OURS, PIPELINE, LIMIT = "rowferry", "hand-written", "limit: wrk"
FROM_ORACLE = "rowferry from Oracle"
PLAIN, ADAPTIVE, FIXED = "rowferry, 64", "rowferry, adaptive", "rowferry, fixed"
TEMPLATED = "rowferry, a path a row and a token"
KEYED, JOURNALED = "rowferry with a key, no journal", "rowferry with a journal"
EVERYTHING, BULK = "rowferry, adaptive, with idempotency keys", "elasticsearch-py"
STREAMING, ASYNC, PARALLEL = (f"{BULK} {name}_bulk" for name in ("streaming", "async", "parallel"))
ENCODED = "limit: encoded beforehand"


class Goal(NamedTuple):
    """
    A figure to reach.

    Attributes:
        reached: gives the figure from the medians; raises KeyError where a scenario was left out.
        at_least: whether the figure is to be at least the *bound*, or at most.
        form: of the figure and its bound, for people.
    """

    what: str
    reached: Callable[[Medians], float]
    bound: float
    at_least: bool
    form: str


class Medians:
    """The medians of every peer in every scenario."""

    def __init__(self, results: dict[str, Any]) -> None:
        self._scenarios = {each["name"]: each["runs"] for each in results["scenarios"]}
        self._start_up = results.get("start_up", {})

    def rate(self, scenario: str, peer: str) -> float:
        """Give the rows a second."""
        return median(run["rows"] / run["seconds"] for run in self.runs(scenario, peer))

    def cpu(self, scenario: str, peer: str) -> float:
        """Give the seconds of processor time a row."""
        return median(run["cpu"] / run["rows"] for run in self.runs(scenario, peer))

    def sizes(self, scenario: str) -> list[dict[str, float]]:
        """Give the medians of rowferry by the number of rows; KeyError where there are too few."""
        runs = self.runs(scenario, OURS)
        sizes = sorted({run["rows"] for run in runs})
        if len(sizes) < 3:
            raise KeyError(scenario)
        return [
            {
                name: median(run[name] for run in runs if run["rows"] == rows)
                for name in ("rows", "seconds", "rss_mib")
            }
            for rows in sizes
        ]

    def most_memory(self) -> float:
        """Give the largest peak RSS in MiB that rowferry had in any run."""
        every = [run for runs in self._scenarios.values() for run in runs]
        return max(run["rss_mib"] for run in every if run["peer"].startswith(OURS))

    def best_rate(self, scenario: str, peers: str) -> float:
        """Give the rows a second of the best of the peers whose names begin so."""
        names = {run["peer"] for run in self.runs(scenario, peers)}
        return max(self.rate(scenario, name) for name in names)

    def counted(self, scenario: str, peer: str, name: str) -> float:
        """Give what the API counted under a name."""
        return median(run["counted"][name] for run in self.runs(scenario, peer))

    def start_up(self) -> float:
        """Give the milliseconds that importing rowferry takes."""
        milliseconds: float = self._start_up["milliseconds"]
        return milliseconds

    def runs(self, scenario: str, peer: str) -> list[dict[str, Any]]:
        """Give the good runs of a peer; KeyError where there are none."""
        runs = [
            run
            for run in self._scenarios[scenario]
            if run["peer"].startswith(peer) and not run["failure"]
        ]
        if not runs:
            raise KeyError(peer)
        return runs


def _of_best_fixed(scenario: str) -> Callable[[Medians], float]:
    return lambda of: of.rate(scenario, ADAPTIVE) / of.best_rate(scenario, FIXED)


def _of_keyed(scenario: str, of: Medians) -> float:
    return of.rate(scenario, JOURNALED) / of.rate(scenario, KEYED)


def _counted(scenario: str, name: str) -> Callable[[Medians], float]:
    return lambda of: of.counted(scenario, ADAPTIVE, name)


def _growth_of_memory(scenario: str, of: Medians) -> float:
    """Compare most rows with the second smallest number: the smallest does not fill the room."""
    sizes = of.sizes(scenario)
    return sizes[-1]["rss_mib"] / sizes[1]["rss_mib"]


def _growth_of_time(scenario: str, of: Medians) -> float:
    """
    Compare the time a row of the last step of sizes with that of the steps before it.

    A step's time a row is its additional seconds by its additional rows: the ramp, which every run
    has once, falls out.
    """
    first, *_, before, last = of.sizes(scenario)
    return _step(before, last) / _step(first, before)


def _step(few: dict[str, float], many: dict[str, float]) -> float:
    return (many["seconds"] - few["seconds"]) / (many["rows"] - few["rows"])


def _of_helper(scenario: str, helper: str) -> Callable[[Medians], float]:
    return lambda of: of.rate(scenario, OURS) / of.rate(scenario, helper)


def _of_limit(scenario: str) -> Callable[[Medians], float]:
    return lambda of: of.rate(scenario, OURS) / of.rate(scenario, LIMIT)


GOALS = (
    Goal("S1: rows/s, of wrk's requests/s", _of_limit("S1"), 0.97, at_least=True, form="{:.1%}"),
    Goal(
        "S1 from Oracle's stand-in: the same",
        lambda of: of.rate("S1", FROM_ORACLE) / of.rate("S1", LIMIT),
        0.97,
        at_least=True,
        form="{:.1%}",
    ),
    Goal("S4: the same", _of_limit("S4"), 0.95, at_least=True, form="{:.1%}"),
    Goal("S2: the same", _of_limit("S2"), 0.30, at_least=True, form="{:.1%}"),
    Goal(
        "S2 over TLS: rows a CPU second, to the hand-written pipeline's",
        lambda of: of.cpu("TLS S2", PIPELINE) / of.cpu("TLS S2", OURS),
        3.0,
        at_least=True,
        form="{:.1f} x",
    ),
    Goal(
        "S2: rows a CPU second, to the hand-written pipeline's",
        lambda of: of.cpu("S2", PIPELINE) / of.cpu("S2", OURS),
        8.0,
        at_least=True,
        form="{:.1f} x",
    ),
    Goal(
        "S3: rows/s, to the hand-written pipeline's",
        lambda of: of.rate("S3", OURS) / of.rate("S3", PIPELINE),
        1.25,
        at_least=True,
        form="{:.2f} x",
    ),
    Goal(
        "S5: rows/s, of our own S3",
        lambda of: of.rate("S5", OURS) / of.rate("S3", OURS),
        0.97,
        at_least=True,
        form="{:.1%}",
    ),
    *(
        Goal(
            f"adaptive {kind}: rows/s, of the best fixed number's",
            _of_best_fixed(f"adaptive {kind}"),
            0.95,
            at_least=True,
            form="{:.1%}",
        )
        for kind in ("steady", "jittery", "slowing", "refusing")
    ),
    Goal(
        "adaptive refusing: requests refused, of those taken",
        lambda of: (
            of.counted("adaptive refusing", ADAPTIVE, "refused")
            / of.counted("adaptive refusing", ADAPTIVE, "requests")
        ),
        0.05,
        at_least=False,
        form="{:.1%}",
    ),
    *(
        goal
        for kind in ("503", "closed")
        for goal in (
            Goal(
                f"outage {kind}: requests in its last 9 of 10 s",
                _counted(f"outage {kind}", "in_outage"),
                9,
                at_least=False,
                form="{:.0f}",
            ),
            Goal(
                f"outage {kind}: s until 90 % of the pace is back",
                _counted(f"outage {kind}", "back_after"),
                2.0,
                at_least=False,
                form="{:.1f}",
            ),
        )
    ),
    Goal(
        "everything on, S2: rows/s, of those without",
        lambda of: of.rate("everything S2", EVERYTHING) / of.rate("everything S2", PLAIN),
        0.9,
        at_least=True,
        form="{:.1%}",
    ),
    Goal(
        "the same: rows a CPU second, to the hand-written pipeline's",
        lambda of: of.cpu("everything S2", PIPELINE) / of.cpu("everything S2", EVERYTHING),
        8.0,
        at_least=True,
        form="{:.1f} x",
    ),
    *(
        Goal(
            f"journal {scenario}: rows/s, of those with a key but no journal",
            partial(_of_keyed, f"journal {scenario}"),
            bound,
            at_least=True,
            form="{:.1%}",
        )
        for scenario, bound in (("S1", 0.99), ("S2", 0.9))
    ),
    Goal(
        "templated S2: rows/s, of those without path and token of their own",
        lambda of: of.rate("templated S2", TEMPLATED) / of.rate("templated S2", PLAIN),
        0.85,
        at_least=True,
        form="{:.1%}",
    ),
    Goal(
        "the same: rows a CPU second, of those without",
        lambda of: of.cpu("templated S2", PLAIN) / of.cpu("templated S2", TEMPLATED),
        0.85,
        at_least=True,
        form="{:.1%}",
    ),
    Goal(
        "bulk S3: rows/s, to streaming_bulk's",
        lambda of: of.rate("bulk S3", PLAIN) / of.rate("bulk S3", BULK),
        5.0,
        at_least=True,
        form="{:.1f} x",
    ),
    Goal(
        "the same: CPU a row, streaming_bulk's to ours",
        lambda of: of.cpu("bulk S3", BULK) / of.cpu("bulk S3", PLAIN),
        7.0,
        at_least=True,
        form="{:.1f} x",
    ),
    *(
        Goal(
            f"{scenario}: documents/s, to {helper.removeprefix(BULK).strip()}'s",
            _of_helper(scenario, helper),
            bound,
            at_least=True,
            form="{:.1f} x",
        )
        for scenario, helper, bound in (
            ("_bulk", STREAMING, 4.0),
            ("_bulk", ASYNC, 4.0),
            ("_bulk", PARALLEL, 4.0),
            ("_bulk20", STREAMING, 10.0),
            ("_bulk20", PARALLEL, 4.0),
            ("es9", STREAMING, 2.5),
            ("es9", PARALLEL, 1.8),
        )
    ),
    Goal(
        "es9: documents/s, of bodies encoded beforehand",
        lambda of: of.rate("es9", OURS) / of.best_rate("es9", ENCODED),
        0.70,
        at_least=True,
        form="{:.1%}",
    ),
    Goal(
        "_bulk: CPU a document, async_bulk's to ours",
        lambda of: of.cpu("_bulk", ASYNC) / of.cpu("_bulk", OURS),
        5.0,
        at_least=True,
        form="{:.1f} x",
    ),
    Goal("peak RSS in any run, MiB", Medians.most_memory, 80, at_least=False, form="{:.1f}"),
    *(
        Goal(
            f"{scenario}: {what}",
            partial(reached, scenario),
            1.05,
            at_least=False,
            form="{:.3f}",
        )
        for scenario in ("growth S2", "growth S3")
        for what, reached in (
            ("time a row, of most rows to fewer", _growth_of_time),
            ("peak RSS, of most rows to fewer", _growth_of_memory),
        )
    ),
    Goal(
        "`import rowferry`, ms more than `pass`",
        Medians.start_up,
        80,
        at_least=False,
        form="{:.0f}",
    ),
)


def table_of(results: dict[str, Any], goals: tuple[Goal, ...] = GOALS) -> str:
    """Give a table of *goals*, what was measured, and whether that is enough."""
    medians = Medians(results)
    lines = ["| goal | bound | measured | |", "| --- | ---: | ---: | --- |"]
    return "\n".join([*lines, *(_line(goal, medians) for goal in goals)])


def _line(goal: Goal, medians: Medians) -> str:
    bound = f"{'≥' if goal.at_least else '≤'} {goal.form.format(goal.bound)}"
    try:
        reached = goal.reached(medians)
    except KeyError:
        return f"| {goal.what} | {bound} | - | not measured |"
    enough = reached >= goal.bound if goal.at_least else reached <= goal.bound
    verdict = "" if enough else "missed"
    return f"| {goal.what} | {bound} | {goal.form.format(reached)} | {verdict} |"
