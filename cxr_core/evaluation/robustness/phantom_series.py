"""What the models say of drawn chests, in which one thing alone is varied and known: heart, or opacity."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import spearmanr

from cxr_core.film.phantom.phantom import Lung, Opacity, PhantomSpec, Place, truth

RATIOS = tuple(round(float(ratio), 2) for ratio in np.linspace(0.36, 0.66, 11))
STRENGTHS = tuple(round(float(strength), 2) for strength in np.linspace(0.0, 0.5, 11))
THORAXES = (0.62, 0.70, 0.78)
LUNGS: tuple[Lung, ...] = ("right", "left")
PLACES: tuple[Place, ...] = ("middle", "lower")
SIDE = 512


@dataclass(frozen=True, kw_only=True)
class DrawnSeries:
    """One thing varied over several chests. varied: its values (V,).  specs: for each chest one drawing per value."""

    name: str
    finding: str
    varied: tuple[float, ...]
    specs: tuple[tuple[PhantomSpec, ...], ...]


def hearts(age_years: float) -> DrawnSeries:
    """Hearts from narrow to wide in thoraces of three widths, with three noises each."""
    plain = PhantomSpec(height=SIDE, width=SIDE, age_years=age_years)
    specs = tuple(
        tuple(
            replace(plain, thorax_width=thorax, heart_width=thorax * ratio, seed=seed)
            for ratio in RATIOS
        )
        for thorax in THORAXES
        for seed in range(3)
    )
    name = f"cardiothoracic ratio, aged {age_years:g}"
    return DrawnSeries(name=name, finding="cardiomegaly", varied=RATIOS, specs=specs)


def opacities(age_years: float) -> DrawnSeries:
    """Opacities from none to strong in either lung, in the middle and below, with three noises each."""
    plain = PhantomSpec(
        height=SIDE, width=SIDE, age_years=age_years, view="AP" if age_years < 18 else "PA"
    )
    specs = tuple(
        tuple(
            replace(plain, opacity=Opacity(lung=lung, place=place, strength=strength), seed=seed)
            for strength in STRENGTHS
        )
        for lung in LUNGS
        for place in PLACES
        for seed in range(3)
    )
    return DrawnSeries(
        name=f"opacity, aged {age_years:g}", finding="pneumonia", varied=STRENGTHS, specs=specs
    )


def drawn_ratio(spec: PhantomSpec) -> float:
    """The ratio that was drawn, to the pixel."""
    return truth(spec).cardiothoracic_ratio


def answers_figures(
    series: DrawnSeries, probabilities: Sequence[Sequence[float]]
) -> dict[str, object]:
    """How probabilities (chests, V) follow what was varied.

    mean: over the chests at each value.  rank_correlation: Spearman's within each chest, its mean and least; NaN as
    None, where a chest's probabilities are all the same.
    """
    said = np.asarray(probabilities, np.float64)
    each = [
        float(spearmanr(series.varied, row).statistic) if np.ptp(row) > 0 else np.nan
        for row in said
    ]
    known = [value for value in each if not np.isnan(value)]
    return {
        "varied": list(series.varied),
        "mean": [round(float(value), 6) for value in said.mean(axis=0)],
        "rank_correlation": round(float(np.mean(known)), 4) if known else None,
        "least_rank_correlation": round(float(np.min(known)), 4) if known else None,
        "chests": len(said),
    }
