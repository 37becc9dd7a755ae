"""The report of a segmenter: what it outlined against masks, and its ratio against people's and against labels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cxr_core.evaluation.metrics.curves import Roc
from cxr_core.evaluation.report.parts import (
    caution,
    cell,
    document,
    facts_list,
    finding_name,
    part_name,
    row,
    when,
)
from cxr_core.evaluation.report.ratio_charts import bland_altman, measured_against, roc_curves
from cxr_core.evaluation.segmentation.ratio import CLASSIFIER, COMBINED, RATIO
from cxr_core.findings import STRUCTURES
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.presentation.html import element, table

AGREEMENT = {
    "ratio_mae": "Mean error, without sign",
    "ratio_bias": "Bias: measured − true",
    "ratio_low": "Lower limit of agreement",
    "ratio_high": "Upper limit of agreement",
    "ratio_correlation": "Correlation",
}
SHARES = {
    "measured": "Share of films measured",
    "coverage": "Share of stated intervals that hold the true ratio",
    "trusted": "Share of films that nothing speaks against",
    "trusted_ratio_mae": "Mean error on those",
}
SCORES = {RATIO: "Ratio", CLASSIFIER: "Classifier", COMBINED: "Both combined"}
GROUPS = {"all": "All views", "PA": "PA alone", "AP": "AP alone", "within": "Each among its view"}


@dataclass(frozen=True, kw_only=True, eq=False)
class OutlinesFacts:
    """All that the page says; the fields are those of `evaluate_segmenter.SegmenterEvaluation`."""

    card: SegmenterCard
    part: str
    data: Mapping[str, Any]
    table: pd.DataFrame
    figures: Mapping[str, Any] | None
    recorded: Mapping[str, Any] | None
    score: Mapping[str, Any] | None
    roc: Mapping[str, Roc]
    made: str


def outlines_html(facts: OutlinesFacts) -> str:
    """The report as a self-contained HTML page."""
    body = []
    if facts.figures:
        body += ["<section>", *_against_masks(facts.table, facts.figures), "</section>"]
    if facts.recorded:
        body += ["<section>", *_against_recorded(facts.recorded), "</section>"]
    if facts.score:
        body += ["<section>", *_against_labels(facts.score, facts.roc), "</section>"]
    body += _provenance(facts)
    return document(
        f"{facts.card.model} {facts.card.version}", facts.part, facts.made, _verdict(facts), body
    )


def _verdict(facts: OutlinesFacts) -> Iterator[str]:
    data = facts.data
    yield element(
        "p",
        f"Measured on {data['films']:,} films of {data['patients']:,} patients: the {part_name(facts.part)}.",
        "lead",
    )
    if facts.figures:
        yield element("p", f"Heart: Dice {cell(facts.figures['dice_heart'])}.", "verdict")
        if "ratio_mae" in facts.figures:
            yield element(
                "p",
                f"Cardiothoracic ratio: mean error {cell(facts.figures['ratio_mae'])}.",
                "verdict",
            )
    if facts.score:
        found = facts.score["views"]["all"]["on_measured"]["auroc"]
        said = "; ".join(f"{SCORES[name].lower()} {cell(figure)}" for name, figure in found.items())
        yield element("p", f"{finding_name(facts.score['finding'])}, AUROC: {said}.", "verdict")
    yield from caution(facts.part)


def _against_masks(films: pd.DataFrame, figures: Mapping[str, Any]) -> Iterator[str]:
    yield element("h2", "Against masks drawn by people")
    rows = []
    for name in STRUCTURES:
        found = figures[f"dice_{name}"], figures[f"distance_px_{name}"]
        rows.append(
            [
                name.replace("_", " ").capitalize(),
                cell(found[0]),
                cell(found[1], 2),
                f"{found[0]['n']:,}",
            ]
        )
    yield table(("", "Dice", "Mean distance of boundaries, px", "Films"), rows, "wide")
    yield element("h3", "The cardiothoracic ratio")
    there = films[films["ratio"].notna() & films["true_ratio"].notna()]
    if len(there):
        yield f'<div class="charts">{bland_altman(there, figures)}{measured_against(there, figures)}</div>'
    else:
        yield element("p", "None of these films could be measured.")
    names = AGREEMENT | SHARES
    yield table(
        ("", "Value", "95 % interval"),
        (row(names[name], figures[name]) for name in names if name in figures),
    )


def _against_recorded(recorded: Mapping[str, Any]) -> Iterator[str]:
    yield element("h2", f"Against the ratio recorded in {recorded['table']}")
    yield table(
        ("", "Value", "95 % interval"), (row(AGREEMENT[name], recorded[name]) for name in AGREEMENT)
    )
    yield element(
        "p",
        f"On {recorded['ratio_mae']['n']:,} films; {recorded['empty']:,} record no ratio, "
        f"and {recorded['unmeasured']:,} that record one could not be measured.",
        "quiet",
    )


def _against_labels(score: Mapping[str, Any], roc: Mapping[str, Roc]) -> Iterator[str]:
    yield element("h2", f"As a score for {finding_name(score['finding']).lower()}")
    if roc:
        found = score["views"]["all"]["on_measured"]["auroc"]
        yield f'<div class="charts">{roc_curves({SCORES[name]: (roc[name], cell(found[name])) for name in roc})}</div>'
    yield from _of_group(score["views"])
    for source, views in score.get("sources", {}).items():
        yield element("h3", f"Films of {source}")
        yield from _of_group(views)
    yield from _combination(score)


def _of_group(views: Mapping[str, Any]) -> Iterator[str]:
    """AUROC and its differences by view, then how many films could not be measured."""
    names = list(views["all"]["on_measured"]["auroc"])
    pairs = list(views["all"]["on_measured"]["difference"])
    rows = [
        [
            GROUPS[name],
            _counts(found["on_measured"]["auroc"][RATIO]),
            *(cell(found["on_measured"]["auroc"][each]) for each in names),
        ]
        for name, found in views.items()
    ]
    yield table(
        ("AUROC, films measured", "Positive", *(SCORES[name] for name in names)), rows, "wide"
    )
    if pairs:
        rows = [
            [GROUPS[name], *(cell(found["on_measured"]["difference"][pair]) for pair in pairs)]
            for name, found in views.items()
        ]
        yield table(("Difference, films measured", *map(_pair, pairs)), rows, "wide")
        rows = [
            [
                GROUPS[name],
                _counts(found["on_all"]["auroc"][CLASSIFIER]),
                *(
                    cell(figure)
                    for kind in ("auroc", "difference")
                    for figure in found["on_all"][kind].values()
                ),
            ]
            for name, found in views.items()
        ]
        told = views["all"]["on_all"]
        heads = (*(SCORES[name] for name in told["auroc"]), *map(_pair, told["difference"]))
        yield table(("AUROC, all films", "Positive", *heads), rows, "wide")
    rows = [
        [
            GROUPS[name],
            f"{missed['films']:,} of {found['films']:,}",
            _per_cent(missed["share"]),
            f"{missed['positives']:,}",
        ]
        for name, found in views.items()
        for missed in [found["unmeasured"]]
    ]
    yield table(("Could not be measured", "Films", "Share", "Positive among them"), rows, "wide")


def _combination(score: Mapping[str, Any]) -> Iterator[str]:
    made = score["combination"]
    if made is None:
        yield element(
            "p",
            "No classifier stands beside it: none that answers this finding is installed or given.",
            "quiet",
        )
        return
    beside = score["beside"]
    if made.get("shipped"):
        yield element(
            "p",
            f"The classifier is {beside['model']} {beside['version']}. Both combined as a reading does it, by its "
            f"card: log-odds = {made['intercept']:.3f} {made['classifier']:+.3f} × the classifier's "
            f"{made['measured']:+.3f} × (ratio − {made['centre']}) {made['ap']:+.3f} on AP views; fitted on "
            f"{made['source']}. A film that could not be measured keeps the classifier's answer alone.",
            "quiet",
        )
        return
    yield element(
        "p",
        f"The classifier is {beside['model']} {beside['version']}. Both combined: log-odds = {made['intercept']:.3f} "
        f"{made['of_logit']:+.3f} × logit {made['of_ratio']:+.3f} × ratio, a logistic model fitted on {made['source']} "
        f"({made['films']:,} films, {made['positives']:,} positive, {made['measured']:,} measured). A film that could "
        f"not be measured keeps the classifier's answer alone: {made['alone_intercept']:.3f} "
        f"{made['alone_of_logit']:+.3f} × logit, fitted on the same part.",
        "quiet",
    )


def _provenance(facts: OutlinesFacts) -> Iterator[str]:
    card = facts.card
    interval = card.ratio_interval
    yield from facts_list(
        {
            "Model": f"{card.model} {card.version}, for {card.population.text}",
            "SHA-256 of the weights": card.weights_sha256,
            "Part": facts.part,
            "SHA-256 of the films": str(facts.data["data_sha256"]),
            "SHA-256 of the split": str(facts.data["split_sha256"]),
            "Terms of the data": str(facts.data.get("terms", "")),
            "Measured": when(facts.made),
            "Interval of the ratio": f"± {interval.factor:.3g} × ({interval.offset:.3g} + spread); {interval.source}",
        }
    )


def _counts(figure: Mapping[str, Any]) -> str:
    return f"{figure['positives']:,} of {figure['n']:,}"


def _pair(name: str) -> str:
    """`combined - ratio` -> Both combined − ratio."""
    one, other = name.split(" - ")
    return f"{SCORES[one]} − {SCORES[other].lower()}"


def _per_cent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
