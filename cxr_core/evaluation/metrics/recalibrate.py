"""A model on films of elsewhere: its probabilities recalibrated on some patients, and measured on the others.

What comes out is never the model's own figure, and is always named as recalibrated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, logit

from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.bootstrap import RESAMPLES, drawn, figures_of
from cxr_core.evaluation.bootstrap.resamples import Draws
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.calibration_slope import recalibration
from cxr_core.evaluation.metrics.metrics import LEAST
from cxr_core.models.card import ModelCard, OperatingPoint
from cxr_core.models.figures import Figure

FITTING_SHARE = 0.3  # of the patients
TEMPERATURES = (-4.0, 4.0)  # natural logarithms that are looked through


@dataclass(frozen=True, kw_only=True)
class Correction:
    """New log-odds = intercept + slope x log-odds of the model's probability. said: in words, what was done."""

    slope: float = 1.0
    intercept: float = 0.0
    said: str = ""

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Recalibrated probabilities of the model's own, of the same shape; 0 and 1 are clipped by 2.2e-16."""
        return expit(self.intercept + self.slope * _log_odds(probabilities))


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """One finding, recalibrated. before, after, difference (after less before): figures on patients not fitted on.

    point: whose threshold calls, before and after alike; it was chosen for the model's own probabilities.
    """

    method: str
    correction: Correction
    point: OperatingPoint
    fitted: Mapping[str, int]  # films, patients and positives
    reported: Mapping[str, int]
    before: Mapping[str, Figure]
    after: Mapping[str, Figure]
    difference: Mapping[str, Figure]

    def to_json(self) -> dict[str, Any]:
        """As recalibration.json carries it."""
        figures = {
            name: {key: figure.to_json() for key, figure in getattr(self, name).items()}
            for name in ("before", "after", "difference")
        }
        counts = {"fitted_on": dict(self.fitted), "reported_on": dict(self.reported)}
        called = {"operating_point": self.point.name, "threshold": self.point.threshold}
        return {
            "method": self.method,
            "correction": asdict(self.correction),
            **called,
            **counts,
            **figures,
        }


Fit = Callable[[np.ndarray, np.ndarray], Correction]


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> Correction:
    """The one number that log-odds are divided by so that the log loss is least. Source: Guo et al. 2017, ch. 4.2.

    probabilities, labels 0 or 1: (N,). Raises DataError when the loss has no least within e^-4 to e^4.
    """
    said = _log_odds(probabilities)

    def loss(log_temperature: float) -> float:
        z = said / np.exp(log_temperature)
        return -float(np.mean(labels * log_expit(z) + (1 - labels) * log_expit(-z)))

    found = minimize_scalar(loss, bounds=TEMPERATURES, method="bounded", options={"xatol": 1e-9})
    if min(abs(found.x - end) for end in TEMPERATURES) < 1e-3:
        raise DataError(
            "no temperature fits: what the model says of these films does not go with their labels"
        )
    temperature = float(np.exp(found.x))
    return Correction(
        slope=1 / temperature, said=f"log-odds divided by the temperature {temperature:.3f}"
    )


def fit_line(probabilities: np.ndarray, labels: np.ndarray) -> Correction:
    """Slope and intercept of the labels on the log-odds, by most likelihood. Source: Cox 1958.

    probabilities, labels 0 or 1: (N,). Raises DataError where there is no line, or one that turns the order round.
    """
    found = recalibration(probabilities, labels)
    if not float(found.slope) > 0:
        raise DataError(
            "no rising line fits these films, so they cannot be recalibrated by slope and intercept"
        )
    slope, intercept = float(found.slope), float(found.intercept)
    return Correction(
        slope=slope, intercept=intercept, said=f"log-odds times {slope:.3f}, plus {intercept:.3f}"
    )


def prior_shift(before: float, after: float) -> Correction:
    """The odds changed as the prevalence does, everything else about the films being as it was.

    before: share of positives where the model was calibrated; after: where it is used; both within 0 and 1, else
    DataError. Sources: Elkan 2001, IJCAI, theorem 2; Saerens et al. 2002, Neural Comput. 14:21-41, eq. 2.4.
    """
    for share in (before, after):
        if not 0 < share < 1:
            raise DataError(
                f"a prevalence of {share:g} was found; a prior shift needs one above 0 and below 1"
            )
    return Correction(
        intercept=float(logit(after) - logit(before)),
        said=f"odds changed from a prevalence of {before:.4f}, where it was calibrated, to {after:.4f}",
    )


def fitter(method: str, card: ModelCard, finding: str) -> Fit:
    """What fits a method's correction: "temperature", "line", "prior", or "prior=SHARE" with a stated prevalence.

    "prior" takes the share of positives among the films fitted on. Raises DataError for other methods, and when a prior
    shift is asked of a model whose card does not say how many of the films it was calibrated on were positive.
    """
    if method in ("temperature", "line"):
        return fit_temperature if method == "temperature" else fit_line
    name, stated, share = method.partition("=")
    if name != "prior":
        raise DataError(
            f"unknown recalibration {method!r}; choose from prior, prior=SHARE, temperature, line"
        )
    before = _calibrated_at(card, finding)
    try:
        after = float(share) if stated else None
    except ValueError:
        raise DataError(
            f"found prior={share}; expected a share of positives, such as prior=0.05"
        ) from None
    return lambda _, labels: prior_shift(before, float(np.mean(labels)) if after is None else after)


