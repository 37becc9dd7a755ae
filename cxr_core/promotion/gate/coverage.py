"""Checks that a classifier errs no more often than the model in use when both decide the same share of the films."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.decisions import DEFAULT_DECISION
from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, to_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics.coverage import (
    RankedCalls,
    decide_share,
    rank_by_distance,
)
from cxr_core.evaluation.metrics.paired import BOOTSTRAP
from cxr_core.models.card import ModelCard
from cxr_core.promotion.gate.checks import (
    Check,
    assess_non_inferiority,
    format_interval,
    format_signed,
)
from cxr_core.reading.decision import find_thresholds

NAME = "error at equal coverage"


@dataclass(frozen=True, kw_only=True)
class EqualCoverage:
    """At which share of films decided two models are compared, and why."""

    share: float
    reason: str


def check_equal_coverage(
    key: str, pair: pd.DataFrame, cards: tuple[ModelCard, ModelCard], share: float, margin: float
) -> Check:
    """The check of one finding; it closes the gate only by failing.

    pair: predictions with the incumbent's probability in the column `incumbent`.  cards: of the candidate and of the
    incumbent.  share: to be decided where the candidate's default decision leaves no film undecided.  margin: by how
    much the error may lie above that of the model in use, as far as the 95 % interval reaches.
    """
    candidate, incumbent = cards
    own = _rank(candidate, key, pair["probability"].to_numpy(np.float64))
    other = _rank(incumbent, key, pair["incumbent"].to_numpy(np.float64))
    coverage = _choose_coverage(candidate, key, pair, share)
    labels, patients = pair["label"].to_numpy(np.float64), pair["patient"].to_numpy(str)
    decided = [decide_share(ranked.sureness, coverage.share) for ranked in (own, other)]
    wrong = [
        weight * (ranked.called != (labels == 1))
        for weight, ranked in zip(decided, (own, other), strict=True)
    ]

    def measure(sample: Resamples) -> dict[str, np.ndarray]:
        sums = sample @ np.stack([*decided, *wrong], axis=1)
        with np.errstate(invalid="ignore"):
            first, second = sums[:, 2] / sums[:, 0], sums[:, 3] / sums[:, 1]
        return {"candidate": first, "incumbent": second, "difference": second - first}

    figures = to_figures(bootstrap_patients(measure, patients), labels)
    difference = figures["difference"].rounded()
    status, meaning = assess_non_inferiority(
        difference.value, difference.low, difference.high, margin
    )
    errors = {name: figures[name].rounded() for name in ("candidate", "incumbent")}
    first, second = (format_interval(one.value, one.low, one.high) for one in errors.values())
    low, high = format_signed(difference.low), format_signed(difference.high)
    sentence = (
        f"Among the {100 * coverage.share:.0f} % of the films of which each is surest ({coverage.reason}), the error "
        f"is {first} against {second} of {incumbent.model} {incumbent.version}: {format_signed(difference.value)} "
        f"({low} to {high}) in favour of the new one, by {BOOTSTRAP}; {meaning}"
    )
    return Check(
        name=NAME,
        finding=key,
        status=status,
        sentence=sentence,
        figures={
            "coverage": round(coverage.share, 6),
            "candidate": errors["candidate"].to_json(),
            "incumbent": errors["incumbent"].to_json(),
            "difference": difference.to_json(),
            "margin": margin,
        },
        needed=False,
    )


def _rank(card: ModelCard, key: str, probabilities: np.ndarray) -> RankedCalls:
    thresholds = find_thresholds(card, key, DEFAULT_DECISION, fused=False)
    return rank_by_distance(probabilities, thresholds.present_from, thresholds.absent_below)


def _choose_coverage(
    candidate: ModelCard, key: str, pair: pd.DataFrame, share: float
) -> EqualCoverage:
    """The share that the candidate's default decision decides here; a share of its own where that is all, or none."""
    thresholds = find_thresholds(candidate, key, DEFAULT_DECISION, fused=False)
    calls = [thresholds.decide(probability) for probability in pair["probability"]]
    decided = 1 - calls.count("indeterminate") / len(calls)
    name = candidate.effective_decision(key, DEFAULT_DECISION)
    if 0 < decided < 1:
        return EqualCoverage(share=decided, reason=f"as many as its {name} decision decides")
    return EqualCoverage(
        share=share, reason=f"its {name} decision decides {100 * decided:.0f} % of them"
    )
