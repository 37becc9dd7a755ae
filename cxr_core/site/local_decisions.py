"""Refits the thresholds of the standard and the strict decision to a site's own films, with the coverage expected.

The rule is that of `reading/fitting/conformal.py`, with each patient counting once. Over draws of the local films the
share of a class that is not misjudged follows a beta distribution. Source: Vovk 2012, arXiv:1209.2673, section 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit
from scipy.stats import beta

from cxr_core.decisions import ERRORS
from cxr_core.models.card import DecisionThresholds, ModelCard
from cxr_core.models.figures import MeanFigure
from cxr_core.presentation.wording import format_count
from cxr_core.reading.fitting.conformal import count_allowed_errors
from cxr_core.site.local_films import LocalFilms
from cxr_core.site.recalibration import LocalRecalibration
from cxr_core.workspace.json_record import Fraction, JsonRecord

MIN_PATIENTS = 50  # of a class, to refit the threshold that the class decides


@dataclass(frozen=True, kw_only=True)
class LocalDecision(JsonRecord):
    """One decision's thresholds on the probability (recalibrated where the site is) at the card's prevalence.

    present_from: from the site's films without the finding; absent_below: from those with it.  coverage_absent,
    coverage_present: the share of new films of that class that is not misjudged, expected, with its 95 % interval over
    draws of the local films; None where the threshold is the model's own, not verified at this site.
    """

    name: str
    error: Fraction
    present_from: Fraction
    absent_below: Fraction
    coverage_absent: MeanFigure | None
    coverage_present: MeanFigure | None
    source: str


@dataclass(frozen=True, kw_only=True)
class LocalDecisions(JsonRecord):
    """decisions: empty where there are too few films.  sentence: the outcome in words."""

    finding: str
    decisions: tuple[LocalDecision, ...]
    sentence: str


def choose_local_decisions(
    local: LocalFilms, card: ModelCard, recalibration: LocalRecalibration | None
) -> LocalDecisions:
    """The thresholds of each decision. recalibration: that is installed with them, if any.

    A class with fewer than MIN_PATIENTS patients keeps the model's own threshold, recalibrated where the site is.
    """
    probabilities = _to_card_scale(expit(local.log_odds), card, local.finding, recalibration)
    corrected = replace(local, log_odds=logit(probabilities.clip(1e-12, 1 - 1e-12)))
    enough = {label: corrected.of_class(label).count_patients() >= MIN_PATIENTS for label in (0, 1)}
    owns = card.decisions.get(local.finding, ()) if any(enough.values()) else ()
    decisions = [
        _choose_decision(own, corrected, card, recalibration, enough)
        for own in owns
        if own.name in ERRORS
    ]
    return LocalDecisions(
        finding=local.finding,
        decisions=tuple(decisions),
        sentence=_describe(corrected, enough, decisions),
    )


def expect_coverage(patients: int, error: float) -> MeanFigure:
    """The share of new patients of a class that is not misjudged: mean and 95 % interval over draws of local ones."""
    beyond = count_allowed_errors(patients, error) + 1  # ranks that count as misjudged
    kept = patients + 1 - beyond
    low, high = beta.ppf([0.025, 0.975], kept, beyond) if beyond else (1.0, 1.0)
    return MeanFigure(kept / (patients + 1), float(low), float(high), patients).rounded()


def _choose_decision(
    own: DecisionThresholds,
    local: LocalFilms,
    card: ModelCard,
    recalibration: LocalRecalibration | None,
    enough: Mapping[int, bool],
) -> LocalDecision:
    own_thresholds = np.array([own.present_from, own.absent_below])
    present_from, absent_below = _to_card_scale(
        own_thresholds, card, local.finding, recalibration
    ).tolist()
    if enough[0]:
        films = local.of_class(0)
        highest = _find_beyond(-films.log_odds, films.patient_weights, own.error)
        present_from = float(np.nextafter(expit(-highest), 1.0))
    if enough[1]:
        films = local.of_class(1)
        absent_below = float(expit(_find_beyond(films.log_odds, films.patient_weights, own.error)))
    if present_from < absent_below:  # the classes part so well that nothing need be undecided
        if enough[0] == enough[1]:
            present_from = absent_below = float(
                expit((logit(present_from) + logit(absent_below)) / 2)
            )
        elif enough[0]:
            absent_below = present_from
        else:
            present_from = absent_below
    coverages = [
        expect_coverage(local.of_class(label).count_patients(), own.error)
        if enough[label]
        else None
        for label in (0, 1)
    ]
    return LocalDecision(
        name=own.name,
        error=own.error,
        present_from=present_from,
        absent_below=absent_below,
        coverage_absent=coverages[0],
        coverage_present=coverages[1],
        source=_describe_source(local, enough),
    )


def _find_beyond(values: np.ndarray, weights: np.ndarray, error: float) -> float:
    """The lowest value below which films of more patients lie than may be misjudged, their films sharing one count."""
    allowed = count_allowed_errors(round(weights.sum()), error)
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) > allowed + 1e-9
    return float(values[order][reached.argmax()])


def _to_card_scale(
    probabilities: np.ndarray,
    card: ModelCard,
    finding: str,
    recalibration: LocalRecalibration | None,
) -> np.ndarray:
    """Probabilities as the site's calibration gives them, at the prevalence of the card's."""
    if recalibration is None:
        return probabilities
    log_odds = logit(probabilities.clip(1e-12, 1 - 1e-12))
    log_odds = recalibration.slope * log_odds + recalibration.intercept
    own = card.calibration_prevalence(finding)
    if recalibration.fitted_prevalence is not None and own is not None:
        log_odds = log_odds + logit(own) - logit(recalibration.fitted_prevalence)
    return np.asarray(expit(log_odds))


def _describe_source(local: LocalFilms, enough: Mapping[int, bool]) -> str:
    parts = [
        f"{format_count(local.of_class(label).count_patients(), 'patients')} {words}"
        for label, words in ((0, "without the finding"), (1, "with it"))
        if enough[label]
    ]
    return f"films of this site: {' and '.join(parts)}; class-conditional conformal prediction"


def _describe(local: LocalFilms, enough: Mapping[int, bool], decisions: list[LocalDecision]) -> str:
    counts = [local.of_class(label).count_patients() for label in (0, 1)]
    found = f"{counts[0]} without the finding and {counts[1]} with it"
    if not decisions:
        return (
            f"The model's own thresholds stay, not verified at this site: local ones need {MIN_PATIENTS} patients of a "
            f"class, found {found}."
        )
    sentences = [f"Thresholds refitted to {_describe_source(local, enough)}."]
    for label, words in ((0, "without the finding"), (1, "with it")):
        if not enough[label]:
            sentences.append(
                f"The threshold that films {words} decide stays the model's own, not verified at this site "
                f"({counts[label]} of {MIN_PATIENTS} patients)."
            )
    return " ".join(sentences)
