"""Draws where a film's probability lies between the thresholds, as HTML."""

from html import escape

from cxr_core.presentation.palette import BLUE, PURPLE, VERMILION, tint
from cxr_core.presentation.wording import format_beside_thresholds
from cxr_core.reading.decision import place_on_bar

TICKS = (0.01, 0.1, 0.5, 0.9, 0.99)
# What a zone must be wide for its name to fit, in per cent of the bar.
WIDTH_OF_NAME = {"not suspected": 26, "undecided": 20, "suspected": 20}
# What the marker covers at either side of its place on a narrow bar, in per cent of the bar.
HALF_OF_MARKER = 3
TOP_PX, BAR_PX, HEIGHT_PX, NUMBER_PX = 16, 16, 48, 54


def draw_probability_bar(
    name: str, probability: float, present_from: float, absent_below: float, verdict: str
) -> str:
    """The bar of one finding with the number at its right; its label says in words what it shows.

    present_from, absent_below: thresholds on the probability, equal where there is one.
    """
    low, high, place = (position_on_bar(p) for p in (absent_below, present_from, probability))
    number, (shown_low, shown_high) = format_beside_thresholds(
        probability, (absent_below, present_from)
    )
    thresholds = f"suspected from {shown_high}"
    if absent_below != present_from:
        thresholds += f", not suspected below {shown_low}"
    label = f"{name}: {verdict}, {number}; {thresholds}"
    parts = [
        *_draw_zone(0, low, tint(BLUE, 0.3), "not suspected", place),
        *_draw_zone(low, high, tint(PURPLE, 0.4), "undecided", place),
        *_draw_zone(high, 100, tint(VERMILION, 0.4), "suspected", place),
        *(_draw_text(position_on_bar(t), TOP_PX + BAR_PX, f"{100 * t:g} %", "-50%") for t in TICKS),
    ]
    if low == high:
        parts += _draw_threshold(high, shown_high, "-50%")
    else:
        parts += _draw_threshold(low, shown_low, "calc(-100% + 4px)")
        parts += _draw_threshold(high, shown_high, "-4px")
    parts.append(_draw_marker(place))
    box = f"position: relative; flex: 1; height: {HEIGHT_PX}px; font-size: 12px; line-height: 16px"
    bar = f'<div role="img" aria-label="{escape(label)}" style="{box}">{"".join(parts)}</div>'
    bold = f'<b style="width: {NUMBER_PX}px; text-align: right">{number}</b>'
    # The number is read first, and stands last.
    row = "display: flex; flex-direction: row-reverse; align-items: center"
    return f'<div style="{row}">{bold}{bar}</div>'


def position_on_bar(probability: float) -> float:
    """The place of a probability from the left, in per cent of the width."""
    return 100 * place_on_bar(probability)


def _draw_zone(left: float, right: float, colour: str, name: str, marker: float) -> list[str]:
    """A zone, with its name where it fits beside the marker."""
    width = right - left
    if width <= 0:
        return []
    zone = _place(left, TOP_PX, f"width: {width:.2f}%; height: {BAR_PX}px; background: {colour}")
    free_left, free_right = _find_room_beside(marker, left, right)
    room = free_right - free_left
    if room < WIDTH_OF_NAME[name]:
        return [zone]
    return [zone, _place(free_left, TOP_PX, f"width: {room:.2f}%; text-align: center", name)]


def _find_room_beside(marker: float, left: float, right: float) -> tuple[float, float]:
    """The widest part of a zone that the marker leaves free."""
    if not left - HALF_OF_MARKER < marker < right + HALF_OF_MARKER:
        return left, right
    before, after = (left, marker - HALF_OF_MARKER), (marker + HALF_OF_MARKER, right)
    return max(before, after, key=lambda part: part[1] - part[0])


def _draw_threshold(position: float, threshold: str, shift: str) -> list[str]:
    line = f"height: {BAR_PX + 3}px; border-left: 1px solid currentColor"
    return [
        _place(position, TOP_PX - 3, line),
        _draw_text(position, 0, threshold, shift, opacity=1),
    ]


def _draw_marker(position: float) -> str:
    size = BAR_PX - 3
    style = (
        f"width: {size}px; height: {size}px; border-radius: 50%; background: currentColor; "
        "transform: translateX(-50%)"
    )
    return _place(position, TOP_PX + 1.5, style)


def _draw_text(position: float, top: float, text: str, shift: str, opacity: float = 0.65) -> str:
    style = f"transform: translateX({shift}); opacity: {opacity:g}; white-space: nowrap"
    return _place(position, top, style, text)


def _place(left: float, top: float, style: str, text: str = "") -> str:
    place = f"position: absolute; left: {left:.2f}%; top: {top:g}px; {style}"
    return f'<div style="{place}">{escape(text)}</div>'
