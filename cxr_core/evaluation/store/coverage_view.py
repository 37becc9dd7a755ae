"""Computes what the coverage tab shows of one finding: the rules, the subgroups, why films are undecided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.decisions import SINGLE_THRESHOLDS
from cxr_core.evaluation.group_coverage import list_group_levels, measure_group_coverage
from cxr_core.evaluation.metrics.coverage import (
    MeasuredRule,
    RankedCalls,
    Rule,
    measure_rules,
    rank_films,
    take_ood_scores,
)
from cxr_core.evaluation.metrics.results import DecisionFigures, GroupCoverage
from cxr_core.evaluation.store.loaded import LoadedEvaluation
from cxr_core.evaluation.store.predictions import FLAGS
from cxr_core.film.artefacts.flags import PHOTOGRAPHED, SCREENSHOT
from cxr_core.film.irregularities import IRREGULARITIES
from cxr_core.reading.decision import Uncertainty, uncertainty_of_flag

POSE_FLAGS = ("inverted", "turned", "mirrored")
# Codes of the quality flags with which a reading gives no verdict.
WITHHOLDING = frozenset(
    (
        *(
            flag.code
            for flag in (*IRREGULARITIES.values(), PHOTOGRAPHED, SCREENSHOT)
            if flag.withholds_call
        ),
        *POSE_FLAGS,
    )
)
NO_P_VALUES = (
    "This evaluation has no conformal p-values: it was made by an earlier version, or the model's folder did not have "
    "the scores of its validation films. Write them with `python -m train.accept MODEL --write-scores --data DIR`, "
    "then evaluate again."
)
NO_SCORES = (
    "This evaluation has no out-of-distribution scores that differ between films: the model keeps no statistics of its "
    "training films."
)


@dataclass(frozen=True, kw_only=True)
class DecisionPoint:
    """What a named decision does on these films: the share that it decides, and the error among these."""

    name: str
    decided: float
    error: float


@dataclass(frozen=True, kw_only=True, eq=False)
class CoverageView:
    """The films of one finding by each rule. labels: (N,).  patients: (N,).  levels: kinds of subgroups, by film.

    decision: from the middle of whose thresholds distances count.  missing: by rule, why it cannot be shown.
    points: of the decisions with two thresholds.  reasons: films for which a reading would be undecided or withheld,
    by reason; of those that the evaluation knows.
    """

    decision: str
    ranked: Mapping[Rule, RankedCalls]
    measured: Mapping[Rule, MeasuredRule]
    missing: Mapping[Rule, str]
    points: Sequence[DecisionPoint]
    labels: np.ndarray
    patients: np.ndarray
    levels: Mapping[str, pd.Series]
    reasons: Mapping[Uncertainty, int]

    def measure_groups(self, rule: Rule, share: float) -> tuple[GroupCoverage, ...]:
        """Each subgroup, when a rule decides this share of all films; one cut for all groups."""
        return measure_group_coverage(
            self.ranked[rule], share, self.labels, self.patients, self.levels
        )


def compute_coverage_view(
    evaluation: LoadedEvaluation, finding: str, view: str | None
) -> CoverageView:
    """Compute what the tab shows. A few seconds for 25,000 films.

    The thresholds are those of the model's default decision, where the evaluation records them, else the balanced one.
    In a cross-validation each film has those of its own fold's model.
    """
    rows = evaluation.select_films(finding, view)
    recorded = evaluation.coverage.get(finding)
    present_from: float | np.ndarray
    absent_below: float | np.ndarray
    if recorded is not None:
        decision = recorded.decision
        present_from, absent_below = recorded.assign_thresholds(rows)
    else:
        thresholds = evaluation.thresholds[finding]
        decision = "balanced"
        present_from = absent_below = thresholds[SINGLE_THRESHOLDS[decision]]
    ranked = rank_films(rows, present_from, absent_below)
    labels, patients = rows["label"].to_numpy(np.float64), rows["patient"].to_numpy(str)
    needed: Mapping[Rule, str] = {"conformal": NO_P_VALUES, "familiarity": NO_SCORES}
    return CoverageView(
        decision=decision,
        ranked=ranked,
        measured=measure_rules(ranked, labels, patients),
        missing={rule: reason for rule, reason in needed.items() if rule not in ranked},
        points=_list_points(evaluation.figures(finding, view).decisions),
        labels=labels,
        patients=patients,
        levels=list_group_levels(rows),
        reasons=_count_reasons(rows, present_from, absent_below),
    )


def _list_points(decisions: Mapping[str, DecisionFigures]) -> list[DecisionPoint]:
    """Where each decision with two thresholds lies, from the shares of each class."""
    points = []
    for name, figures in decisions.items():
        present = figures.present_suspected.positives
        absent = figures.present_suspected.n - present
        decided = wrong = 0.0
        for films, right, mistaken in (
            (present, figures.present_suspected, figures.present_not_suspected),
            (absent, figures.absent_not_suspected, figures.absent_suspected),
        ):
            decided += films * ((right.value or 0.0) + (mistaken.value or 0.0))
            wrong += films * (mistaken.value or 0.0)
        if decided:
            points.append(
                DecisionPoint(
                    name=name, decided=decided / (present + absent), error=wrong / decided
                )
            )
    return points


def _count_reasons(
    rows: pd.DataFrame, present_from: float | np.ndarray, absent_below: float | np.ndarray
) -> dict[Uncertainty, int]:
    """How many films a reading would leave undecided, or read with caution, for each reason that predictions show."""
    probabilities = rows["probability"].to_numpy(np.float64)
    between = (probabilities >= absent_below) & (probabilities < present_from)
    counts: dict[Uncertainty, int] = {"between_thresholds": int(between.sum())}
    scores = take_ood_scores(rows)
    if not np.isnan(scores).all():
        counts["unlike_training"] = int((scores > 1).sum())
    if FLAGS in rows:
        codes = rows[FLAGS].fillna("").astype(str).str.split("|")
        reasons = codes.map(lambda own: {uncertainty_of_flag(c) for c in own if c in WITHHOLDING})
        for reason in ("quality", "view"):
            counts[reason] = int(reasons.map(lambda own, reason=reason: reason in own).sum())
    return counts
