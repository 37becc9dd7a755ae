"""The cardiothoracic ratio as a score for a finding: alone, beside a classifier's answer, and both combined.

A film that could not be measured has no ratio (NaN). It is left out where the ratio takes part by itself, and keeps the
classifier's answer where both are combined.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.bootstrap import drawn, figures_of
from cxr_core.evaluation.bootstrap.resamples import Draws
from cxr_core.evaluation.metrics.metrics import auroc
from cxr_core.logistic import fit_logistic

RATIO, CLASSIFIER, COMBINED = "ratio", "classifier", "combined"
VIEWS = ("PA", "AP")


@dataclass(frozen=True, kw_only=True)
class Combination:
    """A logistic model of the classifier's logit and the ratio, and one of the logit alone for films without a ratio.

    Log-odds: intercept + of_logit * logit + of_ratio * ratio; without a ratio alone_intercept + alone_of_logit * logit.
    Both are fitted on films of the same part, so that they answer on one scale.
    """

    intercept: float
    of_logit: float
    of_ratio: float
    alone_intercept: float
    alone_of_logit: float
    films: int  # it was fitted on
    positives: int
    measured: int  # of the films, those with a ratio
    source: str  # which films

    def log_odds(
        self, logits: np.ndarray, ratios: np.ndarray, views: np.ndarray | None = None
    ) -> np.ndarray:
        """(N,) the combined answer. logits: (N,); ratios: (N,), NaN where none was measured.  views: not asked for."""
        both = self.intercept + self.of_logit * logits + self.of_ratio * ratios
        return np.where(np.isnan(ratios), self.alone_intercept + self.alone_of_logit * logits, both)

    def to_json(self) -> dict[str, Any]:
        """As metrics.json carries it."""
        return {
            key: round(value, 6) if isinstance(value, float) else value
            for key, value in asdict(self).items()
        }


def fit_combination(
    logits: np.ndarray, ratios: np.ndarray, labels: np.ndarray, source: str
) -> Combination:
    """The combination that fits films best: logits, ratios (NaN = not measured), labels 0 or 1, (N,) each.

    Both inputs are brought to unit spread and held by scikit-learn's default ridge (C = 1), so that few or separable
    films give finite weights. Raises DataError when the films, or those measured, show one class only.
    """
    seen = ~np.isnan(ratios)
    for chosen, what in ((np.ones(len(labels), bool), "films"), (seen, "measured films")):
        if len(np.unique(labels[chosen])) < 2:
            raise DataError(
                f"the {int(chosen.sum()):,} {what} to fit the combination on ({source}) are not of both classes; "
                "choose another part with --fit-on"
            )
    intercept, (of_logit, of_ratio) = fit_logistic(
        np.stack([logits[seen], ratios[seen]], axis=1), labels[seen]
    )
    alone_intercept, (alone_of_logit,) = fit_logistic(logits[:, None], labels)
    return Combination(
        intercept=intercept,
        of_logit=of_logit,
        of_ratio=of_ratio,
        alone_intercept=alone_intercept,
        alone_of_logit=alone_of_logit,
        films=len(labels),
        positives=int((labels == 1).sum()),
        measured=int(seen.sum()),
        source=source,
    )


def by_view(
    scores: Mapping[str, np.ndarray], labels: np.ndarray, patients: np.ndarray, views: np.ndarray
) -> dict[str, Any]:
    """`figures_of_scores` of all films, of PA and AP films alone, and of both with each film among those of its view.

    views: (N,) PA, AP or something else; "within" leaves out the latter.
    """
    groups = {"all": np.ones(len(labels), bool), **{view: views == view for view in VIEWS}}
    found = {
        name: figures_of_scores(_some(scores, chosen), labels[chosen], patients[chosen])
        for name, chosen in groups.items()
    }
    known = np.isin(views, VIEWS)
    return found | {
        "within": figures_of_scores(
            _some(scores, known), labels[known], patients[known], views[known]
        )
    }


def _some(scores: Mapping[str, np.ndarray], chosen: np.ndarray) -> dict[str, np.ndarray]:
    return {name: score[chosen] for name, score in scores.items()}


def figures_of_scores(
    scores: Mapping[str, np.ndarray],
    labels: np.ndarray,
    patients: np.ndarray,
    views: np.ndarray | None = None,
) -> dict[str, Any]:
    """AUROC of each score and their paired differences, with patient-bootstrapped 95 % intervals.

    scores: (N,) by name; the ratio is NaN where none was measured.  labels: 0 or 1.
    Besides films and positives: unmeasured, those without a ratio; on_measured, every score on the films that have a
    ratio, `auroc` by name and `difference` by pair ("combined - ratio"), both on the same resamples; on_all, the same
    on all films, for the scores that every film has. What a class that is missing leaves undefined is None.
    views: (N,) where a positive film is to be compared with the negative ones of its own view alone.
    """
    seen = ~np.isnan(scores[RATIO])
    same = views if views is not None else np.full(len(labels), "")
    on_all = {name: score for name, score in scores.items() if name != RATIO}
    return {
        "films": len(labels),
        "positives": int((labels == 1).sum()),
        "unmeasured": {
            "films": int((~seen).sum()),
            "share": round(float((~seen).mean()), 6) if len(seen) else None,
            "positives": int((labels[~seen] == 1).sum()),
        },
        "on_measured": _aurocs(_some(scores, seen), labels[seen], patients[seen], same[seen]),
        "on_all": _aurocs(on_all, labels, patients, same) if on_all else None,
    }


def _aurocs(
    scores: Mapping[str, np.ndarray], labels: np.ndarray, patients: np.ndarray, views: np.ndarray
) -> dict[str, Any]:
    pairs = list(combinations(list(scores)[::-1], 2))

    def measured(weights: Draws) -> dict[str, np.ndarray]:
        found = {
            name: auroc_within(views, score, labels, weights) for name, score in scores.items()
        }
        return found | {f"{one} - {other}": found[one] - found[other] for one, other in pairs}

    figures = figures_of(drawn(measured, patients), labels)
    return {
        "auroc": {name: figures[name].to_json() for name in scores},
        "difference": {
            name: figure.to_json() for name, figure in figures.items() if name not in scores
        },
    }


def auroc_within(
    views: np.ndarray, scores: np.ndarray, labels: np.ndarray, weights: Draws
) -> np.ndarray:
    """(R,) AUROC of each view, weighed by its positives; a view without both classes takes no part. NaN if none has.

    With one view it is that view's AUROC. Source: the covariate-adjusted ROC curve of Janes & Pepe 2009, Biometrika
    96:371-382, whose area is the mean over cases of how many controls of the same kind each one exceeds.
    """
    each = []
    for view in np.unique(views):
        chosen = views == view
        of = weights.of(chosen)
        found, positives = (
            auroc(scores[chosen], labels[chosen], of),
            of @ (labels[chosen] == 1).astype(float),
        )
        each.append((np.nan_to_num(found) * positives, np.where(np.isnan(found), 0.0, positives)))
    summed, positives = np.sum(each, axis=0) if each else (np.zeros(weights.shape[0]),) * 2
    return np.divide(summed, positives, out=np.full(np.shape(summed), np.nan), where=positives > 0)
