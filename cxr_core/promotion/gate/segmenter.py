"""Checks a segmenter: what two models segmented on the same films with masks. It reads no film.

A model passes when it measures as many films, and when neither its contours nor its ratio are worse than those of the
active version by more than a margin. "Not enough cases" is never a pass.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.means import bootstrap_means
from cxr_core.evaluation.metrics.paired import BOOTSTRAP
from cxr_core.evaluation.segmentation.metrics import ComparedFilm
from cxr_core.findings import STRUCTURES
from cxr_core.models.figures import MeanFigure
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.presentation.wording import format_count
from cxr_core.promotion.gate.card import check_population
from cxr_core.promotion.gate.checks import (
    Check,
    assess_non_inferiority,
    format_interval,
    format_number,
    format_signed,
    pass_or_fail,
)
from cxr_core.workspace.json_files import JsonObject


@dataclass(frozen=True, kw_only=True)
class SegmenterLimits:
    """What the gate requires of a segmenter.

    dice, ratio_error: by how much each may be worse than with the active version, as far as the 95 % interval reaches.
    measured: the lowest share of films whose ratio can be measured; fewer: by how much that share may lie below that of
    the active version.  coverage: the share of true ratios that the stated intervals promise to contain.  least_dice:
    what Dice must exceed without an active version.  films: below which nothing is compared.
    """

    dice: float = 0.02
    ratio_error: float = 0.01
    measured: float = 0.9
    fewer: float = 0.05
    coverage: float = 0.95
    least_dice: float = 0.8
    films: int = 20

    def to_json(self) -> dict[str, float]:
        """The limits by name."""
        return asdict(self)


SEGMENTER_LIMITS = SegmenterLimits()
Films = Sequence[ComparedFilm]


def check_segmenter(
    candidate: SegmenterCard,
    incumbent: SegmenterCard | None,
    own: Films,
    other: Films,
) -> tuple[Check, ...]:
    """Every check of a candidate beside the active version, or alone where there is none.

    own, other: what the candidate and the active version segmented on films that neither was trained on, in the same
    order; other is empty without an active version. Raises DataError when both are not of the same films.
    """
    if incumbent is not None and list(map(_identify, own)) != list(map(_identify, other)):
        raise DataError("the two models did not read the same films in the same order")
    checks = [check_population(candidate, incumbent)]
    if incumbent is not None and candidate.model < incumbent.model:
        checks.append(_refuse_name(candidate, incumbent))
    checks += [_check_measured(own, other), _check_coverage(own)]
    checks += [_check_dice(structure, own, other) for structure in STRUCTURES]
    if incumbent is not None:
        checks.append(_check_ratio_error(own, other))
    return tuple(checks)


def _identify(film: ComparedFilm) -> tuple[str, float]:
    return film.patient, film.true_ratio


def _refuse_name(candidate: SegmenterCard, incumbent: SegmenterCard) -> Check:
    """One segmenter is used for all films, the last by name."""
    sentence = (
        f"Films are segmented by {incumbent.model}, the last by name; as {candidate.model} it would never be "
        "used."
    )
    return Check(name="name", status="fail", sentence=sentence)


def _check_measured(own: Films, other: Films) -> Check:
    name = "films measured"
    too_few = _describe_too_few(own)
    if too_few:
        return Check(name=name, status="not enough cases", sentence=too_few)
    share, required = _measured_share(own), SEGMENTER_LIMITS.measured
    other_share, comparison = None, ""
    if other:
        other_share = _measured_share(other)
        required = max(required, other_share - SEGMENTER_LIMITS.fewer)
        comparison = f", {100 * other_share:.0f} % by the active version"
    return Check(
        name=name,
        status=pass_or_fail(share >= required),
        sentence=f"The ratio was measured on {100 * share:.0f} % of {format_count(len(own), 'films')}{comparison}; "
        f"at least {100 * required:.0f} % are required.",
        figures={"share": share, "in_use": other_share, "least": required, "n": len(own)},
    )


def _check_coverage(own: Films) -> Check:
    """Whether intervals of the ratio contain what they promise: not significantly fewer true ratios than that."""
    name = "intervals of the ratio"
    measured = [film for film in own if film.ratio is not None]
    too_few = _describe_too_few(measured)
    if too_few:
        return Check(name=name, status="not enough cases", sentence=too_few)
    covered = [_error(film) <= film.half_width for film in measured]
    figure = _mean_figure(np.array(covered, np.float64), measured)
    return Check(
        name=name,
        status=pass_or_fail(figure.high is not None and figure.high >= SEGMENTER_LIMITS.coverage),
        sentence=f"They contain {format_interval(figure.value, figure.low, figure.high)} of the true ratios, where "
        f"{SEGMENTER_LIMITS.coverage:g} are promised.",
        figures={"coverage": figure.to_json(), "promised": SEGMENTER_LIMITS.coverage},
    )


def _check_dice(structure: str, own: Films, other: Films) -> Check:
    name = f"Dice of the {structure.replace('_', ' ')}"
    too_few = _describe_too_few(own)
    if too_few:
        return Check(name=name, status="not enough cases", sentence=too_few)
    own_dice = np.array([film.dice[structure] for film in own])
    if other:
        other_dice = np.array([film.dice[structure] for film in other])
        return _compare_means(name, own_dice, other_dice, own, SEGMENTER_LIMITS.dice)
    figure = _mean_figure(own_dice, own)
    sentence = (
        f"{format_interval(figure.value, figure.low, figure.high)}; there is no active version to compare with, so it "
        f"must lie above {SEGMENTER_LIMITS.least_dice:g}."
    )
    return Check(
        name=name,
        status=pass_or_fail(figure.low is not None and figure.low > SEGMENTER_LIMITS.least_dice),
        sentence=sentence,
        figures={"dice": figure.to_json(), "limit": SEGMENTER_LIMITS.least_dice},
    )


def _check_ratio_error(own: Films, other: Films) -> Check:
    """On the films that both could measure."""
    name = "error of the ratio"
    both = [
        (first, second)
        for first, second in zip(own, other, strict=True)
        if first.ratio is not None and second.ratio is not None
    ]
    too_few = _describe_too_few(both)
    if too_few:
        return Check(name=name, status="not enough cases", sentence=too_few)
    films = [first for first, _ in both]
    own_error = np.array([_error(first) for first, _ in both])
    other_error = np.array([_error(second) for _, second in both])
    return _compare_means(
        name, own_error, other_error, films, SEGMENTER_LIMITS.ratio_error, less_is_better=True
    )


def _compare_means(
    name: str,
    own: np.ndarray,
    other: np.ndarray,
    films: Films,
    margin: float,
    less_is_better: bool = False,
) -> Check:
    """Non-inferior by the mean difference on the same films, resampled by patient."""
    figure = _mean_figure(own - other, films)
    better = (figure.value, figure.low, figure.high)
    if less_is_better:
        better = (_negate(figure.value), _negate(figure.high), _negate(figure.low))
    status, meaning = assess_non_inferiority(*better, margin)
    means: JsonObject = {"first": float(own.mean()), "second": float(other.mean())}
    sentence = (
        f"{format_number(float(own.mean()))} against {format_number(float(other.mean()))} of the active version: "
        f"{format_signed(figure.value)} ({format_signed(figure.low)} to {format_signed(figure.high)}) on "
        f"{format_count(len(own), 'films')}, by {BOOTSTRAP}; {meaning}"
    )
    return Check(
        name=name,
        status=status,
        sentence=sentence,
        figures={
            "difference": {**figure.to_json(), **means, "method": BOOTSTRAP},
            "margin": margin,
        },
    )


def _mean_figure(values: np.ndarray, films: Films) -> MeanFigure:
    """The mean over films with its 95 % interval by patient, rounded to six decimals."""
    patients = np.array([film.patient for film in films])
    return bootstrap_means({"mean": values}, patients)["mean"]


def _negate(value: float | None) -> float | None:
    return None if value is None else -value


def _describe_too_few(films: Sequence[object]) -> str:
    """Why these films are too few; empty when they are enough."""
    if not films:
        return "There are no films to compare on."
    if len(films) < SEGMENTER_LIMITS.films:
        return f"{format_count(len(films), 'films')}; at least {SEGMENTER_LIMITS.films} are needed."
    return ""


def _measured_share(films: Films) -> float:
    return sum(film.ratio is not None for film in films) / len(films)


def _error(film: ComparedFilm) -> float:
    assert film.ratio is not None
    return abs(film.ratio - film.true_ratio)
