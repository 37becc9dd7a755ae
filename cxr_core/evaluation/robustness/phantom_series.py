"""Measures how a model's probability follows one known quantity of a phantom: heart size or opacity strength."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.stats import spearmanr

from cxr_core.film.phantom.phantom import Lung, Opacity, PhantomSpec, Place
from cxr_core.film.radiograph import View
from cxr_core.workspace.json_record import JsonRecord

RATIOS = tuple(round(float(ratio), 2) for ratio in np.linspace(0.36, 0.66, 11))
STRENGTHS = tuple(round(float(strength), 2) for strength in np.linspace(0.0, 0.5, 11))
THORAX_WIDTHS = (0.62, 0.70, 0.78)
LUNGS: tuple[Lung, ...] = ("right", "left")
PLACES: tuple[Place, ...] = ("middle", "lower")
NOISE_SEEDS = range(3)
SIDE_PX = 512


@dataclass(frozen=True, kw_only=True)
class PhantomSeries:
    """Several chests, each drawn once at every level of one quantity.

    finding: the finding whose probability should rise.  levels: of the quantity, (V,).  chests: for each chest one
    phantom per level.
    """

    name: str
    finding: str
    levels: tuple[float, ...]
    chests: tuple[tuple[PhantomSpec, ...], ...]


@dataclass(frozen=True, kw_only=True)
class PhantomResponse(JsonRecord):
    """How a model's probability follows the levels of a series.

    mean: probability over the chests at each level.  rank_correlation: Spearman's within each chest, its mean and its
    lowest value; None when every chest has the same probability throughout.
    """

    KEYS: ClassVar[Mapping[str, str]] = {
        "levels": "varied",
        "lowest_rank_correlation": "least_rank_correlation",
    }

    levels: tuple[float, ...]
    mean: tuple[float, ...]
    rank_correlation: float | None
    lowest_rank_correlation: float | None
    chests: int


def build_heart_series(age_years: float) -> PhantomSeries:
    """Hearts from narrow to wide, in thoraces of three widths with three noise patterns each."""
    base = PhantomSpec(height=SIDE_PX, width=SIDE_PX, age_years=age_years)
    return PhantomSeries(
        name=f"cardiothoracic ratio, aged {age_years:g}",
        finding="cardiomegaly",
        levels=RATIOS,
        chests=tuple(_vary_heart(base)),
    )


def build_opacity_series(age_years: float) -> PhantomSeries:
    """Opacities from none to strong, in the middle and lower zone of either lung with three noise patterns each."""
    view: View = "AP" if age_years < 18 else "PA"
    base = PhantomSpec(height=SIDE_PX, width=SIDE_PX, age_years=age_years, view=view)
    return PhantomSeries(
        name=f"opacity, aged {age_years:g}",
        finding="pneumonia",
        levels=STRENGTHS,
        chests=tuple(_vary_opacity(base)),
    )


def measure_response(
    series: PhantomSeries, probabilities: Sequence[Sequence[float]]
) -> PhantomResponse:
    """The response of one model. probabilities: (chests, V), in [0, 1]."""
    answers = np.asarray(probabilities, np.float64)
    correlations = [
        float(spearmanr(series.levels, row).statistic) for row in answers if np.ptp(row) > 0
    ]
    return PhantomResponse(
        levels=series.levels,
        mean=tuple(round(float(value), 6) for value in answers.mean(axis=0)),
        rank_correlation=round(float(np.mean(correlations)), 4) if correlations else None,
        lowest_rank_correlation=round(float(np.min(correlations)), 4) if correlations else None,
        chests=len(answers),
    )


def _vary_heart(base: PhantomSpec) -> Iterator[tuple[PhantomSpec, ...]]:
    for thorax in THORAX_WIDTHS:
        for seed in NOISE_SEEDS:
            chest = replace(base, thorax_width=thorax, seed=seed)
            yield tuple(replace(chest, heart_width=thorax * ratio) for ratio in RATIOS)


def _vary_opacity(base: PhantomSpec) -> Iterator[tuple[PhantomSpec, ...]]:
    for lung in LUNGS:
        for place in PLACES:
            for seed in NOISE_SEEDS:
                chest = replace(base, seed=seed)
                yield tuple(
                    replace(chest, opacity=Opacity(lung=lung, place=place, strength=strength))
                    for strength in STRENGTHS
                )