def require_fitter(method: str, card: ModelCard) -> None:
    """Raises DataError, before any film is read, when a method can fit none of a card's findings."""
    reasons = []
    for key in card.findings:
        try:
            fitter(method, card, key)
            return
        except DataError as error:
            reasons.append(str(error))
    raise DataError(reasons[0])


def adapt(
    rows: pd.DataFrame,
    method: str,
    card: ModelCard,
    point: OperatingPoint,
    *,
    share: float = FITTING_SHARE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Adapted:
    """Recalibrate one finding on a share of the patients, drawn by the seed, and measure on the others.

    rows: of one finding, with patient, label (known) and probability. point: whose threshold calls, before and after.
    Raises DataError when either part lacks a class.
    """
    finding = str(rows["finding"].iloc[0])
    fitting, others = _apart(rows, share, seed)
    for part, name in ((fitting, "fitted"), (others, "measured")):
        if part["label"].nunique() < 2:
            raise DataError(
                f"{finding}: the patients to be {name} on show one class only; there are too few to adapt"
            )
    correction = fitter(method, card, finding)(*_arrays(fitting))
    said, labels = _arrays(others)
    mended = correction.apply(said)

    def measured(draws: Draws) -> dict[Any, np.ndarray]:
        before, after = (_figures(each, labels, point.threshold, draws) for each in (said, mended))
        apart = {("difference", name): after[name] - before[name] for name in before}
        return (
            apart
            | {("before", k): v for k, v in before.items()}
            | {("after", k): v for k, v in after.items()}
        )

    values: Mapping[Any, np.ndarray] = drawn(
        measured, others["patient"].to_numpy(str), resamples=resamples, seed=seed
    )
    told = {
        which: figures_of(
            {name: each for (of, name), each in values.items() if of == which}, labels
        )
        for which in ("before", "after", "difference")
    }
    return Adapted(
        method=method,
        correction=correction,
        point=point,
        fitted=_counts(fitting),
        reported=_counts(others),
        **told,
    )


def adapted(
    card: ModelCard,
    table: pd.DataFrame,
    method: str,
    point: str,
    *,
    seed: int = 0,
    share: float = FITTING_SHARE,
) -> dict[str, Any]:
    """recalibration.json as a value: every finding with labels. table: of predictions.  point: name of a threshold.

    A finding that cannot be recalibrated carries the reason instead. Raises DataError when none can.
    """
    found: dict[str, Any] = {}
    for key in card.findings:
        rows = table[(table["finding"] == key) & table["label"].notna()]
        if len(rows):
            try:
                mended = adapt(
                    rows, method, card, card.operating_point(key, point), seed=seed, share=share
                )
                found[key] = {
                    **mended.to_json(),
                    "thresholds": mapped(card.operating_points[key], mended.correction),
                }
            except DataError as error:
                found[key] = {"method": method, "not_recalibrated": str(error)}
    if not any("after" in each for each in found.values()):
        reasons = "; ".join(each["not_recalibrated"] for each in found.values())
        raise DataError(f"nothing could be recalibrated: {reasons or 'the data has no labels'}")
    return {
        "method": method,
        "fitting_share": share,
        "seed": seed,
        "operating_point": point,
        "findings": found,
    }


def mapped(points: Sequence[OperatingPoint], correction: Correction) -> dict[str, dict[str, float]]:
    """By name of an operating point its threshold, `own`, and the `recalibrated` one that calls the same films."""
    return {
        point.name: {
            "own": point.threshold,
            "recalibrated": round(float(correction.apply(np.array(point.threshold))), 6),
        }
        for point in points
    }


def _apart(rows: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The films of a share of the patients, and those of the others."""
    patients = np.unique(rows["patient"].to_numpy(str))
    chosen = np.random.default_rng(seed).permutation(patients)[: round(share * len(patients))]
    fitting = rows["patient"].astype(str).isin(chosen)
    return rows[fitting], rows[~fitting]


def _figures(
    probabilities: np.ndarray, labels: np.ndarray, threshold: float, draws: Draws
) -> dict[str, np.ndarray]:
    line = recalibration(probabilities, labels, draws)
    counts = metrics.confusion(probabilities >= threshold, labels, draws)
    return {
        "brier": metrics.brier(probabilities, labels, draws),
        "log_loss": metrics.log_loss(probabilities, labels, draws),
        "ece": metrics.expected_calibration_error(probabilities, labels, draws),
        "calibration": (draws @ (probabilities - labels)) / draws.sum(),
        "calibration_slope": line.slope,
        "calibration_intercept": line.intercept,
        "sensitivity": counts.sensitivity,
        "specificity": counts.specificity,
    }


def _arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return rows["probability"].to_numpy(np.float64), rows["label"].to_numpy(np.float64)


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    return {
        "films": len(rows),
        "patients": int(rows["patient"].nunique()),
        "positives": int((rows["label"] == 1).sum()),
    }


def _calibrated_at(card: ModelCard, finding: str) -> float:
    """The share of positives among the validation films that the model was calibrated on."""
    try:
        counted = card.metrics["validation"][finding]["auroc"]
        return float(counted["positives"] / counted["n"])
    except (KeyError, TypeError, ZeroDivisionError):
        raise DataError(
            f"the card of {card.model} does not say how many of the films it was calibrated on show {finding}, so a "
            "prior shift cannot be told; recalibrate by temperature or line"
        ) from None


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    return logit(np.clip(probabilities, LEAST, 1 - LEAST))
