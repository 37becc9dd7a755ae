"""Draws ROC, precision-recall and calibration as Plotly figures, with bands, operating points and a moved threshold."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from cxr_core.evaluation.bootstrap.confidence_bands import ConfidenceBand
from cxr_core.evaluation.charts.base import (
    Chart,
    draw_band,
    draw_guide,
    draw_line,
    draw_marks,
    format_interval,
    make_figure,
    round_values,
    set_share_axes,
    thin_places,
)
from cxr_core.evaluation.charts.film_filter import FilmFilter
from cxr_core.evaluation.metrics.curves import CalibrationBin
from cxr_core.evaluation.metrics.sweep import Distribution, Sweep
from cxr_core.presentation.palette import BLUE, GREY, ORANGE, SYMBOLS, VERMILION

HEIGHT = 380
ABOVE_ALL = 1.01  # a threshold that no probability reaches
MOVED = "Threshold now"


def draw_roc(
    films: Sweep,
    band: ConfidenceBand | None,
    thresholds: Mapping[str, float],
    moved_threshold: float | None,
) -> Chart:
    """The ROC curve, its band, each named threshold, and the one that is being moved."""
    corners = films.confusion_at_all()
    x, y = 1 - corners.specificity, corners.sensitivity
    curve, filters = _draw_curve(films, x, y, ("false positive rate", "sensitivity"))
    traces = [draw_guide([0, 1], [0, 1]), *_draw_curve_band(band), curve]
    place = len(traces) - 1
    for name, threshold, symbol in _list_marks(thresholds, moved_threshold):
        calls = films.confusion_at(threshold)
        at = float(1 - calls.specificity), float(calls.sensitivity)
        traces.append(_draw_threshold(name, threshold, at, symbol))
    figure = make_figure(
        traces,
        HEIGHT,
        "1 − specificity: share of films without the finding that are called",
        "sensitivity",
    )
    table = pd.DataFrame({"threshold": _cuts(films), "false_positive_rate": x, "sensitivity": y})
    return Chart(
        figure=set_share_axes(figure),
        description="ROC curve with its 95 % band; the dotted line is chance, the marks are the thresholds",
        table=table,
        filters={place: filters},
    )


def draw_precision_recall(
    films: Sweep,
    band: ConfidenceBand | None,
    thresholds: Mapping[str, float],
    moved_threshold: float | None,
) -> Chart:
    """Precision against recall, its band, each named threshold, and the one that is being moved."""
    corners = films.confusion_at_all()
    x, y = corners.sensitivity[1:], corners.precision[1:]
    curve, filters = _draw_curve(films, x, y, ("recall", "precision"), first=1)
    prevalence = draw_guide([0, 1], [films.prevalence] * 2)
    traces = [prevalence, *_draw_curve_band(band), curve]
    place = len(traces) - 1
    for name, threshold, symbol in _list_marks(thresholds, moved_threshold):
        calls = films.confusion_at(threshold)
        at = float(calls.sensitivity), float(calls.precision)
        traces.append(_draw_threshold(name, threshold, at, symbol))
    figure = make_figure(
        traces, HEIGHT, "recall: share of films with the finding that are called", "precision"
    )
    return Chart(
        figure=set_share_axes(figure),
        description=(
            "Precision against recall with its 95 % band; the dotted line is the share of films with the finding"
        ),
        table=pd.DataFrame({"threshold": _cuts(films)[1:], "recall": x, "precision": y}),
        filters={place: filters},
    )


def draw_calibration(bins: Sequence[CalibrationBin], distribution: Distribution) -> Chart:
    """The share that is positive in each bin of probability, and beneath it how many films each bin has."""
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.76, 0.24], vertical_spacing=0.04
    )
    diagonal = draw_guide([0, 1], [0, 1])
    traces = [diagonal, _draw_bins(bins), _draw_counts(distribution)]
    figure.add_traces(traces, rows=[1, 1, 2], cols=[1, 1, 1])
    single = make_figure(figure.data, HEIGHT + 60, "", "share that is positive")
    figure.update_layout(single.layout)
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
        xaxis2={"anchor": "y2", "title_text": "predicted probability"},
        yaxis2={
            "domain": [0, 0.22],
            "title_text": "films",
            "fixedrange": True,
            "automargin": True,
            "nticks": 3,
        },
    )
    edges = distribution.edges.tolist()
    filters = {
        1: [FilmFilter(low=one.low, high=one.high, calibrated=True) for one in bins],
        2: [FilmFilter(low=a, high=b, calibrated=True) for a, b in pairwise(edges)],
    }
    return Chart(
        figure=figure,
        description="Calibration: the share that is positive among films of each probability, with 95 % intervals",
        table=pd.DataFrame([one.to_json() for one in bins]),
        filters=filters,
    )


def _draw_bins(bins: Sequence[CalibrationBin]) -> go.Scatter:
    observed = np.array([one.observed for one in bins])
    low = [one.observed if one.observed_low is None else one.observed_low for one in bins]
    high = [one.observed if one.observed_high is None else one.observed_high for one in bins]
    customdata = [
        [
            f"{one.films:,}",
            f"{one.low:.3g} to {one.high:.3g}",
            format_interval(one.observed_low, one.observed_high),
        ]
        for one in bins
    ]
    return draw_marks(
        [one.predicted for one in bins],
        observed.tolist(),
        BLUE,
        name="films",
        error_y={
            "type": "data",
            "symmetric": False,
            "array": np.subtract(high, observed),
            "arrayminus": np.subtract(observed, low),
            "color": BLUE,
            "thickness": 1.4,
            "width": 4,
        },
        customdata=customdata,
        hovertemplate=(
            "<b>predicted %{x:.1%}, observed %{y:.1%}</b>%{customdata[2]}<br>%{customdata[0]} films of "
            "%{customdata[1]}<extra></extra>"
        ),
    )


def _draw_counts(distribution: Distribution) -> go.Bar:
    return go.Bar(
        x=(distribution.edges[1:] + distribution.edges[:-1]) / 2,
        y=distribution.positives + distribution.negatives,
        width=np.diff(distribution.edges) * 0.9,
        marker_color=GREY,
        customdata=distribution.positives,
        hovertemplate="films near %{x:.1%}: %{y:,}, of them positive %{customdata:,}<extra></extra>",
        showlegend=False,
    )


def _draw_curve_band(band: ConfidenceBand | None) -> list[go.Scatter]:
    return [] if band is None else [draw_band(band.at, band.low, band.high, BLUE)]


def _draw_curve(
    films: Sweep, x: np.ndarray, y: np.ndarray, axes: tuple[str, str], first: int = 0
) -> tuple[go.Scatter, list[FilmFilter]]:
    """The curve, and behind each of its points the films that are called wrongly there.

    axes: names of x and y in the hover text.  first: corner that x and y begin with.
    """
    kept = thin_places(len(x))
    cuts = _cuts(films)[first:][kept]
    across, up = axes
    curve = draw_line(
        round_values(x[kept]),
        round_values(y[kept]),
        "curve",
        BLUE,
        customdata=[f"{cut:.4g}" if np.isfinite(cut) else "above every film" for cut in cuts],
        hovertemplate=f"{up} %{{y:.1%}}, {across} %{{x:.1%}}<br>threshold %{{customdata}}<extra></extra>",
        showlegend=False,
    )
    filters = [
        FilmFilter(threshold=float(min(cut, ABOVE_ALL)), outcome="false_positive") for cut in cuts
    ]
    return curve, filters


def _cuts(films: Sweep) -> np.ndarray:
    """The threshold of each corner; infinite where nothing is called."""
    return np.append(np.inf, films.scores)


def _list_marks(
    thresholds: Mapping[str, float], moved_threshold: float | None
) -> list[tuple[str, float, str]]:
    """The named thresholds, and last the moved one, each with a symbol of its own."""
    pairs = zip(thresholds.items(), SYMBOLS[1:], strict=False)
    marks = [(name, threshold, symbol) for (name, threshold), symbol in pairs]
    if moved_threshold is not None:
        marks.append((MOVED, moved_threshold, SYMBOLS[0]))
    return marks


def _draw_threshold(
    name: str, threshold: float, at: tuple[float, float], symbol: str
) -> go.Scatter:
    colour = VERMILION if name == MOVED else ORANGE
    hover = f"<b>{name}</b>, threshold {threshold:.4g}<br>%{{y:.1%}} at %{{x:.1%}}<extra></extra>"
    return draw_marks([at[0]], [at[1]], colour, symbol, name=name, hovertemplate=hover)
