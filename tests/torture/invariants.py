"""What must hold, after each run and in the end: delivery.md's promises, looked at from outside."""

from collections import Counter, defaultdict

from torture.plan import POISON, REFUSED, TAKEN, UNSENDABLE

CEILING_KIB = 160 * 1024
_SENT_AGAIN_A_KILL = 1200
"""What is in flight, and what two commits may hold of events."""

REASONS = {
    REFUSED: {"rejected"},
    POISON: {"rejected", "exhausted"},
    UNSENDABLE: {"unsendable"},
}
"""Why a row may be dead, by its fate."""


class Tally:
    """What the judge wrote down, by key."""

    def __init__(self, receipts):
        self.receipts = receipts
        self.applied = Counter()
        self.idems = defaultdict(set)
        self.wrong = []
        self.faults = Counter()
        self.items = 0
        for receipt in receipts:
            self.faults[receipt["fault"]] += 1
            self.items += len(receipt["keys"])
            for key, applied, right in zip(
                receipt["keys"], receipt["applied"], receipt["right"], strict=True
            ):
                if not right:
                    self.wrong.append((key, receipt["n"]))
                if applied:
                    self.applied[key] += 1
                    self.idems[key].add(receipt["idem"])


def after_a_run(plan, tally, before, after):
    """Give what is wrong between two looks at the journal."""
    problems = []
    lost = [
        key
        for key in range(1, after.watermark + 1)
        if plan.fate(key) == TAKEN and not tally.applied[key]
    ]
    if lost:
        problems.append(f"P1: the watermark {after.watermark} has passed {lost[:5]} unapplied")
    if after.watermark < before.watermark:
        problems.append(f"P1: the watermark went back from {before.watermark} to {after.watermark}")
    if after.delivered > sum(count > 0 for count in tally.applied.values()):
        problems.append(f"P1: {after.delivered} delivered, {len(tally.applied)} applied")
    sent = max((key for receipt in tally.receipts for key in receipt["keys"]), default=0)
    if sent > after.dispatched_to:
        problems.append(f"I5: {sent} was sent, and dispatched_to is {after.dispatched_to}")
    return problems + _bad_letters(plan, after)


def in_the_end(plan, tally, view, *, elsewhere, kills):
    """Give what is wrong once the pass is complete."""
    keys = range(1, plan.rows + 1)
    taken = [key for key in keys if plan.fate(key) == TAKEN]
    problems = []

    def expect(holds, name, *what):
        if not holds:
            problems.append(f"{name}: {' '.join(map(str, what))}"[:300])

    lost = [key for key in taken if not tally.applied[key] and key not in view.dead]
    expect(not lost, "I1", len(lost), "lost:", lost[:5])
    wrong = tally.wrong + [(key, 0) for key in tally.applied if not 1 <= key <= plan.rows]
    expect(not wrong, "I2", "phantom or corrupted (key, receipt):", wrong[:5])
    expect(view.complete, "I3", "the pass is not complete")
    sums = (view.read, view.delivered, view.dead_count, view.watermark)
    expected = (plan.rows, len(taken), plan.rows - len(taken), plan.rows)
    expect(sums == expected, "I3", "read, delivered, dead, watermark", sums, "not", expected)
    if plan.profile != "batch":
        several = [key for key, idems in tally.idems.items() if len(idems) != 1 or None in idems]
        expect(not several, "I4", "more than one effect after dedupe:", several[:5])
    unsaid = [
        (key, count, view.doubled.get(key, 0))
        for key, count in tally.applied.items()
        if count - 1 > view.doubled.get(key, 0)
    ]
    expect(not unsaid, "I5", len(unsaid), "(key, applied, maybe_duplicated):", unsaid[:5])
    total = sum(view.doubled.values())
    expect(total == view.maybe_duplicated, "I5", total, "is not", view.maybe_duplicated)
    expect(not elsewhere, "I6", elsewhere, "came to another origin or path")
    problems += _bad_letters(plan, view)
    missing = [key for key in keys if plan.fate(key) != TAKEN and key not in view.dead]
    expect(not missing, "I7", "no dead letter of", missing[:5])
    if plan.profile == "ordered":
        expect(not (jumps := _jumps(plan, tally)), "I8", "(group, before, after):", jumps[:5])
    problems += _too_much(plan, tally, kills)
    open_ = [receipt["n"] for receipt in tally.receipts if not receipt["secret"]]
    expect(not open_, "I12", "without credentials:", open_[:5])
    return problems


def _bad_letters(plan, view):
    bad = [
        (key, plan.fate(key), reason)
        for key, reason in view.dead.items()
        if reason not in REASONS.get(plan.fate(key), ())
    ]
    return [f"I7: dead (key, plan, reason): {bad[:5]}"] if bad else []


def _jumps(plan, tally):
    """Give where the first effects of a group do not come in the order of their keys."""
    last, jumps, seen = {}, [], set()
    for receipt in tally.receipts:
        for key, applied in zip(receipt["keys"], receipt["applied"], strict=True):
            if applied and key not in seen:
                seen.add(key)
                group = key % plan.groups
                if key < last.get(group, 0):
                    jumps.append((group, last[group], key))
                last[group] = key
    return jumps


def _too_much(plan, tally, kills):
    """I10: no more at a time than configured, and no more in all than there is reason for."""
    problems = []
    most = max((receipt["in_flight"] for receipt in tally.receipts), default=0)
    slack = 2 if plan.noise or plan.outages else 0  # a client that gave up may be seen to late
    if most > plan.in_flight + slack:
        problems.append(f"I10: {most} requests at once, and max_in_flight is {plan.in_flight}")
    noise = sum(
        len(receipt["keys"])
        for receipt in tally.receipts
        if receipt["fault"] != "ok" or not all(receipt["applied"])
    )
    allowed = 1.1 * plan.rows + noise + (kills + 1) * _SENT_AGAIN_A_KILL
    if tally.items > allowed:
        problems.append(f"I10: {tally.items} records were sent; {allowed:.0f} are explained")
    return problems
