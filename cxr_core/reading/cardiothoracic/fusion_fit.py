"""A classifier's probability and a measured ratio together, fitted on validation films.

Both weigh the same, each in units of its own spread: with a few dozen positive films, weights of their own cannot be
told from equal ones, and equal ones carry over better (Dawes 1979, American Psychologist 34:571-582). What is fitted is
the scale of their sum, the intercept and the share of the view.
"""

import numpy as np
from scipy.special import expit
from sklearn.model_selection import StratifiedGroupKFold

from cxr_core.errors import DataError
from cxr_core.logistic import fit_logistic
from cxr_core.models.card import Combination
from cxr_core.reading.calibration import operating_points
from cxr_core.reading.cardiothoracic.fusion import AP_SHARE, UNKNOWN_SHARE, combined_logits
from cxr_core.reading.cardiothoracic.ratio import ENLARGED, RATIO

FOLDS, REPEATS = 5, 20
LEAST = 1e-7  # a probability held out is not taken as surer than this


def fit_combination(
    log_odds: np.ndarray,
    ratios: np.ndarray,
    views: np.ndarray,
    labels: np.ndarray,
    *,
    model: str,
    source: str,
) -> Combination:
    """The logistic model of the sum of both that fits measured films best, with its operating points.

    log_odds: of the classifier's calibrated probabilities, (N,).  ratios: (N,).  views: (N,) "PA", "AP" or others for
    unknown.  labels: (N,) 0 or 1.  model: name and version of the segmenter.  source: which films these are. Held by
    scikit-learn's default ridge, so that few films give finite weights; a sum that would count against the finding
    gets none. Raises DataError when the films are of one class.
    """
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"the {len(labels)} films to fit the combination on are of one class; both are needed"
        )
    inputs = _inputs(log_odds, ratios, views)
    spreads = _spreads(inputs)
    intercept, (slope, ap) = fit_logistic(_summed(inputs, spreads), labels)
    classifier, measured = max(slope, 0.0) / spreads
    fitted = Combination(
        measurement=RATIO,
        model=model,
        intercept=intercept,
        classifier=float(classifier),
        measured=float(measured),
        centre=ENLARGED,
        ap=ap,
        operating_points=(),
        source=source,
    )
    probabilities = expit(combined_logits(fitted, log_odds, ratios, views))
    return Combination(
        **{**vars(fitted), "operating_points": operating_points(probabilities, labels, source)}
    )


def held_out_losses(
    log_odds: np.ndarray,
    ratios: np.ndarray,
    views: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) log loss of each film by the classifier, refitted alone, and by both, while its patient is held out.

    Means over twenty divisions into five folds. The arguments are those of `fit_combination`; patients: (N,).
    """
    inputs = _inputs(log_odds, ratios, views)
    losses = np.zeros((2, len(labels)))
    for repeat in range(REPEATS):
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=repeat)
        for train, test in folds.split(inputs, labels, patients):
            spreads = _spreads(inputs[train])
            for row, columns in enumerate((inputs[:, [0, 2]], _summed(inputs, spreads))):
                intercept, weights = fit_logistic(columns[train], labels[train])
                said = expit(intercept + columns[test] @ np.array(weights)).clip(LEAST, 1 - LEAST)
                losses[row, test] -= np.log(np.where(labels[test] == 1, said, 1 - said)) / REPEATS
    return losses[0], losses[1]


def _spreads(inputs: np.ndarray) -> np.ndarray:
    """(2,) standard deviations of log-odds and ratio; 1 where all films have the same."""
    found = inputs[:, :2].std(axis=0)
    return np.where(found > 0, found, 1.0)


def _summed(inputs: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """(N, 2): log-odds and ratio in units of their spread, added; and how far the view is AP."""
    return np.stack([(inputs[:, :2] / spreads).sum(axis=1), inputs[:, 2]], axis=1)


def _inputs(log_odds: np.ndarray, ratios: np.ndarray, views: np.ndarray) -> np.ndarray:
    """(N, 3): log-odds, ratio above the limit, and how far the view is AP."""
    shares = [AP_SHARE.get(view, UNKNOWN_SHARE) for view in views.tolist()]
    return np.stack([log_odds, ratios - ENLARGED, shares], axis=1)
