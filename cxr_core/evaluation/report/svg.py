"""Line charts as SVG inside a page: nothing computed, nothing fetched; colours come from the page's style sheet.

Classes: `grid`, `axis`, `line a` to `line d`, `dot a` to `dot d`, `whisker a` to `whisker d`, `guide`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from cxr_core.presentation.html import text

WIDTH, HEIGHT = 360.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 12.0, 40.0
TONES = "abcd"
MOST_TICKS = 6

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart. points: (x, y) in the chart's own units.  whiskers: (x, low, high).

    dots: mark every point.  joined: draw the line between them.
    """

    name: str
    points: Sequence[Point]
    whiskers: Sequence[tuple[float, float, float]] = ()
    dots: bool = False
    joined: bool = True


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What a chart's axes say, and from where to where they go. guides: lines to compare with, dashed."""

    x: str
    y: str
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    guides: Sequence[tuple[Point, Point]] = field(default_factory=tuple)
    whole_x: bool = False  # ticks at whole numbers only

    def place(self, point: Point) -> Point:
        """A point in the chart's units as a point of the drawing."""
        (x_low, x_high), (y_low, y_high) = self.x_range, self.y_range
        across = (point[0] - x_low) / ((x_high - x_low) or 1)
        up = (point[1] - y_low) / ((y_high - y_low) or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (
            HEIGHT - TOP - BOTTOM
        )


def chart(lines: Sequence[Line], axes: Axes, says: str) -> str:
    """A figure with a legend below it. says: one sentence for those who cannot see it, and its caption."""
    drawn = [_grid(axes)]
    drawn += [
        f'<path class="guide" d="{_path([axes.place(a), axes.place(b)])}"/>' for a, b in axes.guides
    ]
    drawn += [_line(line, axes, tone) for line, tone in zip(lines, TONES, strict=False)]
    legend = "".join(
        f'<span class="{tone}">{text(line.name)}</span>'
        for line, tone in zip(lines, TONES, strict=False)
    )
    return (
        f'<figure><svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{text(says)}">{"".join(drawn)}</svg>'
        f'<p class="legend">{legend}</p><figcaption>{text(says)}</figcaption></figure>'
    )


def ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """A few round numbers from low to high: steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / (MOST_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    step = max(step, 1.0) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _grid(axes: Axes) -> str:
    (left, bottom), (right, top) = (
        axes.place((axes.x_range[0], axes.y_range[0])),
        axes.place((axes.x_range[1], axes.y_range[1])),
    )
    parts = []
    for value in ticks(*axes.x_range, axes.whole_x):
        x, _ = axes.place((value, axes.y_range[0]))
        parts.append(f'<path class="grid" d="{_path([(x, bottom), (x, top)])}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 15:.1f}" text-anchor="middle">{value:g}</text>'
        )
    for value in ticks(*axes.y_range):
        _, y = axes.place((axes.x_range[0], value))
        parts.append(f'<path class="grid" d="{_path([(left, y), (right, y)])}"/>')
        parts.append(
            f'<text x="{left - 6:.1f}" y="{y + 3.5:.1f}" text-anchor="end">{value:g}</text>'
        )
    parts.append(
        f'<path class="axis" d="{_path([(left, top), (left, bottom), (right, bottom)])}"/>'
    )
    middle = (left + right) / 2, (top + bottom) / 2
    parts.append(
        f'<text class="label" x="{middle[0]:.1f}" y="{HEIGHT - 6:.1f}" text-anchor="middle">{text(axes.x)}</text>'
        f'<text class="label" transform="translate(11 {middle[1]:.1f}) rotate(-90)" text-anchor="middle">'
        f"{text(axes.y)}</text>"
    )
    return "".join(parts)


def _line(line: Line, axes: Axes, tone: str) -> str:
    placed = _thinned([axes.place(point) for point in line.points])
    parts = (
        [f'<path class="line {tone}" d="{_path(placed)}"/>']
        if line.joined and len(placed) > 1
        else []
    )
    for x, low, high in line.whiskers:
        parts.append(
            f'<path class="whisker {tone}" d="{_path([axes.place((x, low)), axes.place((x, high))])}"/>'
        )
    if line.dots or len(placed) == 1:
        parts += [
            f'<circle class="dot {tone}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in placed
        ]
    return "".join(parts)


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Without points that lie within a quarter of a pixel of the one before; the last one always stays."""
    kept = list(points[:1])
    for point in points[1:]:
        if math.dist(kept[-1], point) >= 0.25:
            kept.append(point)
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
