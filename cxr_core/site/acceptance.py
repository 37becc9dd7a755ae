"""Compares a site's films with a model's validation films of the same class: the acceptance test.

A class is shifted where the Kolmogorov-Smirnov distance between its log-odds here and on validation is both more than
chance makes it (p below ALPHA, shared out among the classes tested) and large enough to matter (LEAST_DISTANCE): at no
threshold do the shares of called films differ by more than the distance. Each patient counts once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import kstwo

from cxr_core.data.summary import wilson_interval
from cxr_core.decisions import DECISIONS
from cxr_core.models.card import ModelCard
from cxr_core.models.figures import MeanFigure
from cxr_core.presentation.wording import finding_in_sentence, format_count, format_percent
from cxr_core.reading.calibration import log_odds
from cxr_core.reading.decision import find_thresholds
from cxr_core.site.local_films import LeftOutFilm, LocalFilms, describe_left_out
from cxr_core.site.standing_out import StandingOutFilm, find_standing_out
from cxr_core.site.validation_scores import FindingScores
from cxr_core.workspace.json_record import Count, JsonRecord

Verdict = Literal["accepted", "shifted", "too_few"]
ClassName = Literal["absent", "present"]
CLASS_NAMES: tuple[ClassName, ClassName] = ("absent", "present")  # by label
MIN_PATIENTS = 20  # of a class, to be tested
ALPHA = 0.02
LEAST_DISTANCE = 0.10
RESAMPLES, SEED = 1000, 0
SHIFTED = "Shifted: recalibrate."  # begins the sentence of that verdict


@dataclass(frozen=True, kw_only=True)
class DecisionRates(JsonRecord):
    """How one decision judges the films of one class.

    misjudged: false alarms among films without the finding, missed ones among those with it.  expected,
    expected_undecided: the same shares of the validation films.
    """

    decision: str
    misjudged: MeanFigure
    undecided: MeanFigure
    expected: float
    expected_undecided: float


@dataclass(frozen=True, kw_only=True)
class ClassComparison(JsonRecord):
    """One class of a site's films against the validation films of that class.

    tested: whether there are enough patients to decide by it.  distance: Kolmogorov-Smirnov, 0 to 1.  p_value: of it.
    shift: of the median, in log-odds, local less validation.  shifted: the outcome for this class.
    """

    label: ClassName
    films: Count
    patients: Count
    validation_films: Count
    validation_patients: Count
    tested: bool
    shifted: bool
    distance: float
    p_value: float
    shift: MeanFigure
    rates: tuple[DecisionRates, ...]


@dataclass(frozen=True, kw_only=True)
class Acceptance(JsonRecord):
    """The outcome of an acceptance test.

    verdict_sentence: the outcome in words.  sentence: the same, with the films that stand out or were left out.
    """

    finding: str
    verdict: Verdict
    verdict_sentence: str
    sentence: str
    classes: tuple[ClassComparison, ...]
    standing_out: tuple[StandingOutFilm, ...] = ()
    left_out: tuple[LeftOutFilm, ...] = ()


def compare_with_validation(
    local: LocalFilms, scores: FindingScores, card: ModelCard
) -> Acceptance:
    """The acceptance test of one finding. scores: of that finding, from `read_validation_scores`."""
    enough = [_has_enough(local, label) for label in (0, 1)]
    alpha = ALPHA / max(1, sum(enough))
    classes = tuple(
        _compare_class(local, scores, card, label, alpha)
        for label in (0, 1)
        if (local.labels == label).any()
    )
    verdict: Verdict = "accepted"
    if not enough[0]:  # without films known to be free of the finding nothing is accepted
        verdict = "too_few"
    elif any(comparison.shifted for comparison in classes):
        verdict = "shifted"
    standing_out = find_standing_out(local, scores, card)
    verdict_sentence = _describe_verdict(verdict, local, classes)
    notes = [*(film.sentence for film in standing_out), describe_left_out(local)]
    return Acceptance(
        finding=local.finding,
        verdict=verdict,
        verdict_sentence=verdict_sentence,
        sentence=" ".join(filter(None, [verdict_sentence, *notes])),
        classes=classes,
        standing_out=standing_out,
        left_out=local.left_out,
    )


def describe_class(comparison: ClassComparison) -> Iterator[str]:
    """A line on one class of films, then one on each decision, with every figure and its interval."""
    shift = comparison.shift
    yield (
        f"{comparison.label}: {format_count(comparison.films, 'films')} of "
        f"{format_count(comparison.patients, 'patients')} against {comparison.validation_films} of "
        f"{comparison.validation_patients}; Kolmogorov-Smirnov {comparison.distance:.2f}, p {comparison.p_value:.2g}; "
        f"median shifted by {_format_interval(shift, '+.2f')} log-odds"
    )
    error = "false alarms" if comparison.label == "absent" else "missed"
    for rates in comparison.rates:
        yield (
            f"{rates.decision}: {error} {_format_interval(rates.misjudged, '.2f')}, validation {rates.expected:.2f}; "
            f"undecided {_format_interval(rates.undecided, '.2f')}, validation {rates.expected_undecided:.2f}"
        )


def _format_interval(figure: MeanFigure, form: str) -> str:
    """`+3.10 (+2.20 to +4.05)`."""
    value, low, high = (
        format(number or 0.0, form) for number in (figure.value, figure.low, figure.high)
    )
    return f"{value} ({low} to {high})"


def measure_distance(
    local: np.ndarray, weights: np.ndarray, validation: np.ndarray, patients: tuple[int, int]
) -> tuple[float, float]:
    """Two-sample Kolmogorov-Smirnov distance, and its p-value with as many independent values as patients.

    local, weights: (N,).  validation: (K,), each of the same weight.  patients: of both. A patient's films that differ
    less than patients do make the p-value rather too large. Source: Hodges 1958, Ark. Mat. 3:469-486.
    """
    steps = np.concatenate([local, validation])
    order = np.argsort(local)
    cumulated = np.concatenate([[0.0], np.cumsum(weights[order])]) / weights.sum()
    here = cumulated[np.searchsorted(local[order], steps, side="right")]
    there = np.searchsorted(np.sort(validation), steps, side="right") / len(validation)
    distance = float(np.abs(here - there).max())
    effective = patients[0] * patients[1] / (patients[0] + patients[1])
    return distance, float(np.clip(kstwo.sf(distance, round(effective)), 0, 1))


def weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The median of values (N,) that count as often as weights (..., N) say; (...), for equal weights numpy's."""
    order = np.argsort(values)
    ranked, reached = values[order], np.cumsum(weights[..., order], axis=-1)
    half, margin = reached[..., -1:] / 2, 1e-9 * reached[..., -1:]
    lower = ranked[(reached >= half - margin).argmax(axis=-1)]
    upper = ranked[(reached > half + margin).argmax(axis=-1)]
    return np.asarray((lower + upper) / 2)


