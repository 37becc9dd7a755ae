"""How a run learnt, as Plotly figures: losses in one, what lies between 0 and 1 in the other, epoch by epoch."""

import pandas as pd

from cxr_core.evaluation.charts.base import Chart, frame, line
from cxr_core.evaluation.metrics.curves import TrainingCurves
from cxr_core.presentation.palette import DASHES, GREY, SERIES, SYMBOLS

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
SPELT = {"auroc": "AUROC", "f1": "F1", "dice": "Dice", "iou": "IoU"}


def training_charts(training: TrainingCurves) -> dict[str, Chart]:
    """By name, those that have anything to show."""
    losses = [name for name in training.figures if name.endswith("loss")]
    kept = [name for name in training.figures if name.endswith(SHARES)]
    drawn = {"Loss": losses, "Figures on validation films": kept}
    return {name: _over_epochs(training, keys, name) for name, keys in drawn.items() if keys}


def words_of(key: str) -> str:
    """A figure of the run's log as people write it; the loss alone is that of the training films."""
    words = "training loss" if key == "loss" else key.replace("_", " ")
    return " ".join(SPELT.get(word, word) for word in words.split())


def _over_epochs(training: TrainingCurves, keys: list[str], name: str) -> Chart:
    traces = []
    for place, key in enumerate(keys):
        trace = line(
            training.epochs,
            training.figures[key],
            words_of(key),
            SERIES[place % len(SERIES)],
            DASHES[place % len(DASHES)],
            hovertemplate=words_of(key) + " %{y:.4g}, epoch %{x}<extra></extra>",
        )
        trace.marker.update(opacity=1, size=6, symbol=SYMBOLS[place % len(SYMBOLS)])
        traces.append(trace)
    figure = frame(traces, 320, "epoch", name.lower() if name == "Loss" else "")
    figure.update_xaxes(tickformat="d", dtick=1 if len(training.epochs) <= 12 else None)
    if name == "Loss":
        figure.update_yaxes(rangemode="tozero")
    if training.best_epoch is not None:
        figure.add_vline(x=training.best_epoch, line={"color": GREY, "width": 1.5, "dash": "dash"})
    table = pd.DataFrame({"epoch": training.epochs, **{key: training.figures[key] for key in keys}})
    chosen = (
        f"; the line is epoch {training.best_epoch}, which was kept"
        if training.best_epoch is not None
        else ""
    )
    return Chart(figure=figure, says=f"{name} by epoch{chosen}", table=table)
