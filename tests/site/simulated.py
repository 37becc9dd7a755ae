"""Log-odds whose truth is known: a model that is calibrated exactly on its validation films, and sites that differ.

Two Gaussian classes of one variance, the means that variance apart, have log-odds that are their own logit: at a
prevalence p the classes lie at logit(p) - variance / 2 and logit(p) + variance / 2.
"""

from pathlib import Path

import numpy as np
from scipy.special import logit

from cxr_core.models.card import Calibration, ModelCard, Population
from cxr_core.models.store import load_card
from cxr_core.site.local_films import LocalFilms
from cxr_core.site.validation_scores import (
    FindingScores,
    ValidationScores,
    summarise_finding,
    write_validation_scores,
)
from tests.tiny import tiny_card

FINDING = "pneumonia"
PREVALENCE = 0.4
VARIANCE = 6.0
CARD: ModelCard = tiny_card(
    findings=(FINDING,),
    calibration={FINDING: Calibration(slope=2.0, intercept=1.0)},
    prevalence={FINDING: PREVALENCE},
    population=Population(text="children aged 1 to 5", age_min=1, age_max=5),
)


def draw_log_odds(rng: np.random.Generator, label: int, count: int) -> np.ndarray:
    """(count,) log-odds of films of one class, as on validation."""
    middle = logit(PREVALENCE) + (label - 0.5) * VARIANCE
    return rng.normal(middle, np.sqrt(VARIANCE), count)


def validation_scores(
    rng: np.random.Generator, absent: int = 160, present: int = 200
) -> FindingScores:
    """What a model folder keeps of validation films, one film a patient."""
    labels = np.repeat([0, 1], [absent, present])
    log_odds = np.concatenate([draw_log_odds(rng, 0, absent), draw_log_odds(rng, 1, present)])
    calibration = CARD.calibration[FINDING]
    logits = (log_odds - calibration.intercept) / calibration.slope
    return summarise_finding(logits, labels, np.arange(len(labels)).astype(str))


def write_scores(folder: Path, scores: FindingScores) -> ModelCard:
    """Write what validation films scored for pneumonia beside the model in a folder; returns its card."""
    card = load_card(folder)
    written = ValidationScores(
        model=card.model,
        version=card.version,
        weights_sha256=card.weights_sha256,
        source="made by a test",
        findings={FINDING: scores},
    )
    write_validation_scores(folder, written)
    return card


def local_films(
    log_odds: np.ndarray, labels: np.ndarray, patients: np.ndarray | None = None
) -> LocalFilms:
    """Films of a site, one a patient unless the patients are given."""
    names = np.array([f"film {number}.png" for number in range(len(labels))], dtype=object)
    return LocalFilms(
        model=CARD.model,
        version=CARD.version,
        finding=FINDING,
        names=names,
        patients=names if patients is None else np.asarray(patients, dtype=object),
        sha256=np.array([f"{number:064x}" for number in range(len(labels))], dtype=object),
        log_odds=np.asarray(log_odds, np.float64),
        labels=np.asarray(labels, np.int64),
    )


def draw_site(
    rng: np.random.Generator,
    absent: int,
    present: int = 0,
    *,
    shift: tuple[float, float] = (0.0, 0.0),
    slope: float = 1.0,
) -> LocalFilms:
    """Films whose log-odds are slope x what validation would have given + the shift of their class."""
    of_classes = [
        slope * draw_log_odds(rng, label, count) + shift[label]
        for label, count in ((0, absent), (1, present))
    ]
    return local_films(np.concatenate(of_classes), np.repeat([0, 1], [absent, present]))
