"""Films of an evaluation picked by what was said of them: what lies behind a point, a bin, a cell or a group.

The worst come first: those whose probability lies furthest from their label.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

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
FOUND = {
    "false_positive": (True, 0),
    "false_negative": (False, 1),
    "true_positive": (True, 1),
    "true_negative": (False, 0),
}
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Pick:
    """Which films. None asks nothing; "unknown" asks for a missing value.

    low, high: probability in [low, high), its upper end included at 1.  age_min, age_max: whole years, both included.
    outcome: what became of the film at the threshold; threshold: None for the one that the page is at.
    """

    low: float | None = None
    high: float | None = None
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
        """Whether anything is asked."""
        return self != Pick()

    def rows(self, films: pd.DataFrame, threshold: float) -> np.ndarray:
        """Places of the films in the table, the worst first.

        films: rows of predictions with a known label.  threshold: where the page is.
        """
        threshold = threshold if self.threshold is None else self.threshold
        probability, label = (
            films["probability"].to_numpy(np.float64),
            films["label"].to_numpy(np.float64),
        )
        kept = np.ones(len(films), bool)
        if self.low is not None:
            kept &= probability >= self.low
        if self.high is not None:
            kept &= (probability < self.high) | (self.high >= 1)
        if self.label is not None:
            kept &= label == self.label
        if self.outcome is not None:
            called, known = FOUND[self.outcome]
            kept &= ((probability >= threshold) == called) & (label == known)
        kept &= self._of_group(films)
        places = np.flatnonzero(kept)
        return places[np.argsort(-np.abs(probability - label)[places], kind="stable")]

    def counts(self, films: pd.DataFrame, threshold: float) -> dict[Outcome, int]:
        """How many of these films came out which way, whatever outcome is asked for."""
        return {each: len(replace(self, outcome=each).rows(films, threshold)) for each in OUTCOMES}

    def words(self) -> tuple[str, ...]:
        """What is asked beside the outcome, a phrase for each thing."""
        asked = [] if self.threshold is None else [f"threshold {self.threshold:.4g}"]
        if self.low is not None or self.high is not None:
            asked.append(
                f"probability {_per_cent(self.low or 0)} to {_per_cent(1 if self.high is None else self.high)}"
            )
        if self.label is not None:
            asked.append("labelled present" if self.label else "labelled absent")
        asked += [f"sex {self.sex}"] if self.sex else []
        asked += [f"view {self.view}"] if self.view else []
        asked += [f"from {self.source}"] if self.source else []
        if self.age_min is not None or self.age_max is not None:
            asked.append(_years(self.age_min, self.age_max))
        asked += [f"patient {self.patient}"] if self.patient else []
        return tuple(asked)

    def _of_group(self, films: pd.DataFrame) -> np.ndarray:
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


def _per_cent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _years(low: float | None, high: float | None) -> str:
    if high is None:
        return f"{low:g} years and over"
    return f"{low or 0:g} to {high:g} years"
