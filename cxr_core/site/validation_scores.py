"""The logits of a model's validation films by class, as quantiles: what a site's own films are compared with.

`validation_scores.json` lies in the model's folder beside the card. It holds the network's logits, so that it stays
true when the card is calibrated anew; they become log-odds by the card's calibration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from cxr_core.errors import DataError, ModelError, RecordError
from cxr_core.models.card import VALIDATION_SCORES, Calibration, ModelCard
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import Count, JsonRecord, read_record_file
from cxr_core.workspace.paths import printable

MOST_QUANTILES = 256  # which move a distribution function by 1/512 at most
DIGITS = 4  # of logits


@dataclass(frozen=True, kw_only=True)
class ClassScores(JsonRecord):
    """The validation films of one class.

    logits: (K,) ascending, each of them standing for a K-th of the films: every film where they are few, else their
    quantiles at (k + 1/2) / K.
    """

    films: Count
    patients: Count
    logits: Annotated[tuple[float, ...], Field(min_length=1, max_length=MOST_QUANTILES)]

    def log_odds(self, calibration: Calibration) -> np.ndarray:
        """(K,) ascending log-odds of the calibrated probability, before any fusion with a measurement."""
        return calibration.slope * np.array(self.logits, np.float64) + calibration.intercept


@dataclass(frozen=True, kw_only=True)
class FindingScores(JsonRecord):
    """The validation films of one finding, without it and with it."""

    absent: ClassScores
    present: ClassScores

    def of_class(self, label: int) -> ClassScores:
        """Those with the finding (1), or those free of it (0)."""
        return self.present if label else self.absent


@dataclass(frozen=True, kw_only=True)
class ValidationScores(JsonRecord):
    """validation_scores.json. weights_sha256: of the network that read the films.  source: which films they are."""

    model: str
    version: str
    weights_sha256: str
    source: str
    findings: Mapping[str, FindingScores]

    def of_finding(self, finding: str) -> FindingScores:
        """Those of one finding. Raises ModelError where there are none."""
        if finding not in self.findings:
            raise ModelError(
                f"{VALIDATION_SCORES} of {self.model} {self.version} has {', '.join(self.findings)}, not {finding}"
            )
        return self.findings[finding]


def summarise_finding(
    logits: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> FindingScores:
    """The scores of one finding's validation films, (N,) each; labels 0 or 1. Raises DataError without a class."""
    classes = []
    for label in (0, 1):
        rows = labels == label
        if not rows.any():
            raise DataError(
                "the validation films are all of one class, so there is nothing to compare with"
            )
        classes.append(_summarise_class(logits[rows], patients[rows]))
    absent, present = classes
    return FindingScores(absent=absent, present=present)


def _summarise_class(logits: np.ndarray, patients: np.ndarray) -> ClassScores:
    values = np.sort(logits.astype(np.float64))
    if len(values) > MOST_QUANTILES:
        steps = (np.arange(MOST_QUANTILES) + 0.5) / MOST_QUANTILES
        values = np.quantile(values, steps, method="hazen")
    return ClassScores(
        films=len(logits),
        patients=len(np.unique(patients)),
        logits=tuple(float(value) for value in values.round(DIGITS)),
    )


def write_validation_scores(folder: Path, scores: ValidationScores) -> Path:
    """Put the scores into a model's folder. Raises OSError where it cannot be written."""
    return write_json(folder / VALIDATION_SCORES, scores.to_json())


def read_validation_scores(folder: Path, card: ModelCard) -> ValidationScores:
    """The scores in a model's folder. Raises ModelError when there are none, or they are of other weights."""
    try:
        scores = read_record_file(folder / VALIDATION_SCORES, ValidationScores)
    except FileNotFoundError as error:
        raise ModelError(
            f"{card.model} {card.version} has no {VALIDATION_SCORES}, so films of a site cannot be compared with its "
            "validation films; make it with --write-scores and the data that the model was trained on"
        ) from error
    except (OSError, RecordError) as error:
        raise ModelError(
            f"{printable(folder / VALIDATION_SCORES)} cannot be read ({error}); make it anew with --write-scores and "
            "the data that the model was trained on"
        ) from error
    if scores.weights_sha256 != card.weights_sha256:
        raise ModelError(
            f"{VALIDATION_SCORES} of {card.model} {card.version} was made with other weights; make it anew"
        )
    return scores
