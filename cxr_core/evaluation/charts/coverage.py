"""Draws the error among the films decided against the share decided, with bands, as a Plotly figure."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxr_core.evaluation.bootstrap.confidence_bands import ConfidenceBand
from cxr_core.evaluation.charts.base import (
    Chart,
    draw_band,
    draw_guide,
    draw_line,
    draw_marks,
    hide_undefined,
    make_figure,
)
from cxr_core.evaluation.metrics.coverage import RULE_NAMES
from cxr_core.presentation.palette import DASHES, GREY, SERIES

SMALLEST_TOP = 0.05  # of the error axis
LEAST_DRAWN = 0.2  # share decided, below which the error rests on few films


def draw_coverage(
    bands: Mapping[str, ConfidenceBand], points: Sequence[tuple[str, float, float]] = ()
) -> Chart:
    """One curve for each rule. points: decisions by name, with the share decided and the error."""
    traces = []
    table = pd.DataFrame({"decided": next(iter(bands.values())).at})
    colours = dict(zip(RULE_NAMES, zip(SERIES, DASHES, strict=False), strict=False))
    for rule, band in bands.items():
        traces.append(draw_band(band.at, band.low, band.high, colours[rule][0]))
    first = bands.get("distance")
    if first is not None and not np.isnan(first.value[-1]):
        # In random order the error would be that of all films at every share.
        traces.append(draw_guide((float(first.at[0]), 1.0), (float(first.value[-1]),) * 2))
    for rule, band in bands.items():
        colour, dash = colours[rule]
        name = RULE_NAMES[rule]
        hover = f"{name}: %{{x:.0%}} decided, error %{{y:.1%}}%{{customdata}}<extra></extra>"
        limits = zip(band.low, band.high, strict=True)
        traces.append(
            draw_line(
                band.at,
                hide_undefined(band.value),
                name,
                colour,
                dash,
                hovertemplate=hover,
                customdata=[f" ({low:.1%} to {high:.1%})" for low, high in limits],
            )
        )
        table[rule] = band.value
        table[f"{rule}_low"], table[f"{rule}_high"] = band.low, band.high
    if points:
        names, decided, errors = zip(*points, strict=True)
        traces.append(
            draw_marks(
                decided,
                errors,
                GREY,
                "diamond",
                name="the model's decisions",
                text=names,
                hovertemplate="%{text}: %{x:.1%} decided, error %{y:.1%}<extra></extra>",
            )
        )
    figure = make_figure(traces, 380, "share of films decided", "error among the decided")
    highs = [band.high[band.at >= LEAST_DRAWN] for band in bands.values()]
    highest = max((float(np.nanmax(high)) for high in highs if not np.isnan(high).all()), default=0)
    top = max(SMALLEST_TOP, 1.1 * highest, *(1.1 * error for _, _, error in points))
    figure.update_xaxes(range=[-0.015, 1.015], tickformat=".0%", dtick=0.2)
    figure.update_yaxes(range=[-0.02 * top, min(top, 1.02)], tickformat=".0%")
    return Chart(
        figure=figure,
        description="Error among the films decided against the share decided, by three rules; the dotted line is a "
        "random order",
        table=table,
    )
