"""How often the 95 % intervals hold the truth: sets of films drawn from a known distribution, each measured anew.

Scores are normal about each class, as far apart as gives an AUROC of 0.8; of a patient's films part of the score is
shared. The truths are closed forms, or means over a million films.
"""

import os
from collections.abc import Iterator

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from benchmarks.table import Row
from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, to_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.delong import compute_delong_auroc
from cxr_core.models.figures import Figure

SETS = int(os.environ.get("COVERAGE_SETS", "1000"))
PATIENTS, PREVALENCE, AUROC, SHARED = 300, 0.3, 0.8, 0.5
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {"SETS": 3}
APART = float(norm.ppf(AUROC) * np.sqrt(2))
THRESHOLD = 0.4  # on the probability


def rows() -> list[Row]:
    found = coverage(SETS)
    error = 1.96 * np.sqrt(0.95 * 0.05 / SETS) * 100
    names = {
        "delong": f"AUROC by DeLong, {PATIENTS} patients with one film",
        **{
            f"one.{name}": f"{name} by bootstrap, {PATIENTS} patients with one film"
            for name in _MEASURED
        },
        **{
            f"two.{name}": f"{name} by bootstrap, {PATIENTS} patients with two films"
            for name in _MEASURED
        },
    }
    held = f"93 to 97 (+- {error:.1f} by chance)"
    return [
        Row(f"coverage over {SETS:,} sets: {name}", 100 * found[key], "%", held)
        for key, name in names.items()
    ]


def coverage(sets: int, resamples: int = 1000) -> dict[str, float]:
    """The share of sets whose interval holds the truth: "delong", or films a patient and a figure."""
    held: dict[str, list[bool]] = {}
    truths = truth()
    for seed in range(sets):
        for name, figure, true in _intervals(seed, truths, resamples):
            within = (
                figure.low is not None
                and figure.high is not None
                and figure.low <= true <= figure.high
            )
            held.setdefault(name, []).append(within)
    return {name: float(np.mean(each)) for name, each in held.items()}


def truth() -> dict[str, float]:
    """AUROC as built in, sensitivity in closed form, the Brier score as the mean over a million films."""
    probabilities, labels, _ = films(np.random.default_rng(2026), 1_000_000, 1)
    sensitivity = float(norm.sf(_score_at(THRESHOLD) - APART))
    return {
        "auroc": AUROC,
        "sensitivity": sensitivity,
        "brier": float(np.mean((probabilities - labels) ** 2)),
    }


def films(
    chance: np.random.Generator, patients: int, each: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, labels and patients, (patients x each,). Films of a patient share label and half the variance."""
    patient = np.repeat(np.arange(patients), each)
    labels = (chance.random(patients) < PREVALENCE).astype(float)[patient]
    own, shared = chance.normal(size=len(patient)), chance.normal(size=patients)[patient]
    scores = APART * labels + np.sqrt(1 - SHARED) * own + np.sqrt(SHARED) * shared
    return (
        expit(APART * scores - APART**2 / 2 + np.log(PREVALENCE / (1 - PREVALENCE))),
        labels,
        patient,
    )


_MEASURED = ("auroc", "sensitivity", "brier")


def _intervals(
    seed: int, truths: dict[str, float], resamples: int
) -> Iterator[tuple[str, Figure, float]]:
    for name, each in (("one", 1), ("two", 2)):
        probabilities, labels, patients = films(np.random.default_rng([seed, each]), PATIENTS, each)

        def measured(
            draws: Resamples, said: np.ndarray = probabilities, is_so: np.ndarray = labels
        ) -> dict[str, np.ndarray]:
            return {
                "auroc": metrics.auroc(said, is_so, draws),
                "sensitivity": metrics.count_confusion(said >= THRESHOLD, is_so, draws).sensitivity,
                "brier": metrics.brier_score(said, is_so, draws),
            }

        found = to_figures(
            bootstrap_patients(measured, patients, resamples=resamples, seed=seed), labels
        )
        yield from ((f"{name}.{key}", figure, truths[key]) for key, figure in found.items())
        if each == 1:
            yield "delong", compute_delong_auroc(probabilities, labels), truths["auroc"]


def _score_at(probability: float) -> float:
    """The score whose probability this is."""
    odds = np.log(probability / (1 - probability)) - np.log(PREVALENCE / (1 - PREVALENCE))
    return float((odds + APART**2 / 2) / APART)
