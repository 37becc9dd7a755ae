"""Builds the parts that all charts of an evaluation share: frame, lines, bands and marks.

Charts are transparent, write in the page's own colour, and have lines that a click can hit.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.special import expit, logit

from cxr_core.evaluation.charts.film_filter import FilmFilter
from cxr_core.presentation.palette import BLUE, GREY, tint

GRID_COLOUR = tint(GREY, 0.28)
CLEAR = "rgba(0, 0, 0, 0)"  # also behind the camera button, which Plotly puts on a grey box
MAX_POINTS = 400  # drawn of one line; the chart's table has them all
DIGITS = 4
AXIS_END = 7.5  # log-odds; 0.06 % and 99.94 %
PROBABILITY_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)


@dataclass(frozen=True, kw_only=True, eq=False)
class Chart:
    """A Plotly figure, its description in a sentence, and the numbers that it shows.

    filters: by trace, for each of its points the films behind it; a trace that is not in it answers no click.
    """

    figure: go.Figure
    description: str
    table: pd.DataFrame
    filters: Mapping[int, Sequence[FilmFilter]] = field(default_factory=dict)

    @cached_property
    def filters_digest(self) -> str:
        """Tells charts apart whose points have other films behind them."""
        return hashlib.sha256(repr(dict(self.filters)).encode()).hexdigest()[:12]

    def filter_at(self, trace: int, point: int) -> FilmFilter | None:
        """The films behind a point; None for a place that has none."""
        filters = self.filters.get(trace, ())
        return filters[point] if 0 <= point < len(filters) else None

    def to_csv(self) -> str:
        """The numbers as text."""
        text: str = self.table.to_csv(index=False, float_format="%.6g")
        return text


def make_figure(
    traces: Sequence[Any], height: int, x_title: str, y_title: str, **layout: Any
) -> go.Figure:
    """A figure without zoom, so that a page on a phone scrolls over it."""
    figure = go.Figure(list(traces))
    named = sum(trace.name is not None and trace.showlegend is not False for trace in traces)
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 34 if named > 1 else 12, "b": 8},
        showlegend=named > 1,
        legend={
            "orientation": "h",
            "y": 1.01,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "normal",
            "title_text": "",
        },
        dragmode=False,
        hovermode="closest",
        modebar={"bgcolor": CLEAR, "color": GREY, "activecolor": BLUE},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        **layout,
    )
    axes = {
        "fixedrange": True,
        "automargin": True,
        "gridcolor": GRID_COLOUR,
        "zeroline": False,
        "exponentformat": "none",  # 0.5 is never written as 500m
    }
    figure.update_xaxes(**axes, title_text=x_title)
    figure.update_yaxes(**axes, title_text=y_title, title_standoff=8)
    return figure


def add_threshold_line(chart: Chart, threshold: float) -> Chart:
    """The same chart, whose x axis is of log-odds, with a dashed line at the threshold.

    Quick: nothing else is built or validated again.
    """
    place = float(to_log_odds_axis(threshold))
    content = chart.figure.to_dict()
    shape = {
        "type": "line",
        "x0": place,
        "x1": place,
        "y0": 0,
        "y1": 1,
        "yref": "y domain",
        "line": {"color": GREY, "width": 1.5, "dash": "dash"},
    }
    layout = {**content["layout"], "shapes": [shape]}
    figure = go.Figure({"data": content["data"], "layout": layout}, _validate=False)
    return replace(chart, figure=figure)


def set_log_odds_axis(figure: go.Figure) -> go.Figure:
    """Make the x axis one of log-odds whose ticks are probabilities; data have to be given by `to_log_odds_axis`."""
    figure.update_xaxes(
        range=[-AXIS_END - 0.2, AXIS_END + 0.2],
        tickvals=to_log_odds_axis(np.array(PROBABILITY_TICKS)).tolist(),
        ticktext=[f"{100 * tick:g} %" for tick in PROBABILITY_TICKS],
    )
    return figure


def to_log_odds_axis(probabilities: Any) -> np.ndarray:
    """Where probabilities lie on an axis of log-odds; those beyond its ends, such as 0 and 1, are at its ends."""
    clipped = np.clip(np.asarray(probabilities, float), expit(-AXIS_END), expit(AXIS_END))
    places: np.ndarray = np.round(logit(clipped), DIGITS)
    return places


def set_share_axes(figure: go.Figure, x: bool = True) -> go.Figure:
    """Make axes run from 0 to 1, in per cent, a little beyond both so that marks on the edge are seen complete."""
    axis = {"range": [-0.015, 1.015], "tickformat": ".0%", "dtick": 0.2}
    if x:
        figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def draw_line(
    x: Any, y: Any, name: str, colour: str, dash: str = "solid", **options: Any
) -> go.Scatter:
    """A line whose points, though invisible, can be hovered over and clicked."""
    return go.Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 2},
        marker={"color": colour, "size": 9, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        **options,
    )


def draw_band(x: Any, low: Any, high: Any, colour: str) -> go.Scatter:
    """The area between two lines, where neither is NaN."""
    x, low, high = (np.asarray(values, float) for values in (x, low, high))
    defined = ~np.isnan(low) & ~np.isnan(high)
    return go.Scatter(
        x=np.concatenate([x[defined], x[defined][::-1]]),
        y=np.concatenate([high[defined], low[defined][::-1]]),
        fill="toself",
        fillcolor=tint(colour, 0.18),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )


def draw_guide(x: Sequence[float], y: Sequence[float]) -> go.Scatter:
    """A thin grey line to compare with."""
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": GREY, "dash": "dot", "width": 1.2},
        hoverinfo="skip",
        showlegend=False,
    )


def draw_marks(x: Any, y: Any, colour: str, symbol: str = "circle", **options: Any) -> go.Scatter:
    """Marks with a white edge, which sets them off from lines; complete even on the edge of the axes."""
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        cliponaxis=False,
        marker={
            "color": colour,
            "symbol": symbol,
            "size": 11,
            "line": {"color": "white", "width": 1},
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        **options,
    )


def thin_places(count: int) -> np.ndarray:
    """Places of at most MAX_POINTS of `count` points, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, MAX_POINTS)).round().astype(int))


def round_values(values: Any) -> np.ndarray:
    """Values with four decimals, so that a page carries no more than it shows."""
    rounded: np.ndarray = np.round(np.asarray(values, float), DIGITS)
    return rounded


def hide_undefined(values: np.ndarray) -> list[float | None]:
    """Rounded values, None where NaN: a gap in a line."""
    return [None if np.isnan(value) else value for value in round_values(values)]


def format_interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """` (0.71 to 0.83)`, or nothing where there is no interval."""
    if low is None or high is None or np.isnan(low) or np.isnan(high):
        return ""
    return f" ({low:.{digits}f} to {high:.{digits}f})"
