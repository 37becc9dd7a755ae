"""Tells whether a site's readings still look as they did at the acceptance test, from log-odds without labels.

Readings have no labels, and how many of their patients have the finding may change from week to week. So they are
compared with the mixture of the model's validation films of both classes that fits them best: what no share of the
finding explains is drift. After a recalibration the recalibrated log-odds are compared, which look like validation's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cxr_core.models.card import Calibration
from cxr_core.presentation.wording import format_count
from cxr_core.reading.site_profile import SiteCalibration
from cxr_core.site.validation_scores import FindingScores
from cxr_core.site.watching import BIN_WIDTH, HIGHEST_BIN, LOWEST_BIN, FindingCounts

# Of Kolmogorov's distribution, for a significance of 0.01. Source: Smirnov 1948, Ann. Math. Stat. 19:279.
CRITICAL = 1.628
POWER_Z = 1.282  # of the normal distribution, for a power of 90 %
SHIFT = 1.0  # log-odds by which films without the finding move, for which the number of films needed is stated
MOST_FILMS = 100_000  # beyond it the number needed is not stated
SHARES = np.linspace(0.0, 1.0, 201)  # of films with the finding, that are tried

DriftVerdict = Literal["steady", "drifted", "too_few"]


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Readings against the acceptance. verdict: too_few while there are fewer than `films_needed`.

    films: read with a verdict.  films_needed: from which on a shift of the films without the finding by SHIFT log-odds
    shows with a power of 90 %; None where no number of films shows it.  distance: Kolmogorov-Smirnov, between the
    readings and the mixture that is closest to them; None without films.  critical: above it is drift, at 1 % false
    alarms at most.  share: of films with the finding in that mixture, which is no estimate of prevalence.
    """

    verdict: DriftVerdict
    films: int
    films_needed: int | None
    distance: float | None
    critical: float | None
    share: float | None
    sentence: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The validation films of one finding as distribution functions, (K,) at the edges of the bins.

    absent, present: the share of the class below each edge.  films: of both classes, that they rest on.
    """

    absent: np.ndarray
    present: np.ndarray
    films: tuple[int, int]

    def find_closest(self, observed: np.ndarray) -> tuple[float, float]:
        """The smallest distance of a distribution function (K,) to a mixture, and the share of the finding in it."""
        mixtures = self.absent + SHARES[:, None] * (self.present - self.absent)  # (shares, K)
        distances = np.abs(mixtures - observed).max(axis=1)
        best = int(distances.argmin())
        return float(distances[best]), float(SHARES[best])

    def count_effective(self, share: float) -> float:
        """How many films a mixture is as certain as."""
        absent, present = self.films
        return 1 / ((1 - share) ** 2 / absent + share**2 / present)


def measure_drift(
    weeks: Sequence[FindingCounts],
    scores: FindingScores,
    calibration: Calibration,
    site_calibration: SiteCalibration | None,
    card_prevalence: float | None,
    site_prevalence: float | None = None,
) -> Drift:
    """Compare readings of several weeks with the model's validation films.

    weeks: counts of one finding by one version of a model.  scores, calibration, card_prevalence: of that version.
    site_calibration: what is installed.  site_prevalence: for the number of films needed; None = the card's.
    """
    counts = _sum_bins(weeks)
    edges = np.arange(LOWEST_BIN + 1, HIGHEST_BIN + 1) * BIN_WIDTH
    if site_calibration is not None:
        edges = _recalibrate(edges, site_calibration, card_prevalence)
    reference = make_reference(scores, calibration, edges)
    share = site_prevalence or card_prevalence or 0.5
    needed = count_films_needed(reference, scores, calibration, edges, share)
    films = int(counts.sum())
    if films == 0:
        sentence = _describe("too_few", 0, needed)
        return Drift(
            verdict="too_few",
            films=0,
            films_needed=needed,
            distance=None,
            critical=None,
            share=None,
            sentence=sentence,
        )
    observed = np.cumsum(counts)[:-1] / films
    distance, closest = reference.find_closest(observed)
    critical = find_critical(films, reference.count_effective(closest))
    verdict: DriftVerdict = "drifted" if distance > critical else "steady"
    if needed is None or films < needed:
        verdict = "too_few"
    return Drift(
        verdict=verdict,
        films=films,
        films_needed=needed,
        distance=distance,
        critical=critical,
        share=closest,
        sentence=_describe(verdict, films, needed),
    )


def make_reference(
    scores: FindingScores, calibration: Calibration, edges: np.ndarray, shift: float = 0.0
) -> Reference:
    """The validation films at the edges of the bins. shift: in log-odds, of the films without the finding."""
    absent = scores.absent.log_odds(calibration) + shift
    present = scores.present.log_odds(calibration)
    return Reference(
        absent=np.searchsorted(np.sort(absent), edges) / len(absent),
        present=np.searchsorted(np.sort(present), edges) / len(present),
        films=(scores.absent.patients, scores.present.patients),
    )


def count_films_needed(
    reference: Reference,
    scores: FindingScores,
    calibration: Calibration,
    edges: np.ndarray,
    share: float,
) -> int | None:
    """From how many films on a shift by SHIFT log-odds shows with a power of 90 %; None where none would do.

    share: of the films that have the finding. The distance must exceed the critical one although the observed share
    below an edge scatters with a standard error of at most 1 / (2 sqrt(films)).
    """
    shifted = make_reference(scores, calibration, edges, SHIFT)
    observed = shifted.absent + share * (shifted.present - shifted.absent)
    distance, closest = reference.find_closest(observed)
    effective = reference.count_effective(closest)
    films = np.unique(np.geomspace(10, MOST_FILMS, 400).round().astype(int))
    enough = distance > CRITICAL * np.sqrt(1 / films + 1 / effective) + POWER_Z / (
        2 * np.sqrt(films)
    )
    return int(films[enough][0]) if enough.any() else None


def find_critical(films: int, effective: float) -> float:
    """The distance that chance exceeds once in a hundred; rarer here, as the mixture is fitted to the readings."""
    return CRITICAL * float(np.sqrt(1 / films + 1 / effective))


def _sum_bins(weeks: Sequence[FindingCounts]) -> np.ndarray:
    """(bins,) films, from the lowest bin to the highest."""
    counts = np.zeros(HIGHEST_BIN - LOWEST_BIN + 1, np.int64)
    for week in weeks:
        for place, films in week.log_odds.items():
            counts[min(max(int(place), LOWEST_BIN), HIGHEST_BIN) - LOWEST_BIN] += films
    return counts


def _recalibrate(
    edges: np.ndarray, calibration: SiteCalibration, card_prevalence: float | None
) -> np.ndarray:
    """The edges of bins as recalibrated log-odds; the slope is positive, so their order stays."""
    recalibrated = calibration.slope * edges + calibration.intercept
    if calibration.prevalence is not None and card_prevalence is not None:
        recalibrated = recalibrated + _logit(card_prevalence) - _logit(calibration.prevalence)
    return np.asarray(recalibrated)


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _describe(verdict: DriftVerdict, films: int, needed: int | None) -> str:
    count = format_count(films, "films")
    if needed is None:
        return (
            f"{count} read since then. The model's validation films are too few for a shift of {SHIFT:g} log-odds to "
            "show without labels; repeat the acceptance test from time to time."
        )
    enough = f"A shift of the films without the finding by {SHIFT:g} log-odds would show from {needed:,} films on"
    if verdict == "too_few":
        return f"{count} read since then, too few to mean anything. {enough}."
    if verdict == "drifted":
        return (
            f"Drift: no mixture of the model's validation films explains the {count} read since then. Repeat the "
            "acceptance test."
        )
    return f"No drift is seen in {count} read since then. {enough}."
