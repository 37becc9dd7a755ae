"""Risk against coverage: the error among the films that are decided, when only the surest are, by three rules.

A rule puts the films in an order, the surest first, and calls each of them. At a coverage of 90 % the first 90 % are
decided and the others left undecided; films that a rule cannot tell apart are decided in part, as if in random order.

    distance     how far the probability lies from the middle of the two thresholds, in log-odds; the default decision
                 of the model is one point of this order
    conformal    how small the smaller of the two conformal p-values is: the order in which decisions of falling
                 confidence would decide them; the call is the class with the larger p-value
    familiarity  how near the film lies to the training films (out-of-distribution score), calls as by distance

Sources: El-Yaniv & Wiener 2010, JMLR 11:1605 (risk and coverage); Geifman & El-Yaniv 2017, NeurIPS (selective risk);
Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World, section 4.5 (p-values by class).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from cxr_core.evaluation.bootstrap.bootstrap import (
    RESAMPLES,
    bootstrap_patients,
    percentile_interval,
)
from cxr_core.evaluation.bootstrap.confidence_bands import ConfidenceBand, percentile_intervals
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.models.figures import Figure
from cxr_core.reading.calibration import CLIP_DISTANCE
from cxr_core.workspace.json_record import Fraction, JsonRecord

Rule = Literal["distance", "conformal", "familiarity"]
RULES: tuple[Rule, ...] = ("distance", "conformal", "familiarity")
RULE_NAMES: Mapping[str, str] = {
    "distance": "distance from the threshold",
    "conformal": "conformal rule",
    "familiarity": "out-of-distribution score",
}
GRID = np.arange(1, 101) / 100  # shares decided at which a curve is given
MAX_STEPS = 1000  # in which films are decided one after the other
# What a film counts for: with or without the finding, one more where it is called wrongly.
POSITIVE, NEGATIVE, KINDS = 0, 2, 4
TABLE = (1.0, 0.95, 0.9, 0.8)  # shares decided that have figures of their own
OOD_SCORE = "unfamiliarity"  # of predictions.csv: the out-of-distribution score
CONFORMAL = ("conformal_present", "conformal_absent")  # of predictions.csv, where the model knows


@dataclass(frozen=True, kw_only=True, eq=False)
class RankedCalls:
    """How one rule decides N films. sureness: (N,) the most sure are decided first.  called: (N,) bool, suspected."""

    sureness: np.ndarray
    called: np.ndarray


@dataclass(frozen=True, kw_only=True)
class CoverageAt(JsonRecord):
    """What is wrong among the films decided, when this share is decided.

    error: of the decided films.  missed: of those with the finding.  false_alarms: of those without. Their n and
    positives count decided films.
    """

    decided: Fraction
    error: Figure
    missed: Figure
    false_alarms: Figure


@dataclass(frozen=True, kw_only=True)
class RuleCoverage(JsonRecord):
    """The figures of one rule at the shares of TABLE. mean_error: the mean over all shares of GRID, less is better."""

    at: tuple[CoverageAt, ...]
    mean_error: Figure


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredRule:
    """One rule measured on N films: its figures, and the error at each share of GRID with its 95 % band."""

    figures: RuleCoverage
    error: ConfidenceBand


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassSample:
    """The validation films of one class. log_odds: (K,) ascending, each standing for a K-th of the `films`."""

    log_odds: np.ndarray
    films: int

    def share_at_most(self, values: np.ndarray) -> np.ndarray:
        """(N,) the share of the films whose log-odds are at most each of the values."""
        shares: np.ndarray = np.searchsorted(self.log_odds, values, "right") / len(self.log_odds)
        return shares

    def share_at_least(self, values: np.ndarray) -> np.ndarray:
        """(N,) the share of the films whose log-odds are at least each of the values."""
        shares: np.ndarray = 1 - np.searchsorted(self.log_odds, values, "left") / len(self.log_odds)
        return shares


@dataclass(frozen=True, kw_only=True, eq=False)
class ValidationSample:
    """The validation films of one finding, with it and without it."""

    present: ClassSample
    absent: ClassSample


def compute_p_values(
    probabilities: np.ndarray, validation: ValidationSample
) -> tuple[np.ndarray, np.ndarray]:
    """Conformal p-values (N,) of "present" and of "absent": how many validation films of the class are as extreme.

    A low p-value rejects the class. The film itself counts, as it does for the thresholds of the decisions.
    """
    values = to_log_odds(probabilities)
    present, absent = validation.present, validation.absent
    of_present = (present.films * present.share_at_most(values) + 1) / (present.films + 1)
    of_absent = (absent.films * absent.share_at_least(values) + 1) / (absent.films + 1)
    return of_present, of_absent


def add_p_values(table: pd.DataFrame, samples: Mapping[str, ValidationSample]) -> pd.DataFrame:
    """The predictions with CONFORMAL, empty for findings without a sample; as they are without any."""
    if not samples:
        return table
    complete = table.copy()
    for key, sample in samples.items():
        rows = (table["finding"] == key).to_numpy()
        p_values = compute_p_values(table.loc[rows, "probability"].to_numpy(np.float64), sample)
        for name, column in zip(CONFORMAL, p_values, strict=True):
            complete.loc[rows, name] = column.round(6)
    return complete


def rank_by_distance(
    probabilities: np.ndarray, present_from: float | np.ndarray, absent_below: float | np.ndarray
) -> RankedCalls:
    """By the distance from the middle of two thresholds, in log-odds; they may be one and the same.

    probabilities: (N,).  present_from, absent_below: of all films, or (N,) of each.
    """
    middle = (to_log_odds(present_from) + to_log_odds(absent_below)) / 2
    offset = to_log_odds(probabilities) - middle
    return RankedCalls(sureness=np.abs(offset), called=offset >= 0)


def rank_by_p_values(of_present: np.ndarray, of_absent: np.ndarray) -> RankedCalls:
    """By conformal p-values, (N,) each: the class with the smaller one is rejected, the surer the smaller it is."""
    return RankedCalls(sureness=-np.minimum(of_present, of_absent), called=of_present >= of_absent)


def rank_films(
    rows: pd.DataFrame, present_from: float | np.ndarray, absent_below: float | np.ndarray
) -> dict[Rule, RankedCalls]:
    """The films of one finding by each rule that its predictions have what it needs for.

    present_from, absent_below: of all films, or (N,) of each.
    An out-of-distribution score that is the same for all films comes from a model without statistics of its training
    films, and ranks nothing.
    """
    by_distance = rank_by_distance(
        rows["probability"].to_numpy(np.float64), present_from, absent_below
    )
    ranked: dict[Rule, RankedCalls] = {"distance": by_distance}
    if set(CONFORMAL) <= set(rows.columns) and rows[[*CONFORMAL]].notna().all(axis=None):
        ranked["conformal"] = rank_by_p_values(
            *(rows[name].to_numpy(np.float64) for name in CONFORMAL)
        )
    scores = take_ood_scores(rows)
    if np.isfinite(scores).all() and len(np.unique(scores)) > 1:
        ranked["familiarity"] = RankedCalls(sureness=-scores, called=by_distance.called)
    return ranked


def take_ood_scores(rows: pd.DataFrame) -> np.ndarray:
    """(N,) the out-of-distribution scores of a table of predictions; NaN where there is none, or no number."""
    if OOD_SCORE not in rows:
        return np.full(len(rows), np.nan)
    scores: np.ndarray = pd.to_numeric(rows[OOD_SCORE], errors="coerce").to_numpy(np.float64)
    return scores


def measure_rule(
    ranked: RankedCalls,
    labels: np.ndarray,
    patients: np.ndarray,
    resamples: int = RESAMPLES,
) -> MeasuredRule:
    """Error against coverage, with intervals by patient. labels: (N,) 0 or 1.  patients: (N,)."""
    positive, wrong = labels == 1, ranked.called != (labels == 1)
    step_of = _assign_steps(ranked.sureness)
    steps = int(step_of.max(initial=-1)) + 1
    # A one for each film, in the column of its step and of what it counts for.
    kind = np.where(positive, POSITIVE, NEGATIVE) + wrong
    cells = (np.arange(len(labels)), kind * steps + step_of)
    films = csr_array((np.ones(len(labels)), cells), shape=(len(labels), KINDS * steps))

    def measure(sample: Resamples) -> dict[str, np.ndarray]:
        counts = _count_decided((sample @ films).reshape(-1, KINDS, steps))
        positives = counts[:, POSITIVE] + counts[:, POSITIVE + 1]
        negatives = counts[:, NEGATIVE] + counts[:, NEGATIVE + 1]
        missed, false_alarms = counts[:, POSITIVE + 1], counts[:, NEGATIVE + 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            error = (missed + false_alarms) / (positives + negatives)
            return {
                "error": error,
                "missed": missed / positives,
                "false_alarms": false_alarms / negatives,
                "positives": positives,
                "negatives": negatives,
                "mean_error": error.mean(axis=1),
            }

    values = bootstrap_patients(measure, patients, resamples=resamples)
    low, high = percentile_intervals(values["error"])
    mean_error = to_figure(values["mean_error"], len(labels), int(positive.sum()))
    return MeasuredRule(
        figures=RuleCoverage(
            at=tuple(_take_figures(values, share) for share in TABLE), mean_error=mean_error
        ),
        error=ConfidenceBand(at=GRID, value=values["error"][0], low=low, high=high),
    )


def measure_rules(
    ranked: Mapping[Rule, RankedCalls], labels: np.ndarray, patients: np.ndarray
) -> dict[Rule, MeasuredRule]:
    """`measure_rule` of each of several rules, on the same resamples."""
    return {rule: measure_rule(calls, labels, patients) for rule, calls in ranked.items()}


def decide_share(sureness: np.ndarray, share: float) -> np.ndarray:
    """(N,) how far each film is decided, 0 to 1, when the surest ones that make up this share are.

    Films that tie where the share ends are decided in part, alike.
    """
    levels, level_of = np.unique(-sureness, return_inverse=True)
    films = np.bincount(level_of, minlength=len(levels)).astype(np.float64)
    before = np.cumsum(films) - films
    parts: np.ndarray = np.clip((share * len(sureness) - before) / films, 0, 1)
    return parts[level_of]


def to_log_odds(probabilities: float | np.ndarray) -> np.ndarray:
    """(N,) log-odds of probabilities, clipped as `calibration.log_odds` does."""
    clipped = np.clip(probabilities, CLIP_DISTANCE, 1 - CLIP_DISTANCE)
    values: np.ndarray = np.log(clipped / (1 - clipped))
    return values


def _assign_steps(sureness: np.ndarray) -> np.ndarray:
    """(N,) the step in which each film is decided, the surest in step 0; films that tie are in one.

    Where films differ in more than MAX_STEPS places, only the two places around each share of GRID are told apart. The
    errors of the films are the same; those of a resample are interpolated over at most a hundredth of the films.
    """
    levels, level_of, films = np.unique(-sureness, return_inverse=True, return_counts=True)
    if len(levels) <= MAX_STEPS:
        return level_of
    ends = np.cumsum(films)
    after = np.searchsorted(ends, GRID * len(sureness) - 1e-9)
    kept = np.unique(np.concatenate([np.maximum(after - 1, 0), after]))
    steps: np.ndarray = np.searchsorted(kept, level_of)
    return steps


def _count_decided(counts: np.ndarray) -> np.ndarray:
    """(R, KINDS, G) films decided at the shares of GRID, by kind. counts: (R, KINDS, steps) films of each step."""
    so_far = np.zeros((*counts.shape[:2], counts.shape[2] + 1))
    np.cumsum(counts, axis=2, out=so_far[:, :, 1:])
    all_films = so_far.sum(axis=1)
    decided = np.empty((*counts.shape[:2], len(GRID)))
    for sums, films, found in zip(so_far, all_films, decided, strict=True):
        for kind in range(KINDS):
            found[kind] = np.interp(GRID * films[-1], films, sums[kind])
    return decided


def _take_figures(values: Mapping[str, np.ndarray], share: float) -> CoverageAt:
    place = int(np.argmin(np.abs(GRID - share)))
    positives, negatives = (
        round(float(values[name][0, place])) for name in ("positives", "negatives")
    )
    return CoverageAt(
        decided=share,
        error=to_figure(values["error"][:, place], positives + negatives, positives),
        missed=to_figure(values["missed"][:, place], positives, positives),
        false_alarms=to_figure(values["false_alarms"][:, place], negatives, 0),
    )


def to_figure(values: np.ndarray, n: int, positives: int) -> Figure:
    """The rounded figure of (1 + resamples,) values, with its percentile interval."""
    value, low, high = (
        None if np.isnan(number) else float(number)
        for number in (values[0], *percentile_interval(values))
    )
    return Figure(value, low, high, n, positives).rounded()
