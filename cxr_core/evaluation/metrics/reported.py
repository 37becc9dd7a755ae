"""Says which probability is held against the labels: a model's own, or the one that labels such as these would show.

A model whose card knows how its labels differ from readers gives the probability of a reader's verdict. Held against
labels mined from reports it would look three times too high, so calibration is measured on `probability_reported`: like
with like. Ranks are the same for both.
"""

from typing import Literal

import numpy as np
import pandas as pd

Calibrated = Literal["probability", "probability_reported"]
REPORTED: Calibrated = (
    "probability_reported"  # of predictions.csv, where the labels are those of reports
)
CALIBRATION_OF_REPORTS = (
    "Labels here come from reports, while the probability is that of a reader's verdict. Calibration errors, Brier "
    "score and log loss are those of probability_reported, the chance that such a report names the finding; thresholds "
    "are on the probability."
)


def take_calibrated(rows: pd.DataFrame) -> np.ndarray:
    """(N,) the probability to hold against the labels of a table of predictions."""
    own = rows["probability"]
    shown = rows[REPORTED].fillna(own) if REPORTED in rows else own
    values: np.ndarray = shown.to_numpy(np.float64)
    return values


def name_calibrated(rows: pd.DataFrame) -> Calibrated:
    """The column that `take_calibrated` takes."""
    return REPORTED if REPORTED in rows and rows[REPORTED].notna().any() else "probability"
