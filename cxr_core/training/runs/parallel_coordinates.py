"""Draws settings of several runs against one of their figures, as parallel coordinates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from cxr_core.evaluation.charts.base import make_figure
from cxr_core.presentation.palette import GREY
from cxr_core.training.runs.charts import line_style
from cxr_core.training.runs.compare import format_setting
from cxr_core.workspace.json_files import Json

HEIGHT = 360
MOST_SETTINGS = 8
MOST_TICKS = 6  # texts beside one axis
WIDE_RANGE = 20  # the ratio of largest to smallest number from which an axis is logarithmic


@dataclass(frozen=True, kw_only=True)
class ParallelAxis:
    """One axis. places: of the runs, from 0 to 1.  texts: their values.  ticks: the text at each place."""

    label: str
    places: Sequence[float]
    texts: Sequence[str]
    ticks: Mapping[float, str]


def draw_parallel_coordinates(
    settings: Mapping[str, Sequence[Json]],
    figure: Mapping[str, Sequence[float | None]],
    names: Sequence[str],
) -> go.Figure:
    """A line for each run through its settings, to its figure on the last axis. Runs without a figure are left out.

    settings: the runs' values by label; the first MOST_SETTINGS are shown.  figure: one label with the runs' values.
    Lines and texts only: Plotly's own parallel coordinates need WebGL, which a remote desktop often lacks.
    """
    ((label, values),) = figure.items()
    kept = [index for index, value in enumerate(values) if value is not None]
    axes = [
        _setting_axis(name, [column[index] for index in kept])
        for name, column in list(settings.items())[:MOST_SETTINGS]
    ]
    measured = [value for value in values if value is not None]
    axes.append(_number_axis(label, measured, [f"{value:.3f}" for value in measured]))
    traces = []
    for row, index in enumerate(kept):
        trace = go.Scatter(
            x=list(range(len(axes))),
            y=[axis.places[row] for axis in axes],
            text=[f"{axis.label}: {axis.texts[row]}" for axis in axes],
            name=names[index],
            mode="lines+markers",
            hovertemplate="%{text}<extra>%{fullData.name}</extra>",
            line=line_style(index),
        )
        traces.append(trace)
    chart = make_figure(traces, HEIGHT, "", "")
    chart.update_xaxes(
        tickvals=list(range(len(axes))),
        ticktext=[axis.label.replace(", ", ",<br>") for axis in axes],
        range=[-0.1, len(axes) - 0.6],
        gridcolor=GREY,
        showgrid=True,
    )
    chart.update_yaxes(visible=False, range=[-0.05, 1.12], showgrid=False)
    for place, axis in enumerate(axes):
        for height, text in axis.ticks.items():
            chart.add_annotation(
                x=place,
                y=height,
                text=text,
                showarrow=False,
                xanchor="left",
                xshift=6,
                yshift=9,
                font_size=11,
            )
    return chart


def _setting_axis(label: str, values: Sequence[Json]) -> ParallelAxis:
    """An axis of numbers, or, where a run has none, of texts in alphabetical order."""
    numbers = [
        float(each)
        for each in values
        if isinstance(each, int | float) and not isinstance(each, bool)
    ]
    texts = [format_setting(each) for each in values]
    if len(numbers) == len(values):
        return _number_axis(label, numbers, texts)
    order = sorted(set(texts))
    return _number_axis(label, [float(order.index(text)) for text in texts], texts)


def _number_axis(label: str, numbers: Sequence[float], texts: Sequence[str]) -> ParallelAxis:
    """Logarithmic where the numbers differ by more than WIDE_RANGE. Of many values only the ends are written."""
    low, high = min(numbers), max(numbers)
    if low > 0 and high > WIDE_RANGE * low:
        numbers = [math.log(number) for number in numbers]
        low, high = min(numbers), max(numbers)
    span = high - low
    places = [(number - low) / span if span else 0.5 for number in numbers]
    ticks = dict(zip(places, texts, strict=True))
    if len(ticks) > MOST_TICKS:
        ticks = {place: text for place, text in ticks.items() if place in (0, 1)}
    return ParallelAxis(label=label, places=places, texts=texts, ticks=ticks)
