"""Draws an evaluation's curves as SVG charts: ROC, precision-recall, calibration, decision and training curves."""

from collections.abc import Iterator, Mapping, Sequence

from cxr_core.evaluation.metrics.coverage import RULE_NAMES
from cxr_core.evaluation.metrics.curves import (
    CalibrationBin,
    CoverageCurves,
    FindingCurves,
    NetBenefit,
    PrecisionRecall,
    Roc,
    TrainingCurves,
)
from cxr_core.evaluation.metrics.results import FindingFigures
from cxr_core.evaluation.report.figure_text import format_figure
from cxr_core.evaluation.report.svg import Axes, Line, SvgChart, draw_chart
from cxr_core.models.figures import Figure
from cxr_core.presentation.wording import OPERATING_POINT_NAMES, training_curve_name

LEAST_DRAWN = 0.2  # share of films decided whose error sets the height of the chart
MAX_DOTTED_EPOCHS = 20  # each epoch of a longer run would hide the line under dots


def draw_finding_curves(curves: FindingCurves, figures: FindingFigures) -> Iterator[SvgChart]:
    """Every curve of one finding that is defined."""
    if curves.roc is not None:
        yield _draw_roc(curves.roc, figures)
    if curves.precision_recall is not None:
        yield _draw_precision_recall(curves.precision_recall, figures.average_precision)
    yield _draw_calibration(curves.calibration, figures.ece)
    if curves.net_benefit is not None:
        yield _draw_net_benefit(curves.net_benefit)
    if curves.coverage is not None:
        yield _draw_coverage(curves.coverage)


def draw_training_curves(training: TrainingCurves) -> Iterator[SvgChart]:
    """Losses in one chart, AUROC and accuracy, which lie in [0, 1], in another."""
    losses, shares = {}, {}
    for name, values in training.figures.items():
        if name.endswith("loss"):
            losses[name] = values
        elif name.endswith(("auroc", "accuracy")):
            shares[name] = values
    for curves, axis_title in ((losses, "loss"), (shares, "share")):
        if any(value is not None for values in curves.values() for value in values):
            yield _draw_epochs(training, curves, axis_title)


def _draw_roc(roc: Roc, figures: FindingFigures) -> SvgChart:
    corners = list(zip(roc.false_positive_rate, roc.true_positive_rate, strict=True))
    curve = Line(name=f"AUROC {format_figure(figures.auroc)}", points=corners)
    return draw_chart(
        [curve, _operating_points(figures)],
        Axes(x="1 − specificity", y="sensitivity", guides=[((0, 0), (1, 1))]),
        "ROC curve; the dots are the operating points, the dashed line is chance.",
    )


def _operating_points(figures: FindingFigures) -> Line:
    points = []
    for name in OPERATING_POINT_NAMES:
        if name in figures.points:
            specificity = figures.points[name].specificity.value
            sensitivity = figures.points[name].sensitivity.value
            if specificity is not None and sensitivity is not None:
                points.append((1 - specificity, sensitivity))
    return Line(name="operating points", points=points, dots=True, joined=False)


def _draw_precision_recall(curve: PrecisionRecall, average_precision: Figure) -> SvgChart:
    prevalence = average_precision.positives / average_precision.n
    corners = list(zip(curve.recall, curve.precision, strict=True))
    return draw_chart(
        [Line(name=f"average precision {format_figure(average_precision)}", points=corners)],
        Axes(x="recall", y="precision", guides=[((0, prevalence), (1, prevalence))]),
        "Precision-recall curve; the dashed line is the share of positive films.",
    )


def _draw_calibration(bins: Sequence[CalibrationBin], error: Figure) -> SvgChart:
    whiskers = [
        (one.predicted, one.observed_low, one.observed_high)
        for one in bins
        if one.observed_low is not None and one.observed_high is not None
    ]
    line = Line(
        name=f"calibration error {format_figure(error)}",
        points=[(one.predicted, one.observed) for one in bins],
        whiskers=whiskers,
        dots=True,
        joined=False,
    )
    return draw_chart(
        [line],
        Axes(x="predicted probability", y="share that is positive", guides=[((0, 0), (1, 1))]),
        "Calibration: predicted against observed. On the dashed line both agree.",
    )


def _draw_net_benefit(curves: NetBenefit) -> SvgChart:
    """The decision curve, down to half as far below zero as it rises above: treating all falls without end."""
    top = max(max(curves.model), max(curves.everybody), 0.001)
    series = {
        "acting on the model's calls": curves.model,
        "acting on every film": curves.everybody,
    }
    lines = []
    for name, values in series.items():
        pairs = zip(curves.threshold, values, strict=True)
        points = [(threshold, value) for threshold, value in pairs if 2 * value > -top]
        if points:
            lines.append(Line(name=name, points=points))
    axes = Axes(
        x="threshold",
        y="net benefit per film",
        y_range=(-top / 2, 1.1 * top),
        guides=[((0, 0), (1, 0))],
    )
    return draw_chart(lines, axes, "Decision curve; the dashed line is acting on no film.")


def _draw_coverage(curves: CoverageCurves) -> SvgChart:
    lines, top = [], 0.05
    for rule, curve in curves.rules.items():
        pairs = zip(curve.decided, curve.error, strict=True)
        points = [(decided, error) for decided, error in pairs if error is not None]
        top = max(top, *(error for decided, error in points if decided >= LEAST_DRAWN))
        shown = [(decided, error) for decided, error in points if error <= top]
        lines.append(Line(name=RULE_NAMES[rule], points=shown))
    axes = Axes(x="share of films decided", y="error among the decided", y_range=(0.0, 1.05 * top))
    return draw_chart(lines, axes, "Error among the films decided, the surest first, by rule.")


def _draw_epochs(
    training: TrainingCurves, curves: Mapping[str, Sequence[float | None]], axis_title: str
) -> SvgChart:
    values = [value for column in curves.values() for value in column if value is not None]
    first, last = min(training.epochs), max(training.epochs)
    is_loss = axis_title == "loss"
    top = 1.05 * max(values) if is_loss else 1.0
    bottom = 0.0 if is_loss else max(0.0, min(values) - 0.05)
    lines = []
    for name, column in curves.items():
        pairs = zip(training.epochs, column, strict=True)
        points = [(epoch, value) for epoch, value in pairs if value is not None]
        dots = len(column) <= MAX_DOTTED_EPOCHS
        lines.append(Line(name=training_curve_name(name), points=points, dots=dots))
    best = training.best_epoch
    axes = Axes(
        x="epoch",
        y=axis_title,
        # A single epoch would have no width.
        x_range=(first, max(last, first + 1)),
        y_range=(bottom, top),
        guides=[] if best is None else [((float(best), bottom), (float(best), top))],
        integer_x=True,
    )
    chosen = f"; epoch {best} was chosen." if best else "."
    return draw_chart(lines, axes, f"{axis_title.capitalize()} by epoch{chosen}")
