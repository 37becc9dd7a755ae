"""An evaluation as one page: figures with their intervals, curves, calls, and where it all comes from."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxr_core.evaluation.metrics.curves import FindingCurves, NetBenefit, TrainingCurves
from cxr_core.evaluation.metrics.figures import BALANCED
from cxr_core.evaluation.report.attribution_table import heat_table
from cxr_core.evaluation.report.checklist import checklist_section
from cxr_core.evaluation.report.localisation_table import localisation_table
from cxr_core.evaluation.report.parts import (
    POINT_NAMES,
    caution,
    cell,
    document,
    facts_list,
    finding_name,
    part_name,
    row,
    when,
)
from cxr_core.evaluation.report.recalibration_table import recalibration_section
from cxr_core.evaluation.report.subgroup_table import subgroup_table
from cxr_core.evaluation.report.svg import Axes, Line, chart
from cxr_core.models.card import ModelCard
from cxr_core.presentation.html import element, table

FIGURE_NAMES = {
    "auroc": "AUROC",
    "auroc_delong": "AUROC, interval by DeLong",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "brier_reliability": "Brier score: reliability, less is better",
    "brier_resolution": "Brier score: resolution, more is better",
    "brier_uncertainty": "Brier score: uncertainty of the films",
    "brier_within": "Brier score: left over within bins",
    "log_loss": "Log loss",
    "ece": "Calibration error",
    "adaptive_ece": "Calibration error, bins of equally many films",
    "calibration_slope": "Calibration slope, 1 is right",
    "calibration_intercept": "Calibration intercept, 0 is right",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision (PPV)",
    "npv": "Negative predictive value",
    "recall": "Recall (sensitivity)",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "f1": "F1",
    "mcc": "Matthews correlation",
    "lr_positive": "Likelihood ratio of a call",
    "lr_negative": "Likelihood ratio of no call",
}
CLASS_NAMES = {
    "absent": "absent",
    "present": "present",
    "macro_average": "macro average",
    "weighted_average": "weighted average",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportFacts:
    """All that the page says; the fields are those of `folder.Evaluation`."""

    card: ModelCard
    part: str
    data: Mapping[str, Any]
    figures: Mapping[str, Any]
    reports: Mapping[str, Any]
    curves: Mapping[str, FindingCurves]
    training: TrainingCurves | None
    made: str
    macro: Mapping[str, Any] | None = None
    recalibrated: Mapping[str, Any] | None = None


def report_html(facts: ReportFacts) -> str:
    """The report as a self-contained HTML page, light or dark as its reader's system is."""
    body: list[str] = []
    for key in facts.figures:
        body += ["<section>", *_finding(facts, key), "</section>"]
    body += [
        *recalibration_section(facts.recalibrated),
        *_training(facts.training),
        *_provenance(facts),
    ]
    body += checklist_section(set(re.findall(r"<h[23]>(.*?)</h[23]>", "".join(body))))
    return document(
        f"{facts.card.model} {facts.card.version}",
        facts.part,
        facts.made,
        list(_verdict(facts)),
        body,
    )


def _verdict(facts: ReportFacts) -> Iterator[str]:
    data = facts.data
    yield element(
        "p",
        f"Measured on {data['films']:,} films of {data['patients']:,} patients: the {part_name(facts.part)}.",
        "lead",
    )
    for key, figures in facts.figures.items():
        auroc = figures["auroc"]
        counts = f"{auroc['positives']:,} of {auroc['n']:,} films positive"
        yield element("p", f"{finding_name(key)}: AUROC {cell(auroc)}, {counts}.", "verdict")
    if facts.macro and "auroc" in facts.macro:
        means = f"AUROC {cell(facts.macro['auroc'])}, average precision {cell(facts.macro['average_precision'])}"
        yield element("p", f"Mean of {len(facts.macro['findings'])} findings: {means}.", "verdict")
    yield from caution(facts.part)