def _has_enough(local: LocalFilms, label: int) -> bool:
    return local.of_class(label).count_patients() >= MIN_PATIENTS


def _compare_class(
    local: LocalFilms, scores: FindingScores, card: ModelCard, label: int, alpha: float
) -> ClassComparison:
    films, of_class = local.of_class(label), scores.of_class(label)
    validation = of_class.log_odds(card.calibration[local.finding])
    patients, weights = films.count_patients(), films.patient_weights
    distance, p_value = measure_distance(
        films.log_odds, weights, validation, (patients, of_class.patients)
    )
    tested = patients >= MIN_PATIENTS
    return ClassComparison(
        label=CLASS_NAMES[label],
        films=len(films.labels),
        patients=patients,
        validation_films=of_class.films,
        validation_patients=of_class.patients,
        tested=tested,
        shifted=tested and p_value < alpha and distance >= LEAST_DISTANCE,
        distance=round(distance, 4),
        p_value=p_value,
        shift=_measure_shift(films, validation, of_class.patients),
        rates=tuple(
            _measure_rates(films, validation, card, label, decision) for decision in DECISIONS
        ),
    )


def _measure_shift(films: LocalFilms, validation: np.ndarray, patients: int) -> MeanFigure:
    """Median here less median on validation, with a 95 % percentile interval by resampling patients of both."""
    rng = np.random.default_rng(SEED)
    names, patient_of = np.unique(films.patients, return_inverse=True)
    weights = films.patient_weights
    value = float(weighted_median(films.log_odds, weights) - np.median(validation))
    there = np.median(rng.choice(validation, (RESAMPLES, min(patients, len(validation)))), axis=1)
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    here = weighted_median(films.log_odds, weights * times[:, patient_of])
    low, high = np.percentile(here - there, [2.5, 97.5])
    return MeanFigure(
        value, min(float(low), value), max(float(high), value), len(films.labels)
    ).rounded()


