"""Selects films of an evaluation by their prediction and their facts: those behind a point, a bin, a cell or a group.

The worst come first: those whose probability is furthest from their label.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from cxr_core.evaluation.metrics.reported import take_calibrated

Outcome = Literal["false_positive", "false_negative", "true_positive", "true_negative"]
OUTCOMES: tuple[Outcome, ...] = (
    "false_positive",
    "false_negative",
    "true_positive",
    "true_negative",
)
OUTCOME_NAMES: dict[Outcome, str] = {
    "false_positive": "False positives",
    "false_negative": "False negatives",
    "true_positive": "True positives",
    "true_negative": "True negatives",
}
CALL_AND_LABEL = {
    "false_positive": (True, 0),
    "false_negative": (False, 1),
    "true_positive": (True, 1),
    "true_negative": (False, 0),
}
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class FilmFilter:
    """Which films. None filters nothing; "unknown" selects a missing value.

    low, high: probability in [low, high), its upper end included at 1.  calibrated: whether that is the probability
    which calibration is measured of, see `reported`.  age_min, age_max: whole years, both included.
    outcome: call and label at the threshold; threshold: None for the page's own.
    """

    low: float | None = None
    high: float | None = None
    calibrated: bool = False
    label: int | None = None
    outcome: Outcome | None = None
    threshold: float | None = None
    sex: str | None = None
    view: str | None = None
    source: str | None = None
    age_min: float | None = None
    age_max: float | None = None
    patient: str | None = None

    def __bool__(self) -> bool:
        """Whether it filters anything."""
        return self != FilmFilter()

    def select_rows(self, films: pd.DataFrame, threshold: float) -> np.ndarray:
        """Places of the films in the table, the worst first.

        films: rows of predictions with a known label.  threshold: the page's own.
        """
        threshold = threshold if self.threshold is None else self.threshold
        probability = films["probability"].to_numpy(np.float64)
        label = films["label"].to_numpy(np.float64)
        kept = self._matches_group(films)
        limited = take_calibrated(films) if self.calibrated else probability
        if self.low is not None:
            kept &= limited >= self.low
        if self.high is not None:
            kept &= (limited < self.high) | (self.high >= 1)
        if self.label is not None:
            kept &= label == self.label
        if self.outcome is not None:
            called, known = CALL_AND_LABEL[self.outcome]
            kept &= ((probability >= threshold) == called) & (label == known)
        places = np.flatnonzero(kept)
        return places[np.argsort(-np.abs(probability - label)[places], kind="stable")]

    def count_outcomes(self, films: pd.DataFrame, threshold: float) -> dict[Outcome, int]:
        """How many of these films have each outcome, whatever outcome the filter has."""
        return {
            outcome: len(replace(self, outcome=outcome).select_rows(films, threshold))
            for outcome in OUTCOMES
        }

    def describe(self) -> tuple[str, ...]:
        """A phrase for each condition but the outcome."""
        phrases = []
        if self.threshold is not None:
            phrases.append(f"threshold {self.threshold:.4g}")
        if self.low is not None or self.high is not None:
            low = _format_percent(self.low or 0)
            high = _format_percent(1 if self.high is None else self.high)
            phrases.append(f"probability {low} to {high}")
        if self.label is not None:
            phrases.append("labelled present" if self.label else "labelled absent")
        if self.sex:
            phrases.append(f"sex {self.sex}")
        if self.view:
            phrases.append(f"view {self.view}")
        if self.source:
            phrases.append(f"from {self.source}")
        if self.age_min is not None or self.age_max is not None:
            phrases.append(_format_ages(self.age_min, self.age_max))
        if self.patient:
            phrases.append(f"patient {self.patient}")
        return tuple(phrases)

    def _matches_group(self, films: pd.DataFrame) -> np.ndarray:
        kept = np.ones(len(films), bool)
        for column in ("sex", "view", "source", "patient"):
            level = getattr(self, column)
            if level is not None:
                values = films[column]
                kept &= (values.isna() if level == UNKNOWN else values == level).to_numpy()
        if self.age_min is not None:
            kept &= (films["age"] >= self.age_min).to_numpy()
        if self.age_max is not None:
            kept &= (films["age"] < self.age_max + 1).to_numpy()
        return kept


def _format_percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _format_ages(low: float | None, high: float | None) -> str:
    if high is None:
        return f"{low:g} years and over"
    return f"{low or 0:g} to {high:g} years"