def _finding(facts: ReportFacts, key: str) -> Iterator[str]:
    figures, curves = facts.figures[key], facts.curves[key]
    yield element("h2", finding_name(key))
    yield '<div class="charts">' + "".join(_charts(curves, figures)) + "</div>"
    yield element("h3", "Figures")
    yield from _figures(figures)
    yield element("h3", "Calls at each operating point")
    yield from _points(figures, curves)
    yield element("h3", "Classification report")
    yield from _classes(facts.reports[key])
    if "views" in figures:
        yield element("h3", "By view")
        yield _views(figures["views"])
    if "heat_in_chest" in figures:
        yield element("h3", "Where the evidence lies")
        yield from heat_table(figures["heat_in_chest"])
    if figures.get("subgroups", {}).get("groups"):
        yield element("h3", "For whom")
        yield from subgroup_table(figures["subgroups"])
    if "localisation" in figures:
        yield element("h3", "Where the heatmap points")
        yield from localisation_table(figures["localisation"])


def _charts(curves: FindingCurves, figures: Mapping[str, Any]) -> Iterator[str]:
    if curves.roc is not None:
        corners = list(
            zip(curves.roc.false_positive_rate, curves.roc.true_positive_rate, strict=True)
        )
        yield chart(
            [Line(name=f"AUROC {cell(figures['auroc'])}", points=corners), _points_on_roc(figures)],
            Axes(x="1 − specificity", y="sensitivity", guides=[((0, 0), (1, 1))]),
            "ROC curve; the dots are the operating points, the dashed line is chance.",
        )
    if curves.precision_recall is not None:
        found = figures["average_precision"]
        share = found["positives"] / found["n"]
        corners = list(
            zip(curves.precision_recall.recall, curves.precision_recall.precision, strict=True)
        )
        yield chart(
            [Line(name=f"average precision {cell(found)}", points=corners)],
            Axes(x="recall", y="precision", guides=[((0, share), (1, share))]),
            "Precision-recall curve; the dashed line is the share of positive films.",
        )
    bins = curves.calibration
    yield chart(
        [
            Line(
                name=f"calibration error {cell(figures['ece'])}",
                points=[(each.predicted, each.observed) for each in bins],
                whiskers=[
                    (each.predicted, each.observed_low, each.observed_high)
                    for each in bins
                    if each.observed_low is not None and each.observed_high is not None
                ],
                dots=True,
                joined=False,
            )
        ],
        Axes(x="probability said", y="share that is positive", guides=[((0, 0), (1, 1))]),
        "Calibration: what was said against what was so. On the dashed line both agree.",
    )
    if curves.net_benefit is not None:
        yield _net_benefit(curves.net_benefit)


def _net_benefit(found: NetBenefit) -> str:
    """Down to half as far below nought as the curve rises above; acting on everybody falls without end."""
    top = max(max(found.model), max(found.everybody), 0.001)
    lines = [
        Line(
            name=name,
            points=[
                (at, value)
                for at, value in zip(found.threshold, values, strict=True)
                if 2 * value > -top
            ],
        )
        for name, values in (
            ("acting on the model's calls", found.model),
            ("acting on every film", found.everybody),
        )
    ]
    return chart(
        [line for line in lines if line.points],
        Axes(
            x="threshold",
            y="net benefit per film",
            y_range=(-top / 2, 1.1 * top),
            guides=[((0, 0), (1, 0))],
        ),
        "Decision curve; the dashed line is acting on nobody.",
    )


def _points_on_roc(figures: Mapping[str, Any]) -> Line:
    rates = [figures[name] for name in POINT_NAMES if name in figures]
    return Line(
        name="operating points",
        points=[
            (1 - rate["specificity"]["value"], rate["sensitivity"]["value"])
            for rate in rates
            if rate["specificity"]["value"] is not None and rate["sensitivity"]["value"] is not None
        ],
        dots=True,
        joined=False,
    )


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    single = {name: figure for name, figure in figures.items() if "value" in figure}
    yield table(
        ("", "Value", "95 % interval"),
        (row(FIGURE_NAMES[name], single[name]) for name in FIGURE_NAMES if name in single),
    )
    yield element(
        "p",
        f"Accuracy and all below it are taken at the {POINT_NAMES[BALANCED].lower()} operating point, which was chosen "
        "on validation films.",
        "quiet",
    )


