"""Charts of a measured ratio: Bland and Altman's, measured against true, and ROC curves. Numbers in, figures out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.evaluation.metrics.curves import Roc
from cxr_core.evaluation.report.parts import cell
from cxr_core.evaluation.report.svg import Axes, Line, chart

ROOM = 0.06  # around the outermost points, as a share of the range


def bland_altman(films: pd.DataFrame, figures: Mapping[str, Any]) -> str:
    """The difference of measured and true ratio against their mean, with bias and limits of agreement.

    films: ratio and true_ratio of each, none NaN.  figures: ratio_bias, ratio_low and ratio_high.
    Source: Bland & Altman 1986, Lancet 1:307-310.
    """
    mean = ((films["ratio"] + films["true_ratio"]) / 2).to_numpy()
    difference = (films["ratio"] - films["true_ratio"]).to_numpy()
    names = {"ratio_bias": "bias", "ratio_high": "upper limit", "ratio_low": "lower limit"}
    known = [figures[name][end] for name in names for end in ("value", "low", "high")]
    x_range = _range(mean)
    y_range = _range([*difference, 0.0, *(value for value in known if value is not None)])
    lines = [
        Line(name="films", points=list(zip(mean, difference, strict=True)), dots=True, joined=False)
    ]
    for place, (name, said) in enumerate(names.items()):
        figure = figures[name]
        lines.append(
            Line(
                name=f"{said} {cell(figure)}",
                points=[(x, figure["value"]) for x in x_range],
                # Beside each other, so that three intervals can be told apart.
                whiskers=[
                    (
                        x_range[1] - (place + 0.5) * 0.02 * (x_range[1] - x_range[0]),
                        figure["low"],
                        figure["high"],
                    )
                ]
                if figure["low"] is not None
                else [],
            )
        )
    axes = Axes(
        x="mean of measured and true ratio",
        y="measured − true",
        x_range=x_range,
        y_range=y_range,
        guides=[((x_range[0], 0.0), (x_range[1], 0.0))],
    )
    return chart(
        lines,
        axes,
        "Difference against mean; bars at the right are the intervals of bias and limits.",
    )


def measured_against(films: pd.DataFrame, figures: Mapping[str, Any]) -> str:
    """The measured ratio against the true one, each with its stated interval.

    films: ratio, low, high, true_ratio (none NaN) and trusted.  figures: ratio_correlation and coverage.
    """
    trusted = films["trusted"].astype(bool)
    lines = [
        Line(
            name=f"{name}: {len(rows):,}",
            points=list(zip(rows["true_ratio"], rows["ratio"], strict=True)),
            whiskers=list(zip(rows["true_ratio"], rows["low"], rows["high"], strict=True)),
            dots=True,
            joined=False,
        )
        for name, rows in (("films", films[trusted]), ("films with a doubt", films[~trusted]))
        if len(rows)
    ]
    span = _range([*films["true_ratio"], *films["ratio"]])
    lines = [_within(line, span) for line in lines]
    axes = Axes(
        x="true ratio",
        y="measured ratio",
        x_range=span,
        y_range=span,
        guides=[((span[0], span[0]), (span[1], span[1]))],
    )
    return chart(
        lines,
        axes,
        f"Measured against true, with stated intervals; on the dashed line both agree. Correlation "
        f"{cell(figures['ratio_correlation'])}; the intervals hold the true ratio in {cell(figures['coverage'])}.",
    )


def roc_curves(curves: Mapping[str, tuple[Roc, str]]) -> str:
    """Several ROC curves of the same films. curves: by name, each with its AUROC in words."""
    lines = [
        Line(
            name=f"{name}: AUROC {said}",
            points=list(zip(roc.false_positive_rate, roc.true_positive_rate, strict=True)),
        )
        for name, (roc, said) in curves.items()
    ]
    axes = Axes(x="1 − specificity", y="sensitivity", guides=[((0, 0), (1, 1))])
    return chart(
        lines, axes, "ROC curves on the films that could be measured; the dashed line is chance."
    )


def _range(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    low, high = float(np.min(values)), float(np.max(values))
    room = ROOM * (high - low) or 0.01
    return low - room, high + room


def _within(line: Line, span: tuple[float, float]) -> Line:
    """The same line with whiskers that end at the chart's edge."""
    whiskers = [(x, max(low, span[0]), min(high, span[1])) for x, low, high in line.whiskers]
    return Line(
        name=line.name, points=line.points, whiskers=whiskers, dots=line.dots, joined=line.joined
    )
