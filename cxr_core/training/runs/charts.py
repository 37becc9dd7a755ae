"""Charts of runs over their steps, with Plotly: one run's curves, or one curve of several runs."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from cxr_core.evaluation.charts.base import draw_line, make_figure
from cxr_core.presentation.palette import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    PURPLE,
    SERIES,
    VERMILION,
)
from cxr_core.training.runs.progress import Curve

HEIGHT = 220
MAX_MARKED_POINTS = 40  # shorter curves get markers, since a line of one point cannot be seen
LEARNING_RATE = "Learning rate"
LOSS_CURVES = ("epoch_loss", "validation_loss")
METRIC_CURVES = ("validation_auroc", "validation_accuracy", "validation_dice")
STYLES = {
    "epoch_loss": (BLUE, "solid"),
    "validation_loss": (VERMILION, "dash"),
    "validation_auroc": (GREEN, "solid"),
    "validation_accuracy": (PURPLE, "dash"),
    "validation_dice": (GREEN, "solid"),
}
NAMES = {
    "epoch_loss": "by epoch",
    "validation_loss": "validation",
    "validation_auroc": "AUROC",
    "validation_accuracy": "accuracy",
    "validation_dice": "Dice",
    "learning_rate": "learning rate",
}
COMPARED_CURVES = {
    "Validation loss": "validation_loss",
    "Validation AUROC": "validation_auroc",
    "Validation Dice": "validation_dice",
    "Training loss, by epoch": "epoch_loss",
}


def progress_charts(curves: Mapping[str, Curve]) -> dict[str, go.Figure]:
    """Charts by title, those that have data: losses, metrics on validation films, the learning rate."""
    rate = curves.get("learning_rate")
    traces_by_title = {
        "Loss": _step_loss_traces(curves) + _named_traces(curves, LOSS_CURVES),
        "On validation films": _named_traces(curves, METRIC_CURVES),
        LEARNING_RATE: [_make_trace(rate, NAMES["learning_rate"], GREY)] if rate else [],
    }
    return _make_charts(traces_by_title)


def overlay_charts(runs: Mapping[str, Mapping[str, Curve]]) -> dict[str, go.Figure]:
    """Charts by title, a line per run that has the curve. runs: curves by run, in the order of their colours."""
    return _make_charts(
        {title: _traces_of_runs(runs, key) for title, key in COMPARED_CURVES.items()}
    )


def line_style(index: int) -> dict[str, Any]:
    """The colour and the dash of a run, by its place; the first ten have none of both in common."""
    shift = index + index // len(SERIES)
    return {"color": SERIES[index % len(SERIES)], "dash": DASHES[shift % len(DASHES)], "width": 2}


def _make_charts(traces_by_title: Mapping[str, list[go.Scatter]]) -> dict[str, go.Figure]:
    return {
        title: _make_chart(traces, title) for title, traces in traces_by_title.items() if traces
    }


def _step_loss_traces(curves: Mapping[str, Curve]) -> list[go.Scatter]:
    loss = curves.get("loss")
    if loss is None:
        return []
    trace = go.Scatter(
        x=loss.steps,
        y=loss.values,
        name="by step",
        mode="lines",
        line={"color": GREY, "width": 1.2},
        hovertemplate="training %{y:.4g}, step %{x}<extra></extra>",
    )
    return [trace]


def _named_traces(curves: Mapping[str, Curve], names: tuple[str, ...]) -> list[go.Scatter]:
    return [
        _make_trace(curves[name], NAMES[name], *STYLES[name]) for name in names if name in curves
    ]


def _traces_of_runs(runs: Mapping[str, Mapping[str, Curve]], key: str) -> list[go.Scatter]:
    traces = []
    for index, (run, curves) in enumerate(runs.items()):
        if key in curves:
            style = line_style(index)
            traces.append(_make_trace(curves[key], run, style["color"], style["dash"]))
    return traces


def _make_trace(curve: Curve, name: str, colour: str, dash: str = "solid") -> go.Scatter:
    hover = name + " %{y:.4g}, step %{x}<extra></extra>"
    trace = draw_line(curve.steps, curve.values, name, colour, dash, hovertemplate=hover)
    if len(curve.steps) <= MAX_MARKED_POINTS:
        trace.marker.update(opacity=1, size=5)
    return trace


def _make_chart(traces: list[go.Scatter], title: str) -> go.Figure:
    chart = make_figure(traces, HEIGHT, "step", "")
    chart.update_xaxes(tickformat=",.2~f", rangemode="tozero")  # `~s` writes 0.5 as 500m
    is_loss = "loss" in title.lower()
    if is_loss or title == LEARNING_RATE:
        chart.update_yaxes(rangemode="tozero")
    if title == LEARNING_RATE:
        chart.update_yaxes(tickformat=".1~e")
    return chart