def _points(figures: Mapping[str, Any], curves: FindingCurves) -> Iterator[str]:
    rates = ("sensitivity", "specificity", "precision", "f1", "accuracy")
    rows = []
    for name, calls in curves.confusion.items():
        found = [cell(figures[name][rate]) for rate in rates]
        rows.append([POINT_NAMES.get(name, name), f"{calls.threshold:.3g}", *found])
    yield table(("", "Threshold", *(FIGURE_NAMES[rate] for rate in rates)), rows, "wide")
    yield table(
        (
            "",
            "Called, is present",
            "Called, is absent",
            "Not called, is present",
            "Not called, is absent",
        ),
        (
            [
                POINT_NAMES.get(name, name),
                *(
                    f"{count:,}"
                    for count in (
                        each.true_positive,
                        each.false_positive,
                        each.false_negative,
                        each.true_negative,
                    )
                ),
            ]
            for name, each in curves.confusion.items()
        ),
        "counts",
    )


def _classes(report: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for name, title in CLASS_NAMES.items():
        rates = [cell(report[name][rate]) for rate in ("precision", "recall", "f1")]
        support = report[name].get(
            "support", report["absent"]["support"] + report["present"]["support"]
        )
        rows.append([title, *rates, f"{support:,}"])
    yield table(("Class", "Precision", "Recall", "F1", "Films"), rows, "wide")
    yield element(
        "p",
        f"Accuracy {cell(report['accuracy'])}, at the threshold {report['threshold']:.3g}.",
        "quiet",
    )


def _views(views: Mapping[str, Any]) -> str:
    names = ("auroc", "average_precision", "sensitivity", "specificity")
    rows = []
    for view, figures in views.items():
        found = {**figures, "sensitivity": figures["recall"]}
        auroc = figures["auroc"]
        rows.append(
            [
                view,
                f"{auroc['positives']:,} of {auroc['n']:,}",
                *(cell(found[name]) for name in names),
            ]
        )
    return table(("View", "Positive", *(FIGURE_NAMES[name] for name in names)), rows, "wide")


def _training(training: TrainingCurves | None) -> Iterator[str]:
    """Losses in one chart, what lies between 0 and 1 in another."""
    if training is None:
        return
    losses = {name: values for name, values in training.figures.items() if name.endswith("loss")}
    shares = {
        name: values
        for name, values in training.figures.items()
        if name.endswith(("auroc", "accuracy"))
    }
    drawn = [
        _over_epochs(training, curves, y)
        for curves, y in ((losses, "loss"), (shares, "share"))
        if any(value is not None for values in curves.values() for value in values)
    ]
    if drawn:
        yield element("h2", "How it was trained")
        yield f'<div class="charts">{"".join(drawn)}</div>'


def _over_epochs(
    training: TrainingCurves, curves: Mapping[str, Sequence[float | None]], y: str
) -> str:
    values = [value for column in curves.values() for value in column if value is not None]
    first, last = min(training.epochs), max(training.epochs)
    top = 1.0 if y == "share" else 1.05 * max(values)
    bottom = 0.0 if y == "loss" else max(0.0, min(values) - 0.05)
    best = training.best_epoch
    guides = [((float(best), bottom), (float(best), top))] if best is not None else []
    lines = [
        Line(
            name=name.replace("_", " "),
            points=[(e, v) for e, v in zip(training.epochs, column, strict=True) if v is not None],
            dots=len(column) <= 20,
        )
        for name, column in curves.items()
    ]
    # One epoch alone would have no width.
    axes = Axes(
        x="epoch",
        y=y,
        x_range=(first, max(last, first + 1)),
        y_range=(bottom, top),
        guides=guides,
        whole_x=True,
    )
    return chart(
        lines, axes, f"{y.capitalize()} by epoch" + (f"; epoch {best} was chosen." if best else ".")
    )


def _provenance(facts: ReportFacts) -> Iterator[str]:
    card = facts.card
    told = {
        "Model": f"{card.model} {card.version}, for {card.population.text}",
        "SHA-256 of the weights": card.weights_sha256,
        "Part": facts.part,
        "SHA-256 of the films": str(facts.data["data_sha256"]),
        "SHA-256 of the split": str(facts.data["split_sha256"]),
        "Terms of the data": str(facts.data.get("terms", "")),
        "Measured": when(facts.made),
        **{
            f"Thresholds for {finding_name(key).lower()}": _thresholds(card, key)
            for key in facts.figures
        },
        **{
            f"Calibration for {finding_name(key).lower()}": card.calibration[key].source
            for key in facts.figures
        },
    }
    yield from facts_list(told)


def _thresholds(card: ModelCard, key: str) -> str:
    return "; ".join(
        f"{POINT_NAMES.get(p.name, p.name)} {p.threshold:.3g}" for p in card.operating_points[key]
    )
