"""What a seed decides: the rows of the source, what the judge does, how the program is set up."""

import json
from dataclasses import dataclass
from hashlib import blake2b
from random import Random

PROFILES = ("single", "deduped", "ordered", "batch")
"""
One record a request; the same to an API that dedupes by key; one after another within a group; many
records a request, with a status for each.
"""

SOURCES = ("sqlite", "postgresql")

SPARED_FROM = 5
"""The attempt from which on a record meets no noise, so that no bad luck looks like poison."""

TAKEN, REFUSED, POISON, UNSENDABLE = "taken", "refused", "poison", "unsendable"
"""
What becomes of a row: the API takes it; answers 400; answers 500 always; JSON cannot hold it.
"""

NAMES = (
    *("", "a", "é", "😀", "\u2028", "B", "_", "\x7f", "\t", "\r\n", "\x1b[31m", '"', "\\", "'"),
    *("=cmd|'/C calc'!A0", "; DROP TABLE source", "</script>", "%00", "\u202e", "ﬀ"),
)
SIZES = (0, 1, 100, 1000, 1024)
LARGE = (65_535, 65_536, 65_537, 1_000_000)


def draw(*parts):
    """Give a number from 0 to 1 that depends on *parts* and on nothing else."""
    text = ":".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=7).digest(), "big") / 2**56


@dataclass(frozen=True)
class Plan:
    """
    All that a seed decides.

    Attributes:
        noise: share of the receipts that meet a fault.
        kills: how often the program is to be killed.
        outages: numbers of receipts at which the API goes away for a while.
        refused: share of the rows that the API will not take.
        menu: names of the faults to draw from; empty: all.
    """

    seed: int
    source: str
    profile: str
    rows: int
    noise: float
    in_flight: int
    batch_size: int
    kills: int
    outages: tuple[int, ...]
    refused: float = 0.006
    menu: tuple[str, ...] = ()

    @classmethod
    def of(cls, seed, *, rows=900, kills=10, **fixed):
        dice = Random(f"plan {seed}")
        profile, noise = dice.choice(PROFILES), dice.choice([0.0, 0.03, 0.1, 0.25])
        values = {
            "source": dice.choice(SOURCES),
            "profile": profile,
            "noise": noise,
            "in_flight": dice.choice([16, 48] if noise > 0.05 else [1, 4, 16, 48]),
            "batch_size": dice.choice([2, 7, 25]),
            "outages": tuple(dice.sample(range(rows), dice.choice([0, 0, 1, 2]))),
        } | fixed
        if values["profile"] != "batch":
            values["batch_size"] = 1
        return cls(seed=seed, rows=rows, kills=kills, **values)

    @property
    def groups(self):
        """How many values the column of the order has."""
        return 40

    def fate(self, key):
        """Say what becomes of a row in the end."""
        luck = draw(self.seed, "fate", key) - self.refused
        if luck < 0 or key == 17:
            return REFUSED
        if luck < 0.002 or key == 23:
            return POISON
        return UNSENDABLE if luck < 0.006 or key == 31 else TAKEN

    def secret(self):
        return f"canary{self.seed}/s+cret=="

    def name(self, key):
        nasty = NAMES[int(draw(self.seed, "name", key) * len(NAMES))]
        return f"{nasty}pii-{self.seed}-{key}."

    def payload(self, key):
        luck = draw(self.seed, "size", key)
        sizes = LARGE if luck < 0.004 else SIZES
        return "x" * sizes[int(draw(self.seed, "which size", key) * len(sizes))]

    def amount(self, key):
        return f"{10**16 + key}.{key % 100:03}"

    def cells(self, key):
        """Give the cells of a row, as its database takes them."""
        unsendable = self.fate(key) == UNSENDABLE
        ratio = key / 8
        if unsendable:
            ratio = float("nan") if self.source == "postgresql" else b"\0"
        name, payload = self.name(key), self.payload(key)
        return (key, key % self.groups, name, self.amount(key), 2**53 + key, ratio, payload)

    def body(self, key):
        """Give the JSON that has to arrive, byte for byte."""
        amount = self.amount(key)
        pairs = [
            ("id", str(key)),
            ("grp", str(key % self.groups)),
            ("name", _text(self.name(key))),
            ("amount", amount if self.source == "postgresql" else _text(amount)),
            ("big", str(2**53 + key)),
            ("ratio", repr(key / 8)),
            ("payload", _text(self.payload(key))),
        ]
        return ("{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}").encode()


def _text(value):
    return json.dumps(value, ensure_ascii=False)
