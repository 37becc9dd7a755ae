"""How runs are getting on, as Plotly figures over their steps: one run's curves, or one curve of several runs."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from cxr_core.evaluation.charts.base import frame, line
from cxr_core.presentation.palette import BLUE, DASHES, GREEN, GREY, PURPLE, SERIES, VERMILION
from cxr_core.training.runs.progress import Curve

HEIGHT = 220
FEW = 40  # points of a curve that are marked each, since a line of one point is not seen
LOSSES = {"epoch_loss": "by epoch", "validation_loss": "validation"}
STYLES = {
    "epoch_loss": (BLUE, "solid"),
    "validation_loss": (VERMILION, "dash"),
    "validation_auroc": (GREEN, "solid"),
    "validation_accuracy": (PURPLE, "dash"),
    "validation_dice": (GREEN, "solid"),
}
NAMES = {
    **LOSSES,
    "validation_auroc": "AUROC",
    "validation_accuracy": "accuracy",
    "validation_dice": "Dice",
    "learning_rate": "learning rate",
}


def progress_charts(curves: Mapping[str, Curve]) -> dict[str, go.Figure]:
    """By title, those that have anything to show: losses, figures on validation films, the learning rate."""
    scores = [
        name
        for name in STYLES
        if name.startswith("validation_") and name != "validation_loss" and name in curves
    ]
    drawn = {
        "Loss": _losses(curves),
        "On validation films": [
            _curve(curves[name], NAMES[name], *STYLES[name]) for name in scores
        ],
        "Learning rate": [_curve(curves["learning_rate"], NAMES["learning_rate"], GREY)]
        if "learning_rate" in curves
        else [],
    }
    return {title: _figure(traces, title) for title, traces in drawn.items() if traces}


def overlaid(runs: Mapping[str, Mapping[str, Curve]]) -> dict[str, go.Figure]:
    """By title, one line for each run that has the curve. runs: curves by run, in the order of their colours."""
    titles = {
        "Validation loss": "validation_loss",
        "Validation AUROC": "validation_auroc",
        "Validation Dice": "validation_dice",
        "Training loss, by epoch": "epoch_loss",
    }
    drawn = {title: _lines_of(runs, key) for title, key in titles.items()}
    return {title: _figure(traces, title) for title, traces in drawn.items() if traces}


def _losses(curves: Mapping[str, Curve]) -> list[Any]:
    traces = []
    if "loss" in curves:
        steps = curves["loss"]
        traces.append(
            go.Scatter(
                x=steps.steps,
                y=steps.values,
                name="by step",
                mode="lines",
                line={"color": GREY, "width": 1.2},
                hovertemplate="training %{y:.4g}, step %{x}<extra></extra>",
            )
        )
    return traces + [
        _curve(curves[name], words, *STYLES[name])
        for name, words in LOSSES.items()
        if name in curves
    ]


def _lines_of(runs: Mapping[str, Mapping[str, Curve]], key: str) -> list[Any]:
    return [
        _curve(curves[key], name, SERIES[place % len(SERIES)], DASHES[place % len(DASHES)])
        for place, (name, curves) in enumerate(runs.items())
        if key in curves
    ]


def _curve(curve: Curve, name: str, colour: str, dash: str = "solid") -> Any:
    trace = line(
        curve.steps,
        curve.values,
        name,
        colour,
        dash,
        hovertemplate=name + " %{y:.4g}, step %{x}<extra></extra>",
    )
    if len(curve.steps) <= FEW:
        trace.marker.update(opacity=1, size=5)
    return trace


def _figure(traces: list[Any], title: str) -> go.Figure:
    figure = frame(traces, HEIGHT, "step", "")
    figure.update_xaxes(tickformat="~s", rangemode="tozero")
    if "oss" in title or title == "Learning rate":
        figure.update_yaxes(rangemode="tozero")
    if title == "Learning rate":
        figure.update_yaxes(tickformat=".1~e")
    return figure
