"""Evaluations written by the program's own code, from probabilities that a test makes up."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.evaluation.add_coverage import add_coverage
from cxr_core.evaluation.evaluate import compute_figures
from cxr_core.evaluation.metrics.coverage import ValidationSample
from cxr_core.evaluation.metrics.curves import TrainingCurves, compute_finding_curves
from cxr_core.evaluation.metrics.figures import compute_classification_report
from cxr_core.evaluation.metrics.recalibrate import recalibrate
from cxr_core.evaluation.metrics.results import EvaluatedData
from cxr_core.evaluation.store.folder import Evaluation
from tests.tiny import tiny_card

COUNT = 60
CARD = tiny_card(findings=("cardiomegaly",))
TRAINING = TrainingCurves(
    epochs=(1, 2, 3),
    figures={"loss": (0.7, 0.5, 0.4), "val_loss": (0.7, 0.6, 0.65), "val_auroc": (0.6, 0.8, 0.7)},
    best_epoch=2,
)


def predictions(count: int = COUNT, seed: int = 0, named: str = "film-{}.png") -> pd.DataFrame:
    """Two films a patient, a third of them positive, half PA; probabilities that tell most films apart."""
    chance = np.random.default_rng(seed)
    label = np.repeat((np.arange(-(-count // 2)) % 3 == 0).astype(float), 2)[:count]
    probability = np.clip(0.3 + 0.35 * label + chance.normal(0, 0.18, count), 0.01, 0.99)
    return pd.DataFrame(
        {
            "image": [named.format(number) for number in range(count)],
            "patient": [str(number // 2) for number in range(count)],
            "finding": "cardiomegaly",
            "label": label,
            "logit": np.log(probability / (1 - probability)),
            "probability": probability,
            "unfamiliarity": 0.5,
            "view": ["PA", "AP"] * (count // 2) + ["PA"] * (count % 2),
            "age": 30.0 + np.arange(count) % 50,
            "sex": np.repeat(np.array(["F", "M"] * count)[: -(-count // 2)], 2)[:count],
            "source": "here",
        }
    )


def write_evaluation(
    place: Path,
    table: pd.DataFrame | None = None,
    split: str = "test",
    training: TrainingCurves | None = None,
    folders: tuple[Path, ...] = (),
    method: str = "",
    samples: Mapping[str, ValidationSample] | None = None,
    **changes: Any,
) -> Path:
    """The folder, written as `train.evaluate` writes it. method: of recalibration.

    samples: validation films on which conformal p-values are counted; None for an evaluation without coverage, as
    earlier versions wrote them.  changes: of metrics.json.
    """
    table = predictions() if table is None else table
    rows = table[table["label"].notna()]
    points = CARD.operating_points["cardiomegaly"]
    arrays = (
        rows["probability"].to_numpy(float),
        rows["label"].to_numpy(float),
        rows["patient"].to_numpy(str),
    )
    evaluation = Evaluation(
        card=CARD,
        split=split,
        data=EvaluatedData(
            films=len(table),
            patients=int(table["patient"].nunique()),
            data_sha256="0" * 64,
            split_sha256="0" * 64,
            terms="",
            folders=tuple(str(folder) for folder in folders),
        ),
        table=table,
        figures=compute_figures(CARD, table),
        reports={"cardiomegaly": compute_classification_report(*arrays, points[0])},
        curves={"cardiomegaly": compute_finding_curves(*arrays, points)},
        made="2026-01-02T03:04:05+00:00",
        training=training,
        recalibration=recalibrate(CARD, table, method, "youden") if method else None,
    )
    if samples is not None:
        evaluation = add_coverage(evaluation, samples)
    path = evaluation.write(place)
    if changes:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return place
