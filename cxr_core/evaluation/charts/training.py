"""Draws how a run learnt, as Plotly figures: losses in one, figures between 0 and 1 in the other, by epoch."""

import pandas as pd

from cxr_core.evaluation.charts.base import Chart, draw_line, make_figure
from cxr_core.evaluation.metrics.curves import TrainingCurves
from cxr_core.presentation.palette import DASHES, GREY, SERIES, SYMBOLS
from cxr_core.presentation.wording import training_curve_name

SHARES = (
    "auroc",
    "accuracy",
    "average_precision",
    "f1",
    "sensitivity",
    "specificity",
    "dice",
    "iou",
)
LOSS, FIGURES = "Loss", "Figures on validation films"


def draw_training_charts(training: TrainingCurves) -> dict[str, Chart]:
    """By name, the charts that have anything to show."""
    keys_of = {
        LOSS: [name for name in training.figures if name.endswith("loss")],
        FIGURES: [name for name in training.figures if name.endswith(SHARES)],
    }
    return {name: _draw_by_epoch(training, keys, name) for name, keys in keys_of.items() if keys}


def _draw_by_epoch(training: TrainingCurves, keys: list[str], title: str) -> Chart:
    traces = []
    for place, key in enumerate(keys):
        name = training_curve_name(key)
        trace = draw_line(
            training.epochs,
            training.figures[key],
            name,
            SERIES[place % len(SERIES)],
            DASHES[place % len(DASHES)],
            hovertemplate=f"{name} %{{y:.4g}}, epoch %{{x}}<extra></extra>",
        )
        trace.marker.update(opacity=1, size=6, symbol=SYMBOLS[place % len(SYMBOLS)])
        traces.append(trace)
    figure = make_figure(traces, 320, "epoch", "loss" if title == LOSS else "")
    figure.update_xaxes(tickformat="d", dtick=1 if len(training.epochs) <= 12 else None)
    if title == LOSS:
        figure.update_yaxes(rangemode="tozero")
    description = f"{title} by epoch"
    if training.best_epoch is not None:
        figure.add_vline(x=training.best_epoch, line={"color": GREY, "width": 1.5, "dash": "dash"})
        description += f"; the line is epoch {training.best_epoch}, which was kept"
    table = pd.DataFrame({"epoch": training.epochs, **{key: training.figures[key] for key in keys}})
    return Chart(figure=figure, description=description, table=table)
