"""Combines a classifier's probability with the measured ratio, by the logistic model in the classifier's card.

An uncertain ratio counts less, and nothing throws it out at a limit: the log-odds lie between the classifier's own and
those of the logistic model, by the reliability of the ratio, v / (v + s²). v is the variance of the true ratio among
films that the classifier and the view cannot tell apart, s the standard error of this film's. That is regression
calibration: a reliable ratio counts as measured, an unreliable one as what is expected without it, which the
classifier's own probability stands for. Source: Carroll, Ruppert, Stefanski and Crainiceanu 2006, Measurement Error in
Nonlinear Models, chapter 4.
"""

from dataclasses import dataclass

import numpy as np

from cxr_core.film.radiograph import View
from cxr_core.models.card import Fusion, ModelCard
from cxr_core.presentation.wording import format_fusion
from cxr_core.reading.calibration import expit, log_odds
from cxr_core.reading.cardiothoracic.ratio import RATIO, Measurement
from cxr_core.workspace.json_files import JsonObject

AP_WEIGHTS: dict[str, float] = {"AP": 1.0, "PA": 0.0, "LATERAL": 0.0}
UNKNOWN_VIEW_WEIGHT = 0.5
# For cards that were fitted without weights: ratios of usual certainty count fully there, as they did. Both are those
# of NIH's validation films: the variance as a fit estimates it, the median standard error.
UNWEIGHED_VARIANCE, UNWEIGHED_ERROR = 0.0017, 0.027


@dataclass(frozen=True, kw_only=True)
class FusionParts:
    """What a combined probability is made of: the classifier's own probability and the measured value.

    value: None where nothing could be measured.  weight: of the value in [0, 1]; 0 leaves the classifier's own
    probability as it is.  edited: whether a person has set the diameters.
    """

    classifier: float
    measurement: str
    value: float | None
    weight: float
    edited: bool = False

    @property
    def uses_ratio(self) -> bool:
        """Whether the ratio counts at all."""
        return self.value is not None and self.weight > 0

    def to_json(self) -> JsonObject:
        """The parts as `read --json` has them."""
        parts: JsonObject = {
            "classifier": self.classifier,
            self.measurement: None if self.value is None else round(self.value, 4),
            "weight": round(self.weight, 4),
        }
        return parts | ({"edited": True} if self.edited else {})

    def describe(self) -> str:
        """The parts in words: `network 12 %, CTR 0.56 weighed at 70 %`."""
        value = self.value if self.uses_ratio else None
        return format_fusion(self.classifier, value, self.weight, self.edited)


def weigh_ratio(fitted: Fusion, standard_error: float, taper: float) -> float:
    """The weight of a ratio in [0, 1]: its reliability, times its taper. See `Measurement` for both arguments."""
    if fitted.ratio_variance is not None:
        return taper * compute_reliability(fitted.ratio_variance, standard_error)
    usual = compute_reliability(UNWEIGHED_VARIANCE, UNWEIGHED_ERROR)
    return taper * min(1.0, compute_reliability(UNWEIGHED_VARIANCE, standard_error) / usual)


def compute_reliability(variance: float, standard_error: float) -> float:
    """The share of the variance of measured values that is not their error: v / (v + s²)."""
    return variance / (variance + standard_error**2)


def fuse_logit(
    fitted: Fusion, log_odds: float, value: float, view: View | None, weight: float
) -> float:
    """The combined log-odds. log_odds: of the classifier's calibrated probability.  value, weight: of the ratio."""
    ap_weight = UNKNOWN_VIEW_WEIGHT if view is None else AP_WEIGHTS[view]
    by_ratio = fitted.measured * (value - fitted.centre)
    fused = fitted.intercept + fitted.classifier * log_odds + by_ratio + fitted.ap * ap_weight
    return (1 - weight) * log_odds + weight * fused


def fuse_logits(
    fitted: Fusion,
    log_odds: np.ndarray,
    ratios: np.ndarray,
    views: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """`fuse_logit` of many films, (N,) each, those without a ratio (NaN) as the classifier has them.

    views: any text but PA, AP and LATERAL is an unknown view.
    """
    films = zip(log_odds.tolist(), ratios.tolist(), views.tolist(), weights.tolist(), strict=True)
    return np.array(
        [
            logit
            if np.isnan(ratio)
            else fuse_logit(fitted, logit, ratio, view if view in AP_WEIGHTS else None, weight)
            for logit, ratio, view, weight in films
        ]
    )


def fuse_probability(
    card: ModelCard,
    finding: str,
    probability: float,
    measurement: Measurement | None,
    view: View | None,
    use_edited: bool = False,
) -> tuple[float, FusionParts | None]:
    """The probability to show and its parts; the classifier's own, without parts, where the card combines nothing.

    The card's segmenter must have measured, or tried to; a ratio of weight 0 leaves the classifier's probability as it
    is, and the thresholds are those of the fusion all the same, so that no film is decided on another scale. Diameters
    set by hand do not change the probability, unless `use_edited`: then their ratio counts, with a reader's error.
    """
    fitted = card.fusion.get(finding)
    if fitted is None or fitted.measurement != RATIO or measurement is None:
        return probability, None
    edited = use_edited and measurement.edited and measurement.value is not None
    used = measurement if edited else measurement.automatic or measurement
    if not edited and f"{used.model} {used.version}" != fitted.model:
        return probability, None
    weight = 0.0
    if used.value is not None and used.standard_error is not None and view != "LATERAL":
        weight = weigh_ratio(fitted, used.standard_error, used.taper)
    fused = probability
    if used.value is not None and weight > 0:
        fused = expit(fuse_logit(fitted, log_odds(probability), used.value, view, weight))
    return fused, FusionParts(
        classifier=probability,
        measurement=RATIO,
        value=used.value,
        weight=weight,
        edited=edited,
    )
