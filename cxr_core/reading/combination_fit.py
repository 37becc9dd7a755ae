"""How much a measured ratio adds to a classifier's probability, fitted on validation films."""

import numpy as np
from scipy.special import expit
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold

from cxr_core.errors import DataError
from cxr_core.logistic import fit_logistic
from cxr_core.models.card import Combination
from cxr_core.reading.calibration import operating_points
from cxr_core.reading.combine import AP_SHARE, UNKNOWN_SHARE, combined_logits
from cxr_core.reading.measure import ENLARGED, RATIO

FOLDS = 5


def fit_combination(
    log_odds: np.ndarray, ratios: np.ndarray, views: np.ndarray, labels: np.ndarray, *, model: str, source: str
) -> Combination:
    """The logistic model of both that fits measured films best, with its operating points.

    log_odds: of the classifier's calibrated probabilities, (N,).  ratios: (N,).  views: (N,) "PA", "AP" or others for
    unknown.  labels: (N,) 0 or 1.  model: name and version of the segmenter.  source: which films these are. The inputs
    are brought to unit spread and held by scikit-learn's default ridge, so that few films give finite weights; a weight
    that would count against the finding is set to 0. Raises DataError when the films are of one class.
    """
    if len(np.unique(labels)) < 2:
        raise DataError(f"the {len(labels)} films to fit the combination on are of one class; both are needed")
    intercept, (classifier, measured, ap) = fit_logistic(_inputs(log_odds, ratios, views), labels)
    fitted = Combination(
        measurement=RATIO,
        model=model,
        intercept=intercept,
        classifier=max(classifier, 0.0),
        measured=max(measured, 0.0),
        centre=ENLARGED,
        ap=ap,
        operating_points=(),
        source=source,
    )
    probabilities = expit(combined_logits(fitted, log_odds, ratios, views))
    return Combination(**{**vars(fitted), "operating_points": operating_points(probabilities, labels, source)})


def gain(
    log_odds: np.ndarray, ratios: np.ndarray, views: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> tuple[float, float]:
    """Log loss of the classifier, refitted alone, and of both together, on films held out by patient (five folds).

    The arguments are those of `fit_combination`; patients: (N,). The ratio helps where the second is lower.
    """
    inputs = _inputs(log_odds, ratios, views)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    held_out = np.empty((2, len(labels)))
    for train, test in folds.split(inputs, labels, patients):
        for row, columns in enumerate(([0, 2], [0, 1, 2])):
            intercept, weights = fit_logistic(inputs[train][:, columns], labels[train])
            held_out[row, test] = expit(intercept + inputs[test][:, columns] @ np.array(weights))
    alone, both = (float(log_loss(labels, probabilities, labels=[0, 1])) for probabilities in held_out)
    return alone, both


def _inputs(log_odds: np.ndarray, ratios: np.ndarray, views: np.ndarray) -> np.ndarray:
    """(N, 3): log-odds, ratio above the limit, and how far the view is AP."""
    shares = [AP_SHARE.get(view, UNKNOWN_SHARE) for view in views.tolist()]
    return np.stack([log_odds, ratios - ENLARGED, shares], axis=1)
