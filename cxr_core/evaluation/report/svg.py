"""Places line charts in SVG coordinates; a template draws them, and the page's style sheet colours them.

CSS classes: `grid`, `axis`, `line a` to `line d`, `dot a` to `dot d`, `whisker a` to `whisker d`, `guide`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 360.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 10.0, 12.0, 40.0
TONES = "abcd"
MAX_TICKS = 6
MIN_DISTANCE = 0.25  # in SVG units: points closer to the one before are left out

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One series of a chart, in the chart's own units.

    points: (x, y).  whiskers: (x, low, high).  dots: mark every point.  joined: draw the line between them.
    """

    name: str
    points: Sequence[Point]
    whiskers: Sequence[tuple[float, float, float]] = ()
    dots: bool = False
    joined: bool = True


@dataclass(frozen=True, kw_only=True)
class Axes:
    """The titles and ranges of a chart's axes. guides: dashed lines to compare with."""

    x: str
    y: str
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    guides: Sequence[tuple[Point, Point]] = field(default_factory=tuple)
    integer_x: bool = False  # ticks at integers only

    def to_svg(self, point: Point) -> Point:
        """A point in the chart's units as SVG coordinates."""
        (x_low, x_high), (y_low, y_high) = self.x_range, self.y_range
        across = (point[0] - x_low) / ((x_high - x_low) or 1)
        up = (point[1] - y_low) / ((y_high - y_low) or 1)
        x = LEFT + across * (WIDTH - LEFT - RIGHT)
        return x, HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


@dataclass(frozen=True)
class SvgPath:
    """A line through points. data: the `d` attribute."""

    css_class: str
    data: str


@dataclass(frozen=True)
class SvgCircle:
    """A dot. x, y: SVG coordinates."""

    css_class: str
    x: float
    y: float


@dataclass(frozen=True)
class SvgText:
    """A label. x, y: SVG coordinates.  anchor: "start", "middle" or "end"."""

    text: str
    x: float
    y: float
    anchor: str
    css_class: str = ""
    vertical: bool = False


@dataclass(frozen=True)
class LegendEntry:
    """A series' name beside its colour."""

    tone: str
    name: str


@dataclass(frozen=True, kw_only=True)
class SvgChart:
    """A chart in SVG coordinates. caption: one sentence, also for readers who cannot see the chart."""

    width: float = WIDTH
    height: float = HEIGHT
    paths: Sequence[SvgPath]
    circles: Sequence[SvgCircle]
    texts: Sequence[SvgText]
    legend: Sequence[LegendEntry]
    caption: str


def draw_chart(lines: Sequence[Line], axes: Axes, caption: str) -> SvgChart:
    """Place at most four series on their axes."""
    toned = list(zip(lines, TONES, strict=False))
    paths = [*_grid_paths(axes)]
    paths += [SvgPath("guide", path_data([axes.to_svg(a), axes.to_svg(b)])) for a, b in axes.guides]
    circles: list[SvgCircle] = []
    for line, tone in toned:
        placed = _thin_points([axes.to_svg(point) for point in line.points])
        if line.joined and len(placed) > 1:
            paths.append(SvgPath(f"line {tone}", path_data(placed)))
        for x, low, high in line.whiskers:
            ends = [axes.to_svg((x, low)), axes.to_svg((x, high))]
            paths.append(SvgPath(f"whisker {tone}", path_data(ends)))
        if line.dots or len(placed) == 1:
            circles += [SvgCircle(f"dot {tone}", x, y) for x, y in placed]
    return SvgChart(
        paths=paths,
        circles=circles,
        texts=list(_axis_texts(axes)),
        legend=[LegendEntry(tone, line.name) for line, tone in toned],
        caption=caption,
    )


def choose_ticks(low: float, high: float, integer: bool = False) -> list[float]:
    """A few round numbers from low to high: steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / (MAX_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    if integer:
        step = max(step, 1.0)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def path_data(points: Sequence[Point]) -> str:
    """The `d` attribute of a path through points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _grid_paths(axes: Axes) -> Iterator[SvgPath]:
    left, bottom = axes.to_svg((axes.x_range[0], axes.y_range[0]))
    right, top = axes.to_svg((axes.x_range[1], axes.y_range[1]))
    for value in choose_ticks(*axes.x_range, axes.integer_x):
        x, _ = axes.to_svg((value, axes.y_range[0]))
        yield SvgPath("grid", path_data([(x, bottom), (x, top)]))
    for value in choose_ticks(*axes.y_range):
        _, y = axes.to_svg((axes.x_range[0], value))
        yield SvgPath("grid", path_data([(left, y), (right, y)]))
    yield SvgPath("axis", path_data([(left, top), (left, bottom), (right, bottom)]))


def _axis_texts(axes: Axes) -> Iterator[SvgText]:
    """The numbers at the ticks and the titles of both axes."""
    left, bottom = axes.to_svg((axes.x_range[0], axes.y_range[0]))
    right, top = axes.to_svg((axes.x_range[1], axes.y_range[1]))
    for value in choose_ticks(*axes.x_range, axes.integer_x):
        x, _ = axes.to_svg((value, axes.y_range[0]))
        yield SvgText(f"{value:g}", x, bottom + 15, "middle")
    for value in choose_ticks(*axes.y_range):
        _, y = axes.to_svg((axes.x_range[0], value))
        yield SvgText(f"{value:g}", left - 6, y + 3.5, "end")
    yield SvgText(axes.x, (left + right) / 2, HEIGHT - 6, "middle", "label")
    yield SvgText(axes.y, 11, (top + bottom) / 2, "middle", "label", vertical=True)


def _thin_points(points: Sequence[Point]) -> list[Point]:
    """Without points that hardly differ from the one before; the last one always stays."""
    kept = list(points[:1])
    for point in points[1:]:
        if math.dist(kept[-1], point) >= MIN_DISTANCE:
            kept.append(point)
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept
