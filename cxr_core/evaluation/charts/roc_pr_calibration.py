"""ROC, precision-recall and calibration as Plotly figures: with their bands, operating points and the threshold now."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from cxr_core.evaluation.bootstrap.bands import Band
from cxr_core.evaluation.charts.base import (
    Chart,
    band,
    frame,
    guide,
    interval_words,
    line,
    points,
    rounded,
    shares,
    thinned,
)
from cxr_core.evaluation.charts.film_filter import Pick
from cxr_core.evaluation.metrics.curves import CalibrationBin
from cxr_core.evaluation.metrics.sweep import Distribution, Sweep
from cxr_core.presentation.palette import BLUE, GREY, ORANGE, SYMBOLS, VERMILION

HEIGHT = 380
ABOVE_ALL = 1.01  # a threshold that no probability reaches


def roc_chart(
    films: Sweep, roc: Band | None, marked: Mapping[str, float], threshold: float | None
) -> Chart:
    """The ROC curve, its band, each named threshold, and the one that is being moved. marked: name -> threshold."""
    corners = films.at_all()
    x, y = 1 - corners.specificity, corners.sensitivity
    table = pd.DataFrame({"threshold": _cuts(films), "false_positive_rate": x, "sensitivity": y})
    traces, behind = _curve(films, x, y, roc, "false alarms", "found")
    traces.insert(0, guide([0, 1], [0, 1]))
    for name, at, symbol in _marks(marked, threshold):
        calls = films.at(at)
        traces.append(
            _mark(name, at, float(1 - calls.specificity), float(calls.sensitivity), symbol)
        )
    figure = frame(
        traces,
        HEIGHT,
        "1 − specificity: share of films without the finding that are called",
        "sensitivity",
    )
    says = "ROC curve with its 95 % band; the dotted line is chance, the marks are the thresholds"
    return Chart(figure=shares(figure), says=says, table=table, behind={_index(traces): behind})


def precision_recall_chart(
    films: Sweep, precision: Band | None, marked: Mapping[str, float], threshold: float | None
) -> Chart:
    """Precision against recall, its band, each named threshold, and the one that is being moved."""
    corners = films.at_all()
    x, y = corners.sensitivity[1:], corners.precision[1:]
    table = pd.DataFrame({"threshold": _cuts(films)[1:], "recall": x, "precision": y})
    traces, behind = _curve(films, x, y, precision, "recall", "precision", first=1)
    traces.insert(0, guide([0, 1], [films.prevalence] * 2))
    for name, at, symbol in _marks(marked, threshold):
        calls = films.at(at)
        traces.append(_mark(name, at, float(calls.sensitivity), float(calls.precision), symbol))
    figure = frame(
        traces, HEIGHT, "recall: share of films with the finding that are called", "precision"
    )
    says = "Precision against recall with its 95 % band; the dotted line is the share of films with the finding"
    return Chart(figure=shares(figure), says=says, table=table, behind={_index(traces): behind})


def calibration_chart(bins: Sequence[CalibrationBin], spread: Distribution) -> Chart:
    """What share is positive of the films of each bin of probability, and beneath it where the films lie."""
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.76, 0.24], vertical_spacing=0.04
    )
    said, seen = ([getattr(each, name) for each in bins] for name in ("predicted", "observed"))
    low, high = (
        [seen if end is None else end for seen, end in zip(seen, ends, strict=True)]
        for ends in ([each.observed_low for each in bins], [each.observed_high for each in bins])
    )
    marks = points(
        said,
        seen,
        BLUE,
        name="films",
        error_y={
            "type": "data",
            "symmetric": False,
            "array": np.subtract(high, seen),
            "arrayminus": np.subtract(seen, low),
            "color": BLUE,
            "thickness": 1.4,
            "width": 4,
        },
        customdata=[
            [
                f"{each.films:,}",
                f"{each.low:.3g} to {each.high:.3g}",
                _bounds(each.observed_low, each.observed_high),
            ]
            for each in bins
        ],
        hovertemplate=(
            "<b>said %{x:.1%}, seen %{y:.1%}</b>%{customdata[2]}<br>%{customdata[0]} films said %{customdata[1]}"
            "<extra></extra>"
        ),
    )
    counts = spread.positives + spread.negatives
    middles = (spread.edges[1:] + spread.edges[:-1]) / 2
    bars = go.Bar(
        x=middles,
        y=counts,
        width=np.diff(spread.edges) * 0.9,
        marker_color=GREY,
        customdata=spread.positives,
        hovertemplate="%{y:,} films near %{x:.1%}, %{customdata:,} of them positive<extra></extra>",
        showlegend=False,
    )
    figure.add_traces([guide([0, 1], [0, 1]), marks, bars], rows=[1, 1, 2], cols=[1, 1, 1])
    drawn = frame(figure.data, HEIGHT + 60, "", "share that is positive")
    figure.update_layout(drawn.layout)
    figure.update_layout(showlegend=False, margin_t=12, bargap=0)
    figure.update_xaxes(
        range=[-0.015, 1.015], tickformat=".0%", dtick=0.2, fixedrange=True, zeroline=False
    )
    figure.update_layout(
        xaxis={
            "domain": [0, 1],
            "anchor": "y",
            "matches": "x2",
            "showticklabels": False,
            "title_text": "",
        },
        yaxis={
            "domain": [0.28, 1],
            "range": [-0.03, 1.03],
            "tickformat": ".0%",
            "title_text": "share that is positive",
        },
        xaxis2={"anchor": "y2", "title_text": "probability said"},
        yaxis2={
            "domain": [0, 0.22],
            "title_text": "films",
            "fixedrange": True,
            "automargin": True,
            "nticks": 3,
        },
    )
    table = pd.DataFrame([vars(each) for each in bins])
    behind = {
        1: [Pick(low=each.low, high=each.high) for each in bins],
        2: [
            Pick(low=round(a, 6), high=round(b, 6))
            for a, b in zip(spread.edges, spread.edges[1:], strict=False)
        ],
    }
    says = "Calibration: the share that is positive among films of each probability, with 95 % intervals"
    return Chart(figure=figure, says=says, table=table, behind=behind)


def _curve(
    films: Sweep,
    x: np.ndarray,
    y: np.ndarray,
    of: Band | None,
    across: str,
    up: str,
    first: int = 0,
) -> tuple[list[go.Scatter], list[Pick]]:
    """The band and the line over it, and behind each of its points the films that are called wrongly there."""
    kept = thinned(len(x))
    cuts = _cuts(films)[first:][kept]
    traces = [band(of.at, of.low, of.high, BLUE)] if of is not None else []
    traces.append(
        line(
            rounded(x[kept]),
            rounded(y[kept]),
            "curve",
            BLUE,
            customdata=[f"{cut:.4g}" if np.isfinite(cut) else "above every film" for cut in cuts],
            hovertemplate=f"{up} %{{y:.1%}}, {across} %{{x:.1%}}<br>threshold %{{customdata}}<extra></extra>",
            showlegend=False,
        )
    )
    return traces, [
        Pick(threshold=float(min(cut, ABOVE_ALL)), outcome="false_positive") for cut in cuts
    ]


def _cuts(films: Sweep) -> np.ndarray:
    """The threshold of each corner; infinite where nothing is called."""
    return np.append(np.inf, films.scores)


def _marks(marked: Mapping[str, float], threshold: float | None) -> list[tuple[str, float, str]]:
    """The named thresholds, and last the moved one, each with a symbol of its own."""
    found = [
        (name, at, symbol) for (name, at), symbol in zip(marked.items(), SYMBOLS[1:], strict=False)
    ]
    return found if threshold is None else [*found, ("Threshold now", threshold, SYMBOLS[0])]


def _mark(name: str, at: float, x: float, y: float, symbol: str) -> go.Scatter:
    colour = VERMILION if name == "Threshold now" else ORANGE
    hover = f"<b>{name}</b>, threshold {at:.4g}<br>%{{y:.1%}} at %{{x:.1%}}<extra></extra>"
    return points([x], [y], colour, symbol, name=name, hovertemplate=hover)


def _index(traces: Sequence[go.Scatter]) -> int:
    """Which of the traces is the curve itself."""
    return next(place for place, trace in enumerate(traces) if trace.name == "curve")


def _bounds(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else interval_words(low, high)
