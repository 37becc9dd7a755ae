"""Fits a recalibration to a site's labelled films, and measures it on patients that it was not fitted to.

With one class alone no label tells how often the finding is present, so validation films of the other class stand in,
as many as the prevalence of the model's calibration asks for. The fit is that of `train.evaluate --recalibrate site`.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import expit, logit

from cxr_core.errors import DataError, SiteError
from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, to_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.corrections import Correction, fit_towards_no_change
from cxr_core.models.card import ModelCard
from cxr_core.models.figures import Figure
from cxr_core.presentation.wording import format_count
from cxr_core.site.local_films import LocalFilms
from cxr_core.site.validation_scores import FindingScores
from cxr_core.workspace.json_record import Count, Fraction, JsonRecord

MIN_PATIENTS = 20  # of both classes together
FOLDS = 10
BORROWED = "validation"  # begins the names of the patients whose films stand in


@dataclass(frozen=True, kw_only=True)
class CalibrationErrors(JsonRecord):
    """ece: expected calibration error.  calibration: the mean probability less the share with the finding."""

    ece: Figure
    log_loss: Figure
    calibration: Figure


@dataclass(frozen=True, kw_only=True)
class LocalRecalibration(JsonRecord):
    """New log-odds = slope x log-odds of the card's probability + intercept, at the prevalence of these films.

    before, after, difference (after less before): on patients left out of the fit, by cross-validation.
    fitted_prevalence: of the films fitted to, at which the result is calibrated; None = that of the card.
    prevalence: the site's, where it is known: as stated, or the share among films taken as they came.
    borrowed: the class of which the site gave no films, so that validation films stood in; "" for none.
    refused: why it must not be installed; "" where it may.  sentence: the outcome in words.
    """

    finding: str
    slope: float
    intercept: float
    method: Literal["intercept", "line"]
    films: Count
    patients: Count
    positives: Count
    fitted_prevalence: Fraction | None
    prevalence: Fraction | None
    borrowed: Literal["", "absent", "present"]
    before: CalibrationErrors
    after: CalibrationErrors
    difference: CalibrationErrors
    refused: str
    sentence: str


@dataclass(frozen=True, eq=False, kw_only=True)
class FittingFilms:
    """N films to fit to, those that stand in included. weights: (N,) how often each counts.

    no_change: the intercept that leaves probabilities as they are, moved to the prevalence of these films.
    intercept_alone: whether validation films stand in for a class, which say nothing about the slope here.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    patients: np.ndarray
    weights: np.ndarray
    no_change: float
    intercept_alone: bool = False

    def select(self, rows: np.ndarray) -> "FittingFilms":
        """Some of the films. rows: (N,) bool."""
        columns = ("probabilities", "labels", "patients", "weights")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def fit(self) -> Correction:
        """The correction of these films."""
        return fit_towards_no_change(
            self.probabilities,
            self.labels,
            self.weights,
            no_change=self.no_change,
            intercept_alone=self.intercept_alone,
        )


def fit_local_recalibration(
    local: LocalFilms,
    scores: FindingScores,
    card: ModelCard,
    *,
    prevalence: float | None = None,
    seed: int = 0,
) -> LocalRecalibration:
    """Fit and cross-validate. prevalence: the site's, where films were chosen by class; None = as they came.

    Raises SiteError with fewer than MIN_PATIENTS patients, for labels of reports instead of readers, and for films
    whose labels contradict the model's order; DataError where the card does not say its prevalence.
    """
    _require_usable(local)
    films, borrowed = _gather_films(local, scores, card)
    try:
        correction = films.fit()
        left_out = cross_validate(films, seed)
    except DataError as error:
        raise SiteError(f"these films cannot be recalibrated by: {error}") from error
    chosen = prevalence is not None and not borrowed
    at_prevalence = Correction(slope=1.0, intercept=films.no_change, description="").apply(
        films.probabilities
    )
    before = at_prevalence if chosen else films.probabilities
    figures = _measure_errors(films, before, left_out, seed)
    refused = _find_refusal(films, before, at_prevalence, left_out)
    present = int((local.labels == 1).sum())
    share = present / len(local.labels)
    recalibration = LocalRecalibration(
        finding=local.finding,
        slope=correction.slope,
        intercept=correction.intercept,
        method="intercept" if correction.slope == 1 else "line",
        films=len(local.labels),
        patients=local.count_patients(),
        positives=present,
        fitted_prevalence=None if borrowed else share,
        prevalence=prevalence if prevalence is not None or borrowed else share,
        borrowed=borrowed,
        before=figures["before"],
        after=figures["after"],
        difference=figures["difference"],
        refused=refused,
        sentence="",
    )
    return replace(recalibration, sentence=_describe(recalibration))


def _require_usable(local: LocalFilms) -> None:
    patients = local.count_patients()
    if patients < MIN_PATIENTS:
        raise SiteError(
            f"found labelled films of {format_count(patients, 'patients')}; a recalibration needs at least "
            f"{MIN_PATIENTS}. Add films"
        )
    if local.mined_labels:
        raise SiteError(
            "the labels of these films are those of reports, as noisy as those that the model was trained on; a "
            "recalibration needs films that a reader has labelled"
        )


