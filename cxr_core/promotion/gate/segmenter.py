"""The gate for a model that outlines, asked of what two models drew on the same films with masks. Pure.

A model passes when it measures as many films, and when neither its outlines nor its ratio are worse than those of the
model in use by more than a margin. "Not enough cases" is never a pass.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.bootstrap import bootstrapped, interval
from cxr_core.evaluation.metrics.paired import BOOTSTRAP
from cxr_core.evaluation.segmentation.metrics import Outlined
from cxr_core.findings import STRUCTURES
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.promotion.gate.card import passed_or_not, population_check
from cxr_core.promotion.gate.margin import non_inferior, number, signed
from cxr_core.promotion.gate.verdict import Check


@dataclass(frozen=True, kw_only=True)
class SegmenterLimits:
    """What the gate holds a model that outlines to.

    dice, ratio_error: how far each may lie behind the model in use, as far as the 95 % interval reaches.  measured:
    the least share of films whose ratio can be measured; fewer: how far that share may lie below that in use.
    coverage: the share of true ratios that the stated intervals promise to hold.  least_dice: with none in use.
    films: below which nothing is compared.
    """

    dice: float = 0.02
    ratio_error: float = 0.01
    measured: float = 0.9
    fewer: float = 0.05
    coverage: float = 0.95
    least_dice: float = 0.8
    films: int = 20

    def to_json(self) -> dict[str, float]:
        """By name."""
        return asdict(self)


SEGMENTER_LIMITS = SegmenterLimits()
Films = Sequence[Outlined]


def judge_outlines(
    candidate: SegmenterCard,
    rival: SegmenterCard | None,
    mine: Films,
    theirs: Films,
    limits: SegmenterLimits = SEGMENTER_LIMITS,
) -> tuple[Check, ...]:
    """Every check of a candidate beside the model in use, or alone where there is none.

    mine, theirs: what either drew on films that neither has learnt from, in one order; theirs is empty without a rival.
    Raises DataError when both are not of the same films.
    """
    if rival is not None and [_film(each) for each in mine] != [_film(each) for each in theirs]:
        raise DataError("the two models were not asked about the same films in the same order")
    checks = [population_check(candidate, rival), *_shadowed(candidate, rival)]
    measured = [_measured(mine, theirs, limits), _coverage(mine, limits)]
    dice = [_dice(name, mine, theirs, limits) for name in STRUCTURES]
    return (
        *checks,
        *measured,
        *dice,
        *([] if rival is None else [_ratio_error(mine, theirs, limits)]),
    )


def _film(each: Outlined) -> tuple[str, float]:
    return each.patient, each.true_ratio


def _shadowed(candidate: SegmenterCard, rival: SegmenterCard | None) -> list[Check]:
    """Films are outlined by one model, the last by name."""
    if rival is None or candidate.model >= rival.model:
        return []
    sentence = f"Films are outlined by {rival.model}, the last by name; as {candidate.model} it would never be used."
    return [Check(name="name", status="fail", sentence=sentence)]


def _measured(mine: Films, theirs: Films, limits: SegmenterLimits) -> Check:
    name = "films measured"
    if few := _few(mine, limits):
        return Check(name=name, status="not enough cases", sentence=few)
    share, other = _share(mine), _share(theirs) if theirs else None
    against = "" if other is None else f", {100 * other:.0f} % by the model in use"
    least = max(limits.measured, (other or 0) - limits.fewer)
    return Check(
        name=name,
        status=passed_or_not(share >= least),
        sentence=f"The ratio was measured on {100 * share:.0f} % of {len(mine):,} films{against}; at least "
        f"{100 * least:.0f} % are asked.",
        figures={"share": share, "in_use": other, "least": least, "n": len(mine)},
    )


def _coverage(mine: Films, limits: SegmenterLimits) -> Check:
    """Whether intervals of the ratio hold what they promise: not significantly fewer true ratios than that."""
    name = "intervals of the ratio"
    seen = [each for each in mine if each.ratio is not None]
    if few := _few(seen, limits):
        return Check(name=name, status="not enough cases", sentence=few)
    held = [float(abs((each.ratio or 0) - each.true_ratio) <= each.half_width) for each in seen]
    value, low, high = _mean(np.array(held), _patients(seen))
    return Check(
        name=name,
        status=passed_or_not(high >= limits.coverage),
        sentence=f"They hold {number(value)} ({number(low)} to {number(high)}) of the true ratios, where "
        f"{limits.coverage:g} are promised.",
        figures={
            "coverage": {"value": value, "low": low, "high": high, "n": len(seen)},
            "promised": limits.coverage,
        },
    )


def _dice(structure: str, mine: Films, theirs: Films, limits: SegmenterLimits) -> Check:
    name = f"Dice of the {structure.replace('_', ' ')}"
    if few := _few(mine, limits):
        return Check(name=name, status="not enough cases", sentence=few)
    own = np.array([each.dice[structure] for each in mine])
    if theirs:
        other = np.array([each.dice[structure] for each in theirs])
        return _compared(name, own, other, _patients(mine), limits.dice)
    value, low, high = _mean(own, _patients(mine))
    sentence = (
        f"{number(value)} ({number(low)} to {number(high)}); none is in use to compare with, so it must lie above "
        f"{limits.least_dice:g}."
    )
    figures = {
        "dice": {"value": value, "low": low, "high": high, "n": len(mine)},
        "limit": limits.least_dice,
    }
    return Check(
        name=name, status=passed_or_not(low > limits.least_dice), sentence=sentence, figures=figures
    )


def _ratio_error(mine: Films, theirs: Films, limits: SegmenterLimits) -> Check:
    """On the films that both could measure."""
    name = "error of the ratio"
    both = [
        (a, b)
        for a, b in zip(mine, theirs, strict=True)
        if a.ratio is not None and b.ratio is not None
    ]
    if few := _few(both, limits):
        return Check(name=name, status="not enough cases", sentence=few)
    own, other = (np.array([_error(pair[place]) for pair in both]) for place in (0, 1))
    return _compared(
        name, own, other, _patients([a for a, _ in both]), limits.ratio_error, less_is_better=True
    )


def _compared(
    name: str,
    own: np.ndarray,
    other: np.ndarray,
    patients: np.ndarray,
    margin: float,
    less_is_better: bool = False,
) -> Check:
    """Non-inferior by the mean difference on the same films, resampled by patient."""
    value, low, high = _mean(own - other, patients)
    better = (-value, -high, -low) if less_is_better else (value, low, high)
    status, meaning = non_inferior(*better, margin)
    means = {"first": float(own.mean()), "second": float(other.mean())}
    difference: dict[str, Any] = {"value": value, "low": low, "high": high, "n": len(own), **means}
    return Check(
        name=name,
        status=status,
        sentence=f"{number(means['first'])} against {number(means['second'])} in use: {signed(value)} "
        f"({signed(low)} to {signed(high)}) on {len(own):,} films, by {BOOTSTRAP}; {meaning}",
        figures={"difference": {**difference, "method": BOOTSTRAP}, "margin": margin},
    )


def _mean(values: np.ndarray, patients: np.ndarray) -> tuple[float, float, float]:
    """The mean over films with its 95 % interval by patient, rounded to six decimals."""
    draws = bootstrapped(
        lambda weights: {"mean": weights @ values / weights.sum(axis=1)}, patients
    )["mean"]
    low, high = interval(draws)
    return round(float(draws[0]), 6), round(low, 6), round(high, 6)


def _few(films: Sequence[object], limits: SegmenterLimits) -> str:
    """Why these films are too few; empty when they are not."""
    if not films:
        return "There are no films to tell by."
    return (
        ""
        if len(films) >= limits.films
        else f"{len(films)} films; at least {limits.films} are needed."
    )


def _share(films: Films) -> float:
    return sum(each.ratio is not None for each in films) / len(films)


def _error(film: Outlined) -> float:
    assert film.ratio is not None
    return abs(film.ratio - film.true_ratio)


def _patients(films: Films) -> np.ndarray:
    return np.array([each.patient for each in films])