def _measure_rates(
    films: LocalFilms, validation: np.ndarray, card: ModelCard, label: int, decision: str
) -> DecisionRates:
    """False alarms or missed films, and undecided ones, each with Wilson's interval over patients."""
    thresholds = find_thresholds(card, films.finding, decision, fused=False)
    present_from, absent_below = map(log_odds, (thresholds.present_from, thresholds.absent_below))
    weights, patients = films.patient_weights, films.count_patients()

    def share(chosen: np.ndarray) -> MeanFigure:
        count = float(weights[chosen].sum())
        low, high = wilson_interval(count, patients)
        return MeanFigure(count / patients, low, high, len(films.labels)).rounded()

    def is_misjudged(values: np.ndarray) -> np.ndarray:
        return values < absent_below if label else values >= present_from

    def is_undecided(values: np.ndarray) -> np.ndarray:
        return (values >= absent_below) & (values < present_from)

    return DecisionRates(
        decision=decision,
        misjudged=share(is_misjudged(films.log_odds)),
        undecided=share(is_undecided(films.log_odds)),
        expected=round(float(is_misjudged(validation).mean()), 4),
        expected_undecided=round(float(is_undecided(validation).mean()), 4),
    )


def _describe_verdict(
    verdict: Verdict, local: LocalFilms, classes: Sequence[ClassComparison]
) -> str:
    """The outcome and what it rests on."""
    name = finding_in_sentence(local.finding)
    if verdict == "too_few":
        found = local.of_class(0).count_patients()
        sentences = [
            f"Too few films: found {format_count(found, 'patients')} known to be free of {name}, expected at least "
            f"{MIN_PATIENTS}; nothing is said about this site."
        ]
    elif verdict == "accepted":
        parts = " and ".join(
            _describe_tested(comparison, name) for comparison in classes if comparison.tested
        )
        sentences = [f"Accepted: {parts} score as the model's validation films did."]
    else:
        parts = "; ".join(_describe_shift(each, name) for each in classes if each.shifted)
        sentences = [f"{SHIFTED} {parts}."]
    untested = [each for each in classes if not each.tested and each.label == "present"]
    if untested and verdict != "too_few":
        sentences.append(
            f"{format_count(untested[0].patients, 'patients')} with it are too few to be tested."
        )
    return " ".join(sentences)


def _describe_tested(comparison: ClassComparison, name: str) -> str:
    return f"{format_count(comparison.patients, 'patients')} {_with_or_without(comparison, name)}"


def _describe_shift(comparison: ClassComparison, name: str) -> str:
    shift, balanced = comparison.shift, _rates_of(comparison, "balanced")
    assert shift.value is not None
    assert balanced.misjudged.value is not None
    direction = "higher" if shift.value > 0 else "lower"
    error = "false alarms" if comparison.label == "absent" else "missed"
    low, high = shift.low or 0.0, shift.high or 0.0
    return (
        f"{_describe_tested(comparison, name)} score {abs(shift.value):.1f} log-odds {direction} (95 % interval "
        f"{low:+.1f} to {high:+.1f}); {error} at the balanced point {format_percent(balanced.misjudged.value)} where "
        f"validation had {format_percent(balanced.expected)}"
    )


def _with_or_without(comparison: ClassComparison, name: str) -> str:
    return f"free of {name}" if comparison.label == "absent" else f"with {name}"


def _rates_of(comparison: ClassComparison, decision: str) -> DecisionRates:
    return next(rates for rates in comparison.rates if rates.decision == decision)
