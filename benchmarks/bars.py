"""
Bars as SVG text: legible in light and in dark, wide and narrow, with and without colours.

Nothing is legible at 4.5:1 on white and on a dark page alike, so the bars stand on a panel of their
own. Its colours follow what the reader's system prefers; where a page is switched by hand, a panel
of the other kind is legible as well. A name stands above its bar, and not beside it, since a
narrow screen shrinks the picture, and the letters with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from statistics import median
from textwrap import wrap
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["ours", "peer", "limit"]

WIDTH = 520
MARGIN = 16
LINE, BAR, GAP = 19, 14, 12
LETTER = 8.2  # px, a digit of the labels and a little more
LETTERS = {"title": 46, "note": 70, "heading": 56, "name": 60}
"""Of a line, at most."""

LIGHT = {
    "panel": "#ffffff",
    "edge": "#d0d7de",
    "ink": "#1f2328",
    "muted": "#59636e",
    "ours": "#0072b2",
    "peer": "#848d97",
}
DARK = {
    "panel": "#161b22",
    "edge": "#3d444d",
    "ink": "#e6edf3",
    "muted": "#9da7b1",
    "ours": "#56b4e9",
    "peer": "#7d8792",
}
"""Blue and grey differ for every eye, and in lightness; a limit is an outline, ours is in bold."""

RULES = """
text {{ font: 14px system-ui, sans-serif; fill: {ink} }}
.title {{ font-size: 17px; font-weight: 600 }}
.note {{ font-size: 12.5px; fill: {muted} }}
.heading, .name.ours {{ font-weight: 600 }}
.panel {{ fill: {panel}; stroke: {edge} }}
rect.ours {{ fill: {ours} }}
rect.peer {{ fill: {peer} }}
rect.limit {{ fill: none; stroke: {muted}; stroke-width: 1.5; stroke-dasharray: 4 3 }}
.halo {{ stroke: {panel}; stroke-width: 4 }}
.span {{ stroke: {ink}; stroke-width: 1.5 }}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """
    One bar: as long as the median of what was measured, with a line from the least to the most.

    Attributes:
        form: of the label, for the median.
        absent: the label where the median is below 0, which stands for a figure that there is not.
    """

    name: str
    kind: Kind
    values: tuple[float, ...]
    form: str = "{:,.0f}"
    absent: str = "none"

    @property
    def middle(self) -> float:
        """Give the median."""
        return median(self.values)

    @property
    def label(self) -> str:
        """Give the median as it is written."""
        return self.form.format(self.middle) if self.middle >= 0 else self.absent


@dataclass(frozen=True, slots=True)
class Group:
    """Bars of one scale, under a heading if there is one."""

    bars: tuple[Bar, ...]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """
    One picture.

    Attributes:
        file: its name.
        section: the scenario with which it stands.
        title: what the bars are.
        note: how they are to be read.
        alt: what they show, for those who do not see them.
    """

    file: str
    section: str
    title: str
    note: str
    alt: str
    groups: tuple[Group, ...]


def drawn(chart: Chart) -> str:
    """Give the picture as SVG."""
    parts, y = _lines(chart.title, MARGIN + 8, "title")
    more, y = _lines(chart.note, y, "note")
    parts += more
    for group in chart.groups:
        more, y = _group(group, y + 6)
        parts += more
    height = y - LINE + MARGIN
    frame = f'<rect class="panel" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>'
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(chart.title)}</title>",
            f"<desc>{escape(chart.alt)}</desc>",
            f"<style>{_style()}</style>",
            *(frame, *parts, "</svg>\n"),
        ]
    )


def _style() -> str:
    dark = RULES.format(**DARK)
    return f"{RULES.format(**LIGHT)}@media (prefers-color-scheme: dark) {{{dark}}}\n"


def _group(group: Group, y: int) -> tuple[list[str], int]:
    """Give the parts of a group from *y* on, and where the next one may begin."""
    parts, y = _lines(group.heading, y, "heading")
    y += 4 if group.heading else 0
    most = max((max(bar.values) for bar in group.bars), default=0)
    letters = max(len(bar.label) for bar in group.bars)
    scale = (WIDTH - 2 * MARGIN - 8 - LETTER * letters) / most if most > 0 else 0.0
    for bar in group.bars:
        more, y = _bar(bar, y, scale)
        parts += more
    return parts, y


def _bar(bar: Bar, y: int, scale: float) -> tuple[list[str], int]:
    parts, y = _lines(bar.name, y, "name", bar.kind)
    top = y - LINE + 6
    length, low, high = (
        max(0.0, scale * value) for value in (bar.middle, min(bar.values), max(bar.values))
    )
    size = f'width="{length:.1f}" height="{BAR}"'
    parts.append(f'<rect class="bar {bar.kind}" x="{MARGIN}" y="{top}" {size}/>')
    if high - low >= 2:
        parts += _whisker(MARGIN + low, MARGIN + high, top + BAR / 2)
    x = MARGIN + max(length, high) + 7
    parts.append(f'<text class="value" x="{x:.1f}" y="{top + 12}">{escape(bar.label)}</text>')
    return parts, y + BAR + GAP


def _whisker(left: float, right: float, y: float) -> list[str]:
    """Give a line with an end on each side, set off from the bar under it."""
    ends = "".join(f"M{x:.1f} {y - 4}V{y + 4}" for x in (left, right))
    path = f"M{left:.1f} {y}H{right:.1f}{ends}"
    return [f'<path class="{kind}" d="{path}"/>' for kind in ("halo", "span")]


def _lines(text: str, y: int, kind: str, more: str = "") -> tuple[list[str], int]:
    """Give *text* in as many lines as it takes, and where the next one goes."""
    parts = []
    for line in wrap(text, LETTERS[kind]):
        parts.append(
            f'<text class="{f"{kind} {more}".strip()}" x="{MARGIN}" y="{y}">{escape(line)}</text>'
        )
        y += LINE
    return parts, y


def markdown(charts: Sequence[Chart], folder: str) -> dict[str, list[str]]:
    """Give the lines that show *charts* in a page, by the scenario that they stand with."""
    shown: dict[str, list[str]] = {}
    for chart in charts:
        shown.setdefault(chart.section, []).append(f"![{chart.alt}]({folder}/{chart.file})")
    return shown
