"""What an evaluation of 14 findings on NIH's official test list costs, beside scikit-learn on the same resamples.

Films, patients, labels, ages, sexes and views are those of NIH's tables (112,120 rows, of which the test list names
25,596 films of 2,797 patients); the scores are drawn by chance about the labels. Times are those of the processor, not
of the wall: what else the machine does is left out. scikit-learn is measured on a few of the resamples and scaled.
"""

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.table import Row
from cxr_core.evaluation.bootstrap.bootstrap import RESAMPLES, bootstrap_patients, draw_resamples
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.figures import (
    compute_classification_report,
    compute_finding_figures,
    compute_macro_figures,
)
from cxr_core.evaluation.metrics.subgroups import compute_subgroups
from cxr_core.findings import FINDINGS
from cxr_core.models.card import OperatingPoint

Found = TypeVar("Found")
FEW = 3  # resamples that scikit-learn is measured on, of each finding
FILMS: int | None = None  # all of them
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {"FEW": 1, "FILMS": 600}
POINTS = tuple(
    OperatingPoint(name=name, threshold=threshold, source="a benchmark")
    for name, threshold in (("youden", 0.1), ("sensitivity_95", 0.03), ("specificity_95", 0.3))
)


def rows() -> list[Row]:
    films = _test_list()
    if films is None:
        return [
            Row("evaluation: skipped, NIH's tables are not in CXR_REAL_DATA", float("nan"), "", "")
        ]
    films = films[:FILMS]
    findings = {key: _scored(films, key, seed) for seed, key in enumerate(FINDINGS)}
    ours, values = _timed(lambda: {key: _areas(each) for key, each in findings.items()})
    theirs, gap = _scikit_learn(findings, values)
    whole, _ = _timed(lambda: _everything(findings))
    n, patients = len(films), films["patient"].nunique()
    named = f"{len(findings)} findings, {n:,} films, {patients:,} patients, {RESAMPLES:,} resamples"
    return [
        Row(f"evaluation: AUROC and average precision of {named}", ours, "s", "<= 6"),
        Row(
            f"evaluation: scikit-learn, {FEW} resamples a finding scaled to {RESAMPLES:,} / ours",
            theirs / ours,
            "x",
            ">= 20",
        ),
        Row(
            "evaluation: greatest difference from scikit-learn's values, in units of 1e-10",
            gap / 1e-10,
            "",
            "<= 1",
        ),
        Row(
            "evaluation: of the same films every figure, class reports, all subgroups and means over findings",
            whole,
            "s",
            "<= 10",
        ),
    ]


def _test_list() -> pd.DataFrame | None:
    """The official test list with its labels and facts; None without the tables."""
    folder = Path(os.environ.get("CXR_REAL_DATA", "../shared/data")) / "nih_cxr8"
    if not (folder / "test_list.txt").is_file():
        return None
    entries = pd.read_csv(folder / "Data_Entry_2017_v2020.csv")
    entries = entries[
        entries["Image Index"].isin((folder / "test_list.txt").read_text().split())
    ].reset_index(drop=True)
    facts = {
        "patient": "Patient ID",
        "age": "Patient Age",
        "sex": "Patient Gender",
        "view": "View Position",
    }
    table = pd.DataFrame({name: entries[column] for name, column in facts.items()})
    told = entries["Finding Labels"].str.lower().str.split("|", regex=False)
    return table.assign(
        **{
            key: told.map(lambda names, known=each: bool(known.aliases & set(names)))
            for key, each in FINDINGS.items()
        }
    )


def _scored(films: pd.DataFrame, key: str, seed: int) -> pd.DataFrame:
    """One finding's rows of a predictions table, its probabilities drawn about the labels."""
    labels = films[key].to_numpy(np.float64)
    scores = np.random.default_rng(seed).normal(1.5 * labels, 1)
    return films[["patient", "age", "sex", "view"]].assign(
        label=labels, probability=expit(scores - 3)
    )


def _areas(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    probabilities, labels, patients = _arrays(rows)

    def measured(draws: Resamples) -> dict[str, np.ndarray]:
        ranked = metrics.rank_films(probabilities, labels, draws)
        return {"auroc": ranked.auroc, "average_precision": ranked.average_precision}

    return bootstrap_patients(measured, patients)


def _scikit_learn(
    findings: dict[str, pd.DataFrame], values: dict[str, dict[str, np.ndarray]]
) -> tuple[float, float]:
    """How long the same resamples would take it, in s, and how far its values lie from ours at most."""
    seconds, gap = 0.0, 0.0
    for key, each in findings.items():
        probabilities, labels, patients = _arrays(each)
        _, draws = list(draw_resamples(patients, RESAMPLES))[:2]
        for resample, weights in enumerate(
            Resamples(draws.times[:, :FEW], draws.patient_of).to_weights()
        ):
            for name, measure in (
                ("auroc", roc_auc_score),
                ("average_precision", average_precision_score),
            ):
                measured = functools.partial(measure, labels, probabilities, sample_weight=weights)
                took, value = _timed(measured)
                seconds += took
                gap = max(gap, abs(value - values[key][name][resample + 1]))
    return seconds * RESAMPLES / FEW, gap


def _everything(findings: dict[str, pd.DataFrame]) -> None:
    for each in findings.values():
        arrays = _arrays(each)
        compute_finding_figures(*arrays, POINTS)
        compute_classification_report(*arrays, POINTS[0])
        compute_subgroups(each, POINTS[0])
    compute_macro_figures({key: _arrays(each) for key, each in findings.items()})


def _arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rows["probability"].to_numpy(), rows["label"].to_numpy(), rows["patient"].to_numpy()


def _timed(action: Callable[[], Found]) -> tuple[float, Found]:
    """Seconds by the clock, as who waits has them, and what came out."""
    started = time.perf_counter()
    found = action()
    return time.perf_counter() - started, found
