"""Draws the measured cardiothoracic ratio as SVG charts: Bland-Altman, measured against true, and ROC curves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cxr_core.evaluation.metrics.curves import Roc
from cxr_core.evaluation.report.figure_text import format_figure
from cxr_core.evaluation.report.svg import Axes, Line, SvgChart, draw_chart
from cxr_core.evaluation.segmentation.results import RatioAgreement
from cxr_core.models.figures import MeanFigure

MARGIN = 0.06  # around the outermost points, as a share of the range
MIN_MARGIN = 0.01
WHISKER_DISTANCE = 0.02  # between intervals beside each other, as a share of the x range


def draw_bland_altman(films: pd.DataFrame, agreement: RatioAgreement) -> SvgChart:
    """The difference of measured and true ratio against their mean, with bias and limits of agreement.

    films: ratio and true_ratio, none NaN. Source: Bland & Altman 1986, Lancet 1:307-310.
    """
    mean = ((films["ratio"] + films["true_ratio"]) / 2).to_numpy()
    difference = (films["ratio"] - films["true_ratio"]).to_numpy()
    figures = {
        "bias": agreement.bias,
        "upper limit": agreement.high,
        "lower limit": agreement.low,
    }
    ends = [end for one in figures.values() for end in (one.value, one.low, one.high)]
    x_range = _pad_range(mean)
    y_range = _pad_range([*difference, 0.0, *(end for end in ends if end is not None)])
    points = list(zip(mean, difference, strict=True))
    lines = [Line(name="films", points=points, dots=True, joined=False)]
    for index, (name, figure) in enumerate(figures.items()):
        # Beside each other, so that the three intervals can be told apart.
        offset = (index + 0.5) * WHISKER_DISTANCE * (x_range[1] - x_range[0])
        lines.append(_level_line(name, figure, x_range, x_range[1] - offset))
    axes = Axes(
        x="mean of measured and true ratio",
        y="measured − true",
        x_range=x_range,
        y_range=y_range,
        guides=[((x_range[0], 0.0), (x_range[1], 0.0))],
    )
    caption = "Difference against mean; bars at the right are the intervals of bias and limits."
    return draw_chart(lines, axes, caption)


def draw_measured_against_true(
    films: pd.DataFrame, correlation: MeanFigure, coverage: MeanFigure
) -> SvgChart:
    """The measured ratio against the true one, each with its stated interval.

    films: ratio, low, high, true_ratio (none NaN) and trusted.
    """
    trusted = films["trusted"].astype(bool)
    span = _pad_range([*films["true_ratio"], *films["ratio"]])
    lines = []
    for name, rows in (("films", films[trusted]), ("films with a warning", films[~trusted])):
        if len(rows):
            line = Line(
                name=f"{name}: {len(rows):,}",
                points=list(zip(rows["true_ratio"], rows["ratio"], strict=True)),
                whiskers=list(zip(rows["true_ratio"], rows["low"], rows["high"], strict=True)),
                dots=True,
                joined=False,
            )
            lines.append(_clip_whiskers(line, span))
    axes = Axes(
        x="true ratio",
        y="measured ratio",
        x_range=span,
        y_range=span,
        guides=[((span[0], span[0]), (span[1], span[1]))],
    )
    caption = (
        "Measured against true, with stated intervals; on the dashed line both agree. Correlation "
        f"{format_figure(correlation)}; the intervals hold the true ratio in {format_figure(coverage)}."
    )
    return draw_chart(lines, axes, caption)


def draw_roc_curves(curves: Mapping[str, tuple[Roc, MeanFigure]]) -> SvgChart:
    """Several ROC curves of the same films. curves: by name, each with its AUROC."""
    lines = [
        Line(
            name=f"{name}: AUROC {format_figure(auroc)}",
            points=list(zip(roc.false_positive_rate, roc.true_positive_rate, strict=True)),
        )
        for name, (roc, auroc) in curves.items()
    ]
    axes = Axes(x="1 − specificity", y="sensitivity", guides=[((0, 0), (1, 1))])
    caption = "ROC curves on the films that could be measured; the dashed line is chance."
    return draw_chart(lines, axes, caption)


def _level_line(
    name: str, figure: MeanFigure, x_range: tuple[float, float], whisker_x: float
) -> Line:
    """A level across the chart, with its interval as a whisker where it is defined."""
    assert figure.value is not None, "films that were measured have a bias"
    whiskers = []
    if figure.low is not None and figure.high is not None:
        whiskers.append((whisker_x, figure.low, figure.high))
    points = [(x, figure.value) for x in x_range]
    return Line(name=f"{name} {format_figure(figure)}", points=points, whiskers=whiskers)


def _pad_range(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    low, high = float(np.min(values)), float(np.max(values))
    margin = MARGIN * (high - low) or MIN_MARGIN
    return low - margin, high + margin


def _clip_whiskers(line: Line, span: tuple[float, float]) -> Line:
    """The same line with whiskers that end at the chart's edge."""
    whiskers = [(x, max(low, span[0]), min(high, span[1])) for x, low, high in line.whiskers]
    return replace(line, whiskers=whiskers)
