"""What every chart of an evaluation has: a figure, a sentence, its numbers as a table, and the films behind its points.

The frame: transparent, words in the page's own colour, lines that a click can hit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cxr_core.evaluation.charts.film_filter import Pick
from cxr_core.presentation.palette import GREY, tint

GRID_COLOUR = tint(GREY, 0.28)
MOST_POINTS = 400  # drawn of one line; its table has them all
DIGITS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Chart:
    """A figure, what it says in a sentence, the numbers that it is drawn from, and what lies behind each point.

    behind: by trace, for each of its points the films; a trace that is not in it answers no click.
    """

    figure: go.Figure
    says: str
    table: pd.DataFrame
    behind: Mapping[int, Sequence[Pick]] = field(default_factory=dict)

    def pick_at(self, trace: int, point: int) -> Pick | None:
        """The films behind a point; None for a place that has none."""
        picks = self.behind.get(trace, ())
        return picks[point] if 0 <= point < len(picks) else None

    def csv(self) -> str:
        """The numbers as text."""
        return self.table.to_csv(index=False, float_format="%.6g")


def frame(traces: Sequence[Any], height: int, x: str, y: str, **layout: Any) -> go.Figure:
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
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        **layout,
    )
    axes = {"fixedrange": True, "automargin": True, "gridcolor": GRID_COLOUR, "zeroline": False}
    figure.update_xaxes(**axes, title_text=x)
    figure.update_yaxes(**axes, title_text=y, title_standoff=8)
    return figure


def with_line(chart: Chart, at: float) -> Chart:
    """The same chart with a dashed line where the threshold is: quick, since nothing else is built or checked again."""
    drawn = chart.figure.to_dict()
    line = {"color": GREY, "width": 1.5, "dash": "dash"}
    shape = {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "y domain", "line": line}
    layout = {**drawn["layout"], "shapes": [shape]}
    return replace(
        chart, figure=go.Figure({"data": drawn["data"], "layout": layout}, _validate=False)
    )


def shares(figure: go.Figure, x: bool = True, y: bool = True) -> go.Figure:
    """Axes from 0 to 1, in per cent, a little beyond both so that what lies on the edge is seen whole."""
    for wanted, update in ((x, figure.update_xaxes), (y, figure.update_yaxes)):
        if wanted:
            update(range=[-0.015, 1.015], tickformat=".0%", dtick=0.2)
    return figure


def line(x: Any, y: Any, name: str, colour: str, dash: str = "solid", **more: Any) -> go.Scatter:
    """A line whose points, though unseen, can be hovered over and clicked."""
    return go.Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 2},
        marker={"color": colour, "size": 9, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        **more,
    )


def band(x: Any, low: Any, high: Any, colour: str) -> go.Scatter:
    """The area between two lines; NaN at either ends it."""
    x, low, high = (np.asarray(each, float) for each in (x, low, high))
    there = ~np.isnan(low) & ~np.isnan(high)
    return go.Scatter(
        x=np.concatenate([x[there], x[there][::-1]]),
        y=np.concatenate([high[there], low[there][::-1]]),
        fill="toself",
        fillcolor=tint(colour, 0.18),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )


def guide(x: Sequence[float], y: Sequence[float]) -> go.Scatter:
    """A thin grey line to compare with."""
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": GREY, "dash": "dot", "width": 1.2},
        hoverinfo="skip",
        showlegend=False,
    )


def points(x: Any, y: Any, colour: str, symbol: str = "circle", **more: Any) -> go.Scatter:
    """Marked places, told from a line's by an edge of the paper's colour, and whole even on the edge of the axes."""
    return go.Scatter(
        x=x,
        y=y,
        mode=more.pop("mode", "markers"),
        cliponaxis=False,
        marker={
            "color": colour,
            "symbol": symbol,
            "size": 11,
            "line": {"color": "white", "width": 1},
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        **more,
    )


def thinned(count: int, most: int = MOST_POINTS) -> np.ndarray:
    """Places of at most so many of `count` points, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def rounded(values: Any) -> np.ndarray:
    """As a chart needs them: four decimals, so that a page carries no more than it shows."""
    return np.round(np.asarray(values, float), DIGITS)


def interval_words(low: float, high: float, digits: int = 3) -> str:
    """` (0.71 to 0.83)`, or nothing where there is no interval."""
    if low is None or high is None or np.isnan(low) or np.isnan(high):
        return ""
    return f" ({low:.{digits}f} to {high:.{digits}f})"
