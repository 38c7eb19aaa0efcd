"""Charts as SVG text: no script, no font and no picture from elsewhere."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowferry.cli.history import Point

_WIDTH, _HEIGHT = 720, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 24
_TICKS = 4
_EASY = (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10)


def lines(title: str, series: Mapping[str, Sequence[Point]]) -> str:
    """
    Give a chart of figures over time.

    Args:
        title: said to those who do not see it.
        series: the points of each line, in order, by its name.
    """
    points = [point for line in series.values() for point in line]
    if not points:
        return '<p class="none">nothing was measured</p>'
    most = _ceiling(max(point.value for point in points))
    end = max(point.seconds for point in points) or 1.0
    drawn = [_line(number, line, end, most) for number, line in enumerate(series.values()) if line]
    legend = _legend(list(series)) if len(series) > 1 else ""
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{_grid(end, most)}{''.join(drawn)}{legend}</svg>"
    )


def _x(seconds: float, end: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * seconds / end


def _y(value: float, most: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / most


def _line(number: int, line: Sequence[Point], end: float, most: float) -> str:
    places = " ".join(f"{_x(point.seconds, end):.1f},{_y(point.value, most):.1f}" for point in line)
    if len(line) == 1:
        x, y = places.split(",")
        return f'<circle class="line{number} dot" cx="{x}" cy="{y}" r="3"/>'
    return f'<polyline class="line{number}" points="{places}"/>'


def _grid(end: float, most: float) -> str:
    parts = []
    for step in range(_TICKS + 1):
        value, seconds = most * step / _TICKS, end * step / _TICKS
        y, x = _y(value, most), _x(seconds, end)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="end">{number(value)}</text>')
        place = "end" if step == _TICKS else "middle" if step else "start"
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 6}" class="{place}">{span(seconds)}</text>')
    return "".join(parts)


def _legend(names: Sequence[str]) -> str:
    parts = []
    for place, name in enumerate(names):
        x = _WIDTH - _RIGHT - 60 * (len(names) - place)
        parts.append(f'<line class="line{place}" x1="{x}" x2="{x + 16}" y1="8" y2="8"/>')
        parts.append(f'<text x="{x + 20}" y="12" class="start">{escape(name)}</text>')
    return "".join(parts)


def bars(counts: Mapping[str, int]) -> str:
    """Give a table of counts, the largest first, each with a bar as long as it is large."""
    most = max(counts.values(), default=0)
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{count:,}</td>"
        f'<td class="bar"><div style="width:{100 * count / most:.1f}%"></div></td></tr>'
        for name, count in sorted(counts.items(), key=lambda item: -item[1])
        if count
    )
    return f"<table>{rows}</table>" if rows else '<p class="none">none</p>'


def _ceiling(value: float) -> float:
    """Give the next number up whose quarters are easy to read."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _EASY if step * power >= value * (1 - 1e-9))


def number(value: float) -> str:
    """Give a number that is short."""
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:,.10g}" if value >= 1 or not value else f"{value:.2g}"


def span(seconds: float) -> str:
    """Give a time in the unit that suits it."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
