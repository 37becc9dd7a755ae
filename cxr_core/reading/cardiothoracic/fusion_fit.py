"""Fits the combination of a classifier's probability and the measured ratio on validation films.

Both weigh the same, each in units of its own spread: a few dozen positive films cannot tell weights of their own from
equal ones, and equal ones carry over better (Dawes 1979, American Psychologist 34:571-582). What is fitted is the scale
of their sum, the intercept and the weight of the AP view, for a ratio without error; each film counts as a reading
combines it, by the reliability of its own ratio.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit
from sklearn.model_selection import StratifiedGroupKFold

from cxr_core.errors import DataError
from cxr_core.findings import RATIO_LIMIT
from cxr_core.models.card import Fusion
from cxr_core.models.label_noise import LabelNoise
from cxr_core.reading.cardiothoracic.fusion import (
    AP_WEIGHTS,
    UNKNOWN_VIEW_WEIGHT,
    compute_reliability,
    fuse_logits,
)
from cxr_core.reading.cardiothoracic.ratio import RATIO
from cxr_core.reading.fitting.calibration import choose_operating_points, fit_logistic
from cxr_core.reading.fitting.conformal import choose_decisions
from cxr_core.reading.fitting.noisy_labels import compute_log_likelihood

FOLDS, REPEATS = 5, 20
MIN_PROBABILITY = 1e-7  # held-out probabilities are clipped to this distance from 0 and 1
MIN_VARIANCE, MAX_VARIANCE = 1e-6, 0.25  # of a ratio between 0 and 1


@dataclass(frozen=True, eq=False, kw_only=True)
class FusionFilms:
    """N labelled films, (N,) each.

    log_odds: of the classifier's calibrated probability.  ratios: NaN where there is none.  standard_errors, tapers: of
    the ratios, as in `Measurement`.  labels: 0 or 1.  views: "PA", "AP" or any other text for unknown.  patients: text.
    in_doubt: (N,) bool, films that thresholds are chosen without.  noise: of the labels, where it is known; the fused
    probability is then that of a reader's verdict, as the classifier's is.
    """

    log_odds: np.ndarray
    ratios: np.ndarray
    standard_errors: np.ndarray
    tapers: np.ndarray
    labels: np.ndarray
    views: np.ndarray
    patients: np.ndarray
    in_doubt: np.ndarray | None = None
    noise: LabelNoise | None = None

    def select(self, rows: np.ndarray) -> "FusionFilms":
        """Some of the films. rows: positions, or (N,) bool."""
        arrays = {
            name: values[rows]
            for name, values in vars(self).items()
            if isinstance(values, np.ndarray)
        }
        return replace(self, **arrays)

    @property
    def trusted(self) -> np.ndarray:
        """(N,) bool: the films whose label thresholds may be chosen by."""
        return np.ones(len(self.labels), bool) if self.in_doubt is None else ~self.in_doubt

    @property
    def measured(self) -> np.ndarray:
        """(N,) bool: which films have a ratio."""
        measured: np.ndarray = ~np.isnan(self.ratios)
        return measured

    @property
    def ap_weights(self) -> np.ndarray:
        """(N,) weight of the AP view: 1 for AP, 0 for PA."""
        return np.array([AP_WEIGHTS.get(view, UNKNOWN_VIEW_WEIGHT) for view in self.views.tolist()])

    def weigh(self, variance: float) -> np.ndarray:
        """(N,) weights of the ratios, as `weigh_ratio` gives them; 0 for films without one."""
        reliabilities = compute_reliability(variance, np.nan_to_num(self.standard_errors))
        return np.where(self.measured, self.tapers * reliabilities, 0.0)


def fit_fusion(films: FusionFilms, *, model: str, source: str) -> Fusion:
    """The logistic model of the sum of both that fits the films best, with the thresholds on it.

    films: all that the segmenter was asked about, also those without a ratio: they count for the thresholds, which hold
    for every film.  model: name and version of the segmenter.  source: which films these are. A ridge penalty keeps
    weights finite on few films; a sum that would count against the finding gets weight 0. Raises DataError when the
    films are of one class.
    """
    if len(np.unique(films.labels)) < 2:
        raise DataError(
            f"the {len(films.labels)} films to fit the fusion on are of one class; both are needed"
        )
    variance = estimate_ratio_variance(films)
    fitted = replace(
        _fit_weights(films, variance),
        model=model,
        source=source,
    )
    trusted = films.select(films.trusted)
    probabilities = expit(combine_films(fitted, trusted))
    points = choose_operating_points(probabilities, trusted.labels, source)
    decisions = choose_decisions(probabilities, trusted.labels, source)
    return replace(fitted, operating_points=points, decisions=decisions)


def combine_films(fitted: Fusion, films: FusionFilms) -> np.ndarray:
    """(N,) log-odds as a reading combines them. fitted: with `ratio_variance`."""
    assert fitted.ratio_variance is not None
    weights = films.weigh(fitted.ratio_variance)
    return fuse_logits(fitted, films.log_odds, films.ratios, films.views, weights)


def estimate_ratio_variance(films: FusionFilms) -> float:
    """The variance of the true ratio among films that the classifier and the view cannot tell apart.

    It is what remains of the measured ratio's variance around its regression on log-odds and view, less the error that
    each film's interval says: the method of moments for unequal errors. Source: Paule and Mandel 1982, Journal of
    Research of the National Bureau of Standards 87:377-385.
    """
    known = films.select(films.measured)
    inputs = np.stack([np.ones(len(known.ratios)), known.log_odds, known.ap_weights], axis=1)
    degrees = len(inputs) - np.linalg.matrix_rank(inputs)

    def excess(variance: float) -> float:
        weights = 1 / (variance + known.standard_errors**2)
        root = np.sqrt(weights)
        slopes, *_ = np.linalg.lstsq(inputs * root[:, None], known.ratios * root)
        return float((weights * (known.ratios - inputs @ slopes) ** 2).sum() - degrees)

    if degrees < 1 or excess(MIN_VARIANCE) <= 0:
        return MIN_VARIANCE
    return float(brentq(excess, MIN_VARIANCE, MAX_VARIANCE))


def cross_validate_losses(films: FusionFilms) -> tuple[np.ndarray, np.ndarray]:
    """(N,) log loss of each film, held out with its patient: by the classifier refitted alone, and by both together.

    Means over twenty splits into five folds.
    """
    network = np.stack([films.log_odds, films.ap_weights], axis=1)
    losses = np.zeros((2, len(films.labels)))
    for repeat in range(REPEATS):
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=repeat)
        for train, test in folds.split(network, films.labels, films.patients):
            held_out, labels = films.select(test), films.labels[test]
            intercept, weights = fit_logistic(
                network[train], films.labels[train], noise=films.noise
            )
            fitted = _fit_weights(films.select(train), estimate_ratio_variance(films.select(train)))
            limit = -np.log(MIN_PROBABILITY)
            for row, log_odds in enumerate(
                (intercept + network[test] @ np.array(weights), combine_films(fitted, held_out))
            ):
                likelihood = compute_log_likelihood(
                    log_odds.clip(-limit, limit), labels, films.noise
                )
                losses[row, test] -= likelihood / REPEATS
    return losses[0], losses[1]


def _fit_weights(films: FusionFilms, variance: float) -> Fusion:
    """The weights for a ratio without error, as a fusion without name and thresholds.

    A film's log-odds are (1 - w) * those of the classifier + w * (intercept + slope * sum + ap * view), linear in what
    is fitted. The penalty is that of `fit_logistic`: of the squared weights, once their inputs have unit spread.
    """
    known = films.select(films.measured)
    weights = known.weigh(variance)
    spreads = _measure_spreads(known, weights)
    total = known.log_odds / spreads[0] + (known.ratios - RATIO_LIMIT) / spreads[1]
    inputs = np.stack([total, known.ap_weights], axis=1)
    means, scales = inputs.mean(axis=0), inputs.std(axis=0)
    scales = np.where(scales > 0, scales, 1.0)
    columns = weights[:, None] * np.column_stack([np.ones(len(total)), (inputs - means) / scales])
    offsets = (1 - weights) * known.log_odds

    def penalised_loss(parameters: np.ndarray) -> float:
        log_odds = offsets + columns @ parameters
        likelihood = compute_log_likelihood(log_odds, known.labels, known.noise)
        return float((parameters[1:] ** 2).sum() / 2 - likelihood.sum())

    middle, *slopes = minimize(penalised_loss, np.zeros(3), method="BFGS").x
    slope, ap = slopes / scales
    intercept = middle - means @ [slope, ap]
    classifier, measured = max(slope, 0.0) / spreads
    return Fusion(
        measurement=RATIO,
        model="",
        intercept=float(intercept),
        classifier=float(classifier),
        measured=float(measured),
        centre=RATIO_LIMIT,
        ap=float(ap),
        operating_points=(),
        source="",
        ratio_variance=variance,
    )


def _measure_spreads(films: FusionFilms, weights: np.ndarray) -> np.ndarray:
    """(2,) standard deviations of log-odds and ratio, films by the weight of their ratio; 1 where all have the same."""
    columns = np.stack([films.log_odds, films.ratios])
    total = weights.sum()
    if total <= 0:
        return np.ones(2)
    means = columns @ weights / total
    spreads = np.sqrt((columns - means[:, None]) ** 2 @ weights / total)
    return np.where(spreads > 0, spreads, 1.0)