def _gather_films(
    local: LocalFilms, scores: FindingScores, card: ModelCard
) -> tuple[FittingFilms, Literal["", "absent", "present"]]:
    """The films to fit to, and the class for which validation films stand in."""
    own_prevalence = card.calibration_prevalence(local.finding)
    if own_prevalence is None:
        raise DataError(
            f"the card of {card.model} does not record how many of the films it was calibrated on show {local.finding}"
        )
    films = FittingFilms(
        probabilities=expit(local.log_odds),
        labels=local.labels.astype(np.float64),
        patients=local.patients.astype(str),
        weights=np.ones(len(local.labels)),
        no_change=0.0,
    )
    share = float(films.labels.mean())
    if 0 < share < 1:
        return replace(films, no_change=float(logit(share) - logit(own_prevalence))), ""
    label = 1 - int(share)
    values = scores.of_class(label).log_odds(card.calibration[local.finding])
    of_class = own_prevalence if label else 1 - own_prevalence
    weight = len(films.labels) * of_class / (1 - of_class) / len(values)
    stand_ins = [f"{BORROWED} {number}" for number in range(len(values))]
    return (
        FittingFilms(
            probabilities=np.concatenate([films.probabilities, expit(values)]),
            labels=np.concatenate([films.labels, np.full(len(values), float(label))]),
            patients=np.concatenate([films.patients, stand_ins]),
            weights=np.concatenate([films.weights, np.full(len(values), weight)]),
            no_change=0.0,
            intercept_alone=True,
        ),
        "present" if label else "absent",
    )


def cross_validate(films: FittingFilms, seed: int) -> np.ndarray:
    """(N,) probabilities of each film by the correction that was fitted to the other folds of the patients."""
    patients, patient_of = np.unique(films.patients, return_inverse=True)
    folds = np.random.default_rng(seed).permutation(np.arange(len(patients)) % FOLDS)
    fold_of = folds[patient_of]
    probabilities = np.empty(len(films.labels))
    for fold in range(FOLDS):
        held_out = fold_of == fold
        correction = films.select(~held_out).fit()
        probabilities[held_out] = correction.apply(films.probabilities[held_out])
    return probabilities


def _measure_errors(
    films: FittingFilms, before: np.ndarray, after: np.ndarray, seed: int
) -> dict[str, CalibrationErrors]:
    """The errors of both and their difference, with intervals by patient."""

    def measure(sample: Resamples) -> dict[tuple[str, str], np.ndarray]:
        weights = sample.to_weights() * films.weights
        values: dict[tuple[str, str], np.ndarray] = {}
        for name, probabilities in (("before", before), ("after", after)):
            gap = probabilities - films.labels
            values |= {
                (name, "ece"): metrics.expected_calibration_error(
                    probabilities, films.labels, weights
                ),
                (name, "log_loss"): metrics.log_loss(probabilities, films.labels, weights),
                (name, "calibration"): weights @ gap / weights.sum(axis=1),
            }
        for figure in ("ece", "log_loss", "calibration"):
            values["difference", figure] = values["after", figure] - values["before", figure]
        return values

    values = bootstrap_patients(measure, films.patients, seed=seed, by_film=True)
    errors = {}
    for name in ("before", "after", "difference"):
        own = {figure: numbers for (which, figure), numbers in values.items() if which == name}
        raised = () if name == "difference" else ("ece",)
        errors[name] = CalibrationErrors(**to_figures(own, films.labels, raised)).as_recorded()
    return errors


def _find_refusal(
    films: FittingFilms, before: np.ndarray, at_prevalence: np.ndarray, after: np.ndarray
) -> str:
    """Why a recalibration is not better; "" where it is. at_prevalence: by the prevalence of the films alone."""
    losses = [
        float(metrics.log_loss(probabilities, films.labels, films.weights))
        for probabilities in (before, at_prevalence, after)
    ]
    errors = [
        float(metrics.expected_calibration_error(probabilities, films.labels, films.weights))
        for probabilities in (before, after)
    ]
    if losses[2] >= losses[0] or errors[1] >= errors[0]:
        return "on patients left out of the fit it is not better than the model's own calibration"
    if losses[2] >= losses[1]:
        return "on patients left out of the fit it is not better than the prevalence of these films alone"
    return ""


def _describe(recalibration: LocalRecalibration) -> str:
    """The outcome in words, with both calibration errors."""
    before, after = recalibration.before.ece, recalibration.after.ece
    films = format_count(recalibration.films, "films")
    patients = format_count(recalibration.patients, "patients")
    sentences = [
        f"Calibration error {_describe_figure(before)} before and {_describe_figure(after)} after, cross-validated by "
        f"patient on {films} of {patients}."
    ]
    if recalibration.borrowed:
        sentences.append(
            f"The site gave no films with the finding {recalibration.borrowed}, so validation films stood in for "
            "them: what is shown holds if they score here as there."
        )
    if recalibration.refused:
        sentences.append(f"It must not be installed: {recalibration.refused}.")
    return " ".join(sentences)


def _describe_figure(figure: Figure) -> str:
    assert figure.value is not None
    return f"{figure.value:.3f} ({figure.low or 0:.3f} to {figure.high or 0:.3f})"
