"""The pictures of docs/story.md: SVG, in colours that can be read on white and on black."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTH, LEFT, RIGHT = 720, 170, 75
ROW, BAR, GAP = 26, 16, 44
PANEL, STEP = 64, 100
TEXT, OURS, OTHERS = "#6f7985", "#3081e0", "#8f98a3"


def bars(groups: Mapping[str, Mapping[str, float]]) -> str:
    """Draw rows a second as bars: a group for each API, a bar for each way."""
    parts, y = [], 0
    for heading, rates in groups.items():
        parts.append(_text(0, y + 20, f"rows a second, {heading}", bold=True))
        y += GAP
        scale = (WIDTH - LEFT - RIGHT) / max(rates.values())
        for way, rate in rates.items():
            length = max(rate * scale, 1)
            parts.append(_text(LEFT - 10, y, way, anchor="end"))
            parts.append(_bar(LEFT, y - 13, length, way))
            parts.append(_text(LEFT + length + 8, y, f"{rate:,.0f}"))
            y += ROW
    return _picture(y, "Rows a second of each way", parts)


def timelines(lines: Mapping[str, Sequence[float]], step: float, *, ceiling: int) -> str:
    """
    Draw requests in flight over time: a panel for each way, all over the same seconds.

    Args:
        lines: by the ways (a line break begins a second line), how many were in flight in each
            *step* of so many seconds.
        ceiling: the most that may be.
    """
    seconds = max(map(len, lines.values())) * step
    scale = (WIDTH - LEFT - RIGHT) / seconds
    parts = [_text(0, 20, "requests in flight, over time", bold=True)]
    for number, (way, points) in enumerate(lines.items()):
        floor = 44 + PANEL + number * STEP
        parts += _panel(way, points, step * scale, floor, ceiling)
    height = 44 + len(lines) * STEP
    for second in range(int(seconds) + 1):
        parts.append(_text(LEFT + second * scale, height - 8, f"{second} s", anchor="middle"))
    return _picture(height, "Requests in flight over time, of each way", parts)


def _panel(
    way: str, points: Sequence[float], step: float, floor: float, ceiling: int
) -> Iterator[str]:
    for number, text in enumerate(way.split("\n")):
        yield _text(LEFT - 10, floor - PANEL / 2 + 18 * number, text, anchor="end")
    for level in (0, ceiling):
        y = floor - PANEL * level / ceiling
        yield f'<path d="M{LEFT} {y:g}H{WIDTH - RIGHT}" stroke="{TEXT}" stroke-opacity="0.4"/>'
        yield _text(WIDTH - RIGHT + 8, y + 5, str(level))
    corners = []
    for number, point in enumerate(points):
        y = floor - PANEL * point / ceiling
        corners.append(f"V{y:.1f}H{LEFT + (number + 1) * step:.1f}")
    yield f'<path d="M{LEFT} {floor:g}{"".join(corners)}V{floor:g}Z" fill="{_colour(way)}"/>'


def _bar(x: float, y: float, length: float, way: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{length:.1f}" height="{BAR}" fill="{_colour(way)}"/>'


def _colour(way: str) -> str:
    return OURS if way.startswith("rowferry") else OTHERS


def _text(x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:g}" text-anchor="{anchor}"{weight}>{text}</text>'


def _picture(height: float, title: str, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'width="{WIDTH}" height="{height:g}" fill="{TEXT}" font-size="14" '
        f'font-family="system-ui, sans-serif">'
    )
    return "\n".join([head, f"<title>{title}</title>", *parts, "</svg>", ""])
