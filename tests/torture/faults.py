"""The menu of faults, and which one a receipt meets: a function of seed, key and attempt."""

from typing import NamedTuple

from torture.plan import POISON, REFUSED, SPARED_FROM, TAKEN, draw


class Fault(NamedTuple):
    """
    What the judge does with a request.

    Attributes:
        weight: how often, among the faults.
        applied: whether the request has its effect.
        stops: whether the run has to end (a redirect, refused credentials).
    """

    name: str
    weight: float
    applied: bool
    stops: bool = False


OK = Fault("ok", 0, applied=True)
REFUSAL = Fault("400", 0, applied=False)
POISONED = Fault("poison", 0, applied=False)
OUTAGE = Fault("outage", 0, applied=False)

MENU = (
    Fault("429", 3, applied=False),
    Fault("429 in 0 s", 3, applied=False),
    Fault("429 in 1 s", 0.6, applied=False),
    Fault("429 by date", 1, applied=False),
    Fault("429 in garbage", 2, applied=False),
    Fault("429 in -5 s", 2, applied=False),
    Fault("503", 2, applied=False),
    Fault("503 after", 3, applied=True),
    Fault("503 in 0 s", 2, applied=False),
    Fault("500 before", 3, applied=False),
    Fault("500 after", 4, applied=True),
    Fault("reset before", 3, applied=False),
    Fault("reset after", 4, applied=True),
    Fault("hang before", 1, applied=False),
    Fault("hang after", 1, applied=True),
    Fault("drip", 1, applied=True),
    Fault("garbage", 2, applied=False),
    Fault("garbage after", 2, applied=True),
    Fault("truncated", 3, applied=True),
    Fault("close after", 4, applied=True),
    Fault("stale", 4, applied=True),
    Fault("early hints", 3, applied=True),
    Fault("early hints, then 500", 3, applied=False),
    Fault("bomb", 1, applied=True),
)
BATCH_MENU = (
    *MENU,
    Fault("partial", 40, applied=True),
    Fault("fewer items", 20, applied=True),
    Fault("413", 15, applied=False),
)
STOPPERS = (
    Fault("302 here", 1, applied=False, stops=True),
    Fault("302 elsewhere", 1, applied=False, stops=True),
    Fault("401", 1, applied=False, stops=True),
)

STOPPING = 0.004
"""Share of the records whose first attempt ends the run."""


def choose(plan, key, attempt, *, records, quiet, alone=False):
    """
    Say what a request meets whose first record is *key*.

    Args:
        attempt: of that record, from 1.
        records: how many the request has.
        quiet: whether all noise is over.
        alone: whether nothing but poison is left, which then would look like an outage: so it is
            refused.
    """
    if records == 1 and plan.fate(key) == REFUSED:
        return REFUSAL
    if records == 1 and plan.fate(key) == POISON:
        return REFUSAL if quiet or alone else POISONED
    if quiet or attempt >= SPARED_FROM:
        return OK
    noisy = draw(plan.seed, "noise", key, attempt) < plan.noise
    luck = draw(plan.seed, "fault", key, attempt)
    if plan.menu:
        some = [fault for fault in (*BATCH_MENU, *STOPPERS) if fault.name in plan.menu]
        return _drawn(some, luck) if noisy else OK
    if attempt == 1 and plan.noise and draw(plan.seed, "stop", key) < STOPPING:
        return _drawn(STOPPERS, luck)
    return _drawn(MENU if records == 1 else BATCH_MENU, luck) if noisy else OK


def status_of_item(plan, key, attempt, *, partial, quiet):
    """Give the status of one record of a batch, where the batch as a whole is answered."""
    fate = plan.fate(key)
    if fate == REFUSED or (fate == POISON and quiet):
        return 400
    if fate == POISON:
        return 500
    if fate == TAKEN and partial and attempt < SPARED_FROM:
        luck = draw(plan.seed, "item", key, attempt)
        if luck < 0.3:
            return 429 if luck < 0.2 else 503
    return 201


def _drawn(menu, luck):
    left = luck * sum(fault.weight for fault in menu)
    for fault in menu:
        left -= fault.weight
        if left < 0:
            return fault
    return menu[-1]
